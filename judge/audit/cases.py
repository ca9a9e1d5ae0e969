"""The records of an audit and the trials made of them: a case, a probe that changes it, and what is judged before and after.

- A probe is a plain function (ProbeCase, random.Random) -> ProbeCase or None (it does not apply). It sees one response at a time,
  so the same probe serves recipes that see one response, two, or many.
- Its randomness is seeded by run seed, probe and case, never by position: the same item gets the same rewrite in any
  order and in any subset of the data.
- For a recipe that sees one response, before is the response as it stands and after is its rewrite. For one that sees several,
  each probe says what is shown (see `Probe.pairs`); where a response stands beside its own rewrite, both rewards come from one
  judgement, and which of the two is shown first is drawn, so that position preference does not look like a preference.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from judge.rubric.model import Rubric
from judge.trials import Trial
from judge.types import Reward, Sample

Expect = Literal["invariant", "order", "drop", "rise"]
ProbeFamily = Literal[
    "rewriting", "rubric", "neutral", "length", "format", "sentiment", "cue", "causal", "contrast", "position", "user"
]
ShownAs = Literal["both", "one", "against", "question", "whole"]
ProbeBase = Literal["any", "right", "wrong"]


@dataclass(frozen=True, slots=True)
class OtherQuestion:
    """Another question of the same data: material for contrast."""

    question: str
    sample: Sample
    answer: str


@dataclass(frozen=True, slots=True)
class ProbeCase:
    """A sample, and the one response of it that a probe changes.

    Attributes:
        index: Which response the probe changes and the audit measures.
        right: For each response, whether the data call it right (or preferred); None: not said.
        question: Trials on one question fail together: intervals are clustered by it.
        rubric: What the run judges by, when the sample has none of its own.
        others: OtherQuestion questions, ordered by name, never this one.
        order: Original index of the response at each position; empty: unchanged.
        renamed: New criterion id -> old one, where a probe renamed criteria.
    """

    sample: Sample
    index: int = 0
    right: tuple[bool | None, ...] = (None,)
    question: str = ""
    rubric: Rubric | None = None
    others: tuple[OtherQuestion, ...] = ()
    order: tuple[int, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The response under the probe."""
        return self.sample.texts[self.index]

    @property
    def reference(self) -> str | None:
        """The known good answer, where there is one; the first of several."""
        return self.sample.reference[0] if self.sample.reference else None

    @property
    def is_right(self) -> bool | None:
        """Whether the response under the probe is right."""
        return self.right[self.index]

    def but(self, text: str | None) -> ProbeCase | None:
        """This case with another response text. None when there is no other text, or it is the same."""
        if text is None or text == self.text or not text.strip():
            return None
        responses = tuple(text if i == self.index else r for i, r in enumerate(self.sample.responses))
        return replace(self, sample=replace(self.sample, responses=responses))


Rewrite = Callable[[ProbeCase, random.Random], ProbeCase | None]


@dataclass(frozen=True, slots=True)
class Probe:
    """A named change, and what a good judge does about it.

    Attributes:
        expect: `invariant`: no component of the reward moves by more than the tolerance. `order`: each response keeps its
            reward at another position. `drop`, `rise`: the reward must move that way (any amount).
        base: Which responses it is tried on. `right` takes unlabelled ones too.
        pairs: What it means for a recipe that sees two responses. `both`: rewrite both. `one`: rewrite the one that is
            measured. `against`: show the response beside its own rewrite (a neutral pair must tie, a causal one must not).
            `whole`: the probe changes the sample as a whole.
            `question`: show it beside the other question's answer, under either question.
        in_verifier: False: leaves the final answer alone, so a recipe that compares final answers should not react.
        single: False: needs two responses or more.
    """

    name: str
    family: ProbeFamily
    expect: Expect
    rewrite: Rewrite
    base: ProbeBase = "any"
    pairs: ShownAs = "both"
    in_verifier: bool = True
    single: bool = True

    @property
    def about(self) -> str:
        """What it does, in one line: the first of the function's docstring."""
        return (self.rewrite.__doc__ or "").strip().partition("\n")[0]

    def apply(self, case: ProbeCase, seed: int) -> ProbeCase | None:
        """The changed case, or None where the probe does not apply."""
        return self.rewrite(case, rng(seed, self.name, case.question, case.text))


def rng(seed: int, *names: str) -> random.Random:
    """Randomness that belongs to these names and to nothing else.

    Example:
        >>> rng(0, "leet", "q1").random() == rng(0, "leet", "q1").random()
        True
    """
    text = "\x1f".join(names).encode("utf-8", "surrogatepass")
    return random.Random(hashlib.blake2b(text, digest_size=8, key=str(seed).encode()).digest())


