"""A client that goes away takes its work with it, on a real uvicorn: engines are not left judging for nobody."""

from __future__ import annotations

import asyncio
import contextlib
import time

import httpx
import pytest

from judge.server.app import make_app
from judge.server.auth import Keys
from judge.settings.server import ServerSettings
from tests.server.harness import AUTH, KEY, ONE, Scripted, judge_of, served, until

SLOW = {"samples": [{"prompt": "q", "response": f"SLOW {i}."} for i in range(4)]}


@pytest.mark.parametrize("stream", [False, True])
async def test_the_engine_is_let_go_within_a_second(stream):
    """A trainer that was killed does not keep the judge busy."""
    engine = Scripted()
    with judge_of(engine) as judge:
        app = make_app(judge, ServerSettings(), keys=Keys((KEY,)))
        with served(app) as url:
            async with httpx.AsyncClient(base_url=url, headers=AUTH) as client:
                with contextlib.suppress(httpx.ReadTimeout):
                    await client.post("/v1/score", json={**SLOW, "stream": stream}, timeout=httpx.Timeout(5.0, read=0.7))
            assert await until(lambda: engine.cancelled == 4, 1.0)
            assert engine.live == 0
            assert await until(lambda: app.state.judge.admission.held == 0)


async def test_a_short_request_after_two_hundred_abandoned_ones():
    """What was abandoned makes nobody wait (vLLM's own test, on a judge)."""
    engine = Scripted()
    with judge_of(engine) as judge:
        app = make_app(judge, ServerSettings(max_concurrency=64, queue_size=256), keys=Keys((KEY,)))
        limits = httpx.Limits(max_connections=None)
        with served(app) as url:
            async with httpx.AsyncClient(base_url=url, headers=AUTH, limits=limits, timeout=30) as client:
                slow = {"samples": SLOW["samples"][:1]}
                abandoned = [asyncio.create_task(client.post("/v1/score", json=slow)) for _ in range(200)]
                assert await until(lambda: app.state.judge.admission.held == 200, 20)
                for task in abandoned:
                    task.cancel()
                await asyncio.gather(*abandoned, return_exceptions=True)
            async with httpx.AsyncClient(base_url=url, headers=AUTH, timeout=30) as client:
                began = time.perf_counter()
                answer = await client.post("/v1/score", json=ONE)
                assert answer.json()["results"][0]["rewards"][0]["reward"] == 1.0
                assert time.perf_counter() - began < 5
            assert await until(lambda: engine.live == 0, 2)


async def test_cancelling_the_await_cancels_the_engine():
    """The same through Python: what the server relies on."""
    from judge.types import Sample

    engine = Scripted()
    with judge_of(engine) as judge:
        task = asyncio.create_task(judge.session.score([Sample.of("q", "SLOW.")], watched=False))
        assert await until(lambda: engine.live == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await until(lambda: engine.cancelled == 1, 1.0)


async def test_all_who_share_a_request_may_leave_at_once():
    """Equal texts are judged once; who waits for another's request must not take it over when both are told to go."""
    engine = Scripted()
    with judge_of(engine) as judge:
        from judge.types import Sample

        tasks = [asyncio.create_task(judge.session.score([Sample.of("q", "SLOW.")], watched=False)) for _ in range(20)]
        assert await until(lambda: engine.live == 1)
        await asyncio.sleep(0.1)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert await until(lambda: engine.live == 0, 1.0)
        await asyncio.sleep(0.1)
        assert len(engine.requests) < 10  # as a rule 1; each is told from another thread, and one not yet told may begin anew


def test_a_judge_closed_in_the_middle_loses_nothing_silently(caplog):
    """Work that was abandoned a moment ago is ended before its loop is: no report of lost tasks at the end of a process."""
    import gc
    import threading

    from judge.types import Sample

    engine = Scripted()
    judge = judge_of(engine)
    ended = []

    def work() -> None:
        try:
            judge.score([Sample.of("q", "SLOW.")])
        except BaseException as why:  # noqa: BLE001  # whatever tells the caller
            ended.append(type(why).__name__)

    caller = threading.Thread(target=work)
    caller.start()
    while not engine.live:
        time.sleep(0.01)
    judge.close()
    caller.join(5)
    gc.collect()
    assert ended == ["CancelledError"]
    assert "destroyed" not in caplog.text
