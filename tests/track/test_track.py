"""`track` without a tracker: its forms, its errors, and the figures that would be sent. Their own code: tests/frameworks."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from importlib import import_module
from importlib.util import find_spec

import pytest

from judge.errors import SettingsError
from judge.pipeline.build import plan
from judge.report.run_tables import load_tables
from judge.settings import load_settings
from judge.settings.track import TrackSettings
from judge.track.run import run_metrics
from judge.track.trackers import StepTrack
from tests.bench.bench_harness import write_judge, write_rows
from tests.cli_harness import run_judge

MISSING = next((name for name in ("wandb", "trackio", "mlflow") if find_spec(name) is None), None)
needs_missing = pytest.mark.skipif(MISSING is None, reason="every tracker is installed here")
ENGINE = {"kind": "scripted", "replies": "replies.json"}


@pytest.mark.parametrize(
    ("given", "to"),
    [
        pytest.param("wandb", ("wandb",), id="word"),
        pytest.param(["mlflow", "inspect", "mlflow"], ("mlflow", "inspect"), id="list-once-each"),
        pytest.param({"to": "trackio", "project": "p"}, ("trackio",), id="mapping"),
        pytest.param("off", None, id="off"),
        pytest.param([], None, id="nothing"),
    ],
)
def test_forms(given, to):
    """A word, a list or a mapping say the same."""
    settings, _ = load_settings({"recipe": "checklist", "track": given})
    assert (settings.track.to if settings.track else None) == to


@pytest.mark.parametrize(
    ("before", "over", "expected"),
    [
        pytest.param("mlflow", "track.to=[wandb]", TrackSettings(to=("wandb",)), id="over-a-word"),
        pytest.param(
            {"to": ["mlflow"], "project": "p"}, "track.to=[wandb]", TrackSettings(to=("wandb",), project="p"), id="keeps-project"
        ),
        pytest.param("wandb", "track.project=p", TrackSettings(to=("wandb",), project="p"), id="project-of-a-word"),
    ],
)
def test_overrides_keep_what_they_do_not_name(before, over, expected):
    """`--track` goes over the names and keeps the project."""
    settings, _ = load_settings({"recipe": "checklist", "track": before}, [over])
    assert settings.track == expected


def test_a_wrong_name_is_an_error_with_a_suggestion():
    with pytest.raises(SettingsError, match=r"track.*wandb"):
        load_settings({"recipe": "checklist", "track": "wanddb"})


@needs_missing
def test_a_missing_package_is_said_before_a_model_is_loaded():
    """One clear line that names what to install."""
    settings, _ = load_settings({"recipe": "checklist", "engine": ENGINE, "track": MISSING})
    with pytest.raises(SettingsError, match=f"needs the package `{MISSING}`, which is not installed: pip install {MISSING}"):
        plan(settings)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [{"prompt": "q", "response": text, "id": text, "group": "g"} for text in ("fine", "no good", "silent")]
    write_rows(tmp_path / "rows.jsonl", rows)
    replies = {"no good": "No.\nVERDICT: UNMET", "silent": "hm", ".": "Yes.\nVERDICT: MET"}
    write_judge(tmp_path / "judge.yaml", "checklist", replies, rubric=["It is right."], filters="off")
    return tmp_path


def test_command_line(here):
    """A name that is none is refused with the known ones; nothing is judged."""
    ended = run_judge("run", "judge.yaml", "--data", "rows.jsonl", "--output", "run", "--track", "tensorboard")
    assert (ended.code, (here / "run").exists()) == (2, False)
    assert "--track tensorboard: must be one of wandb, mlflow, trackio, inspect" in ended.err


def test_figures_of_a_run(here):
    """Three responses of one group, rewards 1 and 0 and none: by hand."""
    assert run_judge("run", "judge.yaml", "--data", "rows.jsonl", "--output", "run").code == 0
    found = run_metrics(load_tables("run"))
    assert found["judge/responses"] == 3
    assert (found["judge/reward_mean"], found["judge/reward_std"], found["judge/flat_groups"]) == (0.5, 0.5, 0.0)
    assert found["judge/missing_share"] == pytest.approx(1 / 3)
    assert found["judge/no_verdict/missing"] == 1
    assert [v for k, v in found.items() if k.startswith("judge/criterion/")] == [0.5]


def test_steps_go_on_when_a_tracker_cannot_be_opened(caplog):
    """A training never ends for a tracker's sake: one line in the log."""
    if MISSING is None:
        pytest.skip("every tracker is installed here")
    sent = StepTrack(TrackSettings(to=(MISSING, "inspect")), {})
    for step in range(3):
        sent.add(step, {"judge/reward_mean": 0.5})
    sent.close()
    assert [r.levelname for r in caplog.records] == ["ERROR", "WARNING"]
    assert f"track: {MISSING} cannot be opened" in caplog.text
    assert "`inspect` holds whole runs" in caplog.text


HANGS = """
import threading
class Run:
    name, seen = "r", []
    def log(self, figures, step=None): self.seen.append(step)
    def log_artifact(self, *args, **fields): pass
    def finish(self): threading.Event().wait()
def init(*args, **fields): return Run()
"""


@pytest.fixture
def hangs(tmp_path, monkeypatch):
    """A tracker's package whose runs take steps and never end."""
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / "trackio.py").write_text(HANGS)
    monkeypatch.delitem(sys.modules, "trackio", raising=False)
    monkeypatch.syspath_prepend(tmp_path / "packages")
    yield import_module("trackio")
    sys.modules.pop("trackio")


def test_a_tracker_that_hangs_does_not_hold_a_run(here, hangs, caplog):
    """An upload that never ends is left behind, and said: the results are in the folder."""
    began = time.monotonic()
    more = ("--track", "trackio", "--set", "track.timeout_s=0.5")
    ended = run_judge("run", "judge.yaml", "--data", "rows.jsonl", "--output", "run", *more)
    assert (ended.code, time.monotonic() - began < 30) == (0, True)
    assert "trackio did not get this run: it was not done within 0.5 s (`track.timeout_s`)" in caplog.text
    assert (here / "run" / "run.json").exists()


def test_a_tracker_that_hangs_does_not_hold_a_training(hangs, caplog):
    """The steps before are sent, and the same judge sends on after it was closed."""
    sent = StepTrack(TrackSettings(to=("trackio",), timeout_s=0.5), {})
    for training in range(2):
        for step in range(3):
            sent.add(step, {"judge/reward_mean": 0.5})
        sent.close()
        assert hangs.Run.seen == [0, 1, 2] * (training + 1)
    assert [r.message for r in caplog.records] == [
        "track: trackio did not take the last steps within 0.5 s (`track.timeout_s`); they are left out"
    ] * 2


def test_steps_are_sent_before_a_process_ends(tmp_path, hangs):
    """A trainer that closes nothing loses no step, and its process ends."""
    code = (
        "from judge.settings.track import TrackSettings\nfrom judge.track.trackers import StepTrack\nimport atexit, trackio\n"
        "atexit.register(lambda: print(trackio.Run.seen))\nsent = StepTrack(TrackSettings(to=('trackio',)), {})\n"
        "for step in range(3): sent.add(step, {})\n"
    )
    path = os.pathsep.join((str(tmp_path / "packages"), os.environ.get("PYTHONPATH", "")))
    ended = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert (ended.returncode, ended.stdout.strip()) == (0, "[0, 1, 2]"), ended.stderr
