"""One server over one pooled session, on one event loop: bodies in, whole answers or lines of a stream out.

- Connections are not limited: the members of a group wait for each other, so a pool smaller than a group would wait for ever.
- Idle connections are dropped before uvicorn drops them (5 s): a request on a connection that is just being closed is lost.
- A large body is announced first (`Expect: 100-continue`): a server that refuses its size closes the connection in the middle of
  it, and the refusal would be lost with it.
- Proxies of the environment are not used, and redirections are not followed: a key goes where the URL says.
"""

from __future__ import annotations

import asyncio
import io
import os
import uuid
from collections.abc import AsyncGenerator

import aiohttp

from judge.client.address import Address
from judge.client.trouble import Tries, lost, refused, told
from judge.client.wire import read
from judge.errors import EngineError, InputError
from judge.schema import LineOut

KEEP_ALIVE_S = 4.0
CONNECT_S = 10.0
_LARGE_BODY = 1 << 20  # aiohttp wants larger bodies as a stream


class Connection:
    """The way to one server."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._session: aiohttp.ClientSession | None = None
        self._home: tuple[int, asyncio.AbstractEventLoop] | None = None

    async def close(self) -> None:
        """Close the connections. What is in progress fails."""
        session, self._session, self._home = self._session, None, None
        if session is not None:
            await session.close()

    async def get(self, path: str, limit_s: float) -> tuple[int, bytes]:
        """Status and body, asked for once.

        Raises:
            EngineError: There is no answer in time.
        """
        url = self._address.url
        try:
            async with asyncio.timeout(limit_s), self._opened().get(url + path, allow_redirects=False) as response:
                return response.status, await response.read()
        except TimeoutError:
            raise EngineError(f"{url}: no answer within {limit_s:g} s") from None
        except (aiohttp.ClientError, OSError) as problem:
            raise lost(problem).error(url) from None

    async def post(self, tries: Tries, path: str, body: bytes, *, keyed: bool = True) -> bytes:
        """The whole answer to one body, whatever it takes within the deadline.

        Args:
            keyed: The same Idempotency-Key at each attempt, so that what the server has judged already is not judged again.
        """
        headers = {"Idempotency-Key": uuid.uuid4().hex} if keyed else {}
        try:
            async with asyncio.timeout(tries.left_s):
                while True:
                    response = await self._open(tries, path, body, headers)
                    try:
                        async with response:
                            return await response.read()
                    except (aiohttp.ClientError, OSError) as problem:
                        await tries.again(lost(problem))
        except TimeoutError:
            raise tries.late() from None

    async def stream(self, tries: Tries, path: str, body: bytes) -> aiohttp.ClientResponse:
        """A stream that has begun; the caller closes it."""
        try:
            async with asyncio.timeout(tries.left_s):
                return await self._open(tries, path, body, {})
        except TimeoutError:
            raise tries.late() from None

    async def _open(self, tries: Tries, path: str, body: bytes, headers: dict[str, str]) -> aiohttp.ClientResponse:
        """An answer that is a result, its body still to be read; the caller closes it."""
        headers = {"Content-Type": "application/json", **headers}
        while True:
            tries.made += 1
            large = len(body) >= _LARGE_BODY
            data = io.BytesIO(body) if large else body
            try:
                response = await self._opened().post(
                    tries.url + path, data=data, headers=headers, allow_redirects=False, expect100=large
                )
                if response.status == 200:
                    return response
                async with response:
                    raw = await response.read()
            except (aiohttp.ClientError, OSError) as problem:
                trouble = lost(problem)
            else:
                trouble = refused(response.status, raw, response.headers.get("Retry-After"))
            await tries.again(trouble)

    def _opened(self) -> aiohttp.ClientSession:
        """The session of this loop, opened at the first question."""
        here = (os.getpid(), asyncio.get_running_loop())
        if self._session is None:
            self._home = here
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
                headers=self._address.headers,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        if self._home != here:
            raise InputError("an AsyncClient belongs to the event loop it was first used in; make one in each (or use Client)")
        return self._session


async def lines(response: aiohttp.ClientResponse, tries: Tries) -> AsyncGenerator[bytes, None]:
    """The results of a stream, each as its line. Only a line of type `done` ends it well."""
    rest, count = b"", 0
    while True:
        try:
            async with asyncio.timeout(tries.left_s):
                part = await response.content.readany()
        except TimeoutError:
            raise tries.late() from None
        except (aiohttp.ClientError, OSError) as problem:
            what = f"{lost(problem).what}; the stream was cut off after {count} results"
            raise EngineError(f"{tries.url}: {what}") from None
        if not part:
            raise EngineError(f"{tries.url}: the stream was cut off after {count} results")
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            kind = read(LineOut, line, tries.url).type
            if kind == "done":
                return
            if kind == "error":
                trouble = told(line, 503)  # what ends a stream is a refusal of that kind
                raise trouble.error(tries.url) if trouble else EngineError(f"{tries.url}: the stream ended in an error")
            count += 1
            yield line
