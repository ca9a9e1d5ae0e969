"""`judge best-of-n` and `judge pairs` as a user meets them: files, tables, errors, and the page in docs/."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.select_harness import judged

DOCS = (Path(__file__).parents[2] / "docs/selection.md").read_text(encoding="utf-8")


def lines(path):
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run folder `run` in the working directory."""
    monkeypatch.chdir(tmp_path)
    judged(tmp_path)
    return "run"


def test_best_of_n_writes_the_best_and_says_what_it_left_out(judge, run):
    """Two of four groups have an answer worth keeping, and the table says what became of the others."""
    ended = judge("best-of-n", run, "--output", "best.jsonl")
    assert (ended.code, ended.err) == (0, "best.jsonl: 2 rows\n")
    assert [(r["group"], r["response"], r["reward"]) for r in lines("best.jsonl")] == [
        ("q0", "A great one.", 1.0),
        ("q1", "A good one.", 0.75),
    ]
    assert re.search(r"without a reward +3 +never used: 3 no_verdict", ended.out)
    assert re.search(r"groups left out +1 +no response has a reward: q2", ended.out)
    assert re.search(r"groups left out +1 +a filter stopped every response that has a reward: q3", " ".join(ended.out.split()))
    assert max(map(len, ended.out.splitlines())) <= 80
    assert re.search(r"after +2 +0\.875", ended.out)  # (1 + 0.75) / 2


def test_rejection_sampling_and_the_estimate(judge, run):
    """q1 alone has four rewards: 0.75, 0.5, 0.75, 0. Best of 4 is 0.75; 2 of 4 reach 0.75, so pass@2 is 1 - 1/6."""
    ended = judge("best-of-n", run, "--keep", "all", "--min-reward", "0.75", "--estimate", "2,4", "--output", "good.jsonl")
    assert [r["response"] for r in lines("good.jsonl")] == ["A great one.", "A good one.", "Another good one."]
    assert re.search(r"2 +0\.708 +- +0\.833", ended.out)  # (0.75 * 5 + 0.5) / 6
    assert re.search(r"4 +0\.750 +- +1\.000", ended.out)
    assert "over the 1 of 4 groups that have 4 rewards or more" in ended.out


def test_pairs_are_what_a_dpo_trainer_reads(judge, run):
    """TRL's names, and a margin for each pair."""
    ended = judge("pairs", run, "--strategy", "all", "--min-margin", "0.5", "--output", "pairs.jsonl")
    assert ended.code == 0
    rows = [
        (r["prompt"], r["chosen"], r["rejected"], r["score_chosen"], r["score_rejected"], r["margin"])
        for r in lines("pairs.jsonl")
    ]
    assert rows == [
        ("First?", "A great one.", "A poor one.", 1.0, 0.0, 1.0),
        ("First?", "A great one.", ":", 1.0, 0.0, 1.0),
        ("Second?", "A good one.", "A poor one.", 0.75, 0.0, 0.75),
        ("Second?", "Another good one.", "A poor one.", 0.75, 0.0, 0.75),
        ("Second?", "A fair one.", "A poor one.", 0.5, 0.0, 0.5),
    ]
    assert re.search(r"pairs +5 +in 2 groups, 1 reject what a filter stopped", ended.out)
    without = judge("pairs", run, "--strategy", "all", "--no-filtered", "--output", "pairs.jsonl")
    assert ":" not in [r["rejected"] for r in lines("pairs.jsonl")]
    assert without.code == 0


def test_json_has_the_same_figures(judge, run):
    """For a script that watches its data sets."""
    facts = json.loads(judge("best-of-n", run, "--json").out)
    assert (facts["kept"], facts["mean_after"], facts["left_out"]) == (2, 0.875, {"no_reward": ["q2"], "vetoed": ["q3"]})
    facts = json.loads(judge("pairs", run, "--json").out)
    assert (facts["pairs"], facts["ties"], facts["left_out"]["tied"]) == (0, 0, ["q0", "q1", "q3"])


def test_without_output_nothing_is_written(judge, run, tmp_path):
    """A look at the figures leaves no file behind."""
    before = sorted(os.listdir())
    assert judge("best-of-n", run, "--estimate", "1").code == 0
    assert judge("pairs", run).code == 0
    assert sorted(os.listdir()) == before


