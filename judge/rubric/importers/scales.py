"""Named choices, levels and anchors of public rubrics -> the scale of a criterion."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from judge.errors import Problem, RubricError

_YES = frozenset({"yes", "true", "met", "pass", "passed", "correct", "satisfied"})
_NO = frozenset({"no", "false", "unmet", "fail", "failed", "incorrect", "not satisfied"})
_STEPS = (1, 2, 3, 4, 5, 10, 20, 100)  # a fraction of the scale's length that whole levels can hold
_LABELS = ("label", "name", "choice", "text", "description", "title")
_VALUES = ("value", "score", "points", "weight")
SCALE_KEYS = ("choices", "options", "levels", "anchors", "ratings", "score_ranges")


def scale_of(item: Mapping[str, Any], where: str) -> dict[str, Any] | None:
    """The scale that an item describes; None where it has none, so that it is met or not.

    Choices stand worst first, as a list of names has them, unless they are yes and no in the other order; with values, by
    value. Levels that are not whole numbers are stretched until they are: 0, 0.5 and 1 become 0, 1 and 2.

    Example:
        >>> graded = [{"label": "Good", "value": 1.0}, {"label": "Fair", "value": 0.5}, {"label": "Bad", "value": 0}]
        >>> scale_of({"choices": ["no", "partly", "yes"]}, "row 1")
        {'kind': 'ordinal', 'min': 0, 'max': 2, 'anchors': {0: 'no', 1: 'partly', 2: 'yes'}}
        >>> scale_of({"options": graded}, "row 1")
        {'kind': 'ordinal', 'min': 0, 'max': 2, 'anchors': {0: 'Bad', 1: 'Fair', 2: 'Good'}}
        >>> scale_of({"choices": ["yes", "no"]}, "")
    """
    key = next((k for k in SCALE_KEYS if item.get(k)), None)
    if key is None:
        kind, levels = str(item.get("type", "")).casefold(), item.get("points")
        if kind in ("likert", "ordinal", "numeric") and isinstance(levels, int) and levels > 1:
            return {"kind": "ordinal", "min": 1, "max": levels}
        return None
    named = _named(item[key], f"{where}: `{key}`")
    words = [label.strip().casefold() for label, _ in named]
    if len(named) == 2 and set(words) & _YES and set(words) & _NO:
        return None
    if all(value is None for _, value in named):
        named = [(label, float(level)) for level, (label, _) in enumerate(named)]
    return _ordinal([(label, value) for label, value in named if value is not None], f"{where}: `{key}`")


def _named(value: Any, where: str) -> list[tuple[str, float | None]]:
    """(what the level is called, its value where it has one) of each."""
    if isinstance(value, Mapping):
        return _of_mapping(value, where)
    if not isinstance(value, list) or len(value) < 2:
        raise RubricError(Problem(where, "should be a list or mapping of at least two levels"))
    return [_level(level, where) for level in value]


def _of_mapping(value: Mapping[Any, Any], where: str) -> list[tuple[str, float | None]]:
    """`{label: value}`, or `{level: what it looks like}`."""
    found: list[tuple[str, float | None]] = []
    for left, right in value.items():
        if (level := _number(right)) is not None and _number(left) is None:
            found.append((str(left), level))
        elif (level := _number(left)) is not None:
            found.append((str(right), level))
        else:
            raise RubricError(Problem(where, f"`{left}` has no number"))
    return found


def _level(level: Any, where: str) -> tuple[str, float | None]:
    if isinstance(level, str):
        return level, None
    if isinstance(level, Mapping):
        label = next((level[k] for k in _LABELS if isinstance(level.get(k), str)), None)
        value = next((number for k in _VALUES if (number := _number(level.get(k))) is not None), None)
        if label is not None or value is not None:
            return label or "", value
    raise RubricError(Problem(where, "a level is text, or a mapping with a label and a value"))


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def _ordinal(named: Iterable[tuple[str, float]], where: str) -> dict[str, Any]:
    levels = sorted(named, key=lambda pair: pair[1])
    for step in _STEPS:
        scaled = [(label, value * step) for label, value in levels]
        if all(abs(value - round(value)) < 1e-6 for _, value in scaled):
            break
    else:
        raise RubricError(Problem(where, "the values of the levels fit no scale of whole steps"))
    low, high = round(scaled[0][1]), round(scaled[-1][1])
    if not 0 < high - low <= 100:
        raise RubricError(Problem(where, f"levels from {low} to {high}: a scale has 2 to 101 levels"))
    anchors = {round(value): label for label, value in scaled if label.strip()}
    return {"kind": "ordinal", "min": low, "max": high, "anchors": anchors}
