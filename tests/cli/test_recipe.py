"""`judge recipe`, and the help of every command."""

from __future__ import annotations

import shutil

import pytest

from judge.recipe.load import list_recipes
from judge.shipped import shipped_dir


def test_list(judge):
    """One line a recipe, with what it needs."""
    lines = judge("recipe", "list").out.splitlines()
    assert lines[0].split()[:2] == ["name", "mode"]
    assert [line.split()[0] for line in lines[1:]] == list_recipes()
    assert next(line for line in lines if line.startswith("verifier")).split()[5] == "reference"


@pytest.mark.parametrize("name", list_recipes())
def test_show(judge, name):
    """Source, deviations and templates: what is sent, and where it was published."""
    out = judge("recipe", "show", name).out
    assert out.startswith(f"{name}: ")
    assert "source " in out
    assert ".md.j2" in out


def test_a_recipe_of_ones_own_is_tested_by_its_transcripts(judge, tmp_path):
    """A wrong expectation fails with both values, and exit code 1; a missing file says what is missing."""
    shutil.copytree(shipped_dir("prompts") / "pointwise", tmp_path / "mine")
    whole = (tmp_path / "mine/transcripts.yaml").read_text()
    ended = judge("recipe", "test", "./mine")
    assert (ended.code, ended.out) == (0, "./mine: 12 of 12 transcripts pass\n")
    good = "transcripts:\n  - {name: plain, replies: ['VERDICT: 5'], rewards: [1.0]}\n"
    (tmp_path / "mine/transcripts.yaml").write_text(good)
    ended = judge("recipe", "test", "./mine")
    assert ended.code == 1
    assert ended.out.splitlines()[0] == "./mine: 1 of 1 transcripts pass"
    assert [line.split(" (")[0] for line in ended.out.splitlines()[1:]] == [
        f"  no transcript shows {kind}" for kind in ("planted", "truncated", "two verdicts")
    ]
    (tmp_path / "mine/transcripts.yaml").write_text(whole.replace("rewards: [0.5]", "rewards: [0.25]"))
    ended = judge("recipe", "test", "./mine")
    assert ended.code == 1
    assert "in between, said in other words before: expected rewards [0.25], got [0.5]" in ended.out
    (tmp_path / "mine/transcripts.yaml").unlink()
    ended = judge("recipe", "test", "./mine")
    assert (ended.code, ended.out) == (2, "")
    assert "no transcripts.yaml" in ended.err


@pytest.mark.parametrize("command", ["test", "show"])
def test_an_unknown_recipe(judge, command):
    """The names there are, and the nearest."""
    ended = judge("recipe", command, "pointwis")
    assert (ended.code, ended.out) == (2, "")
    assert "no recipe `pointwis`; did you mean `pointwise`? (shipped: " in ended.err


COMMANDS = [
    pytest.param(["run"], ["--data", "--output", "--map", "--set", "--strict", "--jsonl", "[default: off]"], id="run"),
    pytest.param(["one"], ["--prompt", "--response", "--url", "[default: helpfulness]", "[default: smollm2-135m]"], id="one"),
    pytest.param(["show"], ["--item", "--all", "--tokens"], id="show"),
    pytest.param(["recipe", "test"], ["[default: all shipped]", "--all"], id="recipe-test"),
    pytest.param(["recipe", "list"], [], id="recipe-list"),
    pytest.param(["recipe", "show"], [], id="recipe-show"),
]


@pytest.mark.parametrize(("command", "words"), COMMANDS)
def test_help_has_options_defaults_examples_and_exit_codes(judge, command, words):
    """What goes in and out, lines to paste, and what the exit codes mean."""
    ended = judge(*command, "--help")
    assert ended.code == 0
    for word in [*words, "judge " + " ".join(command), "Exit code"]:
        assert word in ended.out, word


def test_top_help_and_version(judge):
    """The commands and the exit codes; the version alone."""
    out = " ".join(judge("--help").out.split())
    for word in ("run", "one", "show", "rubric", "recipe", "doctor", "3 the engine cannot work", "6 the monitor", "130 stopped"):
        assert word in out
    assert judge("--version").out.count(".") == 2
    assert judge("--version").err == ""
    assert judge("nope").code == 2
