"""The public `Judge`: the pipeline for a script, a notebook, a running event loop or a trainer's worker.

The engine is bound to one event loop, and callers come from everywhere: a sync script, a notebook whose loop is already
running, a trainer that calls `asyncio.run` each step (a pooled session dies there on step 2). So each `Judge` owns one
loop on one thread, made on first use and made anew after a fork or unpickling.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import aclosing, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from pydantic import BaseModel

from judge.engine.protocol import Engine
from judge.errors import DataError, EngineDown, SettingsError
from judge.monitor import Alarm
from judge.pipeline.build import Plan, plan
from judge.pipeline.cache import Cache
from judge.pipeline.evaluate import Item, evaluate, evaluate_all
from judge.pipeline.finish import Finish
from judge.pipeline.panel import Judging
from judge.pipeline.session import Opened, open_judges
from judge.pipeline.watch import BatchWatch
from judge.settings import RunSettings, load_settings
from judge.types import Message, NoVerdict, Reason, Reward, Sample

T = TypeVar("T")
_KEPT = ("plan", "_given", "_progress", "_on_alarm", "watch", "finish", "_steps")  # of a judge that is pickled


class Judge:
    """Samples -> rewards, by one configuration.

    Whatever a settings file can say is an argument here, written as there or as an object: `rubric` also takes a `Rubric`,
    `recipe` a `Recipe`, `engine` an engine.

    Example:
        >>> from judge.engine.scripted import ScriptedEngine
        >>> engine = ScriptedEngine(["It names the city.\\nVERDICT: 5"])
        >>> with Judge(recipe="pointwise", rubric="helpfulness", engine=engine) as judge:
        ...     [reward] = judge.score([Sample.of("Capital of France?", "Paris.")])
        >>> reward.reward
        1.0
    """

    def __init__(
        self,
        plan: Plan | None = None,
        engine: Engine | Mapping[str, Any] | BaseModel | None = None,
        *,
        progress: Callable[[str], None] | None = None,
        on_alarm: Callable[[Alarm], object] | None = None,
        **settings: Any,
    ) -> None:
        if plan is None:
            plan, engine = _planned({**settings, **({} if engine is None else {"engine": engine})})
        elif settings or isinstance(engine, Mapping | BaseModel):
            raise SettingsError("a plan is complete: give `Judge` either a plan or settings")
        assert engine is None or not isinstance(engine, Mapping | BaseModel)  # noqa: S101  # so says `_planned`
        self.plan = plan
        self._given = engine
        self._progress = progress
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._pid = 0
        self._lock = threading.Lock()
        self._opened: asyncio.Task[Opened] | None = None
        self.cache: Cache | None = None
        self.watch = BatchWatch(plan.settings.monitor, plan.settings.seed, on_alarm) if plan.settings.monitor else None
        self.finish = Finish(plan.settings, plan.rubric)
        self._on_alarm = on_alarm
        self._steps = 0

    @classmethod
    def from_config(
        cls,
        config: str | Path | Mapping[str, Any] | RunSettings,
        *,
        engine: Engine | None = None,
        overrides: Sequence[str] = (),
        progress: Callable[[str], None] | None = None,
        on_alarm: Callable[[Alarm], object] | None = None,
    ) -> Self:
        """Read the settings (a YAML file or a mapping) and check recipe and rubric. The engine starts on first use.

        Args:
            config: Run settings.
            engine: Used instead of the one in the settings (for example a `ScriptedEngine`).
            overrides: `engine.model=...` strings, as `--set` takes them.
            progress: Called with one line of text when something slow starts or ends.
            on_alarm: Called with each alarm of the monitor, in place of the function that `monitor.on_alarm` names.

        Raises:
            SettingsError, RecipeError, RubricError: With file and line.
        """
        planned, found = _planned(config, overrides)
        return cls(planned, engine or found, progress=progress, on_alarm=on_alarm)

    # ---- the three ways to call --------------------------------------------------------------------------------

    def score(self, samples: Sample | Iterable[Sample], *, step: int | None = None) -> list[Reward]:
        """Judge samples (or one); one reward a response, in order. Works in a script, a notebook, and inside a running loop.

        With `monitor` in the settings each call is one batch of it: canaries are mixed in and taken out again. With `group` the
        samples that share a group (or a prompt, where they name none) compete. `reward.shape` works on all samples of the call.

        Args:
            step: The trainer's step, for the monitor's messages and the shaping chain's noise. None: calls are counted.

        Raises:
            MonitorStop: An alarm whose action is `stop`.
            EngineError: The engine cannot work at all. `EngineDown`: it has stopped working; with `engine_down: exclude` all
                responses of the call have no reward instead.
            DataError: What was given is no sample, or not one of the samples has what the recipe needs. (One that lacks something
                among others gets no reward, with the reason `invalid`.)
            NoVerdictError: A response got no reward and the settings say `raise`.
        """
        return self._run(self._score([samples] if isinstance(samples, Sample) else list(samples), step))

    async def ascore(self, samples: Sample | Iterable[Sample], *, step: int | None = None, watched: bool = True) -> list[Reward]:
        """The same, awaited from any event loop; cancelling it cancels the requests.

        Args:
            watched: False: the monitor sees nothing of this call (its batch would be too small to say anything).
        """
        return await self._await(self._score([samples] if isinstance(samples, Sample) else list(samples), step, watched))

    async def ajudge(self, samples: Sequence[Sample], ungated: frozenset[str] = frozenset()) -> list[Reward]:
        """What the judge itself says: no monitor, no shaping, no policy. Without samples it only takes a turn on its loop.

        Args:
            ungated: Ids of the samples that are judged past the intake filters.
        """
        return await self._await(self._judge_all(samples, ungated))

    async def stream(self, samples: Iterable[Sample]) -> AsyncIterator[tuple[Reward, ...]]:
        """The rewards of each sample as soon as it is done, in no order, before shaping and `on_no_verdict`."""
        named, arrived = _named(list(samples)), asyncio.Queue[tuple[Reward, ...] | None]()
        here = asyncio.get_running_loop()

        def hand_over(rewards: tuple[Reward, ...] | None) -> None:
            with suppress(RuntimeError):  # the caller's loop has ended
                here.call_soon_threadsafe(arrived.put_nowait, rewards)

        async def judge_them() -> None:
            try:
                judging, limit = await self._started(), self.plan.settings.max_in_flight
                async with aclosing(evaluate(judging, named, in_flight=limit)) as judged:
                    async for each in judged:
                        hand_over(each.rewards)
            finally:
                hand_over(None)

        working = asyncio.ensure_future(self._await(judge_them()))
        try:
            while (rewards := await arrived.get()) is not None:
                yield rewards
            await working
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)

    async def _score(self, samples: list[Sample], step: int | None, watched: bool = True) -> list[Reward]:
        try:
            return await self._scored(samples, step, watched)
        except EngineDown as down:
            if self.plan.settings.engine_down != "exclude" or not watched:  # who is not watched, such as a server, decides itself
                raise
            failure = NoVerdict(Reason.ENGINE_ERROR, str(down))
            return [Reward(s.id, i, None, failure, group=s.group_key) for s in _named(samples) for i in range(len(s.responses))]

    async def _scored(self, samples: list[Sample], step: int | None, watched: bool) -> list[Reward]:
        named = _named(samples)
        baselines = asyncio.create_task(self._judge_all(self.finish.shaping.due(named)))
        try:
            if self.watch is None or not watched:
                rewards = await self._judge_all(named)
            else:
                rewards = await self.watch.batch(named, self._judge_all, step)
            self.finish.shaping.learn(await baselines)
        finally:
            baselines.cancel()
        _refuse_if_all_invalid(rewards)
        number = self._steps if step is None else step
        self._steps += 1
        return self.finish.apply(named, rewards, step=number, count_tokens=self._count_tokens)

    async def _judge_all(self, samples: Sequence[Sample], ungated: frozenset[str] = frozenset()) -> list[Reward]:
        if not samples:
            return []
        judging = await self._started()
        items = [Item(sample, gate=sample.id not in ungated) for sample in samples]
        found = await evaluate_all(judging, items, in_flight=self.plan.settings.max_in_flight)
        return [reward for rewards in found for reward in rewards]

    def _count_tokens(self, text: str) -> int | None:
        return self._opened.result().count_text(text) if self._opened is not None and self._opened.done() else None

    async def _started(self) -> Judging:
        if self._opened is None:  # one task: whoever comes while it loads waits for the same engine
            self.cache = self.cache or Cache.of(self.plan.settings.cache)
            self._opened = asyncio.create_task(open_judges(self.plan, self._given, self.cache, self._progress))
        try:
            return (await asyncio.shield(self._opened)).judging
        except Exception:  # whatever it was is raised again; cancelling a caller is none, and leaves the load alone
            self._opened = None  # the next call tries again
            raise

    # ---- the loop that owns the engine -------------------------------------------------------------------------

    def _own_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None or self._pid != os.getpid():
                self._pid = os.getpid()
                self._opened = self.cache = None
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="judge-loop", daemon=True)
                self._thread.start()
            return self._loop

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        loop = self._own_loop()
        future = asyncio.run_coroutine_threadsafe(coroutine, loop)
        try:
            return future.result()
        except BaseExceptionGroup as group:
            raise _first(group) from None
        except KeyboardInterrupt:
            future.cancel()
            raise

    async def _await(self, coroutine: Coroutine[Any, Any, T]) -> T:
        try:
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, self._own_loop()))
        except BaseExceptionGroup as group:
            raise _first(group) from None

    @property
    def loading(self) -> bool:
        """Whether engines are being started now. `close` waits for that: a model that is being loaded cannot be interrupted."""
        return self._opened is not None and not self._opened.done()

    def close(self) -> None:
        """Free the engine and stop the loop; idempotent. Called at the end of `with`."""
        if self._loop is None or self._pid != os.getpid():
            return
        if self._opened is not None:
            asyncio.run_coroutine_threadsafe(self._close_engines(self._opened), self._loop).result()
        asyncio.run_coroutine_threadsafe(_end_tasks(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
            self._loop.close()
        self._loop = self._thread = self._opened = self.cache = None

    async def _close_engines(self, opening: asyncio.Task[Opened]) -> None:
        await (await opening).close()
        if self._given is not None:
            await self._given.close()
        if self.cache is not None:
            self.cache.close()

    def __repr__(self) -> str:
        settings, rubric = self.plan.settings, self.plan.rubric
        model = self._given.model if self._given is not None else settings.engine.model
        named = f", rubric={rubric.name!r} ({len(rubric.criteria)} criteria)" if rubric is not None else ""
        votes = f", votes={self.plan.votes.n}" if self.plan.votes.n > 1 else ""
        return f"Judge(recipe={self.plan.recipe.spec.name!r}{named}, model={model!r}{votes})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _KEPT}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["plan"], state["_given"], on_alarm=state["_on_alarm"])  # type: ignore[misc]  # a fresh start is meant
        self.__dict__.update(state)


def _planned(config: str | Path | Mapping[str, Any] | RunSettings, overrides: Sequence[str] = ()) -> tuple[Plan, Engine | None]:
    """The plan of some settings, and the engine among them where it is an object."""
    engine = None
    if isinstance(config, Mapping) and not isinstance(config.get("engine"), Mapping | BaseModel | str | None):
        engine = config["engine"]
        if not isinstance(engine, Engine):
            raise SettingsError(f"`engine` is neither settings nor an engine (judge.Engine), but a {type(engine).__name__}")
        config = {name: value for name, value in config.items() if name != "engine"}
    settings, base = (config, None) if isinstance(config, RunSettings) else load_settings(config, overrides)
    return plan(settings, base), engine


async def _end_tasks() -> None:
    """End what was cancelled a moment ago and has not noticed yet: a loop that stops under it would report it as lost."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=5.0)


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


def _named(samples: Sequence[Sample]) -> list[Sample]:
    """Samples without an id are called by their position."""
    import dataclasses  # noqa: PLC0415  # only here

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
        out.append(sample if sample.id else dataclasses.replace(sample, id=str(index)))
    return out
