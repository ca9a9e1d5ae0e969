"""The judge as a metric, as far as it works without the frameworks; their own code runs it in tests/frameworks/test_evals.py."""

from __future__ import annotations

import math

import pytest

from judge import Judge, ScriptedEngine
from judge.adapters._shared.metric_judge import metric_judge
from judge.adapters.lm_eval import JudgeFilter, reward
from judge.errors import DataError, EngineDown, RubricError
from judge.settings import RunSettings
from tests.bench.bench_harness import write_judge

SETTINGS = {"recipe": "checklist", "rubric": ["It is right."], "filters": "off"}
DOC = {"question": "QUESTION", "answer": "a"}


def judge_of(reply) -> Judge:
    return Judge.from_config(SETTINGS, engine=ScriptedEngine(reply))


def reply(request):
    text = str(request)
    return "hm" if "silent" in text else "No.\nVERDICT: UNMET" if "wrong" in text else "Yes.\nVERDICT: MET"


def test_every_response_keeps_its_place():
    """Documents with one, two and no responses: rewards come back in their shape, and what is missing is NaN."""
    found = JudgeFilter(judge_of(reply)).apply([["fine"], ["wrong", "silent"], ["fine", "fine"]], [DOC] * 3)
    assert found[0] == [1.0]
    assert found[1][0] == 0.0
    assert math.isnan(found[1][1])
    assert found[2] == [1.0, 1.0]
    assert JudgeFilter(judge_of(reply)).apply([], []) == []


@pytest.mark.parametrize(
    ("doc", "options", "error", "words"),
    [
        pytest.param({"query": "q"}, {}, DataError, "no column `question`; columns: query", id="no-question"),
        pytest.param(DOC, {"reference": "anser"}, DataError, "did you mean `answer`", id="no-reference"),
        pytest.param({**DOC, "rubric": [{"txt": "x"}]}, {}, RubricError, "document 0, column rubric", id="rubric-of-a-row"),
    ],
)
def test_wrong_columns_are_named(doc, options, error, words):
    with pytest.raises(error, match=words):
        JudgeFilter(judge_of(reply), **options).apply([["fine"]], [doc])


def test_an_engine_that_is_down_ends_the_evaluation():
    """Not a task full of NaN: the error of the engine."""

    def down(request):
        raise EngineDown("the engine is down")

    with pytest.raises(EngineDown):
        JudgeFilter(judge_of(down)).apply([["fine"]], [DOC])


def test_texts_without_the_filter_are_refused():
    with pytest.raises(DataError, match="put the filter `judge` last"):
        reward({}, ["a text"])


def test_one_judge_a_file(tmp_path, monkeypatch):
    """Frameworks make their objects anew for each task: the engine of a file starts once."""
    path = write_judge(tmp_path / "judge.yaml", "checklist", {".": "VERDICT: MET"}, rubric=["It is right."])
    monkeypatch.chdir(tmp_path)
    assert metric_judge(str(path)) is metric_judge("judge.yaml")
    monkeypatch.setenv("JUDGE_CONFIG", str(path))
    assert metric_judge(None) is metric_judge("judge.yaml")


@pytest.mark.parametrize("made", [dict, RunSettings.model_validate], ids=["mapping", "settings"])
def test_one_judge_for_equal_settings(made):
    """Settings written in the code of a task start one model for all its tasks, and others their own."""
    given = {"recipe": "checklist", "rubric": ["It is right."], "engine": {"kind": "scripted", "reply": "VERDICT: MET"}}
    assert metric_judge(made(given)) is metric_judge(made({**given}))
    assert metric_judge(made(given)) is not metric_judge(made({**given, "rubric": ["It is short."]}))
