"""Panels folded, weighed, filtered and measured, against plain loops."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter

import pytest

from judge.reward.comparisons import fit_weights
from judge.reward.ensemble import (
    agreement_report,
    filter_peers,
    fit_judge_weights,
    fold_judges,
    fold_panel,
    krippendorff_alpha,
    weighted_mean,
)
from judge.shape.beside import shrink_by_variance

NAN = math.nan
Table = list[list[float]]  # judges x responses


def gap(value: float) -> bool:
    return math.isnan(value)


def some_scores(seed: int) -> Table:
    draw = random.Random(seed)
    judges, responses, gaps = draw.randint(1, 6), draw.randint(1, 7), draw.choice([0.0, 0.3, 0.9])
    few = draw.random() < 0.5
    return [
        [NAN if draw.random() < gaps else draw.choice([0.0, 0.5, 1.0]) if few else draw.random() for _ in range(responses)]
        for _ in range(judges)
    ]


EDGES: list[Table] = [
    [[0.5]],
    [[NAN]],
    [[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]],
    [[0.0, 1.0], [1.0, 0.0]],
    [[NAN, 1.0], [NAN, 0.0], [NAN, NAN]],
    [[1.0] * 4] * 3,
    [[0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1]],
]
TABLES = [*EDGES, *map(some_scores, range(60))]


def folded(votes: list[float], how: str, k: float) -> float:
    """Coste et al. (arXiv:2310.02743; tlc4418/llm_optimization 911b2f8, bon/ensemble_rm.py): mean, WCO = min, UWO = mean -
    coefficient x population variance (its PPO code has the sample variance). `nominal_min`: lambda x nominal + (1 - lambda) x
    worst with lambda = 1 / (1 + k), from the abstract of Yan et al. (arXiv:2409.15360): the text could not be read. The others
    are ours."""
    n = len(votes)
    mean = sum(votes) / n
    variance = sum((v - mean) ** 2 for v in votes) / n
    if how == "mean":
        return mean
    if how == "median":
        return sorted(votes)[n // 2] if n % 2 else sum(sorted(votes)[n // 2 - 1 : n // 2 + 1]) / 2
    if how == "min":
        return min(votes)
    if how == "variance":
        return mean - k * variance
    if how == "lower_bound":
        return mean - k * math.sqrt(variance)
    if how == "nominal_min":
        share = 1 / (1 + k)
        return share * mean + (1 - share) * min(votes)
    cut = 0 if n < 3 else max(1, n // 4)
    kept = sorted(votes)[cut : n - cut]
    return sum(kept) / len(kept)


@pytest.mark.parametrize("how", ["mean", "median", "min", "variance", "lower_bound", "nominal_min", "trimmed"])
@pytest.mark.parametrize(("k", "quorum"), [(0.0, 0.0), (1.0, 0.5), (2.5, 1.0)])
def test_folds(how: str, k: float, quorum: float, same):
    for table in TABLES:
        wanted = []
        for column in zip(*table, strict=True):
            votes = [v for v in column if not gap(v)]
            enough = votes and len(votes) >= quorum * len(column) - 1e-9
            wanted.append(folded(votes, how, k) if enough else NAN)
        same(fold_judges(table, how, k=k, quorum=quorum), wanted, (table, how))
        for column, value in zip(zip(*table, strict=True), wanted, strict=True):
            got = fold_panel([None if gap(v) else v for v in column], how, k=k, quorum=quorum)
            same([got], [NAN if gap(value) else max(0.0, value)], (column, how))


def test_a_trusted_judge(same):
    for table in TABLES:
        for judge in range(len(table)):
            wanted = []
            for at, column in enumerate(zip(*table, strict=True)):
                votes = [v for v in column if not gap(v)]
                wanted.append((table[judge][at] + 2 * min(votes)) / 3 if votes and not gap(table[judge][at]) else NAN)
            same(fold_judges(table, "nominal_min", k=2.0, quorum=0.0, nominal=judge), wanted, table)


@pytest.mark.parametrize("quorum", [0.0, 0.5, 0.75, 1.0])
def test_weighted_means(quorum: float, same):
    draw = random.Random(11)
    for table in TABLES:
        weights = [draw.choice([0.0, 1.0, 3.0]) for _ in table]
        if not any(weights):
            weights[0] = 1.0
        wanted = []
        for column in zip(*table, strict=True):
            had = [(v, w) for v, w in zip(column, weights, strict=True) if not gap(v) and w > 0]
            mass = sum(w for _, w in had)
            enough = mass > 0 and mass >= quorum * sum(weights) - 1e-9
            wanted.append(sum(v * w for v, w in had) / mass if enough else NAN)
        same(weighted_mean(table, weights, quorum=quorum), wanted, (table, weights))


def test_shrinking(same):
    """The project's own formula, after Banerjee and Gopalan (arXiv:2410.23726), whose update of the policy is no reward."""
    draw = random.Random(4)
    for n in (1, 2, 5):
        for _ in range(60):
            rewards = [draw.choice([NAN, 0.0, draw.random()]) for _ in range(n)]
            spread = [draw.choice([NAN, 0.0, draw.random()]) for _ in range(n)]
            known = [r for r, s in zip(rewards, spread, strict=True) if not gap(r) and not gap(s)]
            centre = sum(known) / len(known) if known else NAN
            wanted = [
                NAN if gap(r) or gap(s) else centre + (r - centre) / (1 + s / 0.05) for r, s in zip(rewards, spread, strict=True)
            ]
            same(shrink_by_variance(rewards, spread), wanted, (rewards, spread))


