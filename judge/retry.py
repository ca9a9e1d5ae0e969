"""When a request that failed is sent again: what a second try can mend, and how long to wait before it.

Shared by the engine that speaks to a model's endpoint and by the client that speaks to a judge server; it knows neither.

- Pauses are drawn uniformly up to a doubling bound (full jitter: Brooker, "Exponential Backoff And Jitter", AWS 2015), because
  requests that failed together would otherwise come back together.
- A server's `Retry-After` is honoured: never sooner, and later by a little jitter.
"""

from __future__ import annotations

import email.utils
import math
import random
import time
from dataclasses import dataclass

PASSING = frozenset({408, 425, 429, *range(500, 600)} - {501, 505})
"""HTTP statuses after which the same request may work later."""


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

    def pause(self, attempt: int, asked_s: float | None, rng: random.Random) -> float:
        """Seconds to wait after failed attempt `attempt` (from 0); `asked_s` is what the server asked for, if it did."""
        jitter = rng.uniform(0.0, self.bound(attempt))
        return jitter if asked_s is None else min(asked_s, self.retry_after_cap_s) + min(jitter, self.base_s)

    def bound(self, attempt: int) -> float:
        """Longest pause after failed attempt `attempt` (from 0), seconds."""
        return min(self.cap_s, self.base_s * 2.0 ** min(attempt, 30))


def retry_after_seconds(header: str | None) -> float | None:
    """Read a `Retry-After` header: seconds or an HTTP date. None when there is none or it makes no sense.

    Example:
        >>> retry_after_seconds("2.5"), retry_after_seconds("soon"), retry_after_seconds(None)
        (2.5, None, None)
    """
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(header).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    return max(seconds, 0.0) if seconds < math.inf else None  # NaN compares false
