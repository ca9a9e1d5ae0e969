"""Statements written as a line: `VERDICT: 4`, `VERDICT c1: MET`, a bare value on a line, or a fixed sentence.

- A marker in the middle of prose ("I would give VERDICT: 5 if ...") is no statement. After the end of a sentence or a
  dash ("Sound. VERDICT: 4") it commonly is one.
- Every pattern is anchored by its marker and has bounded repeats only, so a megabyte of `score` costs milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from judge.parse.statement import Statement
from judge.recipe.model import Question

_DECOR = r"[ \t>#*_`~•·\-+({\[]{0,12}(?:\d{1,3}[.)][ \t]{1,3}[*_`]{0,3})?"
_LEAD = r"(?:(?:my|the)[ \t]{1,3})?(?:final[ \t]{1,3})?"
_SEPARATOR = r"[*_`~)\]}]{0,4}[ \t]{0,4}(?:[:=]|(?<=[ \t])[-–—](?=[ \t]))"
_ID = r"[ \t]{0,4}[*_`\[(#\"']{0,4}(?P<id>[A-Za-z0-9][A-Za-z0-9_.\-]{0,63})[*_`\])\"']{0,4}"
_OPEN_WORDS = frozenset("or nor and if whether either neither than not that's unless why how which".split())  # "A or B is better"
_MAX_LINE = 600  # characters of a line behind a marker that are looked at


def lines(text: str, question: Question) -> Iterator[Statement]:
    """Find `MARKER: value` lines; in `criteria`, `MARKER id: value`."""
    marker = question.spec.marker
    by_id = question.spec.kind == "criteria"
    for found in _marker(marker, by_id).finditer(text):
        at = found.end()
        stop = text.find("\n", at, at + _MAX_LINE)
        line = text[at : stop if stop >= 0 else at + _MAX_LINE]
        alone = found.group("mid") is None
        key = (found.group("id") or "").rstrip(".-") if by_id else ""
        if by_id and not key:
            at, line, key = _inner_id(at, line)
        words = line.lstrip(" \t:=*_`~")
        if words.strip():
            yield Statement(found.start("marker"), at + len(line) - len(words), words.rstrip(), key, False, alone)
        elif alone and stop >= 0 and (below := _below(text, stop)) is not None:
            yield Statement(found.start("marker"), below[0], below[1], key, True, alone)
    if not by_id:
        yield from _headings(text, marker)


def bare(text: str, question: Question) -> Iterator[Statement]:
    """Find lines that are nothing but a value. A last line of a single word is a statement, whatever the word."""
    end = 0
    for found in _bare(_allowed(question), question.spec.prefixes).finditer(text):
        end = found.end()
        yield Statement(found.start(1), found.start(1), found.group(1))
    rest = text[max(end, len(text) - _MAX_LINE) :].rstrip()
    words = rest.rpartition("\n")[2].strip()
    if 0 < len(words) <= 60 and len(words.split()) == 1 and any(c.isalnum() for c in words):
        at = text.rfind(words)
        yield Statement(at, at, words)


def sentences(text: str, question: Question) -> Iterator[Statement]:
    """Find a fixed sentence with a hole for the value: `Therefore, {value} is better`.

    The hole takes an allowed value, or one or two words where the sentence has words before it: an invented label.
    """
    for found in _sentence(question.spec.marker, _allowed(question), question.spec.prefixes).finditer(text):
        line = text.rfind("\n", max(0, found.start() - 80), found.start())
        head = text[line + 1 if line >= 0 else max(0, found.start() - 80) : found.start()]
        if found.start() == found.start("value") and head.rpartition(" ")[0].rpartition(" ")[2].lower() in _OPEN_WORDS:
            continue
        yield Statement(found.start(), found.start("value"), found.group("value"), alone=not head.strip(" \t*_#-"))


@lru_cache(maxsize=256)
def _marker(marker: str, by_id: bool) -> re.Pattern[str]:
    """The marker at the start of its line, or after the end of a sentence; with a separator behind it.

    Whether a marker in mid-line is the judge's own is decided by what stands right before it.
    """
    start = rf"(?:^{_DECOR}{_LEAD}|(?P<mid>(?<=[.!?;)*。])[ \t]{{1,3}}|[ \t](?:-{{1,2}}|–|—)[ \t]{{1,3}})[*_`]{{0,3}}{_LEAD})"
    tail = rf"(?:{_SEPARATOR}|{_ID}{_SEPARATOR})" if by_id else _SEPARATOR
    return re.compile(rf"{start}(?P<marker>{_words(marker)}){tail}", re.IGNORECASE | re.MULTILINE)


@lru_cache(maxsize=256)
def _heading(marker: str) -> re.Pattern[str]:
    return re.compile(rf"^{_DECOR}{_LEAD}(?P<marker>{_words(marker)})[*_`~]{{0,4}}[ \t]{{0,8}}$", re.IGNORECASE | re.MULTILINE)


def _headings(text: str, marker: str) -> Iterator[Statement]:
    """Find `## VERDICT` with the value on the next line."""
    for found in _heading(marker).finditer(text):
        below = _below(text, found.end())
        if below is not None:
            yield Statement(found.start("marker"), below[0], below[1], soft=True)


def _below(text: str, stop: int) -> tuple[int, str] | None:
    """The next line with words, at most one blank line further on, if it is short."""
    for _ in range(2):
        end = text.find("\n", stop + 1, stop + 1 + _MAX_LINE)
        line = text[stop + 1 : end if end >= 0 else stop + 1 + _MAX_LINE]
        words = line.lstrip(" \t*_`~#-")
        if words.strip():
            return (stop + 1 + len(line) - len(words), words.rstrip()) if len(words) <= 80 else None
        if end < 0:
            return None
        stop = end
    return None


_INNER_ID = re.compile(_ID + _SEPARATOR)


def _inner_id(at: int, line: str) -> tuple[int, str, str]:
    """`VERDICT: c1: MET`: the id behind the separator."""
    found = _INNER_ID.match(line)
    if found is None:
        return at, line, ""
    return at + found.end(), line[found.end() :], found.group("id").rstrip(".-")


@lru_cache(maxsize=256)
def _sentence(marker: str, allowed: tuple[str, ...] | None, prefixes: tuple[str, ...]) -> re.Pattern[str]:
    before, _, after = marker.partition("{value}")
    value = _value(allowed, prefixes)
    if before.strip():
        left = rf"(?<!\w){_words(before)}[ \t]{{0,3}}[*_`\"“']{{0,4}}"
        value += r"|[^\s.,;:!?*_]{1,40}(?:[ \t][^\s.,;:!?*_]{1,40})?"
    else:
        left = r"(?<![\w(\[])[*_`\"“']{0,4}"
    right = rf"[*_`\"”']{{0,4}}[ \t]{{0,3}}{_words(after)}(?!\w)" if after.strip() else r"[.!*_`\"”']{0,6}[ \t]{0,3}$"
    return re.compile(rf"{left}(?P<value>{value}){right}", re.IGNORECASE | re.MULTILINE)


def _words(marker: str) -> str:
    return r"[ \t]{1,4}".join(re.escape(word) for word in marker.split())


def _allowed(question: Question) -> tuple[str, ...] | None:
    """The words a value may be; None: any number."""
    spec = question.spec
    if spec.kind == "score":
        return None
    if spec.kind in ("label", "graded_choice"):
        return tuple(question.labels)
    return (*question.names, *([spec.tie] if spec.tie else []))


def _value(allowed: tuple[str, ...] | None, prefixes: tuple[str, ...]) -> str:
    if allowed is None:
        return r"[+-]?\d{1,15}(?:\.\d{1,15})?(?: ?/ ?\d{1,6}| (?:out )?of \d{1,6})?"
    names = "|".join(_words(v) for v in sorted(allowed, key=len, reverse=True))
    before = f"(?:(?:{'|'.join(_words(p) for p in prefixes)})[ \t:#_-]{{0,3}})?" if prefixes else ""
    return f"{before}(?:{names})"


@lru_cache(maxsize=256)
def _bare(allowed: tuple[str, ...] | None, prefixes: tuple[str, ...]) -> re.Pattern[str]:
    edge = r"[ \t*_`#>\"'“”‘’$\[\]<]{0,12}"
    close = r"[ \t*_`\"'“”‘’$.!\[\]>]{0,12}"
    return re.compile(rf"^{edge}({_value(allowed, prefixes)}){close}$", re.IGNORECASE | re.MULTILINE)
