"""How much one request may bring, through the application and through a raw socket."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest

from judge.server.app import make_app
from judge.server.auth import Keys
from judge.settings.server import ServerSettings
from tests.server.harness import AUTH, KEY, ONE, client_of, judge_of, served

SMALL = ServerSettings(max_body_bytes=2048, max_header_bytes=1024, max_samples=4, max_concurrency=4, queue_size=4)
JSON = {"content-type": "application/json"}


def padded(size: int) -> bytes:
    """A valid body of exactly this many bytes."""
    body = json.dumps(ONE).encode()
    return body + b" " * (size - len(body))


@pytest.mark.parametrize(("extra", "status"), [(0, 200), (1, 413)])
@pytest.mark.parametrize("chunked", [False, True])
async def test_body_limit_to_the_byte(extra, status, chunked):
    """The limit holds whether a client says its length or not."""

    async def chunks():
        for at in range(0, 2048 + extra, 512):
            yield padded(2048 + extra)[at : at + 512]

    async with client_of(settings=SMALL) as client:
        content = chunks() if chunked else padded(2048 + extra)
        answer = await client.post("/v1/score", content=content, headers=JSON)
    assert answer.status_code == status
    if extra:
        assert answer.json()["error"]["code"] == "body_too_large"


async def test_a_body_past_the_limit_is_not_read_on():
    """Counting ends the read: what comes after is never held."""
    taken = 0

    async def endless():
        nonlocal taken
        while True:
            taken += 1024
            yield b" " * 1024

    async with client_of(settings=SMALL) as client:
        answer = await client.post("/v1/score", content=endless(), headers=JSON)
    assert answer.status_code == 413
    assert taken <= 2048 + 1024


async def test_headers_limit():
    """A large header is refused before anything else is looked at."""
    async with client_of(settings=SMALL) as client:
        answer = await client.post("/v1/score", json=ONE, headers={"x-pad": "a" * 2000})
    assert (answer.status_code, answer.json()["error"]["code"]) == (431, "headers_too_large")


async def test_samples_limit():
    """One request cannot bring more than the server holds."""
    async with client_of(settings=SMALL) as client:
        answer = await client.post("/v1/score", json={"samples": ONE["samples"] * 5})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_many_samples")


def test_limits_that_contradict_each_other():
    """Requests that would be refused for ever are found out at the start."""
    with pytest.raises(ValueError, match="refused for ever"):
        ServerSettings(max_samples=100, max_concurrency=10, queue_size=10)


RAW = [
    pytest.param(b"POST /v1/score HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n", 413, id="huge"),
    pytest.param(b"POST /v1/score HTTP/1.1\r\nHost: localhost\r\nX-A: " + b"a" * 5000 + b"\r\n\r\n", 431, id="endless-header"),
    pytest.param(b"GET / HTTP/9.9\r\n\r\n", 401, id="version"),
    pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, id="tls"),
    pytest.param(
        b"POST /v1/score HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
        id="two-lengths",
    ),
    pytest.param(
        b"POST /v1/score HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Type: application/json\r\n\r\n{",
        408,
        id="half-a-body",
    ),
]  # fmt: skip


def test_raw_requests():
    """What no client library would send, through a real server: each gets an answer, and the server goes on."""
    settings = SMALL.model_copy(update={"body_timeout_s": 0.5})
    with judge_of() as judge, served(make_app(judge, settings, keys=Keys((KEY,))), h11_max_incomplete_event_size=2048) as url:
        port = int(url.rpartition(":")[2])
        for case in RAW:
            raw, status = case.values
            keyed = raw.replace(b"Host:", f"Authorization: {AUTH['Authorization']}\r\nHost:".encode())
            answered = asyncio.run(_exchange(port, keyed))
            assert answered in (status, 400), (case.id, answered)  # uvicorn's own reader may refuse first
        assert httpx.post(f"{url}/v1/score", json=ONE, headers=AUTH).status_code == 200


async def _exchange(port: int, raw: bytes) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(raw)
    line = await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    return int(line.split()[1])
