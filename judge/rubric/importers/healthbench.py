"""HealthBench records -> points rubrics, and HealthBench's own arithmetic.

- A score is the sum of the points met, negative ones included, over the sum of the positive points. It may be below 0
  for one example, and only the mean over examples is clipped to [0, 1] (openai/simple-evals, healthbench_eval.py).
- A criterion with negative points describes a fault, so it becomes a pitfall.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from judge.errors import Problem, RubricError
from judge.rubric.importers.record import Imported, build, identifier, number_of, text_of
from judge.rubric.model import Rubric


def looks_like(record: Any) -> bool:
    """A list of `{criterion, points}`, or a record that has one under `rubrics`."""
    items = record.get("rubrics") if isinstance(record, dict) else record
    first = items[0] if isinstance(items, list) and items else None
    return isinstance(first, dict) and "criterion" in first and "points" in first and not isinstance(first.get("tags"), dict)


def from_healthbench(record: Any, *, where: str = "record", name: str = "") -> Imported:
    """Import one HealthBench record or its list of criteria.

    Ids are c1, c2, ... in the order of the record.

    Raises:
        RubricError: A criterion without text or points, or no positive points to divide by.

    Example:
        >>> items = [{"criterion": "Asks for the age.", "points": 6}, {"criterion": "Gives a wrong dose.", "points": -4}]
        >>> [c.kind for c in from_healthbench(items).rubric.criteria]
        ['important', 'pitfall']
    """
    if not looks_like(record):
        raise RubricError(Problem(where, "a HealthBench record has a list of {criterion, points, tags} under `rubrics`"))
    items = record["rubrics"] if isinstance(record, dict) else record
    criteria = [_criterion(item, f"{where}: item {i}", f"c{i}") for i, item in enumerate(items, 1)]
    own = str(record.get("prompt_id", "")) if isinstance(record, dict) else ""
    data = {
        "name": name or identifier(own, "healthbench"),
        "source": "HealthBench (arXiv 2505.08775)",
        "criteria": criteria,
        "denominator": "positive_points",
    }
    metadata = {k: v for k, v in record.items() if k != "rubrics"} if isinstance(record, dict) else {}
    return Imported(build(data, where), metadata)


def _criterion(item: Any, where: str, name: str) -> dict[str, Any]:
    text = text_of(item, "criterion", where)
    points = number_of(item, "points", where)
    tags = item.get("tags") or []
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise RubricError(Problem(where, "`tags` should be a list of text"))
    return {"id": name, "text": text, "points": points, "kind": "pitfall" if points < 0 else "important", "tags": tags}


def healthbench_score(rubric: Rubric, met: Sequence[bool]) -> float:
    """Score of one example: points met, negative ones included, over positive points. Not clipped.

    Args:
        rubric: A points rubric.
        met: Whether each criterion is met, in the rubric's order, shape (criteria,). All must be known.

    Returns:
        At most 1; below 0 when the faults outweigh the rest.

    Raises:
        ValueError: Wrong length, a value that is not a bool, or a rubric without points.

    Example:
        >>> items = [{"criterion": "Asks for the age.", "points": 6}, {"criterion": "Gives a wrong dose.", "points": -9}]
        >>> healthbench_score(from_healthbench(items).rubric, [True, True])  # (6 - 9) / 6
        -0.5
    """
    points = [c.points for c in rubric.criteria if c.points is not None]
    if len(points) != len(rubric.criteria):
        raise ValueError(f"rubric `{rubric.name}` has weights, not points")
    if len(met) != len(points) or not all(isinstance(value, bool) for value in met):
        raise ValueError(f"{len(points)} criteria need as many true or false values, not {list(met)!r:.80}")
    earned = math.fsum(p for p, is_met in zip(points, met, strict=True) if is_met)
    return earned / math.fsum(p for p in points if p > 0)


def healthbench_mean(scores: Sequence[float]) -> float:
    """Mean over examples, clipped to [0, 1]; the only place where HealthBench clips.

    Raises:
        ValueError: No scores, or one that is not finite.

    Example:
        >>> healthbench_mean([-0.5, 1.0])
        0.25
    """
    if not scores or not all(math.isfinite(score) for score in scores):
        raise ValueError("a mean needs at least one score, and finite ones only")
    return min(1.0, max(0.0, math.fsum(scores) / len(scores)))
