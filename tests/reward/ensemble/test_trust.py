"""Whom to believe: fitted weights, peers, and shared errors."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from judge.reward.comparisons import fit_weights
from judge.reward.ensemble import (
    agreement_report,
    filter_peers,
    fit_judge_weights,
    fold_judges,
    krippendorff_alpha,
    weighted_mean,
)

NAN = np.nan
SCORES = arrays(np.float64, array_shapes(min_dims=2, max_dims=2, max_side=5), elements=st.sampled_from([NAN, 0.0, 0.5, 1.0]))


def test_weights_find_the_judge_that_knows():
    """Twenty labels are enough to see which of three judges follows them, and the interval says so."""
    rng = np.random.default_rng(0)
    knows, coins = rng.uniform(0.3, 1.0, (1, 20)), rng.uniform(-1, 1, (2, 20))
    fit = fit_judge_weights(np.vstack([knows, coins]), np.zeros((3, 20)), strength=0.2)
    assert fit.share.argmax() == 0
    assert fit.low[0] > 1 / 3
    assert pickle.loads(pickle.dumps(fit)).used == 20


def test_a_gap_costs_its_comparison_only():
    """One comparison without one score is dropped and counted; the fit is that of the rest."""
    better, worse = np.array([[0.9, 0.1], [0.8, 0.3], [NAN, 0.9]]), np.zeros((3, 2))
    with_gap, without = fit_weights(better, worse), fit_weights(better[:2], worse[:2])
    assert (with_gap.used, with_gap.dropped) == (2, 1)
    assert with_gap.share == pytest.approx(without.share)


@settings(max_examples=25, deadline=None)
@given(gaps=arrays(np.float64, array_shapes(min_dims=2, max_dims=2, max_side=4), elements=st.floats(-1, 1, width=32)))
def test_shares_are_a_simplex(gaps: np.ndarray):
    """Whatever the labels, weights are shares with an interval around them, and swapping the columns swaps the weights."""
    fit = fit_weights(gaps, np.zeros_like(gaps))
    assert fit.share.sum() == pytest.approx(1.0)
    assert ((fit.low >= 0) & (fit.low <= fit.share) & (fit.share <= fit.high) & (fit.high <= 1 + 1e-12)).all()
    assert fit_weights(gaps[:, ::-1], np.zeros_like(gaps)).share[::-1] == pytest.approx(fit.share, abs=1e-3)


@settings(deadline=None)
@given(scores=SCORES)
def test_weighted_mean_stays_in_range(scores: np.ndarray):
    """Missing judges take their weight with them; they do not drag the mean to 0."""
    mean = weighted_mean(scores, np.ones(len(scores)), quorum=0.0)
    for value, column in zip(mean, scores.T, strict=True):
        assert np.isnan(value) == np.isnan(column).all()
        assert np.isnan(value) or np.nanmin(column) - 1e-12 <= value <= np.nanmax(column) + 1e-12


@pytest.mark.parametrize(
    ("scores", "removed"),
    [
        pytest.param([[1, 2, 3, 4], [1, 2, 4, 3], [4, 3, 2, 1], [1, 3, 2, 4]], (2,), id="contrarian"),
        pytest.param([[1, 2, 3, 4], [4, 3, 2, 1]], (), id="two-judges-cannot-outvote-one"),
        pytest.param([[1, 2, 3, 4], [1, 2, 3, 4], [4, 3, 2, 1], [4, 3, 2, 1]], (), id="two-against-two-nobody-goes-by-position"),
        pytest.param([[1, 2, 3, 4], [1, 2, 3, 4], [5, 5, 5, 5]], (), id="constant-judge-says-nothing"),
        pytest.param([[1, 2, NAN, NAN], [1, 2, 3, 4], [1, 2, 3, 4]], (), id="too-little-in-common"),
    ],
)
def test_peers(scores: list[list[float]], removed: tuple[int, ...]):
    """A judge goes only when its peers agree without it and there is enough to compare."""
    report = filter_peers(scores)
    assert report.removed == removed
    assert report.kept.sum() == len(scores) - len(removed)


@pytest.mark.parametrize("judges", [6, 11, 25])
def test_a_quorum_of_weight_is_met_by_that_many_judges(judges: int):
    """5 of 6 equal judges are 5/6 of the weight, though their shares sum to 0.8333333333333333."""
    for present in range(1, judges):
        scores = [[1.0]] * present + [[NAN]] * (judges - present)
        assert weighted_mean(scores, [1] * judges, quorum=present / judges)[0] == pytest.approx(1.0)
    assert fold_judges([[1.0]] * 3 + [[NAN]] * 7, "mean", quorum=0.1 + 0.2)[0] == 1.0  # 3 of 10 and 0.30000000000000004


def test_a_judge_is_no_peer_of_its_own():
    """Two opposite judges disagree completely; a consensus that held the judge itself would hide it."""
    assert filter_peers([[1, 2, 3, 4], [4, 3, 2, 1]]).agreement == pytest.approx([-1.0, -1.0])


@settings(max_examples=40, deadline=None)
@given(scores=SCORES)
def test_peers_always_leave_a_panel(scores: np.ndarray):
    """Filtering never leaves fewer than two judges where there were two."""
    assert filter_peers(scores, least=1.0).kept.sum() >= min(2, len(scores))


def test_judges_that_err_together_are_one_judge():
    """Three judges of one family look like a panel, agree like one judge, and are worth one."""
    labels = [1, 1, 0, 0, 1, 0, 1, 0]
    family = [1, 0, 0, 1, 1, 0, 0, 0]
    report = agreement_report([family] * 3, labels)
    assert report.effective_judges == pytest.approx(1.0)
    assert report.all_wrong == pytest.approx(3 / 8)
    assert report.herding == pytest.approx((3 / 8) / (3 / 8) ** 3)
    assert report.agreement == pytest.approx(np.ones((3, 3)))


def test_judges_that_err_apart_are_worth_their_number():
    """Errors that never coincide make three judges three."""
    labels = np.zeros(6)
    report = agreement_report(np.array([[1, 1, 0, 0, 0, 0], [0, 0, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1]]), labels)
    assert report.effective_judges == pytest.approx(3.0)
    assert report.all_wrong == 0.0


@pytest.mark.parametrize(
    ("scores", "kappa"),
    [
        pytest.param([[1, 1, 0, 0], [1, 1, 0, 0]], 1.0, id="agree"),
        pytest.param([[1, 1, 0, 0], [1, 0, 1, 0]], 0.0, id="chance"),
        pytest.param([[1, 1, 0, 0], [0, 0, 1, 1]], -1.0, id="opposite"),
        pytest.param([[1, 1, 1, 1], [1, 1, 1, 1]], NAN, id="nothing-to-agree-on"),
    ],
)
def test_kappa(scores: list[list[int]], kappa: float):
    """Agreement that chance explains is worth nothing, however high."""
    assert agreement_report(scores).kappa[0, 1] == pytest.approx(kappa, nan_ok=True)


def test_krippendorff_published_example():
    """Krippendorff (2011), section E's data (four observers, twelve units, gaps), interval metric: 0.849."""
    data = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
        [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
    ]
    assert krippendorff_alpha(data) == pytest.approx(0.849, abs=5e-4)


@settings(deadline=None)
@given(scores=SCORES, labelled=st.booleans())
def test_the_report_is_always_readable(scores: np.ndarray, labelled: bool):
    """Any panel, with any gaps, can be reported: no infinity, a worth between one judge and all of them."""
    report = agreement_report(scores, np.zeros(scores.shape[1]) if labelled else None)
    assert np.isnan(report.effective_judges) or 1 - 1e-12 <= report.effective_judges <= len(scores) + 1e-12
    assert not np.isinf(report.kappa).any()
    assert not np.isinf(report.error_correlation).any()
