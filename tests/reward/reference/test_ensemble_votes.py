"""Rules of social choice, against plain loops. Borda and Copeland are textbook rules (Brandt et al. 2016, "Handbook of
Computational Social Choice", chapter 2); what is missing is left out, which the textbook does not treat."""

from __future__ import annotations

import itertools
import math
import random

import pytest

from judge.reward.ensemble import borda, copeland, guided_vote, majority_vote, preference_matrix
from tests.reward.reference.test_ensemble_folds import NAN, TABLES, Table, gap


def weighings(table: Table, seed: int = 2) -> list[list[float] | None]:
    draw = random.Random(seed)
    return [None, [float(draw.randint(1, 4)) for _ in table]]


def over(table: Table, a: int, b: int, weights: list[float]) -> float:
    had = [(row[a], row[b], w) for row, w in zip(table, weights, strict=True) if not gap(row[a]) and not gap(row[b])]
    mass = sum(w for *_, w in had)
    return sum(w * (1.0 if x > y else 0.5 if x == y else 0.0) for x, y, w in had) / mass if mass else NAN


def preferences(table: Table, weights: list[float]) -> Table:
    n = len(table[0])
    return [[NAN if a == b else over(table, a, b, weights) for b in range(n)] for a in range(n)]


@pytest.mark.parametrize("table", TABLES)
def test_preferences_and_rules(table: Table, same):
    for given in weighings(table):
        weights = given or [1.0] * len(table)
        matrix = preferences(table, weights)
        same(preference_matrix(table, given), matrix)
        wins = []
        for row in matrix:
            results = [1.0 if p > 0.5 + 1e-12 else 0.0 if p < 0.5 - 1e-12 else 0.5 for p in row if not gap(p)]
            wins.append(sum(results) / len(results) if results else NAN)
        same(copeland(table, given), wins)
        counts = []
        for at in range(len(table[0])):
            total = mass = 0.0
            for row, weight in zip(table, weights, strict=True):
                others = [v for k, v in enumerate(row) if k != at and not gap(v)]
                if gap(row[at]) or not others:
                    continue
                total += weight * sum(1.0 if row[at] > v else 0.5 if row[at] == v else 0.0 for v in others) / len(others)
                mass += weight
            counts.append(total / mass if mass else NAN)
        same(borda(table, given), counts)


@pytest.mark.parametrize("table", TABLES)
def test_majority(table: Table, same):
    wanted = []
    for column in zip(*table, strict=True):
        votes = [v for v in column if not gap(v)]
        best = [v for v in set(votes) if votes.count(v) == max(map(votes.count, votes))]
        wanted.append(best[0] if len(best) == 1 else NAN)
    same(majority_vote(table), wanted)


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


def test_a_condorcet_winner_gets_1(same):
    """Whoever beats everyone by a majority is worth 1, in every group in which there is one."""
    for table in TABLES:
        n = len(table[0])
        for a in range(n):
            if n > 1 and all(over(table, a, b, [1.0] * len(table)) > 0.5 + 1e-12 for b in range(n) if b != a):
                same(copeland(table)[a], 1.0)
        assert all(0 <= v <= 1 for v in itertools.chain(copeland(table), borda(table)) if not gap(v))
