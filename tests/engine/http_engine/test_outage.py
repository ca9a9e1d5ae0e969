"""An engine that is down stops the work and fails no row; a request's own fault never looks like one."""

import asyncio
import json
import time
from pathlib import Path

import pytest

from judge.engine.protocol import outage_of
from judge.engine.sender import TRIP_AFTER
from judge.errors import EngineDown, EngineError, SettingsError
from judge.retry import RetryPolicy
from judge.types import Capability
from tests.engine.http_engine.asking import ask, engine_for, started
from tests.fake_endpoint import Canned, FakeEndpoint

CASES = json.loads((Path(__file__).parent / "too_long_replies.json").read_text())


@pytest.mark.parametrize(("status", "body"), [pytest.param(*case, id=name) for name, case in CASES.items()])
async def test_long_prompts_do_not_stop_short_ones(status, body):
    """Twenty prompts that do not fit, then twenty that do: the server is well, and the twenty get their verdicts in seconds."""

    def answer(sent):
        too_long = len(sent["messages"][0]["content"]) > 100
        return Canned(status=status, body=json.dumps(body).encode()) if too_long else Canned("VERDICT: 4")

    async with FakeEndpoint({"fake": answer}) as server:
        engine = await started(server, policy=RetryPolicy())
        begun = time.monotonic()
        long = await asyncio.gather(*(engine.complete(ask("x" * 1000)) for _ in range(20)))
        short = await asyncio.gather(*(engine.complete(ask("x")) for _ in range(20)))
        took = time.monotonic() - begun
        assert outage_of(engine) is None
        await engine.close()
    assert {done.finish_reason for done in long} == {"over_length"}
    assert [done.text for done in short] == ["VERDICT: 4"] * 20
    assert server.requests == 40  # asking again cannot make a prompt shorter
    assert took < 3.0


async def test_a_500_in_unknown_words_stops_only_its_own_requests():
    """A server may fail on some prompts in words nobody knows yet: the others still get through, within seconds."""

    def answer(sent):
        return Canned(status=500, error="oops") if len(sent["messages"][0]["content"]) > 100 else Canned("VERDICT: 4")

    async with FakeEndpoint({"fake": answer}) as server:
        engine = await started(server, policy=RetryPolicy(base_s=0.05))
        both = [ask("x" * 1000) for _ in range(20)] + [ask("x") for _ in range(20)]
        done = await asyncio.gather(*map(engine.complete, both))
        await engine.close()
    assert [completion.finish_reason for completion in done] == ["error"] * 20 + ["stop"] * 20


async def test_a_killed_server_is_reported_at_once_and_waited_for(caplog):
    """Who watches the log sees the address and the cause within a second, and a restart costs no row."""
    server = FakeEndpoint()
    async with server:
        engine = await started(server, policy=RetryPolicy(base_s=0.05))
        await engine.complete(ask())
    waiting = [asyncio.create_task(engine.complete(ask())) for _ in range(50)]
    await asyncio.sleep(0.5)
    outage = outage_of(engine)
    assert outage is not None
    assert (outage.fault, outage.address) == ("unreachable", server.url)
    [line] = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"the judge's engine at {server.url} cannot be reached: ")
    assert line.endswith("waiting for it (0 of 240 s)")
    async with server:
        done = await asyncio.gather(*waiting)
        assert outage_of(engine) is None
        await engine.close()
    assert {completion.finish_reason for completion in done} == {"stop"}
    assert "answers again after" in caplog.text


async def test_patience_ends_the_work():
    """Nothing comes back: every request ends in the same error, with the address, the cause and what to do."""
    server = FakeEndpoint()
    async with server:
        engine = await started(server, patience_s=0.5, policy=RetryPolicy(base_s=0.05))
        await engine.complete(ask())
    begun = time.monotonic()
    done = await asyncio.gather(*(engine.complete(ask()) for _ in range(50)), return_exceptions=True)
    assert time.monotonic() - begun < 2.0
    assert {type(error) for error in done} == {EngineDown}
    assert f"{server.url} cannot be reached for 0.5 s" in str(done[0])
    assert "start the server again" in str(done[0])
    begun = time.monotonic()
    with pytest.raises(EngineDown):  # a trainer that catches it and goes on does not wait the whole time again
        await engine.complete(ask())
    assert time.monotonic() - begun < 0.4
    async with server:
        await asyncio.sleep(2.1)
        assert (await engine.complete(ask())).finish_reason == "stop"  # and finds an engine that came back
        await engine.close()


async def test_waiting_is_outside_the_deadline():
    """A restart that takes longer than one request's deadline is still no row's failure."""
    server = FakeEndpoint()
    async with server:
        engine = await started(server, deadline_s=0.3, policy=RetryPolicy(base_s=0.05))
        await engine.complete(ask())
    waiting = asyncio.create_task(engine.complete(ask()))
    await asyncio.sleep(0.8)
    async with server:
        assert (await waiting).finish_reason == "stop"
        await engine.close()


