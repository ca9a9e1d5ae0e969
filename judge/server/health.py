"""Alive, ready and about to stop: a server whose judge is wedged answers /livez and not /readyz.

- A judge can hang in three ways: its loop is blocked (a heartbeat through that very loop stops), its engine takes requests and
  gives nothing back (work in progress and no sign of life for `stall_s`), or every reply is an engine error.
- Real traffic is the best probe and costs nothing; a sample of the server's own is judged only at the start, while something is
  wrong, and after `probe_s` idle seconds where that is set.
- The end: not ready at once, nothing new, what is in progress finishes within a limit, then it is cut off.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from judge.errors import EngineDown, JudgeError
from judge.pipeline.build import Plan
from judge.pipeline.judge import Judge
from judge.pipeline.selftest import sample_for
from judge.rubric.model import Criterion, Rubric
from judge.server.admission import Admission
from judge.server.errors import APIError
from judge.server.log import log
from judge.settings.server import ServerSettings
from judge.types import Reward, Sample

BEAT_S = 0.5
DEAD_BEAT_S = 3.0
FAILURES = 3  # engine failures in a row before the judge counts as failing
PROBE_S = 2.0  # between probes while something is wrong
_PROBES = itertools.count(1)
_RUBRIC = Rubric(name="probe", criteria=(Criterion(id="answers", text="The response answers the question."),))


class Health:
    """What is known about one judge.

    Args:
        on_failure: Called when the engine cannot start; the server goes on trying when there is none.

    Attributes:
        started: Set when the engine has loaded and judged its first sample.
        draining: The server is about to stop.
        stopped: Why the monitor ended the run; empty while it has not.
        down: Why the engine has stopped working; empty while it works. It holds addresses, so it is for the log alone.
    """

    def __init__(
        self,
        judge: Judge,
        settings: ServerSettings,
        admission: Admission,
        *,
        on_failure: Callable[[JudgeError], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._judge = judge
        self._settings = settings
        self._admission = admission
        self._on_failure = on_failure
        self._clock = clock
        self.started = asyncio.Event()
        self.draining = False
        self.stopped = self.down = ""
        self._beat = self._life = self._idle = clock()
        self._failures = 0
        self._probing: asyncio.Task[None] | None = None

    @property
    def status(self) -> str:
        """`ready`, or what is in the way: `starting`, `draining`, `stopped`, `engine_down`, `wedged`, `failing`."""
        if self.draining:
            return "draining"
        if self.stopped:
            return "stopped"
        if not self.started.is_set():
            return "starting"
        if self.down:
            return "engine_down"
        if self._clock() - self._beat > DEAD_BEAT_S or self.stalled:
            return "wedged"
        return "failing" if self._failures >= FAILURES else "ready"

    @property
    def stalled(self) -> bool:
        """Whether there is work and the judge has given no sign of life for too long."""
        return self._admission.running > 0 and self.silent_s > self._settings.stall_s

    @property
    def silent_s(self) -> float:
        """Seconds since the judge's last reply, or since there is work again."""
        return self._clock() - max(self._life, self._idle)

    def saw(self, rewards: list[Reward]) -> None:
        """Take note of what came out of the judge."""
        answered = engine_answered(rewards)
        if answered:
            self._life, self._failures = self._clock(), 0
            if self.down:
                self.down = ""
                log("engine_works_again")
        elif answered is False:
            self._failures += 1

    def saw_failure(self) -> None:
        """Take note of a judgement that ended in an error of the engine, or in no time."""
        self._failures += 1

    def saw_down(self, why: EngineDown) -> None:
        """Take note that the engine has stopped working: not ready at once, and until a probe is answered."""
        if not self.down:
            log("engine_down", reason=str(why))
        self.down = str(why)

    async def watch(self) -> None:
        """Start the judge, then keep an eye on it until cancelled."""
        await self._start()
        while True:
            await asyncio.sleep(BEAT_S)
            try:
                async with asyncio.timeout(DEAD_BEAT_S):
                    await self._judge.session.judge([])
                self._beat = self._clock()
            except TimeoutError:
                log("judge_loop_blocked", seconds=round(self._clock() - self._beat, 1))
            if not self._admission.running:
                self._idle = self._clock()
            if self._due() and (self._probing is None or self._probing.done()):
                self._probing = asyncio.create_task(self._probe())

    def _due(self) -> bool:
        since = self._clock() - self._life
        if self.status in ("failing", "wedged", "engine_down"):
            return since > PROBE_S
        return bool(self._settings.probe_s) and since > self._settings.probe_s

    async def _start(self) -> None:
        wait = 1.0
        while not self.started.is_set():
            try:
                rewards = await self._judge.session.judge([probe_for(self._judge.plan)])
            except JudgeError as why:
                log("start_failed", reason=str(why), again_in_s=wait)
                if self._on_failure is not None:
                    self._on_failure(why)
                    return
                await asyncio.sleep(wait)
                wait = min(30.0, 2 * wait)
                continue
            if engine_answered(rewards) is False:  # up, and of no use yet: such as an endpoint that still loads its model
                log("start_failed", reason="the engine's first reply is an error", again_in_s=wait)
                await asyncio.sleep(wait)
                continue
            self._beat = self._life = self._clock()
            self.started.set()
            log("ready")

    async def _probe(self) -> None:
        try:
            async with asyncio.timeout(self._settings.stall_s):
                self.saw(await self._judge.session.judge([probe_for(self._judge.plan)]))
        except EngineDown as why:
            self.saw_down(why)
        except (JudgeError, TimeoutError) as why:
            self._failures += 1
            log("probe_failed", reason=type(why).__name__)
        await asyncio.sleep(PROBE_S)


