"""ScriptedEngine: the engine other people's tests stand on, so it must be plain about what it was asked."""

import asyncio

import pytest

from judge.engine.protocol import Engine
from judge.engine.scripted import ScriptedEngine
from judge.errors import CapabilityError, EngineError
from judge.types import Capability, Completion, Message, Request, Sampling


def ask(text: str, **sampling: int) -> Request:
    return Request((Message("system", "Judge."), Message("user", text)), Sampling(**sampling))


async def late(request: Request) -> str:
    await asyncio.sleep(0)
    return "late"


@pytest.mark.parametrize(
    ("replies", "text"),
    [
        pytest.param(["first", "second"], "first", id="list"),
        pytest.param({"moon": "no", "Paris": "yes"}, "yes", id="phrase-of-the-question"),
        pytest.param({"": "any", "Paris": "yes"}, "any", id="first-matching-phrase-wins"),
        pytest.param(lambda request: request.messages[-1].content.upper(), "PARIS", id="function"),
        pytest.param(late, "late", id="asynchronous-function"),
        pytest.param([Completion("cut", "length")], "cut", id="whole-completion"),
    ],
)
async def test_every_form_of_script(replies, text):
    """A test is written in whichever form reads best."""
    assert (await ScriptedEngine(replies).complete(ask("Paris"))).text == text


async def test_running_out_says_how_many_were_asked():
    """A recipe that asks one question too many must not pass on a repeated reply."""
    engine = ScriptedEngine(["a", "b"])
    assert [(await engine.complete(ask("x"))).text for _ in range(2)] == ["a", "b"]
    with pytest.raises(EngineError, match=r"has 2 and 3 were asked.*'the third'"):
        await engine.complete(ask("the third"))


async def test_repeat_last_on_demand():
    """A long run needs only one canned reply."""
    engine = ScriptedEngine(["a", "b"], repeat_last=True)
    assert [(await engine.complete(ask("x"))).text for _ in range(4)] == ["a", "b", "b", "b"]


async def test_unknown_question_names_what_is_known():
    """A renamed template shows up as the question nobody scripted."""
    with pytest.raises(EngineError, match="ends in 'Rome'; it knows 'Paris'"):
        await ScriptedEngine({"Paris": "yes"}).complete(ask("Rome"))


@pytest.mark.parametrize("replies", [pytest.param([], id="empty"), pytest.param("yes", id="a-bare-string")])
def test_unusable_script_is_refused_at_once(replies):
    """`ScriptedEngine("yes")` would otherwise answer y, e, s."""
    with pytest.raises(EngineError, match="wants a list"):
        ScriptedEngine(replies)


async def test_sample_uses_seed_plus_k():
    """Votes are repeatable because sample k uses seed + k."""
    engine = ScriptedEngine(lambda request: str(request.sampling.seed))
    assert [c.text for c in await engine.sample(ask("x", seed=7), 3)] == ["7", "8", "9"]
    assert [r.sampling.seed for r in engine.requests] == [7, 8, 9]


async def test_counts_and_context():
    """The over-length path can be tested without a model."""
    engine = ScriptedEngine(["two words"], context_length=3)
    done = await engine.complete(ask("a b"))
    assert (done.prompt_tokens, done.completion_tokens, done.finish_reason) == (3, 2, "stop")
    long = await engine.complete(ask("a b c"))
    assert (long.finish_reason, long.text) == ("over_length", "")
    assert "4 tokens and the model takes 3" in long.error


async def test_score_continuation():
    """Likelihood recipes are testable, and an engine that cannot score says so."""
    scoring = ScriptedEngine(["x"], scores=lambda messages, text: [-0.5] * len(text.split()))
    assert await scoring.score_continuation((Message("user", "2+2?"),), "it is 4") == (-0.5, -0.5, -0.5)
    assert Capability.SCORE_CONTINUATION in scoring.capabilities
    with pytest.raises(CapabilityError, match="scores="):
        await ScriptedEngine(["x"]).score_continuation((), "4")


async def test_is_an_engine():
    """It fits wherever an engine is taken, from start to close."""
    engine: Engine = ScriptedEngine(["x"])
    assert isinstance(engine, Engine)
    await engine.start()
    await engine.close()
    await engine.close()


async def test_requests_overlap():
    """A delayed script still answers all requests together: the pipeline must not wait for one before the next."""
    engine = ScriptedEngine(lambda request: "x", delay_s=0.05)
    started = asyncio.get_running_loop().time()
    await asyncio.gather(*(engine.complete(ask("x")) for _ in range(50)))
    assert asyncio.get_running_loop().time() - started < 0.5
