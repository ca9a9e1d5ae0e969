"""Does a short answer say the same as the reference? Exact, normalised, or as a number."""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction

MAX_LENGTH = 2_000  # longer texts are compared exactly only
_WRAPPERS = re.compile(r"\\boxed\s*\{(.*)\}|\$\$?(.*?)\$?\$|\\\((.*)\\\)|\\\[(.*)\\\]", re.DOTALL)
_LEAD = re.compile(r"(?:the\s+)?(?:final\s+)?answer\s*(?:is|:|=)\s*", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?\d{1,40}(?:\.\d{1,40})?(?:[eE][+-]?\d{1,2})?")


def normalise(text: str) -> str:
    """Fold what does not change an answer: width, case, outer markup, articles of speech around it, trailing stops.

    Example:
        >>> normalise(" **The answer is \\\\boxed{４}.** ")
        '4'
    """
    text = unicodedata.normalize("NFKC", text[: MAX_LENGTH * 2]).strip().strip("*_` \n\t")
    text = _LEAD.sub("", text, count=1) if _LEAD.match(text) else text
    for _ in range(3):
        text = text.strip().rstrip(".。!").strip("*_`\"' \n\t")
        match = _WRAPPERS.fullmatch(text)
        if not match:
            break
        text = next(g for g in match.groups() if g is not None)
    return " ".join(text.casefold().split())


def number(text: str) -> Fraction | None:
    """The exact value of a text that is one number: `1,000`, `-3.50`, `3/4`, `٤`, `50%`; None otherwise.

    Example:
        >>> number("1,000.50") == Fraction(2001, 2), number("3/4"), number("3 apples")
        (True, Fraction(3, 4), None)
    """
    text = normalise(text).replace("\\$", "").strip("$€£ ")
    text = "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text).replace("−", "-")
    text = re.sub(r"(?<=\d),(?=\d{3}(?:\D|$))", "", text) if len(text) < 200 else text
    percent = text.endswith("%") or text.endswith("\\%")
    text = text.rstrip("%").rstrip("\\").strip()
    top, slash, bottom = text.partition("/")
    if not _NUMBER.fullmatch(top.strip()) or (slash and not _NUMBER.fullmatch(bottom.strip())):
        return None
    value = Fraction(top.strip())
    if slash:
        if Fraction(bottom.strip()) == 0:
            return None
        value /= Fraction(bottom.strip())
    return value / 100 if percent else value


def agrees(response: str, reference: str) -> bool:
    """Whether a whole response says the same as the reference. Never true for a blank reference.

    Example:
        >>> agrees("$4$", "4"), agrees("4.0", "4"), agrees("five", "4")
        (True, True, False)
    """
    if not reference.strip():
        return False
    if response.strip() == reference.strip():
        return True
    if len(response) > MAX_LENGTH or len(reference) > MAX_LENGTH:
        return False
    if normalise(response) == normalise(reference) != "":
        return True
    mine, theirs = number(response), number(reference)
    return mine is not None and mine == theirs
