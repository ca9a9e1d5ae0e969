"""`judge check`: known kinds of bad judges are named, an honest one passes, and no verdict is no answer."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re

import pytest

from judge.bench.check import check_set, run_check
from judge.engine.scripted import ScriptedEngine
from judge.pipeline.build import plan
from judge.settings import RunSettings
from tests.cli_harness import run_judge

RIGHT = {text for item in check_set().items for text in item.right}
SHOWN = re.compile(r"<<<BEGIN RESPONSE[^\n]*>>>\n(.*?)\n<<<END RESPONSE", re.DOTALL)


def shown(request):
    """The responses that a request shows."""
    return SHOWN.findall(request.messages[-1].text)


def honest(text):
    """Whether a response is one of the right answers."""
    return any(text == right for right in RIGHT)


def by_hash(text):
    """A fair coin that falls the same way for the same text."""
    return hashlib.sha256(text.encode()).digest()[0] % 2 == 0


def check(recipe, accepts):
    """The report of a judge that accepts a response, or prefers the first of two, by a rule."""

    def reply(request):
        texts = shown(request)
        if len(texts) == 2:
            return f"Compared.\n[[{accepts(*texts)}]]"
        return f"Read.\nVERDICT: {accepts(texts[0] if texts else '')}"

    settings = RunSettings.model_validate({"recipe": recipe, "rubric": "helpfulness", "engine": {"kind": "scripted"}})
    return asyncio.run(run_check(plan(settings), ScriptedEngine(reply)))


def grade(rule):
    """A pointwise judge: 5 where the rule holds, else 1."""
    return lambda text: 5 if rule(text) else 1


@pytest.mark.parametrize(
    ("recipe", "judge", "codes"),
    [
        pytest.param("pointwise", grade(honest), set(), id="honest"),
        pytest.param("pointwise", grade(lambda t: True), {"always_same", "pays_nothing", "cannot_tell"}, id="always-yes"),
        pytest.param("pointwise", grade(lambda t: False), {"always_same", "cannot_tell"}, id="always-no"),
        pytest.param("pointwise", grade(lambda t: len(t) > 30), {"length", "cannot_tell", "pays_nothing"}, id="length-lover"),
        pytest.param("pointwise", grade(by_hash), {"unsteady", "pays_nothing", "cannot_tell"}, id="noisy"),
        pytest.param("pairwise", lambda a, b: "A" if honest(a) else "B", set(), id="honest-pairs"),
        pytest.param("pairwise", lambda a, b: "A", {"position", "cannot_tell", "pays_nothing"}, id="first-wins"),
        pytest.param("pairwise", lambda a, b: "B", {"position", "cannot_tell", "pays_nothing"}, id="second-wins"),
        pytest.param(
            "pairwise", lambda a, b: "A" if len(a) > len(b) else "B", {"length", "cannot_tell", "pays_nothing"}, id="length-pairs"
        ),
    ],
)
def test_kinds_of_judges(recipe, judge, codes):
    """A training run on any of these judges is lost, so each must be named before it begins."""
    assert {fault.code for fault in check(recipe, judge).faults} == codes


def test_a_judge_without_verdicts():
    """What cannot be read is counted as missing, not as a wrong answer, and does not pass."""
    found = check("pointwise", lambda text: "who knows")
    assert (found.missing, found.passes) == (1.0, False)
    assert {"no_verdict", "cannot_tell"} == {f.code for f in found.faults}
    assert found.faults[-1].text == "it cannot be shown to know right from wrong: no two answers were compared"


def test_a_judge_without_verdicts_has_a_dash(tmp_path):
    """There is no share to print, so none is; of a judge that compares, too."""
    config = tmp_path / "judge.yaml"
    config.write_text('recipe: pairwise\nengine: {kind: scripted, reply: "no idea"}\n', encoding="utf-8")
    ended = run_judge("check", str(config), "--limit", "4")
    assert (ended.code, "nan" in ended.out) == (1, False)
    assert "right answers win       –\n" in ended.out


def test_figures_by_hand():
    """A judge that is right on short answers only: each right one wins there, all tie where the right one is long."""
    short = {item.right[0] for item in check_set().items}
    found = check("pointwise", grade(lambda text: text in short))
    assert (found.short_right, found.long_right, found.accuracy) == (1.0, 0.5, 0.75)
    assert found.same is not None
    assert found.same[1] == 0.75


def test_questions_are_sound():
    """Every right wording holds the answer or its words, no wrong one equals a right one, and the long one is longer."""
    for item in check_set().items:
        assert item.right[0] != item.wrong[0]
        assert all(len(pair[1]) > len(pair[0]) for pair in (item.right, item.wrong))
    assert len(check_set().items) == 24


def test_the_command(tmp_path):
    """Exit code 1 and the reason for a judge that says yes to everything; a mistake in the file is named with exit code 2."""
    config = tmp_path / "judge.yaml"
    config.write_text(
        'recipe: pointwise\nrubric: helpfulness\nengine: {kind: scripted, reply: "Yes.\\nVERDICT: 5"}\n', encoding="utf-8"
    )
    ended = run_judge("check", str(config))
    assert ended.code == 1
    assert "FAULT: it always says yes" in ended.out
    told = json.loads(run_judge("check", str(config), "--json").out)
    assert (told["passes"], told["calls"]) == (False, 120)
    config.write_text("recipe: pointwise\nrubrik: helpfulness\n", encoding="utf-8")
    ended = run_judge("check", str(config))
    assert (ended.code, "did you mean `rubric`" in ended.err) == (2, True)
