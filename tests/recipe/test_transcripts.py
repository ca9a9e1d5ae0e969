"""Every shipped recipe passes its own recorded replies, through the whole pipeline."""

from __future__ import annotations

import asyncio
import math
import re
from pathlib import Path

import pytest

from judge.errors import RecipeError
from judge.pipeline.asking import begin
from judge.pipeline.selftest import missing_kinds, run_transcripts
from judge.pipeline.transcripts import CallReply, Script, Transcript
from judge.recipe.load import list_recipes, load_recipe
from judge.types import Message, Request, Sampling


@pytest.mark.parametrize("name", list_recipes())
def test_transcripts(name):
    """A judge's reply comes to the reward that a reader of it would give, and the transcripts show what judges do."""
    recipe = load_recipe(name)
    results = run_transcripts(recipe)
    assert [r for r in results if r.problem] == []
    assert missing_kinds(recipe, results) == []


def test_worked_example_of_the_documentation(tmp_path):
    """What a reader pastes from docs/recipes.md passes."""
    text = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```(?:yaml)?\n# (worst-fault/\S+)\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 4
    (tmp_path / "worst-fault").mkdir()
    for name, body in blocks:
        (tmp_path / name).write_text(body, encoding="utf-8")
    assert sum(body.count("\n") for _, body in blocks) < 30
    recipe = load_recipe(tmp_path / "worst-fault")
    results = run_transcripts(recipe)
    assert [r.problem for r in results] == ["", "", "", ""]
    assert missing_kinds(recipe, results) == []


RECIPE = """
name: own
summary: A recipe of a test.
mode: pairwise
source: {title: A test}
turns:
  - {name: plan, user: plan.j2, scope: prompt}
  - {name: judge, user: judge.j2}
verdict: {kind: choice, form: brackets, tie: C}
order: both_mean
"""
PLAN = "Say what matters here.\n{{ prompt | quote('PROMPT') }}"
JUDGE = "{% for r in responses %}{{ r.text | quote('RESPONSE ' ~ r.name) }}{% endfor %}\nEnd with [[A]], [[B]] or [[C]]."


def problem_of(folder, entry: str, *, judge: str = JUDGE) -> str:
    """The problem of one transcript of the recipe above."""
    for name, text in (("recipe.yaml", RECIPE), ("plan.j2", PLAN), ("judge.j2", judge)):
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "transcripts.yaml").write_text("transcripts:\n" + entry, encoding="utf-8")
    [result] = run_transcripts(load_recipe(folder))
    return result.problem


BOTH = "{turn: judge, order: [0, 1], reply: 'So [[A]].'}, {turn: judge, order: [1, 0], reply: 'So [[B]].'}"


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        pytest.param(
            f"  - {{name: t, calls: [{{turn: plan, reply: The sum.}}, {BOTH}], rewards: [1, 0]}}", "", id="by-turn-and-order",
        ),
        pytest.param(
            f"  - {{name: t, calls: [{BOTH}, {{turn: plan, reply: The sum.}}], rewards: [1, 0]}}", "", id="in-any-order",
        ),
        pytest.param(
            "  - {name: t, calls: [{turn: plan, reply: The sum.}, {contains: RESPONSE A, reply: '[[A]]'}], rewards: [0.5, 0.5]}",
            "", id="by-words-of-the-request",
        ),
        pytest.param(
            f"  - {{name: t, calls: [{{turn: plan, reply: x}}, {BOTH}, {{turn: judge, vote: 1, reply: x}}], rewards: [1, 0]}}",
            "calls[3] (turn 'judge', vote 1) answered no call", id="left-over",
        ),
        pytest.param(
            "  - {name: t, calls: [{turn: judge, reply: '[[A]]'}], rewards: [null, null], reason: engine_error}",
            "no entry of `calls` answers turn `plan`, order [0, 1], whose request ends in ", id="no-reply",
        ),
        pytest.param(
            "  - {name: t, calls: [{turn: plan, reply: x}, {turn: judge, order: [0, 1], reply: Hm.}, "
            "{turn: judge, order: [1, 0], reply: '[[B]]'}, {follow: force, reply: A}], rewards: [1, 0]}",
            "", id="verdict-asked-for-alone",
        ),
        pytest.param(
            "  - {name: t, calls: [{turn: plan, reply: x}, {turn: judge, order: [0, 1], reply: Hm.}, "
            "{turn: judge, order: [1, 0], reply: '[[B]]'}], rewards: [null, null], reason: missing}",
            "", id="the-same-again-where-nothing-follows",
        ),
        pytest.param(
            "  - {name: t, calls: [{turn: plan, reply: x}, {turn: judge, vote: 1, reply: '[[A]]', finish: length}, "
            "{turn: judge, reply: '[[A]]'}], settings: {votes: {n: 2, quorum: 0.9}}, rewards: [null, null], reason: low_quorum}",
            "", id="by-vote",
        ),
        pytest.param(
            "  - {name: t, replies: [x, Hm., '[[B]]', A, '[[A]]'], rewards: [0.5, 0.5]}",
            "reply 3 answered what follows a reply without a verdict, and a turn was asked after it: use `calls`",
            id="a-reply-for-a-turn-answers-nothing-else",
        ),
        pytest.param(
            "  - {name: t, replies: [x, '[[A]]', '[[B]]', '[[A]]', '[[A]]'], rewards: [1, 0]}",
            "2 of 5 replies were never asked for", id="replies-left-over",
        ),
        pytest.param(
            f"  - {{name: t, calls: [{{turn: plan, reply: x, request: {{contains: [REFERENCE], absent: [matters]}}}}, {BOTH}], "
            "rewards: [1, 0]}",
            "the request of turn `plan`, order [0, 1] does not hold 'REFERENCE'; "
            "the request of turn `plan`, order [0, 1] holds 'matters'", id="request",
        ),
        pytest.param(
            f"  - {{name: t, calls: [{{turn: plan, reply: x}}, {BOTH}], rewards: [0.5, 0.5], components: {{overall: [1, 1]}}}}",
            "expected rewards [0.5, 0.5], got [1.0, 0.0]; expected component `overall` [1.0, 1.0], got [1.0, 0.0]", id="rewards",
        ),
        pytest.param(
            f"  - {{name: t, calls: [{{turn: plan, reply: x}}, {BOTH}], settings: {{vots: 3}}, rewards: [1, 0]}}",
            "no field `vots`; did you mean `votes`?", id="settings",
        ),
    ],
)  # fmt: skip
def test_which_reply_answers_which_call(tmp_path, entry, problem):
    """A reply that nobody asked for is a mistake in a transcript, and so is a call that no reply answers."""
    found = problem_of(tmp_path, entry)
    assert problem in found if problem else not found, found


@pytest.mark.parametrize(
    ("judge", "words"),
    [
        pytest.param(JUDGE.replace("[[", "(").replace("]]", ")"), "'[['", id="form"),
        pytest.param(JUDGE.replace(" or [[C]]", ""), None, id="tie-by-its-letter"),
        pytest.param(JUDGE, None, id="all-said"),
    ],
)
def test_a_prompt_that_never_says_how_to_write_the_verdict(tmp_path, judge, words):
    """Such a judge can only guess, and every verdict is missing or, worse, forced."""
    found = problem_of(tmp_path, f"  - {{name: t, calls: [{{turn: plan, reply: x}}, {BOTH}], rewards: [1, 0]}}", judge=judge)
    if words:
        assert f"the prompt of turn `judge` never mentions {words}" in found
    else:
        assert not found


@pytest.mark.parametrize(
    ("entry", "wrong"),
    [
        pytest.param("{name: t, replies: [x], calls: [{reply: x}], rewards: [1, 0]}", "give one of the two", id="both"),
        pytest.param("{name: t, calls: [{reply: x}], finish: length, rewards: [1, 0]}", "a `finish` of its own", id="finish"),
        pytest.param("{name: t, replies: [x], settings: {engine: {}}, rewards: [1, 0]}", "cannot set `engine`", id="engine"),
        pytest.param("{name: t, calls: [{reply: x, logprobs: [{A: -1}]}], rewards: [1]}", "probabilities above 0", id="logs"),
        pytest.param("{name: t, scores: [[0.5]], rewards: [1, 0]}", "log-probabilities are at most 0", id="scores"),
        pytest.param("{name: t, calls: [{reply: x, votes: 1}], rewards: [1, 0]}", "did you mean `vote`?", id="field"),
    ],
)
def test_mistakes_in_a_transcript(tmp_path, entry, wrong):
    """File, line and what would do, as for every other file."""
    with pytest.raises(RecipeError, match=re.escape(wrong)) as caught:
        problem_of(tmp_path, f"  - {entry}")
    assert "transcripts.yaml:2" in str(caught.value)


async def ask(script, text, *, order=(0,), seed=0):
    begin("judge", order)
    return await script.engine().complete(Request((Message("user", text),), Sampling(seed=seed)))


@pytest.mark.parametrize(
    ("reply", "tops", "forward", "tokens"),
    [
        pytest.param("Yes", [{"Yes": 0.75, "No": 0.25}], True, ["Yes"], id="one-token"),
        pytest.param("So A it is: [[B]]", [{"A": 0.4, "B": 0.6}], False, ["So A it is: [[", "B", "]]"], id="last-place"),
        pytest.param("Yes. No doubt.", [{"Yes": 0.5, "No": 0.5}], True, ["Yes", ". No doubt."], id="first-place"),
        pytest.param("1: 4, 2: 5", [{"4": 1}, {"5": 0.5, "4": 0.5}], False, ["1: ", "4", ", 2: ", "5"], id="two-places"),
        pytest.param("G: 10", [{"1": 0.2, "10": 0.7}], False, ["G: ", "10"], id="longest-word"),
    ],
)
def test_where_probabilities_stand(reply, tops, forward, tokens):
    """A probability is given for a word of the reply, and its token stands where that word does."""
    transcript = Transcript(name="t", calls=[CallReply(reply=reply, logprobs=tops)], rewards=(1,))
    script = Script(transcript, forward=forward)
    completion = asyncio.run(ask(script, "q"))
    assert script.problems == []
    assert [t.text for t in completion.logprobs] == tokens
    read = [{w: round(math.exp(p), 6) for w, p in t.top.items()} for t in completion.logprobs if len(t.top) > 1 or len(tops) == 1]
    assert all(top in read for top in [{w: float(p) for w, p in t.items()} for t in tops if len(t) > 1])


def test_probabilities_of_a_word_that_the_reply_lacks():
    """A mistake in the transcript, told as one."""
    script = Script(Transcript(name="t", calls=[CallReply(reply="Yes", logprobs=[{"A": 0.5}])], rewards=(1,)))
    asyncio.run(ask(script, "q"))
    assert script.problems == ["`logprobs`: none of 'A' stands before the others in the reply"]


def test_scores_and_rates_are_found_by_what_is_asked():
    """The engine gives the log-probabilities of this text after this conversation, and the number of this conversation."""
    given = {
        "scores": [{"text": "4", "contains": "2 + 2", "logprobs": [-0.5]}, [-2.0, -1.0]],
        "rates": [{"contains": "good", "rate": 2}, -1.5],
    }
    script = Script(Transcript.model_validate({"name": "t", "rewards": [1], **given}))
    engine = script.engine()

    async def all_of_it():
        good, bad = (Message("user", "2 + 2? good"),), (Message("user", "3 + 3?"),)
        return (
            [await engine.score_continuation(good, "4"), await engine.score_continuation(bad, "6")],
            [await engine.rate(good), await engine.rate(bad)],
        )

    assert asyncio.run(all_of_it()) == ([(-0.5,), (-2.0, -1.0)], [2.0, -1.5])
    assert script.left_over() == []
    assert script.problems == []
