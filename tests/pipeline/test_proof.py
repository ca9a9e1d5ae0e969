"""Positive verdicts and their proof, through the whole pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from judge import Judge, Sample
from judge.engine.scripted import ScriptedEngine
from judge.pipeline.proof import BY_RULE
from judge.types import Capability, Completion, Reward

RUBRIC = {
    "name": "r",
    "criteria": [
        {"id": "a", "text": "It answers the question.", "kind": "essential"},
        {"id": "b", "text": "It shows its work.", "kind": "optional"},
        {"id": "rude", "text": "It is rude.", "kind": "pitfall"},
    ],
}
PROVE = {"actions": {"opener_only": "prove"}}
OPENER = "Let's solve this step by step."


def judged(
    replies: Any, response: str = "By my count it is 4 in all.", known: str | None = "4", **config: Any
) -> tuple[Reward, ScriptedEngine]:
    engine = ScriptedEngine(replies, repeat_last=isinstance(replies, list))
    sample = Sample.of("How many are left?", response, reference=known)
    with Judge.from_config({"recipe": "verifier", **config}, engine=engine) as judge:
        [reward] = judge.score([sample])
    return reward, engine


def names(reward: Reward) -> set[str]:
    return {flag.name for flag in reward.flags}


@pytest.mark.parametrize(
    ("replies", "value", "calls", "reason"),
    [
        pytest.param(["RESPONSE SAYS: it is 4\nVERDICT: CORRECT"], 1.0, 1, None, id="proved"),
        pytest.param(["RESPONSE SAYS: it is 5\nVERDICT: INCORRECT"], 0.0, 1, None, id="a-negative-needs-none"),
        pytest.param(["RESPONSE SAYS: 4 (four)\nVERDICT: CORRECT", "it is 4 in all"], 1.0, 2, None, id="sloppy-and-mended"),
        pytest.param(["VERDICT: CORRECT", "RESPONSE SAYS: 4"], 1.0, 2, None, id="forgotten-and-mended"),
        pytest.param(["VERDICT: CORRECT"], None, 2, "unproved", id="yes-and-nothing-else"),
        pytest.param(["RESPONSE SAYS: none\nVERDICT: CORRECT", "none"], None, 2, "unproved", id="none-and-correct"),
        pytest.param(["RESPONSE SAYS: in all\nVERDICT: CORRECT"], None, 2, "unproved", id="no-value"),
    ],
)
def test_a_recipe_that_demands_proof(replies: Sequence[str], value: float | None, calls: int, reason: str | None):
    """No words of the response, no positive verdict; and never a negative one in its place."""
    reward, engine = judged(list(replies))
    assert (reward.raw_reward, len(engine.requests)) == (value, calls)
    assert (str(reward.failure.reason) if reward.failure else None) == reason


@pytest.mark.parametrize(
    ("replies", "value"),
    [
        pytest.param(["it is 4 in all", "VERDICT: CORRECT"], 1.0, id="proved"),
        pytest.param(["RESPONSE SAYS: it is 4", "VERDICT: CORRECT"], 1.0, id="behind-the-marker"),
        pytest.param(["it is 4", "RESPONSE SAYS: 17\nVERDICT: CORRECT"], 1.0, id="the-copying-turn-counts"),
        pytest.param(["17", "RESPONSE SAYS: it is 4\nVERDICT: CORRECT", "17"], None, id="no-other-turn-counts"),
        pytest.param(["17", "VERDICT: CORRECT", "4"], 1.0, id="mended"),
        pytest.param(["NONE", "VERDICT: INCORRECT"], 0.0, id="no-answer"),
    ],
)
def test_words_copied_before_the_reference_is_seen(replies: Sequence[str], value: float | None):
    """A judge cannot copy a reference that it was not shown, and compares nothing but the words that it copied."""
    reward, engine = judged(replies, known="Answer: 4.0", recipe={"name": "verifier-extract", "options": {"rule_first": False}})
    assert reward.raw_reward == value
    first, second, *again = [" ".join(m.text for m in request.messages) for request in engine.requests]
    assert ("By my count" in first, "Answer: 4.0" in first) == (True, False)
    assert ("By my count" in second, "Answer: 4.0" in second) == (False, True)
    assert all("By my count" in text and "Answer: 4.0" not in text for text in again)


def test_proof_is_demanded_past_the_filters():
    """The proof belongs to the recipe: with filters off it is checked all the same."""
    reward, _ = judged(["RESPONSE SAYS: 4\nVERDICT: CORRECT"], OPENER, filters={"trivial": "off"})
    assert (reward.raw_reward, reward.failure.reason) == (None, "unproved")


def test_each_vote_brings_its_own_proof():
    """One vote that copied the reference does not carry two that did not, nor take them down."""
    replies = [
        "RESPONSE SAYS: 4\nVERDICT: CORRECT",
        "RESPONSE SAYS: 17\nVERDICT: CORRECT",
        "RESPONSE SAYS: 4\nVERDICT: CORRECT",
        "17",
    ]
    reward, engine = judged(replies, votes=3)
    assert (reward.raw_reward, len(engine.requests)) == (1.0, 4)
    assert reward.uncertainty.missing == pytest.approx(1 / 3)


def test_words_are_asked_for_under_a_constraint():
    """An engine that can be held to a choice is held to the words of the response; another is asked plainly."""
    _, engine = judged(["VERDICT: CORRECT", "none"])
    assert engine.requests[1].structured.choice == ("By my count it is 4 in all.", "none")
    assert [m.role for m in engine.requests[1].messages] == ["system", "user", "assistant", "user"]
    plain = ScriptedEngine(["VERDICT: CORRECT", "none"], capabilities=frozenset({Capability.SEED}))
    with Judge.from_config({"recipe": "verifier"}, engine=plain) as judge:
        judge.score([Sample.of("How many?", "By my count it is 4 in all.", reference="4")])
    assert plain.requests[1].structured is None


def test_spans_that_an_engine_cannot_be_held_to_are_asked_for_without():
    """A response with signs that the engine's grammar compiler refuses can be proved all the same."""

    def reply(request):
        if request.structured is not None:
            return Completion("", "error", error="the grammar cannot be compiled")
        return "it is 4 in all" if "Copy" in request.messages[-1].content else "RESPONSE SAYS: 4 (four)\nVERDICT: CORRECT"

    reward, engine = judged(reply)
    assert (reward.raw_reward, len(engine.requests)) == (1.0, 3)
    assert [request.structured is None for request in engine.requests] == [True, False, True]


