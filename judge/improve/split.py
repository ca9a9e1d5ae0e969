"""Labelled items -> a part to learn from and a part to be judged by, apart by prompt."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from judge.bench.items import BenchItem
from judge.errors import InputError
from judge.rubric.model import content_hash
from judge.rubric.per_prompt import prompt_key

LEAST_PROMPTS = 4


def split_items(items: Sequence[BenchItem], held_out: float = 0.5, seed: int = 0) -> tuple[list[int], list[int]]:
    """Places of the items to learn from, and of those held out. All items of one prompt are on the same side.

    The side of a prompt depends on it and the seed alone, so more data move none of the earlier ones by much.

    Args:
        held_out: Share of the prompts that are held out, in (0, 1).

    Raises:
        InputError: There are fewer than 4 prompts.
    """
    clusters = sorted({i.cluster for i in items}, key=lambda c: _rank(c, seed))
    if len(clusters) < LEAST_PROMPTS:
        raise InputError(f"{len(clusters)} prompt(s) with labels; at least {LEAST_PROMPTS} are needed to hold some of them out")
    count = min(len(clusters) - 2, max(2, round(held_out * len(clusters))))
    outside = set(clusters[:count])
    apart = [i for i, item in enumerate(items) if item.cluster in outside]
    return [i for i, item in enumerate(items) if item.cluster not in outside], apart


def items_hash(items: Sequence[BenchItem]) -> str:
    """Content hash of labelled items: prompts, responses and labels."""
    return content_hash([[prompt_key(i.sample.prompt), list(i.sample.texts), list(i.gold)] for i in items])


def _rank(cluster: str, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed}\0{cluster}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
