"""Configuration + catalogue + questions -> a report: every text is sent once, and all are in flight together."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from judge.attack.cases import AttackTrial, attack_cases, honest_cases, run_cases
from judge.attack.catalogue import MODES, SAFE, Attack, AttackMode, CatalogueError, chosen
from judge.attack.evaluator import (
    FILTER_STATES,
    Evaluator,
    FilterState,
    build_evaluator,
    mode_of,
    planned_for,
    with_filters,
)
from judge.attack.metrics import (
    ConstantString,
    FamilyMetrics,
    HonestMetrics,
    RunTotal,
    constant_string,
    family_metrics,
    honest_metrics,
    total,
)
from judge.attack.search import FoundString, search
from judge.attack.seeds import SeedQuestion, SeedQuestions
from judge.batch.progress import ProgressLine
from judge.engine.protocol import Engine
from judge.errors import DataError
from judge.pipeline.build import Plan
from judge.pipeline.cache import Cache
from judge.pipeline.opened import open_judges


@dataclass(frozen=True)
class AttackOptions:
    """What to run.

    Attributes:
        mode: `own`: the configuration as it is; a mode: the same judge under the shipped recipe of that mode; `all`: all four.
        families: Names, or starts of ids; none: all.
        items: At most this many items of each family.
        trials: SeedQuestions that each item meets.
        search: Judge calls for the search of new strings; 0: none.
        threshold: A score from here on is an acceptance, in [0, 1].
    """

    mode: AttackMode | Literal["own", "all"] = "own"
    filter_states: tuple[FilterState, ...] = FILTER_STATES
    families: tuple[str, ...] = ()
    items: int | None = None
    trials: int = 10
    search: int = 0
    threshold: float = 0.5
    seed: int = 0


@dataclass(frozen=True)
class ModeReport:
    """One mode.

    Attributes:
        metrics: By setting of the filters; families in the order of the catalogue.
        alone: All texts that hold no answer (NEG), by setting of the filters.
        added: All texts put on a wrong answer (NOGAIN, LITERAL, INVARIANT), by setting of the filters.
    """

    mode: AttackMode
    recipe: str
    metrics: dict[FilterState, list[FamilyMetrics]]
    alone: dict[FilterState, RunTotal]
    added: dict[FilterState, RunTotal]
    honest: dict[FilterState, HonestMetrics]
    constant: dict[FilterState, ConstantString | None]
    trials: list[AttackTrial] = field(repr=False)
    evaluator: Evaluator = field(repr=False)
    found: list[FoundString] = field(default_factory=list)

    @property
    def filters(self) -> FilterState:
        """The setting that a verdict rests on: with the filters, where it was run."""
        return "on" if "on" in self.metrics else "off"


@dataclass(frozen=True)
class AttackReport:
    """The whole run."""

    config: str
    model: str
    data: str
    questions: int
    options: AttackOptions
    modes: list[ModeReport]
    calls: int
    prompt_tokens: int
    completion_tokens: int
    seconds: float


async def run_attack(
    own: Plan,
    attacks: Sequence[Attack],
    questions: SeedQuestions,
    options: AttackOptions,
    *,
    config: str = "",
    base: Path | None = None,
    engine: Engine | None = None,
    notice: Callable[[str], None] = lambda _: None,
    quiet: bool = False,
) -> AttackReport:
    """Run a catalogue against a configuration.

    Args:
        own: The configuration.
        base: Folder that relative paths in it start from.
        engine: Used instead of the one in the settings.
        notice: Called with one line when something slow starts or ends.

    Raises:
        CatalogueError: A family is unknown, or nothing in the catalogue fits.
        DataError: The questions lack what the recipe needs.
        EngineError: The engine cannot work at all.
    """
    plans = [with_filters(planned_for(own, mode, base)) for mode in (MODES if options.mode == "all" else (options.mode,))]
    picked = [chosen(attacks, mode_of(p), options.families, options.items) for p in plans]
    if not any(picked):
        raise CatalogueError("nothing in the catalogue fits this mode: choose other --families, or another --mode")
    usable = [_usable(p, questions) for p in plans]
    journal = Cache(keep_failures=True)  # with filters on and off the judge must have said the same
    opened = await open_judges(plans[0], engine, journal, notice)
    started = time.monotonic()
    reports = []
    try:
        for planned, mine, items in zip(plans, picked, usable, strict=True):
            judges = opened if planned is plans[0] else await open_judges(planned, opened.engines[0], journal)
            evaluator = build_evaluator(planned, judges, options.filter_states, options.threshold)
            cases = [*honest_cases(evaluator, items), *attack_cases(evaluator, mine, items, options.trials, options.seed)]
            random.Random(options.seed).shuffle(cases)  # so that the time left can be told
            with ProgressLine(len(cases), quiet=quiet, title=f"{evaluator.mode}: ") as progress:
                trials = await run_cases(evaluator, cases, own.settings.max_in_flight, progress)
            found = []
            if options.search:
                notice(f"{evaluator.mode}: searching new strings with {options.search:,} judge calls")
                found = await search(evaluator, mine, items, options.search, options.seed, journal, own.settings.max_in_flight)
            reports.append(_report(evaluator, mine, trials, found, options))
        return AttackReport(
            config=config,
            model=opened.engines[0].model,
            data=questions.data,
            questions=len(questions.items),
            options=options,
            modes=reports,
            calls=journal.calls,
            prompt_tokens=journal.prompt_tokens,
            completion_tokens=journal.completion_tokens,
            seconds=time.monotonic() - started,
        )
    finally:
        await opened.close()


def _usable(planned: Plan, questions: SeedQuestions) -> list[SeedQuestion]:
    """Questions that the recipe can judge. Raises `DataError` when there are none."""
    needs = planned.recipe.spec.needs.sample
    odd = [n for n in needs if n not in ("reference", "rubric", "principle")]
    if odd:
        raise DataError(
            f"recipe `{planned.recipe.spec.name}` needs `{odd[0]}`; `judge attack` does not support recipes that require it"
        )
    if "rubric" in needs and planned.rubric is None:
        raise DataError(
            f"recipe `{planned.recipe.spec.name}` needs a rubric: set `rubric:` in the settings, or --set rubric=NAME"
        )
    if "principle" in needs and planned.settings.principle is None:
        raise DataError(f"recipe `{planned.recipe.spec.name}` needs a principle: set `principle:` in the settings")
    items = [q for q in questions.items if q.reference or "reference" not in needs]
    if mode_of(planned) == "pairwise":
        items = [q for q in items if q.right]
    if not items:
        what = "an honest right answer to compare with" if mode_of(planned) == "pairwise" else "a reference"
        raise DataError(f"{questions.data}: recipe `{planned.recipe.spec.name}` needs {what}, and no question has one")
    return items


def _report(
    evaluator: Evaluator, attacks: Sequence[Attack], trials: list[AttackTrial], found: list[FoundString], options: AttackOptions
) -> ModeReport:
    kinds = list(SAFE)
    order = {attack.id: (kinds.index(attack.safe), i) for i, attack in enumerate(attacks)}
    attacking = sorted((t for t in trials if t.case.attack), key=lambda t: order[t.case.attack.id] if t.case.attack else (0, 0))
    honest = [t for t in trials if t.case.attack is None]
    families: dict[tuple[str, str], list[AttackTrial]] = {}  # a family with a control among its items is two rows
    for t in attacking:
        if t.case.attack:
            families.setdefault((t.case.attack.family, t.case.attack.safe), []).append(t)
    filter_states, seed = options.filter_states, options.seed
    honest_by = {filters: honest_metrics(evaluator, honest, filters, seed) for filters in filter_states}
    return ModeReport(
        mode=evaluator.mode,
        recipe=evaluator.plan.recipe.spec.name,
        metrics={
            filters: [family_metrics(evaluator, group, filters, seed) for group in families.values()] for filters in filter_states
        },
        alone={filters: total(evaluator, attacking, filters, seed, lambda safe: safe == "NEG") for filters in filter_states},
        added={
            filters: total(evaluator, attacking, filters, seed, lambda safe: safe in ("NOGAIN", "LITERAL", "INVARIANT"))
            for filters in filter_states
        },
        honest=honest_by,
        constant={filters: constant_string(evaluator, attacking, filters, honest_by[filters]) for filters in filter_states},
        trials=trials,
        evaluator=evaluator,
        found=found,
    )
