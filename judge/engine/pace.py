"""Requests and tokens a minute, as an account has them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Pace:
    """Requests and tokens a minute, by token buckets that hold one second's worth.

    A request takes its place in the line at once and sleeps once until it is due, so nothing polls and nobody overtakes. What
    a reply really cost is entered when it comes. Loops of several threads may share one.

    Args:
        requests, tokens: A minute; None: no limit.
        clock: Seconds, monotonic.
    """

    def __init__(
        self, requests: float | None = None, tokens: float | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rates = {name: rate / 60 for name, rate in (("requests", requests), ("tokens", tokens)) if rate is not None}
        self._clock = clock
        self._at = clock()
        self._levels = {name: max(rate, 1.0) for name, rate in self._rates.items()}
        self._lock = threading.Lock()

    def reserve(self, tokens: float) -> float:
        """Take the place of one request; gives the seconds until it is due."""
        with self._lock:
            self._fill()
            waits = [0.0]
            for name, amount in (("requests", 1.0), ("tokens", tokens)):
                if name in self._levels:
                    self._levels[name] -= amount
                    waits.append(-self._levels[name] / self._rates[name])
            return max(waits)

    def settle(self, guessed: float, used: float) -> None:
        """Enter what a request used, in place of what was guessed; 0: the server does not say, and the guess stands."""
        if "tokens" in self._levels and used:
            with self._lock:
                self._levels["tokens"] += guessed - used

    def _fill(self) -> None:
        now = self._clock()
        for name, rate in self._rates.items():
            self._levels[name] = min(max(rate, 1.0), self._levels[name] + (now - self._at) * rate)
        self._at = now


def guessed_tokens(body: bytes) -> float:
    """Prompt tokens of a request before anybody has counted them: a token is some four bytes."""
    return len(body) / 4
