"""A plan -> judges with their engines started, and one place that closes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from judge.engine.build import build_engine
from judge.engine.protocol import Engine
from judge.pipeline.build import Plan, build_pipeline, check_logprobs
from judge.pipeline.calls import Journal
from judge.pipeline.group import GroupJudging
from judge.pipeline.panel import FIRST, Judging, Panel, SecondOpinion
from judge.pipeline.pipeline import Pipeline
from judge.settings import EngineSettings
from judge.types import Message


@dataclass(frozen=True)
class Opened:
    """Judges that are ready.

    Attributes:
        judging: What to call: the run's own pipeline, the panel around it, or the tournament around both.
        first: The run's own pipeline.
        engines: All engines, the run's own first.
    """

    judging: Judging
    first: Pipeline
    engines: tuple[Engine, ...]
    owned: tuple[Engine, ...]

    def count_text(self, text: str) -> int | None:
        """Tokens of a text by the run's own judge, without its chat template; None where it has no tokenizer."""
        engine = self.engines[0]
        whole, empty = engine.count_tokens([Message("user", text)]), engine.count_tokens([Message("user", "")])
        return None if whole is None or empty is None else whole - empty

    async def close(self) -> None:
        """Close the engines that were started here."""
        for engine in self.owned:
            await engine.close()


async def open_judges(
    plan: Plan, engine: Engine | None = None, journal: Journal | None = None, notice: Callable[[str], None] | None = None
) -> Opened:
    """Start the engines of a plan (those with the same settings are one) and build its pipelines.

    Args:
        engine: Used instead of the one in the run's settings; the caller closes it.
        journal: Where finished calls are kept; all judges share it, since a request's name holds its model.
        notice: Called with one line when something slow starts or ends.

    Raises:
        EngineError: An engine cannot work at all.
        CapabilityError: A recipe needs what its engine cannot do.
    """
    engines: list[tuple[EngineSettings, Engine]] = []
    owned: list[Engine] = []

    async def pipeline(part: Plan) -> Pipeline:
        wanted = part.settings.engine
        found = next((e for settings, e in engines if settings == wanted), None)
        if found is None:
            found = engine if engine is not None and wanted == plan.settings.engine else None
            if found is None:
                found = build_engine(wanted, notice)
                owned.append(found)
            await found.start()
            engines.append((wanted, found))
        if part is plan and part.settings.top_logprobs:
            check_logprobs(part, found)
        return build_pipeline(part, found, journal)

    try:
        first = await pipeline(plan)
        judging: Judging = first
        if plan.settings.panel is not None:
            members = {FIRST: first} | {name: await pipeline(member) for name, member in plan.members.items()}
            judging = Panel(members, plan.settings.panel)
        if plan.settings.second_opinion is not None and plan.second is not None:
            judging = SecondOpinion(judging, await pipeline(plan.second), plan.settings.second_opinion, plan.settings.seed)
        if plan.settings.group is not None:
            single = first.order in ("single", "shuffle_per_vote")
            judging = GroupJudging(judging, plan.settings.group, plan.settings.seed, gate=first.stopped, single_order=single)
    except BaseException:
        for each in owned:
            await each.close()
        raise
    return Opened(judging, first, tuple(e for _, e in engines), tuple(owned))
