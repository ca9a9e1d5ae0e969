"""One body to one of several endpoints, until there is an answer, the retries or the deadline are spent, or the engine is down.

- The deadline is one for all attempts and pauses. Time-outs that add up per attempt hold a training step for minutes.
- Only what a second try can mend is tried again: no connection, a lost one, 408, 409, 425, 429 and 5xx (`judge.retry`).
- When everything fails, retries multiply the load just when the server can bear it least. So an endpoint that cannot be reached,
  refuses the key, has no credit left, or fails `TRIP_AFTER` times in a row is put aside: one probe at a time is all it gets.
- An endpoint that takes connections and never replies holds each request for its whole deadline. After `TRIP_AFTER` such
  requests in a row, with no reply in between, it is aside as well, and the later ones wait like any other instead of failing.
- When all endpoints are aside the engine is down, which is no fault of a request: that is logged at once, requests wait outside
  their deadlines, and when the patience is spent every one of them ends in `EngineDown`. Nothing becomes a failed judgement.
- What a reply says about its own request (too long, refused, a parameter the model does not take) never counts here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from judge.engine.faults import shorten
from judge.engine.pace import Pace, guessed_tokens
from judge.engine.protocol import HELD, Outage, waits
from judge.errors import EngineDown
from judge.records import quick
from judge.retry import PASSING, RetryPolicy, retry_after_seconds

_log = logging.getLogger(__name__)

CHAT = "chat/completions"
RETRIED_STATUSES = PASSING | {409}
GATEWAY_STATUSES = frozenset({502, 503, 504, 529})  # nobody behind the proxy, or no room: never about one request
TRIP_AFTER = 16  # failures in a row
PROBE_S = 2.0  # between two probes of one endpoint, as long as the first has no answer
ASIDE_CAP_S = {
    "unreachable": 2.0,
    "silent": 2.0,
    "failing": 0.25,
}  # a connection costs nothing; a 500 may be about the request that got it
PATIENCE_S = (
    240.0  # a large model restarts in less; TRL's asynchronous worker gives up after 300 s, torch's collectives after 600
)
REFUSED_PATIENCE_S = 10.0  # a key or an account that is refused does not heal by waiting: enough for a gateway's moment
REMIND_S = 30.0  # between two lines in the log while an outage lasts
_POLL_S = 0.25  # how often a waiting request looks whether an endpoint came back

Fault = Literal["unreachable", "silent", "refused", "no_credit", "failing"]
"""Why an endpoint is aside: no connection; no replies; the key is refused; 402 or a spent quota; too many failures in a row."""


class TransportError(Exception):
    """No whole reply came. `refused`: no connection could be made at all."""

    def __init__(self, what: str, *, refused: bool = False) -> None:
        super().__init__(what)
        self.refused = refused


@quick
@dataclass(frozen=True, slots=True)
class Reply:
    """What an endpoint answered, of any status. `retry_after` is the header as it came."""

    status: int
    body: bytes
    retry_after: str | None = None


class Transport(ABC):
    """Carries bytes to a URL and back. Raises `TransportError` when no whole reply came."""

    @abstractmethod
    async def post(self, url: str, body: bytes) -> Reply:
        """Send a JSON body."""

    @abstractmethod
    async def get(self, url: str) -> Reply:
        """Fetch."""

    @abstractmethod
    async def close(self) -> None:
        """Close all connections."""


@dataclass(frozen=True, slots=True)
class GaveUp:
    """No usable answer: the retries are spent (`error`), or the deadline has passed (`timeout`)."""

    finish_reason: Literal["error", "timeout"]
    why: str


Post = Callable[[str, bytes], Awaitable[Reply]]
Classify = Callable[[Reply], Fault | Literal["request"] | None]
"""What a reply other than 200 says: a fault of the endpoint, something about this request alone, or None (the status decides)."""


@dataclass(slots=True)
class Endpoint:
    """One base URL and how it has been doing. Times are of `time.monotonic`, in seconds."""

    base_url: str
    in_flight: int = 0
    failures: int = 0  # in a row
    unanswered: int = 0  # in a row: a whole deadline each, without any reply
    trips: int = 0  # in a row
    fault: Fault | None = None
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

    def answered(self) -> float:
        """Note a reply: the endpoint works. Gives for how many seconds it had not; 0 when it had."""
        self.unanswered = 0
        if not self.failures:
            return 0.0
        lasted = time.monotonic() - self.down_since if self.down_since is not None else 0.0
        self.failures = self.trips = 0
        self.fault = self.down_since = None
        self.aside_until = self.probe_until = 0.0
        return lasted

    def timed_out(self, now: float, policy: RetryPolicy) -> bool:
        """Note a request that got no reply within its whole deadline. True when that puts the endpoint aside, as news."""
        self.unanswered += 1
        return self.failed(now, policy, "silent" if self.unanswered >= TRIP_AFTER else None)

    def failed(
        self, now: float, policy: RetryPolicy, fault: Fault | None, *, asked_s: float | None = None, gateway: bool = False
    ) -> bool:
        """Note a failure, and put the endpoint aside for a fault of its own or for one failure too many. True when that is news.

        Args:
            asked_s: Seconds the server asked to be left alone.
            gateway: What answered was only in front of the server.
        """
        self.failures += 1
        if fault is None and self.failures >= TRIP_AFTER:
            fault = "failing"
        worse = self.fault == "failing" and fault != "failing"  # lost connections first, refused ones next: the server is gone
        if fault is None or (now < self.aside_until and not worse):
            return False  # a failure that may be chance, or a straggler of an outage already known
        news, self.fault = self.down_since is None or worse, fault
        if self.down_since is None:
            self.down_since = now
        bound = policy.bound(self.trips)
        if not gateway:
            bound = min(bound, ASIDE_CAP_S.get(fault, policy.cap_s))
        self.aside_until = now + max(bound, min(asked_s or 0.0, policy.retry_after_cap_s))
        self.probe_until = 0.0  # the probe has its answer
        self.trips += 1
        return news

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

    left_s: float
    count: int = 0
    last: str = ""
    failed_at: Endpoint | None = None
    asked_s: float | None = None
    gateway: bool = False

    def __str__(self) -> str:
        made = f"{self.count} attempt{'s' if self.count != 1 else ''}"
        return f"{made}; last: {self.last}" if self.last else made


def _is_page(body: bytes) -> bool:
    return body[:64].lstrip()[:1] == b"<"


class Sender:
    """Sends bodies to the least busy endpoint that works.

    Args:
        base_urls: Of servers that all serve the same model.
        deadline_s: Time for one body: attempts and pauses, but not waiting for an engine that is down. Seconds.
        describe: Makes a short text of a reply that is tried again (the server's own words).
        classify: Says what a reply other than 200 is about.
        patience_s: How long an engine that is down is waited for; 0: not at all. Seconds.
        seed: Of the jitter. None: from the system.
        pace: Limits of the account. Waiting for them is outside the deadline.
    """

    def __init__(
        self,
        base_urls: Sequence[str],
        policy: RetryPolicy,
        deadline_s: float,
        describe: Callable[[Reply], str],
        *,
        classify: Classify = lambda _: None,
        patience_s: float = PATIENCE_S,
        seed: int | None = None,
        pace: Pace | None = None,
    ) -> None:
        self.pace = pace
        self.endpoints = tuple(map(Endpoint, base_urls))
        self.deadline_s = deadline_s
        self.patience_s = patience_s
        self._policy = policy
        self._describe = describe
        self._classify = classify
        self._rng = random.Random(seed)
        self._reminded = 0.0

    @property
    def outage(self) -> Outage | None:
        """Why nothing can be sent now; None while any endpoint works."""
        if any(endpoint.down_since is None for endpoint in self.endpoints):
            return None
        patient = [e for e in self.endpoints if e.fault not in ("refused", "no_credit")]
        patience_s = self.patience_s if patient else min(self.patience_s, REFUSED_PATIENCE_S)
        worst = (patient or self.endpoints)[0]
        since = max(e.down_since or 0.0 for e in self.endpoints)
        address = ", ".join(e.base_url for e in self.endpoints)
        return Outage(address, worst.fault or "failing", worst.last_failure, since, patience_s)

    async def send(self, post: Post, path: str, body: bytes, *, spent_s: float = 0.0) -> tuple[Reply, Endpoint] | GaveUp:
        """Send one body until it is answered. `spent_s` is what of the deadline is gone already.

        Raises:
            EngineDown: No endpoint works, and the patience is spent.
        """
        attempts = _Attempts(self.deadline_s - spent_s)
        while True:
            if self.pace is not None and (due := self.pace.reserve(guessed_tokens(body))) > 0:
                with HELD.get() or contextlib.nullcontext():
                    await asyncio.sleep(due)
            endpoint = self._choose(attempts.failed_at) or await self._wait()
            began = time.monotonic()
            try:
                async with asyncio.timeout(attempts.left_s):
                    reply = await self._attempt(post, endpoint, path, body, attempts)
            except TimeoutError:
                if attempts.count == 1 and self._is_silent(endpoint):
                    attempts = _Attempts(self.deadline_s)  # it waits with the others, outside its deadline
                    continue
                return GaveUp("timeout", f"no reply within {self.deadline_s:g} s ({attempts})")
            if reply is not None:
                return reply, endpoint
            if endpoint.down_since is None or endpoint.fault == "failing":
                attempts.left_s -= time.monotonic() - began
            gave_up = await self._pause(endpoint, attempts)
            if gave_up is not None:
                return gave_up

    def _is_silent(self, endpoint: Endpoint) -> bool:
        """Whether this time-out is one of too many in a row. Raises `EngineDown` when the patience is spent as well."""
        now = time.monotonic()
        endpoint.last_failure = f"no reply within {self.deadline_s:g} s"
        if endpoint.timed_out(now, self._policy):
            self._report(endpoint)
        outage = self.outage
        if endpoint.fault == "silent" and outage is not None and now - outage.since >= outage.patience_s:
            raise EngineDown(str(outage))
        return endpoint.fault == "silent"

    async def _attempt(self, post: Post, endpoint: Endpoint, path: str, body: bytes, attempts: _Attempts) -> Reply | None:
        """One attempt at one endpoint: the reply that counts, or None when there is to be another attempt."""
        attempts.count += 1
        attempts.asked_s, attempts.gateway = None, False
        fault: Fault | None = None
        endpoint.in_flight += 1
        waits(waiting=False)
        try:
            reply = await post(endpoint.url(path), body)
        except TransportError as problem:
            fault = "unreachable" if problem.refused else None
            what = str(problem)
        else:
            endpoint.unanswered = 0
            if reply.status == 200 and _is_page(reply.body):
                return self._page(endpoint, reply, attempts)
            about = None if reply.status == 200 else self._classify(reply)
            if about == "request" or (about is None and reply.status not in RETRIED_STATUSES):
                self._answered(endpoint)
                return reply
            fault = about
            attempts.gateway = reply.status in GATEWAY_STATUSES
            attempts.asked_s, what = retry_after_seconds(reply.retry_after), self._describe(reply)
        finally:
            endpoint.in_flight -= 1
        waits(waiting=True)  # for another attempt
        if fault is not None or (attempts.gateway and endpoint.down_since is not None):
            attempts.count -= 1  # nobody was there to answer it
        attempts.last, attempts.failed_at = f"{endpoint.base_url}: {what}", endpoint
        endpoint.last_failure = what
        if endpoint.failed(time.monotonic(), self._policy, fault, asked_s=attempts.asked_s, gateway=attempts.gateway):
            self._report(endpoint)
        return None

    def _page(self, endpoint: Endpoint, reply: Reply, attempts: _Attempts) -> Reply | None:
        """A web page with status 200: what a proxy shows when nobody is behind it. One is a failed reply, many are an outage."""
        endpoint.last_failure = f"the reply is not JSON: {shorten(reply.body)!r}"
        attempts.last = f"{endpoint.base_url}: {endpoint.last_failure}"
        if endpoint.failed(time.monotonic(), self._policy, None):
            self._report(endpoint)
        return reply if endpoint.down_since is None else None

    async def _pause(self, endpoint: Endpoint, attempts: _Attempts) -> GaveUp | None:
        """Wait before the next attempt; the end of the request when there is none."""
        alone = all(other is endpoint or other.down_since is not None for other in self.endpoints)
        tripped = alone and endpoint.fault == "failing" and not attempts.gateway  # others wait for their turn behind this one
        if attempts.count > (min(1, self._policy.max_retries) if tripped else self._policy.max_retries):
            return GaveUp("error", f"gave up after {attempts}")
        if endpoint.down_since is not None and endpoint.fault != "failing":
            return None  # another endpoint at once, or `_wait`
        pause = self._policy.pause(max(attempts.count - 1, 0), attempts.asked_s, self._rng)
        if pause >= attempts.left_s:
            return GaveUp("timeout", f"the next attempt is due after the deadline of {self.deadline_s:g} s ({attempts})")
        await asyncio.sleep(pause)
        attempts.left_s -= pause
        return None

    def _choose(self, failed_at: Endpoint | None = None) -> Endpoint | None:
        """Take the endpoint with the fewest requests in flight; None when all are put aside.

        Args:
            failed_at: Where this request has just failed. Another one is better: a server that answers with errors is idle, so it
                would be chosen again and again.
        """
        now = time.monotonic()
        ready = [endpoint for endpoint in self.endpoints if endpoint.ready_at() <= now]
        ready = [endpoint for endpoint in ready if endpoint is not failed_at] or ready
        return min(ready, key=lambda endpoint: endpoint.in_flight).take(now) if ready else None

    async def _wait(self) -> Endpoint:
        """Wait until an endpoint may be tried again. Raises `EngineDown` when none has worked for as long as the patience."""
        while True:
            now = time.monotonic()
            outage = self.outage
            if outage is not None:
                if now - outage.since >= outage.patience_s:
                    raise EngineDown(str(outage))
                if now - max(outage.since, self._reminded) >= REMIND_S:
                    self._reminded = now
                    _log.warning("%s", outage.waiting(now))
            soonest = min(endpoint.ready_at() for endpoint in self.endpoints)
            await asyncio.sleep(min(max(soonest - now, 0.0) + self._rng.uniform(0.0, 0.01), _POLL_S))
            if endpoint := self._choose():
                return endpoint

    def _report(self, endpoint: Endpoint) -> None:
        """Say at once that an endpoint is aside, and whether that stops the work."""
        outage = self.outage
        if outage is None:
            _log.warning("%s: %s; going on with the other endpoints", endpoint.base_url, endpoint.last_failure)
        elif outage.fault != "failing" or outage.cause.startswith("HTTP 5"):  # others may pass at once: `_wait` speaks if not
            self._reminded = time.monotonic()
            _log.error("%s", outage.waiting(self._reminded))

    def _answered(self, endpoint: Endpoint) -> None:
        was_down = self.outage is not None
        lasted = endpoint.answered()
        if was_down and self._reminded:
            self._reminded = 0.0
            _log.warning("%s answers again after %.0f s", endpoint.base_url, lasted)
