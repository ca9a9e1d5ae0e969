"""A configuration -> arenas: its own mode, and other modes under the same judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from judge.attack.arena import GATES, Arena, Gate
from judge.attack.catalogue import AttackMode
from judge.errors import SettingsError
from judge.pipeline.build import Plan, plan
from judge.pipeline.session import Opened
from judge.settings import FilterSettings, RecipeSettings

DEFAULT_RUBRIC = "factual-correctness"  # for a checklist or a grade when the settings name no rubric


def mode_of(planned: Plan) -> AttackMode:
    """The mode of a configuration, in the words of the catalogue. Raises `SettingsError` when attacks do not fit it."""
    mode = planned.recipe.spec.mode
    if mode == "listwise":
        return "pairwise"
    if mode in ("verifier", "pointwise", "checklist", "pairwise"):
        return mode
    raise SettingsError(f"recipe `{planned.recipe.spec.name}` is {mode}; attacks run on verifier, pointwise, checklist and pairs")


def planned_for(own: Plan, mode: AttackMode | Literal["own"], base: Path | None = None) -> Plan:
    """The configuration itself, or the same judge alone under the shipped recipe of another mode.

    Args:
        base: Folder that relative paths in the settings start from.
    """
    if mode == "own" or mode_of(own) == mode:
        return own
    changes: dict[str, object] = {"recipe": RecipeSettings(name=mode), "order": None, "panel": None, "second_opinion": None}
    if mode in ("checklist", "pointwise") and own.settings.rubric is None:
        changes["rubric"] = DEFAULT_RUBRIC
    return plan(own.settings.model_copy(update=changes), base)


def with_gate(planned: Plan) -> Plan:
    """The plan with a gate to switch: where it is configured off, the default one, for all its judges."""
    filters = planned.settings.filters
    if filters.trivial != "off" or filters.actions:
        return planned
    return replace(
        planned,
        settings=planned.settings.model_copy(update={"filters": FilterSettings(max_response_chars=filters.max_response_chars)}),
        members={name: with_gate(member) for name, member in planned.members.items()},
        second=with_gate(planned.second) if planned.second else None,
    )


def build_arena(planned: Plan, opened: Opened, gates: Sequence[Gate] = GATES, threshold: float = 0.5) -> Arena:
    """Put started judges under a mode."""
    return Arena(mode_of(planned), planned, opened.judging, opened.first, tuple(gates), threshold)
