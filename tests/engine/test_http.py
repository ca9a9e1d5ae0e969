"""HttpEngine against servers that misbehave in every way known: a bad reply costs one row, and never the run or a grade."""

import asyncio
import gc
import json
import logging
import re
import socket
import time
import warnings

import pytest

from judge.engine.http import HttpEngine
from judge.engine.protocol import Engine
from judge.engine.retry import TRIP_AFTER, RetryPolicy
from judge.errors import CapabilityError, EngineError, SettingsError
from judge.types import Capability, Message, Request, Sampling, Structured
from tests.fake_endpoint import LOGPROBS, ODD_REPLIES, Canned, FakeEndpoint

KEY = "sk-very-secret-key-0123456789"
FAST = RetryPolicy(max_retries=2, base_s=0.01)


def ask(text="Is it right?", *, structured=None, prefill="", **sampling):
    messages = (Message("user", text),) + ((Message("assistant", prefill),) if prefill else ())
    return Request(messages, Sampling(**sampling), structured)


def engine_for(*servers, model="fake", policy=FAST, **settings):
    urls = [server if isinstance(server, str) else server.url for server in servers]
    return HttpEngine(model=model, base_url=urls, policy=policy, **settings)


async def started(*servers, **settings):
    engine = engine_for(*servers, **settings)
    await engine.start()
    return engine


def free_url():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/v1"


# ---- what a reply becomes


@pytest.mark.parametrize(("reply", "finish", "text", "says"), [pytest.param(*row, id=name) for name, *row in ODD_REPLIES])
async def test_what_each_reply_becomes(reply, finish, text, says):
    """A broken reply is one row without a verdict and with a reason, not a crash and not a grade."""
    async with FakeEndpoint({"fake": [reply]}) as server:
        engine = await started(server)
        done = await engine.complete(ask())
        await engine.close()
    assert (done.finish_reason, done.text) == (finish, text)
    assert re.search(says, done.error + done.refusal)
    assert bool(done.error) == (finish in ("error", "over_length"))
    assert len(done.error) < 600


async def test_counts_reasoning_and_logprobs():
    """Token counts, hidden thinking and log-probabilities reach the record; equal texts have their probabilities added."""
    reply = Canned("4", message={"reasoning_content": "Let me see."}, choice={"logprobs": LOGPROBS})
    async with FakeEndpoint({"fake": [reply]}) as server:
        engine = await started(server)
        done = await engine.complete(ask(top_logprobs=3))
        await engine.close()
    assert (done.prompt_tokens, done.completion_tokens, done.reasoning) == (30, 5, "Let me see.")
    assert done.logprobs[0].text == "4"
    assert done.logprobs[0].top == pytest.approx({"4": -0.1, "?": -3.0 + 0.693147})
    assert 0 < done.latency_s < 5
    assert (server.bodies[0]["logprobs"], server.bodies[0]["top_logprobs"]) == (True, 3)


@pytest.mark.parametrize("logprobs", [{"content": None}, {"content": [{}]}, {"content": 3}, {"text": []}, "x"])
async def test_unreadable_logprobs_are_none_reported(logprobs):
    """Servers with another form of log-probabilities still give the verdict."""
    async with FakeEndpoint({"fake": [Canned("4", choice={"logprobs": logprobs})]}) as server:
        engine = await started(server)
        done = await engine.complete(ask(top_logprobs=3))
        await engine.close()
    assert (done.text, done.finish_reason, done.logprobs) == ("4", "stop", ())


async def test_large_request():
    """A 10 MB answer under judgement goes through, and without a warning."""
    async with FakeEndpoint() as server:
        engine = await started(server)
        done = await engine.complete(ask("é" * 5_000_000))
        await engine.close()
    assert done.finish_reason == "stop"
    assert len(server.bodies[0]["messages"][0]["content"]) == 5_000_000


# ---- retries and the deadline


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
    assert took < 1.0


async def test_waiting_for_a_slot_is_outside_the_deadline():
    """Ten thousand requests queued behind a slow healthy server are not ten thousand time-outs."""
    async with FakeEndpoint({"fake": [Canned(delay_s=0.1)]}) as server:
        engine = await started(server, concurrency=2, deadline_s=0.35)
        done = await asyncio.gather(*(engine.complete(ask()) for _ in range(10)))
        await engine.close()
    assert {completion.finish_reason for completion in done} == {"stop"}


async def test_outage_does_not_multiply_the_load():
    """When every reply is an error, retries add at most a tenth (row S5), and the run ends instead of crawling."""
    async with FakeEndpoint({"fake": [Canned(status=503, error="out of service")]}) as server:
        engine = await started(server, concurrency=64, deadline_s=0.4, policy=RetryPolicy(base_s=0.1))
        done = await asyncio.gather(*(engine.complete(ask()) for _ in range(1000)))
        await engine.close()
    assert not {completion.finish_reason for completion in done} & {"stop"}
    assert server.requests <= 1100
    assert "out of service" in done[-1].error


