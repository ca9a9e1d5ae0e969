"""ScriptedEngine: the engine other people's tests stand on, so it must be plain about what it was asked."""

import asyncio

import pytest

from judge.engine.build import build_engine
from judge.engine.protocol import Engine, only_rates
from judge.engine.scripted import ScriptedEngine, located
from judge.errors import CapabilityError, EngineError, SettingsError
from judge.settings import ScriptedSettings
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
    with pytest.raises(EngineError, match="takes a list"):
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


@pytest.mark.parametrize(
    ("rates", "given"),
    [
        pytest.param([0.25, -3], [0.25, -3.0], id="in-order"),
        pytest.param({"Paris": 2.0, "France": -1.0}, [2.0, -1.0], id="by-phrase-first-wins"),
        pytest.param(lambda messages: float(len(messages)), [2.0, 1.0], id="function"),
    ],
)
async def test_rate(rates, given):
    """A scalar reward model can be scripted, and a test can look at what it was shown."""
    engine = ScriptedEngine(rates=rates, capabilities=frozenset())
    conversations = [(Message("user", "Capital of France?"), Message("assistant", "Paris")), (Message("user", "France?"),)]
    assert [await engine.rate(messages) for messages in conversations] == given
    assert engine.rated == conversations
    assert only_rates(engine)
    with pytest.raises(EngineError, match="no replies"):
        await engine.complete(Request(conversations[1], Sampling()))


async def test_what_was_not_scripted_is_an_error():
    """A script without an answer has never a number of its own."""
    with pytest.raises(CapabilityError, match="pass `rates=`"):
        await ScriptedEngine(["x"]).rate((Message("user", "x"),))
    with pytest.raises(EngineError, match="ran out of rates: it has 0"):
        await ScriptedEngine(rates=[]).rate(())
    with pytest.raises(EngineError, match=r"no rate for .*'x'; it knows 'y'"):
        await ScriptedEngine(rates={"y": 1.0}).rate((Message("user", "x"),))


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


# ---- `engine: {kind: scripted}` --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        pytest.param("r.yaml", "- first\n- second\n", ["first", "second", "first"], id="list-goes-round"),
        pytest.param("r.json", '["only"]', ["only"] * 3, id="json"),
        pytest.param("r.jsonl", '"one"\n"two"\n', ["one", "two", "one"], id="json-lines"),
        pytest.param("r.yaml", "Par.s: yes\n.: no\n", ["yes", "no", "no"], id="patterns"),
        pytest.param(
            "r.jsonl", '{"match": "Rome|Oslo", "reply": "a"}\n{"match": ".", "reply": "b"}', ["b", "a", "a"], id="lines"
        ),
    ],
)
async def test_replies_from_a_file(tmp_path, name, text, said):
    """A configuration is tried with replies written down in whichever form is at hand."""
    (tmp_path / name).write_text(text)
    engine = build_engine(located(ScriptedSettings(replies=name), tmp_path))
    assert [(await engine.complete(ask(city))).text for city in ("Paris", "Rome", "Oslo")] == said


async def test_a_rate_in_the_settings():
    """A recipe for reward models is tried like any other, and one script is enough."""
    engine = build_engine(ScriptedSettings(rate=0.5))
    assert await engine.rate((Message("user", "x"),)) == 0.5
    assert only_rates(engine)
    with pytest.raises(SettingsError, match="give one of `reply`, `replies`, `rate` and `verdicts`"):
        ScriptedSettings(rate=0.5, reply="x")


async def test_no_pattern_found_is_one_failed_call(tmp_path):
    """A reply that was forgotten is no grade, and the message says how to give one to the rest."""
    (tmp_path / "r.yaml").write_text("Rome: yes\n")
    done = await build_engine(located(ScriptedSettings(replies="r.yaml"), tmp_path)).complete(ask("Paris"))
    assert (done.text, done.finish_reason) == ("", "error")
    assert "add a last one" in done.error


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("just text", "must hold a list", id="text"),
        pytest.param("[]", "must hold a list", id="empty"),
        pytest.param("- 1", "must hold a list", id="numbers"),
        pytest.param("(: x", "is not a regular expression", id="pattern"),
    ],
)
def test_a_script_that_is_none(tmp_path, text, says):
    """What is wrong with the file is said before anything is judged."""
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(SettingsError, match=says):
        build_engine(located(ScriptedSettings(replies="r.yaml"), tmp_path))


def test_scripted_settings():
    """A missing file, no reply at all, and other replies under the same journal are told apart."""
    with pytest.raises(SettingsError, match=r"nowhere\.yaml does not exist"):
        located(ScriptedSettings(replies="nowhere.yaml"), None)
    with pytest.raises(SettingsError, match="needs `reply: TEXT`, `replies: FILE`, `rate: NUMBER` or `verdicts: drawn`"):
        build_engine(ScriptedSettings())
    one, two = (build_engine(ScriptedSettings(reply=text)) for text in ("a", "b"))
    assert one.identity != two.identity
