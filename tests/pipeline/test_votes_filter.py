"""`votes.filter`: a judge of judgements chooses which votes count."""

from __future__ import annotations

import pytest

from judge import Judge, Sample, ScriptedEngine
from judge.errors import JudgeError

FILTER = {"n": 3, "filter": {"keep": 1}}


def judges_votes(request) -> bool:
    return any("BEGIN JUDGEMENT" in m.text for m in request.messages)


def reply(request):
    """Three votes with three grades, and a judge of judgements that trusts whoever counted."""
    text = request.messages[-1].text
    if "BEGIN JUDGEMENT" in text:
        return f"VERDICT: {10 if 'I counted' in text else 2}"
    return {0: "VERDICT: 1", 1: "I counted.\nVERDICT: 5", 2: "VERDICT: 1"}[request.sampling.seed]


def judged(engine: ScriptedEngine, **settings):
    given = {"recipe": "pointwise", "rubric": "helpfulness", "filters": "off", "votes": FILTER, **settings}
    with Judge.from_config(given, engine=engine) as judge:
        return judge.score([Sample.of("2+2?", "It is 4.")])[0]


def test_only_the_votes_that_are_trusted_count():
    """The mean of all would be 1/3."""
    engine = ScriptedEngine(reply)
    reward = judged(engine)
    assert reward.raw_reward == 1.0
    assert [f.detail for f in reward.flags if f.name == "votes_filtered"] == ["1 of 3 votes count"]
    asked = [r for r in engine.requests if "BEGIN JUDGEMENT" in r.messages[-1].text]
    assert len(asked) == 2  # two votes said the same, and are judged once
    assert all("It is 4." in r.messages[-1].text for r in asked)  # what was judged stands in the documents
    assert len(reward.calls) == 6


def test_ties_are_all_kept():
    """Two equally good votes are two votes, whichever came first."""
    engine = ScriptedEngine(lambda r: "VERDICT: 7" if judges_votes(r) else f"VERDICT: {1 + 2 * r.sampling.seed}")
    assert judged(engine).raw_reward == 0.5


def test_without_any_grade_there_is_no_reward():
    """A judge of judgements that says nothing has not approved of anything."""
    engine = ScriptedEngine(lambda r: "Hm." if judges_votes(r) else "VERDICT: 5")
    reward = judged(engine)
    assert (reward.raw_reward, str(reward.failure.reason)) == (None, "low_quorum")


@pytest.mark.parametrize(
    ("votes", "message"),
    [
        ({"n": 2, "filter": {"keep": 2}}, "must be below `n`"),
        ({"n": 3, "stop_when_decided": True, "filter": {"keep": 1}}, "compares all votes"),
        ({"n": 3, "filter": {"keep": 1, "recipe": "pairwise"}}, "must be pointwise"),
        ({"n": 3, "filter": {"keep": 1, "recipe": "max_words"}}, "no recipe `max_words`"),
    ],
)
def test_filters_that_cannot_be(votes, message):
    """Said before anything is asked."""
    with pytest.raises(JudgeError, match=message):
        judged(ScriptedEngine(["x"]), votes=votes)
