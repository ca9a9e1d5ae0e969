"""`judge run` as a user meets it: a real command, a real connection, files on a disk."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

import pytest

from tests.batch_harness import rewards, verdicts
from tests.fake_endpoint import Canned

RUBRIC = "rubric: {criteria: [{id: right, text: It is right., weight: 3}, {id: short, text: It is short.}]}\n"
COMMAND = [sys.executable, "-m", "judge.cli.main"]


def write_data(tmp_path, count=3):
    rows = [{"id": f"s{i}", "prompt": f"What is {i}?", "response": f"It is {i}."} for i in range(count)]
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))


def prepare(tmp_path, endpoint, count=3, more="", **engine):
    (tmp_path / "c.yaml").write_text(RUBRIC + more + endpoint.settings(**engine))
    write_data(tmp_path, count)


ARGUMENTS = ("run", "c.yaml", "--data", "d.jsonl", "--output", "out")


def test_the_command_writes_its_files_and_the_second_time_asks_nothing(judge, endpoint, tmp_path):
    """The first thing anybody tries, and the second."""
    prepare(tmp_path, endpoint)
    ended = judge(*ARGUMENTS)
    assert ended.code == 0
    assert "rewards of 3 responses, mean 1.000" in ended.out
    assert "6 judge calls (0 more from the journal), 6 verdicts" in ended.out
    assert "out/rewards.parquet  verdicts.parquet  run.json" in ended.out
    assert "judged 3 of 3" in ended.err
    assert {"rewards.parquet", "verdicts.parquet", "run.json"} <= set(os.listdir("out"))
    assert not [name for name in os.listdir("out") if name.endswith(".partial")]
    again = judge(*ARGUMENTS, "--jsonl")
    assert "0 judge calls (6 more from the journal)" in again.out
    assert len(endpoint.asked) == 6
    assert len((tmp_path / "out/rewards.jsonl").read_text().splitlines()) == 3


def test_quiet_says_nothing_on_the_way(judge, endpoint, tmp_path):
    """For scripts: data on standard output, and silence beside it."""
    prepare(tmp_path, endpoint)
    assert judge(*ARGUMENTS, "--quiet").err == ""


def test_bad_rows_are_counted_and_the_others_judged(judge, endpoint, tmp_path):
    """The summary says how many of each kind, and where the first one stands; --strict stops instead."""
    prepare(tmp_path, endpoint, count=2)
    with (tmp_path / "d.jsonl").open("a") as out:
        out.write('{"prompt": "Q"\n{"prompt": "Q", "response": null}\n')
    ended = judge(*ARGUMENTS)
    assert ended.code == 0
    assert "2 of 4 responses have no reward:\n      2  invalid\n             1  d.jsonl:3: not valid JSON" in ended.out
    assert "             1  d.jsonl:4: `response` is null or missing" in ended.out
    kinds = json.loads((tmp_path / "out" / "run.json").read_text())["invalid_rows"]
    assert kinds["`response` is null or missing"] == {"rows": 1, "first": "d.jsonl:4: `response` is null or missing"}
    strict = judge(*ARGUMENTS, "--strict")
    assert strict.code == 2
    assert strict.err.startswith("judged 2") or "d.jsonl:3: not valid JSON" in strict.err
    assert "nothing was judged" not in strict.err
    assert "2 of 4 samples are judged and kept in out (state `stopped`); mend the data" in strict.err
    assert len(rewards(tmp_path / "out")) == 2


def test_set_map_and_limit(judge, endpoint, tmp_path):
    """Settings and columns from the command line."""
    (tmp_path / "c.yaml").write_text(RUBRIC + endpoint.settings())
    (tmp_path / "d.csv").write_text("question,answer\nQ1,A1\nQ2,A2\nQ3,A3\n")
    mapped = ("--map", "prompt=question,response=answer", "--limit", "2", "--set", "sampling.max_tokens=7")
    assert judge("run", "c.yaml", "--data", "d.csv", "--output", "out", *mapped).code == 0
    assert len(rewards(tmp_path / "out")) == 2
    assert {body["max_tokens"] for body in endpoint.fake.bodies} == {7}


FLAKY = [
    pytest.param(Canned(status=429, error="slow down", headers={"Retry-After": "0"}), id="429-then-F"),
    pytest.param(Canned(status=500, error="boom"), id="500-then-F"),
    pytest.param(Canned(cut=True), id="reset-then-F"),
]


@pytest.mark.parametrize("first", FLAKY)
def test_a_passing_fault_of_the_server_is_retried(judge, endpoint, tmp_path, first):
    """The second reply is a fail, and a fail is what the answer gets."""
    (tmp_path / "c.yaml").write_text("rubric: {criteria: [{id: right, text: It is right.}]}\n" + endpoint.settings())
    write_data(tmp_path, 1)
    replies = iter([first, Canned("No.\nVERDICT: UNMET")])
    endpoint.reply = lambda body: next(replies)
    judge(*ARGUMENTS)
    assert rewards(tmp_path / "out")[0]["reward"] == 0.0
    assert len(endpoint.asked) == 2


def test_garbage_then_a_fail_is_a_fail(judge, endpoint, tmp_path):
    """The judge rambles, is asked once more for its verdict, and says UNMET."""
    (tmp_path / "c.yaml").write_text("rubric: {criteria: [{id: right, text: It is right.}]}\n" + endpoint.settings())
    write_data(tmp_path, 1)
    replies = iter([Canned("Lovely weather."), Canned("VERDICT: UNMET")])
    endpoint.reply = lambda body: next(replies)
    judge(*ARGUMENTS)
    [row] = rewards(tmp_path / "out")
    assert (row["reward"], [f["name"] for f in row["flags"]]) == (0.0, ["forced_verdict"])


def test_garbage_every_time_costs_two_more_calls_at_most(judge, endpoint, tmp_path):
    """A judge that never answers is not asked for ever, and its silence is no grade."""
    (tmp_path / "c.yaml").write_text("rubric: {criteria: [{id: right, text: It is right.}]}\n" + endpoint.settings())
    write_data(tmp_path, 1)
    endpoint.reply = lambda body: Canned("Lovely weather.")
    judge(*ARGUMENTS)
    [row] = rewards(tmp_path / "out")
    assert (row["reward"], row["reason"]) == (None, "missing")
    assert len(endpoint.asked) <= 3
    assert len(verdicts(tmp_path / "out")) == len(endpoint.asked)


def test_over_length_from_the_server_is_the_rows_own_reason(judge, endpoint, tmp_path):
    """The counts that the server named reach the table."""
    prepare(tmp_path, endpoint, count=2)
    said = "This model's maximum context length is 4096 tokens. Your prompt contains 5000 input tokens."
    fits = endpoint.reply
    endpoint.reply = lambda body: Canned(status=400, error=said) if "It is 1." in str(body) else fits(body)
    assert judge(*ARGUMENTS).code == 0
    first, second = rewards(tmp_path / "out")
    assert (first["reward"], second["reward"], second["reason"]) == (1.0, None, "over_length")
    assert "4096" in second["detail"]
    assert "5000" in second["detail"]


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_done_and_the_next_run_goes_on(endpoint, tmp_path):
    """With every place taken by a slow request: the command ends at once, with 130, and nothing is paid twice."""
    prepare(tmp_path, endpoint, count=40, more="max_in_flight: 4\n")
    quick = endpoint.reply
    endpoint.reply = lambda body: Canned("VERDICT: MET", delay_s=60) if len(endpoint.asked) > 20 else quick(body)
    process = subprocess.Popen([*COMMAND, *ARGUMENTS], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    waited = time.monotonic() + 60
    while len(endpoint.asked) < 24:  # twenty answered, and every place taken
        assert time.monotonic() < waited
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    started = time.monotonic()
    _, err = process.communicate(timeout=20)
    assert time.monotonic() - started < 5
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "of 40 samples are done and kept; run the same command again to go on" in err
    told = json.loads((tmp_path / "out/run.json").read_text())
    done = told["counts"]["samples"]
    assert told["state"] == "interrupted"
    assert 5 <= done < 40
    assert len(rewards(tmp_path / "out")) == done
    endpoint.reply = quick
    before = len(endpoint.asked)
    again = subprocess.run([*COMMAND, *ARGUMENTS, "--quiet"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "rewards of 40 responses" in again.stdout
    assert len(endpoint.asked) - before == 80 - 20  # twenty calls were answered, forty samples make eighty


@pytest.mark.slow
def test_a_second_ctrl_c_ends_at_once_and_says_what_is_kept(endpoint, tmp_path):
    """Whoever does not wait for the tables reads that nothing is lost."""
    prepare(tmp_path, endpoint, count=40, more="max_in_flight: 4\n")
    quick = endpoint.reply
    endpoint.reply = lambda body: Canned("VERDICT: MET", delay_s=60) if len(endpoint.asked) > 20 else quick(body)
    process = subprocess.Popen([*COMMAND, *ARGUMENTS], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    waited = time.monotonic() + 60
    while len(endpoint.asked) < 24:
        assert time.monotonic() < waited
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "stopped before the tables were written; every reply so far is kept in out: run the same command again to go on" in err


@pytest.mark.parametrize("where", ["judge.cli.plan.draw", "judge.cli.main._mount"])
def test_a_command_that_is_stopped_says_so(judge, tmp_path, monkeypatch, where):
    """Ctrl-C while a command reads or loads: not only the prompt of the shell again, and no traceback."""

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    import_module(where.rpartition(".")[0])
    monkeypatch.setattr(where, interrupted)
    (tmp_path / "c.yaml").write_text("rubric: helpfulness\nrecipe: pointwise\nengine: {kind: scripted, reply: x}\n")
    (tmp_path / "d.jsonl").write_text('{"prompt": "Q", "response": "A"}\n')
    ended = judge("plan", "c.yaml", "--data", "d.jsonl")
    assert (ended.code, ended.err) == (130, "stopped\n")


def _limited(tmp_path, limit):
    """The command with a limit on the size of any file: what a full disk looks like."""
    limited = f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))"
    return command(tmp_path, f"import resource, sys; {limited}; from judge.cli.main import main; main(sys.argv[1:])")


def command(folder, code):
    """The command in a process of its own, with something done to it first."""
    run = [sys.executable, "-c", code, *ARGUMENTS]
    return subprocess.run(run, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("limit", [pytest.param(60_000, id="while-judging"), pytest.param(3_000, id="at-the-start")])
@pytest.mark.slow
def test_a_full_disk_says_what_is_kept(endpoint, tmp_path, limit):
    """Exit code 4, one message, no traceback; with room again the run goes on where it was."""
    prepare(tmp_path, endpoint, count=150)
    endpoint.reply = lambda body: Canned("Long reasoning. " * 40 + "\nVERDICT: MET")
    ended = _limited(tmp_path, limit)
    assert ended.returncode == 4, ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""
    assert "out/journal.sqlite: cannot be" in ended.stderr
    asked = len(endpoint.asked)
    again = subprocess.run([*COMMAND, *ARGUMENTS, "--quiet"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "rewards of 150 responses" in again.stdout
    assert len(endpoint.asked) - asked <= 300


def test_two_runs_do_not_write_into_one_folder(judge, endpoint, tmp_path):
    """The second one is told, and the first one's journal stays whole."""
    prepare(tmp_path, endpoint, count=1)
    quick = endpoint.reply
    endpoint.reply = lambda body: Canned("VERDICT: MET", delay_s=30)
    first = subprocess.Popen([*COMMAND, *ARGUMENTS], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    waited = time.monotonic() + 20
    while not endpoint.asked and time.monotonic() < waited:
        time.sleep(0.02)
    second = judge(*ARGUMENTS)
    (tmp_path / "out" / ".lock").unlink()
    third = judge(*ARGUMENTS)
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=20)
    endpoint.reply = quick
    assert (second.code, second.out) == (4, "")
    assert "out: another run is writing here; choose another --output or wait for it" in second.err
    assert (third.code, third.err) == (4, second.err)  # the folder is locked, and not only a file in it
    assert judge(*ARGUMENTS).code == 0


