"""Mistakes that would pay by construction are refused when a recipe is loaded, and a program's accidents stay its own."""

from __future__ import annotations

import math

import pytest

from judge.engine.scripted import ScriptedEngine
from judge.errors import RecipeError
from judge.pipeline.judge import Judge
from judge.recipe.load import load_recipe
from judge.types import Reason, Sample


def folder(tmp_path, mode, verdict, template='{% for r in responses %}{{ r.text | quote("RESPONSE") }}{% endfor %} VERDICT'):
    """A recipe folder of one turn."""
    (tmp_path / "judge.md.j2").write_text(template, encoding="utf-8")
    text = f"name: mine\nsummary: Mine.\nmode: {mode}\nsource: {{title: Mine}}\nturns: [{{name: judge, user: judge.md.j2}}]\n"
    (tmp_path / "recipe.yaml").write_text(f"{text}verdict: {verdict}\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("mode", "verdict", "said"),
    [
        pytest.param("pointwise", "{kind: choice, form: brackets}", "needs several responses", id="one-response-chosen"),
        pytest.param("verifier", "{kind: ranking, form: json}", "needs several responses", id="one-response-ranked"),
        pytest.param("pointwise", "{kind: first_error, form: boxed}", "needs `steps`", id="errors-without-steps"),
        pytest.param(
            "pairwise", "{kind: label, labels: {FIRST: 1, SECOND: 0}}", "its verdict is choice, graded_choice", id="pair-label"
        ),
        pytest.param("listwise", "{kind: score}", "its verdict is choice, scores, ranking; not score", id="list-score"),
        pytest.param("pairwise", "{kind: choice, form: brackets, names: model}", "must hold {i} or {L}", id="one-name-for-all"),
    ],
)
def test_a_verdict_fits_its_mode(tmp_path, mode, verdict, said):
    """A pair recipe that states a label was a traceback; a choice among one response paid 1 whatever the judge said."""
    with pytest.raises(RecipeError) as error:
        load_recipe(folder(tmp_path, mode, verdict))
    assert said in str(error.value)


def test_a_title_that_is_no_text(tmp_path):
    """The template's file and line, not a traceback."""
    made = folder(tmp_path, "pointwise", "{kind: score}", "VERDICT\n{{ response | quote(3) }}")
    settings = {"recipe": str(made), "engine": {"kind": "scripted"}}
    with (
        Judge.from_config(settings, engine=ScriptedEngine(["VERDICT: 3"])) as judge,
        pytest.raises(RecipeError, match=r"judge\.md\.j2:2: the title of `quote` must be text"),
    ):
        judge.score([Sample.of("2+2?", "It is four.")])


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan], ids=["inf", "minus-inf", "nan"])
def test_a_head_without_a_number(number):
    """An overflow in a reward model was the best reward of the batch."""
    with Judge.from_config(
        {"recipe": "scalar", "engine": {"kind": "scripted"}}, engine=ScriptedEngine(rates=lambda m: number)
    ) as judge:
        [reward] = judge.score([Sample.of("2+2?", "It is four.")])
    assert (reward.reward, reward.failure and reward.failure.reason) == (None, Reason.UNCLEAR)


@pytest.mark.parametrize("log", [0.5, math.inf], ids=["above-0", "inf"])
def test_a_probability_above_one(log):
    """A server that reports something else in place of log-probabilities must not pay in full."""
    engine = ScriptedEngine(scores=lambda messages, text: [log])
    with Judge.from_config({"recipe": "verifree", "engine": {"kind": "scripted"}}, engine=engine) as judge:
        [reward] = judge.score([Sample.of("2+2?", "It adds up. <answer>4</answer>", reference="4")])
    assert (reward.reward, reward.failure and reward.failure.reason) == (None, Reason.ENGINE_ERROR)


def finds_nothing(sample, index):
    """`next` without a default, as graders are written."""
    return next(word for word in sample.texts[index].split() if word == "no-such-word")


def exits(sample, index):
    """A program that ends the process."""
    raise SystemExit(3)


async def later(sample, index):
    """An async program of two arguments."""
    return 0.25


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("program", "reward", "reason"),
    [
        pytest.param("finds_nothing", None, Reason.CHECK_ERROR, id="stop-iteration"),
        pytest.param("exits", None, Reason.CHECK_ERROR, id="sys-exit"),
        pytest.param("later", 0.25, None, id="async"),
    ],
)
def test_programs_as_they_are_written(tmp_path, program, reward, reason):
    """One response without a reward; the run neither hangs nor ends."""
    text = "name: mine\nsummary: Mine.\nmode: pointwise\nsource: {title: Mine}\nsignal: program\n"
    (tmp_path / "recipe.yaml").write_text(f"{text}program: tests.recipe.test_fits:{program}\n", encoding="utf-8")
    with Judge.from_config({"recipe": str(tmp_path)}) as judge:
        [found] = judge.score([Sample.of("2+2?", "It is four.")])
    assert (found.reward, found.failure and found.failure.reason) == (reward, reason)
