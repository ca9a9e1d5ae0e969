"""An event loop on a thread of its own, for callers from everywhere: a script, a notebook whose loop is running, a trainer that
calls `asyncio.run` at each step, many threads at once.

- Connections and engines are bound to one loop. So they are made for this one, at first use, and anew after `close`.
- Trainers fork. A child has the memory of its parent's loop and connections but not the thread, and a lock may be held by a
  thread that is gone. So a child starts anew and leaves the parent's alone: it does not even collect them, since closing a
  socket there takes it out of the poll set that both share.
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from judge.loops import new_loop

S = TypeVar("S")
T = TypeVar("T")
_END_S = 5.0  # how long cancelled work may take to end


@dataclass(eq=False)
class _Running(Generic[S]):
    loop: asyncio.AbstractEventLoop
    thread: threading.Thread
    lives: S
    closing: bool = False


class LoopThread(Generic[S]):
    """A loop, its thread, and what lives there. Safe to share between threads and to use in a forked child.

    Args:
        name: Of the thread.
        make: What lives on the loop; called before its first use there, in the caller's thread.
    """

    def __init__(self, name: str, make: Callable[[], S]) -> None:
        self._name = name
        self._make = make
        self._begin()
        _ALL.add(self)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._running: _Running[S] | None = None

    @property
    def lives(self) -> S | None:
        """What lives on the loop; None before the first use and after `close`."""
        return None if self._running is None else self._running.lives

    def run(self, ask: Callable[[S], Coroutine[Any, Any, T]]) -> T:
        """Ask there and wait, blocking. Ctrl-C cancels what was asked.

        Raises:
            concurrent.futures.CancelledError: The loop was closed in the middle.
        """
        running = self._started()
        future = asyncio.run_coroutine_threadsafe(ask(running.lives), running.loop)
        try:
            return future.result()
        finally:
            future.cancel()

    async def wait(self, ask: Callable[[S], Coroutine[Any, Any, T]]) -> T:
        """Ask there from any other event loop. Cancelling this cancels what was asked."""
        running = self._started()
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(ask(running.lives), running.loop))

    def close(
        self,
        first: Callable[[S], Coroutine[Any, Any, None]] | None = None,
        last: Callable[[S], Coroutine[Any, Any, None]] | None = None,
    ) -> None:
        """End the loop and its thread; nothing where there is none. What is in progress is cancelled.

        Args:
            first: Awaited there before anything is cancelled.
            last: Awaited there when everything has ended.
        """
        with self._lock:
            running, again = self._running, self._running is not None and self._running.closing
            if running is None:
                return
            running.closing = True
        inside = running.thread is threading.current_thread()  # the garbage collector may run there
        ended = None if again else asyncio.run_coroutine_threadsafe(_end(running, first, last), running.loop)
        if not inside:
            running.thread.join()
        with self._lock:
            if self._running is running:
                self._running = None
        if ended is not None and not inside:
            ended.result()

    def _started(self) -> _Running[S]:
        with self._lock:
            if self._running is None or self._running.closing:
                loop = new_loop()
                thread = threading.Thread(target=_live, args=(loop,), name=self._name, daemon=True)
                self._running = _Running(loop, thread, self._make())
                thread.start()
            return self._running


def _live(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.close()


async def _end(
    running: _Running[S],
    first: Callable[[S], Coroutine[Any, Any, None]] | None,
    last: Callable[[S], Coroutine[Any, Any, None]] | None,
) -> None:
    try:
        if first is not None:
            await first(running.lives)
        await _cancel_the_others()
        if last is not None:
            await last(running.lives)
    finally:
        await _cancel_the_others()
        running.loop.call_soon(running.loop.stop)


async def _cancel_the_others() -> None:
    """A loop that stops under a task which was cancelled and has not noticed yet would report it as lost."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others:
        done, _ = await asyncio.wait(others, timeout=_END_S)
        for task in done:
            if not task.cancelled():
                task.exception()  # whoever asked has it


_ALL: weakref.WeakSet[LoopThread[Any]] = weakref.WeakSet()
_LEFT: list[_Running[Any] | None] = []  # of parents


def _in_child() -> None:
    for each in list(_ALL):
        _LEFT.append(each._running)
        each._begin()


os.register_at_fork(after_in_child=_in_child)
