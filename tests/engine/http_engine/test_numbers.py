"""Numbers from a server: log-probabilities of a given text, and what a scalar head says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web

from judge.engine.protocol import only_rates
from judge.errors import CapabilityError, EngineError, RequestFailed, SettingsError
from judge.types import Capability, Message
from tests.engine.http_engine.asking import ask, engine_for, free_url, started
from tests.fake_endpoint import Canned, FakeEndpoint

ZZ = (Message("user", "zz"),)


@pytest.mark.parametrize(
    ("owned_by", "settings"),
    [
        pytest.param("vllm", {}, id="vllm-found-out"),
        pytest.param("someone", {"scoring": "prompt_logprobs"}, id="said-so"),
        pytest.param("someone", {"scoring": "echo"}, id="echo"),
    ],
)
async def test_score_continuation(owned_by, settings):
    """The log-probabilities are those of the continuation's tokens, in order, and of no token of the prompt."""
    async with FakeEndpoint(owned_by=owned_by) as server:
        engine = await started(server, **settings)
        assert Capability.SCORE_CONTINUATION in engine.capabilities
        scores = await engine.score_continuation(ZZ, "ab")
        assert await engine.score_continuation(ZZ, "") == ()
        with pytest.raises(RequestFailed, match="too long") as why:
            await engine.score_continuation(ZZ, "x" * 5000)
        await engine.close()
    assert scores == pytest.approx((-0.97, -0.98))
    assert why.value.finish_reason == "over_length"
    assert engine.count_tokens(ZZ) is None


async def test_scoring_can_be_turned_off():
    """A vLLM server behind a gateway without /tokenize is not asked in vain, and a recipe that needs it is refused at once."""
    async with FakeEndpoint(owned_by="vllm") as server:
        engine = await started(server, scoring="off")
        with pytest.raises(CapabilityError, match=r"engine\.scoring: echo"):
            await engine.score_continuation(ZZ, "ab")
        await engine.close()
    assert Capability.SCORE_CONTINUATION not in engine.capabilities


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"chat_template_kwargs": {"enable_thinking": False}}, id="setting"),
        pytest.param({"extra_body": {"chat_template_kwargs": {"enable_thinking": False}}}, id="extra-body"),
    ],
)
async def test_scores_speak_of_the_prompt_of_completions(settings):
    """Template arguments, a missing system role and an open assistant message reach /tokenize as they reach the chat route."""
    messages = (Message("system", "s"), Message("user", "u"), Message("assistant", "a"))
    async with FakeEndpoint(owned_by="vllm") as server:
        engine = await started(server, system_role="user", **settings)
        await engine.complete(ask("x"))
        await engine.score_continuation(messages, "b")
        await engine.close()
    assert server.bodies[0]["chat_template_kwargs"] == {"enable_thinking": False}
    [prompt] = [body for body in server.others if "messages" in body]
    assert prompt["chat_template_kwargs"] == {"enable_thinking": False}
    assert [m["role"] for m in prompt["messages"]] == ["user", "assistant"]
    assert (prompt["continue_final_message"], prompt["add_generation_prompt"]) == (True, False)
    assert "chat_template_kwargs" in json.dumps(dict(engine.identity))


def test_template_arguments_given_twice():
    """Which of two wins is not for the reader of a settings file to guess."""
    both = {"chat_template_kwargs": {"a": 1}, "extra_body": {"chat_template_kwargs": {"a": 2}}}
    with pytest.raises(SettingsError, match="is a setting of its own"):
        engine_for(free_url(), **both)


async def test_a_model_without_a_system_role_is_scored():
    """As a completion is: the system text goes to the user, once the server has said that there is no such role."""

    class NoSystem(FakeEndpoint):
        async def _tokenize(self, request: web.Request) -> web.Response:
            if any(m["role"] == "system" for m in (await request.json()).get("messages", ())):
                return web.json_response({"error": {"message": "System role not supported"}}, status=400)
            return await super()._tokenize(request)

    async with NoSystem(owned_by="vllm") as server:
        engine = await started(server)
        scores = await engine.score_continuation((Message("system", "s"), *ZZ), "ab")
        await engine.close()
    assert scores == pytest.approx((-0.97, -0.98))


async def test_an_adapter_has_the_name_that_the_server_gave_it():
    """The base model's name would be judged by without the adapter, and nobody would see it."""
    async with FakeEndpoint({"base": [Canned()], "mine": [Canned()]}) as server:
        engine = await started(server, model="base", adapter="mine")
        await engine.complete(ask())
        await engine.close()
        with pytest.raises(EngineError, match=r"no model `mino`; did you mean `mine`"):
            await engine_for(server, model="base", adapter="mino").start()
    assert (server.bodies[0]["model"], engine.model) == ("mine", "mine")


def length(body: dict[str, Any]) -> float:
    return len(body["messages"][-1]["content"]) / 4


@pytest.mark.parametrize(
    ("by_token", "head"),
    [
        pytest.param(False, lambda body: [length(body)], id="classify"),
        pytest.param(True, lambda body: [[9.0], [length(body)]], id="pooling-last-token"),
    ],
)
async def test_a_reward_model_rates(by_token, head):
    """The raw value of the head for the finished conversation, from whichever route the server has."""
    async with FakeEndpoint(owned_by="vllm", head=head, by_token=by_token) as server:
        engine = await started(server, chat_template_kwargs={"x": 1})
        assert await engine.rate((*ZZ, Message("assistant", "12"))) == 0.5
        assert only_rates(engine)
        for asked in (engine.complete(ask()), engine.score_continuation(ZZ, "a")):
            with pytest.raises(CapabilityError, match="is a reward model"):
                await asked
        await engine.close()
    [body] = server.others
    sent = {"use_activation": False, "add_generation_prompt": False, "chat_template_kwargs": {"x": 1}, "model": "fake"}
    assert {name: body[name] for name in sent} == sent


@pytest.mark.parametrize(
    ("reply", "error", "says"),
    [
        pytest.param([1.0, 2.0], EngineError, "gives 2 numbers", id="two-numbers"),
        pytest.param("none", RequestFailed, "holds no number", id="no-number"),
        pytest.param([None], RequestFailed, "holds no number", id="null"),
        pytest.param([float("nan")], RequestFailed, "gave nan", id="nan"),
        pytest.param((200, "<html>"), RequestFailed, "not JSON", id="page"),
        pytest.param((200, '{"data": []}'), RequestFailed, "another form", id="nothing"),
        pytest.param((400, '{"error": {"message": "prompt is too long"}}'), RequestFailed, "too long", id="too-long"),
        pytest.param((500, '{"error": {"message": "boom"}}'), RequestFailed, "boom", id="broken"),
    ],
)
async def test_what_is_no_rate(reply, error, says):
    """A reply that holds no number is never read as one, and one bad row stops no other."""

    def head(body):
        return web.Response(status=reply[0], text=reply[1]) if isinstance(reply, tuple) else reply

    async with FakeEndpoint(owned_by="vllm", head=head) as server:
        engine = await started(server)
        with pytest.raises(error, match=says) as why:
            await engine.rate(ZZ)
        await engine.close()
    if isinstance(why.value, RequestFailed):
        assert why.value.finish_reason == ("over_length" if says == "too long" else "error")
