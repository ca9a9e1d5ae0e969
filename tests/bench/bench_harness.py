"""What the bench tests share: items with what a judge said of them, and a judge on disk that answers by words of the question."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from judge.bench.items import BenchItem
from judge.bench.units import Duel, JudgedItem, compared
from judge.types import Sample

_BESIDE = Path(__file__).resolve().parents[3] / "shared" / "data"
SHARED = Path(
    os.environ.get("JUDGE_DATA_DIR") or _BESIDE
)  # public records that no package carries; what needs them is skipped without


def item(gold: Sequence[float], responses: int, subset: str = "", *, name: str = "0", note: str = "") -> BenchItem:
    sample = Sample.of(f"question {name}", *[f"answer {i}" for i in range(responses)], id=name)
    return BenchItem(sample, subset, tuple(gold), sample.group_key, note)


def pair(gold: float, *views: int | None, subset: str = "", name: str = "0") -> JudgedItem:
    """A pair that a judge saw in one order or in two."""
    known = [v for v in views if v is not None]
    joined = compared(sum(known) / len(known), 0.0) if len(known) == len(views) else None
    return JudgedItem(item([gold], 2, subset, name=name), (None, None), {(0, 1): Duel(joined, views)})


def scored(
    gold: Sequence[float], rewards: Sequence[float | None], subset: str = "", *, name: str = "0", note: str = ""
) -> JudgedItem:
    """An item whose responses were judged one by one."""
    return JudgedItem(item(gold, len(rewards), subset, name=name, note=note), tuple(rewards))


def values(metrics: Any, count: int) -> dict[str, float]:
    """Each metric with every item counted once."""
    import numpy as np

    return {name: round(metric(np.ones(count)), 4) for name, metric in metrics.items()}


def write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_judge(path: Path, recipe: str, replies: dict[str, str], **settings: Any) -> Path:
    """Run settings with a scripted judge that answers by a pattern of the request."""
    script = path.with_suffix(".replies.json")
    script.write_text(json.dumps(replies), encoding="utf-8")
    fields = {"recipe": recipe, "engine": {"kind": "scripted", "replies": script.name}, **settings}
    path.write_text(json.dumps(fields), encoding="utf-8")  # JSON is YAML
    return path
