"""wandb (offline), MLflow (a file store) and trackio under their own code: figures, summary, report, steps.

Read back with the libraries' own readers, from nothing but what they keep on disk.
"""

from __future__ import annotations

import json
import os
import pickle
import tempfile
import time
from pathlib import Path

import pytest

from judge import Judge, Sample
from tests.bench.bench_harness import write_judge, write_rows
from tests.cli_harness import run_judge

YES = {"no good": "No.\nVERDICT: UNMET", "silent": "hm", ".": "Yes.\nVERDICT: MET"}
ROWS = [
    {"prompt": f"q{i}", "response": text, "label": text == "fine"} for i, text in enumerate(["fine", "no good", "fine", "silent"])
]
os.environ["TRACKIO_DIR"] = tempfile.mkdtemp()  # read when trackio is imported
os.environ["WANDB_DIR"] = tempfile.mkdtemp()  # its service keeps the folder of the first run
pytestmark = pytest.mark.filterwarnings("default")  # of theirs


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    import mlflow

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"file:{tmp_path}/mlruns")
    write_rows(tmp_path / "rows.jsonl", ROWS)
    write_judge(tmp_path / "judge.yaml", "checklist", YES, rubric=["It is right."])
    mlflow.set_tracking_uri(None)  # what the variable says
    return tmp_path


def offline() -> set[Path]:
    return set(Path(os.environ["WANDB_DIR"]).glob("wandb/offline-run-*"))


def comes_to_hold(folder: Path, name: bytes) -> bool:
    """Whether the run's own file holds this in time: its service writes behind the run."""
    for _ in range(100):
        if any(name in file.read_bytes() for file in folder.rglob("*.wandb")):
            return True
        time.sleep(0.1)
    return False


def judged(*more: str):
    return run_judge("run", "judge.yaml", "--data", "rows.jsonl", "--output", "run", *more)


def test_mlflow_keeps_the_figures_and_the_report(here):
    import mlflow

    ended = judged("--track", "mlflow")
    assert ended.code == 0, ended.err
    client = mlflow.MlflowClient(f"file:{here}/mlruns")
    [run] = client.search_runs([client.get_experiment_by_name("judge").experiment_id])
    assert run.data.metrics["judge/missing_share"] == 0.25
    assert run.data.metrics["judge/reward_mean"] == pytest.approx(2 / 3)
    assert run.data.params["recipe"] == "checklist"
    assert (run.info.run_name, run.info.status) == ("run", "FINISHED")
    assert {f.path for f in client.list_artifacts(run.info.run_id)} == {"summary.txt", "report.html", "run.json"}


def test_wandb_offline_keeps_the_run(here):
    """No network, no key: the run and its artifact lie in the offline folder, which `wandb sync` sends later."""
    import wandb

    before = offline()
    ended = judged("--track", "wandb", "--set", "track.project=rewards")
    assert ended.code == 0, ended.err
    assert "track: wandb: " in ended.err
    assert wandb.run is None
    [folder] = offline() - before
    for name in (b"judge/reward_mean", b"judge-run", b"rewards"):
        assert comes_to_hold(folder, name), name


def test_trackio_keeps_the_run(here):
    """Its folder is a constant of the module, so the run is looked up there."""
    import trackio
    from trackio.sqlite_storage import SQLiteStorage

    ended = judged("--track", "trackio", "--set", "track.name=kept")
    assert ended.code == 0, ended.err
    [name] = SQLiteStorage.get_runs("judge")
    [logged] = [row for row in SQLiteStorage.get_logs("judge", name) if "judge/reward_mean" in row]
    assert logged["judge/missing_share"] == 0.25
    assert any("report.html" in str(path) for path in Path(trackio.TRACKIO_DIR).rglob("*")) or any(
        b"<!doctype html>" in path.read_bytes()[:20] for path in Path(trackio.TRACKIO_DIR).rglob("*") if path.is_file()
    )


def test_a_bench_sends_its_figures(here):
    import mlflow

    (here / "set.yaml").write_text("kind: right\ndata: rows.jsonl\n", encoding="utf-8")
    ended = run_judge("bench", "set.yaml", "judge.yaml", "--track", "mlflow", "--quiet", "--output", "out", "--draws", "5")
    assert ended.code == 0, ended.err
    client = mlflow.MlflowClient(f"file:{here}/mlruns")
    [run] = client.search_runs([client.get_experiment_by_name("judge").experiment_id])
    kept = json.loads((here / "out" / "judge" / "bench.json").read_text())
    assert run.data.metrics["judge/bench/accuracy"] == kept["published"][0]["value"]
    assert "bench.json" in {f.path for f in client.list_artifacts(run.info.run_id)}


def test_steps_of_a_trainer(here):
    """`Judge.score` is what trainers call: one point a step, and a pickled judge sends on from its own process."""
    import mlflow
    import wandb

    before = offline()
    settings = {"recipe": "checklist", "rubric": ["It is right."], "track": {"to": ["mlflow", "wandb"], "name": "grpo"}}
    settings["engine"] = {"kind": "scripted", "replies": str(here / "judge.replies.json")}
    with Judge.from_config(settings) as judge:
        copy = pickle.loads(pickle.dumps(judge))
        judge.score([Sample.of("q", "fine", "no good")], step=1)
        judge.score([Sample.of("q", "fine", "silent")], step=2)
    copy.close()
    assert (wandb.run, len(offline() - before)) == (None, 1)
    client = mlflow.MlflowClient(f"file:{here}/mlruns")
    [run] = client.search_runs([client.get_experiment_by_name("judge").experiment_id])
    points = [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, "judge/reward_mean")]
    assert points == [(1, 0.5), (2, 1.0)]
    missing = [m.value for m in client.get_metric_history(run.info.run_id, "judge/missing_share")]
    assert missing == [0.0, 0.5]


def test_the_run_of_a_trainer_is_joined(here):
    """wandb already has a run: the figures go into it, and it stays open."""
    import wandb

    before = offline()
    theirs = wandb.init(project="trainer", name="theirs")
    settings = {"recipe": "checklist", "rubric": ["It is right."], "track": "wandb"}
    settings["engine"] = {"kind": "scripted", "replies": str(here / "judge.replies.json")}
    with Judge.from_config(settings) as judge:
        judge.score([Sample.of("q", "fine", "no good")], step=1)
    assert wandb.run is theirs
    theirs.log({"loss": 1.0})
    theirs.finish()
    [folder] = offline() - before
    assert comes_to_hold(folder, b"judge/reward_mean")


def test_a_tracker_that_fails_loses_no_result(here, monkeypatch, caplog):
    """A store that is not there: the run is done, its tables are written, and one line says what was not sent."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nonsense://nowhere")
    ended = run_judge("run", "judge.yaml", "--data", "rows.jsonl", "--output", "run", "--track", "mlflow", "--quiet")
    assert ended.code == 0
    assert "track: mlflow did not get this run" in caplog.text
    assert (here / "run" / "rewards.parquet").exists()
