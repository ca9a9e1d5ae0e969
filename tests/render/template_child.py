"""Renders the templates given on standard input under a limit on memory; one line of JSON on what became of each."""

from __future__ import annotations

import json
import resource
import sys
import time
import tracemalloc
from pathlib import Path

from judge.errors import RecipeError
from judge.render.environment import Templates
from judge.render.quoting import Untrusted

ENOUGH = 0.3  # seconds, of 1 allowed
ROOM = 512 * 1024 * 1024  # twice the cap: a hole shows as a figure, not as a killed child


def values() -> dict:
    """A rubric of 20 kB and a response of 10 kB, as nobody's attack but the template's."""
    long = "word " * 4_000
    return {
        "rubric": {"title": "t", "description": long, "criteria": []},
        "labels": ["a", "b", "c", "d", "e", "f", "g", "h"],
        "response": Untrusted("word " * 2_000, "ab" * 5),
        "scale": {"min": 1, "max": 5},
    }


def run(source: str) -> str:
    """Render one template."""
    return Templates(Path("folder"), {"t.j2": source}).render("t.j2", values())


def outcome(source: str) -> tuple[int, str]:
    """How long its text is, or why there is none."""
    try:
        return len(run(source)), ""
    except RecipeError as why:
        return 0, str(why)[:300]
    except MemoryError:
        return 0, "MemoryError"


def main() -> None:
    """Measure each template: time without, memory with the tracer."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, used + ROOM))
    for name, source in json.loads(sys.stdin.read()).items():
        seconds = float("inf")
        for _ in range(3):  # a busy machine: what looks slow is run again
            begin = time.thread_time()
            size, error = outcome(source)
            seconds = min(seconds, time.thread_time() - begin)
            if seconds < ENOUGH:
                break
        tracemalloc.start()
        outcome(source)
        memory = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        print(json.dumps({"name": name, "size": size, "error": error, "seconds": seconds, "memory": memory}), flush=True)


if __name__ == "__main__":
    main()
