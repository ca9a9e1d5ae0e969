"""Admission: how many at once, how many may wait, and what the rest are told."""

from __future__ import annotations

import asyncio

import pytest

from judge.server.admission import Admission
from judge.server.errors import APIError
from judge.settings.server import ServerSettings
from tests.server.harness import ONE, Scripted, client_of, until


async def test_no_more_at_once_than_said():
    """The engine sees what it was sized for, whatever comes in."""
    engine = Scripted(delay_s=0.02)
    async with client_of(engine, ServerSettings(max_concurrency=3, queue_size=64, max_samples=20)) as client:
        await client.post("/v1/score", json={"samples": [_sample(i) for i in range(20)]})
    assert engine.peak == 3


async def test_the_excess_is_told_when_to_come_back():
    """Four times as much as fits: what fits is judged, the rest gets 429 with seconds, and nothing is lost."""
    engine = Scripted(delay_s=0.1)
    async with client_of(engine, ServerSettings(max_concurrency=4, queue_size=4, max_samples=8)) as client:
        answers = await asyncio.gather(*(client.post("/v1/score", json={"samples": [_sample(i)]}) for i in range(32)))
    codes = [a.status_code for a in answers]
    assert codes.count(200) == 8
    assert codes.count(429) == 24
    refused = next(a for a in answers if a.status_code == 429)
    assert refused.json()["error"]["code"] == "queue_full"
    assert 1 <= int(refused.headers["retry-after"]) <= 60


async def test_room_is_given_back_after_failures():
    """Refused, failed and abandoned requests leave no place taken."""
    async with client_of(Scripted(), ServerSettings(item_timeout_s=0.2)) as client:
        for text in ("GARBAGE.", "SLOW.", "It is Paris."):
            await client.post("/v1/score", json={"samples": [{"prompt": "q", "response": text}]})
        admission = client.app.state.judge.admission
        assert await until(lambda: (admission.held, admission.running) == (0, 0))


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_retry_after_follows_the_measured_rate():
    """At 2 samples a second, room for 10 more is 5 seconds away; idle time does not count as slowness."""
    clock = Clock()
    admission = Admission(2, 2, clock)
    clock.now += 1000
    for _ in range(10):
        async with admission.slot():
            clock.now += 0.5
    assert admission.rate == pytest.approx(2.0, rel=0.01)
    clock.now += 300
    assert admission.retry_s(10) == pytest.approx(5.0, rel=0.01)


async def test_first_come_first_served_and_groups_whole():
    """A group waits for all its places at once, and small work does not overtake it for ever."""
    admission, order = Admission(4, 100), []

    async def work(name: str, samples: int) -> None:
        async with admission.slot(samples):
            order.append(name)
            await asyncio.sleep(0.01)

    first = asyncio.create_task(work("one", 1))
    await asyncio.sleep(0)
    rest = [asyncio.create_task(work(name, size)) for name, size in (("group", 4), ("two", 1), ("larger-than-all", 9))]
    await asyncio.gather(first, *rest)
    assert order == ["one", "group", "two", "larger-than-all"]
    assert admission.running == 0


async def test_a_waiter_that_leaves_blocks_nobody():
    """Clients that give up while they wait do not hold up those behind them."""
    admission = Admission(1, 100)
    async with admission.slot():
        waiting = [asyncio.create_task(_take(admission)) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.sleep(0)
    assert await asyncio.gather(*waiting[1:]) == [True, True]
    assert admission.running == 0


async def test_a_place_given_to_one_who_leaves_in_that_moment_is_passed_on():
    """The place and the cancellation may come together; no place is lost by it."""
    admission = Admission(1, 100)
    holder = admission.slot()
    await holder.__aenter__()
    waiter = asyncio.create_task(_take(admission))
    await asyncio.sleep(0)
    await holder.__aexit__(None, None, None)  # gives the place to the waiter, which has not run yet
    waiter.cancel()
    await asyncio.gather(waiter, return_exceptions=True)
    assert admission.running == 0
    assert await asyncio.wait_for(_take(admission), 1)


async def test_many_that_leave_in_the_same_moment():
    """A deadline ends all waiting samples of a request together; none of them may fall over another's leaving."""
    admission = Admission(1, 100)
    holder = admission.slot()
    await holder.__aenter__()
    waiting = [asyncio.create_task(_take(admission)) for _ in range(10)]
    await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    left = await asyncio.gather(*waiting, return_exceptions=True)
    await holder.__aexit__(None, None, None)
    assert all(isinstance(why, asyncio.CancelledError) for why in left)
    assert admission.running == 0
    assert await asyncio.wait_for(_take(admission), 1)


async def _take(admission: Admission) -> bool:
    async with admission.slot():
        return True


def test_a_patient_request_is_let_in_over_the_limit():
    """A group whose members have waited for each other is not sent away at the end."""
    admission = Admission(1, 0)
    with admission.enter(1), admission.enter(8, patient=True):
        assert admission.held == 9
        with pytest.raises(APIError), admission.enter(1):
            pass
    assert admission.held == 0


def _sample(number: int) -> dict[str, str]:
    return {**ONE["samples"][0], "prompt": f"Question {number}?"}
