"""Which recipe judges, and its options."""

from __future__ import annotations

from pydantic import Field

from judge.rubric.model import Frozen


class RecipeSettings(Frozen):
    """A recipe by name or folder, with values for its options.

    Attributes:
        name: Shipped name, or a folder.
        options: Values for the recipe's own options (`judge recipe show NAME` lists them).
    """

    name: str
    options: dict[str, bool | int | float | str] = Field(default_factory=dict)
