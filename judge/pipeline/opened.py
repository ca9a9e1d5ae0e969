"""The engines and pipelines of a plan, started once and closed together."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import cast

from judge.engine.build import build_engine
from judge.engine.meter import Meter, Spent
from judge.engine.protocol import Engine, Sleeper
from judge.pipeline.build import Plan, build_pipeline
from judge.pipeline.calls import Journal
from judge.pipeline.drawn import drawn_engine, draws
from judge.pipeline.group import GroupJudging
from judge.pipeline.panel import FIRST, Judging, Panel
from judge.pipeline.pipeline import Pipeline
from judge.pipeline.plan_checks import check_logprobs
from judge.pipeline.second import Cascade, SecondOpinion
from judge.settings import EngineSettings, OpenAiSettings
from judge.settings.cost import Price
from judge.settings.group import GroupSettings
from judge.types import Message


@dataclass(frozen=True)
class Opened:
    """Judges that are ready.

    Attributes:
        judging: What to call: the run's own pipeline, the panel around it, or the tournament around both.
        first: The run's own pipeline.
        engines: All engines, the run's own first.
        owned: Those that were started here.
        writer: Gives the engine that writes criteria for `evolve`, started when it is first asked for: many runs never do.
        meter: What was paid; None where no engine has a price, there is no budget, and no earlier start had one.
        sleepers: Engines that share their memory with a policy that trains (`engine.colocate`).
    """

    judging: Judging
    first: Pipeline
    engines: tuple[Engine, ...]
    owned: Sequence[Engine]
    writer: Callable[[], Awaitable[Engine]]
    meter: Meter | None = None
    sleepers: Sequence[Sleeper] = ()

    def count_text(self, text: str) -> int | None:
        """Tokens of a text by the run's own judge, without its chat template; None where it has no tokenizer."""
        engine = self.engines[0]
        whole, empty = engine.count_tokens([Message("user", text)]), engine.count_tokens([Message("user", "")])
        return None if whole is None or empty is None else whole - empty

    async def close(self) -> None:
        """Close the engines that were started here; one that cannot be closed keeps no other open."""
        async with AsyncExitStack() as closing:
            for engine in reversed(self.owned):
                closing.push_async_callback(engine.close)


class _Engines:
    """The engines of a plan, each started when it is first asked for; those with the same settings are one."""

    def __init__(self, plan: Plan, given: Engine | None, notice: Callable[[str], None] | None, before: Spent | None) -> None:
        self._plan, self._given, self._notice = plan, given, notice
        counted = plan.settings.budget is not None or _has_price(plan) or (before is not None and before.calls > 0)
        self.meter = Meter(plan.settings.budget, before) if counted else None
        self.running: list[tuple[EngineSettings, Engine]] = []
        self.owned: list[Engine] = []
        self.sleepers: list[Sleeper] = []
        self._writing = asyncio.Lock()

    async def started(self, wanted: EngineSettings) -> Engine:
        """The engine of these settings. Raises EngineError, and leaves nothing behind then."""
        found = next((e for settings, e in self.running if settings == wanted), None)
        if found is not None:
            return found
        found = self._given if self._given is not None and wanted == self._plan.settings.engine else self._built(wanted)
        try:
            await found.start()
        except BaseException:
            if found in self.owned:
                self.owned.remove(found)
                await found.close()
            raise
        if getattr(wanted, "colocate", False):
            self.sleepers.append(cast("Sleeper", found))
        if self.meter is not None:
            found = self.meter.metered(found, Price() if wanted.kind == "none" else wanted.price)
        self.running.append((wanted, found))
        return found

    def _built(self, wanted: EngineSettings) -> Engine:
        patient = self._plan.settings.engine_down == "wait"
        settings = _patient(wanted) if patient else wanted
        made = drawn_engine(wanted.model) if draws(wanted) else build_engine(settings, self._notice)
        self.owned.append(made)
        return made

    async def writer(self) -> Engine:
        """The engine that writes criteria: that of `evolve`, or the judge's."""
        evolve, own = self._plan.settings.evolve, self._plan.settings.engine
        async with self._writing:  # two steps that overlap load it once
            return await self.started(own if evolve is None or evolve.engine is None else evolve.engine)


async def open_judges(
    plan: Plan,
    engine: Engine | None = None,
    journal: Journal | None = None,
    notice: Callable[[str], None] | None = None,
    *,
    before: Spent | None = None,
) -> Opened:
    """Start the engines of a plan (those with the same settings are one) and build its pipelines.

    Args:
        engine: Used instead of the one in the run's settings; the caller closes it.
        journal: Where finished calls are kept; all judges share it, since a request's name holds its model.
        notice: Called with one line when something slow starts or ends.
        before: What earlier starts of this run have paid, of the same budget.

    Raises:
        EngineError: An engine cannot work at all.
        CapabilityError: A recipe needs what its engine cannot do.
    """
    engines = _Engines(plan, engine, notice, before)

    async def pipeline(part: Plan) -> Pipeline:
        found, other = await engines.started(part.settings.engine), part.settings.baseline_engine
        if part is plan and part.settings.top_logprobs:
            check_logprobs(part, found)
        return build_pipeline(part, found, journal, None if other is None else await engines.started(other))

    try:
        first = await pipeline(plan)
        judging: Judging = first
        if plan.settings.panel is not None:
            members = {FIRST: first} | {name: await pipeline(member) for name, member in plan.members.items()}
            judging = Panel(members, plan.settings.panel)
        if plan.settings.second_opinion is not None and plan.second is not None:
            judging = SecondOpinion(judging, await pipeline(plan.second), plan.settings.second_opinion, plan.settings.seed)
        if plan.settings.cascade is not None and plan.cheap is not None:
            cheap = await pipeline(plan.cheap)
            judging = Cascade(cheap, judging, plan.settings.cascade, plan.settings.seed, plan.cheap_calibration)
        if plan.settings.group is not None:
            judging = compared(plan, plan.settings.group, judging, first)
    except BaseException:
        for each in engines.owned:
            await each.close()
        raise
    running = tuple(e for _, e in engines.running)
    return Opened(judging, first, running, engines.owned, engines.writer, engines.meter, engines.sleepers)


def compared(plan: Plan, settings: GroupSettings, judging: Judging, first: Pipeline) -> GroupJudging:
    """The tournament of a plan around its judging.

    Args:
        first: The run's own pipeline: which responses need no judge, and whether it asks in one order.
    """
    single = first.order in ("single", "shuffle_per_vote")
    return GroupJudging(judging, settings, plan.settings.seed, stopped=first.stopped, single_order=single)


def _has_price(plan: Plan) -> bool:
    engines = [e for part in plan.judges for e in (part.settings.engine, part.settings.baseline_engine)]
    engines += [plan.settings.evolve.engine] if plan.settings.evolve is not None else []
    return any(getattr(engine, "price", None) is not None for engine in engines)


def _patient(engine: EngineSettings) -> EngineSettings:
    return engine.model_copy(update={"patience_s": math.inf}) if isinstance(engine, OpenAiSettings) else engine
