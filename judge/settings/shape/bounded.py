"""Steps that look at one reward and at most a reference: centring, squashing, clipping, rounding, step rewards."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from judge.rubric.model import Frozen
from judge.settings.shape.units import Finite, Unit, Weight


class _Centred(Frozen):
    """A step that needs a reference reward: a constant, the group's mean, or rewards of reference responses by group."""

    reference: Finite | None = None
    centre: Literal["references", "group_mean"] = "references"

    @model_validator(mode="after")
    def _one_centre(self) -> Self:
        if self.reference is not None and self.centre == "group_mean":
            raise ValueError("give `reference` or `centre: group_mean`, not both")
        return self


class ParStep(_Centred):
    """Mean of sigmoid(scale x (reward - reference)). `scale` 1 is for reward models; about 8 suits rewards in [0, 1]."""

    kind: Literal["par"] = "par"
    scale: float = Field(default=1.0, gt=0, le=1000)


class LscStep(_Centred):
    """log sigmoid(scale x (reward - reference)), the reference being a high quantile of the reference rewards."""

    kind: Literal["lsc"] = "lsc"
    scale: float = Field(default=1.0, gt=0, le=1000)
    quantile: float = Field(default=0.85, gt=0, lt=1)


class ContrastiveStep(_Centred):
    """Reward minus the mean reward of the baseline responses."""

    kind: Literal["contrastive"] = "contrastive"


class ClipStep(Frozen):
    """Cut rewards to [low, high]."""

    kind: Literal["clip"] = "clip"
    low: Finite = 0.0
    high: Finite = 1.0

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"`low` ({self.low:g}) is at most `high` ({self.high:g})")
        return self


class StepsStep(Frozen):
    """Add what the solution steps earned, refined so that more steps cannot earn more. `eta`: steps at or above it earn 0."""

    kind: Literal["steps"] = "steps"
    refine: Literal["clip", "delta", "clip_delta"] = "clip_delta"
    eta: Unit = 0.9
    weight: Weight = 1.0


class QuantiseStep(Frozen):
    """Round to multiples of 2 to the power -bits (6: 1/64)."""

    kind: Literal["quantise"] = "quantise"
    bits: int = Field(default=6, ge=1, le=20)


class TopStretchStep(Frozen):
    """Rewards above `knee` get `share` of the range [0, 1], those below get the rest."""

    kind: Literal["top_stretch"] = "top_stretch"
    knee: float = Field(default=0.75, gt=0, lt=1)
    share: float = Field(default=0.5, gt=0, lt=1)
