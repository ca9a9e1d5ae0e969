"""Equal requests are sent once, and nobody suffers for another's failure."""

from __future__ import annotations

import asyncio

import pytest

from judge import Judge, Sample, ScriptedEngine
from judge.pipeline.flight import Flight
from judge.types import Completion


async def test_equal_completions_of_a_group_are_judged_once():
    """Eight rollouts that are the same text cost one call, and all get its reward."""
    engine = ScriptedEngine(["VERDICT: 4"], repeat_last=True, delay_s=0.01)
    with Judge.from_config({"recipe": "pointwise", "rubric": "helpfulness"}, engine=engine) as judge:
        rewards = await judge.ascore([Sample.of("q", "same", group="g") for _ in range(8)])
    assert [r.reward for r in rewards] == [0.75] * 8
    assert len(engine.requests) == 1
    assert sum(r.judge_calls for r in rewards) == 1


async def test_a_cancelled_leader_does_not_cancel_its_followers():
    """One caller gives up; the other asks for itself."""
    flight, asked = Flight(4), 0

    async def ask() -> Completion:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.02)
        return Completion("ok")

    leader = asyncio.create_task(flight.get("k", ask))
    await asyncio.sleep(0)
    follower = asyncio.create_task(flight.get("k", ask))
    await asyncio.sleep(0)
    leader.cancel()
    completion, shared = await follower
    assert (completion.text, shared, asked) == ("ok", False, 2)


async def test_an_error_reaches_all_and_is_not_remembered():
    """A dead engine is told to everybody who waits, and the next one asks anew."""
    flight, replies = Flight(4), [ValueError("dead"), Completion("ok")]

    async def ask() -> Completion:
        await asyncio.sleep(0)
        reply = replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply

    both = await asyncio.gather(flight.get("k", ask), flight.get("k", ask), return_exceptions=True)
    assert [str(e) for e in both] == ["dead", "dead"]
    assert (await flight.get("k", ask, remember=True))[0].text == "ok"
    assert (await flight.get("k", ask, remember=True)) == (Completion("ok"), True)


@pytest.mark.parametrize("finish", ["length", "error"])
async def test_a_broken_reply_is_not_remembered(finish):
    """A turn that was cut off is asked again for the next completion of the prompt."""
    flight, asked = Flight(4), 0

    async def ask() -> Completion:
        nonlocal asked
        asked += 1
        return Completion("half", finish)

    for _ in range(2):
        await flight.get("k", ask, remember=True)
    assert asked == 2