def test_a_folder_that_cannot_be_written(endpoint):
    """No permission: one line, before a model is loaded or a call is paid."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, endpoint, count=1)
        (folder / "out").mkdir()
        (folder / "out").chmod(0o555)
        folder.chmod(0o755)
        nobody = "import os; os.getuid() or os.seteuid(65534); "  # root may write anywhere
        code = f"import sys; import judge.cli.run; from judge.cli.main import main; {nobody} main(sys.argv[1:])"
        ended = command(folder, code)
    assert ended.returncode == 4, ended.stderr
    assert ended.stderr == "out: cannot be written to: Permission denied\nnothing was judged\n"
    assert endpoint.asked == []


TRAINING = {
    "evolve": {"folder": "versions"},
    "held_out": {"rubric": "instruction-following"},
    "rubric_dropout": 0.5,
    "step_deadline_s": 60,
}


@pytest.mark.parametrize("names", [(), ("rubric_dropout",), tuple(TRAINING)], ids=["none", "one", "all"])
def test_what_only_a_training_uses_is_said(judge, tmp_path, names):
    """Whoever tries a training's settings on a file must not take the result for that of a thinned rubric."""
    own = {"engine": {"kind": "scripted", "verdicts": "drawn"}, "rubric": "helpfulness", "recipe": "checklist"}
    (tmp_path / "c.yaml").write_text(json.dumps(own | {name: TRAINING[name] for name in names}))
    (tmp_path / "d.jsonl").write_text('{"prompt": "2 + 2?", "response": "4"}\n')
    ended = judge("run", "c.yaml", "--data", "d.jsonl", "--output", "out")
    assert ended.code == 0, ended.err
    line = ", ".join(f"`{name}`" for name in names) + ": without effect here; for trainers, `Judge.score` and the server"
    notes = json.loads((tmp_path / "out" / "run.json").read_text())["notes"]
    assert [note for note in notes if "without effect" in note] == ([line] if names else [])
    assert ended.err.count("without effect here") == bool(names)
    assert " ".join(ended.err.split()).count(line) == bool(names)
    assert not (tmp_path / "versions").exists()
    quiet = judge("run", "c.yaml", "--data", "d.jsonl", "--output", "out", "--quiet")
    assert quiet.err.splitlines() == ([line] if names else [])  # no progress, and so not silenced with it


