"""What one configuration comes to on a set, and the same as plain values for bench.json and `--json`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judge.bench.measures import Figure
from judge.bench.published import metric_of
from judge.bench.spec import SetSpec
from judge.bench.teacher import TeacherMetrics
from judge.bench.units import JudgedItem
from judge.intervals import Interval


@dataclass(frozen=True)
class JudgeMetrics:
    """What one configuration comes to on a set.

    Attributes:
        published: The figures of the publication, the headline first.
        accuracy: Of all items: no verdict and no decision are wrong. `parsed`: of those with a verdict.
        subsets: Plain accuracy (or the headline, where there is none) of each subset, by name.
        consistency: Share of the comparisons with a verdict in both orders in which both say the same; None where none has.
        first: Share of the decided views that prefer the response shown first; 0.5 is even. None as above.
        ties, failed: Share of the comparisons (or responses) without a preference, and without a verdict.
        reasons: Failures by reason.
        items, of: Items with a result, and items of the set.
        seconds: Judging alone, without loading a model.
    """

    name: str
    config: str
    folder: Path
    model: str
    recipe: str
    published: list[Figure]
    accuracy: list[Figure]
    subsets: list[Figure]
    consistency: float | None
    first: float | None
    ties: float
    failed: float
    reasons: Mapping[str, int]
    items: int
    of: int
    calls: int
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    price: float | None
    teacher: TeacherMetrics | None
    interrupted: bool = False
    judged: Sequence[JudgedItem] = ()


def as_record(spec: SetSpec, judge: JudgeMetrics) -> dict[str, Any]:
    """The figures of one configuration as plain values; what is not known is null."""
    return {
        "judge": judge.name,
        "config": judge.config,
        "folder": str(judge.folder),
        "model": judge.model,
        "recipe": judge.recipe,
        "set": spec.name,
        "metric": metric_of(spec).source,
        "published": [_figure(f) for f in judge.published],
        "accuracy": [_figure(f) for f in judge.accuracy if not math.isnan(f.value)],
        "subsets": [_figure(f) for f in judge.subsets],
        "order_consistency": judge.consistency,
        "first_preferred": judge.first,
        "ties": number(judge.ties),
        "failed": number(judge.failed),
        "no_verdict_reasons": dict(judge.reasons),
        "items": judge.items,
        "of": judge.of,
        "judge_calls": judge.calls,
        "tokens": {"prompt": judge.prompt_tokens, "completion": judge.completion_tokens},
        "seconds": judge.seconds,
        "dollars": judge.price,
        "teacher": judge.teacher.as_dict() if judge.teacher else None,
        "interrupted": judge.interrupted,
    }


def _figure(figure: Figure) -> dict[str, Any]:
    return {"name": figure.name, "value": number(figure.value), "interval": ends(figure.interval), "items": figure.items}


def number(value: float) -> float | None:
    """A number, or None for NaN, which JSON has no word for."""
    return None if math.isnan(value) else value


def ends(interval: Interval) -> list[float] | None:
    """Both ends, or None where nothing was measured."""
    return None if math.isnan(interval.low) else [interval.low, interval.high]
