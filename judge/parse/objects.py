"""Statements in JSON: every complete object that holds the key, wherever it stands in the prose.

- Objects are found by one walk over braces and quotation marks, done twice (strings that end at a line break, and
  strings that run on), so an unclosed brace or an odd quotation mark in prose hides nothing.
- Only the innermost object around each mention of the key is decoded, at most once: nesting cannot make it slow.
- A key stated twice with different values says nothing, so duplicates are kept (`Members`), not folded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import islice
from typing import Any

from judge.parse.values import MAX_STATEMENTS, Number, Statement
from judge.recipe.verdict import Question

_WINDOW = 65_536  # longest object, in characters
_ACROSS = re.compile(r'\\.|["{}]', re.DOTALL)
_BY_LINE = re.compile(r'\\.|["{}\n]')
_TRAILING = re.compile(r",(?=\s{0,50}[}\]])")
_LATEX = re.compile(r'\\(?:(["\\/])|(?=u(?![0-9a-fA-F]{4}))|(?![bfnrtu]))')  # `\(x\)` and `\underline` are no escapes of JSON


class Malformed:
    """An object with the key that cannot be decoded."""


class Members(tuple[tuple[str, Any], ...]):
    """The members of a JSON object, in order, duplicates kept."""

    __slots__ = ()

    def get(self, key: str) -> list[Any]:
        """All values of a key: an exact match, or else one that differs in case only."""
        exact = [value for name, value in self if name == key]
        return exact or [value for name, value in self if name.casefold() == key.casefold()]


_DECODER = json.JSONDecoder(strict=False, object_pairs_hook=Members, parse_float=Number, parse_int=Number, parse_constant=Number)


def objects(text: str, question: Question) -> Iterator[Statement]:
    """Find every complete object that holds the marker as a key."""
    limit = 2 * (MAX_STATEMENTS + 4 * len(question.criteria))
    keys = [m.start() for m in islice(_key(_markers(question)).finditer(text), limit + 1)]
    if len(keys) > limit:
        yield from (Statement(keys[0], keys[0], keys[0], Malformed()) for _ in range(limit))  # a loop: over every limit
    elif keys:
        low, high = max(0, keys[0] - _WINDOW), min(len(text), keys[-1] + _WINDOW)
        for start, end in _enclosing(text, keys, low, high):
            yield from _statements(text, start, end, question)


def decode(text: str) -> Any:
    """Decode JSON with duplicates kept and numbers as text; a trailing comma and LaTeX are forgiven. None: not JSON."""
    return _forgiving(text, _DECODER.decode)


def decode_each(text: str, start: re.Pattern[str]) -> list[Any] | None:
    """Decode every value whose first character is group 1 of `start`, none within another. None: one of them is not JSON.

    Example:
        >>> decode_each('Two:\\n["a"]\\n["b",]', re.compile(r"^(\\[)", re.MULTILINE))
        [['a'], ['b']]
    """

    def each(attempt: str) -> list[Any]:
        out: list[Any] = []
        at = 0
        while found := start.search(attempt, at):
            value, at = _DECODER.raw_decode(attempt, found.start(1))
            out.append(value)
        return out

    found: list[Any] | None = _forgiving(text, each)
    return found


def _forgiving(text: str, read: Callable[[str], Any]) -> Any:
    """What `read` makes of a text, or of the text with the faults of models mended; None where it is no JSON."""
    tried: set[str] = set()
    for repair in (str, _without_commas, _latex_escaped, lambda it: _latex_escaped(_without_commas(it))):
        attempt = repair(text)
        if attempt in tried:
            continue
        tried.add(attempt)
        try:
            return read(attempt)
        except (ValueError, RecursionError):
            continue
    return None


def _without_commas(text: str) -> str:
    return _TRAILING.sub("", text)


def _latex_escaped(text: str) -> str:
    return _LATEX.sub(lambda found: found.group() if found.group(1) else "\\\\", text)


def _statements(text: str, start: int, end: int, question: Question) -> Iterator[Statement]:
    decoded = decode(text[start:end])
    if not isinstance(decoded, Members):
        yield Statement(start, end, start, Malformed(), alone=_alone(text, start))
        return
    alone = _alone(text, start)
    for marker, key in question.markers:
        for value in decoded.get(marker):
            yield Statement(start, end, _value_at(text, start, end, marker), value, key, alone=alone, siblings=decoded)
    if not question.spec.marker:  # what is said of an id nobody asked about is looked at, too
        known = {marker.casefold() for marker in _markers(question)}
        yield from (Statement(start, end, start, v, k, siblings=decoded) for k, v in decoded if k.casefold() not in known)


def _markers(question: Question) -> tuple[str, ...]:
    return tuple(marker for marker, _ in question.markers)


def _enclosing(text: str, keys: list[int], low: int, high: int) -> Iterator[tuple[int, int]]:
    """The innermost balanced object around each mention of the key, by position, none inside another.

    Both walks may see one object with two ends; the end that decodes counts. A key inside an object that is itself a
    statement (`{"verdict": [{"id": "c1", "verdict": "MET"}]}`) is part of that statement.
    """
    found = sorted({span for tokens in (_BY_LINE, _ACROSS) for span in _innermost(keys, _balanced(text, low, high, tokens))})
    chosen: list[tuple[int, int]] = []
    for span in found:
        if not chosen or span[0] >= chosen[-1][1]:
            chosen.append(span)
        elif span[0] == chosen[-1][0] and not isinstance(decode(text[slice(*chosen[-1])]), Members):
            chosen[-1] = span
    yield from chosen


def _innermost(keys: list[int], spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """For each key position, the smallest span around it; spans are nested or apart, sorted by their end."""
    ordered = sorted(spans)
    stack: list[tuple[int, int]] = []
    at = 0
    for key in keys:
        while at < len(ordered) and ordered[at][0] < key:
            stack.append(ordered[at])
            at += 1
        while stack and stack[-1][1] <= key:
            stack.pop()
        if stack:
            yield stack[-1]


def _balanced(text: str, low: int, high: int, tokens: re.Pattern[str]) -> list[tuple[int, int]]:
    stack: list[int] = []
    spans: list[tuple[int, int]] = []
    inside = False
    for found in tokens.finditer(text, low, high):
        part = found.group()
        if part == '"':
            inside = bool(stack) and not inside
        elif part == "\n":
            inside = False
        elif inside or part[0] == "\\":
            continue
        elif part == "{":
            stack.append(found.start())
        elif stack:
            start = stack.pop()
            if found.end() - start <= _WINDOW:
                spans.append((start, found.end()))
    return spans


def _value_at(text: str, start: int, end: int, marker: str) -> int:
    """Position of the value's first character behind the key, its quotation mark passed over."""
    found = _key((marker,)).search(text, start, end)
    if found is None:
        return start
    at = found.end()
    while at < end and text[at] in ' \t\n"':
        at += 1
    return at


def _alone(text: str, start: int) -> bool:
    return not text[max(0, start - 40) : start].rpartition("\n")[2].strip(" \t`*")


@lru_cache(maxsize=256)
def _key(markers: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf'"(?:{"|".join(map(re.escape, markers))})"\s{{0,20}}:', re.IGNORECASE)
