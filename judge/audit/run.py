"""Trials -> rewards: every distinct sample is judged once, all of them in flight together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from judge.audit.model import Trial
from judge.batch.progress import Progress
from judge.engine.protocol import Engine
from judge.errors import DataError
from judge.pipeline.build import Plan
from judge.pipeline.panel import Judging
from judge.pipeline.session import open_judges
from judge.types import Call, Completion, NoVerdict, Reason, Reward, Sample


@dataclass(frozen=True, slots=True)
class Result:
    """One trial with the rewards of all responses shown, before and after."""

    trial: Trial
    before: tuple[Reward, ...]
    after: tuple[Reward, ...]

    @property
    def first(self) -> Reward:
        """The reward under measurement, before the change."""
        return self.before[self.trial.before.index]

    @property
    def second(self) -> Reward:
        """The same, after the change."""
        return self.after[self.trial.after.index]


@dataclass(frozen=True)
class Judged:
    """All results, and what they cost."""

    results: tuple[Result, ...]
    model: str
    samples: int
    calls: int
    tokens: int
    seconds: float


class MemoryJournal:
    """Finished calls of this audit: an identical request is sent once. A reply without a verdict is asked again."""

    def __init__(self) -> None:
        self._kept: dict[str, Completion] = {}

    def find(self, key: str) -> Completion | None:
        """The reply kept under this name."""
        return self._kept.get(key)

    def keep(self, call: Call) -> None:
        """Keep one finished call, unless it failed."""
        if not isinstance(call.outcome, NoVerdict):
            self._kept[call.key] = call.completion


async def judge_trials(
    plan: Plan,
    trials: Sequence[Trial],
    *,
    engine: Engine | None = None,
    notice: Callable[[str], None] = lambda _: None,
    quiet: bool = False,
) -> Judged:
    """Judge before and after of every trial.

    Args:
        engine: Used instead of the one in the settings.
        notice: Called with one line when something slow starts or ends.
        quiet: No progress on standard error.

    Raises:
        EngineError: The engine cannot work at all.
        CapabilityError: The recipe needs what the engine cannot do.
    """
    samples = {id(s): s for t in trials for s in (t.before.sample, t.after.sample)}  # a base sample serves many trials
    progress = Progress(len(samples), quiet=quiet)
    opened = await open_judges(plan, engine, MemoryJournal(), notice)
    try:
        judged = await _judge_all(opened.judging, plan.settings.max_in_flight, samples, progress)
    finally:
        await opened.close()
    results = tuple(Result(t, judged[id(t.before.sample)], judged[id(t.after.sample)]) for t in trials)
    tokens = progress.prompt_tokens + progress.completion_tokens
    return Judged(
        results,
        " + ".join(dict.fromkeys(e.model for e in opened.engines)),
        len(samples),
        progress.calls,
        tokens,
        progress.seconds,
    )


async def _judge_all(
    judging: Judging, in_flight: int, samples: Mapping[int, Sample], progress: Progress
) -> dict[int, tuple[Reward, ...]]:
    room = asyncio.Semaphore(in_flight)
    out: dict[int, tuple[Reward, ...]] = {}

    async def one(key: int, sample: Sample) -> None:
        async with room:
            try:
                rewards = await judging.judge(sample)
            except DataError as why:  # this sample lacks something the recipe needs; a failure, never a grade
                failure = NoVerdict(Reason.INVALID, str(why))
                rewards = tuple(Reward(sample.id, i, None, failure) for i in range(len(sample.responses)))
            out[key] = rewards
            progress.add(rewards)

    with progress:
        tasks = [asyncio.create_task(one(key, sample)) for key, sample in samples.items()]
        try:
            await asyncio.gather(*tasks)
        finally:  # the first error ends the audit; what is still in flight is not waited for
            for task in tasks:
                task.cancel()
    return out
