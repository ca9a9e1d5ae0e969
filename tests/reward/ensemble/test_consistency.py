"""Agreement with oneself: over versions, over wordings, without labels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge.reward.consistency import BestAndWorst, best_and_worst, ranking_consistency, snapshot_consistency
from judge.shape.beside import add_metric
from judge.shape.views import cross_view_rewards

NAN = np.nan
SCORES = st.lists(st.sampled_from([NAN, 0.0, 0.3, 0.6, 1.0]), min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("first", "second", "measure", "expected"),
    [
        pytest.param([1, 2, 3], [1, 2, 3], "kendall", 1.0, id="same"),
        pytest.param([1, 2, 3], [3, 2, 1], "kendall", 0.0, id="reversed"),
        pytest.param([1, 2, 3], [1, 1, 1], "kendall", 0.5, id="all-tied-says-nothing"),
        pytest.param([1, 2, 3], [1, 3, 2], "kendall", 2 / 3, id="one-pair-of-three"),
        pytest.param([1, 2, 3], [3, 2, 1], "spearman", 0.0, id="spearman-reversed"),
        pytest.param([1, 2, 3], [1, 3, 2], "spearman", 0.75, id="spearman"),  # rho = 0.5
        pytest.param([1, 2, 3], [1, 1, 1], "spearman", NAN, id="spearman-constant"),
        pytest.param([1, 2, 3, 4], [1, 3, 2, 4], "top", 1.0, id="same-best-and-worst"),
        pytest.param([1, 2, 3, 4], [2, 1, 3, 4], "top", 0.0, id="another-worst"),
        pytest.param([1, 2, 2], [1, 2, 3], "top", NAN, id="shared-first-place"),
        pytest.param([1, NAN, 3], [1, 2, NAN], "kendall", NAN, id="one-in-common"),
        pytest.param([1, NAN, 3], [5, 9, 6], "kendall", 1.0, id="gaps"),
    ],
)
def test_rankings(first: list[float], second: list[float], measure, expected: float):
    """A label that the judge's last version would turn round is worth half, and what cannot be compared is absent."""
    assert ranking_consistency(first, second, measure) == pytest.approx(expected, nan_ok=True)


@settings(deadline=None)
@given(first=SCORES, seed=st.integers(0, 99), measure=st.sampled_from(["kendall", "spearman", "top"]))
def test_rankings_are_symmetric(first: list[float], seed: int, measure):
    """Neither the order of the responses nor which version is called the first matters."""
    rng = np.random.default_rng(seed)
    a = np.array(first)
    b = rng.permutation(a)
    order = rng.permutation(len(a))
    value = ranking_consistency(a, b, measure)
    assert np.isnan(value) or 0 <= value <= 1
    assert ranking_consistency(b, a, measure) == pytest.approx(value, nan_ok=True)
    assert ranking_consistency(a[order], b[order], measure) == pytest.approx(value, nan_ok=True)


def test_a_group_without_a_comparison_gets_no_confidence():
    """The mean over the data set is not handed to a group that could not be compared."""
    found = snapshot_consistency([[1, 2], [1, NAN]], [[1, 2], [1, 2]])
    assert found == pytest.approx([1.0, NAN], nan_ok=True)


@pytest.mark.parametrize(
    ("rewards", "least", "expected"),
    [
        pytest.param([0.5, 0.75, 0.25], 0.0, BestAndWorst(1, 2, 0.5), id="pair"),
        pytest.param([0.5, NAN, 0.25], 0.0, BestAndWorst(0, 2, 0.25), id="absent-is-neither-best-nor-worst"),
        pytest.param([0.5, 0.5, 0.25], 0.0, None, id="two-best"),
        pytest.param([0.5, 0.25, 0.25], 0.0, None, id="two-worst"),
        pytest.param([0.5, 0.25], 0.25, None, id="margin-too-small"),
        pytest.param([0.5], 0.0, None, id="alone"),
        pytest.param([NAN, NAN], 0.0, None, id="nobody"),
    ],
)
def test_pairs(rewards: list[float], least: float, expected: BestAndWorst | None):
    """Training pairs are never made by position, nor by a failed judgement."""
    assert best_and_worst(rewards, least) == expected


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        pytest.param([["4", "4", "5"], ["4", "4", "4"]], [[1, 1, 0], [1, 1, 1]], id="views-agree"),
        pytest.param([["4", "4"], ["5", "5"]], [[0, 0], [0, 0]], id="views-disagree"),
        pytest.param([["4", None], ["4", "4"]], [[1, 0], [1, 1]], id="no-answer-earns-nothing"),
        pytest.param([["4", "", "4"], ["", " ", "4"]], [[1, 0, 1], [0, 0, 1]], id="no-answer-is-never-the-pseudo-label"),
        pytest.param([["4", None], ["", None]], [[NAN, NAN], [0, 0]], id="nobody-answers-the-other-wording"),
        pytest.param([["4", "5"], ["4", "4"]], [[1, 0], [NAN, NAN]], id="split-view-labels-nothing"),
        pytest.param([["4", "4"]], [[NAN, NAN]], id="one-view-cannot-reward-itself"),
        pytest.param([["4"], ["4"], ["5"] * 9], [[NAN], [NAN], [0] * 9], id="a-long-view-has-one-vote"),
    ],
)
def test_cross_views(answers: list[list[str | None]], expected: list[list[float]]):
    """A wording is rewarded by the others only, so agreeing with oneself pays nothing."""
    for found, wanted in zip(cross_view_rewards(answers), expected, strict=True):
        assert found == pytest.approx(wanted, nan_ok=True)


def test_a_metric_is_added_only_to_what_was_judged():
    """Half of a sum is not a reward on the same scale."""
    assert add_metric([1.0, NAN, 0.5], [0.5, 0.5, NAN]) == pytest.approx([0.75, NAN, NAN], nan_ok=True)