async def test_recovers_after_an_outage():
    """A server that restarts in the middle of a run costs no row."""
    replies = [Canned(status=503)] * (TRIP_AFTER + 4) + [Canned("fine")]
    async with FakeEndpoint({"fake": replies}) as server:
        engine = await started(server, concurrency=32, policy=RetryPolicy(max_retries=10, base_s=0.05))
        done = await asyncio.gather(*(engine.complete(ask()) for _ in range(100)))
        await engine.close()
    assert {completion.text for completion in done} == {"fine"}


# ---- several endpoints


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


# ---- what stops the run


async def test_nothing_listens():
    """The commonest mistake of all names the address and the question to ask."""
    url = free_url()
    with pytest.raises(EngineError, match=f"cannot reach {url} .*is the server running"):
        await started(url)


async def test_wrong_key_names_the_variable(monkeypatch):
    """The message says which variable to look at."""
    monkeypatch.setenv("JUDGE_TEST_KEY", KEY)
    async with FakeEndpoint(key="another") as server:
        engine = engine_for(server, api_key_env="JUDGE_TEST_KEY")
        with pytest.raises(EngineError, match="refused the key from the environment variable JUDGE_TEST_KEY") as caught:
            await engine.start()
        await engine.close()
    assert KEY not in str(caught.value)


