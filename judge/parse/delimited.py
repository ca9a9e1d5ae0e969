"""Statements between delimiters: `[[value]]`, `\\boxed{value}`, `<MARKER>value</MARKER>`.

Each scanner walks the text once and keeps what is open on a stack, because patterns such as `<v>(.*?)</v>` take
13 seconds on 144 kB of tags that are never closed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from judge.parse.statement import Statement
from judge.recipe.model import Question

_MAX_VALUE = 4000  # characters between the delimiters (a list of scores, or of criteria)
_BOXED = re.compile(r"\\boxed[ \t]{0,3}\{|\\[{}]|[{}]")


def brackets(text: str, question: Question) -> Iterator[Statement]:
    """Find `[[value]]`. Brackets with brackets or several lines inside are code, not statements."""
    several = question.spec.kind in ("criteria", "scores", "ranking")
    at = done = 0
    while (close := text.find("]]", at)) >= 0:
        start = text.rfind("[[", max(done, close - _MAX_VALUE), close)
        at = done = close + 2
        if start < 0:
            continue
        raw = text[start + 2 : close]
        if "[" not in raw and "]" not in raw and raw.strip() and (several or ("\n" not in raw and len(raw) <= 100)):
            yield _statement(text, start, start + 2, raw)


def boxed(text: str, question: Question) -> Iterator[Statement]:
    """Find `\\boxed{value}`, braces inside included; of nested boxes the outer one counts."""
    stack: list[tuple[int, int] | None] = []
    ready: list[tuple[int, int, int]] = []
    first = text.find("\\boxed")
    for found in _BOXED.finditer(text, first) if first >= 0 else ():
        part = found.group()
        if part in ("\\{", "\\}"):
            continue
        if part != "}":
            stack.append((found.start(), found.end()) if part[0] == "\\" else None)
        elif stack and (opened := stack.pop()) is not None and found.start() - opened[1] <= _MAX_VALUE:
            while ready and ready[-1][0] > opened[0]:
                ready.pop()
            ready.append((opened[0], opened[1], found.start()))
    for start, begin, end in ready:
        if text[begin:end].strip():
            yield _statement(text, start, begin, text[begin:end])


def tags(text: str, question: Question) -> Iterator[Statement]:
    """Find `<MARKER>value</MARKER>`."""
    begin: tuple[int, int] | None = None
    for found in _tag(question.spec.marker).finditer(text):
        if not found.group(1):
            begin = (found.start(), found.end())
        elif begin is not None:
            raw = text[begin[1] : found.start()]
            if raw.strip() and len(raw) <= _MAX_VALUE:
                yield _statement(text, begin[0], begin[1], raw)
            begin = None


def _statement(text: str, start: int, begin: int, raw: str) -> Statement:
    line = text.rfind("\n", max(0, start - 40), start)
    head = text[line + 1 if line >= 0 else max(0, start - 40) : start]
    return Statement(start, begin + len(raw) - len(raw.lstrip()), raw.strip(), alone=not head.strip(" \t*_$#-"))


@lru_cache(maxsize=256)
def _tag(marker: str) -> re.Pattern[str]:
    return re.compile(rf"<(/?) ?{re.escape(marker)} ?>", re.IGNORECASE)
