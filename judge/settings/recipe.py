"""Which recipe judges, and its options."""

from __future__ import annotations

from pydantic import Field, field_validator

from judge.recipe.language import NAME
from judge.rubric.model import Frozen
from judge.yamlfile import shown


class RecipeSettings(Frozen):
    """A recipe by name or folder, with values for its options.

    Attributes:
        name: Shipped name, or a folder.
        options: Values for the recipe's own options (`judge recipe show NAME` lists them).
        language: In which the judge writes its own sentences, by name ("German"); the form of the verdict stays as it is.
            None: as the prompt has it.
    """

    name: str
    options: dict[str, bool | int | float | str] = Field(default_factory=dict)
    language: str | None = None

    @field_validator("language")
    @classmethod
    def _name(cls, value: str | None) -> str | None:
        if value is not None and not NAME.fullmatch(value):
            raise ValueError(f"must be the name of a language, such as German or Brazilian Portuguese, not {shown(value)}")
        return value
