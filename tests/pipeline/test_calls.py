"""One judge call: what happens after a reply without a verdict, and after one that cannot be read."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from judge import Judge, Sample, ScriptedEngine
from judge.engine.scripted import DEFAULT_CAPABILITIES
from judge.types import Capability, Completion

PROMPTS = Path(__file__).parents[2] / "prompts"
UNFORCED = DEFAULT_CAPABILITIES - {Capability.STRUCTURED}
NO_PREFILL = DEFAULT_CAPABILITIES - {Capability.PREFILL}


def recipe(folder: Path, line: str) -> str:
    """The shipped recipe `pointwise` with one more line of settings."""
    made = folder / "pointwise"
    shutil.copytree(PROMPTS / "pointwise", made)
    shutil.copytree(PROMPTS / "_shared", folder / "_shared")
    spec = made / "recipe.yaml"
    spec.write_text(f"{spec.read_text(encoding='utf-8')}\n{line}\n", encoding="utf-8")
    return str(made)


def judged(engine: ScriptedEngine, name: str = "pointwise"):
    """The reward of one response."""
    with Judge.from_config({"recipe": name, "rubric": "helpfulness", "filters": "off"}, engine=engine) as judge:
        return judge.score([Sample.of("Which city is it?", "It is the city of Paris.")])[0]


@pytest.mark.parametrize("capabilities", [DEFAULT_CAPABILITIES, NO_PREFILL, UNFORCED])
@pytest.mark.parametrize("first", ["VERDICT: 5\nVERDICT: 1", "VERDICT: 7/10", "VERDICT: 4. Actually two."])
def test_an_unreadable_verdict_is_asked_for_once_more(first, capabilities):
    """A judge that contradicts itself mostly knows what it meant: one more short call instead of no reward."""
    engine = ScriptedEngine([first, "VERDICT: 2"], capabilities=capabilities)
    reward = judged(engine)
    assert reward.components == {"overall": 0.25}
    assert "asked_again" in {flag.name for flag in reward.flags}
    assert [call.again for call in reward.calls] == [False, True]
    assert [m.role for m in engine.requests[1].messages][-2:] == ["assistant", "user"]
    assert (engine.requests[1].structured is None) == (capabilities is UNFORCED)


def test_it_is_asked_once_and_not_for_ever():
    """Two unreadable replies are no verdict, with the reason of the first."""
    engine = ScriptedEngine(["VERDICT: 5\nVERDICT: 1"], repeat_last=True, capabilities=UNFORCED)
    reward = judged(engine)
    assert (reward.failure.reason, len(engine.requests)) == ("ambiguous", 2)


def test_a_recipe_may_say_not_to_ask_again(tmp_path):
    """A published prompt is asked as published."""
    engine = ScriptedEngine(["VERDICT: 5\nVERDICT: 1"], repeat_last=True)
    assert judged(engine, recipe(tmp_path, "ask_again: []")).failure.reason == "ambiguous"
    assert len(engine.requests) == 1


CUT = [
    pytest.param(Completion("<think>\nMaybe\nVERDICT: 5\nBut wait,", "length"), "<think>", "</think>", id="tags"),
    pytest.param(Completion("[THINK]Maybe a 5.", "length"), "[THINK]", "[/THINK]", id="mistral"),
    pytest.param(Completion("", "length", reasoning="Maybe a 5."), "<think>", "</think>", id="split-off-by-the-server"),
    pytest.param(Completion("<|channel|>analysis<|message|>Maybe a 5.", "length"), "analysis", "final", id="gpt-oss"),
]


@pytest.mark.parametrize(("cut", "begins", "ends"), CUT)
def test_thinking_that_was_cut_off_gives_no_reward(cut, begins, ends):
    """What was not thought through is not judged: neither the draft in it, nor a verdict made up in its place."""
    engine = ScriptedEngine([cut], repeat_last=True)
    assert judged(engine).failure.reason == "truncated"
    assert len(engine.requests) == 1


@pytest.mark.parametrize(("cut", "begins", "ends"), CUT)
def test_thinking_is_closed_and_continued_where_the_recipe_says_so(tmp_path, cut, begins, ends):
    """`force: [..., thinking]` trades a missing reward for a verdict on unfinished thinking, and says which those are."""
    engine = ScriptedEngine([cut, "2"])
    reward = judged(engine, recipe(tmp_path, "force: [missing, truncated, empty, thinking]"))
    assert reward.components == {"overall": 0.25}
    assert {"forced_verdict", "forced_thinking"} <= {flag.name for flag in reward.flags}
    assert [call.thinking for call in reward.calls] == [False, True]
    said = engine.requests[1].messages[-1]
    assert said.role == "assistant"
    assert said.content.index(begins) < said.content.index("aybe") < said.content.rindex(ends)
    assert said.content.endswith("VERDICT: ")


@pytest.mark.parametrize("sampling", [{"min_p": 0.1}, {"repetition_penalty": 1.1}, {"presence_penalty": 1.5}], ids=str)
def test_every_sampling_setting_is_sent_and_is_part_of_the_key(sampling):
    """A reply drawn under other settings is not taken for this one from the cache."""
    keys = set()
    for given in ({}, sampling):
        engine = ScriptedEngine(["VERDICT: 4"])
        config = {"recipe": "pointwise", "rubric": "helpfulness", "sampling": given, "filters": "off"}
        with Judge.from_config(config, engine=engine) as judge:
            [reward] = judge.score([Sample.of("Which city is it?", "It is the city of Paris.")])
        keys.add(reward.calls[0].key)
    [(name, value)] = sampling.items()
    assert getattr(engine.requests[0].sampling, name) == value
    assert len(keys) == 2
