"""The end of a server: not ready at once, nothing new, what is in progress finishes within a limit, then it is cut off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from judge.server.health import Health
from judge.server.log import log
from judge.server.refusal import Refusal


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
    def refusal(self) -> Refusal:
        """What requests are told from now on; another server, or this one after its restart, will take them."""
        return Refusal(503, "draining", "this server is about to stop", retry_s=5)

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
