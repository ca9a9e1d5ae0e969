"""A long text -> passages, and what a judge copied out of one -> the lines that really stand in it.

- A text that does not fit, or that a model no longer reads closely, is shown piece by piece; what the judge copies from each
  piece is kept, and is all that the turn which states the verdict sees of the text.
- Copied lines count only where they stand in the passage: a model that is asked for evidence and finds none makes some up.
"""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, model_validator

from judge.errors import BadRecipe
from judge.rubric.model import Frozen

_LEAST = 8  # characters of a copied line; fewer stand anywhere
_ENDS = (re.compile(r"\n\s*\n"), re.compile(r"\n"), re.compile(r"(?<=[.!?。！？])\s*"), re.compile(r"\s"))
_DECOR = re.compile(r"^\s*(?:[-*•>]|\d{1,3}[.)])\s+")


class PassageSpec(Frozen):
    """How a turn goes through a long text.

    Attributes:
        of: Whose text: the sample's documents (`context`), its prompt, or the response.
        chars: Characters of one passage at most, not counting `overlap`; it ends at a paragraph, line or sentence where one ends
            in its second half.
        overlap: Characters of the passage before that are shown again.
        most: Passages of one sample; with more there is no verdict.
        quotes: Of a reply only the lines that stand in the passage are kept; else all of it.
    """

    bad_value = BadRecipe

    of: Literal["context", "prompt", "response"] = "context"
    chars: int = Field(default=12_000, ge=200, le=1_000_000)
    overlap: int = Field(default=400, ge=0)
    most: int = Field(default=64, ge=1, le=4096)
    quotes: bool = True

    @model_validator(mode="after")
    def _sound(self) -> PassageSpec:
        if self.overlap > self.chars // 2:
            raise ValueError(f"`overlap` ({self.overlap}) is at most half of `chars` ({self.chars})")
        return self


def passages(text: str, spec: PassageSpec) -> list[str]:
    """Cut a text. Nothing is lost but white space between passages.

    Example:
        >>> passages("one. " * 60, PassageSpec(chars=200, overlap=0))[0][-9:]
        'one. one.'
    """
    out, start = [], 0
    while start < len(text):
        stop = _end(text, start, spec.chars)
        piece = text[max(0, start - spec.overlap) if start else 0 : stop].strip()
        if piece:
            out.append(piece)
        start = stop
    return out


def _end(text: str, start: int, chars: int) -> int:
    """Where a passage that begins at `start` ends."""
    if len(text) - start <= chars:
        return len(text)
    half = start + chars // 2
    for pattern in _ENDS:
        found = [m.end() for m in pattern.finditer(text, half, start + chars) if m.end() > half]
        if found:
            return found[-1]
    return start + chars


def quoted(reply: str, passage: str) -> str:
    """The lines of a reply that stand in the passage, white space and quotation marks aside.

    Example:
        >>> quoted('- "The bridge opened in 1932."\\n- It was green.', "Built for years, the bridge opened in 1932. It was red.")
        'The bridge opened in 1932.'
    """
    within = _plain(passage)
    lines = (_DECOR.sub("", line).strip().strip("\"'“”„«»`") for line in reply.splitlines())
    return "\n".join(line for line in lines if len(line) >= _LEAST and _plain(line) in within)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
