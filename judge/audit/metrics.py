"""Results -> probe_metrics: a row a probe, and the two scores that only mean something together.

- Without a reward before or after there is no change to measure. Such a trial is `unscored`: neither steady nor moved, in
  no rate, and counted on its own.
- Trials on one question fail together, so every interval is over questions (`report.stats.rate`).
- A judge that always says the same has invariance 1 and sensitivity 0. Neither score is ever given alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from judge.audit.cases import AuditTrial, Probe, ProbeCase, reward_after, reward_before, rewards_before
from judge.intervals import NOTHING, Interval
from judge.report.stats import cluster_bootstrap, rate
from judge.types import Reward

TOLERANCE = 0.02  # of the range of the reward, [0, 1]: less is no change
_EXACT = 1e-9


@dataclass(frozen=True, slots=True)
class TrialReading:
    """One trial, read.

    Attributes:
        delta: Reward after minus before, in [-1, 1]. NaN when either is missing.
        as_expected: None when unscored.
        ranked: Whether the right response stood above the wrong one, (before, after); None where one recipe call shows
            one response (then see `ProbeMetrics.ranked`), and where that is not said or not scored.
        disagreed: Whether the judge gave another answer in another order, raw; None when that was not asked.
    """

    trial: AuditTrial
    delta: float
    as_expected: bool | None
    ranked: tuple[bool, bool] | None
    disagreed: bool | None

    @property
    def question(self) -> str:
        """What trials are clustered by."""
        return self.trial.case.original.question


def read_results(results: Iterable[AuditTrial], tolerance: float = TOLERANCE) -> list[TrialReading]:
    """Compare before with after, trial by trial."""
    return [_reading(trial, tolerance) for trial in results]


def _reading(trial: AuditTrial, tolerance: float) -> TrialReading:
    case, before, after = trial.case, reward_before(trial).raw_reward, reward_after(trial).raw_reward
    expect = case.probe.expect
    delta = after - before if before is not None and after is not None else math.nan
    expected: bool | None = None
    if not math.isnan(delta):
        if expect == "drop":
            expected = delta < -_EXACT
        elif expect == "rise":
            expected = delta > _EXACT
        elif expect == "order":
            expected = _places_kept(trial, tolerance)
        else:
            expected = _steady(reward_before(trial), reward_after(trial), case.after, tolerance)
    disagreed = _disagreed(trial, expected) if expect == "order" else None
    return TrialReading(trial, delta, expected, _ranked(trial), disagreed)


def _steady(before: Reward, after: Reward, case: ProbeCase, tolerance: float) -> bool:
    """Neither the reward nor any component moved: changes that cancel out are changes."""
    now = {case.renamed.get(name, name): score for name, score in after.components.items()}
    pairs = [(before.raw_reward, after.raw_reward)]
    if before.components and now:  # a filter decides without components: then the reward is all there is to compare
        pairs += [(before.components.get(n), now.get(n)) for n in {*before.components, *now}]
    return all(_near(a, b, tolerance) for a, b in pairs)


def _near(a: float | None, b: float | None, tolerance: float) -> bool:
    if a is None or b is None:
        return a is b
    return abs(a - b) <= tolerance + _EXACT


def _places_kept(trial: AuditTrial, tolerance: float) -> bool | None:
    """Each response has, at its new place, the reward it had; None when one of them has none."""
    pairs = [
        (rewards_before(trial)[old].raw_reward, trial.changed[new].raw_reward) for new, old in enumerate(trial.case.after.order)
    ]
    if any(a is None or b is None for a, b in pairs):
        return None
    return all(_near(a, b, tolerance) for a, b in pairs)


def _disagreed(trial: AuditTrial, kept: bool | None) -> bool | None:
    """Whether the judge's own answers depend on the order, before any averaging over orders."""
    if any(flag.name == "order_inconsistent" for reward in rewards_before(trial) for flag in reward.flags):
        return True
    return None if kept is None else not kept


def _ranked(trial: AuditTrial) -> tuple[bool, bool] | None:
    """For responses shown together as in the data: is the right one on top, before and after?"""
    case, probe = trial.case.original, trial.case.probe
    if len(case.right) < 2 or probe.pairs not in ("both", "one"):
        return None
    before, after = on_top(rewards_before(trial), case), on_top(trial.changed, case)
    return None if before is None or after is None else (before, after)


def on_top(rewards: Sequence[Reward], case: ProbeCase) -> bool | None:
    """Whether the right response of several stands above all others; None when a reward, or the label, is missing."""
    values = [reward.raw_reward for reward in rewards if reward.raw_reward is not None]
    if len(values) < len(rewards) or True not in case.right:
        return None
    best = case.right.index(True)
    return all(value < values[best] for i, value in enumerate(values) if i != best)


DRAWS = 1000  # of the bootstrap


@dataclass(frozen=True, slots=True)
class Share:
    """A rate with its 95 % interval, clustered by question. NaN when nothing was measured."""

    value: float
    interval: Interval
    n: int


