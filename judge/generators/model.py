"""How to write rubrics: what a generator folder's `generator.yaml` may say.

A generator is data, like a recipe: a new published way to write rubrics is a new folder with templates and these fields.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from judge.recipe.model import SamplingSpec, SourceRef
from judge.rubric.model import CriterionKind, Frozen, Identifier

Needed = Literal["chosen", "rejected", "reference", "context"]


class ItemSpec(Frozen):
    """The grammar of a written rubric: numbered lines, each ending with a tag in brackets.

    Attributes:
        tags: Tag -> kind of the criterion.
        untagged: Kind of an item without a tag.
        min, max: Number of items allowed; a list outside it is no rubric.
        max_chars: Longest item, in characters.
        forbid: Phrases an item must not hold (case counts only where a phrase has capitals); such items are dropped and recorded.
    """

    tags: dict[str, CriterionKind]
    untagged: CriterionKind = "principle"
    min: int = Field(default=1, ge=1)
    max: int = Field(default=20, ge=1, le=200)
    max_chars: int = Field(default=400, ge=20, le=5000)
    forbid: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min ({self.min}) is above max ({self.max})")
        return self


class ValidationSpec(Frozen):
    """How a written rubric is tried on the pair it was written from: kept only if `recipe` prefers the chosen response
    in both orders.
    """

    recipe: str


class GeneratorSpec(Frozen):
    """The contents of `generator.yaml`.

    Attributes:
        needs: What a row must have besides its prompt.
        system, user: Templates of the one request.
        validation: None keeps every rubric that could be read.
    """

    name: Identifier
    summary: str
    source: SourceRef
    deviations: tuple[str, ...] = ()
    needs: tuple[Needed, ...] = ()
    system: str | None = None
    user: str
    items: ItemSpec
    sampling: SamplingSpec = SamplingSpec()
    validation: ValidationSpec | None = None

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.validation and not {"chosen", "rejected"} <= set(self.needs):
            raise ValueError("`validation` judges a pair, so `needs` has chosen and rejected")
        return self
