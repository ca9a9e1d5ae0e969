"""A judge's reply -> the words of the response that it copied as evidence.

- Thinking is blanked first, as for verdicts: a draft copies nothing.
- The last statement of the marker decides; one with nothing behind it copies nothing, and the next line is read only where
  that line is no statement of its own.
- The words are taken as they stand, look-alikes included, because a program compares them with the response.
"""

from __future__ import annotations

import re
from functools import lru_cache

from judge.lookalikes import fold
from judge.parse import markup
from judge.recipe.verdict import CopiedSpec
from judge.thinking import thinking_spans

MAX_COPIED = 2_000  # characters; what is longer is cut, and its beginning has to stand in the response all the same
_OWN_LINE = re.compile(r"[ \t>#*_`\-]{0,12}[A-Z][A-Z _]{2,40}[*_`]{0,4}\s?[:：]")
_QUOTES = (('"', '"'), ("'", "'"), ("“", "”"), ("‘", "’"), ("«", "»"), ("「", "」"), ("`", "`"), ("**", "**"), ("<", ">"))


def read_copied(text: str, spec: CopiedSpec) -> str | None:
    """The words that a judge's reply copies from the response; None where it has no such line.

    Args:
        text: The whole reply, thinking included.

    Returns:
        The words without outer quotation marks; `spec.none` as the judge wrote it where it found no answer.

    Example:
        >>> read_copied('RESPONSE SAYS: "about 4 km"\\nVERDICT: CORRECT', CopiedSpec(marker="RESPONSE SAYS"))
        'about 4 km'
    """
    spans = thinking_spans(fold(text), judges=True)
    if spans is None:
        return None
    words = markup.blank(text, spans)
    ends = [found.end() for found in _line(spec.marker).finditer(fold(words))]
    if not ends:
        return None
    line, _, rest = words[ends[-1] :].partition("\n")
    if not line.strip(" \t*_`") and not _OWN_LINE.match(below := rest.partition("\n")[0]):
        line = below
    return _bare(line) or None


def read_copy(text: str, spec: CopiedSpec | None) -> str | None:
    """The reply to a message that asked for nothing but the words: behind the recipe's marker where it stands, else all of it."""
    found = read_copied(text, spec) if spec is not None else None
    if found is not None:
        return found
    spans = thinking_spans(fold(text), judges=True)
    return None if spans is None else _bare(markup.blank(text, spans)) or None


def _bare(words: str) -> str:
    """Without the marks around a quotation."""
    words = words[: MAX_COPIED + 200].strip()
    for _ in range(3):
        for left, right in _QUOTES:
            inner = words[len(left) : len(words) - len(right)]
            if words.startswith(left) and words.endswith(right) and inner.strip() and left not in inner and right not in inner:
                words = inner.strip()
    return words[:MAX_COPIED]


@lru_cache(maxsize=64)
def _line(marker: str) -> re.Pattern[str]:
    words = r"[ \t]{1,4}".join(map(re.escape, marker.split()))
    head = r"^[ \t>#*_`\-•]{0,12}(?:\d{1,2}[.)][ \t]{0,3})?[*_`]{0,4}"
    return re.compile(rf"{head}{words}[*_`]{{0,4}}[ \t]{{0,3}}[:=][*_`]{{0,4}}", re.IGNORECASE | re.MULTILINE)