def test_a_failed_turn_is_no_lie():
    """An engine that fails while it is asked for the words gives its own reason."""
    reward, _ = judged([Completion("VERDICT: CORRECT"), Completion("", "timeout", error="late")])
    assert (reward.raw_reward, reward.failure.reason) == (None, "timeout")


@pytest.mark.parametrize(
    ("reply", "value", "reason", "flags"),
    [
        pytest.param(OPENER, None, "unproved", {"opener_only"}, id="only-the-announcement"),
        pytest.param("VERDICT: 5", None, "unproved", {"opener_only"}, id="not-copied"),
        pytest.param("none", 0.0, None, {"opener_only", "no_answer"}, id="no-answer"),
    ],
)
def test_a_suspect_in_a_recipe_that_copies_nothing(reply: str, value: float | None, reason: str | None, flags: set[str]):
    """One short turn more, behind the positive verdict, decides what the verdict is worth."""
    reward, engine = judged(["VERDICT: 5", reply], OPENER, None, recipe="pointwise", rubric="helpfulness", filters=PROVE)
    assert (reward.raw_reward, len(engine.requests)) == (value, 2)
    assert (str(reward.failure.reason) if reward.failure else None) == reason
    assert names(reward) >= flags


def test_the_lowest_grade_of_a_suspect_needs_no_proof():
    """Suspicion costs nothing where the judge sees for itself."""
    reward, engine = judged(["VERDICT: 1"], OPENER, None, recipe="pointwise", rubric="helpfulness", filters=PROVE)
    assert (reward.raw_reward, len(engine.requests)) == (0.0, 1)


@pytest.mark.parametrize(("reply", "value"), [("none", 0.0), (OPENER, None)], ids=["no-answer", "unproved"])
def test_one_turn_for_all_criteria_of_a_suspect(reply: str, value: float | None):
    """A checklist asks for the words once, and what they come to holds for every criterion, faults not made included."""

    def replies(request):
        return (
            reply
            if "Copy the words" in request.messages[-1].text
            else "VERDICT: UNMET"
            if "rude" in str(request.messages)
            else "VERDICT: MET"
        )

    reward, engine = judged(replies, OPENER, None, recipe="checklist", rubric=RUBRIC, filters=PROVE)
    assert len(engine.requests) == 4
    assert (reward.raw_reward, set(reward.components.values())) == (value, {value})


