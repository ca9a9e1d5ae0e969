"""Plain values -> Rubric, saying what is wrong at the line where it is.

The model can report a fault between two criteria only for the rubric as a whole. So those faults are looked for first,
here, and each is reported at its own line with what would do.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeGuard

from judge.errors import Problem, RubricError
from judge.rubric.model import Rubric
from judge.yamlfile import Path_, Source, shown, validate


def build_rubric(source: Source) -> Rubric:
    """Validate a parsed rubric. Raises RubricError with every problem found, each at its line."""
    data = source.data
    if not isinstance(data, dict):
        kind = "a list" if isinstance(data, list) else shown(data)
        raise RubricError(Problem(source.where(()), f"a rubric is a mapping with `criteria`, not {kind}"))
    problems = list(_between_criteria(source))
    if problems:
        raise RubricError(problems)
    return validate(Rubric, source, error=RubricError)


def _between_criteria(source: Source) -> Iterator[Problem]:
    """Equal ids, weights beside points, points that are all negative; and weights below 0, which deserve a hint."""
    criteria = source.data.get("criteria")
    plain = [(i, c) for i, c in enumerate(criteria) if isinstance(c, dict)] if isinstance(criteria, list) else []
    yield from _equal_ids(source, plain)
    used = {i: next((key for key in ("points", "weight") if c.get(key) is not None), "weight") for i, c in plain}
    for i, criterion in plain:
        path: Path_ = ("criteria", i, used[i])
        weight = criterion.get("weight")
        if _is_number(weight) and weight <= 0:
            hint = "for a fault write `kind: pitfall` with a positive weight, or use `points`"
            yield Problem(source.where(path), f"`criteria.{i}.weight`: {shown(weight)} is not above 0; {hint}")
        if used[i] != used[plain[0][0]]:
            before = "weights (1 where none is given)" if used[i] == "points" else "points"
            here = "points" if used[i] == "points" else "a weight"
            what = f"`{criterion.get('id')}` has {here} and the first criterion has {before}; a rubric uses one of the two"
            yield Problem(source.where(path), what)
    points = [c.get("points") for _, c in plain]
    if points and all(_is_number(p) and p < 0 for p in points) and source.data.get("denominator") != "all_weights":
        yield Problem(source.where(("criteria",)), "no criterion has positive points, so there is nothing to divide by")


def _equal_ids(source: Source, criteria: list[tuple[int, dict[str, Any]]]) -> Iterator[Problem]:
    first: dict[str, str] = {}
    for i, criterion in criteria:
        name, here = criterion.get("id"), source.where(("criteria", i, "id"))
        if not isinstance(name, str):
            continue
        if name in first:
            also = f" (the first at {first[name]})" if first[name] != here else ""
            yield Problem(here, f"two criteria are called `{name}`{also}")
        first.setdefault(name, here)


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
