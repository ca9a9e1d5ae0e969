"""What every importer returns, and the few helpers they share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from judge.errors import InputError, Problem, RubricError
from judge.jsonfile import parse_json
from judge.rubric.build import build_rubric
from judge.rubric.model import Rubric
from judge.yamlfile import Source, shown


@dataclass(frozen=True, slots=True)
class Imported:
    """One published record, read.

    Attributes:
        rubric: The rubric.
        metadata: The record's other fields, untouched (prompt, reference, tags of the example).
        notes: What was changed or dropped on the way, one line an item, for a person to check.
    """

    rubric: Rubric
    metadata: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def parsed(text: str) -> Any:
    """The value that a text is JSON of; else the text itself.

    Example:
        >>> parsed('["a"]'), parsed("[a")
        (['a'], '[a')
    """
    if not text.lstrip().startswith(("{", "[")):
        return text
    try:
        return parse_json(text, "")
    except InputError:
        return text


def build(data: dict[str, Any], where: str) -> Rubric:
    """Validate the fields an importer put together; errors name the record."""
    return build_rubric(Source(where, data, {}))


def text_of(item: Any, key: str, where: str) -> str:
    """A field that must be text with something in it."""
    value = item.get(key) if isinstance(item, dict) else None
    if not isinstance(value, str) or not value.strip():
        raise RubricError(Problem(where, f"`{key}` should be text, not {shown(value)}"))
    return value.strip()


def number_of(item: Mapping[str, Any], key: str, where: str) -> int | float:
    """A field that must be a finite number; text and booleans are not converted."""
    value = item.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < float("inf"):
        raise RubricError(Problem(where, f"`{key}` should be a finite number, not {shown(value)}"))
    return value


def identifier(text: str, fallback: str) -> str:
    """A record's id as a rubric name: letters, digits, `_`, `.`, `-`; at most 64 characters."""
    cleaned = re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-.")[:64].rstrip("-.")
    return cleaned or fallback
