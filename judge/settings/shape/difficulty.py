"""Steps that weigh by how hard the prompt or the criterion was."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from judge.rubric.model import Frozen
from judge.settings.shape.units import Unit


class VerpoStep(Frozen):
    """Mix in a weighted share of the criteria passed, where what few of the group pass counts more.

    Attributes:
        criteria: Components that are the tests; empty: all.
        power: Weight of a criterion is (1 - its pass rate in the group) to this power.
        equalise: Divide the weight by the number of criteria with the same pass rate, so that many easy ones are no majority.
        mix: Share of the dense reward; the rest is the reward as it was.
    """

    kind: Literal["verpo"] = "verpo"
    criteria: tuple[str, ...] = ()
    power: float = Field(default=1.0, gt=0, le=10)
    equalise: bool = False
    mix: Unit = 0.5


class GrpoSStep(Frozen):
    """Scale distances from the group's mean by difficulty.

    Attributes:
        similarity: Component that says how close a response is to a demonstration, in [0, 1]; None: not used.
        responsiveness: Scale by how the reward gaps to the references lie, outliers left out.
        outlier: Squared distance of a gap from the mean gap above which it is left out.
    """

    kind: Literal["grpo_s"] = "grpo_s"
    similarity: str | None = None
    responsiveness: bool = True
    outlier: float = Field(default=0.25, gt=0, le=1e6)

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if self.similarity is None and not self.responsiveness:
            raise ValueError("without `similarity` and without `responsiveness` this step changes nothing")
        return self
