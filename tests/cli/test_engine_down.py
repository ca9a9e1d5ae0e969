"""`judge run` when its endpoint dies, and what it leaves in the run folder in each case."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.cli_harness import judge as judge  # noqa: PLC0414  # a fixture

ROOT = Path(__file__).parents[2]
SCRIPTED = {"recipe": "pointwise", "rubric": "helpfulness", "engine": {"kind": "scripted", "reply": "VERDICT: 4"}}
RUN = ["run", "c.yaml", "--data", "d.jsonl", "--output", "out"]


def prepare(folder: Path, rows: int, **settings) -> None:
    (folder / "c.yaml").write_text(json.dumps(SCRIPTED | settings))
    texts = [{"id": f"r{n}", "prompt": f"What is {n} + {n}?", "response": f"It is {2 * n}."} for n in range(rows)]
    (folder / "d.jsonl").write_text("\n".join(map(json.dumps, texts)))


def state(folder: Path) -> str:
    return json.loads((folder / "out" / "run.json").read_text())["state"]


class Endpoint:
    """An endpoint in a process of its own, always at the same address."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.log = folder / "asked.log"
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.serve_fake", str(self.port), str(self.log), "0.02"]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    @property
    def answered(self) -> list[str]:
        return self.log.read_text().split() if self.log.exists() else []

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.mark.timeout(120)
def test_an_endpoint_killed_at_row_300_of_1000(tmp_path):
    """Within two seconds the address and the cause are on the screen; the run stops with code 3, no row has failed, and the same
    command finishes the rest without asking again for what was judged."""
    endpoint = Endpoint(tmp_path)
    engine = {"kind": "openai", "model": "fake", "base_url": endpoint.url, "patience_s": 4, "concurrency": 8}
    prepare(tmp_path, 1000, engine=engine, max_in_flight=8)
    command = [sys.executable, "-m", "judge.cli.main", *RUN]
    endpoint.start()
    with (tmp_path / "err").open("w+") as said:
        run = subprocess.Popen(
            command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL, stderr=said
        )
        while len(endpoint.answered) < 300:
            assert run.poll() is None
            time.sleep(0.01)
        endpoint.kill()
        time.sleep(2.0)
        at_once = (tmp_path / "err").read_text()
        assert f"the judge's engine at {endpoint.url} cannot be reached: Cannot connect to host" in at_once
        assert "waiting for it (0 of 4 s)" in at_once
        assert f"ENGINE DOWN: {endpoint.url} cannot be reached, waiting (" in at_once
        assert run.wait(timeout=60) == 3
    ended = (tmp_path / "err").read_text()
    assert "Traceback" not in ended
    assert f"the judge's engine at {endpoint.url} cannot be reached for 4 s" in ended
    assert (
        " of 1,000 samples are judged and kept in out (state `incomplete`); when the engine works again, continue with:" in ended
    )
    rows = pq.read_table(tmp_path / "out" / "rewards.parquet").to_pylist()
    assert 280 <= len(rows) <= 310
    assert {row["status"] for row in rows} == {"judged"}  # nothing failed
    run_json = json.loads((tmp_path / "out" / "run.json").read_text())
    assert run_json["state"] == "incomplete"
    assert run_json["continue"].endswith("run c.yaml --data d.jsonl --output out")
    kept = len(rows)
    asked = len(endpoint.answered)
    endpoint.start()
    again = subprocess.run(
        [*command, "--quiet"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    endpoint.kill()
    assert again.returncode == 0, again.stderr
    assert state(tmp_path) == "finished"
    assert pq.read_table(tmp_path / "out" / "rewards.parquet").num_rows == 1000
    assert len(endpoint.answered) - asked == 1000 - kept
    twice = [messages for messages, count in Counter(endpoint.answered).items() if count > 1]
    assert len(twice) <= 8  # in flight when the endpoint was killed: asked, and never answered whole


def test_a_run_that_is_killed_leaves_no_finished_over_old_rows(tmp_path):
    """Rows of an earlier run under a `run.json` that says `finished` would be taken for the new run's."""
    prepare(tmp_path, 3)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-m", "judge.cli.main", *RUN, "--quiet"], cwd=tmp_path, env=environment, check=True)
    assert state(tmp_path) == "finished"
    endpoint = Endpoint(tmp_path)
    endpoint.start()
    prepare(tmp_path, 3000, engine={"kind": "openai", "model": "fake", "base_url": endpoint.url}, max_in_flight=4)
    second = subprocess.Popen(
        [sys.executable, "-m", "judge.cli.main", *RUN, "--quiet", "--overwrite"], cwd=tmp_path, env=environment
    )
    while not endpoint.answered:
        time.sleep(0.02)
    second.send_signal(signal.SIGKILL)
    second.wait()
    endpoint.kill()
    assert state(tmp_path) == "running"


def test_results_of_another_run_are_not_replaced(judge, tmp_path):
    """A forgotten --output must not cost yesterday's results; the message says what is different."""
    prepare(tmp_path, 2)
    assert judge(*RUN, "--quiet").code == 0
    assert judge(*RUN, "--quiet").code == 0  # the same again
    prepare(tmp_path, 2, recipe="checklist", votes={"n": 3}, max_in_flight=7)
    before = (tmp_path / "out" / "rewards.parquet").read_bytes()
    other = judge(*RUN)
    assert (other.code, other.out) == (2, "")
    assert "out: holds the results of another run. What differs:" in other.err
    assert "recipe: pointwise there, checklist now" in other.err
    assert "settings, votes: null there" in other.err
    assert "max_in_flight" not in other.err
    assert "--overwrite" in other.err
    assert (tmp_path / "out" / "rewards.parquet").read_bytes() == before
    prepare(tmp_path, 3)
    assert "data: the content of d.jsonl has changed since" in judge(*RUN).err
    replaced = judge(*RUN, "--quiet", "--overwrite")
    assert replaced.code == 0
    assert "1 judge calls (2 more from the journal)" in replaced.out


@pytest.mark.parametrize(
    ("reply", "rows", "code", "says"),
    [
        pytest.param(
            "no verdict at all", '{"prompt": "1+1?", "response": "It is 2."}', 5, "no response got a reward", id="nothing"
        ),
        pytest.param(
            "VERDICT: 4",
            '{"prompt": 1, "response": 2}\n{"prompt": [], "response": {}}',
            2,
            "every row is invalid",
            id="all-invalid",
        ),
        pytest.param("VERDICT: 4", '{"prompt": "1+1?", "response": "It is 2."}\n{"prompt": "2+2?"}', 0, "", id="some-invalid"),
    ],
)
def test_a_run_that_gave_nothing_does_not_look_like_success(judge, tmp_path, reply, rows, code, says):
    """A script that trains on the result stops at the exit code."""
    prepare(tmp_path, 1, engine={"kind": "scripted", "reply": reply})
    (tmp_path / "d.jsonl").write_text(rows)
    ended = judge(*RUN, "--quiet")
    assert ended.code == code, ended.err
    assert says in ended.err


@pytest.mark.parametrize(
    ("limit", "code"),
    [
        pytest.param("2", 0, id="as-many"),
        pytest.param("1", 5, id="more"),
        pytest.param("50%", 0, id="share"),
        pytest.param("10%", 5, id="above-share"),
    ],
)
def test_max_failures(judge, tmp_path, limit, code):
    """Who allows five per cent of failures is told when there are more, and what was judged is kept."""
    prepare(tmp_path, 4, engine={"kind": "scripted", "replies": "r.yaml"}, max_in_flight=1)
    (tmp_path / "r.yaml").write_text("'[23] \\+': no verdict\n.: 'VERDICT: 4'\n")
    ended = judge(*RUN, "--quiet", "--max-failures", limit)
    assert ended.code == code, ended.err
    if code:
        assert "rows have no reward, and at most" in ended.err
        assert state(tmp_path) == "stopped"
        assert pq.read_table(tmp_path / "out" / "rewards.parquet").num_rows >= 3


@pytest.mark.parametrize("limit", ["-1", "many", "120%", "5 %x"])
def test_max_failures_that_is_no_limit(judge, tmp_path, limit):
    """A typing error is no limit of zero."""
    prepare(tmp_path, 1)
    ended = judge(*RUN, f"--max-failures={limit}")
    assert (ended.code, "must be a number of rows such as 20, or a share such as 5%" in ended.err) == (2, True)


def test_rows_with_the_same_id_are_told_apart(judge, tmp_path):
    """Two rows under one id would be one row to whoever joins the results with the data."""
    prepare(tmp_path, 1)
    (tmp_path / "d.jsonl").write_text("\n".join(json.dumps({"id": "a", "prompt": f"{n}?", "response": "Yes."}) for n in range(3)))
    assert judge(*RUN, "--quiet").code == 0
    rows = pq.read_table(tmp_path / "out" / "rewards.parquet").to_pylist()
    assert [row["id"] for row in rows] == ["a", "a#2", "a#3"]
    assert [[flag["name"] for flag in row["flags"]] for row in rows] == [[], ["duplicate_id"], ["duplicate_id"]]
    assert "2 rows have the id of an earlier row" in json.loads((tmp_path / "out" / "run.json").read_text())["notes"][0]
