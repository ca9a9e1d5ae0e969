"""The client for programs without an event loop: the same questions, asked on a loop and a thread of the client's own.

It works where a loop is running already (a notebook), from many threads at once over one set of connections, and in a forked
child, which starts anew (`judge.loopthread`).
"""

from __future__ import annotations

import concurrent.futures
import weakref
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Self, TypeVar

from judge.client.aio import DEADLINE_S, HEALTH_S, AsyncClient
from judge.client.wire import Member, Ranking
from judge.errors import EngineError
from judge.loopthread import LoopThread
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
        self._home = LoopThread("judge-client", partial(AsyncClient, **self._options))
        weakref.finalize(self, self._home.close, last=AsyncClient.close)

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
        self._home.close(last=AsyncClient.close)

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
        try:
            return self._home.run(ask)
        except concurrent.futures.CancelledError:
            url = AsyncClient(**self._options).url
            raise EngineError(f"{url}: the client was closed before an answer came") from None
