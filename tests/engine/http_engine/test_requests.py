"""What is sent, in the dialect of each server."""

import json

import pytest

from judge.errors import CapabilityError
from judge.types import Capability, Message, Structured
from tests.engine.http_engine.asking import ask, started
from tests.fake_endpoint import Canned, FakeEndpoint


@pytest.mark.parametrize(
    ("dialect", "request_", "sent"),
    [
        pytest.param("vllm", ask(), {"top_k": 0, "top_p": 1.0, "min_p": 0.0, "repetition_penalty": 1.0}, id="vllm-all-sampling"),
        pytest.param(
            "vllm",
            ask(min_p=0.1, repetition_penalty=1.1, presence_penalty=1.5),
            {"min_p": 0.1, "repetition_penalty": 1.1, "presence_penalty": 1.5},
            id="vllm-penalties",
        ),
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
        pytest.param("openai", ask(top_k=20), {"top_k": 20}, id="openai-top-k-where-asked-for"),
        pytest.param(
            "openai",
            ask(min_p=0.1, repetition_penalty=1.1),
            {"min_p": 0.1, "repetition_penalty": 1.1},
            id="openai-where-asked-for",
        ),
        pytest.param("openai", ask(presence_penalty=1.5), {"presence_penalty": 1.5}, id="openai-presence"),
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
        assert not body.keys() - sent.keys() & {
            "top_k",
            "min_p",
            "repetition_penalty",
            "presence_penalty",
            "include_stop_str_in_output",
            "structured_outputs",
        }


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
    """A hosted API would silently do something else: that request fails, names what can, and stops no other."""
    async with FakeEndpoint() as server:
        engine = await started(server)
        done = await engine.complete(request_)
        assert (done.finish_reason, "vLLM" in done.error) == ("error", True)
        with pytest.raises(CapabilityError, match="vLLM"):
            await engine.score_continuation((Message("user", "x"),), "y")
        with pytest.raises(CapabilityError, match="no scalar head"):
            await engine.rate((Message("user", "x"),))
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
