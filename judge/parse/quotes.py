"""Whether a place in a judge's reply stands in somebody else's words.

In quotation marks, a `>` line or a code fence, or right behind words that introduce a quotation ("it says", "the response ends
with"). The words are English.
"""

from __future__ import annotations

import re
from bisect import bisect_right

_BEFORE, _AFTER = 1500, 500  # characters around a statement in which a pair of quotation marks is looked for
_LEAD_WINDOW = 300  # characters before a statement in which its sentence is looked for
LEAD_EDGES = " \t*_#-•[({`>0123456789.)|~"
_CUE_WINDOW = 160  # characters before a statement in which the words that introduce it are looked for
_OPENING = re.compile(r"(?<![^\s(\[{:=,*_>/—–-])(?:\"|'(?!\s)|``?(?!`))(?=\S)|[“„«「『‘]")
_CLOSERS = {'"': '"', "'": "'", "`": "`", "``": "``", "“": "”", "„": "“”", "«": "»", "「": "」", "『": "』", "‘": "’"}
BLANK = re.compile(r"\n[ \t]{0,200}\n")
_FENCE = re.compile(r"^[ \t>]{0,12}(`{3,}|~{3,})[^\n`]{0,200}$", re.MULTILINE)
_WORD = re.compile(r"[\w'’]+")
_TAGS = re.compile(r"<[/\s]{0,3}[\w:|]{1,20}[^<>\n]{0,80}>|◁/?\w{1,20}▷|\[/?THINK\]|[`~]{3,}\w{0,20}")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_VERBS = _words(
    """say says said saying state states stated stating claim claims claimed claiming contain contains contained containing
    read reads write writes wrote written writing include includes included including add adds added adding append appends
    appended appending insert inserts inserted inserting quote quotes quoted mention mentions mentioned print prints printed
    embed embeds embedded declare declares declared assert asserts asserted plant plants planted inject injects injected
    announce announces announced instruct instructs instructed insists proclaims repeats argue argues argued arguing
    evaluates believe believes believed think thinks maintains"""
)
_WITH_VERBS = _words(
    "end ends ended ending begin begins began start starts started starting open opens opened close closes closed finish "
    "finishes finished conclude concludes concluded"
)
_NEUTRAL = _words(
    """that this these the a an its own their his her following line lines text words word phrase string sentence statement
    statements verdict verdicts marker tag score rating grade here below as follows at in on of to with end bottom top last
    final closing first fake false planted injected hidden self instruction instructions output block answer itself
    literally verbatim simply just explicitly also even something like json object"""
)
_FIRST_PERSON = _words("i i'd i'll i've i’d i’ll i’ve my we our we'd we'll me")
_JUDGE_NOUNS = _words(
    """verdict judgement judgment evaluation assessment decision conclusion analysis rubric scale instructions task format
    prompt criterion criteria grader evaluator judge score rating grade"""
)


_LEAD_CUT = re.compile(r"[.!?;。][\"'”’)\]*_`]{0,3}\s")


_ENDS_PART = re.compile(r"</\w{1,30}>$")  # a part of the judge's own form ends there, and introduces nothing


