"""After the judge: does its reasoning point at anything in the response?

A judge that has been talked round, or that solves the task itself and forgets the answer in front of it, writes reasoning
in which the response does not occur. That is no proof of a wrong verdict, so it is a flag, never a score.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

MIN_WORDS = 12  # shorter reasoning cannot be expected to quote
MIN_RESPONSE_WORDS = 6  # of a shorter response, one shared word is enough
PHRASE = 3  # words in a row that count as pointing at the text

_CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"  # written without spaces: each sign counts as a word
_WORD = re.compile(rf"[{_CJK}]|[^\W{_CJK}]+")
_MAX_WORDS = 4_000  # of reasoning that are looked at
_APART = "".join(chr(code) if chr(code).isalnum() or chr(code) == "_" else " " for code in range(128))


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
    words = _words(reasoning)[:_MAX_WORDS]
    if len(words) < MIN_WORDS:
        return None
    return any(_points_at(words, response) for response in responses)


def _points_at(words: list[str], response: str) -> bool:
    """Numbers are looked for first, since they are the surest sign, then phrases. A single digit numbers lists, so it is no sign."""
    text, count = _read(response)
    if not count:
        return True  # nothing to quote
    if count < MIN_RESPONSE_WORDS:
        return any(f" {w} " in text for w in words if w.isdecimal() or len(w) > 3 or not w.isascii())
    for word in words:
        if word.isdecimal() and len(word) > 1 and f" {word} " in text:
            return True
    return any(f" {a} {b} {c} " in text for a, b, c in zip(words, words[1:], words[2:], strict=False))


@lru_cache(maxsize=64)  # many criteria and votes are about one response
def _read(response: str) -> tuple[str, int]:
    words = _words(response)
    return f" {' '.join(words)} ", len(words)


def _words(text: str) -> list[str]:
    text = text[:200_000]
    if text.isascii():  # the same words, in a third of the time
        return text.lower().translate(_APART).split()
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
