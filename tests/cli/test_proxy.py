"""`judge proxy`: from a training log to a threshold."""

from __future__ import annotations

import json

import pytest

from tests.cli_harness import run_judge

RISING_AND_FALLING = [(0.1, 1), (0.2, 2), (0.3, 3), (0.4, 3.5), (0.5, 2), (0.6, 1)]


def log(tmp_path, rows, name="log.jsonl"):
    path = tmp_path / name
    if name.endswith(".csv"):
        path.write_text("brief,gold\n" + "".join(f"{x},{y}\n" for x, y in rows))
    else:
        path.write_text("".join(json.dumps({"brief": x, "gold": y}) + "\n" for x, y in rows))
    return str(path)


@pytest.mark.parametrize("name", ["log.jsonl", "log.csv"])
def test_the_level_where_the_evaluation_turns(tmp_path, name):
    """More brevity helps up to 0.4."""
    path = log(tmp_path, RISING_AND_FALLING[::-1], name)
    ended = run_judge("proxy", path, "--reward", "brief", "--evaluation", "gold", "--window", "1", "--json")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out) == {"reward": 0.4, "evaluation": 3.5, "turned": True, "checkpoints": 6}
    smooth = run_judge("proxy", path, "--reward", "brief", "--evaluation", "gold", "--window", "3").out
    assert smooth == "gold is best (3, smoothed) where brief is 0.3; at higher values it falls (6 checkpoints)\n"


def test_a_run_that_never_turns_says_so(tmp_path):
    """The highest reward that was reached is no threshold."""
    ended = run_judge(
        "proxy", log(tmp_path, RISING_AND_FALLING[:4]), "--reward", "brief", "--evaluation", "gold", "--window", "1"
    )
    assert "no turning point in these 4 checkpoints" in ended.out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param(["--reward", "brif", "--evaluation", "gold"], "no column `brif`; did you mean `brief`?", id="column"),
        pytest.param(["--reward", "brief", "--evaluation", "gold", "--window", "4"], "an odd number", id="window"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, options, said):
    ended = run_judge("proxy", log(tmp_path, RISING_AND_FALLING), *options)
    assert ended.code == 2
    assert said in ended.err


def test_cells_that_are_no_numbers(tmp_path):
    """A word is an error with its line; an empty cell is a checkpoint that was not evaluated."""
    ended = run_judge("proxy", log(tmp_path, [(0.1, "high")]), "--reward", "brief", "--evaluation", "gold")
    assert (ended.code, "`gold` is 'high', which is not a number" in ended.err, "log.jsonl:1" in ended.err) == (2, True, True)
    ended = run_judge("proxy", log(tmp_path, [(0.1, None), (0.2, 1)]), "--reward", "brief", "--evaluation", "gold")
    assert "1 checkpoints have both `brief` and `gold`" in ended.err
