"""One trial with its rewards -> what happened: moved or not, as expected or not, right still above wrong or not."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from judge.audit.model import Case
from judge.audit.run import Result
from judge.types import Reward

TOLERANCE = 0.02  # of the range of the reward, [0, 1]: less is no change
_EXACT = 1e-9


@dataclass(frozen=True, slots=True)
class Reading:
    """One trial, read.

    Attributes:
        delta: Reward after minus before, in [-1, 1]. NaN when either is missing.
        as_expected: None when unscored.
        ranked: Whether the right response stood above the wrong one, (before, after); None where one recipe call shows
            one response (then see `Figures.ranked`), and where that is not said or not scored.
        disagreed: Whether the judge gave another answer in another order, raw; None when that was not asked.
    """

    result: Result
    delta: float
    as_expected: bool | None
    ranked: tuple[bool, bool] | None
    disagreed: bool | None

    @property
    def question(self) -> str:
        """What trials are clustered by."""
        return self.result.trial.case.question


def read_results(results: Iterable[Result], tolerance: float = TOLERANCE) -> list[Reading]:
    """Compare before with after, trial by trial."""
    return [_reading(result, tolerance) for result in results]


def _reading(result: Result, tolerance: float) -> Reading:
    trial, before, after = result.trial, result.first.value, result.second.value
    expect = trial.probe.expect
    delta = after - before if before is not None and after is not None else math.nan
    expected: bool | None = None
    if not math.isnan(delta):
        if expect == "drop":
            expected = delta < -_EXACT
        elif expect == "rise":
            expected = delta > _EXACT
        elif expect == "order":
            expected = _places_kept(result, tolerance)
        else:
            expected = _steady(result.first, result.second, trial.after, tolerance)
    disagreed = _disagreed(result, expected) if expect == "order" else None
    return Reading(result, delta, expected, _ranked(result), disagreed)


def _steady(before: Reward, after: Reward, case: Case, tolerance: float) -> bool:
    """Neither the reward nor any component moved: changes that cancel out are changes."""
    now = {case.renamed.get(name, name): score for name, score in after.components.items()}
    pairs = [(before.value, after.value)]
    if before.components and now:  # a filter decides without components: then the reward is all there is to compare
        pairs += [(before.components.get(n), now.get(n)) for n in {*before.components, *now}]
    return all(_near(a, b, tolerance) for a, b in pairs)


def _near(a: float | None, b: float | None, tolerance: float) -> bool:
    if a is None or b is None:
        return a is b
    return abs(a - b) <= tolerance + _EXACT


def _places_kept(result: Result, tolerance: float) -> bool | None:
    """Each response has, at its new place, the reward it had; None when one of them has none."""
    pairs = [(result.before[old].value, result.after[new].value) for new, old in enumerate(result.trial.after.order)]
    if any(a is None or b is None for a, b in pairs):
        return None
    return all(_near(a, b, tolerance) for a, b in pairs)


def _disagreed(result: Result, kept: bool | None) -> bool | None:
    """Whether the judge's own answers depend on the order, before any averaging over orders."""
    if any(flag.name == "order_inconsistent" for reward in result.before for flag in reward.flags):
        return True
    return None if kept is None else not kept


def _ranked(result: Result) -> tuple[bool, bool] | None:
    """For responses shown together as in the data: is the right one on top, before and after?"""
    case, probe = result.trial.case, result.trial.probe
    if len(case.right) < 2 or probe.pairs not in ("both", "one"):
        return None
    before, after = on_top(result.before, case), on_top(result.after, case)
    return None if before is None or after is None else (before, after)


def on_top(rewards: Sequence[Reward], case: Case) -> bool | None:
    """Whether the right response of several stands above all others; None when a reward, or the label, is missing."""
    values = [reward.value for reward in rewards if reward.value is not None]
    if len(values) < len(rewards) or True not in case.right:
        return None
    best = case.right.index(True)
    return all(value < values[best] for i, value in enumerate(values) if i != best)
