"""Inspect, lm-eval and lighteval under their own code: a run as an eval log."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from tests.bench.bench_harness import write_judge, write_rows
from tests.cli_harness import run_judge

YES = {"no good": "No.\nVERDICT: UNMET", "silent": "hm", ".": "Yes.\nVERDICT: MET"}
pytestmark = pytest.mark.filterwarnings("default")  # of theirs


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("INSPECT_LOG_DIR", raising=False)
    write_judge(tmp_path / "judge.yaml", "checklist", YES, rubric=["It is right."], filters="off")
    return tmp_path


def test_a_run_as_an_eval_log(here):
    """Inspect lists it, reads it, and takes its means over what has a reward."""
    from inspect_ai.log import list_eval_logs, read_eval_log

    rows = [{"prompt": "q", "response": text, "id": text, "label": text == "fine"} for text in ("fine", "no good", "silent")]
    write_rows(here / "rows.jsonl", rows)
    ended = run_judge("run", "judge.yaml", "--data", "rows.jsonl", "--output", "run", "--track", "inspect")
    assert ended.code == 0, ended.err
    [info] = list_eval_logs(str(here / "run" / "inspect"))
    log = read_eval_log(info)
    assert (log.status, log.eval.model, log.eval.dataset.samples) == ("success", "judge/scripted", 3)
    scores = {s.id: s.scores["judge"] for s in log.samples}
    assert (scores["fine[0]"].value, scores["no good[0]"].value) == (1.0, 0.0)
    assert math.isnan(scores["silent[0]"].value)
    assert scores["silent[0]"].reason == "grader_failed"
    assert scores["silent[0]"].explanation.startswith("missing")
    assert {s.id: (s.input, s.output.completion, s.target) for s in log.samples}["fine[0]"] == ("q", "fine", "true")
    [found] = log.results.scores
    assert (found.scored_samples, found.unscored_samples, found.metrics["reward_mean"].value) == (2, 1, 0.5)
