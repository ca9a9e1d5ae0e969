"""Recipes that are a program: no model, no engine, no turns."""

from __future__ import annotations

import pytest

from judge import Judge, Sample, ScriptedEngine
from judge.errors import RecipeError, SettingsError
from tests.pipeline.made import folder, judged

HERE = "tests.pipeline.made"


def program(where, name: str, more: str = "") -> str:
    return folder(where / "made", f"signal: program\nprogram: {name}\n{more}")


@pytest.mark.parametrize(
    ("name", "options", "value", "components"),
    [
        pytest.param(f"{HERE}:length", "", 0.08, {"overall": 0.08}, id="of-sample-and-index"),
        pytest.param(f"{HERE}:length_later", "options: {most: 16}", 0.5, {"overall": 0.5}, id="asynchronous-with-options"),
        pytest.param(f"{HERE}:by_name", "", 0.75, {"short": 1.0, "right": 0.5}, id="several-scores-are-averaged"),
        pytest.param(f"{HERE}:with_overall", "", 0.3, {"overall": 0.3, "detail": 1.0}, id="overall-counts"),
        pytest.param(f"{HERE}:by_numpy", "", 0.25, {"overall": 0.25}, id="a-number-of-numpy"),
        pytest.param(f"{HERE}:by_numpy_and_name", "", 0.5, {"whole": 1.0, "none": 0.0}, id="numbers-of-numpy-by-name"),
        pytest.param("max_words", "options: {n: 2}", 0.0, {"overall": 0.0}, id="a-registered-check"),
        pytest.param("matches_reference", "", 1.0, {"overall": 1.0}, id="one-that-needs-the-reference"),
    ],
)
def test_a_program_is_the_reward(tmp_path, name, options, value, components):
    """Where a program can tell, nothing is loaded and nothing is asked."""
    reward = judged(program(tmp_path, name, options), sample=Sample.of("2+2?", "It is 4.", reference="It is 4."))
    assert reward.raw_reward == pytest.approx(value)
    assert reward.components == pytest.approx(components)
    assert reward.calls == ()


@pytest.mark.parametrize(
    ("name", "reason", "detail"),
    [
        pytest.param(f"{HERE}:refuses", "check_error", "no schema", id="it-says-why"),
        pytest.param(f"{HERE}:breaks", "check_error", "KeyError: 'gone'", id="it-raises"),
        pytest.param("matches_reference", "missing", "it cannot tell", id="it-cannot-tell"),
        pytest.param(f"{HERE}:a_list", "check_error", "gave a list of 2; it gives one score in [0, 1]", id="it-gives-a-list"),
    ],
)
def test_a_program_that_fails_gives_no_reward(tmp_path, name, reason, detail):
    """A fault in somebody's program is a reason, never a 0."""
    reward = judged(program(tmp_path, name))
    assert (reward.raw_reward, str(reward.failure.reason)) == (None, reason)
    assert detail in reward.failure.detail


def test_one_missing_score_is_not_averaged_away(tmp_path):
    """The mean of what is left would pay for what could not be told."""
    reward = judged(program(tmp_path, f"{HERE}:by_name"), sample=Sample.of("2+2?", "4?"))
    assert (reward.raw_reward, dict(reward.components)) == (None, {"short": 1.0, "right": None})


@pytest.mark.parametrize(
    ("name", "more", "message"),
    [
        pytest.param("max_word", "", "did you mean `max_words`", id="no-such-program"),
        pytest.param("max_words", "", "needs `options: {n: ...}`", id="an-option-is-missing"),
        pytest.param(f"{HERE}:gone", "", "cannot be imported", id="no-such-function"),
        pytest.param(f"{HERE}:too_much", "", "gave 1.5", id="no-score"),
        pytest.param("max_words", "turns: [{name: a, user: ask.j2}]", "asks no model, so `turns` has no effect", id="turns"),
        pytest.param("max_words", "votes: 3", "`votes` has no effect", id="votes"),
    ],
)
def test_what_a_program_recipe_cannot_say(tmp_path, name, more, message):
    """A setting without effect is an error, not a surprise."""
    with pytest.raises(RecipeError, match=message):
        judged(program(tmp_path, name, more))


def test_a_recipe_without_turns_must_be_a_program(tmp_path):
    """What used to be a missing field still is."""
    with pytest.raises(RecipeError, match="`turns` is missing"):
        judged(folder(tmp_path / "made", "verdict: {kind: score, form: boxed}\n"))
    with pytest.raises(RecipeError, match="`program` goes with `signal: program`"):
        judged(folder(tmp_path / "made", "program: max_words\nturns: [{name: a, user: ask.j2}]\nverdict: {kind: score}\n"))


def test_no_engine_is_for_programs_only():
    """`engine: {kind: none}` under a recipe that asks is found before anything is judged."""
    with pytest.raises(SettingsError, match="asks a model"):
        Judge(recipe="pointwise", rubric="helpfulness", engine={"kind": "none"})


def test_filters_and_vetoes_stand_before_a_program(tmp_path):
    """An empty answer is empty whoever grades, and a veto of the rubric holds."""
    recipe = program(tmp_path, f"{HERE}:length")
    rubric = {"criteria": [{"id": "short", "text": "Short.", "check": "max_words", "args": {"n": 2}, "veto": True}]}
    with Judge(recipe=recipe, rubric=rubric) as judge:
        empty, vetoed, kept = judge.score([Sample.of("2+2?", text) for text in ("   ", "It is four, I think.", "It is four")[:3]])
    assert [empty.reward, vetoed.reward] == [0.0, 0.0]
    assert "veto" in [f.name for f in vetoed.flags]
    assert kept.reward == 0.0  # three words


def test_an_engine_that_is_passed_is_not_asked(tmp_path):
    """A trainer that always has an engine may use a program."""
    engine = ScriptedEngine(["unused"])
    assert judged(program(tmp_path, f"{HERE}:length"), engine).raw_reward == 0.08
    assert engine.requests == []
