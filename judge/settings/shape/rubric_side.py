"""Steps that work on the scores of single criteria."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from judge.rubric.model import Frozen
from judge.settings.shape.units import Finite, Unit


class ContrastStep(Frozen):
    """Weighted mean of the criteria in which what separates the group's responses counts more; it replaces the reward.

    Attributes:
        criteria: Components; empty: all.
        weights: Importance, overriding what comes with the batch.
        categories: Criterion -> category. Weight moves within a category only; without categories there is one.
        balance: A category counts as its criteria together (`human`), or all count the same (`equal`).
        strength: 0: human weights alone; 1: the ratio of variances alone.
        low: Least factor on a human weight.
        high: Largest factor on a human weight.
        memory: Weight of the factors of earlier batches of the same group, in [0, 1).
    """

    kind: Literal["contrast"] = "contrast"
    criteria: tuple[str, ...] = ()
    weights: dict[str, Annotated[float, Field(gt=0, le=1e6)]] = Field(default_factory=dict)
    categories: dict[str, str] = Field(default_factory=dict)
    balance: Literal["human", "equal"] = "human"
    strength: Unit = 0.5
    low: float = Field(default=0.25, gt=0, le=1)
    high: float = Field(default=4.0, ge=1, le=1000)
    memory: float = Field(default=0.0, ge=0, lt=1)


class SaturationStep(Frozen):
    """Weighted mean of the criteria, each with diminishing returns; it replaces the reward. `rate`: how fast they diminish."""

    kind: Literal["saturation"] = "saturation"
    criteria: tuple[str, ...] = ()
    weights: dict[str, Annotated[float, Field(gt=0, le=1e6)]] = Field(default_factory=dict)
    rate: float = Field(default=2.0, gt=0, le=100)


class InteractionStep(Frozen):
    """Add `weight` x the two criteria together (negative: they count less together), cut to [0, 1]."""

    kind: Literal["interaction"] = "interaction"
    pair: tuple[str, str]
    weight: float = Field(default=0.1, ge=-1, le=1)
    together: Literal["product", "min"] = "product"


class VetoStep(Frozen):
    """Where one of the criteria is below `below`, the reward is `failed`."""

    kind: Literal["veto"] = "veto"
    criteria: tuple[str, ...] = Field(min_length=1)
    below: Unit = 0.5
    failed: Finite = 0.0
