"""Published rubrics of every known form -> Rubric: the one recogniser of cells, files, requests and `judge rubric import`.

| form | looks like | arithmetic |
|---|---|---|
| `healthbench` | list of `{criterion, points, tags}`, or a record with it under `rubrics` | points met / positive points |
| `rar` | list of `{title, description, weight}`, or a record with it under `rubric` | weights, pitfalls flipped, all weights |
| `paperbench` | tree of `{id, requirements, weight, sub_tasks}`, or a record with it under `tree` | weighted mean of the leaves |
| `prometheus` | `{criteria, score1_description, ...}`, a record with it under `score_rubric`, or its text | one grade, 1 to 5 |
| `deep-research` | `{dimension_weight, criterions: {dimension: [{criterion, weight}]}}` | weight of the dimension x its share |
| `ifeval` | `{instruction_id_list, kwargs}` | equal weights, programs where one exists |
| `items` | any other list of texts or `{criterion, requirement...}` (see `items.py`) | positive points, or all weights |
| `text` | numbered or bulleted lines, `[Hard Rule]`, `(importance: 60/100)` at their ends | as `items` |

A record may hold any of these under a known name, however deep: `rubrics`, `reward_model.rubrics`, `tests[0].assert`...
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from judge.errors import Problem, RubricError, did_you_mean
from judge.rubric.importers import healthbench, items, paperbench, prometheus, rar, research, rules
from judge.rubric.importers.healthbench import from_healthbench, healthbench_mean, healthbench_score
from judge.rubric.importers.items import from_items
from judge.rubric.importers.paperbench import from_paperbench, paperbench_score
from judge.rubric.importers.prometheus import from_prometheus
from judge.rubric.importers.rar import from_rar
from judge.rubric.importers.record import Imported, parsed
from judge.rubric.importers.research import from_deep_research
from judge.rubric.importers.rules import from_ifeval
from judge.rubric.importers.text import items_of
from judge.rubric.model import Criterion, Rubric

__all__ = [
    "FORMATS",
    "Imported",
    "from_deep_research",
    "from_healthbench",
    "from_ifeval",
    "from_items",
    "from_paperbench",
    "from_prometheus",
    "from_rar",
    "healthbench_mean",
    "healthbench_score",
    "import_record",
    "import_rubric",
    "is_published",
    "own_form",
    "paperbench_score",
]


def _is_text(record: Any) -> bool:
    return isinstance(record, str) and not record.lstrip().startswith(("{", "[")) and items_of(record) is not None


def _from_text(record: Any, *, where: str = "record", name: str = "") -> Imported:
    found = items_of(record) if isinstance(record, str) else None
    if found is None:
        raise RubricError(Problem(where, "a rubric as text is a list, one numbered or bulleted line a criterion"))
    return from_items(found, where=where, name=name)


_FORMS: dict[str, tuple[Callable[[Any], bool], Callable[..., Imported]]] = {
    "healthbench": (healthbench.looks_like, from_healthbench),
    "rar": (rar.looks_like, from_rar),
    "paperbench": (paperbench.looks_like, from_paperbench),
    "prometheus": (prometheus.looks_like, from_prometheus),
    "deep-research": (research.looks_like, from_deep_research),
    "ifeval": (rules.looks_like, from_ifeval),
    "items": (items.looks_like, from_items),
    "text": (_is_text, _from_text),
}
FORMATS = tuple(_FORMS)
_HOLDERS = (
    "rubrics", "rubric", "criteria", "criterions", "criterion", "checklist", "checklists", "rubric_list", "rubric_items",
    "requirements", "evaluation_criteria", "grading_criteria", "questions", "items", "assert", "score_rubric", "rubric_data",
    "score_rubrics", "reward_model", "extra_info", "ground_truth", "verification_info", "metadata", "tests", "defaultTest",
    "instruction",
)  # fmt: skip
_MAX_DEPTH = 6
_FOREIGN = frozenset({*items.TEXT, "description", "annotations", "choices", "options", "levels", "anchors"} - {"text"})


def is_published(record: Any) -> bool:
    """Whether a value has one of the published forms, or holds one; never for a rubric in the form of this project."""
    return not _is_own(record) and _recognise(record, 0) is not None


def import_rubric(record: Any, format: str = "auto", *, where: str = "record", name: str = "") -> Rubric:
    """The rubric of one published record; `import_record` also returns its notes and metadata.

    Example:
        >>> import_rubric([{"criterion": "Names a dose.", "points": 5, "tags": []}]).effective_denominator
        'positive_points'
        >>> [c.kind for c in import_rubric("1. Under 200 words. [Hard Rule]\\n2. Clear. [Principle]").criteria]
        ['hard_rule', 'principle']
    """
    return import_record(record, format, where=where, name=name).rubric


def import_record(record: Any, format: str = "auto", *, where: str = "record", name: str = "") -> Imported:
    """Import one published record.

    Args:
        record: As published (see the table above), or a record that holds it under a known name.
        format: One of `FORMATS`, or `auto` to go by the field names.
        where: What errors call the record.
        name: Name of the rubric. Empty: the record's own id, or that of the form.

    Raises:
        RubricError: Unknown form or format, or a record that breaks the rules of its form.
    """
    if format not in ("auto", *FORMATS):
        raise RubricError(f"no format `{format}`{did_you_mean(format, FORMATS)}\nformats: {', '.join(FORMATS)}")
    if format not in ("auto", "items", "text"):
        return _FORMS[format][1](record, where=where, name=name)
    found = _recognise(record, 0)
    if found is None or format not in ("auto", found[0]):
        raise RubricError(Problem(where, f"{_outline(record)} fits no known form\nforms: {', '.join(FORMATS)}"))
    form, value, key = found
    if isinstance(record, Mapping) and key:
        name = name or items.identified(record, form if form not in ("items", "text") else "rubric")
    made = _FORMS[form][1](value, where=where, name=name)
    rest = {k: v for k, v in record.items() if k != key} if isinstance(record, Mapping) and key else {}
    return Imported(made.rubric, {**rest, **made.metadata}, made.notes)


def _recognise(record: Any, depth: int) -> tuple[str, Any, str] | None:
    """(form, what has it, the record's field that holds it); None where nothing is known."""
    if isinstance(record, str) and record.lstrip().startswith(("{", "[")) and depth:
        record = parsed(record)
    for form, (detect, _) in _FORMS.items():
        if detect(record):
            return form, record, ""
    if depth < _MAX_DEPTH and isinstance(record, list) and len(record) == 1 and isinstance(record[0], Mapping) and depth:
        return _recognise(record[0], depth + 1)  # promptfoo's only test
    if depth < _MAX_DEPTH and isinstance(record, Mapping):
        for key in _HOLDERS:
            if record.get(key) and (found := _recognise(record[key], depth + 1)) is not None:
                return found[0], found[1], key
        if (sections := _sections(record, depth)) is not None:
            return "items", sections, ""
    return None


def _sections(record: Mapping[str, Any], depth: int) -> list[dict[str, Any]] | None:
    """`{"essential": [...], "optional": [...]}`, or lists of items by theme: one list, each item with its section."""
    if not record or not all(isinstance(part, list) and items.looks_like(part) for part in record.values()):
        return None
    if not depth and not all(items.is_kind(name) for name in record):
        return None
    out: list[dict[str, Any]] = []
    for name, part in record.items():
        for item in part:
            fields = {"criterion": item} if isinstance(item, str) else dict(item)
            out.append({"kind" if items.is_kind(name) else "section": name, **fields})
    return out


def own_form(record: Any) -> Any:
    """A bare list of criteria in the form of this project as the rubric that it is; anything else as it is.

    Example:
        >>> own_form([{"id": "a", "text": "Is short."}])
        {'criteria': [{'id': 'a', 'text': 'Is short.'}]}
    """
    known = Criterion.model_fields.keys()
    own = (
        isinstance(record, list)
        and bool(record)
        and all(isinstance(c, Mapping) and {"id", "text"} <= c.keys() <= known for c in record)
    )
    return {"criteria": record} if own else record


def _is_own(record: Any) -> bool:
    """Whether criteria are written as this project writes them: with `id` and `text`, so that a wrong field is an error."""
    found = record.get("criteria") if isinstance(record, Mapping) else None
    if not isinstance(found, list):
        return False
    plain = [c for c in found if isinstance(c, Mapping)]
    if not plain:
        return not any(isinstance(c, str) for c in found)
    return any("id" in c and ("text" in c or not c.keys() & _FOREIGN) for c in plain)


def _outline(record: Any) -> str:
    """What came, by its outline only: a record may be long."""
    if isinstance(record, dict):
        return f"a mapping with {', '.join(f'`{key}`' for key in list(record)[:8]) or 'no fields'}"
    if isinstance(record, list):
        return f"a list of {len(record)}, the first {_outline(record[0])}" if record else "an empty list"
    return f"a value of type {type(record).__name__}"
