"""The same Idempotency-Key gets the same answer once more, and the judge is asked once.

A judgement has no side effect, so a retry is safe without this; what a key saves is the second bill, and two different rewards
for one response at a temperature above 0. Only whole answers (200) are kept: after an error the request may be sent again.
A key belongs to the holder of the API key that used it.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from judge.server.errors import APIError

HEADER = "idempotency-key"
MAX_LENGTH = 200
MAX_BYTES = 64 * 1024 * 1024  # of all answers kept

Make = Callable[[], Awaitable[bytes]]


@dataclass(slots=True)
class _Kept:
    print: bytes  # of the request
    future: asyncio.Future[bytes]
    until: float


class IdempotencyCache:
    """Answers by key.

    Args:
        keep_s: Seconds an answer is kept.
        entries: Answers kept at most.
    """

    def __init__(self, keep_s: float, entries: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._keep_s = keep_s
        self._entries = entries
        self._clock = clock
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()
        self._bytes = 0

    async def answer(self, owner: str, key: str, path: str, body: bytes, make: Make) -> tuple[bytes, bool]:
        """The answer under this key, and whether it had been given before.

        Raises:
            APIError: 422: the key was used for another request.
        """
        check_key(key)
        name, print_ = (owner, key), hashlib.blake2b(path.encode() + b"\0" + body, digest_size=16).digest()
        while True:
            self._drop_old()
            found = self._kept.get(name)
            if found is None:
                return await self._lead(name, print_, make), False
            if found.print != print_:
                message = "this key was already used for a different request"
                raise APIError(422, "key_reused", message, where=f"header {HEADER}")
            try:
                return await asyncio.shield(found.future), True
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if not found.future.cancelled() or (task is not None and task.cancelling()):  # it is this caller that went away
                    raise

    async def _lead(self, name: tuple[str, str], print_: bytes, make: Make) -> bytes:
        future = asyncio.get_running_loop().create_future()
        entry = self._kept[name] = _Kept(print_, future, float("inf"))
        try:
            body = await make()
        except BaseException:  # another request under this key starts over
            del self._kept[name]
            future.cancel()
            raise
        future.set_result(body)
        entry.until = self._clock() + self._keep_s
        self._kept.move_to_end(name)
        self._bytes += len(body)
        return body

    def _drop_old(self) -> None:
        now = self._clock()
        for name, entry in list(self._kept.items()):
            full = len(self._kept) > self._entries or self._bytes > MAX_BYTES
            if entry.until > now and not (full and entry.future.done()):
                if entry.future.done():
                    return
                continue
            del self._kept[name]
            self._bytes -= len(entry.future.result())


def check_key(key: str) -> None:
    """Refuse a key that is empty, long, or not plain ASCII."""
    if not (0 < len(key) <= MAX_LENGTH and key.isascii() and key.isprintable()):
        message = f"an Idempotency-Key has 1 to {MAX_LENGTH} printable ASCII characters"
        raise APIError(400, "bad_key", message, where=f"header {HEADER}")
