"""What the tests of selecting share: a data set, and a run folder that a scripted judge made of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from judge.batch.read import read_samples
from judge.batch.run import run_batch
from judge.engine.scripted import ScriptedEngine
from judge.pipeline.build import plan
from judge.settings import load_settings

GRADES = {"great": "VERDICT: 5", "good": "VERDICT: 4", "fair": "VERDICT: 3", "poor": "VERDICT: 1", "mute": "Hard to say."}
ROWS = [
    {"id": "q0", "prompt": "First?", "responses": ["A poor one.", "A great one.", "A mute one.", ":"]},
    {"id": "q1", "prompt": "Second?", "responses": ["A good one.", "A fair one.", "Another good one.", "A poor one."]},
    {"id": "q2", "prompt": "Third?", "responses": ["A mute one.", "Another mute one."]},
    {"id": "q3", "prompt": "Fourth?", "responses": [":", "..."]},
]


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> str:
    """A JSONL file; gives its name."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def judged(
    folder: Path,
    rows: Iterable[Mapping[str, Any]] = ROWS,
    replies: Any = GRADES,
    *,
    mapping: Mapping[str, str] | None = None,
    **settings: Any,
) -> Path:
    """A run folder `run` beside its data `data.jsonl`. A word of the response decides its grade: 1 to 5 are 0 to 1."""
    data = write_rows(folder / "data.jsonl", rows)
    common = {"recipe": "pointwise", "rubric": "helpfulness", "filters": "strict", "engine": {"kind": "scripted"}}
    loaded, base = load_settings(common | settings)
    samples = read_samples(data, mapping)
    run = folder / "run"
    asyncio.run(run_batch(plan(loaded, base), samples, run, data=data, engine=ScriptedEngine(replies), quiet=True))
    return run
