"""Labelled items under a rubric -> what the judge said of each: preferences, criteria, calls. No figures yet.

The judges go through the one loop (`judge.pipeline.evaluate`), and requests through the cache of the settings, so that trying a
second rubric on the same items asks for nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from judge.arrays import Floats
from judge.bench.items import BenchItem
from judge.bench.units import (
    BenchUnit,
    Duel,
    JudgedItem,
    Preference,
    check_judge,
    check_needs,
    compared,
    make_units,
    order_for,
    views_from,
)
from judge.engine.protocol import Engine
from judge.errors import InputError
from judge.pipeline.build import Plan, plan
from judge.pipeline.calls import Journal
from judge.pipeline.deadline import Deadlines
from judge.pipeline.evaluate import Item, evaluate
from judge.pipeline.opened import open_judges
from judge.recipe.load import load_recipe
from judge.recipe.parts import Votes
from judge.rubric.model import Rubric
from judge.settings import FilterSettings, RecipeSettings, RunSettings
from judge.types import Call, Reward, Verdict

RubricOf = Callable[[BenchItem], Rubric | None]
NO_RUBRIC = "self-rewarding"  # a single grade without a rubric, for recipes that cannot judge without one


@dataclass(frozen=True)
class TriedItem:
    """What a judge said of one labelled item.

    Attributes:
        components: Score of each criterion, of each response, in [0, 1], 1 best; None without a verdict. Empty where the recipe
            asks about no single criterion.
        calls, tokens: Of all requests for this item, answered from a cache or not.
    """

    judged: JudgedItem
    components: tuple[Mapping[str, float | None], ...]
    calls: int
    tokens: int

    @property
    def item(self) -> BenchItem:
        """The item itself."""
        return self.judged.item


def judge_plan(settings: RunSettings, base: Path | None, kind: str, rubric: Rubric | None) -> Plan:
    """The plan by which labelled items are judged: the settings' judge and recipe with this rubric, raw rewards, both orders.

    Raises:
        InputError: The recipe cannot answer what the labels say. SettingsError, RecipeError, RubricError: as for a run.
    """
    reward = settings.reward.model_copy(update={"shape": (), "baselines": None})
    changes: dict[str, object] = {
        "monitor": None, "reward": reward, "on_no_verdict": "drop", "group": None, "calibration": None, "rubric": rubric,
        "filters": FilterSettings(level="off", max_response_chars=settings.filters.max_response_chars),
    }  # fmt: skip
    made = plan(settings.model_copy(update=changes), base)
    check_judge(made, kind, "the labelled data")
    order = order_for(made, own=False)
    return plan(made.settings.model_copy(update={"order": order}), base) if order else made


def bare_settings(settings: RunSettings, recipe: str | None = None) -> RunSettings:
    """The same judge without a rubric: its own recipe where that needs none, else `recipe` (a single grade by default)."""
    spec = load_recipe(settings.recipe.name).spec
    needs = spec.mode == "checklist" or "rubric" in spec.needs.sample
    if recipe is None and not needs:
        return settings
    name = recipe or NO_RUBRIC
    other = load_recipe(name).spec
    if other.mode == "checklist" or "rubric" in other.needs.sample:
        raise InputError(
            f"--baseline {name}: this recipe needs a rubric, and the baseline has none; take one such as {NO_RUBRIC}"
        )
    none = {"order": None, "signal": None, "readout": None, "votes": settings.votes or Votes(n=1), "principle": None}
    return settings.model_copy(update={"recipe": RecipeSettings(name=name), **none})


async def try_items(
    made: Plan,
    items: Sequence[BenchItem],
    engine: Engine | None = None,
    journal: Journal | None = None,
    *,
    rubric_of: RubricOf | None = None,
    notice: Callable[[str], None] | None = None,
) -> list[TriedItem]:
    """Judge labelled items.

    Args:
        engine: Used instead of the one in the settings; the caller closes it.
        rubric_of: The rubric of an item, where each has its own; None: the plan's.

    Raises:
        InputError: The recipe needs what neither the items nor the plan have.
        EngineError: The engine cannot work, or has stopped working.
    """
    check_needs(made, items, "the labelled data")
    bare = [replace(i, sample=replace(i.sample, rubric=rubric_of(i) if rubric_of else None)) for i in items]
    units = make_units(bare, "pairs" if _paired(bare) else "ratings", made)
    judges = await open_judges(made, engine, journal, notice)
    rewards: list[tuple[Reward, ...]] = [()] * len(units)
    try:
        work = [Item(unit.sample, filters=False) for unit in units]
        limit, late = made.settings.max_in_flight, Deadlines.each(made.settings, judges.engines)
        async with aclosing(evaluate(judges.judging, work, in_flight=limit, deadlines=late)) as done:
            async for each in done:
                rewards[each.place] = each.rewards
    finally:
        await judges.close()
    compares = made.recipe.spec.mode == "pairwise"
    return [
        _tried(bare[unit.item], unit, own, unit.sample.rubric or made.rubric, compares=compares)
        for unit, own in zip(units, rewards, strict=True)
    ]


def _paired(items: Sequence[BenchItem]) -> bool:
    return bool(items) and len(items[0].sample.responses) == 2


def _tried(item: BenchItem, unit: BenchUnit, rewards: Sequence[Reward], rubric: Rubric | None, *, compares: bool) -> TriedItem:
    by_place = [rewards[unit.shown.index(place)] for place in range(len(unit.shown))]
    values = tuple(r.raw_reward for r in by_place)
    reasons = tuple(str(r.failure.reason) for r in by_place if r.raw_reward is None and r.failure is not None)
    calls = {(call.key, call.seed): call for r in rewards for call in r.calls}
    duels = {}
    if compares and len(values) == 2:
        seen = views_in(list(calls.values()))
        shown = [seen[order] for order in sorted(seen)] if unit.shown == (0, 1) else [_turned(seen[o]) for o in sorted(seen)]
        duels = {(0, 1): Duel(compared(*values), tuple(shown))}
    judged = JudgedItem(item, (None, None) if duels else values, duels, reasons[:1] if compares else reasons)
    known = {c.id for c in rubric.criteria} if rubric is not None else set()
    components = tuple({k: v for k, v in r.components.items() if k in known and k not in r.not_criteria} for r in by_place)
    tokens = sum(call.completion.prompt_tokens + call.completion.completion_tokens for call in calls.values())
    return TriedItem(judged, components, len(calls), tokens)


def views_in(calls: Sequence[Call]) -> dict[tuple[int, ...], Preference]:
    """By order shown: the preference that the verdicts of that order state, for the response first in the sample."""
    said = [(tuple(c.order), c.outcome) for c in calls if c.outcome is not None]
    return views_from((order, out.scores if isinstance(out, Verdict) else None) for order, out in said)


def _turned(decision: Preference) -> Preference:
    return None if decision is None else -decision


def criterion_scores(tried: Sequence[TriedItem], names: Sequence[str]) -> Floats:
    """Score of each criterion, shape (items, responses, criteria); NaN without a verdict."""
    return np.array(
        [[[np.nan if (v := row.get(name)) is None else v for name in names] for row in one.components] for one in tried],
        dtype=np.float64,
    ).reshape(len(tried), -1, len(names))
