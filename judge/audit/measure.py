"""Results -> figures: a row a probe, and the two scores that only mean something together.

- Without a reward before or after there is no change to measure. Such a trial is `unscored`: neither steady nor moved, in
  no rate, and counted on its own.
- Trials on one question fail together, so every interval is over questions (`report.stats.rate`).
- A judge that always says the same has invariance 1 and sensitivity 0. Neither score is ever given alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from judge.audit.model import Probe
from judge.audit.reading import Reading, on_top
from judge.report.stats import NOTHING, Interval, cluster_bootstrap, rate

DRAWS = 1000  # of the bootstrap


@dataclass(frozen=True, slots=True)
class Share:
    """A rate with its 95 % interval, clustered by question. NaN when nothing was measured."""

    value: float
    interval: Interval
    n: int


@dataclass(frozen=True, slots=True)
class Figures:
    """One probe.

    Attributes:
        n: Trials, unscored ones included.
        unscored: How many have no reward before or after.
        as_expected: Share of scored trials: invariant, order kept, or moved the right way.
        delta: Mean signed change of the reward.
        on_right: Mean change on right responses only; NaN without.
        on_wrong: Mean change on wrong responses only; NaN without.
        ranked: Share of the pairs ranked right before that still are; NaN for probes that may change the ranking.
        no_room: Trials that could not move as expected: the reward was at that end of its range already.
        raw_disagreement: Share of position trials in which the judge's own two answers differ.
        worst: The trial furthest from what was expected; None when nothing was scored.
    """

    probe: Probe
    n: int
    unscored: int
    as_expected: Share
    delta: float
    delta_interval: Interval
    on_right: float
    on_wrong: float
    ranked: Share
    no_room: int
    raw_disagreement: float
    worst: Reading | None


@dataclass(frozen=True, slots=True)
class Summary:
    """The whole audit.

    Attributes:
        invariance: Share of meaning-preserving changes that left every component where it was.
        sensitivity: Share of changes of the meaning that moved the reward the right way.
        order: Share of position trials in which every response kept its reward; n = 0 for recipes that see one response.
        accuracy: Share of the unchanged right and wrong responses to one question that are ranked right (ties are not).
        constant: Every reward of the audit is the same.
    """

    invariance: Share
    sensitivity: Share
    order: Share
    accuracy: Share
    raw_disagreement: float
    n: int
    unscored: int
    no_room: int
    constant: bool


def figures(readings: Sequence[Reading], seed: int = 0) -> list[Figures]:
    """A row a probe, in the order of the trials' probes."""
    by_probe: dict[str, list[Reading]] = {}
    for reading in readings:
        by_probe.setdefault(reading.result.trial.probe.name, []).append(reading)
    return [_figures(group[0].result.trial.probe, group, seed) for group in by_probe.values()]


def summarise(readings: Sequence[Reading], rows: Sequence[Figures], seed: int = 0) -> Summary:
    """The two scores over all trials, and what they stand on."""

    def share(*expects: str) -> Share:
        return _share([r for r in readings if r.result.trial.probe.expect in expects], lambda r: r.as_expected, seed)

    rewards = {reward.value for r in readings for reward in (*r.result.before, *r.result.after)}
    position = [r for r in readings if r.disagreed is not None]
    return Summary(
        invariance=share("invariant"),
        sensitivity=share("drop", "rise"),
        order=share("order"),
        accuracy=_accuracy(readings, seed),
        raw_disagreement=_mean(float(bool(r.disagreed)) for r in position),
        n=len(readings),
        unscored=sum(r.as_expected is None for r in readings),
        no_room=sum(row.no_room for row in rows),
        constant=len(rewards - {None}) == 1,
    )


# ---- one probe ----------------------------------------------------------------------------------------------------


