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

_LEAD = r"(?:(?:my|the)[ \t]{1,3})?(?:final[ \t]{1,3})?"
_HEAD = re.compile(rf"[ \t>#*_`~•·\-+({{\[]{{0,12}}(?:\d{{1,3}}[.)][ \t]{{1,3}}[*_`]{{0,3}})?{_LEAD}", re.IGNORECASE)
_MID = re.compile(rf"(?:[.!?;)*。][ \t]{{1,3}}|[ \t](?:-{{1,2}}|–|—)[ \t]{{1,3}})[*_`]{{0,3}}{_LEAD}$", re.IGNORECASE)
_SEPARATOR = r"[*_`~)\]}]{0,4}[ \t]{0,4}(?:[:=]|(?<=[ \t])[-–—](?=[ \t]))"
_FOR = r"(?:(?:for|on|of|criterion)[ \t]{1,3}){0,2}"
_ID = rf"[ \t]{{0,4}}{_FOR}[*_`\[(#\"']{{0,4}}(?P<id>[A-Za-z0-9][A-Za-z0-9_.\-]{{0,63}})[*_`\])\"']{{0,4}}"
_INNER_ID = re.compile(_ID + _SEPARATOR)
_OPEN_WORDS = frozenset(("or", "nor", "and", "if", "whether", "either", "neither", "than", "not", "unless"))  # "A or B is best"
_MAX_HEAD = 48  # characters of a line before a marker that are looked at
_MAX_LINE = 600  # characters of a line behind a marker that are looked at


def lines(text: str, question: Question) -> Iterator[Statement]:
    """Find `MARKER: value` lines; in `criteria`, `MARKER id: value`; and a heading `## MARKER` over the value."""
    by_id = question.spec.kind == "criteria"
    for found in _marker(question.spec.marker, by_id).finditer(text):
        alone = _starts(text, found.start())
        if alone is not None:
            statement = _line(text, found, by_id, alone)
            if statement is not None:
                yield statement


def _line(text: str, found: re.Match[str], by_id: bool, alone: bool) -> Statement | None:
    """The statement behind a marker; None when nothing is stated there."""
    at, start = found.end(), found.start()
    key = (found.group("id") or "").rstrip(".-") if by_id else ""
    stop = text.find("\n", at, at + _MAX_LINE)
    line = text[at : stop if stop >= 0 else at + _MAX_LINE]
    if by_id and not key:
        at, line, key = _inner_id(at, line)
    words = line.lstrip(" \t:=*_`~")
    if words.strip():
        return Statement(start, at + len(line) - len(words), words.rstrip(), key, False, alone)
    below = _below(text, stop) if alone and stop >= 0 and not (by_id and not key) else None
    return None if below is None else Statement(start, below[0], below[1], key, True, alone)


def _starts(text: str, at: int) -> bool | None:
    """True where a line starts (decoration aside), False behind the end of a sentence, None elsewhere."""
    head = text[max(0, at - _MAX_HEAD) : at]
    cut = head.rfind("\n")
    if (cut >= 0 or at <= _MAX_HEAD) and _HEAD.fullmatch(head, cut + 1):
        return True
    return False if _MID.search(head, max(cut + 1, len(head) - 24)) else None


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
    """The marker with a separator behind it, or alone up to the end of its line."""
    heading = r"[*_`~]{0,4}[ \t]{0,8}$"
    tail = rf"{_SEPARATOR}|{_ID}{_SEPARATOR}" if by_id else rf"{_SEPARATOR}|{heading}"
    return re.compile(rf"(?<![\w:]){_words(marker)}(?:{tail})", re.IGNORECASE | re.MULTILINE)


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
