"""A question -> a pattern of the words that its value may be."""

from __future__ import annotations

import re

from judge.lookalikes import spellings
from judge.recipe.verdict import Question


def words_pattern(marker: str) -> str:
    """A pattern of some words with white space between them."""
    return r"[ \t]{1,4}".join(re.escape(word) for word in marker.split())


def allowed_words(question: Question) -> tuple[str, ...] | None:
    """The words a value may be; None: any number."""
    spec = question.spec
    if spec.kind == "first_error":
        return None
    if spec.kind in ("score", "scores"):
        return tuple(question.labels) or None
    if spec.kind == "criteria":
        return tuple(dict.fromkeys(label for labels in question.criteria.values() for label in labels))
    if spec.kind in ("label", "graded_choice"):
        return tuple(question.labels)
    return (*question.names, *([spec.tie] if spec.tie else []))


def value_pattern(question: Question) -> str:
    """A pattern of the words a value may be."""
    spec = question.spec
    allowed = allowed_words(question)
    if spec.kind == "first_error":
        return rf"{_value((spec.none,), spec.prefixes)}|{_before(spec.prefixes)}\d{{1,6}}"
    return _value(allowed, spec.prefixes)


def _value(allowed: tuple[str, ...] | None, prefixes: tuple[str, ...]) -> str:
    if allowed is None:
        return r"[+-]?\d{1,15}(?:\.\d{1,15})?(?: ?/ ?\d{1,6}| (?:out )?of \d{1,6})?"
    names = "|".join(words_pattern(form) for v in sorted(allowed, key=len, reverse=True) for form in spellings(v))
    return f"{_before(prefixes)}(?:{names})"


def _before(prefixes: tuple[str, ...]) -> str:
    return f"(?:(?:{'|'.join(words_pattern(p) for p in prefixes)})[ \t:#_-]{{0,3}})?" if prefixes else ""
