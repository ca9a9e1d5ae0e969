"""Intervals: worked numbers, and the cases in which there is nothing to say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from judge.intervals import wilson
from judge.report.stats import cluster_bootstrap, mcnemar, paired_difference, rate

WORKED = [  # successes, trials, upper end in per cent, two decimals (robustness goals are stated with these)
    (0, 300, 1.26),
    (0, 1000, 0.38),
    (0, 3000, 0.13),
    (1, 1000, 0.56),
    (5, 1000, 1.17),
]


@pytest.mark.parametrize(("successes", "trials", "upper"), WORKED)
def test_wilson_worked(successes, trials, upper):
    """The number of trials that a goal needs can be read from the same figures."""
    assert round(100 * wilson(successes, trials).high, 2) == upper


def test_nothing_measured_is_nan():
    """No trial gives no interval, and never 0."""
    assert all(map(math.isnan, wilson(0, 0)))
    assert all(map(math.isnan, cluster_bootstrap([])))
    assert all(map(math.isnan, rate([], [[]])))
    assert math.isnan(paired_difference([], [])[0])
    with pytest.raises(ValueError, match="3 successes in 2 trials"):
        wilson(3, 2)
    with pytest.raises(ValueError, match="is NaN"):
        cluster_bootstrap([math.nan])
    with pytest.raises(ValueError, match="cluster labels"):
        cluster_bootstrap([1.0], [["a", "b"]])
    with pytest.raises(ValueError, match="pairs need both"):
        paired_difference([1.0], [1.0, 0.0])


def test_clusters_widen():
    """Ten questions asked ten times are ten questions, not a hundred."""
    labels = [i // 10 for i in range(100)]
    values = [float((i // 10) % 2) for i in range(100)]
    alone, together = cluster_bootstrap(values, n=2000), cluster_bootstrap(values, [labels], n=2000)
    assert together.high - together.low > 2.5 * (alone.high - alone.low)
    assert together == cluster_bootstrap(values, [labels], n=2000)


def test_two_ways_cover():
    """Strings and questions both vary: the interval of the mean holds the truth about as often as it says."""
    rng = np.random.default_rng(0)
    strings, questions = [i // 12 for i in range(144)], [i % 12 for i in range(144)]
    hits = 0
    for seed in range(60):
        value = rng.normal(size=12)[strings] + rng.normal(size=12)[questions] + rng.normal(size=144)
        low, high = cluster_bootstrap(value, [strings, questions], n=300, seed=seed)
        hits += low <= 0 <= high
    assert hits >= 51  # 85 %; nominal 95 %, few clusters


def test_other_statistics():
    """A median is resampled like a mean."""
    low, high = cluster_bootstrap([1.0, 2.0, 3.0, 4.0, 50.0], statistic=lambda v: float(np.median(v)), n=300)
    assert 1 <= low <= 3 <= high <= 50


def test_rate_is_never_narrower_than_wilson():
    """No failure among 300 is not certainty, clustered or not."""
    assert rate([0.0] * 300, [list(range(300))]).high == wilson(0, 300).high


def test_mcnemar_worked():
    """Nine flips one way and one back: 2 x (1 + 10) / 1024."""
    a, b = [1] * 9 + [0] + [1] * 5, [0] * 9 + [1] + [1] * 5
    result = mcnemar(a, b)
    assert (result.gained, result.lost) == (9, 1)
    assert result.p == pytest.approx(22 / 1024)
    assert mcnemar([1, 0], [1, 0]).p == 1.0
