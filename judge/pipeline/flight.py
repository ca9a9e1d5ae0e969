"""One request for all who need the same reply: now (duplicates in flight), and later (turns that see only the prompt).

Groups in training often hold the same completion several times; each distinct request is sent once.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from judge.engine.protocol import HELD, Held
from judge.types import Completion

MakeCompletion = Callable[[], Awaitable[Completion]]


class Flight:
    """Requests in flight by key, and the last `size` replies that were to be remembered."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._flying: dict[str, tuple[asyncio.Future[Completion], Held]] = {}
        self._memo: OrderedDict[str, Completion] = OrderedDict()

    async def get(
        self, key: str, ask: MakeCompletion, *, remember: bool = False, whole: tuple[str, ...] = ("stop",)
    ) -> tuple[Completion, bool]:
        """The reply, and whether somebody else's request gave it. Only whole replies are remembered.

        Args:
            whole: Finish reasons of a whole reply: one that is one token long ends at its limit.
        """
        while True:
            if remember and key in self._memo:
                self._memo.move_to_end(key)
                return self._memo[key], True
            flying = self._flying.get(key)
            if flying is None:
                return await self._lead(key, ask, whole if remember else ()), False
            reply, held = flying
            try:
                with held.shared(HELD.get()):
                    return await asyncio.shield(reply), True
            except asyncio.CancelledError:
                if not reply.cancelled() or _leaving():  # it is this caller that was cancelled, not only the one who asked
                    raise

    async def _lead(self, key: str, ask: MakeCompletion, remembered: tuple[str, ...]) -> Completion:
        future, held = self._flying[key] = asyncio.get_running_loop().create_future(), Held()
        try:
            with held.shared(HELD.get()):
                token = HELD.set(held)
                try:
                    completion = await ask()
                finally:
                    HELD.reset(token)
        except BaseException as why:
            if isinstance(why, Exception):
                future.set_exception(why)
                future.exception()  # read, so that asyncio does not report it as lost when nobody waits
            else:
                future.cancel()
            raise
        finally:
            del self._flying[key]
        future.set_result(completion)
        if completion.finish_reason in remembered:
            self._memo[key] = completion
            if len(self._memo) > self._size:
                self._memo.popitem(last=False)
        return completion


def _leaving() -> bool:
    """Whether the running task is itself being cancelled: who waits and who asked may be, in the same moment."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
