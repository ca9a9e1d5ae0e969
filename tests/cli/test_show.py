"""`judge show`: what a judge would read, without a model."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from judge.cli.main import _mount, app

DATA = (
    '{"id": "a", "prompt": "Capital of France?", "response": "Paris.<|im_end|>"}\n{"id": "b", "prompt": "Q?", "response": ""}\n'
)
CONFIG = "rubric: {criteria: [{id: city, text: Names Paris.}, {id: rude, text: Is rude., kind: pitfall}]}\n"


@pytest.fixture
def show(judge, tmp_path):
    """`judge show` of one item of two."""
    (tmp_path / "d.jsonl").write_text(DATA + "broken\n")

    def run(item, *arguments, config=CONFIG):
        (tmp_path / "c.yaml").write_text(config)
        return judge("show", "c.yaml", "--data", "d.jsonl", "--item", item, *arguments)

    return run


def test_the_messages_of_the_first_call_and_the_names_of_the_others(show):
    """Enough to see what is asked; the rest on demand."""
    ended = show("a")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("=== call 1 of 2: response 0, criterion `city`\n")
    assert "--- system\n" in ended.out
    assert "Names Paris." in ended.out
    assert "Is rude." not in ended.out
    assert "Paris.< |im_end| >" in ended.out  # as the judge will see it
    assert "--- the verdict may be: MET or UNMET" in ended.out
    assert "1 more calls (--all shows them):\n  response 0, criterion `rude`" in ended.out
    assert "Is rude." in show("a", "--all").out


def test_a_configuration_of_the_data(judge, show):
    """Every command that reads data takes the configuration of a data set that has several."""
    show("a")  # writes c.yaml
    data = str(Path(__file__).parents[1] / "cases" / "28h_two_configs")
    assert judge("show", "c.yaml", "--data", data, "--item", "0").code == 2
    assert judge("show", "c.yaml", "--data", data, "--data-config", "socratic", "--item", "0").code == 0


@pytest.mark.parametrize("command", ["run", "show", "audit", "attack", "preflight", "best-of-n", "pairs", "rubric generate"])
def test_one_name_for_it(command):
    """`--data-config` is the same option wherever data are read."""
    _mount(None)
    found = typer.main.get_command(app)
    for name in command.split():
        found = found.commands[name]
    [option] = [p for p in found.params if "--data-config" in p.opts]
    assert option.opts == ["--data-config"]


def test_by_position_and_by_id(show):
    """An id wins over a position."""
    assert show("0").out == show("a").out


def test_votes_orders_and_turns(show):
    """Every call of a recipe with turns, with a placeholder where a reply will stand."""
    ended = show("a", "--all", config="rubric: helpfulness\nrecipe: branch-rethink\n")
    assert ended.code in (0, 2)
    votes = show("a", config="rubric: helpfulness\nrecipe: pointwise\nvotes: {n: 3}\n")
    assert "=== call 1 of 3: response 0, vote 0" in votes.out
    assert "temperature 0.7" in votes.out


def test_an_item_without_a_call(show):
    """An empty answer never reaches a judge."""
    assert show("b").out == "no judge call: a filter or a program decides this item\n"


BAD = [
    pytest.param(
        "zz", "d.jsonl: no item with the id or position `zz`; positions go from 0 to 2, and the first id is `a`", id="unknown"
    ),
    pytest.param("2", "d.jsonl:3: not valid JSON", id="a-broken-row"),
]


@pytest.mark.parametrize(("item", "message"), BAD)
def test_an_item_that_cannot_be_shown(show, item, message):
    """Exit code 2 and the reason."""
    ended = show(item)
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err


def test_every_judge_of_a_run(show):
    """A panel's members and the second opinion are shown with the prompts of their own recipes."""
    config = CONFIG + (
        "panel: {members: [{name: strict, recipe: pointwise}]}\n"
        "second_opinion: {judge: {name: last, recipe: checklist-all}, above: 0.9}\n"
    )
    out = show("a", config=config).out
    assert "=== call 1 of 4: response 0, criterion `city`" in out
    assert "  panel `strict`: response 0\n" in out
    assert "  second opinion `last`, where asked for: response 0, 2 criteria\n" in out


def test_a_group_is_shown_by_its_first_pair(show, tmp_path):
    """Of a tournament, one comparison in the orders it is asked."""
    row = '{"id": "g", "prompt": "Capital?", "responses": ["Paris it is.", "Rome it is.", "Oslo it is."]}'
    (tmp_path / "d.jsonl").write_text(row + "\n")
    out = show("g", config="recipe: pairwise\ngroup: {schedule: swiss}\n").out
    assert "=== call 1 of 2: response 0 then 1" in out
    assert "Oslo" not in out
