"""Probes x cases -> trials: what is judged before, and what after.

For a recipe that sees one response, before is the response as it stands and after is its rewrite. For one that sees several,
each probe says what is shown (see `Probe.pairs`); where a response stands beside its own rewrite, both rewards come from one
judgement, and which of the two is shown first is drawn, so that position preference does not look like a preference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from judge.audit.model import Case, Probe, Trial, rng
from judge.types import Sample

SEVERAL = ("pairwise", "listwise")


def make_trials(cases: Sequence[Case], probes: Iterable[Probe], mode: str, seed: int = 0) -> list[Trial]:
    """Every probe on every case that it applies to, case by case.

    Args:
        mode: Of the recipe.
        seed: Of the rewrites.
    """
    probes = tuple(probes)
    make = _several if mode in SEVERAL else _single
    usable = [p for p in probes if (p.in_verifier or mode != "verifier") and (p.single or mode in SEVERAL)]
    return [trial for case in cases for probe in usable for trial in make(probe, case, seed)]


def _single(probe: Probe, case: Case, seed: int) -> Iterator[Trial]:
    if _fits(probe, case):
        after = probe.apply(case, seed)
        if after is not None:
            yield Trial(probe, case, case, after)


def _several(probe: Probe, case: Case, seed: int) -> Iterator[Trial]:
    if probe.pairs in ("whole", "both"):
        after = probe.apply(case, seed) if probe.pairs == "whole" else _both(probe, case, seed)
        if after is not None:
            yield Trial(probe, case, case, after)
        return
    for index in range(len(case.sample.responses)):
        target = replace(case, index=index)
        if not _fits(probe, target):
            continue
        if probe.pairs == "one":
            after = probe.apply(target, seed)
            if after is not None:
                yield Trial(probe, target, target, after)
        else:
            yield from _beside(probe, target, seed)


def _fits(probe: Probe, case: Case) -> bool:
    """Whether the probe is meant for this response; one without a label is taken as right."""
    return probe.base == "any" or (case.is_right is False) == (probe.base == "wrong")


def _both(probe: Probe, case: Case, seed: int) -> Case | None:
    """Every response rewritten; None when the one that is measured stays as it is."""
    first = probe.apply(case, seed)
    if first is None:
        return None
    after = first
    for index in range(len(case.sample.responses)):
        if index != case.index:
            after = probe.apply(replace(after, index=index), seed) or after
    return replace(after, index=case.index)


def _beside(probe: Probe, case: Case, seed: int) -> Iterator[Trial]:
    """A response beside its own rewrite; or, for another question, beside that question's answer."""
    alone = replace(case, sample=replace(case.sample, responses=(case.text,)), index=0, right=(case.is_right,))
    changed = probe.apply(alone, seed)
    if changed is None:
        return
    flip = rng(seed, "order", probe.name, case.question, case.text).random() < 0.5
    mine, theirs = (1, 0) if flip else (0, 1)
    if probe.pairs == "against":
        sample = _pair(case, case.text, changed.text, flip)
        yield Trial(probe, case, replace(alone, sample=sample, index=mine), replace(alone, sample=sample, index=theirs))
        return
    other = next(o for o in case.others if o.sample.prompt == changed.sample.prompt)
    before = _pair(case, case.text, other.answer, flip)
    after = replace(changed.sample, responses=before.responses)
    yield Trial(probe, case, replace(alone, sample=before, index=mine), replace(alone, sample=after, index=mine))


def _pair(case: Case, first: str, second: str, flip: bool) -> Sample:
    return replace(case.sample, responses=(second, first) if flip else (first, second))
