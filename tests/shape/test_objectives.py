"""Vector rewards -> advantages, with rows that failed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from judge.reward.objectives import dominance
from judge.shape.objectives import cap, combine, combine_then_normalise, log_sigmoid_sum, normalise_then_combine

NAN = np.nan
REWARDS = st.integers(1, 6).flatmap(lambda n: arrays(np.float64, (n, 2), elements=st.sampled_from([NAN, 0.0, 0.25, 1.0, 3.0])))
BOTH = [combine_then_normalise, normalise_then_combine]


def test_gdpo_keeps_apart_what_a_sum_makes_equal():
    """To a sum, a format point and a correctness point are the same; normalised first, (1, 0) and (0, 1) stay apart."""
    rewards = [[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]
    assert combine_then_normalise(rewards, [1, 1]) == pytest.approx([0, 0, 0, 0])
    one_each = [[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]
    summed, apart = combine_then_normalise(one_each, [1, 1]), normalise_then_combine(one_each, [1, 1])
    assert summed[0] == pytest.approx(summed[5])  # (1, 0) and (0, 1)
    assert apart[0] != pytest.approx(apart[5], abs=0.1)


@pytest.mark.parametrize("how", BOTH)
@settings(deadline=None)
@given(rewards=REWARDS, spoiled=st.integers(0, 5))
def test_a_failed_row_changes_nothing_for_others(how, rewards: np.ndarray, spoiled: int):
    """A response whose one objective failed is absent; the group members' advantages are those of the group without it."""
    row = spoiled % len(rewards)
    rewards[row, 1] = NAN
    advantages = how(rewards, [1.0, 0.5])
    assert np.isnan(advantages[row])
    assert np.delete(advantages, row) == pytest.approx(how(np.delete(rewards, row, axis=0), [1.0, 0.5]), nan_ok=True)


@pytest.mark.parametrize("how", BOTH)
@settings(deadline=None)
@given(rewards=REWARDS, seed=st.integers(0, 99))
def test_order_does_not_matter(how, rewards: np.ndarray, seed: int):
    """Shuffling a batch shuffles its advantages, groups and all; nothing is infinite, and only absent rows are NaN."""
    groups = np.arange(len(rewards)) % 2
    order = np.random.default_rng(seed).permutation(len(rewards))
    advantages = how(rewards, [1, 1], groups)
    assert how(rewards[order], [1, 1], groups[order]) == pytest.approx(advantages[order], nan_ok=True)
    assert (np.isnan(advantages) == np.isnan(rewards).any(axis=1)).all()
    assert not np.isinf(advantages).any()


@pytest.mark.parametrize("how", BOTH)
def test_a_flat_group_has_no_advantage(how):
    """Where all responses are equal there is nothing to learn, and no division by zero."""
    assert how([[0.1 + 0.2, 1e9], [0.3, 1e9]], [1, 1]) == pytest.approx([0, 0])


@pytest.mark.parametrize("how", BOTH)
def test_what_is_flat_is_decided_in_the_group(how):
    """A group of 0 and 1 was flat beside one at a billion, whose rounding is larger than 1."""
    advantages = how([[0.0], [1.0], [1e9], [1e9]], [1.0], ["a", "a", "b", "b"])
    assert advantages[0] < -0.9
    assert advantages[1] > 0.9
    assert advantages[2:] == pytest.approx([0, 0])


@pytest.mark.parametrize(
    ("options", "advantages"),
    [
        pytest.param({}, [-0.423, -0.423, 1.577, -0.732], id="population"),
        pytest.param({"ddof": 1, "epsilon": 1e-4}, [-0.366, -0.366, 1.366, -0.634], id="sample-as-in-the-authors-code"),
    ],
)
def test_which_standard_deviation_is_named(options, advantages):
    """GDPO before the batch: the paper's formula and its authors' code differ by a factor, and both can be had."""
    easy_and_hard = [[1.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]
    assert normalise_then_combine(easy_and_hard, [1, 1], across_batch=False, **options) == pytest.approx(advantages, abs=1e-3)


def test_an_unused_objective_may_fail():
    """An objective that is only logged cannot take the reward away."""
    assert combine([[1.0, NAN]], [1.0, 0.0]) == pytest.approx([1.0])


@settings(deadline=None)
@given(rewards=REWARDS, column=st.integers(0, 1))
def test_log_sigmoid_sum_rises_with_every_objective(rewards: np.ndarray, column: int):
    """Improving any one objective is never punished, and the sum is never above 0."""
    raised = rewards.copy()
    raised[:, column] += 0.5
    before, after = log_sigmoid_sum(rewards, [0, 0]), log_sigmoid_sum(raised, [0, 0])
    known = ~np.isnan(before)
    assert (after[known] > before[known]).all()
    assert (after[known] <= 0).all()


def test_extremes_stay_finite():
    """Log-odds of a thousand overflow nothing."""
    assert np.isfinite(log_sigmoid_sum([[1e6, -1e6]], [0, 0])).all()


@settings(deadline=None)
@given(rewards=REWARDS)
def test_caps_only_lower(rewards: np.ndarray):
    """Past the cap more is not better; below it nothing changes."""
    capped = cap(rewards, [0.5, NAN])
    assert (np.isnan(capped) == np.isnan(rewards)).all()
    assert capped[:, 1] == pytest.approx(rewards[:, 1], nan_ok=True)
    assert (capped[~np.isnan(capped[:, 0]), 0] <= 0.5).all()


@settings(deadline=None)
@given(rewards=REWARDS)
def test_dominance_is_an_order(rewards: np.ndarray):
    """Nobody dominates itself or its dominator."""
    above = dominance(rewards)
    assert not above.diagonal().any()
    assert not (above & above.T).any()


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda: combine([[1.0]], [1.0, 2.0]), id="weights"),
        pytest.param(lambda: combine([1.0], [1.0]), id="dimensions"),
        pytest.param(lambda: combine_then_normalise([[1.0]], [1.0], ["a", "b"]), id="groups"),
        pytest.param(lambda: cap([[1.0]], [1.0, 1.0]), id="caps"),
        pytest.param(lambda: combine([[1.0]], [NAN]), id="absent-weight"),
    ],
)
def test_shapes_are_checked(call):
    """A vector of the wrong length is an error where it happens, not a broadcast."""
    with pytest.raises(ValueError, match=r"weights|dimensions|labels|caps|numbers"):
        call()
