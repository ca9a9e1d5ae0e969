"""Reward -> chance of being right, and no reward where that is too unsure: what `judge calibrate` learned from labels.

`calibration: FILE` in the run settings puts both steps in front of the chain.
"""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from judge.arrays import Floats
from judge.rubric.model import Frozen
from judge.shape.batch import OrderKept, Stage, StepKind, Stepped, UnitFloat, always, sees_one, sigmoid, unit_only

EDGE = 1e-3  # rewards nearer than this to 0 or 1 count as this near: the logit of 0 is no number


class CalibrateStep(Frozen):
    """Put the calibrated chance of being right in place of a reward: by points with straight lines between them, or by a
    logistic curve.

    A vetoed response keeps its 0.

    Attributes:
        points: Reward and chance, in ascending order of reward; beyond the ends the end counts.
        slope: Of sigmoid(slope x logit(reward) + offset) (Platt 1999, on the log odds of the reward).
        offset: Of the same.
    """

    kind: Literal["calibrate"] = "calibrate"
    points: tuple[tuple[UnitFloat, UnitFloat], ...] = ()
    slope: float | None = Field(default=None, ge=-1e3, le=1e3)
    offset: float = Field(default=0.0, ge=-1e3, le=1e3)

    @model_validator(mode="before")
    @classmethod
    def _pairs(cls, data: object) -> object:
        """YAML and JSON know lists only."""
        points = data.get("points") if isinstance(data, dict) else None
        if isinstance(data, dict) and isinstance(points, list | tuple):
            return {**data, "points": tuple(tuple(map(_real, p)) if isinstance(p, list | tuple) else p for p in points)}
        return data

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if (self.slope is None) == (not self.points):
            raise ValueError("give either `points` or `slope` (with `offset`)")
        if any(a[0] >= b[0] for a, b in zip(self.points, self.points[1:], strict=False)):
            raise ValueError("`points` stand in ascending order of the reward, each reward once")
        return self


def _real(value: object) -> object:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


class SureStep(Frozen):
    """No reward between two ends: what is neither surely wrong nor surely right. A vetoed response keeps its 0.

    Attributes:
        low, high: Rewards at most `low` and at least `high` stay.
        low: Lower end of the rewards that count as unsure.
        high: Upper end.
    """

    kind: Literal["sure"] = "sure"
    low: UnitFloat = 0.2
    high: UnitFloat = 0.8

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"`low` ({self.low:g}) is at most `high` ({self.high:g})")
        return self


def log_odds(rewards: Floats) -> Floats:
    """log(r / (1 - r)) of rewards in [0, 1], those at the ends taken as `EDGE` away from them."""
    inside = np.clip(rewards, EDGE, 1 - EDGE)
    return np.asarray(np.log(inside / (1 - inside)), dtype=np.float64)


def calibrated(rewards: Floats, step: CalibrateStep) -> Floats:
    """The chances of rewards in [0, 1]; NaN stays NaN.

    Example:
        >>> calibrated(np.array([0.0, 0.25, 1.0, np.nan]), CalibrateStep(points=((0.0, 0.1), (0.5, 0.5), (1.0, 0.9))))
        array([0.1, 0.3, 0.9, nan])
    """
    if step.slope is not None:
        chances = sigmoid(step.slope * log_odds(np.nan_to_num(rewards, nan=0.5)) + step.offset)
        return np.where(np.isnan(rewards), np.nan, chances)
    xs, ys = zip(*step.points, strict=True)
    return np.where(np.isnan(rewards), np.nan, np.interp(rewards, xs, ys))


def _calibrate(step: CalibrateStep, stage: Stage) -> Stepped:
    return Stepped(np.where(stage.vetoed & stage.present, 0.0, calibrated(stage.values, step)))


def _order(step: CalibrateStep) -> OrderKept:
    rising = (
        step.slope >= 0
        if step.slope is not None
        else all(a[1] <= b[1] for a, b in zip(step.points, step.points[1:], strict=False))
    )
    return "global" if rising else "none"


def _sure(step: SureStep, stage: Stage) -> Stepped:
    unsure = (stage.values > step.low) & (stage.values < step.high) & ~stage.vetoed
    count = int(unsure.sum())
    return Stepped(np.where(unsure, np.nan, stage.values), (f"{count} too unsure for a reward",) if count else ())


KINDS: dict[str, StepKind] = {
    "calibrate": StepKind(_calibrate, _order, span=lambda step, span: (0.0, 1.0), objects=unit_only, sees=sees_one),
    "sure": StepKind(_sure, always("none"), objects=unit_only, sees=sees_one),
}
