"""Alive and ready are two things: a judge that is down, wedged, stopped or still loading is not ready, and comes back."""

from __future__ import annotations

import asyncio
import threading
import time

import httpx
import pytest

from judge.client.trouble import refused
from judge.engine.scripted import ScriptedEngine
from judge.errors import BudgetSpent, EngineDown, EngineError
from judge.server import health, monitor_buffer
from judge.server.app import make_app
from judge.server.auth import Keys
from judge.settings.server import ServerSettings
from tests.server.harness import AUTH, KEY, ONE, Scripted, client_of, judge_of, until


async def status(client) -> str:
    return (await client.get("/readyz")).json()["status"]


async def becomes(client, wanted: str, seconds: float = 10.0) -> bool:
    for _ in range(int(seconds / 0.05)):
        if await status(client) == wanted:
            return True
        await asyncio.sleep(0.05)
    return False


class Late(Scripted):
    """Loads slowly, or not at all."""

    def __init__(self, load_s: float = 0.0, failures: int = 0) -> None:
        super().__init__()
        self.load_s, self.failures = load_s, failures

    async def start(self) -> None:
        await asyncio.sleep(self.load_s)
        if self.failures:
            self.failures -= 1
            raise EngineError("no such model")


async def test_not_ready_while_the_engine_loads_and_requests_wait():
    """A trainer that comes early waits for its reward instead of failing."""
    with judge_of(Late(0.5)) as judge:
        app = make_app(judge, ServerSettings(), keys=Keys((KEY,)))
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=AUTH) as client:
                assert await status(client) == "starting"
                assert (await client.get("/livez")).status_code == 200
                assert (await client.post("/v1/score", json=ONE)).status_code == 200
                assert await status(client) == "ready"


async def test_an_engine_that_does_not_load_in_time_is_503():
    """Not a reward of any kind: the client is told to come back."""
    with judge_of(Late(30)) as judge:
        app = make_app(judge, ServerSettings(item_timeout_s=0.2), keys=Keys((KEY,)))
        judge.close = lambda: None  # the load never ends  # type: ignore[method-assign]
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=AUTH) as client:
                answer = await client.post("/v1/score", json=ONE)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "starting")


async def test_a_start_that_fails_is_tried_again():
    """The model server may come up later than this one."""
    async with client_of(Late(failures=1)) as client:
        assert await status(client) == "ready"


async def test_a_start_that_fails_is_reported():
    """`judge serve` ends with the reason instead of trying for ever."""
    told = []
    with judge_of(Late(failures=99)) as judge:
        app = make_app(judge, ServerSettings(), keys=Keys(), on_failure=told.append)
        async with app.router.lifespan_context(app):
            assert await until(lambda: bool(told))
    assert "no such model" in str(told[0])


async def test_a_judge_that_only_fails_is_not_ready_and_comes_back():
    """Traffic finds it out; a probe of the server's own finds the recovery within seconds."""
    engine = Scripted()
    async with client_of(engine) as client:
        assert await status(client) == "ready"
        engine.broken = True
        for i in range(3):
            await client.post("/v1/score", json={"samples": [{"prompt": f"q{i}", "response": "It is Paris."}]})
        assert await status(client) == "failing"
        engine.broken = False
        assert await becomes(client, "ready", 6)


async def test_a_wedged_engine_is_found():
    """It takes requests and gives nothing back: alive, and not ready, until it answers again."""
    engine = Scripted()
    async with client_of(engine, ServerSettings(stall_s=0.5, item_timeout_s=60)) as client:
        engine.delay_s = 2.0
        waiting = asyncio.create_task(client.post("/v1/score", json={"samples": [{"prompt": "q", "response": "It is Paris."}]}))
        assert await becomes(client, "wedged", 3)
        assert (await client.get("/livez")).status_code == 200
        assert (await waiting).status_code == 200
        assert await status(client) == "ready"


async def test_a_blocked_loop_is_found(monkeypatch):
    """A judge whose own loop hangs takes no request at all; the server still answers."""
    monkeypatch.setattr(health, "DEAD_BEAT_S", 0.6)
    release = threading.Event()

    class Blocking(Scripted):
        async def _answer(self, request):
            if "BLOCK" in request.messages[-1].content:
                await asyncio.sleep(0)
                release.wait(20)
            return "Reasoned.\nVERDICT: 5"

    async with client_of(Blocking()) as client:
        body = {"samples": [{"prompt": "q", "response": "BLOCK the loop of the judge."}]}
        waiting = asyncio.create_task(client.post("/v1/score", json=body))
        assert await becomes(client, "wedged", 5)
        release.set()
        assert (await waiting).status_code == 200
        assert await becomes(client, "ready", 5)


