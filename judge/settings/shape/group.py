"""Steps that place a reward among those of its group or batch, and noise."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from judge.rubric.model import Frozen
from judge.settings.shape.units import Over, Unit


class MinmaxStep(Frozen):
    """(reward - lowest) / (highest - lowest); `flat` where all are equal."""

    kind: Literal["minmax"] = "minmax"
    over: Over = "group"
    flat: Unit = 0.5


class ZStep(Frozen):
    """(reward - mean) / standard deviation (population), which is not taken below `floor`."""

    kind: Literal["z"] = "z"
    over: Over = "group"
    floor: float = Field(default=0.0, ge=0, le=1e6)


class RankStep(Frozen):
    """Rank as a share: worst 0, best 1, ties averaged, a response alone 0.5."""

    kind: Literal["rank"] = "rank"
    over: Over = "group"


class QuantileStep(Frozen):
    """Which of `buckets` equally filled buckets a reward falls in: worst 0, best 1, ties share one."""

    kind: Literal["quantile"] = "quantile"
    over: Over = "batch"
    buckets: int = Field(default=5, ge=2, le=1000)


class StdFloorStep(Frozen):
    """Groups whose rewards differ less than `floor` (standard deviation) become equal: their differences are noise."""

    kind: Literal["std_floor"] = "std_floor"
    floor: float = Field(default=0.02, gt=0, le=1e6)


class DitherStep(Frozen):
    """Add zero-mean noise that follows from seed, group and text. `width`: half width (uniform) or standard deviation."""

    kind: Literal["dither"] = "dither"
    noise: Literal["uniform", "gauss"] = "uniform"
    width: float = Field(default=0.05, gt=0, le=10)
