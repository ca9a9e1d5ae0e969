"""OpenAiSdkEngine: the same contract over the `openai` package. What differs is only what carries the bytes."""

import asyncio
import gc
import re
import time

import pytest

from judge.engine.http import HttpEngine
from judge.engine.openai_sdk import OPENAI_URL, OpenAiSdkEngine
from judge.engine.protocol import Engine
from judge.errors import EngineError
from judge.retry import RetryPolicy
from judge.types import Message, Request, Sampling
from tests.fake_endpoint import ODD_REPLIES, Canned, FakeEndpoint

KEY = "sk-very-secret-key-0123456789"
FAST = RetryPolicy(max_retries=2, base_s=0.01)
REQUEST = Request((Message("user", "Is it right?"),), Sampling(stop=("END",), top_logprobs=2))


async def started(*servers, kind=OpenAiSdkEngine, policy=FAST, **settings):
    engine = kind(model="fake", base_url=[server.url for server in servers], policy=policy, **settings)
    await engine.start()
    return engine


@pytest.mark.parametrize(("reply", "finish", "text", "says"), [pytest.param(*row, id=name) for name, *row in ODD_REPLIES])
async def test_what_each_reply_becomes(reply, finish, text, says):
    """A user who changes the transport must not get other rewards: the table is the one of `HttpEngine`."""
    async with FakeEndpoint({"fake": [reply]}) as server:
        engine = await started(server)
        done = await engine.complete(REQUEST)
        await engine.close()
    assert (done.finish_reason, done.text) == (finish, text)
    assert re.search(says, done.error + done.refusal)


@pytest.mark.parametrize("owned_by", ["vllm", "openai"])
async def test_both_transports_send_the_same(owned_by):
    """The same request is the same bytes, so its journal entry serves both."""
    async with FakeEndpoint(owned_by=owned_by) as server:
        ours, theirs = await started(server, kind=HttpEngine), await started(server)
        await ours.complete(REQUEST)
        await theirs.complete(REQUEST)
        await ours.close()
        await theirs.close()
    assert server.bodies[0] == server.bodies[1]
    assert (ours.identity, ours.capabilities) == (theirs.identity, theirs.capabilities)


async def test_retries_are_ours():
    """The package's own retries are off: three attempts are three requests."""
    async with FakeEndpoint(
        {"fake": [Canned(status=429, headers={"Retry-After": "0.2"}), Canned(cut=True), Canned("fine")]}
    ) as server:
        engine = await started(server)
        done = await engine.complete(REQUEST)
        await engine.close()
    assert (done.text, server.requests) == ("fine", 3)
    assert 0.2 <= done.latency_s < 1.0


async def test_one_total_deadline():
    """The deadline holds here too."""
    async with FakeEndpoint({"fake": [Canned(delay_s=30)]}) as server:
        engine = await started(server, deadline_s=0.4)
        begun = time.monotonic()
        done = await engine.complete(REQUEST)
        took = time.monotonic() - begun
        await engine.close()
    assert (done.finish_reason, took < 2) == ("timeout", True)


async def test_wrong_key(caplog):
    """The message names where the key came from, and never the key."""
    caplog.set_level("DEBUG")
    async with FakeEndpoint(key="another") as server:
        with pytest.raises(EngineError, match="refused the key from `api_key`") as caught:
            await started(server, api_key=KEY)
    assert KEY not in str(caught.value) + caplog.text


async def test_nothing_listens():
    """An address with no server is said plainly, and one of two is survived."""
    async with FakeEndpoint() as dead:
        pass
    with pytest.raises(EngineError, match="is the server running"):
        await started(dead)
    async with FakeEndpoint() as alive:
        engine = await started(dead, alive)
        assert (await engine.complete(REQUEST)).finish_reason == "stop"
        await engine.close()


async def test_connections_equal_concurrency():
    """The package's own limit of 100 kept connections would open new ones all the time."""
    async with FakeEndpoint({"fake": [Canned(delay_s=0.05)]}) as server:
        engine = await started(server, concurrency=120)
        await asyncio.gather(*(engine.complete(REQUEST) for _ in range(360)))
        await engine.close()
    assert (server.connections, server.peak_in_flight) == (120, 120)


async def test_second_event_loop():
    """A trainer that calls `asyncio.run` each step gets a working engine each time."""

    async def step(engine):
        await engine.start()
        return (await engine.complete(REQUEST)).text

    async with FakeEndpoint() as server:
        engine = OpenAiSdkEngine(model="fake", base_url=server.url)
        assert [await asyncio.to_thread(asyncio.run, step(engine)) for _ in range(3)] == ["VERDICT: 4"] * 3
        gc.collect()


async def test_cancellation_closes_the_request():
    """A cancelled judgement stops costing the server."""
    async with FakeEndpoint({"fake": [Canned(delay_s=30)]}) as server:
        engine = await started(server)
        task = asyncio.create_task(engine.complete(REQUEST))
        while not server.in_flight:
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])
        begun = time.monotonic()
        while not server.abandoned and time.monotonic() - begun < 1.0:
            await asyncio.sleep(0.01)
        await engine.close()
    assert (task.cancelled(), server.abandoned) == (True, 1)


def test_is_an_engine_for_the_hosted_api():
    """Without an address it is the hosted API."""
    engine: Engine = OpenAiSdkEngine(model="gpt-5-mini")
    assert isinstance(engine, Engine)
    assert OPENAI_URL.startswith("https://")
