"""Programmatic criteria: a criterion whose `check` names one of these costs no judge call.

A check gets the sample, the index of the response and the criterion's `args`, and returns a score in [0, 1] *as stated*
(1: the criterion is met; for a pitfall, the fault is there), or None when it cannot tell.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from judge.checks.match import agrees
from judge.errors import RubricError, did_you_mean
from judge.rubric.model import Criterion, Rubric
from judge.types import Sample

Check = Callable[[Sample, int, Mapping[str, Any]], float | None]


def matches_reference(sample: Sample, index: int, args: Mapping[str, Any]) -> float | None:
    """The whole response says the same as the reference (exact, normalised, or as a number). None without a reference."""
    return None if sample.reference is None else float(agrees(sample.responses[index], sample.reference))


def contains(sample: Sample, index: int, args: Mapping[str, Any]) -> float | None:
    """The response contains `text`; `ignore_case` (default true)."""
    needle, hay = str(args["text"]), sample.responses[index]
    return float(needle.casefold() in hay.casefold() if args.get("ignore_case", True) else needle in hay)


def max_words(sample: Sample, index: int, args: Mapping[str, Any]) -> float | None:
    """At most `n` words, separated by white space."""
    return float(len(sample.responses[index].split()) <= int(args["n"]))


def min_words(sample: Sample, index: int, args: Mapping[str, Any]) -> float | None:
    """At least `n` words, separated by white space."""
    return float(len(sample.responses[index].split()) >= int(args["n"]))


def valid_json(sample: Sample, index: int, args: Mapping[str, Any]) -> float | None:
    """The response is one JSON value, alone or in one code fence."""
    text = sample.responses[index].strip()
    if text.startswith("```") and text.endswith("```"):
        text = text.removesuffix("```").partition("\n")[2]
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return 0.0
    return 1.0


CHECKS: dict[str, tuple[Check, frozenset[str]]] = {
    "matches_reference": (matches_reference, frozenset()),
    "contains": (contains, frozenset({"text"})),
    "max_words": (max_words, frozenset({"n"})),
    "min_words": (min_words, frozenset({"n"})),
    "valid_json": (valid_json, frozenset()),
}


def find_check(criterion: Criterion) -> Check:
    """The program of a criterion. Raises `RubricError` when there is none of that name or an argument is missing."""
    if ":" in criterion.check:
        return _imported(criterion)
    if criterion.check not in CHECKS:
        near = did_you_mean(criterion.check, CHECKS) or f"; known: llm, {', '.join(CHECKS)}"
        raise RubricError(f"criterion `{criterion.id}`: no check `{criterion.check}`{near}")
    check, required = CHECKS[criterion.check]
    missing = sorted(required - set(criterion.args))
    if missing:
        raise RubricError(f"criterion `{criterion.id}`: check `{criterion.check}` needs `args: {{{missing[0]}: ...}}`")
    return check


def _imported(criterion: Criterion) -> Check:
    module, _, name = criterion.check.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as why:
        raise RubricError(f"criterion `{criterion.id}`: cannot import `{criterion.check}`: {why}") from None
    if not callable(found):
        raise RubricError(f"criterion `{criterion.id}`: `{criterion.check}` is not callable")
    return found  # type: ignore[no-any-return]  # the user's own function


def prepare(rubric: Rubric) -> dict[str, Check]:
    """Criterion id -> program, for the criteria that have one."""
    return {c.id: find_check(c) for c in rubric.criteria if c.check != "llm"}