def test_rule_first():
    """What a program can see to be right costs no call, and says so; what it cannot see goes to the judge."""
    reward, engine = judged(["VERDICT: INCORRECT"], "The answer is 4.")
    assert (reward.raw_reward, reward.explanation, reward.components, len(engine.requests)) == (1.0, BY_RULE, {"overall": 1.0}, 0)
    options = {"name": "verifier", "options": {"rule_first": False}}
    reward, engine = judged(["VERDICT: INCORRECT"], "The answer is 4.", recipe=options)
    assert (reward.raw_reward, len(engine.requests)) == (0.0, 1)


@pytest.mark.parametrize(
    "response",
    [
        pytest.param("I think it is 3 or 4", id="a-last-number-that-nothing-calls-the-answer"),
        pytest.param("\\boxed{3} or \\boxed{4}", id="two-boxes"),
        pytest.param("The answer is 3. No, the answer is 4.", id="two-answers"),
        pytest.param("1 2 3 4", id="a-list"),
        pytest.param("5-1", id="a-score"),
        pytest.param("The answer is 2+2.", id="a-sum"),
        pytest.param("\\boxed{04}", id="a-code"),
    ],
)
def test_rules_decide_only_what_is_certain(response: str):
    """A rule that pays for a guess among several would be the cheapest exploit of all."""
    _, engine = judged(["VERDICT: INCORRECT"], response, filters={"trivial": "flag"})
    assert len(engine.requests) == 1


# ---- what a person reads --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("replies", "response", "config", "said"),
    [
        pytest.param(
            ["VERDICT: 4", "The end"], "The end", {}, ("one verdict", "says_little", "\u201cThe end\u201d"), id="proved"
        ),
        pytest.param(["VERDICT: 4", "none"], OPENER, {}, ("opener_only", "finds none", "the reward is 0"), id="no-answer"),
        pytest.param(["VERDICT: 1"], OPENER, {}, ("one verdict", "opener_only"), id="graded-lowest"),
        pytest.param(
            ["VERDICT: 4"], OPENER, {}, ("VERDICT: 4", "does not stand in the response", "copied none"), id="other-words"
        ),
        pytest.param(["VERDICT: 4", ""], OPENER, {}, ("copied no words", "state its answer"), id="no-words"),
        pytest.param(["VERDICT: 4", OPENER], OPENER, {}, ("state no answer", OPENER), id="words-that-say-nothing"),
        pytest.param(
            ["RESPONSE SAYS: none\nVERDICT: CORRECT"],
            "By my count it is 4.",
            {"recipe": "verifier"},
            ("calls the response right", "states no answer"),
            id="contradicts-itself",
        ),
        pytest.param(
            ["VERDICT: MET", "none"],
            OPENER,
            {"recipe": "checklist", "rubric": {"criteria": [{"id": "on_task", "text": "It answers.", "veto": True}]}},
            ("opener_only", "finds none"),
            id="no-veto-is-blamed",
        ),
    ],
)
def test_the_explanation_says_what_proof_was_owed_and_given(
    replies: list[str], response: str, config: dict[str, Any], said: tuple[str, ...]
):
    """Who reads a reward learns which filter suspected the response, what the judge copied, and what would have counted."""
    known = "5" if config.get("recipe") == "verifier" else None
    reward, _ = judged(replies, response, known, **{"recipe": "pointwise", "rubric": "helpfulness", "filters": PROVE} | config)
    assert [word for word in said if word not in reward.explanation] == []
    assert "veto" not in reward.explanation
    assert reward.failure is None or reward.explanation == f"no reward: unproved: {reward.failure.detail}"
    assert (reward.failure is None) == (reward.raw_reward is not None)


# ---- sizes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "fields", "told"),
    [
        pytest.param("max_prompt_chars", {"prompt": "q" * 200}, "the prompt and its documents have 200 characters", id="prompt"),
        pytest.param("max_prompt_chars", {"context": ("d" * 200,)}, "the prompt and its documents have 2", id="document"),
        pytest.param("max_reference_chars", {"reference": ("4" * 200,)}, "the reference has 200 characters", id="reference"),
    ],
)
def test_what_comes_with_a_response_has_limits(limit: str, fields: dict[str, Any], told: str):
    """A prompt of a gigabyte is refused by its size, never cut, and never a grade."""
    engine = ScriptedEngine(["VERDICT: CORRECT"])
    sample = Sample(**{"prompt": "How many?", "responses": ("By my count 4.",), "reference": ("4",), **fields})
    with Judge.from_config({"recipe": "verifier", "filters": {limit: 100}}, engine=engine) as judge:
        [reward] = judge.score([sample])
    assert (reward.raw_reward, str(reward.failure.reason), engine.requests) == (None, "over_length", [])
    assert told in reward.failure.detail
