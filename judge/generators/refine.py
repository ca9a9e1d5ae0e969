"""Programs that go on where one reply ends: their settings.

Each is named by a field of `generator.yaml`, takes the items that the turns wrote, and asks with the templates under `more`.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from judge.rubric.model import Frozen


class ReviseSpec(Frozen):
    """Judge the pair under the items; where the verdict is not the label, have them revised, and judge again.

    Attributes:
        recipe: Pairwise recipe that judges, in both orders.
        rounds: Most revisions.
    """

    templates: ClassVar[tuple[str, ...]] = ("revise",)
    recipe: str = "openrubrics"
    rounds: int = Field(default=4, ge=1, le=50)


class TailSpec(Frozen):
    """Score the responses under the items, have the items refined on the two best, and again.

    Attributes:
        recipe: Checklist recipe that scores one response.
        rounds: Most refinements.
        apart: Refining ends when the best response leads the second by at least this much, in (0, 1].
        max: Most items; a longer list is not taken.
    """

    templates: ClassVar[tuple[str, ...]] = ("refine",)
    recipe: str = "chasing-tail"
    rounds: int = Field(default=4, ge=1, le=50)
    apart: float = Field(default=0.05, gt=0, le=1)
    max: int = Field(default=30, ge=1, le=200)


class DecomposeSpec(Frozen):
    """Decompose what too many responses satisfy; filter what overlaps, conflicts or prefers the weaker; weigh what is left.

    Attributes:
        recipe: Checklist recipe that scores one response.
        saturated: An item that more than this share of the responses satisfies is decomposed, in (0, 1).
        rejects: The refinement ends when so many proposals were rejected.
        max: Most items.
        overlap: Share of the meaning at which two items say the same, shown to the model.
        weights: `uniform`, `assigned` (the model weighs them) or `whitened` (by the covariance of the verdicts).
    """

    templates: ClassVar[tuple[str, ...]] = ("decompose", "overlap", "conflict", "weigh")
    recipe: str = "checklist-all"
    saturated: float = Field(default=0.5, gt=0, lt=1)
    rejects: int = Field(default=15, ge=1, le=200)
    max: int = Field(default=30, ge=1, le=200)
    overlap: float = Field(default=0.7, gt=0, le=1)
    weights: Literal["uniform", "assigned", "whitened"] = "whitened"


class SupportSpec(Frozen):
    """Write only from the pairs that decide: those whose two responses a plain judge finds nearly alike, or ranks wrongly.

    Attributes:
        recipe: Pointwise recipe that grades each response.
        rubric: Shipped rubric that it grades by.
        most: Pairs chosen.
    """

    recipe: str = "pointwise"
    rubric: str = "helpfulness"
    most: int = Field(default=64, ge=1, le=10_000)


class MineSpec(Frozen):
    """Write from some pairs, judge all under what was found, and write again from those that it fails to explain.

    Attributes:
        recipe: Pairwise recipe that judges, in both orders.
        rounds: Most rounds.
        batch: Pairs written from in one round, drawn with the run's seed.
    """

    recipe: str = "openrubrics"
    rounds: int = Field(default=3, ge=1, le=20)
    batch: int = Field(default=16, ge=1, le=1000)
