"""The client for programs without an event loop: the same questions, asked on a loop and a thread of the client's own.

- It works where a loop is running already (a notebook) and from many threads at once, over one set of connections.
- Trainers fork. A child has the memory of the parent's thread and connections but not the thread, and a lock may be held by a
  thread that is gone: so a child starts anew, and leaves the parent's connections alone, which share their sockets with it.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
import weakref
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Self, TypeVar

from judge.client.aio import DEADLINE_S, HEALTH_S, AsyncClient
from judge.client.wire import Member, Ranking
from judge.errors import EngineError
from judge.types import Reward, Sample

T = TypeVar("T")


class Client:
    """Asks one server. Arguments and errors are those of `AsyncClient`; safe to share between threads, fork and pickle.

    Example:
        >>> with Client("http://127.0.0.1:9", retries=0) as client:  # doctest: +IGNORE_EXCEPTION_DETAIL
        ...     rewards = client.score([Sample.of("2+2?", "4")])
        Traceback (most recent call last):
        judge.errors.EngineError: http://127.0.0.1:9: no answer: ... (given up after 1 attempt)
    """

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        *,
        deadline_s: float = DEADLINE_S,
        retries: int = 8,
        seed: int | None = None,
    ) -> None:
        self._options: dict[str, Any] = {
            "url": url, "api_key": api_key, "deadline_s": deadline_s, "retries": retries, "seed": seed,
        }  # fmt: skip
        AsyncClient(**self._options)  # for its errors: here, and not at the first question
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._home: _Home | None = None
        _CLIENTS.add(self)

    def __getstate__(self) -> dict[str, Any]:
        return self._options

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._options = state
        self._begin()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; what is in progress is cancelled. The next question opens new ones."""
        with self._lock:
            home, self._home = self._home, None
        if home is not None:
            home.close()

    def score(
        self, samples: Sequence[Sample], *, rubric: str | None = None, detail: bool = False, deadline_s: float | None = None
    ) -> list[Reward]:
        """Judge samples; see `AsyncClient.score`."""
        return self._run(lambda client: client.score(samples, rubric=rubric, detail=detail, deadline_s=deadline_s))

    def rank(
        self, sample: Sample, *, rubric: str | None = None, detail: bool = False, deadline_s: float | None = None
    ) -> Ranking:
        """Put the responses to one prompt in order; see `AsyncClient.rank`."""
        return self._run(lambda client: client.rank(sample, rubric=rubric, detail=detail, deadline_s=deadline_s))

    def member(
        self,
        group: str,
        index: int,
        sample: Sample,
        *,
        size: int | None = None,
        attempt: int = 0,
        rubric: str | None = None,
        detail: bool = False,
        deadline_s: float | None = None,
    ) -> Member:
        """Bring one completion of a group and wait for its reward; see `AsyncClient.member`."""
        more: dict[str, Any] = {"rubric": rubric, "detail": detail, "deadline_s": deadline_s}
        return self._run(lambda client: client.member(group, index, sample, size=size, attempt=attempt, **more))

    def health(self, *, deadline_s: float = HEALTH_S) -> str:
        """What the server is; see `AsyncClient.health`."""
        return self._run(lambda client: client.health(deadline_s=deadline_s))

    def _run(self, ask: Callable[[AsyncClient], Coroutine[Any, Any, T]]) -> T:
        with self._lock:
            if self._home is None:
                self._home = _Home(AsyncClient(**self._options))
                weakref.finalize(self, self._home.close)
            home = self._home
        future = asyncio.run_coroutine_threadsafe(ask(home.client), home.loop)
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise EngineError(f"{home.client.url}: the client was closed before an answer came") from None
        finally:
            future.cancel()  # Ctrl-C while waiting: the request ends, and with it the work of the server


class _Home:
    """A loop on a thread, and the client that lives there."""

    def __init__(self, client: AsyncClient) -> None:
        self.client = client
        self.loop = asyncio.new_event_loop()
        self._pid = os.getpid()
        self._closed = False
        self._thread = threading.Thread(target=self._live, name="judge-client", daemon=True)
        self._thread.start()

    def _live(self) -> None:
        self.loop.run_forever()
        self.loop.close()

    def close(self) -> None:
        """End everything here; in a forked child there is nothing to end."""
        if self._closed or self._pid != os.getpid():
            return
        self._closed = True
        asyncio.run_coroutine_threadsafe(self._end(), self.loop)
        if self._thread is not threading.current_thread():  # the garbage collector may run there
            self._thread.join()

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self.client.close()
        self.loop.stop()


_CLIENTS: weakref.WeakSet[Client] = weakref.WeakSet()
_LEFT: list[_Home | None] = []  # of parents: not collected, since that would close what they still use


def _in_child() -> None:
    for client in _CLIENTS:
        _LEFT.append(client._home)
        client._lock = threading.Lock()
        client._home = None


os.register_at_fork(after_in_child=_in_child)
