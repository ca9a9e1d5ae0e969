"""Rubrics written as text: numbered or bulleted lines -> criteria, with what stands in brackets at their ends.

OpenRubrics (arXiv 2510.07743) ends a line with `[Hard Rule]` or `[Principle]`; RLCF's checklists (arXiv 2507.18624) with
`(importance: 100/100)`; others with `(weight: 3)`, `(5 points)` or `[-2]`.
"""

from __future__ import annotations

import re
from typing import Any

_ITEM = re.compile(r"^[ \t]{0,12}(?:\(?\d{1,4}[.):]|[a-zA-Z][.)]|[-*+•–])[ \t]{1,8}(?=\S)")
_BRACKET = re.compile(r"\s{0,8}(?:\[(?P<square>[^\[\]]{1,60})\]|\((?P<round>[^()]{1,60})\))[.;,]?\s{0,8}$")
_AMOUNT = re.compile(
    r"(?:importance|weight|points?|score|priority|pts?)\s{0,3}[:=]?\s{0,3}(?P<after>[+-]?\d{1,6}(?:\.\d{1,6})?)(?:\s?/\s?\d{1,6})?"
    r"|(?P<before>[+-]?\d{1,6}(?:\.\d{1,6})?)(?:\s?/\s?\d{1,6})?\s{0,3}(?:points?|pts?|importance|weight)?",
    re.IGNORECASE,
)
_MARKUP = re.compile(r"\*\*|__")
_LONGEST = 1_000_000  # characters


def items_of(text: str) -> list[dict[str, Any]] | None:
    """The items of a list written as text; None when it is none: prose before the second line is no list.

    Example:
        >>> items_of("1. The answer is short. [Hard Rule]\\n2. It is clear. [Principle]")
        [{'criterion': 'The answer is short.', 'kind': 'Hard Rule'}, {'criterion': 'It is clear.', 'kind': 'Principle'}]
        >>> items_of("1) Is it in French? (importance: 60/100)")
        [{'criterion': 'Is it in French?', 'weight': 60.0}]
        >>> items_of("Judge how polite it is.") is None
        True
    """
    if len(text) > _LONGEST:
        return None
    items: list[list[str]] = []
    before = 0
    for line in text.strip().splitlines():
        if match := _ITEM.match(line):
            items.append([line[match.end() :].strip()])
        elif items and line.strip():
            items[-1].append(line.strip())
        elif line.strip():
            before += 1
    if not items or before > 2:
        return None
    return [_item(" ".join(lines)) for lines in items]


def _item(line: str) -> dict[str, Any]:
    """Text, and what its last brackets say about kind and weight; other brackets belong to the text."""
    found: dict[str, Any] = {}
    line = _MARKUP.sub("", line).strip()
    while match := _BRACKET.search(line):
        said = (match["square"] or match["round"]).strip()
        amount = _AMOUNT.fullmatch(said)
        if amount and (match["square"] or amount["after"] or not said.replace("/", "").isdigit()):
            found["weight"] = float(amount["after"] or amount["before"])
        elif match["square"]:
            found["kind"] = said
        else:
            break
        line = line[: match.start()].rstrip()
    return {"criterion": line, **found}
