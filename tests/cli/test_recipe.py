"""`judge recipe`, and the help of every command."""

from __future__ import annotations

import json
import re
import shutil

import pytest

from judge.recipe.load import list_recipes, load_recipe
from judge.recipe.model import RecipeSpec
from judge.shipped import shipped_dir


def test_list(judge):
    """One row a recipe, in 80 columns: what it judges, what it needs, what it costs."""
    lines = judge("recipe", "list").out.splitlines()
    assert lines[0].split() == ["name", "judges", "needs", "signal", "calls", "paper", "serves"]
    assert [line.split()[0] for line in lines[1:] if line[0] != " "] == list_recipes()
    assert max(map(len, lines)) <= 80
    rows = {line.split()[0]: line.split() for line in lines[1:]}
    assert rows["verifier"][1:5] == ["answer", "reference", "stated", "1"]
    assert [rows[name][4] for name in ("checklist", "branch-rethink", "pairwise")] == ["1c", "4", "2"]


def test_list_as_json(judge):
    """The same for a program, with what has no room in a table."""
    found = {each["name"]: each for each in json.loads(judge("recipe", "list", "--json").out)}
    assert list(found) == list_recipes()
    assert found["verifier"]["options"] == {"include_question": False, "rule_first": True}
    assert found["verifier"]["needs"] == ["reference"]
    assert found["pairwise"]["calls"] == "2"
    assert found["pairwise"]["source"]["paper"] == "arXiv:2306.05685"


@pytest.mark.parametrize("base", list_recipes())
def test_a_new_recipe_passes_its_tests_at_once(judge, tmp_path, base):
    """Whoever begins with a copy changes one thing at a time, and sees which one broke it."""
    ended = judge("recipe", "new", "mine", "--from", base, "--output", str(tmp_path))
    assert ended.code == 0, ended.err
    text = (tmp_path / "mine" / "recipe.yaml").read_text()
    for field in RecipeSpec.model_fields:
        assert re.search(rf"^# .*\n(#? ?){field}:", text, re.MULTILINE), field
    recipe = load_recipe(tmp_path / "mine")
    assert recipe.spec == load_recipe(base).spec.model_copy(update={"name": "mine"})
    assert judge("recipe", "test", str(tmp_path / "mine")).code == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param(["mine", "--from", "pairwize"], "no recipe `pairwize`; did you mean `pairwise`?", id="base"),
        pytest.param(["9mine"], "`9mine` cannot be a recipe's name", id="name"),
        pytest.param(["there"], "exists already", id="exists"),
    ],
)
def test_a_new_recipe_that_cannot_be_made(judge, tmp_path, arguments, told):
    """Nothing is overwritten, and the message says what to do."""
    (tmp_path / "there").mkdir()
    ended = judge("recipe", "new", *arguments, "--output", str(tmp_path))
    assert (ended.code, ended.out) == (2, "")
    assert told in ended.err


@pytest.mark.parametrize("name", list_recipes())
def test_show(judge, name):
    """Source, deviations and templates: what is sent, and where it was published."""
    out = judge("recipe", "show", name).out
    assert out.startswith(f"{name}: ")
    assert "source " in out
    assert ".md.j2" in out or not load_recipe(name).templates


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
    assert "no recipe `pointwis`; did you mean `pointwise`?" in ended.err


COMMANDS = [
    pytest.param(["run"], ["--data", "--output", "--map", "--set", "--strict", "--jsonl", "[default: off]"], id="run"),
    pytest.param(["one"], ["--prompt", "--response", "--url", "[default: helpfulness]", "[default: smollm2-135m]"], id="one"),
    pytest.param(["show"], ["--item", "--all", "--tokens"], id="show"),
    pytest.param(["recipe", "test"], ["[default: all shipped]", "--all"], id="recipe-test"),
    pytest.param(["recipe", "list"], ["--json"], id="recipe-list"),
    pytest.param(["recipe", "new"], ["--from", "--output", "[default: pointwise]"], id="recipe-new"),
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
    for word in (
        "run",
        "one",
        "show",
        "rubric",
        "recipe",
        "doctor",
        "3 the engine cannot work",
        "6 the monitor",
        "7 the budget",
        "130 stopped",
    ):
        assert word in out
    assert judge("--version").out.count(".") == 2
    assert judge("--version").err == ""
    assert judge("nope").code == 2


def test_a_prompt_that_shows_nothing_of_what_is_judged(judge, tmp_path):
    """Found before any transcript is run, with the file and what to write."""
    ended = judge("recipe", "new", "blind", "--from", "pointwise", "--output", str(tmp_path))
    assert ended.code == 0
    for template in (tmp_path / "blind").glob("*.j2"):
        template.write_text("Grade from 1 to 5. VERDICT: <1 to 5>", encoding="utf-8")
    ended = judge("recipe", "test", str(tmp_path / "blind"))
    assert (ended.code, "no turn shows the response" in ended.err, "recipe.yaml" in ended.err) == (2, True, True)
