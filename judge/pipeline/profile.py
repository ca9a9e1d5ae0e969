"""A model that a recipe is for -> that recipe where the run names none, and the model's own way of being run.

Values come in this order, the later over the earlier: the recipe, its `serves` entry for the model, the run settings.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judge.recipe.load import Recipe, load_recipe
from judge.recipe.parts import Checkpoint
from judge.recipe.serves import checkpoint_of, find_served, template_kwargs, with_checkpoint
from judge.settings import RunSettings
from judge.settings.recipe import RecipeSettings


@dataclass(frozen=True)
class ModelProfile:
    """How the model of a run is run because its recipe is for it.

    Attributes:
        checkpoint: The entry of `serves`; None where the recipe is not for this model.
        folds_system: The system text goes in front of the first user message.
        notes: What was chosen because of it, in words.
    """

    checkpoint: Checkpoint | None = None
    folds_system: bool = False
    notes: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """The entry, for `run.json`."""
        assert self.checkpoint is not None  # noqa: S101  # the caller looked
        shown = {"options", "prompt", "system_role", "chat_template_kwargs", "thinking", "sampling", "order", "licence", "note"}
        return self.checkpoint.model_dump(mode="json", include=shown, exclude_defaults=True)


def profiled(settings: RunSettings, base: Path | None) -> tuple[RunSettings, Recipe, ModelProfile]:
    """The recipe of a run with what its model asks for.

    Raises:
        RecipeError: With file and line.
    """
    model: str = settings.engine.model
    notes = []
    found = find_served(model) if "recipe" not in settings.model_fields_set else None
    if found is not None:
        settings = settings.model_copy(update={"recipe": RecipeSettings(name=found.recipe)})
        notes.append(f"recipe `{found.recipe}`, because it is for {model} and the settings name none")
    wanted = settings.recipe
    recipe = load_recipe(wanted.name, base=base, options=wanted.options, language=wanted.language)
    checkpoint = checkpoint_of(recipe.spec, model)
    if checkpoint is None:
        return settings, recipe, ModelProfile()
    options = {**checkpoint.options, **settings.recipe.options}
    if options != settings.recipe.options:
        settings = settings.model_copy(update={"recipe": wanted.model_copy(update={"options": options})})
        recipe = load_recipe(wanted.name, base=base, options=options, language=wanted.language)
    recipe = with_checkpoint(recipe, checkpoint)
    notes += _said(checkpoint, recipe)
    return _engine(settings, checkpoint), recipe, ModelProfile(checkpoint, _folds(settings, checkpoint), tuple(notes))


def _engine(settings: RunSettings, checkpoint: Checkpoint) -> RunSettings:
    """The engine's settings with the chat template's arguments; those of the run over those of the model."""
    engine, given = settings.engine, template_kwargs(checkpoint)
    if not given or "chat_template_kwargs" not in type(engine).model_fields:
        return settings
    merged = {**given, **getattr(engine, "chat_template_kwargs", {})}
    return settings.model_copy(update={"engine": engine.model_copy(update={"chat_template_kwargs": merged})})


def _folds(settings: RunSettings, checkpoint: Checkpoint) -> bool:
    said = settings.engine.model_fields_set & {"system_role"}  # the run's own word counts
    return checkpoint.system_role == "user" and not said


def _said(checkpoint: Checkpoint, recipe: Recipe) -> list[str]:
    """What a reader of the run should know of the model."""
    name = recipe.spec.name
    notes = [f"{name}: {checkpoint.note}"] if checkpoint.note else []
    if checkpoint.prompt == "own" and not recipe.spec.exact and checkpoint.sha256:
        notes.append(
            f"{name}: this model was trained on a published prompt, and the recipe has words of its own; to use that text:"
            f" judge recipe adopt {name} --prompt FILE"
        )
    return notes
