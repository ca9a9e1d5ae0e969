"""Alive, and ready: a server whose judge is wedged answers /livez and not /readyz.

- A judge can hang in three ways: its loop is blocked (a heartbeat through that very loop stops), its engine takes requests and
  gives nothing back (work in progress and no sign of life for `stall_s`), or every reply is an engine error.
- Real traffic is the best probe and costs nothing; a sample of the server's own is judged only at the start, while something is
  wrong, and after `probe_s` idle seconds where that is set.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from judge.errors import JudgeError
from judge.pipeline.judge import Judge
from judge.server.admission import Admission
from judge.server.log import log
from judge.server.probe import engine_answered, probe_for
from judge.settings.server import ServerSettings
from judge.types import Reward

BEAT_S = 0.5
DEAD_BEAT_S = 3.0
FAILURES = 3  # engine failures in a row before the judge counts as failing
PROBE_S = 2.0  # between probes while something is wrong


class Health:
    """What is known about one judge.

    Args:
        on_failure: Called when the engine cannot start; the server goes on trying when there is none.

    Attributes:
        started: Set when the engine has loaded and judged its first sample.
        draining: The server is about to stop.
        stopped: Why the monitor ended the run; empty while it has not.
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
        self.stopped = ""
        self._beat = self._life = self._idle = clock()
        self._failures = 0
        self._probing: asyncio.Task[None] | None = None

    @property
    def status(self) -> str:
        """`ready`, or what is in the way: `starting`, `draining`, `stopped`, `wedged`, `failing`."""
        if self.draining:
            return "draining"
        if self.stopped:
            return "stopped"
        if not self.started.is_set():
            return "starting"
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
        elif answered is False:
            self._failures += 1

    def saw_failure(self) -> None:
        """Take note of a judgement that ended in an error of the engine, or in no time."""
        self._failures += 1

    async def watch(self) -> None:
        """Start the judge, then keep an eye on it until cancelled."""
        await self._start()
        while True:
            await asyncio.sleep(BEAT_S)
            try:
                async with asyncio.timeout(DEAD_BEAT_S):
                    await self._judge.ajudge([])
                self._beat = self._clock()
            except TimeoutError:
                log("judge_loop_blocked", seconds=round(self._clock() - self._beat, 1))
            if not self._admission.running:
                self._idle = self._clock()
            if self._due() and (self._probing is None or self._probing.done()):
                self._probing = asyncio.create_task(self._probe())

    def _due(self) -> bool:
        since = self._clock() - self._life
        if self.status in ("failing", "wedged"):
            return since > PROBE_S
        return bool(self._settings.probe_s) and since > self._settings.probe_s

    async def _start(self) -> None:
        wait = 1.0
        while not self.started.is_set():
            try:
                rewards = await self._judge.ajudge([probe_for(self._judge.plan)])
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
                self.saw(await self._judge.ajudge([probe_for(self._judge.plan)]))
        except (JudgeError, TimeoutError) as why:
            self._failures += 1
            log("probe_failed", reason=type(why).__name__)
        await asyncio.sleep(PROBE_S)
