"""What a reply becomes: a bad one costs one row, and never the run or a grade."""

import re

import pytest

from tests.engine.http_engine.asking import ask, started
from tests.fake_endpoint import LOGPROBS, ODD_REPLIES, Canned, FakeEndpoint


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


def token(text: str, *others: str) -> dict[str, object]:
    """One token as servers report it."""
    top = [{"token": t, "logprob": -1.0 - k} for k, t in enumerate((text, *others))]
    return {"token": text, "logprob": -1.0, "bytes": list(text.encode()), "top_logprobs": top}


@pytest.mark.parametrize(
    ("content", "tokens", "left"),
    [
        pytest.param("4", ["So", "4", "</think>", "\n", "4", "<|end|>"], ["4", "<|end|>"], id="value-stands-in-the-thinking-too"),
        pytest.param(
            "VERDICT: 4", ["a", "</think>", "\n\nVER", "DICT", ": ", "4"], ["\n\nVER", "DICT", ": ", "4"], id="stripped"
        ),
        pytest.param("4", ["a", "</think>", "5"], [], id="other-text"),
        pytest.param("", ["a", "b"], [], id="nothing-said"),
        pytest.param("é 4", ["é", "</think>", "é", " 4", "</s>"], ["é", " 4", "</s>"], id="not-ascii"),
    ],
)
async def test_logprobs_of_split_off_thinking_are_dropped(content, tokens, left):
    """A server with a reasoning parser reports the thinking's tokens too; a verdict read at the first one would be noise."""
    reply = Canned(content, message={"reasoning": "thought"}, choice={"logprobs": {"content": [token(t) for t in tokens]}})
    async with FakeEndpoint({"fake": [reply]}) as server:
        engine = await started(server)
        done = await engine.complete(ask(top_logprobs=3))
        await engine.close()
    assert [t.text for t in done.logprobs] == left


@pytest.mark.parametrize(
    ("choice", "text", "told"),
    [
        pytest.param({"stop_reason": "</a>"}, "<a>4</a>", False, id="vllm"),
        pytest.param({"matched_stop": "</a>"}, "<a>4</a>", False, id="sglang"),
        pytest.param({"matched_stop": 151645}, "<a>4", True, id="end-of-turn"),
        pytest.param({"stop_reason": "elsewhere"}, "<a>4", True, id="none-of-ours"),
        pytest.param({}, "<a>4", True, id="unsaid"),
    ],
)
async def test_stop_strings_are_kept_or_told(choice, text, told, caplog):
    """A closing tag is part of a verdict. Where a server has cut it off it is put back, or the log says what may be missing."""
    async with FakeEndpoint({"fake": [Canned("<a>4", choice=choice)]}) as server:
        engine = await started(server)
        done = [await engine.complete(ask(stop=("</a>", "<b>"))) for _ in range(2)]
        await engine.close()
    assert [one.text for one in done] == [text] * 2
    assert caplog.text.count("may cut them off") == int(told)


async def test_large_request():
    """A 10 MB answer under judgement goes through, and without a warning."""
    async with FakeEndpoint() as server:
        engine = await started(server)
        done = await engine.complete(ask("é" * 5_000_000))
        await engine.close()
    assert done.finish_reason == "stop"
    assert len(server.bodies[0]["messages"][0]["content"]) == 5_000_000
