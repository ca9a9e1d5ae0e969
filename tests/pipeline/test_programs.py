"""Programs before the judge: what they decide costs no call, and what a comparison cannot tell is the judge's to decide."""

from __future__ import annotations

import pytest

from judge import Judge, Rubric, Sample
from judge.engine.scripted import ScriptedEngine

RUBRIC = Rubric.model_validate(
    {
        "criteria": [
            {"id": "right", "text": "The final answer is right.", "check": "final_answer", "veto": True},
            {"id": "short", "text": "It is short.", "check": "max_words", "args": {"n": 9}},
        ]
    }
)


def judged(response: str, reply: str, *, recipe: str = "checklist", reference: str | None = "0"):
    """The reward of one response, and what was asked."""
    engine = ScriptedEngine([reply, reply])
    with Judge(recipe=recipe, rubric=RUBRIC, engine=engine, filters="off") as judge:
        [reward] = judge.score(Sample.of("3 - 3?", response, reference=reference))
    return reward, engine.requests


@pytest.mark.parametrize(
    ("response", "reply", "value", "calls"),
    [
        pytest.param("It is 0.", "VERDICT: UNMET", 1.0, 0, id="right-by-rule"),
        pytest.param("It is 1.", "VERDICT: MET", 0.0, 0, id="wrong-by-rule"),
        pytest.param("They cancel out.", "Nothing is left.\nVERDICT: MET", 1.0, 1, id="the-judge-says-right"),
        pytest.param("They cancel out.", "No.\nVERDICT: UNMET", 0.0, 1, id="the-judge-says-wrong"),
    ],
)
def test_the_judge_decides_what_a_comparison_cannot_tell(response, reply, value, calls):
    """A right answer in words is judged and not lost; a number costs no call."""
    reward, asked = judged(response, reply)
    assert (reward.reward, len(asked)) == (value, calls)
    assert all("The final answer is right." in request.messages[-1].content for request in asked)
    assert all("REFERENCE ANSWER" in str(request.messages) for request in asked)


def test_a_judge_that_fails_too_leaves_no_reward():
    """Neither the program nor the judge could tell: the veto is open, so there is no reward, and the reason is the judge's."""
    reward, asked = judged("They cancel out.", "Hard to say.")
    assert reward.reward is None
    assert reward.failure.reason in ("incomplete", "missing")
    assert len(asked) == 2  # the call, and the verdict asked for once more


def test_nobody_is_asked_without_a_reference():
    """Without a reference nobody could compare either."""
    reward, asked = judged("They cancel out.", "VERDICT: MET", reference=None)
    assert (reward.reward, asked) == (None, [])


@pytest.mark.parametrize(
    ("response", "value", "vetoed"),
    [
        pytest.param("It is 0.", 0.75, False, id="passed"),
        pytest.param("It is 1.", 0.0, True, id="failed"),
        pytest.param("They cancel out.", None, False, id="cannot-tell"),
    ],
)
def test_a_veto_beside_one_overall_grade(response, value, vetoed):
    """A recipe that gives one grade keeps a veto's promise, too: failed is 0, and without a verdict there is no reward."""
    criteria = [
        {"id": "right", "text": "It is right.", "check": "final_answer", "veto": True},
        {"id": "kind", "text": "It is kind."},
    ]
    engine = ScriptedEngine(["Kind.\nVERDICT: 4"] * 2)
    rubric = Rubric.model_validate({"criteria": criteria})
    with Judge(recipe="pointwise", rubric=rubric, engine=engine, filters="off") as judge:
        [reward] = judge.score(Sample.of("3 - 3?", response, reference="0"))
    assert reward.reward == value
    assert ("veto" in {flag.name for flag in reward.flags}) is vetoed
    if value is None:
        assert (reward.failure.reason, "right" in reward.failure.detail) == ("incomplete", True)


def test_a_program_without_effect_is_told_of(caplog):
    """Beside one overall grade a check that is no veto changes nothing. A rubric may serve several recipes: it is not refused."""
    brief = {"id": "brief", "text": "It is brief.", "check": "max_words", "args": {"n": 5}}
    rubric = Rubric.model_validate({"criteria": [brief, {"id": "kind", "text": "It is kind."}]})
    for recipe, told in (("pointwise", True), ("checklist", False)):
        caplog.clear()
        with Judge(recipe=recipe, rubric=rubric, engine=ScriptedEngine(["VERDICT: 4"])):
            assert ("the check of `brief` has no effect" in caplog.text) is told
