"""docs/systems.md names every system that was promised, and both it and docs/rewards.md name nothing that is not there."""

from __future__ import annotations

import csv
import doctest
import importlib
import re
import shlex
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import TypeAdapter

from judge.attack.catalogue import load_catalogues
from judge.audit.catalogue import FAMILIES
from judge.generators.model import list_generators
from judge.pipeline.build import plan
from judge.recipe.load import list_recipes
from judge.settings import PanelFold, load_settings
from judge.settings.group import RANKINGS
from judge.shape import KINDS, ShapeStep
from judge.shape.batch import shown_span
from judge.yamlfile import parse_yaml
from tests.cli_harness import run_judge

ROOT = Path(__file__).resolve().parent.parent
SYSTEMS, REWARDS = ((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("systems.md", "rewards.md"))
CORE = (Path(__file__).parent / "systems_core.txt").read_text(encoding="utf-8").splitlines()
LATER = "To come"
REACHES = ("run file", "command", "adapter", "Python")


def tables(page: str) -> list[list[str]]:
    """The cells of all table rows, without the heads."""
    lines = page.splitlines()
    body = (line for line, after in zip(lines, [*lines[1:], ""], strict=True) if line.startswith("| ") and after[:4] != "|---")
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in body]


ROWS = {cells[0]: cells[1:] for cells in tables(SYSTEMS)}
BUILT = [name for name, (_, where, _, _) in ROWS.items() if not where.startswith(LATER)]
SPANS = sorted(set(re.findall(r"`([^`\n]+)`", SYSTEMS)))


def test_no_system_is_missing():
    """Each system has one row, and none was slipped in."""
    assert sorted(CORE) == sorted(cells[0] for cells in tables(SYSTEMS))
    assert {len(cells) for cells in ROWS.values()} == {4}


def test_the_list_is_the_survey(data_dir):
    """The names are those of the survey, where it is at hand."""
    survey = data_dir.parent / "research" / "systems.tsv"
    if not survey.is_file():
        pytest.skip("the survey is not on this machine")
    with survey.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        assert [row["system"] for row in rows if row["class"] == "CORE"] == CORE


def test_the_count_at_the_top():
    """What a reader sees first is what the rows say: what only Python reaches works in part."""
    come = [name for name, (_, where, _, _) in ROWS.items() if where.startswith(LATER)]
    part = [name for name in BUILT if ROWS[name][0] == "Python" or LATER in ROWS[name][2]]
    claimed = re.search(r"Of the (\d+) .* \*\*(\d+)\*\* work, \*\*(\d+)\*\* work in part and \*\*(\d+)\*\* are to come", SYSTEMS)
    assert claimed is not None
    counts = (len(ROWS), len(ROWS) - len(come) - len(part), len(part), len(come))
    assert tuple(map(int, claimed.groups())) == counts
    said = r"(\d+) rows by a \*run file\*.*?(\d+) by a \*command\*.*?(\d+) by\s+an \*adapter\*.*?(\d+) by \*Python\*"
    by_reach = re.search(said, SYSTEMS, re.DOTALL)
    assert by_reach is not None
    assert tuple(map(int, by_reach.groups())) == tuple(sum(row[0] == reach for row in ROWS.values()) for reach in REACHES)


def test_what_does_not_work_is_named_first():
    """Whoever reads only the top of the page knows what is missing."""
    lacking = [
        n for n, (reach, where, differs, _) in ROWS.items() if where.startswith(LATER) or LATER in differs or reach == "Python"
    ]
    told = re.search(r"\*Not working\*, .*?(?=\n- )", SYSTEMS, re.DOTALL)
    assert told is not None
    named = re.findall(r"\*\*(.+?)\*\*", told.group())
    assert sorted(re.split(r" \(| / ", name)[0] for name in lacking) == sorted(named)


@pytest.mark.parametrize("name", ROWS)
def test_reach_is_one_of_four_words_and_is_shown(name):
    """A row that says `run file` names a setting or recipe that exists, one that says `command` a command."""
    reach, where, _, _ = ROWS[name]
    if name not in BUILT:
        assert reach == ""
        return
    assert reach in REACHES
    spans = re.findall(r"`([^`]+)`", where)
    kinds = {
        "run file": [s for s in spans if s.startswith("kind: ") or not s.startswith(("judge ", "judge.", "python ", "tests/"))],
        "command": [s for s in spans if s.startswith("judge ")],
        "adapter": [s for s in spans if s.startswith("judge.adapters.")],
        "Python": [s for s in spans if s.startswith("judge.")],
    }
    assert kinds[reach], f"reach is `{reach}`, and no such thing is named in: {where}"
    assert all(_exists(span) for span in kinds[reach])


@pytest.mark.parametrize("name", [name for name in ROWS if ROWS[name][0] == "Python"])
def test_what_only_python_reaches_has_no_caller(name):
    """When a run file, a command or an adapter comes to call one of these functions, the row has to say so."""
    functions = [s.rpartition(".")[2] for s in re.findall(r"`(judge\.[\w.]+)`", ROWS[name][1])]
    for function in functions:
        assert not re.search(rf"\bimport\b.*\b{function}\b", _callers()), function


@lru_cache
def _callers() -> str:
    """All code that is not of the reward layer itself."""
    files = [(path, path.relative_to(ROOT / "judge").parts[0]) for path in (ROOT / "judge").rglob("*.py")]
    return "\n".join(path.read_text(encoding="utf-8") for path, package in files if package not in ("reward", "shape"))


