"""One body to one of several endpoints, until there is an answer, the retries are spent or the deadline has passed.

- The deadline is one for all attempts and pauses. Time-outs that add up per attempt hold a training step for minutes.
- Only what a second try can mend is tried again: no connection, a lost one, 408, 409, 429 and 5xx. Pauses are drawn
  uniformly up to a doubling bound (full jitter: Brooker, "Exponential Backoff And Jitter", AWS 2015), because judges
  that failed together would otherwise come back together. A server's `Retry-After` is honoured up to a cap.
- When everything fails, retries multiply the load just when the server can bear it least. So an endpoint that refuses
  connections, or fails `TRIP_AFTER` times in a row, is put aside: nothing goes there but one probe at a time, and the
  requests wait within their own deadlines. An outage that outlasts a whole deadline fails the rest without asking.
"""

from __future__ import annotations

import asyncio
import email.utils
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

CHAT = "chat/completions"
RETRIED_STATUSES = frozenset({408, 409, 429, *range(500, 600)})
TRIP_AFTER = 16  # failures in a row
PROBE_S = 2.0  # between two probes of one endpoint, as long as the first has no answer
_POLL_S = 0.25  # how often a waiting request looks whether an endpoint came back


class TransportError(Exception):
    """No whole reply came. `refused`: no connection could be made at all."""

    def __init__(self, what: str, *, refused: bool = False) -> None:
        super().__init__(what)
        self.refused = refused


@dataclass(frozen=True, slots=True)
class Reply:
    """What an endpoint answered, of any status. `retry_after` is the header as it came."""

    status: int
    body: bytes
    retry_after: str | None = None


@dataclass(frozen=True, slots=True)
class GaveUp:
    """No usable answer: the retries are spent or an outage lasts (`error`), or the deadline has passed (`timeout`)."""

    finish_reason: Literal["error", "timeout"]
    why: str


