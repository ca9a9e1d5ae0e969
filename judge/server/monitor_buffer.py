"""Many small requests -> the monitor's batches, with its canaries judged beside them.

A request of a trainer holds one or a few responses, which say nothing by themselves; 256 in a row do. The monitor runs on a
thread, after the answers have gone out, so it costs a request nothing. When it stops the run, the server refuses from then on.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from judge.errors import JudgeError, MonitorStop
from judge.loops import run as run_loop
from judge.monitor import Report
from judge.pipeline.judge import Judge
from judge.pipeline.watch import BatchWatch
from judge.server.log import log
from judge.types import Reward, Sample

BATCH = 256  # responses
MOST_KEPT = 8 * BATCH  # while the monitor is busy; beyond it the oldest are left out


class MonitorBuffer:
    """Holds judged samples until they make a batch for the monitor.

    Args:
        watch: The monitor and its canaries.
        on_stop: Called with the message of an alarm whose action is `stop`.
        on_report: Called with what the monitor found in each batch.
        limit_s: Seconds that the canaries of one batch may take.

    Attributes:
        unseen: Responses that were left out because the monitor was busy.
    """

    def __init__(
        self,
        judge: Judge,
        watch: BatchWatch,
        on_stop: Callable[[str], None],
        on_report: Callable[[Report], None],
        limit_s: float,
    ) -> None:
        self._judge = judge
        self.watch = watch
        self._on_stop = on_stop
        self._on_report = on_report
        self._limit_s = limit_s
        self._inside: tuple[asyncio.AbstractEventLoop, asyncio.Task[object]] | None = None
        self._kept: list[tuple[Sample, list[Reward]]] = []
        self._count = 0
        self._numbers = itertools.count()
        self._busy: asyncio.Task[None] | None = None
        self.unseen = 0

    def add(self, request: int, samples: Sequence[Sample], rewards: Sequence[Reward]) -> None:
        """Take in judged samples, with one reward a response, in order.

        Args:
            request: Names of groups mean something within one request; samples that name none meet by their prompt.
        """
        left = iter(rewards)
        for sample in samples:
            name = str(next(self._numbers))
            group = f"{request}/{sample.group}" if sample.group else sample.group_key
            own = [replace(next(left), sample_id=name, group=group) for _ in sample.responses]
            self._kept.append((replace(sample, id=name, group=group), own))
            self._count += len(own)
        while self._count > MOST_KEPT:
            _, dropped = self._kept.pop(0)
            self._count -= len(dropped)
            self.unseen += len(dropped)
        if self._count >= BATCH and (self._busy is None or self._busy.done()):
            self._busy = asyncio.create_task(self._show())

    async def close(self) -> None:
        """End what is going on: canaries still being judged must not keep the process alive."""
        if self._inside is not None:
            loop, task = self._inside
            with suppress(RuntimeError):  # that loop has just ended by itself
                loop.call_soon_threadsafe(task.cancel)
        if self._busy is not None:
            await asyncio.gather(self._busy, return_exceptions=True)

    async def _show(self) -> None:
        while self._kept:
            kept, self._kept, self._count = self._kept, [], 0
            try:
                await asyncio.to_thread(run_loop, self._batch(kept))
            except MonitorStop as why:
                log("monitor_stop", alarms=list(why.codes), reason=str(why))
                self._on_stop(str(why))
            except (JudgeError, TimeoutError) as why:  # the canaries could not be judged; requests find out by themselves
                log("canaries_failed", reason=str(why) or "no result in time")
            finally:
                self._inside = None
            self._on_report(self.watch.last)
            if self._count < BATCH:
                return

    async def _batch(self, kept: Sequence[tuple[Sample, list[Reward]]]) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # a coroutine of `asyncio.run`
        self._inside = (asyncio.get_running_loop(), task)
        known = {sample.id: rewards for sample, rewards in kept}

        async def judged(samples: Sequence[Sample], past_filters: frozenset[str] = frozenset()) -> list[Reward]:
            probes = [s for s in samples if s.id not in known]
            async with asyncio.timeout(self._limit_s):
                fresh = iter(await self._judge.session.judge(probes, past_filters))
            return [r for s in samples for r in (known[s.id] if s.id in known else [next(fresh) for _ in s.responses])]

        await self.watch.batch([sample for sample, _ in kept], judged)
