"""A plan -> judges with their engines started, on a loop of their own, and one place that closes them.

The engine is bound to one event loop, and callers come from everywhere. So each session owns one loop on one thread
(`judge.loopthread`), and what it keeps beside (the monitor, the chain's memory, the step) goes along when it is pickled.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from judge.engine.protocol import Engine, Sleeper
from judge.errors import DataError, EngineDown, EngineError
from judge.loopthread import LoopThread
from judge.monitor import Alarm
from judge.pipeline.build import Plan
from judge.pipeline.cache import Cache
from judge.pipeline.deadline import Deadlines
from judge.pipeline.evaluate import Item, evaluate, evaluate_all
from judge.pipeline.finish import Finish
from judge.pipeline.live_rubric import LiveRubrics
from judge.pipeline.opened import Opened, open_judges
from judge.pipeline.panel import Judging
from judge.pipeline.record import StepRecord
from judge.pipeline.watch import BatchWatch
from judge.track.trackers import StepTrack
from judge.types import Message, NoVerdict, Reason, Reward, Sample

T = TypeVar("T")


class _Live:
    """What lives on a session's loop: the judges, opened at first use, and their replies."""

    def __init__(self, plan: Plan, engine: Engine | None, notice: Callable[[str], None] | None) -> None:
        self._plan = plan
        self._engine = engine
        self._notice = notice
        self.opening: asyncio.Task[Opened] | None = None
        self._turning = asyncio.Lock()
        self._awake_for = 0  # calls that need engines which else sleep
        self._asleep = False
        self.cache: Cache | None = None

    async def judging(self) -> Judging:
        return (await self.opened()).judging

    async def opened(self) -> Opened:
        if self.opening is None:  # one task: whoever comes while it loads waits for the same engine
            self.cache = self.cache or Cache.of(self._plan.settings.cache)
            self.opening = asyncio.create_task(open_judges(self._plan, self._engine, self.cache, self._notice))
        try:
            return await asyncio.shield(self.opening)
        except Exception:  # whatever it was is raised again; cancelling a caller is none, and leaves the load alone
            self.opening = None  # the next call tries again
            raise

    @asynccontextmanager
    async def awake(self) -> AsyncIterator[None]:
        """Engines with `colocate` have their memory only in here; calls that overlap share it."""
        sleepers = (await self.opened()).sleepers
        if not sleepers:
            yield
            return
        async with self._turning:
            if self._asleep:
                await asyncio.gather(*(each.wake() for each in sleepers))
                self._asleep = False
            self._awake_for += 1
        try:
            yield
        except BaseException:
            with suppress(EngineError):  # the error on its way says more
                await self._left(sleepers)
            raise
        await self._left(sleepers)

    async def _left(self, sleepers: Sequence[Sleeper]) -> None:
        """One call less needs them; the last one sends them to sleep."""
        async with self._turning:
            self._awake_for -= 1
            if not self._awake_for:
                self._asleep = True
                await asyncio.gather(*(each.sleep() for each in sleepers))

    async def judge(self, samples: Sequence[Sample], past_filters: frozenset[str] = frozenset()) -> list[Reward]:
        if not samples:
            return []
        async with self.awake():
            return await self._judge(samples, past_filters)

    async def _judge(self, samples: Sequence[Sample], past_filters: frozenset[str]) -> list[Reward]:
        items = [Item(sample, filters=sample.id not in past_filters) for sample in samples]
        settings, opened = self._plan.settings, await self.opened()
        deadlines = Deadlines.of(settings, opened.engines)
        found = await evaluate_all(opened.judging, items, in_flight=settings.max_in_flight, deadlines=deadlines)
        return [reward for rewards in found for reward in rewards]

    async def writer(self) -> Engine:
        """The engine that writes criteria: that of `evolve`, or the judge's."""
        return await (await self.opened()).writer()

    def count_tokens(self, text: str) -> int | None:
        return self.opening.result().count_text(text) if self.opening is not None and self.opening.done() else None

    async def close(self) -> None:
        if self.opening is None:
            return
        await (await self.opening).close()
        if self._engine is not None:
            await self._engine.close()
        if self.cache is not None:
            self.cache.close()


@dataclass(frozen=True)
class Heard:
    """What the judge said to the samples of one call, before shaping and policy.

    Attributes:
        down: The engine has stopped working, and the settings say `engine_down: exclude`: no response has a reward, whatever the
            policy for single failures is.
        samples: With the rubric that each was judged by, where that changes over the steps.
    """

    rewards: list[Reward]
    down: bool = False
    samples: list[Sample] | None = None


