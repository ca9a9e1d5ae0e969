"""Connections, event loops, cancellation."""

import asyncio
import gc
import time
import warnings

import pytest

from tests.engine.http_engine.asking import ask, engine_for, started
from tests.fake_endpoint import Canned, FakeEndpoint


@pytest.mark.parametrize("concurrency", [8, 64])
async def test_connections_equal_concurrency(concurrency):
    """One connection a request in flight, opened once: a thousand handshakes cost more than a thousand judgements."""
    async with FakeEndpoint({"fake": [Canned(delay_s=0.02)]}) as server:
        engine = await started(server, concurrency=concurrency)
        await asyncio.gather(*(engine.complete(ask()) for _ in range(4 * concurrency)))
        await engine.close()
    assert server.connections == concurrency
    assert server.peak_in_flight == concurrency


async def test_second_event_loop():
    """Trainers that call `asyncio.run` each step get a working engine each time, and no connection is left open."""

    async def step(engine):
        await engine.start()
        return (await engine.complete(ask())).text

    async with FakeEndpoint() as server:
        engine = engine_for(server)
        texts = [await asyncio.to_thread(asyncio.run, step(engine)) for _ in range(3)]
        texts.append(await step(engine))
        await engine.close()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            del engine
            gc.collect()
    assert texts == ["VERDICT: 4"] * 4


async def test_engine_never_closed_leaves_no_warning():
    """A notebook that forgets `close` sees no "Unclosed client session"."""

    async def forgetful(url):
        engine = engine_for(url)
        await engine.start()
        await engine.complete(ask())

    async with FakeEndpoint() as server:
        await asyncio.to_thread(asyncio.run, forgetful(server.url))
        gc.collect()


async def test_cancellation_closes_the_request():
    """A cancelled judgement stops costing the server within a second (row S3)."""
    async with FakeEndpoint({"fake": [Canned(delay_s=30)]}) as server:
        engine = await started(server)
        task = asyncio.create_task(engine.complete(ask()))
        while not server.in_flight:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        begun = time.monotonic()
        while not server.abandoned and time.monotonic() - begun < 1.0:
            await asyncio.sleep(0.01)
        await engine.close()
    assert (server.abandoned, server.in_flight) == (1, 0)