def pearson(x: list[float], y: list[float]) -> float:
    mx, my = sum(x) / len(x), sum(y) / len(y)
    top = sum((a - mx) * (b - my) for a, b in zip(x, y, strict=True))
    below = math.sqrt(sum((a - mx) ** 2 for a in x) * sum((b - my) ** 2 for b in y))
    return top / below if below > 1e-12 else NAN


def over_pairs(table: Table, measure) -> Table:
    out = []
    for one in table:
        row = []
        for two in table:
            both = [(a, b) for a, b in zip(one, two, strict=True) if not gap(a) and not gap(b)]
            row.append(measure([a for a, _ in both], [b for _, b in both]) if both else NAN)
        out.append(row)
    return out


def agreed(x: list[float], y: list[float]) -> float:
    return sum(a == b for a, b in zip(x, y, strict=True)) / len(x)


def cohen(x: list[float], y: list[float]) -> float:
    """Cohen 1960: (observed - chance) / (1 - chance), chance from how often each judge says yes."""
    chance = sum((x.count(label) / len(x)) * (y.count(label) / len(y)) for label in (0.0, 1.0))
    return (agreed(x, y) - chance) / (1 - chance) if chance < 1 - 1e-12 else NAN


def alpha(table: Table) -> float:
    """Krippendorff 2011, section on the coincidence matrix, interval metric: every ordered pair of values of one item."""
    coincidence: Counter[tuple[float, float]] = Counter()
    for column in zip(*table, strict=True):
        unit = [v for v in column if not gap(v)]
        for a, b in itertools.permutations(range(len(unit)), 2):
            coincidence[unit[a], unit[b]] += 1 / (len(unit) - 1)
    n = sum(coincidence.values())
    marginal: Counter[float] = Counter()
    for (a, _), share in coincidence.items():
        marginal[a] += share
    observed = sum(share * (a - b) ** 2 for (a, b), share in coincidence.items()) / n if n else 0.0
    expected = sum(marginal[a] * marginal[b] * (a - b) ** 2 for a in marginal for b in marginal)
    return 1 - observed / (expected / (n * (n - 1))) if n > 1 and expected > 1e-15 else NAN


def worth(related: Table) -> float:
    """n / (1 + (n - 1) r): the variance of a mean of n numbers with common correlation r, solved for independent ones."""
    n = len(related)
    pairs = [related[a][b] for a, b in itertools.combinations(range(n), 2) if not gap(related[a][b])]
    return float(n) if n == 1 else n / (1 + (n - 1) * max(0.0, sum(pairs) / len(pairs))) if pairs else NAN


@pytest.mark.parametrize("labelled", [False, True])
def test_agreement(labelled: bool, same):
    draw = random.Random(9)
    for table in TABLES:
        labels = [draw.choice([0.0, 1.0, NAN]) for _ in table[0]]
        found = agreement_report(table, labels if labelled else None)
        said = [[NAN if gap(v) else float(v >= 0.5) for v in row] for row in table]
        same(found.agreement, over_pairs(said, agreed), table)
        same(found.kappa, over_pairs(said, cohen), table)
        same(found.alpha, alpha(table), table)
        if not labelled:
            same(found.effective_judges, worth(over_pairs(table, pearson)), table)
            continue
        wrong = [[NAN if gap(v) or gap(t) else float(v != t) for v, t in zip(row, labels, strict=True)] for row in said]
        rates = [[w for w in row if not gap(w)] for row in wrong]
        same(found.errors, [sum(r) / len(r) if r else NAN for r in rates], table)
        same(found.error_correlation, over_pairs(wrong, pearson), table)
        same(found.effective_judges, worth(over_pairs(wrong, pearson)), table)
        full = [column for column in zip(*wrong, strict=True) if not any(map(gap, column))]
        same(found.items, len(full))
        if full:
            same(found.all_wrong, sum(all(column) for column in full) / len(full))
            each = [sum(row) / len(full) for row in zip(*full, strict=True)]
            same(found.expected_all_wrong, math.prod(each))


