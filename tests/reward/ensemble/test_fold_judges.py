"""Judges x responses -> one reward a response; the arithmetic is in the tables."""

from __future__ import annotations

import pickle
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from judge.reward.ensemble import fold_judges, fold_panel
from judge.settings import PanelFold
from judge.shape.beside import shrink_by_variance

NAN = np.nan
FOLDS = get_args(PanelFold)
SCORES = arrays(
    np.float64, array_shapes(min_dims=2, max_dims=2, max_side=6), elements=st.sampled_from([NAN, 0.0, 0.25, 0.5, 0.7, 1.0])
)


@pytest.mark.parametrize(
    ("column", "fold", "k", "expected"),
    [
        pytest.param([0.9, 0.1], "variance", 0.5, 0.42, id="0.5-minus-half-of-0.16"),
        pytest.param([0.8, 0.4], "nominal_min", 1.0, 0.5, id="half-0.6-half-0.4"),
        pytest.param([0.8, 0.4], "nominal_min", 0.0, 0.6, id="k-0-is-nominal"),
        pytest.param([1.0, 0.6, 0.5, 0.0], "trimmed", 1.0, 0.55, id="both-ends-cut"),
        pytest.param([0.9, 0.8, 0.0], "trimmed", 1.0, 0.8, id="three-judges-lose-one-each-side"),
        pytest.param([0.9, 0.1], "trimmed", 1.0, 0.5, id="two-lose-none"),
        pytest.param([0.9, NAN, 0.2], "min", 1.0, 0.2, id="absent-is-not-the-minimum"),
        pytest.param([0.9, NAN, 0.2, 0.4], "median", 1.0, 0.4, id="absent-is-not-in-the-middle"),
        pytest.param([NAN, NAN, 0.2], "mean", 1.0, NAN, id="below-quorum"),
    ],
)
def test_the_folds(column: list[float], fold: PanelFold, k: float, expected: float):
    """Each published fold is the one of its paper, to the digit."""
    assert fold_judges(np.array([column]).T, fold, k=k)[0] == pytest.approx(expected, nan_ok=True)


def test_a_nominal_judge_counts_by_itself():
    """The judge that is trusted may be named; without its verdict there is no nominal reward to mix."""
    scores = [[0.9, NAN], [0.5, 0.5], [0.1, 0.5]]
    assert fold_judges(scores, "nominal_min", nominal=0) == pytest.approx([0.5, NAN], nan_ok=True)


@pytest.mark.parametrize("fold", FOLDS)
@settings(deadline=None)
@given(scores=SCORES, k=st.sampled_from([0.0, 0.5, 2.0]))
def test_range_and_absence(fold: PanelFold, scores: np.ndarray, k: float):
    """A panel never pays more than its most generous judge, and is silent exactly below the quorum."""
    folded = fold_judges(scores, fold, k=k, floor=0.0)
    present = ~np.isnan(scores)
    assert (np.isnan(folded) == (present.mean(axis=0) < 0.5)).all()
    assert not np.isinf(folded).any()
    for value, column in zip(folded, scores.T, strict=True):
        if not np.isnan(value):
            assert -1e-12 <= value <= np.nanmax(column) + 1e-12


@pytest.mark.parametrize("fold", FOLDS)
@settings(deadline=None)
@given(scores=SCORES, seed=st.integers(0, 99))
def test_order_and_neighbours_do_not_matter(fold: PanelFold, scores: np.ndarray, seed: int):
    """The same verdicts give the same reward, whoever is asked first and whatever the other responses are."""
    rng = np.random.default_rng(seed)
    judges, responses = rng.permutation(len(scores)), rng.permutation(scores.shape[1])
    folded = fold_judges(scores, fold)
    shuffled = fold_judges(scores[judges][:, responses], fold)
    assert shuffled == pytest.approx(folded[responses], nan_ok=True)
    spoiled = scores.copy()
    spoiled[:, 0] = NAN
    assert fold_judges(spoiled, fold)[1:] == pytest.approx(folded[1:], nan_ok=True)


@pytest.mark.parametrize("fold", ["mean", "median", "min", "nominal_min", "trimmed"])
@settings(deadline=None)
@given(scores=SCORES, judge=st.integers(0, 5))
def test_a_better_verdict_never_costs(fold: PanelFold, scores: np.ndarray, judge: int):
    """These folds rise with every judge. The two that charge for spread do not, and do not claim to."""
    raised = scores.copy()
    raised[judge % len(scores)] = np.minimum(raised[judge % len(scores)] + 0.2, 1.0)
    before, after = fold_judges(scores, fold), fold_judges(raised, fold)
    assert (np.isnan(before) | (after >= before - 1e-12)).all()


@settings(deadline=None)
@given(values=st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=6), fold=st.sampled_from(FOLDS))
def test_one_response_is_a_table_of_one(values: list[float | None], fold: PanelFold):
    """What the pipeline folds is what the arrays fold, and it is a number in [0, 1] or nothing."""
    folded = fold_panel(values, fold)
    assert folded is None or 0 <= folded <= 1
    assert pickle.loads(pickle.dumps(folded)) == folded


def test_unknown_fold_and_negative_cost():
    """A typing error is an error, not another fold."""
    with pytest.raises(ValueError, match="no fold `average`"):
        fold_judges([[1.0]], "average")  # type: ignore[arg-type]  # the point of the test
    with pytest.raises(ValueError, match="negative"):
        fold_judges([[1.0]], "variance", k=-1)
    with pytest.raises(ValueError, match="infinite"):
        fold_judges([[np.inf]], "mean")


@settings(deadline=None)
@given(
    rewards=st.lists(st.sampled_from([NAN, 0.0, 0.3, 0.6, 1.0]), min_size=1, max_size=6),
    spread=st.sampled_from([0.0, 0.01, 0.25]),
)
def test_uncertainty_only_shrinks(rewards: list[float], spread: float):
    """An uncertain reward moves towards its group, never past it; a certain group is left alone."""
    shrunk = shrink_by_variance(rewards, [spread] * len(rewards))
    present = ~np.isnan(rewards)
    assert (np.isnan(shrunk) == ~present).all()
    if present.any():
        values = np.array(rewards)[present]
        gap = np.abs(values - values.mean())
        assert (np.abs(shrunk[present] - values.mean()) <= gap + 1e-12).all()
        if spread == 0:
            assert shrunk[present] == pytest.approx(values)