class Drain:
    """Counts requests in progress and ends them when asked.

    Attributes:
        active: Requests in progress.
        cutoff: Set when those still in progress are to be refused.
        on_cutoff: Called then, for work that no request owns.
    """

    def __init__(self, health: Health, limit_s: float) -> None:
        self._health = health
        self._limit_s = limit_s
        self.active = 0
        self.cutoff = asyncio.Event()
        self.on_cutoff: list[Callable[[], None]] = []
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def error(self) -> APIError:
        """What requests are told from now on; another server, or this one after its restart, will take them."""
        return APIError(503, "draining", "the server is shutting down", retry_s=5)

    @contextmanager
    def track(self) -> Iterator[None]:
        """One request in progress."""
        self.active += 1
        self._empty.clear()
        try:
            yield
        finally:
            self.active -= 1
            if not self.active:
                self._empty.set()

    async def run(self) -> None:
        """Drain. Returns when nothing is in progress any more."""
        self._health.draining = True
        log("draining", active=self.active, limit_s=self._limit_s)
        try:
            async with asyncio.timeout(self._limit_s):
                await self._empty.wait()
        except TimeoutError:
            log("cut_off", active=self.active)
            self.cutoff.set()
            for call in self.on_cutoff:
                call()
            try:
                async with asyncio.timeout(1.0):
                    await self._empty.wait()
            except TimeoutError:
                log("left_behind", active=self.active)


def probe_for(plan: Plan) -> Sample:
    """A small sample that has all this plan's recipe can ask for."""
    sample = sample_for(plan.recipe)
    if plan.settings.group is not None and len(sample.responses) == 1:
        sample = replace(sample, responses=(*sample.responses, "It is 5."))
    needs_rubric = plan.rubric is None and plan.recipe.spec.mode == "checklist"
    number = next(_PROBES)  # no two probes are the same request: a cache must not answer for the engine
    responses = tuple(f"{text} (probe {number})" for text in sample.responses)
    return replace(
        sample, id="probe", responses=responses, context=("2 + 2 = 4.",), steps=(), rubric=_RUBRIC if needs_rubric else None
    )


def engine_answered(rewards: Sequence[Reward]) -> bool | None:
    """Whether the engine gave any whole reply for these; None when it was not asked."""
    fresh = [call for reward in rewards for call in reward.calls if not call.cached]
    if not fresh:
        return None
    return any(call.completion.finish_reason not in ("error", "timeout") for call in fresh)
