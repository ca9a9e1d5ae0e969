"""The rubric of a run from its settings: a name, a file, a folder of versions, a mapping, a published form, or an object."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from judge.errors import RubricError, SettingsError
from judge.rubric.build import build_rubric
from judge.rubric.load import load_rubric, rubric_from
from judge.rubric.model import Rubric
from judge.rubric.versions import VersionFolder
from judge.settings import RunSettings
from judge.yamlfile import Source


def followed(settings: RunSettings, base: Path | None) -> RunSettings:
    """A rubric that is a folder of versions, found beside the settings file or here; and that of `evolve`, where it goes on."""
    folder = _folder(settings.rubric, base) if isinstance(settings.rubric, str) else None
    return settings if folder is None else settings.model_copy(update={"rubric": str(folder)})


def _folder(name: str, base: Path | None) -> Path | None:
    """A folder of versions of that name, beside the settings file or here; None where there is none."""
    places = (*([base / name] if base is not None else []), Path(name))
    return next((place for place in places if place.is_dir()), None)


def held_out_rubric(settings: RunSettings, base: Path | None) -> Rubric | None:
    """The rubric of `held_out`. Raises RubricError."""
    return None if settings.held_out is None else _loaded(settings.held_out.rubric, base, "settings: held_out.rubric")


def _loaded(wanted: str | dict[str, Any] | list[Any] | Rubric, base: Path | None, where: str) -> Rubric:
    """A rubric in any form that settings may hold one; of a folder of versions the newest."""
    if isinstance(wanted, Rubric):
        return wanted
    if isinstance(wanted, dict):
        return build_rubric(Source(where, wanted, {}))
    if isinstance(wanted, list):
        return rubric_from(wanted, where)
    folder = _folder(wanted, base)
    return load_rubric(wanted, base=base) if folder is None else VersionFolder(folder).newest()[1]


def run_rubric(settings: RunSettings, base: Path | None, own: Rubric | None) -> Rubric | None:
    """The run's rubric, or the one that the recipe brings."""
    wanted = own if settings.rubric is None else settings.rubric
    if wanted is None:
        return None
    if settings.evolve is not None and (begun := VersionFolder(settings.evolve.folder)).names():
        wanted = begun.newest()[1]  # a run that starts again goes on from there
    rubric = _loaded(wanted, base, "settings: rubric")
    given = settings.reward.fold_fields
    if not given:
        return rubric
    try:
        return rubric.changed(**given)
    except RubricError as why:
        raise SettingsError(f"`reward` does not fit rubric `{rubric.name}`: {why}") from None