Post = Callable[[str, bytes], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how soon to ask again.

    Attributes:
        max_retries: Attempts after the first.
        base_s: Upper bound of the first pause, seconds; it doubles with each attempt.
        cap_s: Highest such bound, seconds.
        retry_after_cap_s: Longest pause a server may ask for, seconds.
    """

    max_retries: int = 4
    base_s: float = 0.5
    cap_s: float = 15.0
    retry_after_cap_s: float = 60.0

    def pause(self, attempt: int, retry_after: str | None, rng: random.Random) -> float:
        """Seconds to wait after failed attempt `attempt` (from 0)."""
        jitter = rng.uniform(0.0, self.bound(attempt))
        asked = retry_after_seconds(retry_after)
        if asked is None:
            return jitter
        return min(asked, self.retry_after_cap_s) + min(jitter, self.base_s)

    def bound(self, attempt: int) -> float:
        """Longest pause after failed attempt `attempt` (from 0), seconds."""
        return min(self.cap_s, self.base_s * 2.0 ** min(attempt, 30))


def retry_after_seconds(header: str | None) -> float | None:
    """Read a `Retry-After` header: seconds or an HTTP date. None when there is none or it makes no sense.

    Example:
        >>> retry_after_seconds("2.5"), retry_after_seconds("soon")
        (2.5, None)
    """
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(header).timestamp() - time.time()
        except ValueError:
            return None
    return max(seconds, 0.0) if seconds < float("inf") else None  # NaN compares false


@dataclass(slots=True)
class Endpoint:
    """One base URL and how it has been doing. Times are of `time.monotonic`, in seconds."""

    base_url: str
    in_flight: int = 0
    failures: int = 0  # in a row
    trips: int = 0  # in a row
    down_since: float | None = None
    last_failure: str = ""
    aside_until: float = 0.0
    probe_until: float = 0.0
    urls: dict[str, str] = field(default_factory=dict)

    def url(self, path: str) -> str:
        """Address of a path under the base URL; a path that begins with `/` stands beside the `/v1`."""
        if path not in self.urls:
            base, _, query = self.base_url.partition("?")
            base = base.rstrip("/")
            address = base.removesuffix("/v1") + path if path.startswith("/") else f"{base}/{path}"
            self.urls[path] = f"{address}?{query}" if query else address
        return self.urls[path]

    def answered(self) -> None:
        """Note a reply: the endpoint works."""
        if self.failures:
            self.failures = self.trips = 0
            self.down_since, self.aside_until, self.probe_until = None, 0.0, 0.0

    def failed(self, now: float, policy: RetryPolicy, *, refused: bool, retry_after: str | None = None) -> None:
        """Note a failure, and put the endpoint aside when it was refused or one too many."""
        self.failures += 1
        if now < self.aside_until or not (refused or self.failures >= TRIP_AFTER):
            return  # a straggler of an outage already known, or a fault that may be chance
        if self.down_since is None:
            self.down_since = now
        asked = retry_after_seconds(retry_after) or policy.base_s
        self.aside_until = now + max(policy.bound(self.trips), min(asked, policy.retry_after_cap_s))
        self.trips += 1

    def take(self, now: float) -> Endpoint:
        """Take the endpoint for one request; one that is down then gets no other for `PROBE_S` or until an answer."""
        if self.down_since is not None:
            self.probe_until = now + PROBE_S
        return self

    def ready_at(self) -> float:
        """When it may be sent a request."""
        return max(self.aside_until, self.probe_until)


@dataclass(slots=True)
class _Attempts:
    """What happened so far to one request, for the message when it is given up."""

    count: int = 0
    last: str = ""

    def __str__(self) -> str:
        made = f"{self.count} attempt{'s' if self.count != 1 else ''}"
        return f"{made}; last: {self.last}" if self.last else made


class Sender:
    """Sends bodies to the least busy endpoint that works.

    Args:
        base_urls: Of servers that all serve the same model.
        deadline_s: Total time for one body: attempts, pauses and waiting for an endpoint to come back. Seconds.
        describe: Makes a short text of a reply that is tried again (the server's own words).
        seed: Of the jitter. None: from the system.
    """

    def __init__(
        self,
        base_urls: Sequence[str],
        policy: RetryPolicy,
        deadline_s: float,
        describe: Callable[[Reply], str],
        *,
        seed: int | None = None,
    ) -> None:
        self.endpoints = tuple(map(Endpoint, base_urls))
        self.deadline_s = deadline_s
        self._policy = policy
        self._describe = describe
        self._rng = random.Random(seed)

    async def send(self, post: Post, path: str, body: bytes, *, spent_s: float = 0.0) -> tuple[Reply, Endpoint] | GaveUp:
        """Send one body until it is answered. `spent_s` is what of the deadline is gone already."""
        attempts = _Attempts()
        deadline_s = self.deadline_s - spent_s
        try:
            async with asyncio.timeout(deadline_s):
                return await self._attempt(post, path, body, attempts, time.monotonic() + deadline_s)
        except TimeoutError:
            return GaveUp("timeout", f"no reply within {self.deadline_s:g} s ({attempts})")

    async def _attempt(
        self, post: Post, path: str, body: bytes, attempts: _Attempts, end: float
    ) -> tuple[Reply, Endpoint] | GaveUp:
        while True:
            endpoint = self._choose() or await self._wait()
            if endpoint is None:
                last = attempts.last or self.endpoints[0].last_failure
                return GaveUp("error", f"no endpoint has worked for {self.deadline_s:g} s; last: {last}")
            attempts.count += 1
            refused, retry_after = False, None
            endpoint.in_flight += 1
            try:
                reply = await post(endpoint.url(path), body)
            except TransportError as problem:
                refused, attempts.last = problem.refused, f"{endpoint.base_url}: {problem}"
            else:
                if reply.status not in RETRIED_STATUSES:
                    endpoint.answered()
                    return reply, endpoint
                retry_after, attempts.last = reply.retry_after, f"{endpoint.base_url}: {self._describe(reply)}"
            finally:
                endpoint.in_flight -= 1
            now = time.monotonic()
            endpoint.failed(now, self._policy, refused=refused, retry_after=retry_after)
            endpoint.last_failure = attempts.last
            if attempts.count > self._policy.max_retries:
                return GaveUp("error", f"gave up after {attempts}")
            elsewhere = refused and any(other.down_since is None for other in self.endpoints)
            pause = 0.0 if elsewhere else self._policy.pause(attempts.count - 1, retry_after, self._rng)
            if now + pause >= end:
                return GaveUp("timeout", f"the next attempt is due after the deadline of {self.deadline_s:g} s ({attempts})")
            await asyncio.sleep(pause)

    def _choose(self) -> Endpoint | None:
        """Take the endpoint with the fewest requests in flight; None when all are put aside."""
        now = time.monotonic()
        ready = [endpoint for endpoint in self.endpoints if endpoint.ready_at() <= now]
        return min(ready, key=lambda endpoint: endpoint.in_flight).take(now) if ready else None

    async def _wait(self) -> Endpoint | None:
        """Wait until an endpoint may be tried again; None when all have been down for a whole deadline."""
        while True:
            now = time.monotonic()
            if all(now - (endpoint.down_since or now) > self.deadline_s for endpoint in self.endpoints):
                return None
            soonest = min(endpoint.ready_at() for endpoint in self.endpoints)
            await asyncio.sleep(min(max(soonest - now, 0.0) + self._rng.uniform(0.0, 0.01), _POLL_S))
            if endpoint := self._choose():
                return endpoint
