"""Prometheus and BiGGen score rubrics -> a rubric of one criterion with five anchored levels.

The same anchors stand on the criterion and on the overall scale, so that checklist recipes and single-grade recipes
both see them. Feedback-Collection writes the same fields with the prefix `orig_`.
"""

from __future__ import annotations

import re
from typing import Any

from judge.errors import Problem, RubricError
from judge.rubric.importers.record import Imported, build, identifier, text_of

_TEXT = re.compile(
    r"(?m)^[ \t]{0,20}\[(?P<criteria>[^\n]+)\][ \t]{0,20}\n"
    r"(?P<levels>(?:\s{0,20}Score \d{1,9}:[^\n]{0,20000}(?:\n|\Z)){1,99})"
)
_LEVEL = re.compile(r"Score (\d{1,9}):[ \t]*([^\n]*)")


def looks_like(record: Any) -> bool:
    """The fields themselves, a record that has them under `score_rubric`, or their text form (`Score 1: ...`)."""
    if isinstance(record, str):
        return "Score 1:" in record and _TEXT.search(record) is not None  # a search from each bracket would be quadratic
    if not isinstance(record, dict):
        return False
    return isinstance(record.get("score_rubric"), dict) or any(
        f"{prefix}score1_description" in record for prefix in ("", "orig_")
    )


def from_prometheus(record: Any, *, where: str = "record", name: str = "") -> Imported:
    """Import one score rubric: `{criteria, score1_description, ..., score5_description}`, a BiGGen record, or text.

    Raises:
        RubricError: A level without a description, or levels other than 1 to 5.

    Example:
        >>> record = {"criteria": "Is it polite?"} | {f"score{i}_description": f"level {i}" for i in range(1, 6)}
        >>> from_prometheus(record).rubric.criteria[0].scale.anchors[5]
        'level 5'
    """
    if not looks_like(record):
        raise RubricError(Problem(where, "a score rubric has `criteria` and `score1_description` to `score5_description`"))
    own, metadata = "", {}
    if isinstance(record, str):
        text, anchors = _from_text(record, where)
    else:
        fields = record.get("score_rubric", record)
        prefix = "orig_" if "orig_criteria" in fields else ""
        text = text_of(fields, f"{prefix}criteria", where)
        anchors = {level: text_of(fields, f"{prefix}score{level}_description", where) for level in range(1, 6)}
        own = str(record.get("id", ""))
        taken = {"score_rubric", f"{prefix}criteria", *(f"{prefix}score{level}_description" for level in range(1, 6))}
        metadata = {key: value for key, value in record.items() if key not in taken}
    scale = {"kind": "ordinal", "min": 1, "max": 5, "anchors": anchors}
    data = {
        "name": name or identifier(own, "prometheus"),
        "source": "Prometheus score rubric (arXiv 2310.08491)",
        "criteria": [{"id": "c1", "text": text.strip("[]").strip(), "kind": "essential", "scale": scale}],
        "scale": scale,
    }
    return Imported(build(data, where), metadata)


def _from_text(text: str, where: str) -> tuple[str, dict[int, str]]:
    found = list(_TEXT.finditer(text))[-1]  # a judge prompt ends with its rubric; an earlier one may be quoted
    levels = [(int(level), words.strip()) for level, words in _LEVEL.findall(found["levels"])]
    if [level for level, words in levels if words] != [1, 2, 3, 4, 5]:
        raise RubricError(Problem(where, f"levels 1 to 5 should each be described once, not {[level for level, _ in levels]}"))
    return found["criteria"], dict(levels)
