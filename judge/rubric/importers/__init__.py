"""Published rubric records -> Rubric. One module per form; each keeps the arithmetic of its source.

| form | looks like | arithmetic |
|---|---|---|
| `healthbench` | list of `{criterion, points, tags}`, or a record with it under `rubrics` | points met / positive points |
| `rar` | list of `{title, description, weight}`, or a record with it under `rubric` | weights, pitfalls flipped, all weights |
| `paperbench` | tree of `{id, requirements, weight, sub_tasks}`, or a record with it under `tree` | weighted mean of the leaves |
| `prometheus` | `{criteria, score1_description, ...}`, a record with it under `score_rubric`, or its text | one grade, 1 to 5 |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from judge.errors import Problem, RubricError, did_you_mean
from judge.rubric.importers import healthbench, paperbench, prometheus, rar
from judge.rubric.importers.healthbench import from_healthbench, healthbench_mean, healthbench_score
from judge.rubric.importers.paperbench import from_paperbench, paperbench_score
from judge.rubric.importers.prometheus import from_prometheus
from judge.rubric.importers.rar import from_rar
from judge.rubric.importers.record import Imported
from judge.rubric.model import Rubric

__all__ = [
    "FORMATS",
    "Imported",
    "from_healthbench",
    "from_paperbench",
    "from_prometheus",
    "from_rar",
    "healthbench_mean",
    "healthbench_score",
    "import_record",
    "import_rubric",
    "is_published",
    "paperbench_score",
]

_DETECT: dict[str, Callable[[Any], bool]] = {
    "healthbench": healthbench.looks_like,
    "rar": rar.looks_like,
    "paperbench": paperbench.looks_like,
    "prometheus": prometheus.looks_like,
}
_IMPORT: dict[str, Callable[..., Imported]] = {
    "healthbench": from_healthbench,
    "rar": from_rar,
    "paperbench": from_paperbench,
    "prometheus": from_prometheus,
}
FORMATS = tuple(_DETECT)


def is_published(record: Any) -> bool:
    """Whether a value has one of the published forms."""
    return any(detect(record) for detect in _DETECT.values())


def import_rubric(record: Any, format: str = "auto", *, where: str = "record", name: str = "") -> Rubric:
    """The rubric of one published record; `import_record` also returns its notes and metadata.

    Example:
        >>> import_rubric([{"criterion": "Names a dose.", "points": 5, "tags": []}]).effective_denominator
        'positive_points'
    """
    return import_record(record, format, where=where, name=name).rubric


def import_record(record: Any, format: str = "auto", *, where: str = "record", name: str = "") -> Imported:
    """Import one published record.

    Args:
        record: As published (see the table above).
        format: One of `FORMATS`, or `auto` to go by the field names.
        where: What errors call the record.
        name: Name of the rubric. Empty: the record's own id, or that of the form.

    Raises:
        RubricError: Unknown form or format, or a record that breaks the rules of its form.
    """
    if format == "auto":
        seen = [key for key, detect in _DETECT.items() if detect(record)]
        if len(seen) != 1:
            what = f"fits several forms ({', '.join(seen)}); name one" if seen else f"{_outline(record)} fits no known form"
            raise RubricError(Problem(where, f"{what}\nforms: {', '.join(FORMATS)}"))
        format = seen[0]
    if format not in _IMPORT:
        raise RubricError(f"no format `{format}`{did_you_mean(format, FORMATS)}\nformats: {', '.join(FORMATS)}")
    return _IMPORT[format](record, where=where, name=name)


def _outline(record: Any) -> str:
    """What came, by its outline only: a record may be long."""
    if isinstance(record, dict):
        return f"a mapping with {', '.join(f'`{key}`' for key in list(record)[:8]) or 'no fields'}"
    if isinstance(record, list):
        return f"a list of {len(record)}, the first {_outline(record[0])}" if record else "an empty list"
    return f"a value of type {type(record).__name__}"
