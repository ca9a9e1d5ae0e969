"""vLLM servers that sleep: the routes beside the API that give a GPU's memory back and take it again.

A server has them when it is started with `--enable-sleep-mode` and VLLM_SERVER_DEV_MODE=1. They are for one machine of one's own:
whoever reaches the server can put it to sleep.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from judge.engine.sender import Endpoint, Transport, TransportError
from judge.errors import EngineDown, EngineError

SLEEP, WAKE, ASLEEP = "/sleep", "/wake_up", "/is_sleeping"
_START = "start it with VLLM_SERVER_DEV_MODE=1 and `--enable-sleep-mode`, or leave `engine.colocate` out"


async def check_sleep(transport: Transport, endpoints: Sequence[Endpoint]) -> None:
    """Raise `EngineError` when a server has no such routes: now, and not behind the first step."""
    for endpoint in endpoints:
        if endpoint.down_since is not None:
            continue
        url = endpoint.url(ASLEEP)
        try:
            status = (await transport.get(url)).status
        except TransportError as why:
            raise EngineError(f"{url}: {why}") from why
        if status != 200:
            raise EngineError(f"engine.colocate: {url} answered {status}, so this server cannot sleep; {_START}")


async def turn(transport: Transport, endpoints: Sequence[Endpoint], path: str, limit_s: float) -> None:
    """Post to a route of every server at once.

    Raises:
        EngineError: A server does not do it, or takes longer than `limit_s` seconds.
        EngineDown: One cannot be reached.
    """

    async def one(endpoint: Endpoint) -> None:
        url = endpoint.url(path)
        try:
            async with asyncio.timeout(limit_s):
                reply = await transport.post(url, b"")
        except TimeoutError:
            raise EngineError(f"{url}: no answer within {limit_s:g} s (`engine.deadline_s`)") from None
        except TransportError as why:
            raise EngineDown(f"{url}: {why}") from why
        if reply.status != 200:
            raise EngineError(f"{url} answered {reply.status}: {reply.body[:200].decode(errors='replace')}; {_START}")

    await asyncio.gather(*map(one, endpoints))
