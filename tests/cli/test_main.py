"""The list of commands, mistyped ones, completion and a beginner's first files."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pyarrow.parquet as pq
import pytest
import typer

from judge import Judge, Sample
from judge.cli.main import COMMANDS, EXIT_CODES, GROUPS
from judge.pipeline.build import plan
from judge.recipe.load import list_recipes
from judge.settings import load_settings
from tests.cli_harness import run_judge


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_is_there(name):
    """A command that is listed can be run, and says what it does with an example and exit codes."""
    module, _, attribute = COMMANDS[name].partition(":")
    found = getattr(import_module(f"judge.cli.{module}"), attribute)
    if isinstance(found, typer.Typer):
        assert found.info.help
    else:
        assert "Exit code" in found.__doc__
        assert "Example" in found.__doc__


def test_help_has_whole_lines_in_80_columns():
    """Nothing is cut off with dots, every command stands under a heading, and all exit codes are there."""
    out = run_judge("--help").out
    assert all(len(line) <= 80 for line in out.splitlines())
    assert not any(line.endswith("...") for line in out.splitlines()[1:])
    assert all(f"{heading}:" in out for heading in GROUPS)
    assert all(line in out for group in GROUPS.values() for _, line in group.values())
    assert all(f" {code} " in " ".join(out.split()) for code in ("0", "1", "2", "3", "4", "5", "6", "130"))
    assert EXIT_CODES


QUICK = ("checklist", "pairwise", "think-prm", "scalar", "toolrl", "gemba", "salmon")


@pytest.mark.parametrize("recipe", [
    *QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in list_recipes() if name not in QUICK),
])  # fmt: skip
def test_every_recipe_gives_rewards_without_a_model(tmp_path, recipe):
    """Whoever looks at a recipe for the first time sees it work, in its own form, before a model is there."""
    assert run_judge("init", str(tmp_path), "--engine", "scripted", "--recipe", recipe).code == 0
    files = str(tmp_path / "judge.yaml"), "--data", str(tmp_path / "data.jsonl"), "--output", str(tmp_path / "run")
    ended = run_judge("run", *files, "--quiet")
    assert ended.code == 0, ended.err
    found = pq.read_table(tmp_path / "run" / "rewards.parquet")["reward"].to_pylist()
    assert found
    assert None not in found


def test_a_drawn_verdict_hangs_on_the_response_alone():
    """The same response gets the same grade beside another one, and an order changes nothing."""
    config = {"recipe": "pairwise", "engine": {"kind": "scripted", "verdicts": "drawn"}}
    with Judge.from_config(config) as judge:
        there, back = judge.score([Sample.of("q", "a", "b", id="1")]), judge.score([Sample.of("q", "b", "a", id="2")])
    assert [r.reward for r in there] == [r.reward for r in reversed(back)] in ([1.0, 0.0], [0.0, 1.0])


PAGES = [*COMMANDS, "recipe adopt", "recipe new", "recipe test", "rubric lint", "rubric import", "rubric generate", "rubric diff"]


@pytest.mark.parametrize("page", PAGES)
def test_no_line_of_a_help_page_is_over_80_columns(page):
    """A folded example is still what a shell takes, and nothing runs out of the window."""
    out = run_judge(*page.split(), "--help").out
    assert [line for line in out.splitlines() if len(line) > 80] == []


def test_importing_the_package_loads_no_library():
    """`import judge` stands in reward functions of processes that never judge; seconds would depend on the machine."""
    heavy = "numpy pyarrow pydantic scipy jinja2 yaml aiohttp openai orjson uvloop datasets pandas torch transformers vllm typer"
    code = f"import sys, judge; print(sorted(set('{heavy}'.split()) & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"


def test_help_imports_none_of_it():
    """`judge --help` answers at once: no numpy, no pydantic models of the settings, no commands."""
    code = (
        "import sys, judge.cli.main as m\n"
        "try: m.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted(n for n in sys.modules if n in ('numpy','pyarrow','pydantic','scipy','judge.pipeline')), file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stderr.strip() == "[]"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        pytest.param("rnu", "no command `rnu`; did you mean `run`?", id="near"),
        pytest.param("frobnicate", "no command `frobnicate`; `judge --help` lists them", id="far"),
        pytest.param("evolve", "no command `evolve`; did you mean `judge rubric evolve`?", id="of-a-group"),
        pytest.param("list", "no command `list`; did you mean `judge recipe list` or `judge rubric list`?", id="of-two-groups"),
    ],
)
def test_a_mistyped_command(typed, said):
    """One line and exit code 2."""
    ended = run_judge(typed)
    assert (ended.code, said in ended.err) == (2, True)


def test_suggestions_stand_in_one_order():
    """Commands are mounted as they are called; what was called before in this process does not turn the message around."""
    code = (
        "import judge.cli.main as m\n"
        "for typed in (['rubric', 'list'], ['list']):\n"
        "  try: m.main(typed)\n"
        "  except SystemExit: pass"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "did you mean `judge recipe list` or `judge rubric list`?" in ended.stderr


@pytest.mark.parametrize(
    ("command", "judging"),
    [
        pytest.param("run none.yaml --data none.jsonl --output out", True, id="run"),
        pytest.param("rubric validate none", True, id="rubric-validate"),
        pytest.param("look none --item x", False, id="look"),
        pytest.param("report none", False, id="report"),
        pytest.param("rubric diff none.yaml none.yaml", False, id="rubric-diff"),
        pytest.param("rubric merge none.yaml --output out.yaml", False, id="rubric-merge"),
        pytest.param(
            "rubric generate --method none --data none.jsonl --config none.yaml --output out", False, id="rubric-generate"
        ),
    ],
)
def test_only_a_command_that_judges_says_that_nothing_was(command, judging, tmp_path, monkeypatch):
    """Of `judge look` the sentence reads as if the run that is looked at had judged nothing."""
    monkeypatch.chdir(tmp_path)
    ended = run_judge(*command.split())
    assert ended.code == 2
    assert ("problem(s)" in ended.err, "nothing was judged" in ended.err) == (True, judging)


def test_completion(monkeypatch):
    """A script for each shell, and the words of one press of the key."""
    for shell in ("bash", "zsh", "fish"):
        assert "judge" in run_judge("--completion", shell).out
    assert run_judge("--completion", "tcsh").code == 2
    for name, value in {"_JUDGE_COMPLETE": "complete_bash", "COMP_WORDS": "judge re", "COMP_CWORD": "1"}.items():
        monkeypatch.setenv(name, value)
    assert run_judge().out.split() == ["report", "recipe"]


@pytest.mark.parametrize("recipe", list_recipes())
def test_first_files_of_any_recipe(tmp_path, recipe):
    """What `judge init` writes is a configuration that loads, whatever the recipe, or says what is missing."""
    ended = run_judge("init", str(tmp_path), "--recipe", recipe, "--engine", "scripted")
    assert ended.code == 0, ended.err
    settings, base = load_settings(str(tmp_path / "judge.yaml"), ())
    assert plan(settings, base).recipe.spec.name == recipe


def test_first_files_run(tmp_path):
    """From nothing to rewards in two commands; a second `init` replaces nothing unasked."""
    for attempt in ("new", "again"):
        ended = run_judge("init", str(tmp_path), "--engine", "scripted")
        assert (ended.code, "is there already" in ended.err) == ((0, False) if attempt == "new" else (2, True))
    ended = run_judge(
        "run", str(tmp_path / "judge.yaml"), "--data", str(tmp_path / "data.jsonl"), "--output", str(tmp_path / "run"), "--quiet"
    )
    assert (ended.code, "6 judge calls" in ended.out) == (0, True)
    assert run_judge("init", str(tmp_path), "--engine", "vlm").code == 2
    assert "did you mean `pairwise`" in run_judge("init", str(tmp_path / "x"), "--recipe", "pairwize").err