async def test_a_server_that_hangs_is_down():
    """It takes connections and never replies: after sixteen time-outs the other rows wait, and do not fail in turn."""
    async with FakeEndpoint({"fake": [Canned(delay_s=60)]}) as server:
        engine = await started(server, concurrency=64, deadline_s=0.3, patience_s=0.6, policy=RetryPolicy(base_s=0.05))
        begun = time.monotonic()
        done = await asyncio.gather(*(engine.complete(ask()) for _ in range(400)), return_exceptions=True)
        took = time.monotonic() - begun
        await engine.close()
    failed = [completion for completion in done if not isinstance(completion, EngineDown)]
    assert len(failed) < TRIP_AFTER
    assert {completion.finish_reason for completion in failed} <= {"timeout"}
    assert "takes requests and answers none for 0.6 s: no reply within 0.3 s; restart the server" in str(done[-1])
    assert took < 5.0


async def test_a_server_that_hung_and_goes_on_costs_no_more_rows():
    """What waited gets its verdicts; one reply in between shows that the server is only slow for some."""
    hung = True

    def answer(_):
        return Canned(delay_s=60 if hung else 0)

    async with FakeEndpoint({"fake": answer}) as server:
        engine = await started(server, concurrency=64, deadline_s=0.3, policy=RetryPolicy(base_s=0.05))
        waiting = [asyncio.create_task(engine.complete(ask())) for _ in range(60)]
        await asyncio.sleep(0.8)
        assert outage_of(engine).fault == "silent"
        hung = False
        done = await asyncio.gather(*waiting)
        assert outage_of(engine) is None
        await engine.close()
    reasons = [completion.finish_reason for completion in done]
    assert reasons.count("timeout") < TRIP_AFTER
    assert set(reasons) == {"timeout", "stop"}


@pytest.mark.parametrize(
    ("reply", "fault", "says"),
    [
        pytest.param(Canned(status=401, error="key expired"), "refused", "refuses the key", id="401"),
        pytest.param(Canned(status=402, error="Insufficient Balance"), "no_credit", "has no credit left", id="402"),
        pytest.param(
            Canned(status=429, error={"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}),
            "no_credit",
            "has no credit left",
            id="quota",
        ),
    ],
)
async def test_key_or_credit_that_ends_in_mid_run(reply, fault, says):
    """From one moment on every request fails: these are not thousands of failed judgements."""
    async with FakeEndpoint({"fake": [Canned(), reply]}) as server:
        engine = await started(server, patience_s=0.3, policy=RetryPolicy(base_s=0.05))
        await engine.complete(ask())
        with pytest.raises(EngineDown, match=says):
            await engine.complete(ask())
        assert outage_of(engine).fault == fault
        await engine.close()


@pytest.mark.parametrize("status", [402, 429])
async def test_credit_that_was_never_there(status):
    """Nothing has worked yet, so there is nothing to wait for."""
    reply = Canned(status=status, error={"error": {"message": "no", "code": "insufficient_quota"}})
    async with FakeEndpoint({"fake": [reply]}) as server:
        engine = await started(server)
        with pytest.raises(EngineError, match="top up the account"):
            await engine.complete(ask())
        await engine.close()


async def test_a_refused_key_is_waited_for_ten_seconds_at_most():
    """A key does not heal by waiting; the GPUs that wait for it cost money."""
    async with FakeEndpoint({"fake": [Canned(), Canned(status=401)]}) as server:
        engine = await started(server, policy=RetryPolicy(base_s=0.05))
        await engine.complete(ask())
        task = asyncio.create_task(engine.complete(ask()))
        await asyncio.sleep(0.2)
        assert outage_of(engine).patience_s == 10.0
        task.cancel()
        await engine.close()


async def test_one_endpoint_of_two_is_no_outage(caplog):
    """The other one does the work; the log says which one is gone."""
    dying, alive = FakeEndpoint(), FakeEndpoint()
    async with alive:
        async with dying:
            engine = await started(dying, alive, policy=RetryPolicy(base_s=0.05))
        done = await asyncio.gather(*(engine.complete(ask()) for _ in range(20)))
        assert outage_of(engine) is None
        await engine.close()
    assert {completion.finish_reason for completion in done} == {"stop"}
    assert f"{dying.url}: " in caplog.text
    assert "going on with the other endpoints" in caplog.text


async def test_a_parameter_the_model_does_not_take():
    """The message names the one line of the settings that helps, and the endpoint counts as well."""
    reply = Canned(status=400, error="Unsupported parameter: 'seed' is not supported with this model.")
    async with FakeEndpoint({"fake": [reply]}) as server:
        engine = await started(server)
        done = await asyncio.gather(*(engine.complete(ask()) for _ in range(40)))
        assert outage_of(engine) is None
        await engine.close()
    assert {completion.finish_reason for completion in done} == {"error"}
    assert "`engine.omit: [seed]`" in done[0].error


def test_omit_changes_what_the_engine_claims_and_refuses_a_typing_error():
    """A recipe that needs what is left out is refused at the start, and a misspelt field is not left out in silence."""
    engine = engine_for("http://127.0.0.1:1/v1", dialect="vllm", omit=["seed", "structured_outputs"])
    assert not engine.capabilities & {Capability.SEED, Capability.STRUCTURED}
    with pytest.raises(SettingsError, match="did you mean `seed`"):
        engine_for("http://127.0.0.1:1/v1", omit=["sead"])
