"""A user's weights, and rewards as probabilities."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge.reward.objectives import calibration, fit_profile

NAN = np.nan


def test_a_profile_recovers_what_the_user_cares_about():
    """Forty comparisons by a user who weighs depth three times as much as brevity, and style not at all."""
    rng = np.random.default_rng(1)
    first, second = rng.uniform(0, 1, (2, 40, 3))
    prefers = (first - second) @ np.array([0.25, 0.75, 0.0]) > 0
    better = np.where(prefers[:, None], first, second)
    worse = np.where(prefers[:, None], second, first)
    profile = fit_profile(["brevity", "depth", "style"], better, worse, strength=0.05)
    shares = profile.shares()
    assert shares["depth"] > shares["brevity"] > shares["style"]
    assert profile.weights.accuracy >= 0.9
    assert pickle.loads(pickle.dumps(profile)).shares() == shares


def test_one_comparison_decides_nothing():
    """After one answer every criterion is still undecided, and the weights have hardly moved."""
    profile = fit_profile(["a", "b"], [[1.0, 0.0]], [[0.0, 1.0]])
    assert profile.undecided() == ("a", "b")
    assert abs(profile.shares()["a"] - 0.5) < 0.2


def test_a_criterion_without_weight_may_fail():
    """Rewards by a profile are absent only where something that counts is absent."""
    profile = fit_profile(["a", "b"], [[1.0, 0.0]] * 50, [[0.0, 1.0]] * 50, strength=0.01)
    assert profile.shares()["b"] == 0.0
    assert profile.apply([[0.7, NAN], [NAN, 0.7]]) == pytest.approx([0.7, NAN], nan_ok=True)


def test_names_must_fit():
    """A profile with another number of names would give its weights to the wrong criteria."""
    with pytest.raises(ValueError, match="different names"):
        fit_profile(["a"], [[1.0, 0.0]], [[0.0, 1.0]])


@pytest.mark.parametrize(
    ("confidence", "labels", "ece", "brier"),
    [
        pytest.param([1.0, 1.0, 0.0], [1, 1, 0], 0.0, 0.0, id="perfect"),
        pytest.param([1.0, 1.0], [0, 0], 1.0, 1.0, id="sure-and-wrong"),
        pytest.param([0.5, 0.5], [1, 0], 0.0, 0.25, id="a-coin-that-says-so"),
        pytest.param([0.9, 0.9, 0.9, 0.1], [1, 1, 0, 0], 0.2, 0.21, id="mixed"),
        pytest.param([0.9, NAN], [1, 1], 0.1, 0.01, id="absent-is-left-out"),
        pytest.param([NAN], [1], NAN, NAN, id="nothing"),
    ],
)
def test_calibration(confidence, labels, ece: float, brier: float):
    """A reward of 0.9 that is right two times in three is overconfident by 0.23, and the table says where."""
    found = calibration(confidence, labels)
    assert (found.ece, found.brier) == pytest.approx((ece, brier), nan_ok=True)
    assert found.count + found.absent == len(confidence)


def test_a_reward_on_an_edge_is_in_the_upper_bin():
    """One convention, so that two reports of the same rewards agree."""
    assert [(b.low, b.count) for b in calibration([0.5, 0.4, 1.0], [1, 0, 1], bins=2).bins] == [(0.0, 1), (0.5, 2)]


@settings(deadline=None)
@given(
    pairs=st.lists(st.tuples(st.floats(0, 1), st.sampled_from([0.0, 1.0])), min_size=1, max_size=30),
    bins=st.integers(1, 12),
    binning=st.sampled_from(["width", "mass"]),
)
def test_every_reward_is_in_one_bin(pairs, bins: int, binning):
    """The reliability table adds up, whatever the rewards."""
    confidence, labels = zip(*pairs, strict=True)
    found = calibration(confidence, labels, bins=bins, binning=binning)
    assert sum(b.count for b in found.bins) == len(pairs)
    assert 0 <= found.ece <= 1 + 1e-12
    assert 0 <= found.brier <= 1
    assert all(b.low - 1e-12 <= b.confidence <= b.high + 1e-12 for b in found.bins)
