"""Where a reply states a verdict: lines, tables, delimiters, fixed sentences. JSON is found in objects.py.

- A marker in the middle of prose ("I would give VERDICT: 5 if ...") is no statement. After the end of a sentence or a
  dash ("Sound. VERDICT: 4") it commonly is one.
- Every pattern is anchored by its marker and has bounded repeats only, so a megabyte of `score` costs milliseconds. Delimiters
  are found by one walk that keeps what is open on a stack: `<v>(.*?)</v>` takes 13 seconds on 144 kB of tags never closed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import islice

from judge.parse.lists import listed
from judge.parse.objects import objects
from judge.parse.patterns import allowed_words, value_pattern, words_pattern
from judge.parse.values import MAX_STATEMENTS, Statement
from judge.recipe.verdict import Question

_LEAD = r"(?:(?:my|the)[ \t]{1,3})?(?:(?:final|overall)[ \t_]{1,3})?"
_DECORATION = r"[ \t>#*_`~•·\-+({\[|]|[^\x00-\x7f\w]|\\(?:textbf|textit|text|mathbf|mathrm|boxed|emph|underline|fbox)[ \t]?\{|\$"
_HEAD = re.compile(rf"[ \t]{{0,40}}(?:{_DECORATION}){{0,12}}(?:\d{{1,3}}[.)][ \t]{{1,3}}[*_`]{{0,3}})?{_LEAD}", re.IGNORECASE)
_MID = re.compile(rf"(?:[.!?;)*。][ \t]{{1,3}}|[ \t](?:-{{1,2}}|–|—)[ \t]{{1,3}})[*_`]{{0,3}}{_LEAD}$", re.IGNORECASE)
_CLAUSE = re.compile(  # a verdict in the middle of a sentence: "It says: VERDICT: 5", "all is there, so VERDICT: 4"
    r"(?:[:,]|(?<![\w'’])(?:so|thus|hence|therefore|overall|finally|conclusion|accordingly|consequently)[,:]?)"
    rf"[ \t]{{1,3}}[*_`]{{0,3}}{_LEAD}$",
    re.IGNORECASE,
)
_ARROWS = "→⇒➜➔➝⟶⟹➡▶"
_SEPARATOR = rf"[*_`~)\]}}]{{0,4}}[ \t]{{0,4}}(?:=>|-{{1,2}}>|[:=]|[{_ARROWS}]\ufe0f?|(?<=[ \t])[-–—](?=[ \t]))"
_LOOSE = r"(?:[*_`)\]}]{0,4}(?:[ \t]{1,3}is[ \t]{1,3}|[ \t]{0,3}\|[ \t]{0,3}|[ \t]{1,3})|_)(?=[*_`\"'“(\[<$\\~]{0,6}[^\W_])"
_FOR = r"(?:(?:for|on|of|criterion)[ \t]{1,3}){0,2}"
_ID = rf"[ \t]{{0,4}}{_FOR}[*_`\[(#\"']{{0,4}}(?P<id>[A-Za-z0-9][A-Za-z0-9_.\-]{{0,63}})[*_`\])\"']{{0,4}}"
_INNER_ID = re.compile(_ID + _SEPARATOR)
_OPEN_WORDS = frozenset(("or", "nor", "and", "if", "whether", "either", "neither", "than", "not", "unless"))  # "A or B is best"
_MAX_HEAD = 48  # characters of a line before a marker that are looked at
_MAX_LINE = 600  # characters of a line behind a marker that are looked at
_MAX_VALUE = 4000  # characters between the delimiters (a list of scores, or of criteria)
_MAX_ROWS = 200  # rows of a table that are read
_RULE = re.compile(r"[ \t|:+=\-–—]{1,400}")
_COMMAND = re.compile(r"\\(?:[A-Za-z]{1,20}|.)")  # of LaTeX
_FORMULA = re.compile(
    r"(?=[^0-9]{0,200}[0-9])(?:[^A-Za-z]|[A-Za-z](?![A-Za-z]{2})){1,200}"
)  # a digit, and no word of three letters
_BOXED = re.compile(r"\\boxed[ \t]{0,3}\{|\\[{}]|[{}]")


def statements(text: str, question: Question) -> list[Statement]:
    """All statements of the question's form, in order; one more than the limit at most.

    A line may also be stated as a tag, a JSON object or a cell of a table: judges do, and it says the same.
    """
    form = question.spec.form
    at_most = limit(question) + 1
    if form == "bare" and question.spec.by == "place":
        return list(islice(listed(text, question), at_most))
    found = list(islice(_SCANNERS[form](text, question), at_most))
    if form == "line":
        for other in (tags, objects, tables):
            found += islice(other(text, question), at_most)
    return sorted(found, key=lambda s: s.start)


def limit(question: Question) -> int:
    """Most statements that one reply may hold; above it the reply is a loop."""
    return MAX_STATEMENTS + 4 * len(question.criteria)


def source(words: str, statement: Statement, question: Question) -> str:
    """The words of a line, from the marker to the value; empty for other forms."""
    if question.spec.form != "line" or not isinstance(statement.raw, str):
        return ""
    return words[statement.start : statement.value_at + len(statement.raw)]


def lines(text: str, question: Question) -> Iterator[Statement]:
    """Find `MARKER: value` lines; in `criteria`, `MARKER id: value`; and a heading `## MARKER` over the value."""
    by_id = question.spec.kind == "criteria" and question.spec.by == "name"
    keys = _keys(question)
    for found in _marker(tuple(keys), by_id).finditer(text):
        place = _place(text, found.start())
        if place is not None:
            statement = _line(text, found, by_id, place)
            if statement is not None:
                yield statement if by_id else replace(statement, key=keys[_squashed(found.group("mark"))])


def _line(text: str, found: re.Match[str], by_id: bool, place: str) -> Statement | None:
    """The statement behind a marker; None when nothing is stated there."""
    at, start, alone = found.end(), found.start(), place == "line"
    weak = found.group("loose") is not None
    key = (found.group("id") or found.group("loose_id") or "").rstrip(".-") if by_id else ""
    stop = text.find("\n", at, at + _MAX_LINE)
    line = text[at : stop if stop >= 0 else at + _MAX_LINE]
    if by_id and not key:
        at, line, key = _inner_id(at, line)
    words = line.lstrip(" \t:=*_`>})")
    if words.strip():
        if weak and (place == "clause" or _echoes(words)):
            return None
        return Statement(start, at + len(line), at + len(line) - len(words), words.rstrip(), key, place == "clause", weak, alone)
    below = _below(text, stop) if alone and stop >= 0 and not weak and not (by_id and not key) else None
    return None if below is None else Statement(start, below[0] + len(below[1]), below[0], below[1], key, True, False, alone)


def _echoes(words: str) -> bool:
    """Whether words behind a bare marker go on as a sentence or a name: `Winner selection: ...`."""
    return len(words) > 120


def _place(text: str, at: int) -> str | None:
    """Where a marker stands: `line` at the start of one (decoration aside), `sentence` behind the end of a sentence, `clause`
    behind a colon or a word such as "so"; None elsewhere.
    """
    head = text[max(0, at - _MAX_HEAD) : at]
    cut = head.rfind("\n")
    if (cut >= 0 or at <= _MAX_HEAD) and _HEAD.fullmatch(head, cut + 1):
        return "line"
    tail = max(cut + 1, len(head) - 32)
    if _MID.search(head, tail):
        return "sentence"
    return "clause" if _CLAUSE.search(head, tail) else None


def bare(text: str, question: Question) -> Iterator[Statement]:
    """Find lines that are nothing but a value. A last line of a single word is a statement, whatever the word."""
    end = 0
    for found in _bare(value_pattern(question)).finditer(text):
        end = found.end()
        yield Statement(found.start(1), found.end(), found.start(1), found.group(1))
    rest = text[max(end, len(text) - _MAX_LINE) :].rstrip()
    words = rest.rpartition("\n")[2].strip()
    if 0 < len(words) <= 60 and len(words.split()) == 1 and any(c.isalnum() for c in words):
        at = text.rfind(words)
        yield Statement(at, at + len(words), at, words)


def sentences(text: str, question: Question) -> Iterator[Statement]:
    """Find a fixed sentence with a hole for the value: `Therefore, {value} is better`.

    The hole takes an allowed value, or one or two words where the sentence has words before it: an invented label.
    """
    for found in _sentence(question.spec.marker, value_pattern(question)).finditer(text):
        line = text.rfind("\n", max(0, found.start() - 80), found.start())
        head = text[line + 1 if line >= 0 else max(0, found.start() - 80) : found.start()]
        if found.start() == found.start("value") and head.rpartition(" ")[0].rpartition(" ")[2].lower() in _OPEN_WORDS:
            continue
        yield Statement(found.start(), found.end(), found.start("value"), found.group("value"), alone=not head.strip(" \t*_#-"))


def _keys(question: Question) -> dict[str, str]:
    """Each marker, case and white space folded, and whose value stands behind it."""
    return {_squashed(marker): key for marker, key in question.markers}


def _squashed(marker: str) -> str:
    return " ".join(marker.split()).casefold()


def _either(markers: tuple[str, ...]) -> str:
    """Any of several markers, the longer ones first."""
    return f"(?P<mark>{'|'.join(map(words_pattern, sorted(markers, key=len, reverse=True)))})"


@lru_cache(maxsize=256)
def _marker(markers: tuple[str, ...], by_id: bool) -> re.Pattern[str]:
    """A marker with a separator behind it, or alone up to the end of its line; `loose`: with a value right behind it."""
    heading = r"[*_`~]{0,4}[ \t]{0,8}\|?[ \t]{0,8}$"
    if by_id:
        loose = rf"(?P<loose>{_ID.replace('?P<id>', '?P<loose_id>')}{_LOOSE})"
        tail = rf"{_SEPARATOR}|{_ID}{_SEPARATOR}|{loose}"
    else:
        tail = rf"{_SEPARATOR}|{heading}|(?P<loose>{_LOOSE})"
    return re.compile(rf"(?<![^\W_]|:){_either(markers)}(?:{tail})", re.IGNORECASE | re.MULTILINE)


def _below(text: str, stop: int) -> tuple[int, str] | None:
    """The next line with words, at most one blank line further on, if it is short; rules of a table are passed over."""
    for _ in range(3):
        end = text.find("\n", stop + 1, stop + 1 + _MAX_LINE)
        line = text[stop + 1 : end if end >= 0 else stop + 1 + _MAX_LINE]
        words = line.lstrip(" \t*_`#-|")
        if words.strip() and not _RULE.fullmatch(line):
            return (stop + 1 + len(line) - len(words), words.rstrip(" \t|")) if len(words) <= 80 else None
        if end < 0:
            return None
        stop = end
    return None


def tables(text: str, question: Question) -> Iterator[Statement]:
    """Find the cells below a column that is headed by the marker; in `criteria`, the first column holds the ids."""
    if question.spec.marked_each or question.spec.by == "place":
        return
    for found in _column(question.spec.marker).finditer(text):
        start = text.rfind("\n", max(0, found.start() - _MAX_LINE), found.start()) + 1
        end = text.find("\n", found.end())
        if end < 0 or not text[start:end].lstrip().startswith("|"):
            continue
        column = text.count("|", start, found.start() + 1)
        yield from _cells(text, end + 1, column, question.spec.kind == "criteria")


def _cells(text: str, at: int, column: int, by_id: bool) -> Iterator[Statement]:
    """The cells of one column, row by row, from the line below its head."""
    for row in range(_MAX_ROWS):
        end = text.find("\n", at, at + _MAX_LINE)
        line = text[at : end if end >= 0 else at + _MAX_LINE]
        if not line.lstrip().startswith("|") or (row == 0 and not _RULE.fullmatch(line)):
            return
        cells = line.split("|")
        if row and column < len(cells) and cells[column].strip():
            place = at + sum(len(c) + 1 for c in cells[:column])
            raw = cells[column]
            yield Statement(
                at,
                at + len(line),
                place + len(raw) - len(raw.lstrip()),
                raw.strip(),
                cells[1].strip() if by_id else "",
                weak=True,
            )
        if end < 0:
            return
        at = end + 1


@lru_cache(maxsize=256)
def _column(marker: str) -> re.Pattern[str]:
    return re.compile(rf"\|[ \t*_`]{{0,6}}{words_pattern(marker)}[ \t*_`]{{0,6}}(?=\|)", re.IGNORECASE)


def _inner_id(at: int, line: str) -> tuple[int, str, str]:
    """`VERDICT: c1: MET`: the id behind the separator."""
    found = _INNER_ID.match(line)
    if found is None:
        return at, line, ""
    return at + found.end(), line[found.end() :], found.group("id").rstrip(".-")


@lru_cache(maxsize=256)
def _sentence(marker: str, value: str) -> re.Pattern[str]:
    before, _, after = marker.partition("{value}")
    if before.strip():
        left = rf"(?<!\w){words_pattern(before)}[ \t]{{0,3}}[*_`\"“']{{0,4}}"
        if any(map(str.isalnum, before)):  # behind a bracket alone, any other word is no invented label
            value += r"|[^\s.,;:!?*_]{1,40}(?:[ \t][^\s.,;:!?*_]{1,40})?"
    else:
        left = r"(?<![\w(\[])[*_`\"“']{0,4}"
    right = rf"[*_`\"”']{{0,4}}[ \t]{{0,3}}{words_pattern(after)}(?!\w)" if after.strip() else r"[.!*_`\"”']{0,6}[ \t]{0,3}$"
    return re.compile(rf"{left}(?P<value>{value}){right}", re.IGNORECASE | re.MULTILINE)


@lru_cache(maxsize=256)
def _bare(value: str) -> re.Pattern[str]:
    edge = r"[ \t*_`#>\"'“”‘’$\[\]<]{0,12}"
    close = r"[ \t*_`\"'“”‘’$.!\[\]>]{0,12}"
    return re.compile(rf"^{edge}({value}){close}$", re.IGNORECASE | re.MULTILINE)


def brackets(text: str, question: Question) -> Iterator[Statement]:
    """Find `[[value]]`. Brackets with brackets or several lines inside are code, not statements."""
    several = question.spec.kind in ("criteria", "scores", "ranking")
    aside = _holds_no_word(question)
    for start, close in _between(text, "[[", "]]"):
        raw = text[start + 2 : close]
        if "[" not in raw and "]" not in raw and raw.strip() and (several or ("\n" not in raw and len(raw) <= 100)):
            yield _statement(text, start, start + 2, raw, close + 2, weak=aside(raw))


def angles(text: str, question: Question) -> Iterator[Statement]:
    """Find `[[value]]`, which is of the first response, and `<<value>>`, which is of the second."""
    for name, (opens, closes) in zip(question.names, (("[[", "]]"), ("<<", ">>")), strict=False):
        for start, close in _between(text, opens, closes):
            raw = text[start + 2 : close]
            if raw.strip() and len(raw) <= 100 and not any(c in raw for c in "[]<>\n"):
                yield _statement(text, start, start + 2, raw, close + 2, name)


def _between(text: str, opens: str, closes: str) -> Iterator[tuple[int, int]]:
    """Where a pair of delimiters stands: the last one opened before each that closes."""
    at = done = 0
    while (close := text.find(closes, at)) >= 0:
        start = text.rfind(opens, max(done, close - _MAX_VALUE), close)
        at = done = close + len(closes)
        if start >= 0:
            yield start, close


def _holds_no_word(question: Question) -> Callable[[str], bool]:
    """Whether what stands between delimiters is a number or a formula where a word was asked for: a result, and no verdict."""
    allowed = allowed_words(question) if question.spec.kind in ("label", "graded_choice", "choice") else None
    if allowed is None and question.spec.kind == "criteria" and question.spec.by == "place":
        allowed = tuple(label for labels in question.criteria.values() for label in labels)
    if not allowed or any(_FORMULA.fullmatch(words) for words in allowed):
        return lambda raw: False
    return lambda raw: _FORMULA.fullmatch(_COMMAND.sub("", raw)) is not None


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
    aside = _holds_no_word(question)
    for start, begin, end in ready:
        if text[begin:end].strip():
            yield _statement(text, start, begin, text[begin:end], end + 1, weak=aside(text[begin:end]))


def tags(text: str, question: Question) -> Iterator[Statement]:
    """Find `<MARKER>value</MARKER>`."""
    keys = _keys(question)
    begin: tuple[int, int, str] | None = None
    for found in _tag(tuple(keys)).finditer(text):
        name = _squashed(found.group("mark"))
        if not found.group(1):
            begin = (found.start(), found.end(), name)
        elif begin is not None:
            raw = text[begin[1] : found.start()]
            if raw.strip() and len(raw) <= _MAX_VALUE and name == begin[2]:
                yield _statement(text, begin[0], begin[1], raw, found.end(), keys[name])
            begin = None


def _statement(text: str, start: int, begin: int, raw: str, end: int, key: str = "", *, weak: bool = False) -> Statement:
    line = text.rfind("\n", max(0, start - 40), start)
    head = text[line + 1 if line >= 0 else max(0, start - 40) : start]
    at = begin + len(raw) - len(raw.lstrip())
    return Statement(start, end, at, raw.strip(), key, weak=weak, alone=not head.strip(" \t*_$#-"))


@lru_cache(maxsize=256)
def _tag(markers: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"<(/?) ?{_either(markers)} ?>", re.IGNORECASE)


_SCANNERS = {
    "line": lines,
    "bare": bare,
    "sentence": sentences,
    "brackets": brackets,
    "boxed": boxed,
    "tag": tags,
    "json": objects,
    "angles": angles,
}
