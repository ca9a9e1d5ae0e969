"""After the judge: does its reasoning point at anything in the response?

A judge that has been talked round, or that solves the task itself and forgets the answer in front of it, writes reasoning
in which the response does not occur. That is no proof of a wrong verdict, so it is a flag, never a score.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

MIN_WORDS = 12  # shorter reasoning cannot be expected to quote
MIN_RESPONSE_WORDS = 6  # of a shorter response, one shared word is enough
PHRASE = 3  # words in a row that count as pointing at the text

_CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"  # written without spaces: each sign counts as a word
_WORD = re.compile(rf"[{_CJK}]|[^\W{_CJK}]+")
_MAX_WORDS = 4_000  # of reasoning that are looked at


def evidence(reasoning: str, responses: tuple[str, ...]) -> bool | None:
    """Whether reasoning shares a phrase of three words, or a number, with a response it judges.

    What it stops: verdicts whose reasoning could stand under any response. What it does not stop: reasoning that quotes and
    still misjudges; paraphrase in the judge's own words is flagged although it may be sound. Cost: no request; linear in
    both texts, and it ends at the first shared phrase.

    Returns:
        None when the reasoning is too short to tell.

    Example:
        >>> evidence("It says the capital of France is Lyon, which is not right at all.", ("The capital of France is Lyon.",))
        True
    """
    words = [m.group() for m, _ in zip(_WORD.finditer(_folded(reasoning)), range(_MAX_WORDS), strict=False)]
    if len(words) < MIN_WORDS:
        return None
    return any(_points_at(words, response) for response in responses)


def _points_at(words: list[str], response: str) -> bool:
    folded = _WORD.findall(_folded(response))
    if not folded:
        return True  # nothing to quote
    text = f" {' '.join(folded)} "
    size = PHRASE if len(folded) >= MIN_RESPONSE_WORDS else 1
    return any(f" {phrase} " in text for phrase in _phrases(words, size))


def _phrases(words: list[str], size: int) -> Iterator[str]:
    """Numbers first, since they are the surest sign, then phrases. A single digit numbers lists, so it is no sign."""
    yield from (w for w in words if w.isdecimal() and (size == 1 or len(w) > 1))
    for start in range(len(words) - size + 1):
        phrase = words[start : start + size]
        if size > 1 or len(phrase[0]) > 3 or not phrase[0].isascii():
            yield " ".join(phrase)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text[:200_000]).casefold()