class Quoting:
    """Answers, for one text, whether a position is quoted or fenced. Work is bounded for each position asked."""

    def __init__(self, text: str, original: str) -> None:
        """Take the text with its thinking blanked, and the same text before that (the cue may stand in front of a stray tag)."""
        self._text = text
        self._original = original
        self._fences: list[tuple[int, int]] | None = None

    def fenced(self, at: int) -> bool:
        """Whether a position is inside a code fence."""
        return self._fence(at) is not None

    def marked(self, at: int) -> bool:
        """Whether a position is inside quotation marks or backticks, or in a `>` line."""
        line = self._line_start(at)
        return self._text[line:at].lstrip().startswith(">") or self._in_marks(at)

    def introduced(self, at: int) -> bool:
        """Whether the words right before a position, on its line or the one above, introduce somebody else's words."""
        line = self._line_start(at)
        head = self._text[line:at]
        if head.strip(" \t*_#-•[({`>0123456789.)"):
            return introduces(head)
        above = self._line_before(line)
        return not _ENDS_PART.search(above) and introduces(above)

    def lead(self, at: int) -> tuple[str, bool]:
        """The sentence that a position continues: on its line, or (True) the end of the line above, where that one is open."""
        line = self._line_start(at)
        head = self._text[max(line, at - _LEAD_WINDOW) : at]
        above = not head.strip(LEAD_EDGES)
        if above:
            head = self._line_before(line)[-_LEAD_WINDOW:]
            if head.rstrip(" *_`").endswith((".", "!", "?", ";", "。")):
                return "", True
        return _LEAD_CUT.split(head)[-1], above

    def adjacent(self, first: int, second: int) -> bool:
        """Whether two positions stand on the same line or on two lines that follow each other."""
        return second - first <= 2000 and self._text.count("\n", first, second) <= 1

    def _line_start(self, at: int) -> int:
        found = self._text.rfind("\n", max(0, at - 2000), at)
        return found + 1 if found >= 0 else max(0, at - 2000)

    def _line_before(self, line: int) -> str:
        """The last line with words above a line; the line that opens a fence does not count."""
        fence = self._fence(line)
        if fence is not None and not self._text[fence[0] : line].partition("\n")[2].strip():
            line = fence[0]
        window = self._original[max(0, line - 400) : line].rstrip()
        return window.rpartition("\n")[2]

    def _in_marks(self, at: int) -> bool:
        low, high = max(0, at - _BEFORE), min(len(self._text), at + _AFTER)
        window = self._text[low:high]
        here = at - low
        blanks = [b.end() for b in BLANK.finditer(window)]
        cut = bisect_right(blanks, here)
        begin = blanks[cut - 1] if cut else 0
        end = blanks[cut] if cut < len(blanks) else len(window)
        while (opening := _OPENING.search(window, begin, here + 1)) is not None and opening.end() <= here:
            closing = _closing(window, opening.end(), end, opening.group())
            if closing >= here:
                return True
            begin = closing + 1 if closing >= 0 else opening.end()
        return False

    def _fence(self, at: int) -> tuple[int, int] | None:
        if self._fences is None:
            self._fences = _fences(self._text)
        index = bisect_right(self._fences, (at, len(self._text) + 1)) - 1
        if index < 0:
            return None
        start, end = self._fences[index]
        return (start, end) if start <= at < end else None


def introduces(words: str) -> bool:
    """Whether a clause ends in words that introduce what somebody else says.

    Example:
        >>> introduces("The response ends with the line:"), introduces("I would say:"), introduces("It contains errors:")
        (True, False, False)
    """
    clause = _TAGS.sub(" ", words[-_CUE_WINDOW:]).rstrip(" \t:,-–—*_\"'`“‘«([{#=>\\$")
    for stop in (". ", "! ", "? ", "; "):
        clause = clause.rpartition(stop)[2]
    if clause.endswith((".", "!", "?", ";")):
        return False
    tokens = [t.lower() for t in _WORD.findall(clause)]
    at = len(tokens) - 1
    while at >= 0 and tokens[at] in _NEUTRAL and not _is_cue(tokens, at):
        at -= 1
    if at < 0 or not _is_cue(tokens, at):
        return False
    subject = tokens[max(0, at - 5) : at]
    return not any(t in _FIRST_PERSON or t in _JUDGE_NOUNS for t in subject)


def _is_cue(tokens: list[str], at: int) -> bool:
    if tokens[at] in _VERBS:
        return True
    return tokens[at] in ("with", "by") and at > 0 and tokens[at - 1] in _WITH_VERBS


def _closing(window: str, start: int, end: int, mark: str) -> int:
    """Position of the mark that closes a quotation, or -1. A single quote closes on its own line only, not inside a word."""
    if mark == "'":
        stop = window.find("\n", start, end)
        return next(
            (m.start() for m in _APOSTROPHE.finditer(window, start, stop if stop >= 0 else end)),
            -1,
        )
    found = [
        at for closer in ([_CLOSERS[mark]] if len(mark) > 1 else _CLOSERS[mark]) if (at := window.find(closer, start, end)) >= 0
    ]
    return min(found, default=-1)


_APOSTROPHE = re.compile(r"(?<=\S)'(?!\w)")


def _fences(text: str) -> list[tuple[int, int]]:
    """Spans of fenced blocks, from the opening line to the end of the closing one; an open fence runs to the end."""
    spans: list[tuple[int, int]] = []
    opened: tuple[int, str] | None = None
    for found in _FENCE.finditer(text):
        mark = found.group(1)
        if opened is None:
            opened = (found.start(), mark)
        elif mark[0] == opened[1][0] and len(mark) >= len(opened[1]) and found.group().strip(" \t>") == mark:
            spans.append((opened[0], found.end()))
            opened = None
    if opened is not None:
        spans.append((opened[0], len(text)))
    return spans
