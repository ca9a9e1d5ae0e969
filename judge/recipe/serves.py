"""A model's name -> the shipped recipe that is for it, and how the model is run (`serves` in `recipe.yaml`).

A local folder or a served name counts as the checkpoint whose last part of the name it ends in (`/models/RM-R1-DeepSeek-...`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from judge.errors import RecipeError
from judge.recipe.load import Recipe, list_recipes
from judge.recipe.model import RecipeSpec
from judge.recipe.parts import Checkpoint
from judge.shipped import shipped_dir
from judge.yamlfile import read_yaml, validate


@dataclass(frozen=True, slots=True)
class Served:
    """A checkpoint, and the shipped recipe that is for it."""

    recipe: str
    spec: RecipeSpec
    checkpoint: Checkpoint


def served_models() -> Iterator[Served]:
    """Every checkpoint that a shipped recipe is for, by recipe."""
    for name in list_recipes():
        spec = _spec(shipped_dir("prompts") / name / "recipe.yaml")
        yield from (Served(name, spec, checkpoint) for checkpoint in spec.serves)


@lru_cache(maxsize=256)
def find_served(model: str) -> Served | None:
    """The first shipped recipe that is for a model; None where there is none."""
    last = _last(model)
    if len(last) < 4:  # no name of a checkpoint; found in half of all files
        return None
    for name in list_recipes():
        path = shipped_dir("prompts") / name / "recipe.yaml"
        if last not in path.read_text(encoding="utf-8").casefold():  # reading YAML takes a hundred times as long
            continue
        spec = _spec(path)
        found = checkpoint_of(spec, model)
        if found is not None and found.pick:
            return Served(name, spec, found)
    return None


def checkpoint_of(spec: RecipeSpec, model: str) -> Checkpoint | None:
    """How a model is run that the recipe is for; None where it is not."""
    for exactly in (True, False):
        for checkpoint in spec.serves:
            if any(_same(name, model, exactly=exactly) for name in checkpoint.models):
                return checkpoint
    return None


def with_checkpoint(recipe: Recipe, checkpoint: Checkpoint) -> Recipe:
    """The recipe with the sampling and the order of a checkpoint over its own."""
    sampling = recipe.spec.sampling.model_copy(update=checkpoint.sampling.model_dump(exclude_none=True))
    changed: dict[str, Any] = {"sampling": sampling}
    if checkpoint.order is not None:
        changed["order"] = checkpoint.order
    return replace(recipe, spec=recipe.spec.model_copy(update=changed))


def template_kwargs(checkpoint: Checkpoint) -> dict[str, Any]:
    """Arguments of the chat template."""
    thinking = {} if checkpoint.thinking is None else {"enable_thinking": checkpoint.thinking}
    return {**thinking, **checkpoint.chat_template_kwargs}


def _same(name: str, model: str, *, exactly: bool) -> bool:
    return name.casefold() == model.casefold() if exactly else _last(name) == _last(model)


def _last(name: str) -> str:
    return name.rstrip("/").replace("\\", "/").rpartition("/")[2].casefold()


@lru_cache(maxsize=256)
def _spec(path: Path) -> RecipeSpec:
    return validate(RecipeSpec, read_yaml(path, RecipeError), error=RecipeError)