class Session:
    """What a `Judge` does, for it and for the entries of this package that need more than it offers. Pickles, survives a fork.

    Args:
        engine: Used instead of the one in the plan's settings.

    Attributes:
        plan: What the settings came to.
        watch: The monitor over batches; None where the settings name none.
        finish: What happens to rewards once they are judged.
        rubrics: Which version of the rubric is in force; None where it stays as it is.
    """

    def __init__(
        self,
        plan: Plan,
        engine: Engine | None = None,
        *,
        progress: Callable[[str], None] | None = None,
        on_alarm: Callable[[Alarm], object] | None = None,
    ) -> None:
        monitor = plan.settings.monitor
        self.plan = plan
        self.engine = engine
        self.on_alarm = on_alarm
        self.watch = BatchWatch(monitor, plan.settings.seed, on_alarm) if monitor else None
        self.finish = Finish(plan.settings, plan.rubric)
        self.rubrics = LiveRubrics(plan, plan.held_out) if LiveRubrics.wanted(plan) else None
        self._progress = progress
        self._steps = 0
        track = plan.settings.track
        sent = StepTrack(track, {"recipe": plan.recipe.spec.name, "recipe_hash": plan.recipe.hash}) if track else None
        self._record = StepRecord(plan.settings.record, sent) if plan.settings.record or sent else None
        self._begin()

    def _begin(self) -> None:
        self._home = LoopThread("judge-loop", partial(_Live, self.plan, self.engine, self._progress))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_home"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._begin()

    def score_now(self, samples: Sequence[Sample], step: int | None = None) -> list[Reward]:
        """As `score`, blocking; from anywhere, inside a running loop too."""
        return self._here(lambda live: self._score(live, samples, step, watched=True, raise_down=False))

    def heard_now(self, samples: Sequence[Sample], step: int | None = None) -> Heard:
        """The first half of `score_now`: rewards as judged and watched, to be finished together with those of other processes."""

        async def ask(live: _Live) -> Heard:
            return await self._heard(live, _named(self.plan, samples), step, watched=True, raise_down=False)

        return self._here(ask)

    def finish_now(self, samples: Sequence[Sample], rewards: Sequence[Reward], step: int | None = None) -> list[Reward]:
        """The second half: shaping and policy, on all that belongs to one training step. Asks nothing of the judge.

        Processes that finish the same batches in the same order keep the same memory.
        """

        async def ask(live: _Live) -> list[Reward]:
            return self._finished(live, _named(self.plan, samples), rewards, step)

        return self._here(ask)

    async def score(
        self, samples: Sequence[Sample], step: int | None = None, *, watched: bool = True, raise_down: bool = False
    ) -> list[Reward]:
        """The rewards of one batch: monitor, shaping, policy. See `Judge.score`.

        Args:
            watched: False: the monitor sees nothing of this call (its batch would be too small to say anything).
            raise_down: Raise `EngineDown` whatever `engine_down` says.
        """
        return await self._there(lambda live: self._score(live, samples, step, watched=watched, raise_down=raise_down))

    async def judge(self, samples: Sequence[Sample], past_filters: frozenset[str] = frozenset()) -> list[Reward]:
        """What the judge itself says: no monitor, no shaping, no policy. Without samples it only takes a turn on its loop.

        Args:
            past_filters: Ids of the samples that are judged past the intake filters.
        """
        given = [self.plan.given(sample) for sample in samples]
        return await self._there(lambda live: live.judge(given, past_filters))

    async def stream(self, samples: Sequence[Sample]) -> AsyncGenerator[tuple[Reward, ...]]:
        """The rewards of each sample as soon as it is done, before shaping and policy."""
        named, arrived = _named(self.plan, samples), asyncio.Queue[tuple[Reward, ...] | None]()
        here = asyncio.get_running_loop()

        def hand_over(rewards: tuple[Reward, ...] | None) -> None:
            with suppress(RuntimeError):  # the caller's loop has ended
                here.call_soon_threadsafe(arrived.put_nowait, rewards)

        async def judge_them(live: _Live) -> None:
            try:
                opened, limit = await live.opened(), self.plan.settings.max_in_flight
                deadlines = Deadlines.each(self.plan.settings, opened.engines)
                judging = evaluate(opened.judging, named, in_flight=limit, deadlines=deadlines)
                async with live.awake(), aclosing(judging) as judged:
                    async for each in judged:
                        hand_over(each.rewards)
            finally:
                hand_over(None)

        working = asyncio.ensure_future(self._there(judge_them))
        try:
            while (rewards := await arrived.get()) is not None:
                yield rewards
            await working
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)

    @property
    def loading(self) -> bool:
        """Whether engines are being started now. `close` waits for that: a model that is being loaded cannot be interrupted."""
        live = self._home.lives
        return live is not None and live.opening is not None and not live.opening.done()

    def close(self) -> None:
        """Free the engines and stop the loop; idempotent. The next call starts anew."""
        if self._record is not None:
            self._record.close()
        self._home.close(first=_Live.close)

    async def _score(
        self, live: _Live, samples: Sequence[Sample], step: int | None, *, watched: bool, raise_down: bool
    ) -> list[Reward]:
        named = _named(self.plan, samples)
        heard = await self._heard(live, named, step, watched=watched, raise_down=raise_down)
        if heard.down:
            return heard.rewards
        return self._finished(live, named, heard.rewards, step, heard.samples)

    def _finished(
        self,
        live: _Live,
        named: list[Sample],
        rewards: Sequence[Reward],
        step: int | None,
        dressed: list[Sample] | None = None,
    ) -> list[Reward]:
        number = self._step(step)
        if self.rubrics is not None:
            self.rubrics.saw(named, rewards)
            named = self.rubrics.dressed(named, step, again=True) if dressed is None else dressed
        finished = self.finish.apply(named, rewards, step=number, count_tokens=live.count_tokens)
        if self._record is not None:
            alarms = [] if self.watch is None else [str(a) for a in self.watch.last.active]
            self._record.add(number, named, finished, alarms, None if self.rubrics is None else self.rubrics.scalars())
        return finished

    async def _heard(self, live: _Live, samples: list[Sample], step: int | None, *, watched: bool, raise_down: bool) -> Heard:
        try:
            async with live.awake():
                if self.rubrics is None:
                    return Heard(await self._asked(live, samples, step, watched))
                await self.rubrics.before(step, live.writer)
                dressed = self.rubrics.dressed(samples, step)
                rewards = await self._asked(live, dressed, step, watched)
                await self.rubrics.measure(samples, rewards, step, live.judge)
                return Heard(rewards, samples=dressed)
        except EngineDown as down:
            if self.plan.settings.engine_down != "exclude" or raise_down:
                raise
            failure = NoVerdict(Reason.ENGINE_ERROR, str(down))
            none = [Reward(s.id, i, None, failure, group=s.group_key) for s in samples for i in range(len(s.responses))]
            return Heard(none, down=True)

    async def _asked(self, live: _Live, samples: list[Sample], step: int | None, watched: bool) -> list[Reward]:
        for sample in samples:
            self.finish.shaping.check_components(sample)
        baselines = asyncio.create_task(live.judge(self.finish.shaping.due(samples)))
        try:
            if self.watch is None or not watched:
                rewards = await live.judge(samples)
            else:
                rewards = await self.watch.batch(samples, live.judge, step)
            self.finish.shaping.learn(await baselines)
        finally:
            baselines.cancel()
        _refuse_if_all_invalid(rewards)
        return rewards

    def _step(self, step: int | None) -> int:
        """The number of this call; None: calls are counted."""
        number = self._steps if step is None else step
        self._steps += 1
        return number

    def _here(self, ask: Callable[[_Live], Coroutine[Any, Any, T]]) -> T:
        try:
            return self._home.run(ask)
        except BaseExceptionGroup as group:
            raise _first(group) from None

    async def _there(self, ask: Callable[[_Live], Coroutine[Any, Any, T]]) -> T:
        try:
            return await self._home.wait(ask)
        except BaseExceptionGroup as group:
            raise _first(group) from None


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first real error of a task group: what a caller can act on."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _refuse_if_all_invalid(rewards: Sequence[Reward]) -> None:
    """One bad row is a row without a reward; nothing but bad rows is a mistake that must not look like a failing judge."""
    failures = [r.failure for r in rewards if r.failure is not None and r.failure.reason is Reason.INVALID]
    if failures and len(failures) == len(rewards):
        also = f" (so it is with all {len(rewards)} responses)" if len(rewards) > 1 else ""
        raise DataError(f"{failures[0].detail}{also}")


def _named(plan: Plan, samples: Sequence[Sample]) -> list[Sample]:
    """Samples without an id are called by their position; each has the rubric of its prompt, where there is one."""
    out = []
    for index, sample in enumerate(samples):
        if not isinstance(sample, Sample):
            raise DataError(f"sample {index} is a {type(sample).__name__}; make it with Sample.of(prompt, response)")
        if not sample.responses:
            raise DataError(f"sample {index} has no response")
        for name, given in (("`prompt`", sample.prompt), *(("a response", r) for r in sample.responses)):
            if not isinstance(given, str) and not (isinstance(given, tuple) and all(isinstance(m, Message) for m in given)):
                raise DataError(
                    f"sample {index}: {name} is neither text nor messages; Sample.of(prompt, response) reads other forms"
                )
        out.append(plan.given(sample if sample.id else replace(sample, id=str(index))))
    return out