async def test_an_engine_error_is_503_for_every_sample():
    """The engine as a whole is gone: nothing was judged, and the client may ask again."""

    class Gone(ScriptedEngine):
        def __init__(self) -> None:
            super().__init__(lambda request: "VERDICT: 5")
            self.gone = False

        async def complete(self, request):
            if self.gone:
                raise EngineError("the engine died: http://secret-host:8000 refused")
            return await super().complete(request)

    engine = Gone()
    async with client_of(engine) as client:
        engine.gone = True
        answer = await client.post("/v1/score", json={"samples": ONE["samples"] * 3})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "engine_failed")
    assert "secret-host" not in answer.text
    assert "retry-after" in answer.headers


async def test_an_engine_that_is_down_is_503_at_once_and_not_ready():
    """A load balancer sends the trainer elsewhere, nobody waits for a time-out, and the server comes back by itself."""
    asked = []

    class Down(ScriptedEngine):
        def __init__(self) -> None:
            super().__init__(lambda request: "VERDICT: 5")
            self.down = False

        async def complete(self, request):
            asked.append(request)
            if self.down:
                raise EngineDown("the judge's engine at http://secret-host:8000 cannot be reached")
            return await super().complete(request)

    engine = Down()
    async with client_of(engine) as client:
        engine.down = True
        first = await client.post("/v1/score", json=ONE)
        assert (first.status_code, first.json()["error"]["code"]) == (503, "engine_down")
        assert "secret-host" not in first.text
        assert "retry-after" in first.headers
        assert await status(client) == "engine_down"
        count = len(asked)
        second = await client.post("/v1/score", json=ONE)
        assert second.json()["error"]["code"] == "engine_down"
        assert len(asked) == count  # refused without a call
        engine.down = False
        assert await becomes(client, "ready", 10)
        assert (await client.post("/v1/score", json=ONE)).status_code == 200


async def test_a_first_reply_that_is_an_error_is_no_start():
    """An endpoint that still loads its model answers with errors: the server is not ready by them."""
    engine = Scripted()
    engine.broken = True
    with judge_of(engine) as judge:
        app = make_app(judge, ServerSettings(), keys=Keys())
        async with app.router.lifespan_context(app):
            assert await until(lambda: len(engine.requests) > 0)
            await asyncio.sleep(0.1)
            assert app.state.judge.health.status == "starting"
            engine.broken = False
            assert await until(lambda: app.state.judge.health.status == "ready", 10)


async def test_waiting_in_the_queue_is_no_failure_of_the_judge():
    """Too much work is not a dead judge: samples that never reached it say nothing about it."""
    settings = ServerSettings(max_concurrency=1, queue_size=8, max_samples=8, item_timeout_s=0.4)
    async with client_of(Scripted(), settings) as client:
        samples = [{"prompt": "q", "response": "SLOW."}, *({"prompt": f"q{i}", "response": "Late."} for i in range(5))]
        answer = (await client.post("/v1/score", json={"samples": samples})).json()
        assert answer["no_reward"] == 6
        assert await status(client) == "ready"


async def test_canaries_in_progress_do_not_keep_the_process_alive(monkeypatch):
    """A server that is told to stop stops, whatever the monitor was about to ask."""
    monkeypatch.setattr(monitor_buffer, "BATCH", 4)
    engine = Scripted()
    async with client_of(engine, config=MONITORED) as client:
        engine.delay_s = 0.01
        samples = [{"prompt": f"q{i}", "response": f"It is Paris {i}."} for i in range(4)]
        await client.post("/v1/score", json={"samples": samples})
        engine.delay_s = 30.0
        await client.post(
            "/v1/rank", json={"prompt": "q", "responses": [" ", "."]}
        )  # filtered: no call, and the next batch is begun
        began = time.monotonic()
    assert time.monotonic() - began < 5


MONITORED = {
    "monitor": {
        "canaries": {"per_batch": 4, "kinds": ["null"], "past_filters": 0.5},
        "alarms": {"no_verdict_share": {"action": "off"}},
    }
}