def test_ids_that_steer_the_terminal_are_shown_as_escapes(judge, endpoint, tmp_path):
    """The summary names the lowest and the highest row."""
    prepare(tmp_path, endpoint)
    rows = [{"id": f"a\0b\x1b[31m\u202e{i}", "prompt": "What?", "response": f"It is {i}."} for i in range(2)]
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ended = judge(*ARGUMENTS)
    assert ended.code == 0
    assert "a\\u0000b\\u001b[31m\\u202e" in ended.out
    assert not {"\0", "\x1b", "\u202e"} & {*ended.out, *ended.err}


def test_a_call_that_no_server_has_is_not_paid_when_it_is_cancelled(judge, endpoint, tmp_path):
    """One of the calls is with the server when their time is up; the others wait on this side for their turn."""
    endpoint.reply = lambda body: Canned("VERDICT: MET", delay_s=5.0)
    price = "{input: 1, output: 2}"
    (tmp_path / "c.yaml").write_text(
        endpoint.settings(concurrency=1, price=price) + "recipe: checklist\nrubric: helpfulness\nitem_deadline_s: 1.0\n"
    )
    (tmp_path / "d.jsonl").write_text('{"prompt": "2 + 2?", "response": "4"}\n')
    ended = judge("run", "c.yaml", "--data", "d.jsonl", "--output", "out")
    cost = json.loads((tmp_path / "out" / "run.json").read_text())["cost"]
    assert (cost["calls"], cost["cancelled_calls"]) == (1, 1)
    assert "1 call cancelled, its cost estimated" in " ".join(ended.out.split())


def test_votes_that_stop_are_several(judge, endpoint, tmp_path):
    """`stop: decided` alone leaves `votes.n` at 1: nothing is saved, and the person who set it thinks so."""
    prepare(tmp_path, endpoint, count=1)
    for votes, said in (("stop: decided", True), ("n: 3, stop: decided", False)):
        ended = judge(*ARGUMENTS, "--quiet", "--overwrite", "--set", f"votes={{{votes}}}")
        assert ended.code == 0
        assert ("`votes.stop`: without effect with one vote; set `votes.n`" in ended.err) == said
