"""Several endpoints share the load and survive each other."""

import asyncio

from judge.retry import RetryPolicy
from tests.engine.http_engine.asking import ask, free_url, started
from tests.fake_endpoint import Canned, FakeEndpoint


async def test_endpoints_share_the_load():
    """Two servers do the work of two."""
    async with FakeEndpoint({"fake": [Canned(delay_s=0.02)]}) as one, FakeEndpoint({"fake": [Canned(delay_s=0.02)]}) as two:
        engine = await started(one, two, concurrency=16)
        await asyncio.gather(*(engine.complete(ask()) for _ in range(200)))
        await engine.close()
    assert one.requests + two.requests == 200
    assert abs(one.requests - two.requests) <= 20
    assert max(one.peak_in_flight, two.peak_in_flight) <= 9


async def test_least_busy_endpoint_gets_the_request():
    """A slow server does not hold up the run while a fast one idles."""
    async with FakeEndpoint({"fake": [Canned(delay_s=0.3)]}) as slow, FakeEndpoint({"fake": [Canned(delay_s=0.01)]}) as fast:
        engine = await started(slow, fast, concurrency=8)
        await asyncio.gather(*(engine.complete(ask()) for _ in range(60)))
        await engine.close()
    assert fast.requests > 3 * slow.requests


async def test_dead_endpoint_is_survived(caplog):
    """One server down at the start: the others do its work, and the log says so."""
    async with FakeEndpoint() as alive:
        engine = await started(free_url(), alive)
        done = await asyncio.gather(*(engine.complete(ask()) for _ in range(50)))
        await engine.close()
    assert {completion.finish_reason for completion in done} == {"stop"}
    assert "cannot reach" in caplog.text


async def test_endpoint_that_dies_and_comes_back():
    """A server that is restarted is used again, without a restart of the run."""
    dying, alive = FakeEndpoint(), FakeEndpoint()
    policy = RetryPolicy(base_s=0.05)
    async with alive:
        async with dying:
            engine = await started(dying, alive, policy=policy)
            await asyncio.gather(*(engine.complete(ask()) for _ in range(20)))
        during = await asyncio.gather(*(engine.complete(ask()) for _ in range(20)))
        before = dying.requests
        async with dying:
            await asyncio.sleep(0.1)
            after = await asyncio.gather(*(engine.complete(ask()) for _ in range(20)))
            await asyncio.sleep(0.1)
            after += await asyncio.gather(*(engine.complete(ask()) for _ in range(20)))
            await engine.close()
    assert {completion.finish_reason for completion in during + after} == {"stop"}
    assert dying.requests > before
