"""What a shaping chain needs of the run file, the rubric and the data, checked before anything is judged."""

from __future__ import annotations

from collections.abc import Sequence

from judge.checks.programs import OVERALL
from judge.errors import Problem, SettingsError
from judge.pipeline.memory import Memory
from judge.rubric.model import Rubric
from judge.settings import RunSettings
from judge.shape import (
    KINDS,
    ShapeStep,
    check_chain,
    needs,
    remembers,
    span_of,
    step_names,
)


def carried_columns(settings: RunSettings) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Columns of the data that travel with a sample as its metadata: those that a row must have, and those that it may have.

    Example:
        >>> from judge.shape import AddStep
        >>> carried_columns(RunSettings(reward={"shape": (AddStep(column="comet"),), "baselines": "sft"}))
        (('sft', 'comet'), ())
    """
    wanted = sorted(needs(settings.reward.shape))
    must = [need.removeprefix("column ") for need in wanted if need.startswith("column ")]
    may = [need.removeprefix("maybe ") for need in wanted if need.startswith("maybe ")]
    may += [settings.evolve.reference] if settings.evolve is not None and settings.evolve.reference else []
    return tuple(dict.fromkeys([*([settings.reward.baselines] if settings.reward.baselines else []), *must])), tuple(may)


def check_shape(
    settings: RunSettings, rubric: Rubric | None, mode: str, *, varies: bool = False, steps: bool = False, program: bool = False
) -> None:
    """Refuse a chain that could not work on this run's rewards.

    Args:
        steps: Whether the judge scores solution steps.
        program: Whether a program gives the scores, under names that are known once it has run.
        varies: Whether the judge's rewards have a variance: over votes, orders, or its own probabilities.

    Raises:
        SettingsError: Naming the step.
    """
    chain, reward = settings.reward.shape, settings.reward
    if why := _no_criteria(settings):
        problems = [Problem(place, f"takes scores of criteria, and {why}") for place, _ in taken_columns(chain)]
        if problems:
            raise SettingsError(problems)
    if (
        mode != "checklist"
        and not program
        and (idle := next((place for place, names in taken_columns(chain) if names is None), None))
    ):
        raise SettingsError(f"{idle}: takes the scores of all criteria, and this recipe gives one grade; use a checklist recipe")
    known = None if program else _components(rubric, mode) if rubric is not None or mode != "checklist" else None
    without = {f"without {name}" for name in known} if known is not None and mode == "checklist" and len(known) > 1 else set()
    without |= {need for need in needs(chain) if need.startswith("without ")} if known is None else set()
    without |= {"variances"} if settings.panel is not None or varies else set()
    without |= {"steps"} if steps else set()
    check_chain(chain, has=(*BROUGHT, *without, *(("references",) if reward.baselines else ())), components=known)
    if reward.baselines and "references" not in needs(chain):
        raise SettingsError("reward.baselines: no step of `reward.shape` uses reference rewards, so nothing would be judged")
    if reward.baselines and settings.group is not None:
        raise SettingsError("reward.baselines: baselines are judged one at a time, and `group` compares; leave one of them out")
    _check_replaced(settings)
    if reward.state is not None:
        if not remembers(chain):
            raise SettingsError("reward.state: no step of `reward.shape` remembers anything from batch to batch; leave it out")
        Memory.of(reward.state, step_names(chain))
    low, high = span_of(chain)
    if settings.no_verdict_constant is not None and not low <= settings.no_verdict_constant <= high:
        raise SettingsError(
            f"no_verdict_constant: {settings.no_verdict_constant:g} stands in for a missing reward after `reward.shape`, where"
            f" rewards are in [{low:g}, {high:g}]"
        )


def _components(rubric: Rubric | None, mode: str) -> set[str]:
    """Components that every reward of a run has and that a step may take: criteria, or the one grade and programs beside it."""
    if mode == "checklist":
        return {c.id for c in rubric.criteria} if rubric is not None else set()
    return {OVERALL, *(c.id for c in rubric.criteria if c.check != "llm")} if rubric is not None else {OVERALL}


def _no_criteria(settings: RunSettings) -> str:
    """Why rewards of this run have no components that a step may take; empty where they have."""
    if settings.panel is not None:
        return "with `panel` a reward's components are its judges, and no criteria"
    if settings.unit is not None and settings.unit.stop_when_decided:
        return "with `unit.stop_when_decided` some criteria have none"
    if settings.cascade is not None:
        return "with `cascade` the rewards of two judges have different ones"
    if settings.group is not None:
        return "with `group` a reward's components are its comparisons, and no criteria"
    return ""


def taken_columns(steps: Sequence[ShapeStep]) -> list[tuple[str, list[str] | None]]:
    """(place, names) of each step that takes components; None for all there are."""
    out: list[tuple[str, list[str] | None]] = []
    for index, step in enumerate(steps):
        place, wanted = f"reward.shape[{index}] ({step.kind})", needs([step])
        named = sorted(need.removeprefix("component ") for need in wanted if need.startswith("component "))
        if named or "components" in wanted:
            out.append((place, named or None))
    return out


def named_criteria(steps: Sequence[ShapeStep]) -> frozenset[str]:
    """Criteria that steps name: a rubric must not lose them."""
    left_out = {need.removeprefix("without ") for need in needs(steps) if need.startswith("without ")}
    return frozenset(name for _, names in taken_columns(steps) for name in names or ()) | left_out


def _check_replaced(settings: RunSettings) -> None:
    """Refuse what a step that makes a reward of the criteria would lose without a word."""
    first = settings.reward.shape[0] if settings.reward.shape else None
    if first is not None and KINDS[first.kind].replaces(first) and settings.second_opinion is not None:
        raise SettingsError(
            f"reward.shape[0] ({first.kind}): makes its own reward of what the first judge said, so `second_opinion` would have"
            " no effect; leave one of them out"
        )


BROUGHT = ("texts", "prompts", "metadata", "lengths", "answers", "labels", "columns")  # what every batch can bring
