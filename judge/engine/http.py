"""Any OpenAI-compatible endpoint (`vllm serve` is the reference) over one pooled aiohttp session.

- The client shares a core with the trainer, so a request may cost about 0.1 ms: one serialisation, one pooled session,
  bytes in and bytes out, no client object per call (benchmarks/engine_floor.py measures it).
- Connections equal the requests in flight and stay open, so neither side pays for a handshake per judgement.
"""

from __future__ import annotations

import io
from collections.abc import Mapping

import aiohttp

from judge.engine.openai_chat import CONNECT_S, ChatEngine
from judge.engine.sender import Reply, Transport, TransportError

KEEP_ALIVE_S = 75.0
_LARGE_BODY = 1 << 20  # aiohttp wants larger bodies as a stream


class HttpEngine(ChatEngine):
    """An OpenAI-compatible endpoint over aiohttp, the cheapest transport. Keywords as in `ChatEngine`.

    Proxies of the environment are not used: looking them up for each request costs as much as the request. For a hosted
    API behind a proxy take `OpenAiSdkEngine`.
    """

    def _open(self) -> Transport:
        headers = {"Content-Type": "application/json", **self._headers}
        if self._key:
            headers.setdefault("Authorization", f"Bearer {self._key}")
        return _AiohttpTransport(headers, self._concurrency)


class _AiohttpTransport(Transport):
    def __init__(self, headers: Mapping[str, str], connections: int) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections, keepalive_timeout=KEEP_ALIVE_S),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),  # the deadline is the sender's
            headers=headers,
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def post(self, url: str, body: bytes) -> Reply:
        return await self._send("POST", url, body if len(body) < _LARGE_BODY else io.BytesIO(body))

    async def get(self, url: str) -> Reply:
        return await self._send("GET", url, None)

    async def _send(self, method: str, url: str, data: bytes | io.BytesIO | None) -> Reply:
        try:
            async with self._session.request(method, url, data=data, allow_redirects=False) as response:
                return Reply(response.status, await response.read(), response.headers.get("Retry-After"))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as problem:
            raise TransportError(str(problem), refused=True) from problem
        except (aiohttp.ClientError, OSError) as problem:
            raise TransportError(f"{type(problem).__name__}: {problem}") from problem

    async def close(self) -> None:
        await self._session.close()
