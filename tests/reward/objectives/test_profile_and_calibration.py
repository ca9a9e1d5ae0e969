"""A user's weights, and rewards as probabilities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge.reward.objectives import calibration

NAN = np.nan


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
