"""Servers that are slow, full, gone or half there: what is asked again, when, for how long, and what is said in the end."""

from __future__ import annotations

import asyncio
import email.utils
import json
import time

import pytest

from judge.client import AsyncClient, Client
from judge.errors import EngineError, InputError, JudgeError, NoVerdictError
from tests.client.harness import DROP, HANG, KEY, PARIS, RESULT, ROME, Steps, real, refusal, reply, scored
from tests.server.harness import Scripted

GOOD = reply(200, scored())
LINE = json.dumps({"type": "result", "index": 0, "id": "p", "rewards": [RESULT]}).encode() + b"\n"


def lines(body: bytes) -> bytes:
    """A stream that ends after this body, whatever it holds."""
    return b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body


@pytest.mark.parametrize("step", [
    pytest.param(DROP, id="dropped-connection"),
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\nConnection: close\r\n\r\n{", id="half-an-answer"),
    pytest.param(refusal(429, "queue_full", Retry_After="0"), id="full"),
    pytest.param(refusal(503, "starting", Retry_After="0"), id="starting"),
    pytest.param(refusal(408, "body_too_slow"), id="slow-body"),
    pytest.param(refusal(500, "refused"), id="crashed-handler"),
    pytest.param(reply(502, b"<html>Bad gateway</html>"), id="proxy"),
    pytest.param(reply(503, b"Service Unavailable"), id="uvicorn-full"),
])  # fmt: skip
def test_asked_again(step):
    """A fault that passes costs a moment and no reward; each attempt carries the same key, so nothing is judged twice."""
    with Steps(step, step, GOOD) as fake, Client(fake.url, KEY, seed=1) as client:
        assert client.score([PARIS])[0].reward == 1.0
    keys = fake.header("Idempotency-Key")
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert keys[0]


def test_each_question_has_its_own_key():
    """Two equal samples at a temperature above 0 are two judgements."""
    with Steps(GOOD) as fake, Client(fake.url) as client:
        client.score([PARIS])
        client.score([PARIS])
    assert len(set(fake.header("Idempotency-Key"))) == 2


@pytest.mark.parametrize(("step", "error"), [
    pytest.param(refusal(401, "wrong_key"), EngineError, id="key"),
    pytest.param(refusal(404, "no_such_route"), EngineError, id="no-route"),
    pytest.param(reply(404, b"not here"), EngineError, id="other-server"),
    pytest.param(reply(302, b"", Location="http://elsewhere/"), EngineError, id="redirection"),
    pytest.param(refusal(413, "too_many_samples"), InputError, id="too-many"),
    pytest.param(refusal(422, "bad_field", where="samples[0].prompt"), InputError, id="field"),
    pytest.param(refusal(409, "group_incomplete"), NoVerdictError, id="incomplete"),
])  # fmt: skip
def test_asked_once(step, error):
    """What a second try cannot mend is told at once."""
    with Steps(step) as fake, Client(fake.url) as client, pytest.raises(error):
        client.score([PARIS])
    assert len(fake.heads) == 1


@pytest.mark.parametrize("step", [
    pytest.param(refusal(429, "queue_full", Retry_After="0"), id="full"),
    pytest.param(refusal(503, "starting", Retry_After="0"), id="starting"),
    pytest.param(reply(429, b"slow down", Retry_After="0"), id="proxy"),
])  # fmt: skip
def test_being_full_is_no_failure(step):
    """Workers of an overloaded server wait their turn as long as their deadline allows."""
    with Steps(step, step, step, GOOD) as fake, Client(fake.url, retries=0) as client:
        assert client.score([PARIS])[0].reward == 1.0


def test_retry_after_is_waited_for():
    """Not asked before the server wants it."""
    with Steps(refusal(429, "queue_full", Retry_After="1"), GOOD) as fake, Client(fake.url) as client:
        began = time.monotonic()
        client.score([PARIS])
        assert 1.0 <= time.monotonic() - began < 4.0
    assert len(fake.heads) == 2


@pytest.mark.parametrize("header", [
    pytest.param("30", id="seconds"),
    pytest.param(email.utils.formatdate(time.time() + 3600, usegmt=True), id="date"),
])  # fmt: skip
def test_retry_after_past_the_deadline(header):
    """The worker is not held until a deadline that is known to be missed."""
    with (
        Steps(refusal(503, "engine_failed", "the engine is down", Retry_After=header)) as fake,
        Client(fake.url, deadline_s=5) as c,
    ):
        began = time.monotonic()
        with pytest.raises(EngineError, match=r"engine_failed: the engine is down \(the next attempt is due after the deadline"):
            c.score([PARIS])
        assert time.monotonic() - began < 3


def test_one_deadline_for_everything():
    """Attempts do not add up: five that hang are one deadline."""
    with Steps(DROP, HANG) as fake, Client(fake.url, deadline_s=1.5, seed=1) as client:
        began = time.monotonic()
        with pytest.raises(EngineError, match=r"no answer within 1\.5 s \(2 attempts; before that: ServerDisconnectedError"):
            client.score([PARIS])
        assert 1.4 < time.monotonic() - began < 2.9  # two deadlines: 3 s


def test_a_body_that_drips_does_not_outlast_the_deadline():
    """A header in time is no answer in time."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{"
    with Steps(head) as fake, pytest.raises(EngineError, match=r"no answer within 0\.5 s"):
        Client(fake.url, deadline_s=0.5).score([PARIS])


def test_retries_are_spent():
    """The last trouble is told, in the server's words, with what was done."""
    step = refusal(503, "no_reward", "response 0 has no verdict", Retry_After="0")
    says = r"503 no_reward: response 0 has no verdict \(given up after 3 attempts\)"
    with Steps(step) as fake, pytest.raises(NoVerdictError, match=says):
        Client(fake.url, retries=2).score([PARIS])
    assert len(fake.heads) == 3


@pytest.mark.parametrize(("body", "says"), [
    pytest.param(LINE, "cut off after 1 results", id="no-end"),
    pytest.param(LINE[:40], "cut off after 0 results", id="half-a-line"),
    pytest.param(LINE + b'{"type": "done"}\n', "ended after 1 of 2", id="one-missing"),
    pytest.param(LINE + LINE, "twice for one", id="twice"),
    pytest.param(LINE.replace(b'"index": 0', b'"index": 7'), "for no sample", id="unknown"),
    pytest.param(b'{"type": "error", "error": {"code": "draining", "message": "a stop"}}\n', "503 draining: a stop", id="error"),
    pytest.param(b"hello\n", "not JSON", id="garbage"),
])  # fmt: skip
async def test_a_stream_that_is_not_whole(body, says):
    """A loop over a stream never ends early in silence."""
    with Steps(lines(body)) as fake:
        async with AsyncClient(fake.url) as client:
            with pytest.raises(JudgeError, match=says):
                async for _ in client.stream([PARIS, ROME]):
                    pass


async def test_a_stream_is_opened_again():
    """Before the first result nothing has been given out."""
    with Steps(refusal(429, "queue_full", Retry_After="0"), DROP, lines(LINE + b'{"type": "done"}\n')) as fake:
        async with AsyncClient(fake.url, seed=1) as client:
            assert [s.index async for s in client.stream([PARIS])] == [0]
    assert fake.header("Idempotency-Key") == [None] * 3


async def test_a_stream_that_stalls():
    """The deadline holds between two results too."""
    with Steps(b"HTTP/1.1 200 OK\r\n\r\n" + LINE) as fake:
        async with AsyncClient(fake.url, deadline_s=0.5) as client:
            with pytest.raises(EngineError, match=r"no answer within 0\.5 s"):
                async for _ in client.stream([PARIS, ROME]):
                    pass


async def test_an_answer_lost_on_the_way_is_not_judged_again():
    """The connection breaks when the judge is done: the second attempt gets the first one's answer."""
    engine = Scripted()
    with real(engine) as (url, state):
        host, port = url.removeprefix("http://").split(":")
        tries = 0

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal tries
            tries += 1
            there, back = await asyncio.open_connection(host, int(port))
            back.write(await reader.read(1 << 16))
            head = await there.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            body = await there.readexactly(length)
            if tries > 1:
                writer.write(head + body)
                await writer.drain()
            writer.close()
            back.close()

        async with await asyncio.start_server(relay, "127.0.0.1", 0) as server:
            address = server.sockets[0].getsockname()
            async with AsyncClient(f"http://{address[0]}:{address[1]}", KEY, seed=1) as client:
                assert [r.reward for r in await client.score([PARIS])] == [1.0]
        assert tries == 2
        assert b"judge_responses_total 1.0" in state.metrics.text()


@pytest.mark.parametrize(("url", "more", "says"), [
    pytest.param("127.0.0.1:8421", {}, "written like", id="no-scheme"),
    pytest.param("ftp://host", {}, "written like", id="scheme"),
    pytest.param("http://host:port", {}, "cannot be read", id="port"),
    pytest.param("http://h?a=b", {}, "without a query", id="query"),
    pytest.param("http://h", {"api_key": "key\n"}, "line break", id="key-from-a-file"),
    pytest.param("http://h", {"api_key": ""}, "printable", id="empty-key"),
    pytest.param("http://u:k@h", {"api_key": "k"}, "another one", id="two-keys"),
    pytest.param("http://h", {"deadline_s": 0}, "deadline_s", id="no-time"),
    pytest.param("http://h", {"deadline_s": float("nan")}, "deadline_s", id="nan"),
    pytest.param("http://h", {"retries": -1}, "retries", id="retries"),
])  # fmt: skip
def test_a_client_that_cannot_work(url, more, says):
    """Told where it is made, not at the first question of a training run."""
    with pytest.raises(InputError, match=says):
        Client(url, **more)
