"""What stands beside a reward: a number of the data (another model's reward, a metric), and how unsure the judge is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, model_validator

from judge.arrays import Floats, floats, unit
from judge.errors import DataError
from judge.rubric.model import Frozen
from judge.shape.batch import Finite, RewardRange, Stage, StepKind, Stepped, Weight, always, sees_one


class AddStep(Frozen):
    """Mix in a number of the data: (reward + weight x number) / (1 + weight).

    Attributes:
        column: Of the data: a metric from outside or another model's reward; for several responses a list of numbers.
        weight: Of the number; the reward's own is 1.
        low: What is 0; the number is moved to [0, 1] by `low` and `high`.
        high: What is 1.
    """

    kind: Literal["add"] = "add"
    column: str
    weight: Weight = 1.0
    low: Finite = 0.0
    high: Finite = 1.0

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"`low` ({self.low:g}) is below `high` ({self.high:g})")
        if self.weight == 0:
            raise ValueError("`weight: 0` adds nothing")
        return self

    def read(self, metadata: Mapping[str, Any], index: int, responses: int) -> float:
        """The number of one response as it stands; NaN where the data has none.

        Raises:
            DataError: It is no number, or outside of [low, high].

        Example:
            >>> step = AddStep(column="comet", high=100)
            >>> step.read({"comet": [40, "85"]}, 1, 2), step.read({"comet": None}, 0, 1)
            (85.0, nan)
        """
        given = metadata.get(self.column)
        if isinstance(given, Sequence) and not isinstance(given, str):
            if len(given) != responses:
                raise DataError(f"`{self.column}` holds {len(given)} numbers for {responses} response(s)")
            given = given[index]
        if given is None or (isinstance(given, str) and not given.strip()):
            return math.nan
        try:
            number = float(given)
        except (TypeError, ValueError):
            raise DataError(f"`{self.column}` is {given!r}, and step `add` of `reward.shape` takes a number") from None
        if math.isnan(number):
            return math.nan
        if not self.low <= number <= self.high:
            raise DataError(
                f"`{self.column}` is {number:g}, outside of [{self.low:g}, {self.high:g}]; step `add` of `reward.shape` takes the"
                " range as `low` and `high`"
            )
        return number


class ShrinkStep(Frozen):
    """Move the rewards that the judge is unsure of towards the mean of their group.

    Attributes:
        scale: The variance at which half of the difference to the mean is left.
    """

    kind: Literal["shrink"] = "shrink"
    scale: float = Field(default=0.05, gt=0, le=1e6)


def add_metric(judged: ArrayLike, metric: ArrayLike, *, weight: float = 1.0) -> Floats:
    """A judge's score, plus a metric from outside.

    SSR-Zero (arXiv:2505.16637) judges translations by the policy itself; its stronger form adds a metric such as COMET.

    Args:
        judged: Shape (responses,); NaN for absent.
        metric: In [0, 1], same shape; NaN for absent.
        weight: Of the metric, at least 0.

    Returns:
        (judged + weight * metric) / (1 + weight); NaN where one of the two is absent.

    Example:
        >>> add_metric([1.0, 0.5], [0.5, np.nan])
        array([0.75,  nan])
    """
    own, other = floats(judged, 1, "judged"), unit(metric, name="metric")
    if own.shape != other.shape or weight < 0:
        raise ValueError("judged and metric must have one shape, and weight must not be negative")
    return np.asarray((own + weight * other) / (1 + weight), dtype=np.float64)


def shrink_by_variance(rewards: ArrayLike, variances: ArrayLike, *, scale: float = 0.05) -> Floats:
    """Move uncertain rewards of a group towards the group's mean, so that a policy takes smaller steps on them.

    r' = m + (r - m) * scale / (scale + variance), m the group's mean reward.

    After Banerjee and Gopalan 2024, "Towards Reliable Alignment: Uncertainty-aware RLHF", arXiv:2410.23726, whose
    conservative policy regularises more where the reward's variance is higher. Ours: a reward function does not see the
    policy's regulariser, so the same caution is put into the reward; `scale` is the variance at which half of an
    advantage is left.

    Args:
        rewards: Mean reward over the judges, shape (responses,), of one group; NaN for absent.
        variances: Variance over the judges, shape (responses,), at least 0. A NaN makes the response absent.
        scale: Above 0, in the squared unit of the reward.

    Returns:
        Shape (responses,), within the range of the rewards.

    Raises:
        ValueError: Shapes differ, a variance is negative, or `scale` is not positive.

    Example:
        >>> shrink_by_variance([0.0, 1.0], [0.0, 0.15])  # 0.5 + 0.5 * 0.05 / 0.2
        array([0.   , 0.625])
    """
    values, spread = floats(rewards, 1, "rewards"), floats(variances, 1, "variances")
    if values.shape != spread.shape or (spread < 0).any() or not scale > 0:
        raise ValueError("rewards and variances must have one shape, variances be at least 0 and scale above 0")
    values = np.where(np.isnan(spread), np.nan, values)
    known = values[~np.isnan(values)]
    centre = math.fsum(known) / len(known) if len(known) else math.nan
    return np.asarray(centre + (values - centre) * (scale / (scale + spread)), dtype=np.float64)


def _add(step: AddStep, stage: Stage) -> Stepped:
    given = stage.batch.numbers.get(step.column)
    if given is None:
        given = np.array([step.read(row, 0, 1) for row in stage.batch.metadata or ()], dtype=np.float64)
    numbers = (given - step.low) / (step.high - step.low)
    out = add_metric(stage.values, np.clip(numbers, 0.0, 1.0), weight=step.weight)
    out = np.where(stage.vetoed, np.fmin(stage.values, stage.values / (1 + step.weight)), out)  # its number lifts nothing
    lost = int((np.isnan(out) & stage.present).sum())
    return Stepped(out, (f"{lost} response(s) have no `{step.column}`: no reward there",) if lost else ())


def _shrink(step: ShrinkStep, stage: Stage) -> Stepped:
    out = np.full(len(stage.values), np.nan)
    assert stage.batch.variances is not None  # noqa: S101  # `check_chain` has looked
    variances = np.where(stage.vetoed, 0.0, stage.batch.variances)
    for _, rows in stage.groups():
        out[rows] = shrink_by_variance(stage.values[rows], variances[rows], scale=step.scale)
    lost = int((np.isnan(out) & stage.present).sum())
    return Stepped(out, (f"{lost} response(s) have one opinion only, so no variance: no reward there",) if lost else ())


def _mixed(step: AddStep, span: RewardRange) -> RewardRange:
    return min(span[0], span[0] / (1 + step.weight)), max(
        (span[1] + step.weight) / (1 + step.weight), span[1] / (1 + step.weight)
    )


KINDS: dict[str, StepKind] = {
    "add": StepKind(_add, always("row"), lambda s: (f"column {s.column}",), _mixed, sees=sees_one),
    "shrink": StepKind(_shrink, always("row"), lambda s: ("variances",)),
}
