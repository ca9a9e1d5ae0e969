"""Time limits that a busy machine cannot break: CPU time of this thread, the least of several runs."""

from __future__ import annotations

import time
from collections.abc import Callable


def least_cpu(act: Callable[[], object], limit: float, tries: int = 6) -> float:
    """CPU seconds of the cheapest run. Runs again only while none has been below `limit`, which has a reserve of its own."""
    least = float("inf")
    for _ in range(tries):
        begin = time.thread_time()
        act()
        least = min(least, time.thread_time() - begin)
        if least < limit:
            break
    return least
