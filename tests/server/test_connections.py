"""Connections that are idle or slow cost nobody else anything: real sockets on a real server."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator

import httpx

from judge.server.app import make_app
from judge.server.auth import Keys
from judge.settings.server import ServerSettings
from tests.server.harness import AUTH, KEY, ONE, Scripted, judge_of, served

HEAD = f"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\nAuthorization: {AUTH['Authorization']}\r\n"


@contextlib.contextmanager
def server(engine: Scripted | None = None, **fields: object) -> Iterator[int]:
    """A server with these limits; gives its port."""
    with judge_of(engine) as judge, served(make_app(judge, ServerSettings(**fields), keys=Keys((KEY,)))) as url:
        assert httpx.post(f"{url}/v1/score", json=ONE, headers=AUTH, timeout=30).status_code == 200
        yield int(url.rpartition(":")[2])


async def closed_after(port: int, *pieces: bytes, pause_s: float = 0.05) -> float:
    """Seconds after which the server closes a connection on which these pieces come slowly, the last ones again and again."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = time.monotonic()
    ended = asyncio.create_task(reader.read())
    with contextlib.suppress(ConnectionError):
        for piece in pieces:
            writer.write(piece)
            await asyncio.wait({ended}, timeout=pause_s)
    with contextlib.suppress(ConnectionError):
        await asyncio.wait_for(ended, 20)
    writer.close()
    return time.monotonic() - began


def test_a_head_that_does_not_come_in_time():
    """Silence, half a head, and a byte now and then: each connection is closed, whether bytes still come or not."""
    with server(header_timeout_s=0.5, idle_timeout_s=30) as port:

        async def all_of_them() -> list[float]:
            slow = HEAD.encode() + b"X-Slow: " + b"a" * 200
            return await asyncio.gather(
                closed_after(port),
                closed_after(port, HEAD[:20].encode()),
                closed_after(port, *(slow[i : i + 1] for i in range(60)), pause_s=0.03),
            )

        for seconds in asyncio.run(all_of_them()):
            assert 0.4 < seconds < 10


def test_the_second_head_on_a_connection_has_its_time_too():
    """A client that was answered once cannot hold its connection with one more byte."""
    with server(header_timeout_s=0.5, idle_timeout_s=30) as port:
        seconds = asyncio.run(closed_after(port, f"{HEAD}\r\n".encode(), b"G", pause_s=0.5))
        assert seconds < 10


def test_a_full_server_closes_the_connection_that_was_idle_longest():
    """More silent connections than the server holds: everyone else is still answered."""
    with server(max_connections=6, header_timeout_s=60, idle_timeout_s=60) as port:

        async def flood() -> list[int]:
            silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(30)]
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=AUTH, timeout=30) as client:
                codes = [(await client.post("/v1/score", json=ONE)).status_code for _ in range(5)]
            for _, writer in silent:
                writer.close()
            return codes

        assert asyncio.run(flood()) == [200] * 5


def test_a_request_at_work_is_not_closed_for_a_new_connection():
    """Room is made among idle connections only."""
    with server(Scripted(delay_s=1.0), max_connections=4, header_timeout_s=60) as port:

        async def flood() -> int:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=AUTH, timeout=30) as client:
                asked = asyncio.create_task(client.post("/v1/score", json=ONE))
                await asyncio.sleep(0.3)
                silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
                code = (await asked).status_code
                for _, writer in silent:
                    writer.close()
                return code

        assert asyncio.run(flood()) == 200


def test_a_client_that_does_not_read_is_left():
    """Answers that nobody takes are not kept for ever: the connection is closed, and the client finds it cut off."""
    with server(write_timeout_s=0.5) as port:

        async def unread() -> int:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**16)
            writer.write(f"{HEAD}\r\n".encode() * 400)  # about 30 MB of answers
            await asyncio.sleep(3)
            size = 0
            with contextlib.suppress(ConnectionError):
                while piece := await asyncio.wait_for(reader.read(2**20), 10):
                    size += len(piece)
            writer.close()
            return size

        whole = len(httpx.get(f"http://127.0.0.1:{port}/openapi.json", headers=AUTH).content) * 400
        assert asyncio.run(unread()) < whole