async def test_no_key_where_one_is_needed(monkeypatch):
    """The message says that no key was sent at all."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    async with FakeEndpoint(key=KEY) as server:
        engine = engine_for(server)
        with pytest.raises(EngineError, match=r"without a key \(the environment variable OPENAI_API_KEY is not set\)"):
            await engine.start()
        await engine.close()


@pytest.mark.parametrize("check_model", [True, False])
async def test_unknown_model(check_model):
    """A typing error is found before the first request; an unchecked one at the first."""
    async with FakeEndpoint({"Qwen/Qwen3-8B": [Canned()]}) as server:
        engine = engine_for(server, model="Qwen/Qwen3-8b", check_model=check_model)
        if check_model:
            with pytest.raises(EngineError, match="did you mean `Qwen/Qwen3-8B`"):
                await engine.start()
        else:
            await engine.start()
            with pytest.raises(EngineError, match="does not exist"):
                await engine.complete(ask())
        await engine.close()


async def test_every_endpoint_must_serve_the_model():
    """Two servers with two models would be two judges."""
    async with FakeEndpoint({"fake": [Canned()]}) as right, FakeEndpoint({"other": [Canned()]}) as wrong:
        engine = engine_for(right, wrong)
        with pytest.raises(EngineError, match=f"{wrong.url} has no model `fake`; it lists other"):
            await engine.start()
        await engine.close()


@pytest.mark.parametrize("status", [404, 405])
async def test_server_without_a_model_list(status):
    """Not every server lists its models."""
    async with FakeEndpoint(models_status=status) as server:
        engine = await started(server)
        assert (await engine.complete(ask())).finish_reason == "stop"
        await engine.close()


async def test_server_still_loading():
    """A server that is not ready says so at the start."""
    async with FakeEndpoint(models_status=503) as server:
        engine = engine_for(server)
        with pytest.raises(EngineError, match=r"HTTP 503.*still loading"):
            await engine.start()
        await engine.close()


async def test_hostile_text_cannot_stop_the_run_by_403():
    """A gateway that blocks one text must not end the run for the others; a key that never worked must."""
    replies = {"fake": [Canned("fine"), Canned(status=403, error="forbidden")], "new": [Canned(status=403, error="forbidden")]}
    async with FakeEndpoint(replies) as server:
        engine = await started(server)
        await engine.complete(ask())
        assert (await engine.complete(ask())).finish_reason == "error"
        fresh = await started(server, model="new")
        with pytest.raises(EngineError, match="403: forbidden"):
            await fresh.complete(ask())
        await engine.close()
        await fresh.close()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        pytest.param({"base_url": "localhost:8000"}, "no HTTP address", id="no-scheme"),
        pytest.param({"base_url": []}, "at least one", id="no-address"),
        pytest.param({"base_url": "http://me:pw@host/v1"}, "holds a user name or password", id="password-in-address"),
        pytest.param({"api_key_env": "JUDGE_NO_SUCH_KEY"}, "JUDGE_NO_SUCH_KEY is not set", id="key-variable-not-set"),
        pytest.param({"extra_body": {"temperature": 1, "min_tokens": 3}}, "extra_body.temperature: is set", id="clash"),
    ],
)
def test_bad_settings(settings, says):
    """What is wrong is said before anything is sent."""
    with pytest.raises(SettingsError, match=says) as caught:
        HttpEngine(**{"model": "fake", "base_url": "http://127.0.0.1:1/v1", **settings})
    assert "pw" not in str(caught.value).replace("password", "")


async def test_the_key_is_nowhere(caplog):
    """Servers quote the key they refuse; logs, errors and records must not."""
    caplog.set_level(logging.DEBUG)
    quoting = [
        Canned(status=400, error=f"bad key {KEY}"),
        Canned(body=f"oops {KEY}".encode()),
        Canned(status=500, error=f"key {KEY}"),
    ]
    texts = []
    for reply in quoting:
        async with FakeEndpoint({"fake": [reply]}, key=KEY) as server:
            engine = await started(server, api_key=KEY, headers={"X-Tenant": "tenant-secret-1"})
            texts.append(repr(await engine.complete(ask())) + repr(engine) + repr(engine.identity))
            assert server.headers["Authorization"] == f"Bearer {KEY}"
            assert server.headers["X-Tenant"] == "tenant-secret-1"
            await engine.close()
    async with FakeEndpoint(key="another") as server:
        with pytest.raises(EngineError) as caught:
            await started(server, api_key=KEY)
    texts += [str(caught.value), repr(caught.value), caplog.text]
    assert not [text for text in texts if "very-secret" in text or "tenant-secret" in text]


async def test_start_is_needed_and_idempotent():
    """Forgetting `start` is said plainly; calling it twice asks once."""
    async with FakeEndpoint() as server:
        engine = engine_for(server)
        with pytest.raises(EngineError, match="start"):
            await engine.complete(ask())
        await engine.start()
        await engine.start()
        assert isinstance(engine, Engine)
        await engine.close()
        await engine.close()


# ---- connections, loops, cancellation


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


# ---- what is sent


@pytest.mark.parametrize(
    ("dialect", "request_", "sent"),
    [
        pytest.param("vllm", ask(), {"top_k": 0, "top_p": 1.0, "min_p": 0.0, "repetition_penalty": 1.0}, id="vllm-all-sampling"),
        pytest.param("vllm", ask(stop=("END",)), {"stop": ["END"], "include_stop_str_in_output": True}, id="vllm-stop-kept"),
        pytest.param(
            "vllm",
            ask(structured=Structured(choice=("A", "B"))),
            {"structured_outputs": {"choice": ["A", "B"]}},
            id="vllm-choice",
        ),
        pytest.param(
            "vllm", ask(structured=Structured(regex="[1-5]")), {"structured_outputs": {"regex": "[1-5]"}}, id="vllm-regex"
        ),
        pytest.param(
            "vllm", ask(structured=Structured(json_schema='{"a":1}')), {"structured_outputs": {"json": {"a": 1}}}, id="vllm-json"
        ),
        pytest.param(
            "vllm", ask(prefill="VERDICT:"), {"continue_final_message": True, "add_generation_prompt": False}, id="vllm-prefill"
        ),
        pytest.param("openai", ask(seed=3, max_tokens=9), {"seed": 3, "max_tokens": 9, "temperature": 0.0}, id="openai-plain"),
        pytest.param("openai", ask(stop=("END",)), {"stop": ["END"]}, id="openai-stop"),
    ],
)
async def test_what_is_sent(dialect, request_, sent):
    """Every setting of a recipe reaches the server, in the words it knows, and nothing it does not know."""
    async with FakeEndpoint() as server:
        engine = await started(server, dialect=dialect, extra_body={"priority": 1})
        await engine.complete(request_)
        await engine.close()
    body = server.bodies[0]
    assert {name: body[name] for name in sent} == sent
    assert body["priority"] == 1
    if dialect == "openai":
        assert not body.keys() & {"top_k", "min_p", "repetition_penalty", "include_stop_str_in_output", "structured_outputs"}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        pytest.param('{"verdict": "B"}', "B", id="unwrapped"),
        pytest.param('{"verdict": "B', '{"verdict": "B', id="cut-off-stays"),
        pytest.param("B", "B", id="server-without-schemas"),
    ],
)
async def test_choice_on_a_hosted_api(content, text):
    """A choice is asked for as a schema and comes back bare, as from vLLM."""
    async with FakeEndpoint({"fake": [Canned(content)]}) as server:
        engine = await started(server)
        done = await engine.complete(ask(structured=Structured(choice=("A", "B"))))
        await engine.close()
    assert done.text == text
    schema = server.bodies[0]["response_format"]["json_schema"]
    assert schema["schema"]["properties"] == {"verdict": {"type": "string", "enum": ["A", "B"]}}


@pytest.mark.parametrize(
    "request_", [ask(prefill="VERDICT:"), ask(structured=Structured(regex="[1-5]"))], ids=["prefill", "regex"]
)
async def test_what_a_hosted_api_cannot_do(request_):
    """A hosted API would silently do something else: it is an error that names what can."""
    async with FakeEndpoint() as server:
        engine = await started(server)
        with pytest.raises(EngineError, match="vLLM"):
            await engine.complete(request_)
        with pytest.raises(CapabilityError, match="vLLM"):
            await engine.score_continuation((Message("user", "x"),), "y")
        await engine.close()
    assert server.requests == 0


async def test_max_completion_tokens_is_learnt_once():
    """Newer hosted models refuse `max_tokens`: one request finds out, and no row is lost."""

    def answer(body):
        if "max_tokens" in body:
            return Canned(status=400, error="Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
        return Canned()

    async with FakeEndpoint({"fake": answer}) as server:
        engine = await started(server)
        done = [await engine.complete(ask(max_tokens=7)) for _ in range(3)]
        await engine.close()
    assert [completion.finish_reason for completion in done] == ["stop"] * 3
    assert [body.get("max_completion_tokens") for body in server.bodies] == [None, 7, 7, 7]


async def test_omitted_fields():
    """A model that takes no temperature can still be used, and its records say so."""
    async with FakeEndpoint() as server:
        engine = await started(server, omit=["temperature", "top_p"])
        await engine.complete(ask())
        await engine.close()
    assert not server.bodies[0].keys() & {"temperature", "top_p"}
    assert engine.identity["omit"] == "temperature,top_p"


@pytest.mark.parametrize(
    ("owned_by", "dialect", "prefill"),
    [pytest.param("vllm", "vllm", True, id="vllm-server"), pytest.param("openai", "openai", False, id="another-server")],
)
async def test_dialect_is_found_out(owned_by, dialect, prefill):
    """Nobody has to know that there are two dialects."""
    async with FakeEndpoint(owned_by=owned_by, max_model_len=4096) as server:
        engine = await started(server)
        await engine.close()
    assert engine.identity["dialect"] == dialect
    assert (Capability.PREFILL in engine.capabilities) is prefill
    assert engine.context_length == 4096


@pytest.mark.parametrize(
    ("dialect", "temperature", "sent"),
    [
        pytest.param("vllm", 0.7, [(7, 3)], id="vllm-shares-the-prefill"),
        pytest.param("vllm", 0.0, [(7, None), (8, None), (9, None)], id="vllm-greedy-one-each"),
        pytest.param("openai", 0.7, [(7, None), (8, None), (9, None)], id="hosted-one-each"),
    ],
)
async def test_sample(dialect, temperature, sent):
    """Sample k uses seed + k; vLLM does that itself for `n` (its parallel_sampling.py), others get one request each."""
    async with FakeEndpoint() as server:
        engine = await started(server, dialect=dialect)
        done = await engine.sample(ask(seed=7, temperature=temperature), 3)
        await engine.close()
    assert [completion.text for completion in done] == ["VERDICT: 4"] * 3
    assert sum(completion.completion_tokens for completion in done) == 15
    assert sorted(((body["seed"], body.get("n")) for body in server.bodies), key=str) == sent


@pytest.mark.parametrize(
    ("reply", "finish"),
    [
        pytest.param(Canned(status=500), ["error"] * 3, id="failed"),
        pytest.param(Canned(body=b"{"), ["error"] * 3, id="broken"),
        pytest.param(
            Canned(body=json.dumps({"choices": [{"index": 1, "message": {"content": "b"}, "finish_reason": "stop"}]}).encode()),
            ["stop", "error", "error"],
            id="too-few",
        ),
    ],
)
async def test_sample_always_gives_n(reply, finish):
    """A vote that did not come back is a missing vote, not a shorter list."""
    async with FakeEndpoint({"fake": [reply]}) as server:
        engine = await started(server, dialect="vllm")
        done = await engine.sample(ask(temperature=1.0), 3)
        await engine.close()
    assert [completion.finish_reason for completion in done] == finish


async def test_score_continuation():
    """The log-probabilities are those of the continuation's tokens, in order, and of no token of the prompt."""
    async with FakeEndpoint(owned_by="vllm") as server:
        engine = await started(server)
        scores = await engine.score_continuation((Message("user", "zz"),), "ab")
        with pytest.raises(ValueError, match="HTTP 400: too long"):
            await engine.score_continuation((Message("user", "zz"),), "x" * 5000)
        await engine.close()
    assert scores == pytest.approx((-0.97, -0.98))
    assert engine.count_tokens((Message("user", "zz"),)) is None
