"""Thresholds kept by multipliers that move."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge.reward.objectives import ProxyPoint, proxy_point
from judge.shape.constrained import Constraint, Multipliers

NAN = np.nan


@pytest.mark.parametrize(
    ("kind", "mean", "grows"),
    [
        pytest.param("at_least", 0.2, True, id="too-low"),
        pytest.param("at_least", 0.9, False, id="met-and-at-0"),
        pytest.param("at_most", 0.9, True, id="too-high"),
        pytest.param("at_most", 0.2, False, id="below"),
    ],
)
def test_a_broken_threshold_raises_its_price(kind, mean: float, grows: bool):
    """A price appears where a threshold is broken, and never turns into a bonus for the opposite."""
    state = Multipliers((Constraint(0, kind, 0.5),)).update([[mean]])
    assert (state.values[0] > 0) == grows
    assert state.values[0] >= 0


def test_the_price_settles_where_the_threshold_is_met():
    """A policy that answers to price comes to rest at the threshold: safety 0.3 + 0.5 * its price, wanted at least 0.6."""
    state = Multipliers((Constraint(1, "at_least", 0.6),), rate=0.5)
    for _ in range(200):
        safety = min(1.0, 0.3 + 0.5 * state.values[0])
        state = state.update([[1.0, safety]])
    assert state.values[0] == pytest.approx(0.6, abs=0.01)
    assert state.violations([[1.0, 0.3 + 0.5 * state.values[0]]])[0] == pytest.approx(0.0, abs=0.01)


@settings(deadline=None)
@given(
    batches=st.lists(st.lists(st.sampled_from([NAN, -5.0, 0.0, 0.5, 5.0]), min_size=1, max_size=4), max_size=20),
    kind=st.sampled_from(["at_least", "at_most", "equal"]),
)
def test_the_state_is_bounded_and_survives_pickling(batches: list[list[float]], kind):
    """A run of any length, with failed judgements, restored from a checkpoint in the middle, goes on the same."""
    state = restored = Multipliers((Constraint(0, kind, 0.5),), rate=1.0, limit=2.0)
    for batch in batches:
        rewards = np.array([batch]).T
        state = state.update(rewards)
        restored = pickle.loads(pickle.dumps(restored)).update(rewards)
        assert -1.0 <= state.values[0] <= 2.0
        assert kind == "equal" or state.values[0] >= 0
        combined = state.reward(rewards, [0.0])
        assert (np.isnan(combined) == np.isnan(batch)).all()
    assert restored == state


def test_an_absent_objective_moves_no_price():
    """A judge that was down for a whole batch leaves the multipliers where they were."""
    state = Multipliers((Constraint(0, "at_least", 0.5),), values=(0.7,))
    assert state.update([[NAN], [NAN]]).values == (0.7,)


def test_scale_does_not_drift():
    """However high the prices, rewards in [0, 1] stay in [-1, 1]."""
    state = Multipliers((Constraint(1, "at_least", 0.5), Constraint(2, "at_most", 0.5)), values=(9.0, 4.0))
    assert np.abs(state.reward([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]], [1.0, 0.0, 0.0])).max() <= 1.0


@pytest.mark.parametrize(
    ("rewards", "evaluations", "window", "expected"),
    [
        pytest.param([1, 2, 3, 4, 5], [1, 2, 3, 2, 1], 1, ProxyPoint(3.0, 3.0, True), id="turns"),
        pytest.param([5, 4, 3, 2, 1], [1, 2, 3, 2, 1], 1, ProxyPoint(3.0, 3.0, True), id="any-order"),
        pytest.param([1, 2, 3], [1, 2, 3], 1, ProxyPoint(3.0, 3.0, False), id="still-rising"),
        pytest.param([1, 2, 3, 4, 5], [1, 9, 3, 2, 1], 3, ProxyPoint(1.0, 5.0, True), id="lucky-checkpoint-is-smoothed"),
        pytest.param([1, NAN, 3], [1, 5, NAN], 1, ProxyPoint(1.0, 1.0, False), id="gaps"),
    ],
)
def test_proxy_point(rewards, evaluations, window: int, expected: ProxyPoint):
    """The threshold is where the evaluation turned, and it says when it has not turned yet."""
    assert proxy_point(rewards, evaluations, window=window) == expected


def test_nothing_measured():
    """No evaluation, no threshold."""
    assert np.isnan(proxy_point([NAN], [1.0]).reward)