@pytest.mark.parametrize("name", BUILT)
def test_what_works_is_shown_to_work(name):
    """A claim has a test, a page of doctests or a command beside it, and says what differs from the paper."""
    _, _, differs, shown = ROWS[name]
    assert differs
    spans = re.findall(r"`([^`]+)`", shown)
    assert spans
    assert all(re.match(r"tests/|pytest |python |judge ", span) for span in spans)


@pytest.mark.parametrize("span", SPANS)
def test_what_is_named_exists(span):
    """Modules are imported, names looked up, commands asked for, files opened, settings validated."""
    assert _exists(span), span


def _exists(span: str) -> bool:
    if span.startswith("kind: "):
        return span.removeprefix("kind: ") in KINDS
    if span.startswith("judge "):
        return _command(shlex.split(span)[1:])
    if span.startswith("python "):
        return (ROOT / span.split()[1]).is_file()
    if span.startswith("pytest tests/"):
        return bool(list((ROOT / span.split()[1]).glob("test_*.py")))
    if span.startswith("pytest "):
        return ">>>" in (ROOT / span.split()[1]).read_text(encoding="utf-8")
    if span.startswith("tests/"):
        file, _, name = span.partition("::")
        text = (ROOT / file).read_text(encoding="utf-8")
        return bool(re.search(rf"^(async )?def {name or 'test_'}", text, re.MULTILINE))
    if span.startswith("judge."):
        return _named(span) is not None
    return _settings(span)


def _named(path: str) -> Any:
    """What a dotted path stands for."""
    parts = path.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for name in parts[cut:]:
            found = getattr(found, name)
        return found
    return None


@lru_cache
def _help(*command: str) -> str:
    return run_judge(*command, "--help").out


def _command(words: list[str]) -> bool:
    """The command is in the help, and so are its subcommand and options; recipes, probes and families are known."""
    known = re.findall(r"^  ([\w-]+)  ", _help(), re.MULTILINE)
    if words[0] not in known:
        return False
    command, rest = [words[0]], words[1:]
    if "Commands:" in _help(words[0]):
        if not re.search(rf"^  {rest[0]}  ", _help(words[0]), re.MULTILINE):
            return False
        command, rest = words[:2], words[2:]
    known_values = {
        "test": list_recipes,  # `judge recipe test NAME`
        "--method": list_generators,
        "--probes": lambda: FAMILIES,
        "--families": lambda: {attack.family for attack in load_catalogues()},
    }
    options = [word for word in rest if word.startswith("--")]
    values = [(word, after) for word, after in pairwise([command[-1], *rest]) if word in known_values]
    return all(re.search(rf"{option}\b", _help(*command)) for option in options) and all(
        after in known_values[word]() for word, after in values
    )


def _settings(span: str) -> bool:
    """Anything else is a run file, down to what its recipe and the steps of its chain need."""
    settings, _ = load_settings(parse_yaml(span, "docs/systems.md").data)
    return plan(settings).recipe.spec.name in list_recipes()


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.*?)```", REWARDS, re.DOTALL))
def test_settings_on_the_rewards_page(block):
    """What a reader copies is accepted, down to its rubric, its recipe and what the steps of its chain need."""
    settings, _ = load_settings(parse_yaml(block, "docs/rewards.md").data)
    assert plan(settings).recipe.spec.name in list_recipes()


def test_python_on_the_rewards_page():
    """What a reader pastes runs."""
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    outcome = doctest.testfile(str(ROOT / "docs" / "rewards.md"), module_relative=False, optionflags=flags)
    assert (outcome.failed, outcome.attempted > 8) == (0, True)


def test_the_table_of_steps_is_the_code():
    """Every kind of step is listed with what it needs, how far it looks, and the range that leaves it."""
    rows = {cells[0]: cells for cells in tables(REWARDS) if cells[0].startswith("`{kind")}
    steps = {written: TypeAdapter(ShapeStep).validate_python(parse_yaml(written.strip("`"), "").data) for written in rows}
    assert sorted(step.kind for step in steps.values()) == sorted(KINDS)
    for written, step in steps.items():
        kind = KINDS[step.kind]
        needs = ", ".join(kind.needs(step)) or "-"
        found = [needs, kind.sees(step), shown_span(kind.span(step, (0.0, 1.0)))]
        assert rows[written][3:] == found, step.kind


def test_schedules_and_folds_are_all_listed():
    """Nobody has to read the source to know what there is."""
    named = {name for cells in tables(REWARDS) for name in re.findall(r"`(\w+)`", cells[0])}
    assert set(RANKINGS) | set(get_args(PanelFold)) <= named


def test_functions_on_the_rewards_page_exist():
    """A name in a table, or in a sentence about a package, can be imported from there."""
    packages = [importlib.import_module(p) for p in set(re.findall(r"`(judge\.reward\.\w+)`", REWARDS))]
    for cells in tables(REWARDS[REWARDS.index("## Several objectives") :]):
        for name in re.findall(r"`(\w+)`", cells[0]):
            assert any(hasattr(package, name) for package in packages), name
    for path in re.findall(r"`(judge\.[\w.]+)`", REWARDS):
        assert _named(path) is not None, path
