"""Configuration + catalogue + questions -> a report: every text is sent once, and all are in flight together."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from judge.attack.arena import GATES, Arena, Gate, Memory
from judge.attack.bases import Question, Questions
from judge.attack.build import build_arena, mode_of, planned_for, with_gate
from judge.attack.catalogue import MODES, SAFE, Attack, AttackMode, CatalogueError
from judge.attack.figures import Figure, family_figure
from judge.attack.load import chosen
from judge.attack.play import Trial, play
from judge.attack.search import Found, search
from judge.attack.shots import attack_shots, honest_shots
from judge.attack.ticker import Ticker
from judge.attack.totals import Constant, Honest, Total, constant_figure, honest_figure, total
from judge.engine.protocol import Engine
from judge.errors import DataError
from judge.pipeline.build import Plan
from judge.pipeline.session import open_judges


@dataclass(frozen=True)
class Options:
    """What to run.

    Attributes:
        mode: `own`: the configuration as it is; a mode: the same judge under the shipped recipe of that mode; `all`: all four.
        families: Names, or starts of ids; none: all.
        items: At most this many items of each family.
        trials: Questions that each item meets.
        search: Judge calls for the search of new strings; 0: none.
        threshold: A score from here on is an acceptance, in [0, 1].
    """

    mode: AttackMode | Literal["own", "all"] = "own"
    gates: tuple[Gate, ...] = GATES
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
        figures: By gate; families in the order of the catalogue.
        alone: All texts that hold no answer (NEG), by gate.
        added: All texts put on a wrong answer (NOGAIN, LITERAL, INVARIANT), by gate.
    """

    mode: AttackMode
    recipe: str
    figures: dict[Gate, list[Figure]]
    alone: dict[Gate, Total]
    added: dict[Gate, Total]
    honest: dict[Gate, Honest]
    constant: dict[Gate, Constant | None]
    trials: list[Trial] = field(repr=False)
    arena: Arena = field(repr=False)
    found: list[Found] = field(default_factory=list)

    @property
    def gate(self) -> Gate:
        """The setting that a verdict rests on: with the gate, where it was run."""
        return "on" if "on" in self.figures else "off"


@dataclass(frozen=True)
class AttackReport:
    """The whole run."""

    config: str
    model: str
    data: str
    questions: int
    options: Options
    modes: list[ModeReport]
    calls: int
    prompt_tokens: int
    completion_tokens: int
    seconds: float


async def run_attack(
    own: Plan,
    attacks: Sequence[Attack],
    questions: Questions,
    options: Options,
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
    plans = [with_gate(planned_for(own, mode, base)) for mode in (MODES if options.mode == "all" else (options.mode,))]
    picked = [chosen(attacks, mode_of(p), options.families, options.items) for p in plans]
    if not any(picked):
        raise CatalogueError("nothing in the catalogue fits this mode: choose other --families, or another --mode")
    usable = [_usable(p, questions) for p in plans]
    memory = Memory()
    opened = await open_judges(plans[0], engine, memory, notice)
    started = time.monotonic()
    reports = []
    try:
        for planned, mine, items in zip(plans, picked, usable, strict=True):
            judges = opened if planned is plans[0] else await open_judges(planned, opened.engines[0], memory)
            arena = build_arena(planned, judges, options.gates, options.threshold)
            shots = [*honest_shots(arena, items), *attack_shots(arena, mine, items, options.trials, options.seed)]
            random.Random(options.seed).shuffle(shots)  # so that the time left can be told
            with Ticker(f"{arena.mode}: texts judged", len(shots), quiet=quiet) as ticker:
                trials = await play(arena, shots, own.settings.max_in_flight, ticker.tick)
            found = []
            if options.search:
                notice(f"{arena.mode}: searching new strings with {options.search:,} judge calls")
                found = await search(arena, mine, items, options.search, options.seed, memory, own.settings.max_in_flight)
            reports.append(_report(arena, mine, trials, found, options))
        return AttackReport(
            config=config,
            model=opened.engines[0].model,
            data=questions.data,
            questions=len(questions.items),
            options=options,
            modes=reports,
            calls=memory.calls,
            prompt_tokens=memory.prompt_tokens,
            completion_tokens=memory.completion_tokens,
            seconds=time.monotonic() - started,
        )
    finally:
        await opened.close()


def _usable(planned: Plan, questions: Questions) -> list[Question]:
    """Questions that the recipe can judge. Raises `DataError` when there are none."""
    needs = planned.recipe.spec.needs.sample
    odd = [n for n in needs if n not in ("reference", "rubric", "principle")]
    if odd:
        raise DataError(f"recipe `{planned.recipe.spec.name}` needs {odd[0]}, which attacks have not")
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


def _report(arena: Arena, attacks: Sequence[Attack], trials: list[Trial], found: list[Found], options: Options) -> ModeReport:
    kinds = list(SAFE)
    order = {attack.id: (kinds.index(attack.safe), i) for i, attack in enumerate(attacks)}
    attacking = sorted((t for t in trials if t.shot.attack), key=lambda t: order[t.shot.attack.id] if t.shot.attack else (0, 0))
    honest = [t for t in trials if t.shot.attack is None]
    families: dict[tuple[str, str], list[Trial]] = {}  # a family with a control among its items is two rows
    for t in attacking:
        if t.shot.attack:
            families.setdefault((t.shot.attack.family, t.shot.attack.safe), []).append(t)
    gates, seed = options.gates, options.seed
    honest_by = {gate: honest_figure(arena, honest, gate, seed) for gate in gates}
    return ModeReport(
        mode=arena.mode,
        recipe=arena.plan.recipe.spec.name,
        figures={gate: [family_figure(arena, group, gate, seed) for group in families.values()] for gate in gates},
        alone={gate: total(arena, attacking, gate, seed, lambda safe: safe == "NEG") for gate in gates},
        added={
            gate: total(arena, attacking, gate, seed, lambda safe: safe in ("NOGAIN", "LITERAL", "INVARIANT")) for gate in gates
        },
        honest=honest_by,
        constant={gate: constant_figure(arena, attacking, gate, honest_by[gate]) for gate in gates},
        trials=trials,
        arena=arena,
        found=found,
    )
