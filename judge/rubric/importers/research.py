"""DeepResearch Bench criteria -> a rubric: weighted dimensions of weighted criteria, each graded 0 to 10.

A criterion's weight is its dimension's weight times its own share of the dimension (RACE, arXiv 2506.11763).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from judge.errors import Problem, RubricError
from judge.rubric.importers.record import Imported, build, identifier, number_of, text_of

_SCALE = {"kind": "ordinal", "min": 0, "max": 10}


def looks_like(record: Any) -> bool:
    """Criteria by dimension under `criterions`, with `dimension_weight` beside them."""
    if not isinstance(record, Mapping) or not isinstance(record.get("dimension_weight"), Mapping):
        return False
    return isinstance(record.get("criterions", record.get("criteria")), Mapping)


def from_deep_research(record: Any, *, where: str = "record", name: str = "") -> Imported:
    """Import one record; the weights of all criteria sum to 1 where the source's do.

    Raises:
        RubricError: A criterion without text or weight, or a dimension without a weight.

    Example:
        >>> record = {"dimension_weight": {"insight": 0.4}, "criterions": {"insight": [{"criterion": "Depth", "weight": 0.5}]}}
        >>> one = from_deep_research(record).rubric.criteria[0]
        >>> one.text, one.weight, one.tags
        ('Depth', 0.2, ('dimension:insight',))
    """
    if not looks_like(record):
        raise RubricError(Problem(where, "a DeepResearch record has `dimension_weight` and `criterions`, by dimension"))
    criteria: list[dict[str, Any]] = []
    notes: list[str] = []
    for dimension, items in record.get("criterions", record.get("criteria")).items():
        share = number_of(record["dimension_weight"], dimension, f"{where}: dimension_weight")
        for index, item in enumerate(items if isinstance(items, list) else [], 1):
            at = f"{where}: {dimension}, item {index}"
            title, weight = text_of(item, "criterion", at), share * number_of(item, "weight", at)
            if weight <= 0:
                notes.append(f"{dimension}, item {index} dropped: its weight is {weight:g}")
                continue
            more = item.get("explanation")
            text = f"{title}: {more.strip()}" if isinstance(more, str) and more.strip() else title
            one = {"id": f"c{len(criteria) + 1}", "text": text, "title": title, "weight": weight, "scale": _SCALE}
            criteria.append(one | {"tags": [f"dimension:{dimension}"]})
    own = str(record.get("id", ""))
    data = {"name": name or identifier(own and f"task-{own}", "deep-research"), "criteria": criteria}
    metadata = {k: v for k, v in record.items() if k not in ("dimension_weight", "criterions", "criteria")}
    return Imported(build(data | {"source": "DeepResearch Bench (arXiv 2506.11763)"}, where), metadata, tuple(notes))
