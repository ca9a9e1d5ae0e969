"""Votes and criteria against plain loops."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from judge.reward.fold import fold_votes

SEEDS = range(20)
VOTES: list[list[float | None]] = [
    [],
    [None],
    [1.0],
    [0.0, None],
    [0.5, 0.5],
    [1.0, 0.0],
    [1.0, 1.0, 0.0, 0.0, 0.5],
    [0.25, 0.75, None, None],
    [1.0] * 25,
]


def some_votes(seed: int) -> list[list[float | None]]:
    draw = random.Random(seed)
    return [[draw.choice([None, 0.0, 0.25, 0.5, 1.0, draw.random()]) for _ in range(draw.randint(1, 9))] for _ in range(40)]


def votes_folded(votes: list[float | None], how: str, quorum: float) -> float | None:
    """Mean, median and most common value are school definitions; no source beside them."""
    valid = sorted(v for v in votes if v is not None)
    if len(valid) == 0 or len(valid) / len(votes) < quorum:
        return None
    middle = len(valid) // 2
    if how == "mean":
        return sum(valid) / len(valid)
    if how == "median":
        return valid[middle] if len(valid) % 2 else (valid[middle - 1] + valid[middle]) / 2
    often = Counter(valid)
    most = [v for v in often if often[v] == max(often.values())]
    return most[0] if len(most) == 1 else None


@pytest.mark.parametrize("how", ["mean", "median", "majority"])
@pytest.mark.parametrize("quorum", [0.1, 0.5, 1.0])
def test_votes(how, quorum, same):
    for votes in [*VOTES, *(v for seed in SEEDS for v in some_votes(seed))]:
        same(fold_votes(votes, how, quorum), votes_folded(votes, how, quorum), (votes, how, quorum))