def _figures(probe: Probe, group: Sequence[Reading], seed: int) -> Figures:
    scored = [r for r in group if not math.isnan(r.delta)]
    deltas = [r.delta for r in scored]
    return Figures(
        probe=probe,
        n=len(group),
        unscored=sum(r.as_expected is None for r in group),
        as_expected=_share(group, lambda r: r.as_expected, seed),
        delta=_mean(deltas),
        delta_interval=cluster_bootstrap(deltas, [[r.question for r in scored]], n=DRAWS, seed=seed) if deltas else NOTHING,
        on_right=_mean(r.delta for r in scored if r.result.trial.case.is_right is True),
        on_wrong=_mean(r.delta for r in scored if r.result.trial.case.is_right is False),
        ranked=_still_ranked(probe, group, seed),
        no_room=sum(_no_room(r) for r in scored),
        raw_disagreement=_mean(float(r.disagreed) for r in group if r.disagreed is not None),
        worst=min(scored, key=_badness, default=None),
    )


def _share(group: Sequence[Reading], what: Callable[[Reading], bool | None], seed: int) -> Share:
    known = ((r.question, what(r)) for r in group)
    return _rate([(question, value) for question, value in known if value is not None], seed)


def _rate(found: Sequence[tuple[str, bool]], seed: int) -> Share:
    """Share of (question, yes or no), with its interval over questions."""
    values = [float(yes) for _, yes in found]
    return Share(_mean(values), rate(values, [[question for question, _ in found]], n=DRAWS, seed=seed), len(values))


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return math.fsum(found) / len(found) if found else math.nan


def _no_room(reading: Reading) -> bool:
    before, expect = reading.result.first.value, reading.result.trial.probe.expect
    return (expect == "drop" and before == 0.0) or (expect == "rise" and before == 1.0)


def _badness(reading: Reading) -> tuple[bool, float, str]:
    """Sorts the trial furthest from the expectation first."""
    expect = reading.result.trial.probe.expect
    far = {"drop": -reading.delta, "rise": reading.delta}.get(expect, -abs(reading.delta))
    return bool(reading.as_expected), far, reading.result.trial.name


def _still_ranked(probe: Probe, group: Sequence[Reading], seed: int) -> Share:
    """Of the right and wrong responses ranked right before, the share that still is."""
    if probe.expect != "invariant":
        return _rate([], seed)
    together = [(r.question, r.ranked) for r in group if r.ranked is not None]
    scored = [r for r in group if not math.isnan(r.delta)]
    alone = [
        (right.question, (_first(right) > _first(wrong), _second(right) > _second(wrong)))
        for right, wrong in _right_wrong(scored)
    ]
    return _rate([(question, ranked[1]) for question, ranked in (together or alone) if ranked[0]], seed)


def _accuracy(readings: Sequence[Reading], seed: int) -> Share:
    """Right above wrong among the unchanged responses, each judgement counted once."""
    together: dict[int, tuple[str, bool]] = {}
    alone: dict[tuple[str, str], Reading] = {}
    for r in readings:
        case = r.result.trial.case
        if len(case.right) == 1 and r.result.first.value is not None:
            alone.setdefault((r.question, case.text), r)
        elif r.result.trial.before.sample is case.sample:
            top = on_top(r.result.before, case)
            if top is not None:
                together[id(case.sample)] = (r.question, top)
    pairs = [(right.question, _first(right) > _first(wrong)) for right, wrong in _right_wrong(list(alone.values()))]
    return _rate([*together.values(), *pairs], seed)


def _right_wrong(readings: Sequence[Reading]) -> list[tuple[Reading, Reading]]:
    """Every right response beside every wrong one to the same question, where each was judged on its own."""
    found: dict[str, dict[bool, list[Reading]]] = {}
    for r in readings:
        case = r.result.trial.case
        if len(case.right) == 1 and case.is_right is not None:
            found.setdefault(r.question, {}).setdefault(case.is_right, []).append(r)
    return [(right, wrong) for each in found.values() for right in each.get(True, []) for wrong in each.get(False, [])]


def _first(reading: Reading) -> float:
    value = reading.result.first.value
    return math.nan if value is None else value


def _second(reading: Reading) -> float:
    value = reading.result.second.value
    return math.nan if value is None else value
