"""Requests and tokens a minute: no request before its time, none later than it must be."""

from __future__ import annotations

import asyncio
import time

import pytest

from judge.engine.http import HttpEngine
from judge.engine.pace import Pace
from judge.engine.protocol import HELD, Held
from judge.types import Message, Request, Sampling
from tests.fake_endpoint import FakeEndpoint


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("requests", "tokens", "each", "due"),
    [
        pytest.param(120, None, 0, [0, 0, 0.5, 1.0, 1.5], id="two-a-second-after-the-first-two"),
        pytest.param(30, None, 0, [0, 2, 4, 6, 8], id="slower-than-one-a-second"),
        pytest.param(None, 6000, 100, [0, 1, 2, 3, 4], id="tokens"),
        pytest.param(120, 6000, 100, [0, 1, 2, 3, 4], id="the-tighter-of-the-two"),
        pytest.param(None, None, 1e9, [0, 0, 0, 0, 0], id="no-limit"),
    ],
)
def test_requests_are_due_by_the_slower_limit(requests, tokens, each, due):
    """An account's limit is per minute; a burst at its start would only buy a row of 429."""
    pace = Pace(requests, tokens, clock=Clock())
    assert [pytest.approx(pace.reserve(each)) for _ in range(5)] == due


def test_time_that_passes_fills_one_seconds_worth_and_no_more():
    """After a quiet hour the first minute must not send two minutes' worth."""
    clock = Clock()
    pace = Pace(600, clock=clock)
    clock.now += 3600
    assert [pace.reserve(0) for _ in range(12)] == pytest.approx([0.0] * 10 + [0.1, 0.2])


def test_what_a_reply_used_takes_the_place_of_the_guess():
    """A prompt is guessed by its size; 400 tokens more than guessed are 4 seconds at 6,000 a minute."""
    pace = Pace(tokens=6000, clock=Clock())
    assert pace.reserve(100) == 0
    pace.settle(100, 500)
    assert pace.reserve(0) == pytest.approx(4.0)
    pace.settle(100, 0)  # a server that counts nothing: the guess stands
    assert pace.reserve(0) == pytest.approx(4.0)


async def test_an_engine_keeps_to_its_requests_a_minute():
    """20 a second: 2 s worth of requests cannot be through in less than one."""
    async with FakeEndpoint() as endpoint:
        engine = HttpEngine(model="fake", base_url=endpoint.url, requests_per_minute=1200, check_model=False)
        await engine.start()
        began = time.monotonic()
        request = Request((Message("user", "hi"),), Sampling(max_tokens=4))
        held = Held()
        HELD.set(held)
        found = await asyncio.gather(*(engine.complete(request) for _ in range(32)))
        took = time.monotonic() - began
        await engine.close()
    assert {completion.finish_reason for completion in found} == {"stop"}
    assert not held.now
    assert 0.5 <= held.seconds <= took  # so that a deadline of the sample does not count it
    assert took >= 0.55  # 20 at once, then 12 at 20 a second
