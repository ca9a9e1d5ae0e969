"""The event loop that work runs on: uvloop's where it is installed, which halves the loop's own share of a request."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def new_loop() -> asyncio.AbstractEventLoop:
    """A new event loop."""
    try:
        import uvloop  # noqa: PLC0415  # not on every platform, and 10 ms that `judge --help` need not pay
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run one coroutine to its end on a loop of its own, as `asyncio.run` does.

    Example:
        >>> run(asyncio.sleep(0, "done"))
        'done'
    """
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(work)
