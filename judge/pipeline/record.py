"""What a training run was paid, step by step: one line of JSON a step in `steps.jsonl`, which `judge report` draws as curves.

A line is appended whole and flushed, so a run that is killed leaves what it wrote. A record that cannot be written never stops
the training: it is said once in the log. Of several processes only the first one writes.
"""

from __future__ import annotations

import json
import logging
import math
import os
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from judge.pipeline.second import cascade_flag, cascade_metrics
from judge.track.trackers import StepTrack, step_metrics
from judge.types import Reward, Sample, distinct_calls

logger = logging.getLogger("judge.record")
FILE = "steps.jsonl"


class StepRecord:
    """Appends the figures of each step to `FOLDER/steps.jsonl`, and sends them to trackers. Pickles.

    Args:
        folder: None: nothing is appended.
        track: None: nothing is sent.
    """

    def __init__(self, folder: str | Path | None, track: StepTrack | None = None) -> None:
        self._path = None if folder is None else Path(folder) / FILE
        self._track = track
        self._failed = False

    def add(
        self,
        step: int,
        samples: Sequence[Sample],
        rewards: Sequence[Reward],
        alarms: Sequence[str] = (),
        rubric: Mapping[str, float] | None = None,
    ) -> None:
        """Append one step. Never raises for the file's sake.

        Args:
            rewards: What the trainer gets, one for each response of the samples, in order.
            alarms: Names of the monitor's alarms that are on.
            rubric: Of a rubric that changes over the steps: its version and size, and the gap to the one held out.
        """
        if os.environ.get("RANK", "0") != "0" or not rewards:
            return
        found = figures(samples, rewards)
        if self._path is not None:
            more = {"rubric": dict(rubric)} if rubric else {}
            self._append(self._path, {"step": step, "time": round(time.time(), 3), **found, "alarms": list(alarms), **more})
        if self._track is not None:
            changing = {f"judge/{name}": value for name, value in (rubric or {}).items()}
            self._track.add(step, {**step_metrics(found), "judge/alarms": float(len(alarms)), **changing})

    def _append(self, path: Path, line: Mapping[str, Any]) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as out:
                out.write(json.dumps(line) + "\n")
        except OSError as why:
            if not self._failed:
                logger.warning("record: %s cannot be written: %s; the training goes on without it", path, why.strerror or why)
            self._failed = True

    def close(self) -> None:
        """End what was opened to send steps to."""
        if self._track is not None:
            self._track.close()


def figures(samples: Sequence[Sample], rewards: Sequence[Reward]) -> dict[str, Any]:
    """The figures of one step.

    Returns:
        `responses`; `reward_mean`, `reward_std`, `raw_mean` over those that have a reward (None: none has); `missing_share`,
        `filtered_share` and `flat_groups` (groups of two and more with equal rewards) in [0, 1]; `length_mean` in characters;
        `reasons`; `criteria` (mean of each, at most 64); `judge_calls`, `tokens`; `cascade`, where the run has one.
    """
    values = [r.reward for r in rewards]
    there = np.array([v for v in values if v is not None and math.isfinite(v)], dtype=np.float64)
    raw = [r.raw_reward for r in rewards if r.raw_reward is not None]
    groups: dict[str, list[float]] = defaultdict(list)
    for reward, value in zip(rewards, values, strict=True):
        if value is not None:
            groups[reward.group].append(value)
    calls = distinct_calls(rewards)
    several = [g for g in groups.values() if len(g) > 1]
    lengths = [len(text) for sample in samples for text in sample.texts]
    return {
        "responses": len(rewards),
        "reward_mean": _mean(there.tolist()),
        "reward_std": round(float(there.std()), 6) if there.size else None,
        "raw_mean": _mean(raw),
        "missing_share": round(sum(v is None for v in values) / len(rewards), 6),
        "filtered_share": round(sum(not r.calls and r.raw_reward == 0 for r in rewards) / len(rewards), 6),
        "flat_groups": round(sum(max(g) - min(g) < 1e-9 for g in several) / len(several), 6) if several else None,
        "length_mean": _mean(lengths),
        "reasons": dict(Counter(str(r.failure.reason) for r in rewards if r.failure is not None)),
        "criteria": _criteria(rewards),
        "judge_calls": sum(not call.cached for call in calls),
        "tokens": sum(c.completion.prompt_tokens + c.completion.completion_tokens for c in calls),
        **_cascade(rewards),
    }


def _cascade(rewards: Sequence[Reward]) -> dict[str, Any]:
    """What the cheap judge of a cascade decided in this step; nothing where the run has none."""
    seen = [(own, r.raw_reward, r.components) for r in rewards if (own := cascade_flag(f.name for f in r.flags))]
    if not seen:
        return {}
    found = cascade_metrics(seen, 0, 0)
    return {"cascade": {name: found[name] for name in ("decided", "unsure", "audited", "agree", "mean_difference")}}


def _criteria(rewards: Sequence[Reward]) -> Mapping[str, float | None]:
    found: dict[str, list[float]] = defaultdict(list)
    for reward in rewards:
        for name, score in reward.criteria.items():
            if score is not None and (name in found or len(found) < 64):
                found[name].append(score)
    return {name: _mean(scores) for name, scores in found.items()}


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 6) if values else None
