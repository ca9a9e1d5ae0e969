"""What can be counted in a response without understanding it. Everything is linear in the text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from judge.arrays import Floats
from judge.thinking import after_opening

OPENING_WORDS = 8
OPENING_CHARS = 24  # "let's solve this problem step by step" and "let's solve this task ..." are one opening
_HEADING = re.compile(r"^#{1,6} ", re.MULTILINE)
_BULLET = re.compile(r"^[ \t]{0,8}(?:[-*+•]|\d{1,3}[.)])[ \t]", re.MULTILINE)
_EMOJI = re.compile("[\U0001f300-\U0001faff\u2600-\u27bf]")

FORMAT_FEATURES = ("headings", "bullets", "bold", "code_fences", "boxed", "emoji")


def format_counts(text: str) -> tuple[int, ...]:
    """How often each of `FORMAT_FEATURES` stands in a text.

    Example:
        >>> format_counts("# A\\n- **b**\\n\\\\boxed{4}")
        (1, 1, 1, 0, 1, 0)
    """
    return (
        len(_HEADING.findall(text)),
        len(_BULLET.findall(text)),
        text.count("**") // 2,
        text.count("```") // 2,
        text.count("\\boxed{"),
        len(_EMOJI.findall(text)),
    )


def opening(text: str) -> str:
    """The first eight words, at most 24 characters, in lower case, a thinking tag left out.

    Example:
        >>> opening("<think>\\n  Okay, so I need to find the sum")
        'okay, so i need to find '
    """
    head = after_opening(text[:200].lstrip())
    return " ".join(head.split()[:OPENING_WORDS]).casefold()[:OPENING_CHARS]


def normalised(text: str) -> str:
    """White space and case do not make a response another one."""
    return " ".join(text.split()).casefold()


def digest(*texts: str) -> int:
    """64 bits that stand for texts, the same in every process (`hash` is not, and a monitor is pickled)."""
    return int.from_bytes(blake2b("\0".join(texts).encode("utf-8", "surrogatepass"), digest_size=8).digest())


def top_share(values: Sequence[Hashable]) -> float | None:
    """Share of the most common value, in (0, 1]; None without values."""
    return Counter(values).most_common(1)[0][1] / len(values) if values else None


def within_groups(values: Floats, groups: NDArray[np.int64]) -> Floats:
    """Values minus the mean of their group, so that hard prompts do not pass for short answers.

    Args:
        values: Shape (n,).
        groups: Group number of each value, shape (n,).
    """
    sizes = np.bincount(groups)
    means = np.bincount(groups, weights=values) / np.maximum(sizes, 1)
    return np.asarray(values - means[groups], dtype=np.float64)