@dataclass(frozen=True, slots=True)
class ProbeComparison:
    """One probe on one case: what is judged before, and what after."""

    probe: Probe
    original: ProbeCase  # as in the data
    before: ProbeCase
    after: ProbeCase

    @property
    def name(self) -> str:
        """Id of the sample, with the response under the probe where there are several."""
        several = len(self.original.sample.responses) > 1
        return f"{self.original.sample.id}[{self.original.index}]" if several else self.original.sample.id


SEVERAL = ("pairwise", "listwise")


def make_trials(cases: Sequence[ProbeCase], probes: Iterable[Probe], mode: str, seed: int = 0) -> list[ProbeComparison]:
    """Every probe on every case that it applies to, case by case.

    Args:
        mode: Of the recipe.
        seed: Of the rewrites.
    """
    probes = tuple(probes)
    make = _several if mode in SEVERAL else _single
    usable = [p for p in probes if (p.in_verifier or mode != "verifier") and (p.single or mode in SEVERAL)]
    return [trial for case in cases for probe in usable for trial in make(probe, case, seed)]


def _single(probe: Probe, case: ProbeCase, seed: int) -> Iterator[ProbeComparison]:
    if _fits(probe, case):
        after = probe.apply(case, seed)
        if after is not None:
            yield ProbeComparison(probe, case, case, after)


def _several(probe: Probe, case: ProbeCase, seed: int) -> Iterator[ProbeComparison]:
    if probe.pairs in ("whole", "both"):
        after = probe.apply(case, seed) if probe.pairs == "whole" else _both(probe, case, seed)
        if after is not None:
            yield ProbeComparison(probe, case, case, after)
        return
    for index in range(len(case.sample.responses)):
        target = replace(case, index=index)
        if not _fits(probe, target):
            continue
        if probe.pairs == "one":
            after = probe.apply(target, seed)
            if after is not None:
                yield ProbeComparison(probe, target, target, after)
        else:
            yield from _beside(probe, target, seed)


def _fits(probe: Probe, case: ProbeCase) -> bool:
    """Whether the probe is meant for this response; one without a label is taken as right."""
    return probe.base == "any" or (case.is_right is False) == (probe.base == "wrong")


def _both(probe: Probe, case: ProbeCase, seed: int) -> ProbeCase | None:
    """Every response rewritten; None when the one that is measured stays as it is."""
    first = probe.apply(case, seed)
    if first is None:
        return None
    after = first
    for index in range(len(case.sample.responses)):
        if index != case.index:
            after = probe.apply(replace(after, index=index), seed) or after
    return replace(after, index=case.index)


def _beside(probe: Probe, case: ProbeCase, seed: int) -> Iterator[ProbeComparison]:
    """A response beside its own rewrite; or, for another question, beside that question's answer."""
    alone = replace(case, sample=replace(case.sample, responses=(case.text,)), index=0, right=(case.is_right,))
    changed = probe.apply(alone, seed)
    if changed is None:
        return
    flip = rng(seed, "order", probe.name, case.question, case.text).random() < 0.5
    mine, theirs = (1, 0) if flip else (0, 1)
    if probe.pairs == "against":
        sample = _pair(case, case.text, changed.text, flip)
        yield ProbeComparison(probe, case, replace(alone, sample=sample, index=mine), replace(alone, sample=sample, index=theirs))
        return
    other = next(o for o in case.others if o.sample.prompt == changed.sample.prompt)
    before = _pair(case, case.text, other.answer, flip)
    after = replace(changed.sample, responses=before.responses)
    yield ProbeComparison(probe, case, replace(alone, sample=before, index=mine), replace(alone, sample=after, index=mine))


def _pair(case: ProbeCase, first: str, second: str, flip: bool) -> Sample:
    return replace(case.sample, responses=(second, first) if flip else (first, second))


AuditTrial = Trial[ProbeComparison, tuple[Reward, ...]]
"""A comparison, judged: the rewards of all responses shown, before (`base`) and after (`changed`)."""


def rewards_before(trial: AuditTrial) -> tuple[Reward, ...]:
    """The rewards of all responses shown, before the change."""
    assert trial.base is not None  # noqa: S101  # an audit always judges both
    return trial.base


def reward_before(trial: AuditTrial) -> Reward:
    """The reward under measurement, before the change."""
    return rewards_before(trial)[trial.case.before.index]


def reward_after(trial: AuditTrial) -> Reward:
    """The same, after the change."""
    return trial.changed[trial.case.after.index]
