"""A meta-judge that chooses votes, against plain loops; what is missing is left out."""

from __future__ import annotations

import math
import random

import pytest

from judge.reward.ensemble import guided_vote
from tests.reward.reference.test_ensemble_folds import NAN, TABLES, Table, gap


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("keep", [1, 2, 9])
def test_guided(table: Table, keep: int, same):
    """DeepSeek-GRM's meta reward model (arXiv:2504.02495): the best k_meta of k votes; a mean in place of the sum."""
    draw = random.Random(len(table) * 31 + keep)
    for _ in range(4):
        trust = [draw.choice([NAN, 0.1, 0.5, draw.random()]) for _ in table]
        known = sorted((t for t in trust if not gap(t)), reverse=True)
        bar = known[min(keep, len(known)) - 1] if known else math.inf
        wanted = []
        for column in zip(*table, strict=True):
            had = [v for v, t in zip(column, trust, strict=True) if not gap(t) and t >= bar and not gap(v)]
            wanted.append(sum(had) / len(had) if had else NAN)
        same(guided_vote(table, trust, keep), wanted, (table, trust))
