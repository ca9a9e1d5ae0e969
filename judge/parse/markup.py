"""What is around a judge's words but says nothing: thinking, leaked tokens, wrappers such as `<answer>`, HTML.

It is blanked out and not cut, so that every position still points at the same token of the completion.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from judge.recipe.verdict import VerdictSpec

_NAMED = r"(?:\s[^<>\n]{0,200})?"
_WRAPPERS = (
    r"(?:final[_-]?)?(?:answer|response|output|verdict|judge?ment|evaluation|decision|result|solution|conclusion)"
    r"|final|reply|assistant"
)
_BLOCKS = r"p|div|h[1-6]|br|hr|li|ul|ol|td|tr|th|table|tbody|thead|center|section|article|main|details|summary|html|body"
_INLINE = r"b|strong|em|i|u|span|font|mark|small|big|label|sup|sub"
_LEAKED = re.compile(  # end-of-turn tokens and chat marks that a server decoded as text; model boxes (`<|begin_of_box|>`)
    rf"<\|[^<>|\n]{{1,40}}\|?>|<[^<>|\n]{{1,40}}\|>|<(?:eos|bos|pad|end_of_turn|start_of_turn|EOT|end_of_text)>"
    rf"|\[/?(?:INST|RESULT)\]"
    rf"|\[\|\w{{1,20}}\|\]|</?(?:{_WRAPPERS}){_NAMED}/?>|</?(?:{_BLOCKS}){_NAMED}/?>|<(?P<inline>/?(?:{_INLINE})){_NAMED}>",
    re.IGNORECASE,
)
_END_OF_TEXT = re.compile(r"</s>", re.IGNORECASE)
_STRIKE = re.compile(r"<(?:s|del|strike)>", re.IGNORECASE)
_HOLDS_A_VALUE = frozenset(":=[({|>→")


OUTSIDE = "\0"  # written over what lies outside the verdict's section: no value, and no gap between two values


def blank(text: str, spans: list[tuple[int, int]], fill: str = " ", last: str = "\n") -> str:
    """Write spaces, and a line break at the end, over some spans of a text."""
    parts, at = [], 0
    for start, end in spans:
        parts += [text[at:start], fill * (end - start - 1), last]
        at = end
    return "".join([*parts, text[at:]])


def section_marks(text: str, spans: list[tuple[int, int]], after: str) -> list[tuple[int, int]]:
    """Where the words stand behind which the verdict begins, case and white space aside; not those of a draft in the thinking."""
    found = [mark.span() for mark in _phrase(after).finditer(text)]
    return [mark for mark in found if not any(start < mark[1] < end for start, end in spans)]


def outside(text: str, marks: list[tuple[int, int]], until: str | None) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """What lies outside the sections of the verdict, marks included, and the words `until` that end them.

    A section begins behind a mark, and goes on to these words, or else to the end.
    """
    spans: list[tuple[int, int]] = []
    ends: list[tuple[int, int]] = []
    at = 0
    for start, end in marks:
        spans.append((min(at, start), end))
        found = _phrase(until).search(text, end) if until else None
        if found:
            ends.append(found.span())
        at = found.start() if found else len(text)
    return ([*spans, (at, len(text))] if at < len(text) else spans), sorted(set(ends))


def heads(text: str, marks: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Those marks that begin their line: they are headings, and say nothing about what follows."""
    return [mark for mark in marks if not text[max(text.rfind("\n", 0, mark[0]), mark[0] - 40, 0) : mark[0]].strip("\n \t*_#`>-")]


@lru_cache(maxsize=256)
def _phrase(words: str) -> re.Pattern[str]:
    return re.compile(r"[ \t]{1,4}".join(map(re.escape, words.split())), re.IGNORECASE)


def plain(text: str, spec: VerdictSpec) -> str:
    """Blank out wrappers, leaked tokens and HTML. What strikes through stays, as does the tag that the grammar asks for.

    Example:
        >>> plain("<answer>VERDICT: 4</answer><|im_end|>", VerdictSpec(kind="score")).split()
        ['VERDICT:', '4']
    """
    if "<" not in text and "[/" not in text and "[|" not in text:
        return text
    own = markers_of(spec)
    if "</" in text and not _STRIKE.search(text):
        text = _END_OF_TEXT.sub("   \n", text)

    def gone(found: re.Match[str]) -> str:
        mark = found.group()
        if own(_name(mark)) or (mark[0] == "[" and mark.strip("[]/") in spec.marker):
            return mark
        if found.group("inline") or _opens_value(text, found.start()) or _quoted(text, found.start()):
            return " " * len(mark)
        return " " * (len(mark) - 1) + "\n"

    return _LEAKED.sub(gone, text)


def markers_of(spec: VerdictSpec) -> Callable[[str], bool]:
    """Tells whether a name is the marker, or that of one response (`score_B` of `score_{L}`)."""
    if not spec.marked_each:
        return lambda name: name == spec.marker.casefold()
    return lambda name: bool(spec.marker) and _each(spec.marker).fullmatch(name) is not None


@lru_cache(maxsize=256)
def _each(marker: str) -> re.Pattern[str]:
    pattern = re.escape(marker).replace(re.escape("{i}"), r"\d{1,4}").replace(re.escape("{L}"), r"[A-Z]\d{0,4}")
    return re.compile(pattern, re.IGNORECASE)


def _name(mark: str) -> str:
    return mark.strip("</> ").partition(" ")[0].casefold()


def _quoted(text: str, at: int) -> bool:
    """Whether a position is on a line that begins as prompts show an answer's lines: a line break would end the quotation."""
    line = text.rfind("\n", max(0, at - 12_000), at)
    return text.startswith("| ", line + 1) if line >= 0 or at <= 12_000 else False


def _opens_value(text: str, at: int) -> bool:
    """Whether a mark stands where the value of a statement begins: a line break there would cut it off."""
    before = text[max(0, at - 12) : at].rstrip(" \t*_`\"'")
    return before[-1:] in _HOLDS_A_VALUE and before[-1:] != ""
