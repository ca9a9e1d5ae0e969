"""What rewrites need to know about a text: its sentences, its numbers, where its final answer stands.

- A rewrite that keeps the meaning must leave numbers, formulas, code and the final answer alone; these are `kept` spans.
- The final answer is taken from the end: the last place that states the reference, or else
  the last number that is called the answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from judge.checks.match import number

TextSpan = tuple[int, int]

NUMBER = re.compile(r"(?<![\w.])[-−]?\d+(?:,\d{3})*(?:\.\d+)?(?:/\d+)?(?![\w])")
_KEPT = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]+`|\$\$.+?\$\$|\$[^$\n]+\$|\\\(.+?\\\)|\\\[.+?\\\]|\\boxed\{[^{}\n]*\}|https?://\S+"
    r"|\w*\d[\w.,/:%^]*|\b(?:no|not|never|none|nor|without|cannot|\w+n['’]t|true|false|yes)\b|<[^<>\n]{1,60}>",
    re.DOTALL | re.IGNORECASE,
)
_SENTENCE = re.compile(r"[^\n]*?(?:[.!?](?=\s|$)|\n|$)")
_MARK = re.compile(r"(?:final\s+)?answer(?:\s+is|\s*[:=])|\\boxed\{|####", re.IGNORECASE)


def kept(text: str, reference: str | None = None) -> list[TextSpan]:
    """Spans that a rewrite must leave alone: numbers, formulas, code, links, negations, and the reference's own words."""
    spans = [m.span() for m in _KEPT.finditer(text)]
    if reference and reference.strip():
        spans += [m.span() for m in re.finditer(re.escape(reference.strip()), text, re.IGNORECASE)]
    return sorted(spans)


def outside(text: str, spans: Iterable[TextSpan], change: Callable[[str], str]) -> str:
    """Change the text between the spans only.

    Example:
        >>> outside("ab 12 cd", [(3, 5)], str.upper)
        'AB 12 CD'
    """
    out, at = [], 0
    for start, end in spans:
        if start > at:
            out.append(change(text[at:start]))
        out.append(text[max(start, at) : max(end, at)])
        at = max(at, end)
    return "".join(out) + (change(text[at:]) if at < len(text) else "")


def letters(text: str, spans: Sequence[TextSpan]) -> list[int]:
    """Positions of letters inside words of four or more, outside the spans: where a typo leaves the word readable."""
    free = [True] * len(text)
    for start, end in spans:
        free[start:end] = [False] * (end - start)
    return [
        at
        for m in re.finditer(r"[^\W\d_]{4,}", text)
        if all(free[m.start() : m.end()])
        for at in range(m.start() + 1, m.end() - 1)
    ]


def sentences(text: str) -> list[str]:
    """The text in pieces that end with a sentence or a line; joined they are the text.

    Example:
        >>> sentences("One is 1.5. Two!\\nThree")
        ['One is 1.5.', ' Two!\\n', 'Three']
    """
    pieces: list[str] = []
    for match in _SENTENCE.finditer(text):
        piece = match.group()
        if pieces and not piece.strip():
            pieces[-1] += piece
        elif piece:
            pieces.append(piece)
    return pieces


def finals(text: str, reference: str | None) -> list[TextSpan]:
    """Where the text states its final answer: from the last statement to the end. Empty when that cannot be told.

    With a reference that is a number, the numbers equal to it; with one that is words, those words; without a reference,
    the last number, if the text says in that line that it is the answer: the last number of prose is none.

    Example:
        >>> text = "It costs 7.\\nThe answer is 12."
        >>> [text[a:b] for a, b in finals(text, "12")], [text[a:b] for a, b in finals(text, None)]
        (['12'], ['12'])
    """
    found = stated(text, reference) if reference else [m.span() for m in _numbers(text)][-1:]
    if not found:
        return []
    start = text.rfind("\n", 0, found[-1][0]) + 1
    marks = [m.start() for m in _MARK.finditer(text, start) if m.start() <= found[-1][0]]
    if not reference and not marks:
        return []
    start = marks[0] if marks else start
    return [span for span in found if span[0] >= start]


def stated(text: str, answer: str) -> list[TextSpan]:
    """Every place where the text holds this answer: as a number of the same value, or else in the same words."""
    value = number(answer)
    if value is not None:
        return [m.span() for m in _numbers(text) if number(m.group()) == value]
    words = answer.strip()
    return [m.span() for m in re.finditer(rf"(?<!\w){re.escape(words)}(?!\w)", text, re.IGNORECASE)] if words else []


def last_number(text: str) -> TextSpan | None:
    """Where the last number stands."""
    found = list(_numbers(text))
    return found[-1].span() if found else None


def _numbers(text: str) -> Iterable[re.Match[str]]:
    return NUMBER.finditer(text)


def put(text: str, spans: Iterable[TextSpan], new: str) -> str:
    """The text with every span replaced."""
    for start, end in sorted(spans, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def closing(text: str, reference: str | None) -> TextSpan | None:
    """The sentence that holds the final answer."""
    places = finals(text, reference)
    if not places:
        return None
    at = 0
    for piece in sentences(text):
        if at <= places[-1][0] < at + len(piece):
            return at, at + len(piece)
        at += len(piece)
    return None