async def test_the_monitor_sees_batches_of_many_requests_with_canaries():
    """One response says nothing; 256 in a row do, and probes are judged beside them."""
    engine = Scripted()
    async with client_of(engine, config=MONITORED) as client:
        samples = [{"prompt": f"Question {i}?", "response": f"It is Paris, version {i}."} for i in range(128)]
        for part in (samples, [{**s, "prompt": s["prompt"] + "!"} for s in samples]):
            assert (await client.post("/v1/score", json={"samples": part})).status_code == 200
        monitor = client.app.state.judge.buffer.watch.monitor
        assert await until(lambda: monitor.as_dict()["batches"] == 1, 10)
        state = monitor.as_dict()
        assert state["responses"] == 256
        assert sum(c["asked"] for c in state["canaries"]) == 4
        assert b"judge_monitor_responses_total 256.0" in (await client.get("/metrics")).content


async def test_the_monitors_stop_is_503_with_its_reason(monkeypatch):
    """Training on rewards that a constant string wins must end, and the trainer must learn why."""
    monkeypatch.setattr(monitor_buffer, "BATCH", 32)
    alarms = {"duplicates_in_group": {"limit": 0.4, "clear": 0.3, "patience": 1, "action": "stop"}}
    config = {"monitor": {"alarms": alarms, "least_responses": 16, "baseline_batches": 1}}
    async with client_of(config=config) as client:
        fresh = [{"prompt": f"q{i}", "response": f"It is Paris {i}.", "group": f"{i // 4}"} for i in range(32)]
        collapsed = [{"prompt": f"q{i}", "response": "It is Paris.", "group": f"{i // 4}"} for i in range(32)]
        for samples in (fresh, *[collapsed] * 12):
            await client.post("/v1/score", json={"samples": samples})
            await asyncio.sleep(0.05)
        stopped = client.app.state.judge.health
        assert await until(lambda: bool(stopped.stopped), 10)
        answer = await client.post("/v1/score", json=ONE)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "monitor_stop")
        assert "duplicates_in_group" in answer.json()["error"]["message"]
        assert await status(client) == "stopped"
        assert (await client.get("/readyz")).status_code == 503


async def test_metrics_count_what_happened():
    """A graph of refusals and of missing rewards by reason is what an alert is made of."""
    async with client_of() as client:
        await client.post("/v1/score", json={"samples": [*ONE["samples"], {"prompt": "q", "response": "GARBAGE."}]})
        await client.post("/v1/score", json={"smples": []})
        text = (await client.get("/metrics")).text
    for line in (
        'judge_http_requests_total{route="/v1/score",status="200"} 1.0',
        'judge_http_requests_total{route="/v1/score",status="422"} 1.0',
        'judge_http_refused_total{code="bad_field"} 1.0',
        "judge_responses_total 2.0",
        'judge_responses_without_reward_total{reason="missing"} 1.0',
        'judge_status{status="ready"} 1.0',
        "judge_samples_running 0.0",
    ):
        assert line in text, line


async def test_an_error_nobody_foresaw_is_a_plain_500():
    """No trace of the inside in the answer; the log says where."""
    async with client_of() as client:

        async def broken(samples):
            raise ZeroDivisionError("the secret inside")

        object.__setattr__(client.app.state.judge.service, "score", broken)
        answer = await client.post("/v1/score", json=ONE)
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
    assert "secret" not in answer.text


@pytest.mark.parametrize(("idle", "asked"), [(0.0, 1), (0.3, 2)])
async def test_an_idle_judge_is_tried_only_when_asked_to(idle, asked):
    """A probe costs tokens; who wants to know at any time sets its interval."""
    engine = Scripted()
    async with client_of(engine, ServerSettings(probe_s=idle)):
        began = time.monotonic()
        await until(lambda: len(engine.requests) > 1, 1.5)
        assert time.monotonic() - began < 3
    assert min(len(engine.requests), 2) == asked


def numbered(k):
    return {"samples": [sample | {"prompt": f"Question {k}?"} for sample in ONE["samples"]]}


async def test_a_server_whose_budget_is_spent_says_so_and_is_not_asked_again():
    """The trainer must stop with the reason, and not wait for an engine that is well."""
    async with client_of(ScriptedEngine(lambda request: "VERDICT: 5"), config={"budget": {"tokens": 1000}}) as client:
        answers = [await client.post("/v1/score", json=numbered(k)) for k in range(20)]
        assert answers[0].status_code == 200  # before the sum is reached
        spent = answers[-1]
        assert (spent.status_code, spent.json()["error"]["code"]) == (503, "budget_spent")
        assert "retry-after" not in spent.headers
        trouble = refused(503, spent.content, None)
        assert not trouble.again
        assert isinstance(trouble.error("http://judge"), BudgetSpent)
