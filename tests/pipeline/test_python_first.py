"""Whatever a settings file can say can be said in Python, with objects in place of names."""

from __future__ import annotations

import sys

import pytest

import judge as package
from judge import Criterion, Judge, Rubric, RunSettings, Sample, ScriptedEngine, load_recipe, load_rubric
from judge.cli.main import main
from judge.errors import SettingsError

QUESTION = Sample.of("Capital of France?", "It is Paris.")
OBJECTS = [
    pytest.param({"rubric": load_rubric("helpfulness"), "recipe": "pointwise"}, id="a-Rubric"),
    pytest.param({"rubric": "helpfulness", "recipe": load_recipe("pointwise")}, id="a-Recipe"),
    pytest.param({"rubric": "helpfulness", "recipe": {"name": "pointwise"}, "votes": 5}, id="votes-5"),
    pytest.param({"rubric": {"criteria": [{"id": "a", "text": "It is right."}]}, "recipe": "pointwise"}, id="a-mapping"),
]


def engine() -> ScriptedEngine:
    return ScriptedEngine(lambda r: "VERDICT: 5")


@pytest.mark.parametrize("settings", OBJECTS)
def test_objects_stand_where_names_do(settings):
    """Who builds a rubric in code should not have to write a file first; both ways of making a `Judge` take the same."""
    with Judge(**settings, engine=engine()) as judge:
        [first] = judge.score(QUESTION)
    with Judge.from_config(settings | {"engine": engine()}) as judge:
        [second] = judge.score([QUESTION])
    assert (first.reward, second.reward) == (1.0, 1.0)


def test_run_settings_can_be_built_in_code():
    """A typed configuration with completion in an editor, instead of a nested dict."""
    settings = RunSettings(rubric=load_rubric("helpfulness"), recipe={"name": "pointwise"}, votes=3)
    with Judge.from_config(settings, engine=engine()) as judge:
        assert judge.score(QUESTION)[0].reward == 1.0


def test_a_function_is_a_check():
    """A rule of one's own is a line of Python, and no module on the import path."""
    counts = Rubric(
        name="own",
        criteria=(
            Criterion(id="short", text="It is short.", check=lambda sample, index, args: float(len(sample.texts[index]) < 20)),
            Criterion(id="long", text="It is long.", check=lambda sample, index, args: float(len(sample.texts[index]) >= 20)),
        ),
    )
    with Judge(rubric=counts, recipe="checklist", engine=engine(), filters="off") as judge:
        [reward] = judge.score(QUESTION)
    assert dict(reward.components) == {"short": 1.0, "long": 0.0}


def test_what_a_notebook_shows_fits_on_two_lines():
    """The value of the last line of a cell: the number, and why there is none."""
    silent = ScriptedEngine(lambda r: "I cannot say. " * 200)
    with Judge(rubric="helpfulness", recipe="checklist", engine=silent, votes=2) as judge:
        [reward] = judge.score(QUESTION)
        assert "recipe='checklist'" in repr(judge)
        assert "votes=2" in repr(judge)
    assert repr(reward).startswith("Reward(0[0]: none, ")
    assert len(repr(reward)) < 260
    assert "\n" not in repr(reward)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param({"rubrik": "helpfulness"}, "no field `rubrik`; did you mean `rubric`?", id="unknown"),
        pytest.param({"engine": 5}, "`engine` is neither settings nor an engine", id="engine"),
        pytest.param({"votes": 0}, "votes", id="votes-0"),
    ],
)
def test_a_bad_argument_is_refused_at_once(settings, message):
    """When the object is made, and not in the tenth minute of a training run."""
    with pytest.raises(SettingsError, match=message.replace("?", r"\?")):
        Judge(**{"rubric": "helpfulness", "recipe": "pointwise", **settings})


def test_what_writing_an_engine_needs_is_exported():
    """Types for an engine of one's own come from the package, and not from its inside."""
    for name in ("Engine", "Request", "Completion", "Conversation", "RunSettings"):
        assert name in package.__all__
        assert getattr(package, name) is not None


def test_a_check_that_raises_says_so():
    """A bug in a check is found by its own words, not by a reward that is missing."""

    def broken(sample, index, args):
        raise KeyError("no such column")

    rubric = Rubric(name="own", criteria=(Criterion(id="c", text="It is short.", check=broken),))
    with Judge(rubric=rubric, recipe="checklist", engine=engine()) as judge:
        [reward] = judge.score(QUESTION)
    assert reward.reward is None
    assert "no such column" in reward.failure.detail


def test_a_module_beside_the_configuration(tmp_path, monkeypatch):
    """`check: mychecks:brief` works from any working directory."""
    monkeypatch.setattr("sys.path", [*sys.path])
    (tmp_path / "beside_the_config.py").write_text("def brief(sample, index, args):\n    return 1.0\n")
    (tmp_path / "own.yaml").write_text(
        "name: own\ncriteria:\n  - {id: brief, text: It is brief., check: 'beside_the_config:brief'}\n"
    )
    (tmp_path / "judge.yaml").write_text("rubric: own.yaml\nrecipe: checklist\nengine: {kind: scripted, reply: x}\n")
    with Judge.from_config(tmp_path / "judge.yaml") as judge:
        assert judge.score(QUESTION)[0].reward == 1.0


def test_lint_checks_names_and_arguments(tmp_path, capsys):
    """A misspelt check, or an argument it does not take, is found before a run."""
    path = tmp_path / "own.yaml"
    path.write_text(
        "name: own\ncriteria:\n  - {id: a, text: It is brief., check: max_word, args: {n: 5}}\n"
        "  - {id: b, text: It is short., check: max_words, args: {n: 5, m: 5}}\n"
    )
    with pytest.raises(SystemExit) as ended:
        main(["rubric", "lint", str(path)])
    out = capsys.readouterr().out
    assert ended.value.code == 2
    assert "own.yaml:3: error: criterion `a`: no check `max_word`; did you mean `max_words`" in out
    assert "has no argument `m`" in out
