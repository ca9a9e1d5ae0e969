"""Agreement figures against published worked examples and second implementations."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest

from judge.bench.agreement import (
    average_precision,
    brier_score,
    calibration_error,
    cohen_kappa,
    curve_points,
    fleiss_kappa,
    krippendorff_alpha,
    roc_auc,
    slope,
)
from judge.reward.objectives.calibration import calibration

X = math.nan
KRIPPENDORFF = np.array(  # Krippendorff 2011, section C: four observers, twelve units
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, X, X, X],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, X, 3],
        [X, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, X],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, X],
    ]
).T
FLEISS = [  # Fleiss 1971 as usually reprinted: ten subjects, fourteen raters, five categories
    [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
]  # fmt: skip


def ones(n):
    return np.ones(n)


@pytest.mark.parametrize(("level", "alpha"), [("nominal", 0.743), ("interval", 0.849)])
def test_krippendorff_of_his_own_example(level, alpha):
    assert krippendorff_alpha(KRIPPENDORFF, level=level)(ones(12)) == pytest.approx(alpha, abs=5e-4)


def test_fleiss_of_the_textbook_example():
    ratings = [[c for c, n in enumerate(row) for _ in range(n)] for row in FLEISS]
    assert fleiss_kappa(ratings)(ones(10)) == pytest.approx(0.210, abs=5e-4)


def test_cohen_by_hand():
    """Table 20, 5, 10, 15: observed 0.7, expected 0.5, kappa 0.4."""
    a = [1] * 25 + [0] * 25
    b = [1] * 20 + [0] * 5 + [1] * 10 + [0] * 15
    assert cohen_kappa(a, b)(ones(50)) == pytest.approx(0.4)


def test_quadratic_kappa_forgives_neighbours():
    """Off by one of five is nearly agreement; off by four is not."""
    gold = [1, 2, 3, 4, 5] * 4
    near = [min(g + 1, 5) for g in gold]
    far = [6 - g for g in gold]
    assert cohen_kappa(near, gold, weighted="quadratic")(ones(20)) > 0.7
    assert cohen_kappa(far, gold, weighted="quadratic")(ones(20)) == pytest.approx(-1.0)


def test_kappa_of_one_class_says_nothing():
    assert math.isnan(cohen_kappa([1, 1], [1, 1])(ones(2)))
    assert math.isnan(krippendorff_alpha([[1, 1], [1, 1]])(ones(2)))


def brute_auc(s, y):
    pairs = [(a, b) for a, p in zip(s, y, strict=True) for b, q in zip(s, y, strict=True) if p == 1 and q == 0]
    return sum((a > b) + (a == b) / 2 for a, b in pairs) / len(pairs)


def brute_ap(s, y):
    total = 0.0
    for t in sorted(set(s), reverse=True):
        chosen = [b for a, b in zip(s, y, strict=True) if a >= t]
        here = sum(b for a, b in zip(s, y, strict=True) if a == t)
        total += here * sum(chosen) / len(chosen)
    return total / sum(y)


@pytest.mark.parametrize("seed", range(5))
def test_curves_against_brute_force(seed):
    """Twenty rewards on a coarse grid, so that many are equal; resampled weights are the same as repeated rows."""
    rng = np.random.default_rng(seed)
    s, y = rng.integers(0, 6, 20) / 5, rng.integers(0, 2, 20)
    weights = rng.integers(0, 3, 20).astype(float)
    repeated = np.repeat(np.arange(20), weights.astype(int))
    for metric, brute in ((roc_auc, brute_auc), (average_precision, brute_ap)):
        assert metric(s, y)(ones(20)) == pytest.approx(brute(s.tolist(), y.tolist()))
        assert metric(s, y)(weights) == pytest.approx(brute(s[repeated].tolist(), y[repeated].tolist()))
    assert calibration_error(s, y)(ones(20)) == pytest.approx(calibration(s, y).ece)
    assert calibration_error(s, y)(weights) == pytest.approx(calibration(s[repeated], y[repeated]).ece)
    assert brier_score(s, y)(weights) == pytest.approx(calibration(s[repeated], y[repeated]).brier)


@pytest.mark.parametrize("seed", range(5))
def test_weights_are_repetitions(seed):
    """Kappa and Fleiss of a resample are those of the repeated rows; alpha too, by its definition over pairs."""
    rng = np.random.default_rng(seed)
    table = rng.integers(0, 3, (15, 3)).astype(float)
    weights = rng.integers(0, 3, 15).astype(float)
    repeated = np.repeat(np.arange(15), weights.astype(int))
    assert cohen_kappa(table[:, 0], table[:, 1])(weights) == pytest.approx(
        cohen_kappa(table[repeated, 0], table[repeated, 1])(ones(len(repeated)))
    )
    assert fleiss_kappa(table)(weights) == pytest.approx(fleiss_kappa(table[repeated])(ones(len(repeated))))
    rows = table[repeated]
    own = np.mean([np.mean([a != b for a, b in combinations(row, 2)]) for row in rows])
    pooled = rows.ravel()
    other = np.mean([a != b for a, b in combinations(pooled, 2)])
    assert krippendorff_alpha(table)(weights) == pytest.approx(1 - own / other)


def test_missing_verdicts_do_not_count():
    assert roc_auc([0.9, X, 0.1], [1, 1, 0])(ones(3)) == 1.0
    assert cohen_kappa([1, X, 0], [1, 1, 0])(ones(3)) == 1.0
    assert krippendorff_alpha([[1, 1], [X, 1], [0, 0]])(ones(3)) == 1.0


def test_curve_ends_where_everything_is_accepted():
    points = curve_points([0.9, 0.8, 0.1], [1, 0, 1])
    assert [p["true_positive_rate"] for p in points] == [0.5, 0.5, 1.0]
    assert points[-1]["false_positive_rate"] == 1.0


def test_slope_of_a_feature_that_never_varies_is_nothing():
    assert math.isnan(slope([3, 3, 3], [1, 2, 3])(ones(3)))