@dataclass(frozen=True, slots=True)
class ProbeMetrics:
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
    worst: TrialReading | None


@dataclass(frozen=True, slots=True)
class AuditSummary:
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


def probe_metrics(readings: Sequence[TrialReading], seed: int = 0) -> list[ProbeMetrics]:
    """A row a probe, in the order of the trials' probes."""
    by_probe: dict[str, list[TrialReading]] = {}
    for reading in readings:
        by_probe.setdefault(reading.trial.case.probe.name, []).append(reading)
    return [_figures(group[0].trial.case.probe, group, seed) for group in by_probe.values()]


def summarise(readings: Sequence[TrialReading], rows: Sequence[ProbeMetrics], seed: int = 0) -> AuditSummary:
    """The two scores over all trials, and what they stand on."""

    def share(*expects: str) -> Share:
        return _share([r for r in readings if r.trial.case.probe.expect in expects], lambda r: r.as_expected, seed)

    rewards = {reward.raw_reward for r in readings for reward in (*rewards_before(r.trial), *r.trial.changed)}
    position = [r for r in readings if r.disagreed is not None]
    return AuditSummary(
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


def _figures(probe: Probe, group: Sequence[TrialReading], seed: int) -> ProbeMetrics:
    scored = [r for r in group if not math.isnan(r.delta)]
    deltas = [r.delta for r in scored]
    return ProbeMetrics(
        probe=probe,
        n=len(group),
        unscored=sum(r.as_expected is None for r in group),
        as_expected=_share(group, lambda r: r.as_expected, seed),
        delta=_mean(deltas),
        delta_interval=cluster_bootstrap(deltas, [[r.question for r in scored]], n=DRAWS, seed=seed) if deltas else NOTHING,
        on_right=_mean(r.delta for r in scored if r.trial.case.original.is_right is True),
        on_wrong=_mean(r.delta for r in scored if r.trial.case.original.is_right is False),
        ranked=_still_ranked(probe, group, seed),
        no_room=sum(_no_room(r) for r in scored),
        raw_disagreement=_mean(float(r.disagreed) for r in group if r.disagreed is not None),
        worst=min(scored, key=_badness, default=None),
    )


def _share(group: Sequence[TrialReading], what: Callable[[TrialReading], bool | None], seed: int) -> Share:
    known = ((r.question, what(r)) for r in group)
    return _rate([(question, value) for question, value in known if value is not None], seed)


def _rate(found: Sequence[tuple[str, bool]], seed: int) -> Share:
    """Share of (question, yes or no), with its interval over questions."""
    values = [float(yes) for _, yes in found]
    return Share(_mean(values), rate(values, [[question for question, _ in found]], n=DRAWS, seed=seed), len(values))


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return math.fsum(found) / len(found) if found else math.nan


def _no_room(reading: TrialReading) -> bool:
    before, expect = reward_before(reading.trial).raw_reward, reading.trial.case.probe.expect
    return (expect == "drop" and before == 0.0) or (expect == "rise" and before == 1.0)


def _badness(reading: TrialReading) -> tuple[bool, float, str]:
    """Sorts the trial furthest from the expectation first."""
    expect = reading.trial.case.probe.expect
    far = {"drop": -reading.delta, "rise": reading.delta}.get(expect, -abs(reading.delta))
    return bool(reading.as_expected), far, reading.trial.case.name


def _still_ranked(probe: Probe, group: Sequence[TrialReading], seed: int) -> Share:
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


def _accuracy(readings: Sequence[TrialReading], seed: int) -> Share:
    """Right above wrong among the unchanged responses, each judgement counted once."""
    together: dict[int, tuple[str, bool]] = {}
    alone: dict[tuple[str, str], TrialReading] = {}
    for r in readings:
        case = r.trial.case.original
        if len(case.right) == 1 and reward_before(r.trial).raw_reward is not None:
            alone.setdefault((r.question, case.text), r)
        elif r.trial.case.before.sample is case.sample:
            top = on_top(rewards_before(r.trial), case)
            if top is not None:
                together[id(case.sample)] = (r.question, top)
    pairs = [(right.question, _first(right) > _first(wrong)) for right, wrong in _right_wrong(list(alone.values()))]
    return _rate([*together.values(), *pairs], seed)


def _right_wrong(readings: Sequence[TrialReading]) -> list[tuple[TrialReading, TrialReading]]:
    """Every right response beside every wrong one to the same question, where each was judged on its own."""
    found: dict[str, dict[bool, list[TrialReading]]] = {}
    for r in readings:
        case = r.trial.case.original
        if len(case.right) == 1 and case.is_right is not None:
            found.setdefault(r.question, {}).setdefault(case.is_right, []).append(r)
    return [(right, wrong) for each in found.values() for right in each.get(True, []) for wrong in each.get(False, [])]


def _first(reading: TrialReading) -> float:
    value = reward_before(reading.trial).raw_reward
    return math.nan if value is None else value


def _second(reading: TrialReading) -> float:
    value = reward_after(reading.trial).raw_reward
    return math.nan if value is None else value
