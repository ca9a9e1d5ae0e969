"""Rankings by several judges -> rewards."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from judge.reward.ensemble import borda, copeland, guided_vote, majority_vote, preference_matrix

NAN = np.nan
SCORES = arrays(np.float64, array_shapes(min_dims=2, max_dims=2, max_side=5), elements=st.sampled_from([NAN, 0.0, 0.5, 1.0]))
RULES = [borda, copeland, majority_vote]


@pytest.mark.parametrize(
    ("rule", "scores", "expected"),
    [
        pytest.param(borda, [[3, 2, 1], [3, 1, 2]], [1.0, 0.25, 0.25], id="borda"),
        pytest.param(borda, [[3, 2, NAN], [1, 1, 1]], [0.75, 0.25, 0.5], id="borda-counts-what-was-judged"),
        pytest.param(copeland, [[3, 2, 1], [1, 3, 2], [2, 1, 3]], [0.5, 0.5, 0.5], id="cycle-is-a-draw"),
        pytest.param(copeland, [[3, 2, 1], [3, 1, 2], [0, 9, 8]], [1.0, 0.5, 0.0], id="condorcet-winner-is-first"),
        pytest.param(borda, [[3, 2, 1], [3, 1, 2], [0, 9, 8]], [4 / 6, 3.5 / 6 - 0.5 / 6, 2 / 6], id="borda-differs"),
        pytest.param(majority_vote, [[1, 1], [1, 0], [0, NAN]], [1.0, NAN], id="a-tie-is-no-verdict"),
    ],
)
def test_the_rules(rule: Callable[[object], np.ndarray], scores: list[list[float]], expected: list[float]):
    """Judges with different scales weigh the same, and a missing score is not a lost comparison."""
    assert rule(scores) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("rule", RULES)
@settings(deadline=None)
@given(scores=SCORES, seed=st.integers(0, 99))
def test_permutations(rule: Callable[[object], np.ndarray], scores: np.ndarray, seed: int):
    """The order of judges and of responses decides nothing."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(scores.shape[1])
    result = rule(scores)
    assert rule(scores[rng.permutation(len(scores))][:, order]) == pytest.approx(result[order], nan_ok=True)
    assert not np.isinf(result).any()
    assert ((result[~np.isnan(result)] >= 0) & (result[~np.isnan(result)] <= 1)).all()


@pytest.mark.parametrize("rule", [borda, copeland])
@settings(deadline=None)
@given(scores=SCORES, judge=st.integers(0, 4))
def test_scale_of_a_judge_does_not_matter(rule: Callable[[object], np.ndarray], scores: np.ndarray, judge: int):
    """A judge that uses the upper half of the scale only has no less to say."""
    squeezed = scores.copy()
    squeezed[judge % len(scores)] = 0.9 + squeezed[judge % len(scores)] / 10
    assert rule(squeezed) == pytest.approx(rule(scores), nan_ok=True)


@pytest.mark.parametrize("rule", [borda, copeland])
@settings(deadline=None)
@given(scores=SCORES)
def test_being_raised_never_costs(rule: Callable[[object], np.ndarray], scores: np.ndarray):
    """A response that every judge likes better does not fall."""
    raised = scores.copy()
    raised[:, 0] += 0.75
    before, after = rule(scores)[0], rule(raised)[0]
    assert np.isnan(before) == np.isnan(after)
    assert np.isnan(before) or after >= before - 1e-12


@settings(deadline=None)
@given(scores=SCORES)
def test_preferences_are_two_sided(scores: np.ndarray):
    """What one response wins the other loses."""
    share = preference_matrix(scores)
    assert (share + share.T)[~np.isnan(share)] == pytest.approx(1.0)


def test_weights_decide_a_split_panel():
    """The judge that counts more wins; its own order stands."""
    scores = [[1.0, 0.0], [0.0, 1.0]]
    assert copeland(scores) == pytest.approx([0.5, 0.5])
    assert copeland(scores, weights=[2, 1]) == pytest.approx([1.0, 0.0])
    assert borda(scores, weights=[3, 1]) == pytest.approx([0.75, 0.25])


@pytest.mark.parametrize(
    ("meta", "keep", "expected"),
    [
        pytest.param([0.9, 0.8, 0.1], 2, 0.7, id="best-two"),
        pytest.param([0.9, NAN, 0.1], 2, 0.4, id="unjudged-vote-is-never-kept"),
        pytest.param([0.5, 0.5, 0.1], 1, 0.7, id="tie-at-the-border-keeps-both"),
        pytest.param([NAN, NAN, NAN], 2, NAN, id="no-meta-judge"),
        pytest.param([0.9, 0.8, 0.1], 9, 1.4 / 3, id="more-than-there-are"),
    ],
)
def test_a_meta_judge_chooses_votes(meta: list[float], keep: int, expected: float):
    """A vote that the meta-judge distrusts does not move the reward."""
    assert guided_vote([[0.8], [0.6], [0.0]], meta, keep)[0] == pytest.approx(expected, nan_ok=True)
