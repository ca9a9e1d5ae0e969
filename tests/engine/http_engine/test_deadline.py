"""Retries, within one deadline."""

import asyncio
import time

import pytest

from judge.engine.sender import TRIP_AFTER
from judge.errors import EngineDown
from judge.retry import RetryPolicy
from judge.types import Completion
from tests.engine.http_engine.asking import ask, started
from tests.fake_endpoint import Canned, FakeEndpoint


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504])
async def test_passing_fault_is_tried_again(status):
    """A busy server costs a moment, not a row."""
    async with FakeEndpoint({"fake": [Canned(status=status), Canned(cut=True), Canned("fine")]}) as server:
        engine = await started(server)
        done = await engine.complete(ask())
        await engine.close()
    assert (done.text, done.finish_reason, server.requests) == ("fine", "stop", 3)


@pytest.mark.parametrize("status", [400, 413, 418, 422])
async def test_lasting_fault_is_asked_once(status):
    """A request the server will never take must not be paid for five times."""
    async with FakeEndpoint({"fake": [Canned(status=status)]}) as server:
        engine = await started(server)
        await engine.complete(ask())
        await engine.close()
    assert server.requests == 1


@pytest.mark.parametrize(
    ("asked", "least_s", "most_s"),
    [
        pytest.param("0.3", 0.3, 0.6, id="honoured"),
        pytest.param("100", 0.5, 0.8, id="capped"),
        pytest.param("soon", 0, 0.2, id="nonsense"),
    ],
)
async def test_retry_after(asked, least_s, most_s):
    """We come back when the server says, and not an hour later."""
    policy = RetryPolicy(base_s=0.01, retry_after_cap_s=0.5)
    async with FakeEndpoint({"fake": [Canned(status=429, headers={"Retry-After": asked}), Canned()]}) as server:
        engine = await started(server, policy=policy)
        done = await engine.complete(ask())
        await engine.close()
    assert done.finish_reason == "stop"
    assert least_s <= done.latency_s < most_s


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        pytest.param(Canned(delay_s=30), "no reply within 0.5 s (1 attempt)", id="silent-server"),
        pytest.param(Canned(status=503, delay_s=0.2), "HTTP 503", id="slow-failures"),
        pytest.param(Canned(status=429, headers={"Retry-After": "30"}), "after the deadline of 0.5 s", id="told-to-wait"),
    ],
)
async def test_one_total_deadline(reply, says):
    """A training step waits for the deadline once, not once an attempt (robustness row S4: overrun at most 0.5 s)."""
    async with FakeEndpoint({"fake": [reply]}) as server:
        engine = await started(server, deadline_s=0.5, policy=RetryPolicy(max_retries=50, base_s=0.05))
        begun = time.monotonic()
        done = await engine.complete(ask())
        took = time.monotonic() - begun
        await engine.close()
    assert done.finish_reason == "timeout"
    assert says in done.error
    assert took < 2.0  # an attempt each: 25 s


async def test_waiting_for_a_slot_is_outside_the_deadline():
    """Ten thousand requests queued behind a slow healthy server are not ten thousand time-outs."""
    async with FakeEndpoint({"fake": [Canned(delay_s=0.1)]}) as server:
        engine = await started(server, concurrency=2, deadline_s=0.35)
        done = await asyncio.gather(*(engine.complete(ask()) for _ in range(10)))
        await engine.close()
    assert {completion.finish_reason for completion in done} == {"stop"}


async def test_outage_does_not_multiply_the_load():
    """When every reply is an error, retries add at most a tenth (row S5), and the run stops instead of failing every row."""
    async with FakeEndpoint({"fake": [Canned(status=503, error="out of service")]}) as server:
        engine = await started(server, concurrency=64, deadline_s=0.4, patience_s=0.6, policy=RetryPolicy(base_s=0.1))
        done = await asyncio.gather(*(engine.complete(ask()) for _ in range(1000)), return_exceptions=True)
        await engine.close()
    assert not [completion for completion in done if isinstance(completion, Completion) and completion.finish_reason == "stop"]
    assert server.requests <= 1100
    assert isinstance(done[-1], EngineDown)
    assert "answers nothing but errors for 0.6 s: HTTP 503: out of service" in str(done[-1])


async def test_recovers_after_an_outage():
    """A server that restarts in the middle of a run costs no row."""
    replies = [Canned(status=503)] * (TRIP_AFTER + 4) + [Canned("fine")]
    async with FakeEndpoint({"fake": replies}) as server:
        engine = await started(server, concurrency=32, policy=RetryPolicy(max_retries=10, base_s=0.05))
        done = await asyncio.gather(*(engine.complete(ask()) for _ in range(100)))
        await engine.close()
    assert {completion.text for completion in done} == {"fine"}
