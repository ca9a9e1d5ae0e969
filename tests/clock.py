"""Time limits that a busy or slow machine cannot break: CPU time of this thread, the least of several runs, at a known speed."""

from __future__ import annotations

import time
from collections.abc import Callable

_LOOPS, _SECONDS = 40_000, 0.0055  # what `_work` takes on the machine that the limits were set on


def cpu_seconds(act: Callable[[], object]) -> float:
    """CPU seconds of one run, as on the machine that the limits were set on; never more than measured."""
    begin = time.thread_time()
    act()
    return (time.thread_time() - begin) / _slowness()


def least_cpu(act: Callable[[], object], limit: float, tries: int = 6) -> float:
    """CPU seconds of the cheapest run. Runs again only while none has been below `limit`, which has a reserve of its own."""
    least = float("inf")
    for _ in range(tries):
        least = min(least, cpu_seconds(act))
        if least < limit:
            break
    return least


def _slowness() -> float:
    """How many times slower this machine is now; at least 1. Machines that share their cores were seen to be 4 times slower."""
    begin = time.thread_time()
    _work()
    return max(1.0, (time.thread_time() - begin) / _SECONDS)


def _work() -> dict[str, int]:
    """Words counted: the kind of work that readers and filters do."""
    counts: dict[str, int] = {}
    for number in range(_LOOPS):
        word = f"w{number % 97}"
        counts[word] = counts.get(word, 0) + 1
    return counts
