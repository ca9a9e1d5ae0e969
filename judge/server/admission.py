"""How much work is let in: so many samples at once, so many waiting, and the rest told when to come back.

Counting samples and not requests: one request may bring one or hundreds. The bound holds for all routes together, so memory
and waiting time are bounded whatever the clients do: a sample waits at most queue_size / rate seconds.

How much one request may bring is bounded too: its headers, its body (bytes are counted as they come, whatever length it says)
and the time to send it. uvicorn bounds neither bodies nor their time. A body past the limit is never held: counting stops the
read at the byte after it, and the answer closes the connection.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

from judge.server.errors import APIError, App, Event, Receive, Scope, Send
from judge.settings.server import ServerSettings

WINDOW_S = 30.0  # over which the rate of finished samples is taken
LONGEST_RETRY_S = 60.0


class Admission:
    """Counts samples and lets them wait for their turn.

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
            APIError: 429, with the seconds after which there should be room.
        """
        over = self.held + samples - self.capacity
        if over > 0 and not patient:
            message = f"the server holds {self.held} samples and this request adds {samples}; the limit is {self.capacity}"
            raise APIError(429, "queue_full", message, retry_s=self.retry_s(over))
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


class RequestLimits:
    """Middleware: refuses what is too large (413, 431) or comes too slowly (408)."""

    def __init__(self, app: App, *, settings: ServerSettings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answered = False

        async def watched(event: Event) -> None:
            nonlocal answered
            answered = answered or event["type"] == "http.response.start"
            await send(event)

        try:
            self._check_headers(scope["headers"])
            await self._app(scope, _Counted(receive, self._settings), watched)
        except _Stopped as stopped:
            if not answered:
                await stopped.error.send(send, connection="close")

    def _check_headers(self, headers: Sequence[tuple[bytes, bytes]]) -> None:
        s = self._settings
        size = sum(len(name) + len(value) + 4 for name, value in headers)
        if size > s.max_header_bytes:
            message = f"the headers have {size:,} bytes; the limit is {s.max_header_bytes:,}"
            raise _Stopped(APIError(431, "headers_too_large", message))
        names = {name for name, _ in headers}
        if {b"content-length", b"transfer-encoding"} <= names:  # a proxy in front may have believed the other one
            raise _Stopped(
                APIError(400, "two_lengths", "the request has both Content-Length and Transfer-Encoding; send one of them")
            )
        length = next((value for name, value in headers if name == b"content-length"), b"")
        if length.isdigit() and (len(length) > 15 or int(length) > s.max_body_bytes):
            raise _Stopped(too_large(s.max_body_bytes))


class _Stopped(Exception):
    """A limit was passed while the application was reading."""

    def __init__(self, error: APIError) -> None:
        super().__init__(error.message)
        self.error = error


class _Counted:
    """A `receive` that counts the bytes and the seconds of the body."""

    def __init__(self, receive: Receive, settings: ServerSettings) -> None:
        self._receive = receive
        self._settings = settings
        self._size = 0
        self._whole = False
        self._until: float | None = None

    async def __call__(self) -> Event:
        if self._whole:
            return await self._receive()
        if self._until is None:
            self._until = asyncio.get_running_loop().time() + self._settings.body_timeout_s
        try:
            async with asyncio.timeout_at(self._until):
                event = await self._receive()
        except TimeoutError:
            message = f"the request body was not received within {self._settings.body_timeout_s:g} s"
            raise _Stopped(APIError(408, "body_too_slow", message, retry_s=1)) from None
        self._size += len(event.get("body", b""))
        self._whole = event["type"] != "http.request" or not event.get("more_body", False)
        if self._size > self._settings.max_body_bytes:
            raise _Stopped(too_large(self._settings.max_body_bytes))
        return event


def too_large(limit: int) -> APIError:
    """A body over the limit, in the server's words."""
    return APIError(
        413, "body_too_large", f"the request body is larger than {limit:,} bytes", hint="send fewer samples in a request"
    )