def test_alpha_of_the_textbook(same):
    """Krippendorff 2011 (section D): four observers, twelve units, gaps; interval alpha = 0.849."""
    star = NAN
    rows = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, star, star, star],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, star, 3],
        [star, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, star],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, star],
    ]
    same(round(krippendorff_alpha(rows), 3), 0.849)
    same(krippendorff_alpha(rows), alpha(rows))


def ranked(values: list[float]) -> list[float]:
    return [sum(v < x for v in values) + (sum(v == x for v in values) + 1) / 2 for x in values]


def peers(table: Table, least: float, keep: int) -> list[int]:
    """Rank correlation with the median of the others; the least agreeing go, equals together. The project's own rule."""
    kept, gone = list(range(len(table))), []
    while len(kept) > 1:
        agreement = {}
        for judge in kept:
            pairs = []
            for at, value in enumerate(table[judge]):
                others = sorted(table[o][at] for o in kept if o != judge and not gap(table[o][at]))
                if others and not gap(value):
                    pairs.append((value, (others[(len(others) - 1) // 2] + others[len(others) // 2]) / 2))
            if len(pairs) >= 3:
                found = pearson(ranked([a for a, _ in pairs]), ranked([b for _, b in pairs]))
                if not gap(found):
                    agreement[judge] = found
        low = [j for j, a in agreement.items() if a <= min(agreement.values()) + 1e-12]
        if not agreement or min(agreement.values()) >= least or len(kept) - len(low) < keep:
            break
        kept = [j for j in kept if j not in low]
        gone += low
    return gone


@pytest.mark.parametrize(("least", "keep"), [(0.2, 2), (0.9, 2), (1.0, 3)])
def test_peers(least: float, keep: int, same):
    for table in TABLES:
        same(filter_peers(table, least=least, keep=keep).removed, peers(table, least, keep), table)


def descended(better: Table, worse: Table, wins: list[float], strength: float) -> list[float]:
    """The Bradley-Terry likelihood with a pull to 1 and no negative weight, by small steps downhill."""
    columns = len(better[0])
    raw = [1.0] * columns
    gaps = [[a - b for a, b in zip(x, y, strict=True)] for x, y in zip(better, worse, strict=True)]
    rate = 1 / (strength + sum(sum(g * g for g in row) for row in gaps) / 4)
    for _ in range(30_000):
        slope = [strength * (v - 1) for v in raw]
        for row, win in zip(gaps, wins, strict=True):
            chance = 1 / (1 + math.exp(-sum(v * g for v, g in zip(raw, row, strict=True))))
            slope = [s + (chance - win) * g for s, g in zip(slope, row, strict=True)]
        moved = [max(0.0, v - rate * s) for v, s in zip(raw, slope, strict=True)]
        done = max(abs(a - b) for a, b in zip(raw, moved, strict=True)) < 1e-12
        raw = moved
        if done:
            break
    return [v / sum(raw) if sum(raw) else 1 / columns for v in raw]


@pytest.mark.parametrize("seed", range(12))
def test_fitted_weights(seed: int, compared):
    draw = random.Random(seed)
    n, columns = draw.randint(1, 8), draw.randint(1, 3)
    better, worse = ([[draw.random() for _ in range(columns)] for _ in range(n)] for _ in range(2))
    wins = [draw.choice([0.0, 0.5, 1.0, 1.0]) for _ in range(n)]
    strength = draw.choice([0.1, 1.0])
    wanted = descended(better, worse, wins, strength)
    fit = fit_weights(better, worse, wins, strength=strength)
    assert fit.share.tolist() == pytest.approx(wanted, abs=2e-4)
    margins = [sum(w * (a - b) for w, a, b in zip(fit.share, x, y, strict=True)) for x, y in zip(better, worse, strict=True)]
    right = [0.5 if abs(m) <= 1e-12 else w if m > 0 else 1 - w for m, w in zip(margins, wins, strict=True)]
    assert fit.accuracy == pytest.approx(sum(right) / n)
    turned = fit_judge_weights(list(zip(*better, strict=True)), list(zip(*worse, strict=True)), wins, strength=strength)
    assert turned.share.tolist() == pytest.approx(wanted, abs=2e-4)
    compared(2 * columns + 1)
