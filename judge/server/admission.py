"""How much work is let in: so many samples at once, so many waiting, and the rest told when to come back.

Counting samples and not requests: one request may bring one or hundreds. The bound holds for all routes together, so memory
and waiting time are bounded whatever the clients do: a sample waits at most queue_size / rate seconds.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from judge.server.refusal import Refusal

WINDOW_S = 30.0  # over which the rate of finished samples is taken
LONGEST_RETRY_S = 60.0


class Admission:
    """The door.

    Args:
        concurrency: Samples judged at once.
        queue: Samples that may wait beyond those.
        clock: Seconds, monotonic.

    Attributes:
        held: Samples let in and not finished.
        running: Samples being judged.
    """

    def __init__(self, concurrency: int, queue: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._concurrency = concurrency
        self.capacity = concurrency + queue
        self._clock = clock
        self.held = 0
        self.running = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._done = 0.0  # samples finished, older ones counting less
        self._busy = 0.0  # seconds in which samples were being judged, older ones counting less
        self._seen = clock()

    @contextmanager
    def enter(self, samples: int, *, patient: bool = False) -> Iterator[None]:
        """Let a request in, or refuse it.

        Args:
            patient: Let it in whatever waits already (a group whose members have waited for each other).

        Raises:
            Refusal: 429, with the seconds after which there should be room.
        """
        over = self.held + samples - self.capacity
        if over > 0 and not patient:
            message = (
                f"{self.held} samples are in progress or waiting and this brings {samples}; at most {self.capacity} are held"
            )
            raise Refusal(429, "queue_full", message, retry_s=self.retry_s(over))
        self.held += samples
        try:
            yield
        finally:
            self.held -= samples

    @asynccontextmanager
    async def slot(self, samples: int = 1) -> AsyncIterator[None]:
        """Wait for a place among the samples judged at once, first come first served."""
        need = min(samples, self._concurrency)
        if self._waiting or self.running + need > self._concurrency:
            await self._wait(need)
        else:
            self._run(need)
        try:
            yield
        finally:
            self._run(-need)
            self._done += samples
            self._wake()

    async def _wait(self, need: int) -> None:
        place = asyncio.get_running_loop().create_future()
        entry = (need, place)
        self._waiting.append(entry)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():  # it had been given its place in the same moment
                self._run(-need)
            elif entry in self._waiting:  # else somebody who woke others has passed over it already
                self._waiting.remove(entry)
            self._wake()
            raise

    def _wake(self) -> None:
        while self._waiting and self.running + self._waiting[0][0] <= self._concurrency:
            need, place = self._waiting.popleft()
            if not place.done():
                self._run(need)
                place.set_result(None)

    def _run(self, change: int) -> None:
        self._age()
        self.running += change

    def _age(self) -> None:
        now = self._clock()
        kept = math.exp((self._seen - now) / WINDOW_S)
        self._done *= kept
        self._busy = self._busy * kept + (now - self._seen if self.running else 0.0)
        self._seen = now

    @property
    def rate(self) -> float:
        """Samples finished in a second of work, over about the last half minute of it; 0 when nothing is known."""
        self._age()
        return self._done / self._busy if self._busy > 0 else 0.0

    def retry_s(self, samples: int) -> float:
        """Seconds until so many samples should be finished; 1 to 60."""
        rate = self.rate
        return min(LONGEST_RETRY_S, max(1.0, samples / rate)) if rate > 0 else 1.0
