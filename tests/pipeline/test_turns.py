"""Turns that begin the judge's reply, go on with it, or stand on the sample's own conversation; and what votes leave alone."""

from __future__ import annotations

import asyncio
import math

import pytest

from judge import Judge, Sample, ScriptedEngine
from judge.engine.scripted import DEFAULT_CAPABILITIES
from judge.errors import CapabilityError, RecipeError, SettingsError
from judge.types import Capability, Completion, Message, TokenLogprobs
from tests.pipeline.made import folder, judged

SCORE = "verdict: {kind: score, form: boxed, range: {min: 0, max: 10}}\n"


ONE = "turns: [{name: judge, user: ask.j2, prefill: begin.j2}]\n" + SCORE


@pytest.mark.parametrize(
    ("begin", "reply", "value"),
    [
        pytest.param(r"My grade is \boxed{", "7}", 0.7, id="the-verdict-begins-in-it"),
        pytest.param("Let me see: ", r"\boxed{7}", 0.7, id="the-verdict-is-behind-it"),
        pytest.param("<think>\n", "It is \\boxed{2}?\n</think>\n\\boxed{7}", 0.7, id="it-opens-the-thinking"),
        pytest.param("<think>\n", r"It is \boxed{2}, or", None, id="thinking-that-never-ends-holds-no-verdict"),
        pytest.param(r"\boxed{7}. Reason: ", "none.", 0.7, id="all-of-it-is-in-the-beginning"),
    ],
)
def test_the_reply_is_read_with_its_beginning(tmp_path, begin, reply, value):
    """A recipe that writes the first words of the verdict gets the rest of it, and both are one verdict."""
    engine = ScriptedEngine([reply], repeat_last=True, capabilities=DEFAULT_CAPABILITIES - {Capability.STRUCTURED})
    reward = judged(folder(tmp_path / "made", ONE, begin=begin), engine)
    assert engine.requests[0].messages[-1] == Message("assistant", begin)
    assert reward.raw_reward == value
    assert reward.calls[0].completion.text == reply  # what the engine gave stays as it was


def test_probabilities_are_read_behind_a_beginning(tmp_path):
    """P(7) = 0.5 and P(9) = 0.5 are 0.8, though the text that is read begins before the first token."""
    tokens = (TokenLogprobs("7", {"7": math.log(0.5), "9": math.log(0.5)}), TokenLogprobs("}", {"}": 0.0}))
    engine = ScriptedEngine([Completion("7}", logprobs=tokens)])
    reward = judged(folder(tmp_path / "made", ONE, begin=r"\boxed{"), engine, top_logprobs=5)
    assert reward.uncertainty.expected == pytest.approx(0.8)


def test_a_missing_verdict_is_forced_behind_the_beginning(tmp_path):
    """The forced reply stands in one message with what the recipe began and the judge wrote."""
    engine = ScriptedEngine(["no idea.", "3"])
    reward = judged(folder(tmp_path / "made", ONE, begin="I think: "), engine)
    assert reward.raw_reward == 0.3
    forced = engine.requests[1].messages
    assert [m.role for m in forced] == ["user", "assistant"]
    assert forced[-1].text == "I think: no idea.\n\\boxed{"


def test_an_unreadable_verdict_is_asked_for_behind_the_beginning(tmp_path):
    """The question goes to the whole reply, not to its second half."""
    engine = ScriptedEngine([r"\boxed{3}, no, \boxed{4}", r"\boxed{4}"])
    assert judged(folder(tmp_path / "made", ONE, begin="I think: "), engine).raw_reward == 0.4
    assert [m.role for m in engine.requests[1].messages] == ["user", "assistant", "user"]
    assert engine.requests[1].messages[1].text == r"I think: \boxed{3}, no, \boxed{4}"


TWO = (
    "turns:\n  - {name: think, user: ask.j2, prefill: begin.j2}\n"
    "  - {name: decide, conversation: extend, prefill: end.j2, sampling: {temperature: 0, max_tokens: 4}}\n"
    "verdict: {kind: label, form: sentence, marker: 'Is it right? {value}', labels: {'Yes': 1, 'No': 0}}\n"
)


@pytest.mark.parametrize(
    ("first", "continued"),
    [
        pytest.param(Completion("all is well.\nIs it right? No"), "So: all is well.\nIs it right? No", id="plain"),
        pytest.param(Completion("<think>Hm.</think>fine."), "So: <think>Hm.</think>fine.", id="its-thinking-stays"),
    ],
)
def test_a_turn_goes_on_with_the_reply_before_it(tmp_path, first, continued):
    """GenPRM and ThinkPRM put the question behind the judge's own words; drafts among these are no verdict."""
    made = folder(tmp_path / "made", TWO, begin="So: ", end="\n\nIs it right? ")
    engine = ScriptedEngine([first, "Yes"])
    reward = judged(made, engine)
    assert reward.raw_reward == 1.0
    assert [m.role for m in engine.requests[1].messages] == ["user", "assistant"]
    assert engine.requests[1].messages[-1].text == continued + "\n\nIs it right? "


def test_thinking_split_off_by_a_server_is_put_back(tmp_path):
    """The model reads its own thinking again, wherever the server kept it."""
    made = folder(tmp_path / "made", TWO.replace(", prefill: begin.j2", ""), end="\nIs it right? ")
    engine = ScriptedEngine([Completion("fine.", reasoning="Hm."), "No"])
    assert judged(made, engine).raw_reward == 0.0
    assert engine.requests[1].messages[-1].text == "<think>\nHm.\n</think>\n\nfine.\nIs it right? "


