"""Which recipe judges, and its options."""

from __future__ import annotations

from pydantic import Field

from judge.rubric.model import Frozen


class RecipeSettings(Frozen):
    """A recipe by name or folder, with values for its options."""

    name: str
    options: dict[str, bool | int | float | str] = Field(default_factory=dict)
