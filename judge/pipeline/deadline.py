"""How long one sample may take, over all its calls, retries and turns: one that never ends holds up nobody else.

What is late is cancelled down to its requests and has no reward (`deadline`); what was answered until then is in the journal.
While an engine is known to be down nothing is late: an outage is the engine's, and must not become a thousand failed samples.
Nor does `item_deadline_s` count the time in which a call waits for the limits of its account (`engine.requests_per_minute`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from judge.engine.protocol import HELD, Engine, Held, outage_of
from judge.settings import RunSettings

R = TypeVar("R")
HELD_POLL_S = 0.25  # how often a sample is looked at again whose time is up but for a wait that still goes on
POLL_S = 0.5  # how often an engine that is down is looked at again


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds that work may take; None: as long as it takes.

    Attributes:
        item_s: One sample, or one group of samples that compete, from its first request on.
        step_s: All samples of one call of a training step, from the call on.
        down: Whether an engine has stopped working, which stops the clock.
    """

    item_s: float | None = None
    step_s: float | None = None
    down: Callable[[], bool] = lambda: False

    @classmethod
    def of(cls, settings: RunSettings, engines: Sequence[Engine]) -> Deadlines:
        """Those of a training step, on its engines."""
        return cls(
            settings.item_deadline_s, settings.step_deadline_s, lambda: any(outage_of(each) is not None for each in engines)
        )

    @classmethod
    def each(cls, settings: RunSettings, engines: Sequence[Engine]) -> Deadlines:
        """Those of work that is no training step, whatever its length: of each sample alone."""
        return replace(cls.of(settings, engines), step_s=None)


class Late(Exception):
    """The time is up."""


NONE = Deadlines()


async def in_time(work: Coroutine[Any, Any, R], item_s: float | None, step_at: float | None, down: Callable[[], bool]) -> R:
    """Wait for some work, and cancel it when its time is up.

    Args:
        item_s: Seconds from now, beside those in which a call was held (`Held`).
        step_at: Time of the loop's clock, in seconds.

    Raises:
        Late: It was not done in time, with the setting that says so.
    """
    if item_s is None and step_at is None:
        return await work
    loop = asyncio.get_running_loop()
    if step_at is not None and step_at <= loop.time() and not down():
        work.close()
        raise Late("step_deadline_s")
    held = Held()
    token = HELD.set(held)
    task = asyncio.ensure_future(work)
    HELD.reset(token)
    item_at = None if item_s is None else loop.time() + item_s
    try:
        while True:
            before = held.seconds
            item_due = None if item_at is None else item_at + before
            until = min(at for at in (item_due, step_at) if at is not None)
            await asyncio.wait({task}, timeout=max(0.0, until - loop.time()))
            if task.done():
                return task.result()
            if until == item_due and held.seconds > before:  # it was held meanwhile
                await asyncio.wait({task}, timeout=HELD_POLL_S if held.now else 0.0)
                continue
            if not down():
                raise Late("item_deadline_s" if until == item_due else "step_deadline_s")
            while down() and not task.done():
                await asyncio.wait({task}, timeout=POLL_S)
            again = loop.time() + (item_s or POLL_S)  # the outage took its time, so it gets new one
            item_at, step_at = (
                (None if item_at is None else again - held.seconds),
                (None if step_at is None else max(step_at, again)),
            )
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=POLL_S)  # work that does not end when cancelled is left behind