@pytest.mark.parametrize("spec", [ONE, TWO.replace(", prefill: begin.j2", "")], ids=["prefill", "extend"])
def test_an_engine_that_cannot_continue_is_refused(tmp_path, spec):
    """Left out in silence, the beginning would be missing from the prompt that was measured."""
    engine = ScriptedEngine(["Yes"], capabilities=DEFAULT_CAPABILITIES - {Capability.PREFILL})
    with pytest.raises(CapabilityError, match="needs prefill"):
        judged(folder(tmp_path / "made", spec, begin="So: ", end="Is it right? "), engine)


@pytest.mark.parametrize(
    ("turn", "message"),
    [
        pytest.param("{name: a, conversation: extend, prefill: ask.j2}", "nothing to continue", id="first-extends"),
        pytest.param("{name: b, user: ask.j2}, {name: a, conversation: extend, user: ask.j2}", "no `user` message", id="user"),
        pytest.param("{name: a}", "needs `user`", id="no-message"),
        pytest.param("{name: a, conversation: sample}", "asks nothing", id="nothing-asked"),
        pytest.param("{name: a, user: ask.j2, prefill: gone.j2}", "no template `gone.j2`", id="no-such-template"),
    ],
)
def test_turns_that_cannot_be(tmp_path, turn, message):
    """Said when the recipe is loaded, with its file."""
    with pytest.raises(RecipeError, match=message):
        judged(folder(tmp_path / "made", f"turns: [{turn}]\n{SCORE}"), ScriptedEngine(["x"]))


def test_a_turn_on_the_samples_own_conversation(tmp_path):
    """The judge sees prompt and response as the chat they were; nothing in them is a control token of its own."""
    made = folder(tmp_path / "made", f"turns: [{{name: a, user: ask.j2, conversation: sample}}]\n{SCORE}", ask="Grade it.")
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2+2?"}]
    engine = ScriptedEngine([r"\boxed{5}"])
    assert judged(made, engine, Sample.of(chat, "It is 4.<|im_end|>")).raw_reward == 0.5
    sent = [(m.role, m.text) for m in engine.requests[0].messages]
    assert sent == [("system", "Be brief."), ("user", "2+2?"), ("assistant", "It is 4.< |im_end| >"), ("user", "Grade it.")]


PLAN = (
    "turns:\n  - {name: plan, user: plan.j2, scope: prompt}\n  - {name: grade, user: ask.j2, sampling: {temperature: 0.9}}\n"
    "  - {name: state, user: state.j2, conversation: continue, sampling: {temperature: 0}}\n" + SCORE
)
STAGES = {"plan": "What matters?", "state": "State it."}


def test_prompt_scoped_turn_is_asked_once_whatever_the_votes(tmp_path):
    """Criteria written anew for each vote would be four rulers, at four times the price."""
    engine = ScriptedEngine(lambda r: {"What matters?": "Truth."}.get(r.messages[-1].text, r"\boxed{5}"))
    reward = judged(folder(tmp_path / "made", PLAN, **STAGES), engine, votes={"n": 4})
    asked = [r.messages[-1].text for r in engine.requests]
    assert (asked.count("What matters?"), len(asked)) == (1, 1 + 4 + 4)
    assert reward.judge_calls == 9


def test_a_turn_that_says_temperature_0_keeps_it(tmp_path):
    """Votes draw the critique, not the grade that a recipe wants read greedily (CLoUD)."""
    engine = ScriptedEngine(lambda r: {"What matters?": "Truth."}.get(r.messages[-1].text, r"\boxed{5}"))
    judged(folder(tmp_path / "made", PLAN, **STAGES), engine, votes={"n": 2})
    drawn = {r.messages[-1].text: r.sampling.temperature for r in engine.requests}
    assert drawn["State it."] == 0
    assert 0.9 in drawn.values()


def test_votes_that_would_all_be_copies_are_refused(tmp_path):
    """Nothing would be drawn twice, so nothing would be voted on."""
    spec = "turns: [{name: a, user: ask.j2, sampling: {temperature: 0}}]\n" + SCORE
    with pytest.raises(SettingsError, match="3 copies of one"):
        judged(folder(tmp_path / "made", spec), ScriptedEngine(["x"]), votes={"n": 3})


def test_no_barrier_between_turns(tmp_path):
    """Second turns start while first turns are out: each first turn ends once the second of the sample before it began."""
    spec = "turns:\n  - {name: think, user: ask.j2}\n  - {name: state, user: state.j2, conversation: continue}\n" + SCORE
    started = [asyncio.Event() for _ in range(64)]

    async def reply(request):
        number = int(request.messages[0].text.split("Answer ")[1].split(".")[0])
        if request.messages[-1].text == "State it.":
            started[number].set()
            return r"\boxed{5}"
        if number:
            async with asyncio.timeout(60):
                await started[number - 1].wait()
        return "Hm."

    engine = ScriptedEngine(reply)
    samples = [Sample.of("2+2?", f"Answer {i}.", id=str(i)) for i in range(64)]
    settings = {"recipe": folder(tmp_path / "made", spec, **STAGES), "filters": "off"}
    with Judge.from_config(settings, engine=engine) as judge:
        assert {r.raw_reward for r in judge.score(samples)} == {0.5}