def test_an_interrupted_run_is_said(judge, run):
    """Its groups may lack responses."""
    path = Path("run/run.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"state": "interrupted"}))
    ended = judge("best-of-n", run)
    assert ended.code == 0
    assert "run: the run was interrupted, so groups may lack responses" in ended.err


ERRORS = [
    pytest.param(["best-of-n", "nope"], 2, "nope: no such run folder", id="no-folder"),
    pytest.param(["pairs", "data.jsonl"], 2, "data.jsonl: is a file; name a folder of `judge run`", id="a-file"),
    pytest.param(["pairs", "."], 2, ".: no run.json here", id="no-run"),
    pytest.param(["best-of-n", "run", "--keep", "0"], 2, "--keep 0: a number from 1 on, or all", id="keep-0"),
    pytest.param(["best-of-n", "run", "--keep", "most"], 2, "--keep most: a number from 1 on, or all", id="keep-word"),
    pytest.param(["best-of-n", "run", "--estimate", "1,0"], 2, "`0` is no number of draws", id="estimate-0"),
    pytest.param(["best-of-n", "run", "--estimate", "5"], 2, "no group has 5 rewards; the largest has 4", id="estimate-5"),
    pytest.param(["best-of-n", "run", "--min-reward", "nan"], 2, "--min-reward nan: not a finite number", id="nan"),
    pytest.param(["pairs", "run", "--min-margin", "inf"], 2, "--min-margin inf: not a finite number", id="inf"),
    pytest.param(["pairs", "run", "--strategy", "worst"], 2, "'worst' is not one of 'best_worst'", id="strategy"),
    pytest.param(["pairs", "run", "--by", "shaped"], 2, "'shaped' is not one of 'raw_reward', 'reward'", id="by-shaped"),
    pytest.param(["pairs", "run", "--map", "promt=q"], 2, "no field `promt`; did you mean `prompt`?", id="map"),
    pytest.param(["pairs", "run", "--data", "dat.jsonl"], 2, "no such file; did you mean `data.jsonl`?", id="data"),
    pytest.param(["pairs", "run", "--output", "o.csv"], 4, "o.csv: unknown file type `.csv`", id="format"),
    pytest.param(["pairs", "run", "--output", "data.jsonl"], 4, "is the data set that was judged", id="over-the-data"),
    pytest.param(["pairs", "run", "--output", "run/rewards.parquet"], 4, "belongs to the run", id="over-the-run"),
    pytest.param(
        ["best-of-n", "run", "--min-reward", "2", "--output", "o.jsonl"],
        2,
        "o.jsonl: not written, since nothing was kept",
        id="none-kept",
    ),
    pytest.param(["pairs", "run", "--output", "o.jsonl"], 2, "o.jsonl: not written, since there is no pair", id="no-pair"),
]


@pytest.mark.parametrize(("arguments", "code", "said"), ERRORS)
def test_each_mistake_has_one_clear_error(judge, run, arguments, code, said):
    """What came, what would do, and no file half written."""
    data = Path("data.jsonl").read_bytes()
    ended = judge(*arguments)
    assert (ended.code, "Traceback" in ended.err) == (code, False)
    assert said in ended.err
    assert Path("data.jsonl").read_bytes() == data
    assert not Path("o.jsonl").exists()
    assert "nothing was judged" not in ended.err


def test_the_page_in_docs_is_what_happens(judge, tmp_path):
    """Each block of docs/selection.md: the data, the script that makes the run, and every command with its output."""
    data, script, more = (re.search(rf"```{kind}\n(.*?)```", DOCS, re.DOTALL)[1] for kind in ("json", "python", "py"))
    Path("answers.jsonl").write_text(data, encoding="utf-8")
    exec(script, {})  # our own page
    blocks = re.findall(r"```console\n(.*?)```", DOCS, re.DOTALL)
    commands = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", "".join(blocks), re.MULTILINE)
    assert len(commands) >= 5
    for command, shown in commands:
        name, *arguments = command.split()
        if name == "judge":
            ended = judge(*arguments)
            assert ended.code == 0, command
            assert ended.out + ended.err == shown, command
        else:
            assert name == "cat"
            assert Path(arguments[0]).read_text(encoding="utf-8") == shown, command
    exec(more, {})  # as above
    assert Path("best.parquet").is_file()


def test_every_option_is_in_the_help(judge):
    """And both commands say what they need and how they end."""
    for command in ("best-of-n", "pairs"):
        ended = judge(command, "--help")
        assert "Examples:" in ended.out
        assert "Exit codes: 0 done, 2 wrong input" in ended.out


def test_an_id_that_steers_the_terminal_is_shown_as_escapes(judge, tmp_path, monkeypatch):
    """A data set that clears the screen of whoever reads its summary, or turns the line round, does neither."""
    monkeypatch.chdir(tmp_path)
    hostile = "a\0b\x1b[2J\u202e"
    judged(tmp_path, [{"id": hostile, "prompt": "First?", "responses": ["A good one.", "A good one, too."]}])
    for ended in (
        judge("pairs", "run"),
        judge("pairs", "run", "--json"),
        judge("best-of-n", "run", "--ties", "none"),
        judge("call", "run"),
        judge("call", "run", "--item", "\x1b[2J"),
    ):
        assert not {"\0", "\x1b", "\u202e"} & {*ended.out, *ended.err}
    assert "a\\u0000b\\u001b[2J\\u202e" in judge("pairs", "run").out
    assert list(json.loads(judge("pairs", "run", "--json").out)["left_out"].values()) == [[hostile]]


@pytest.mark.parametrize("command", ["best-of-n", "pairs"])
def test_a_reader_of_the_table_who_goes_away_does_not_cost_the_file(run, command):
    """`judge pairs ... --json | head -c 10` writes its pairs."""
    reader, writer = os.pipe()
    os.close(reader)
    called = [sys.executable, "-u", "-m", "judge.cli.main", command, run, "--output", "rows.jsonl", "--json"]
    more = ["--strategy", "all"] if command == "pairs" else []
    subprocess.run([*called, *more], stdout=writer, stderr=subprocess.DEVNULL, check=False)
    os.close(writer)
    assert lines("rows.jsonl")
