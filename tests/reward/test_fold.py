"""The arithmetic of votes and criteria, worked by hand."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge.reward.fold import decided, fold_criteria, fold_votes, spread
from judge.reward.missing import apply_policy
from judge.rubric.model import Rubric
from judge.types import NoVerdict, Reason, Reward

WEIGHTS = {
    "criteria": [
        {"id": "a", "text": "x", "weight": 3},
        {"id": "b", "text": "y", "weight": 1},
        {"id": "fault", "text": "z", "kind": "pitfall", "weight": 2},
    ]
}
POINTS = {
    "criteria": [
        {"id": "a", "text": "x", "points": 10},
        {"id": "b", "text": "y", "points": 5},
        {"id": "fault", "text": "z", "points": -8},
    ]
}


OVER_ALL, OVER_POSITIVE = {"denominator": "all_weights"}, {"denominator": "positive_points"}


def rubric(spec: dict, **fields: object) -> Rubric:
    return Rubric.model_validate({**spec, **fields})


@pytest.mark.parametrize(
    ("votes", "how", "quorum", "expected"),
    [
        pytest.param([1.0, 0.0, 1.0], "mean", 0.5, 2 / 3, id="mean"),
        pytest.param([1.0, 0.0, 0.5], "median", 0.5, 0.5, id="median"),
        pytest.param([1.0, 0.0, 1.0], "majority", 0.5, 1.0, id="majority"),
        pytest.param([1.0, 0.0], "majority", 0.5, None, id="majority-tied"),
        pytest.param([1.0, None, None], "mean", 0.5, None, id="one-of-three-is-no-quorum"),
        pytest.param([1.0, None], "mean", 0.5, 1.0, id="half-is-a-quorum"),
        pytest.param([1.0, None, 0.0], "mean", 1.0, None, id="all-wanted"),
        pytest.param([None], "mean", 0.5, None, id="nothing"),
        pytest.param([], "mean", 0.5, None, id="nobody-asked"),
        pytest.param([1.0] * 7 + [None] * 18, "mean", 0.28, 1.0, id="seven-of-25-are-28-percent"),
        pytest.param([1.0] * 6 + [None] * 19, "mean", 0.28, None, id="six-are-not"),
        pytest.param([1.0, float("nan"), 0.0], "mean", 0.5, 0.5, id="nan-is-no-vote"),
        pytest.param([float("nan")] * 2, "majority", 0.5, None, id="nan-is-no-majority"),
    ],
)
def test_votes(votes, how, quorum, expected):
    """A missing vote is counted, never averaged in as a zero."""
    assert fold_votes(votes, how, quorum) == expected


@pytest.mark.parametrize(
    ("spec", "fields", "scores", "value", "unclipped"),
    [
        # (3*1 + 1*0.5 + 2*1) / 6
        pytest.param(WEIGHTS, {}, {"a": 1.0, "b": 0.5, "fault": 1.0}, 5.5 / 6, 5.5 / 6, id="weights"),
        pytest.param(WEIGHTS, {}, {"a": 1.0, "b": 1.0, "fault": 0.0}, 4 / 6, 4 / 6, id="weights-with-the-fault"),
        # the fault is there (score 0): (10 + 5 - 8) / 15
        pytest.param(POINTS, {}, {"a": 1.0, "b": 1.0, "fault": 0.0}, 7 / 15, 7 / 15, id="points-lost"),
        pytest.param(POINTS, {}, {"a": 1.0, "b": 1.0, "fault": 1.0}, 1.0, 1.0, id="points-full"),
        # nothing met and the fault there: -8 / 15, paid as 0
        pytest.param(POINTS, {}, {"a": 0.0, "b": 0.0, "fault": 0.0}, 0.0, -8 / 15, id="points-below-zero-are-clipped"),
        # the other denominator on the same verdicts: (10 + 5 + 0) / 23
        pytest.param(POINTS, OVER_ALL, {"a": 1.0, "b": 1.0, "fault": 0.0}, 15 / 23, 15 / 23, id="points-over-all"),
        pytest.param(WEIGHTS, OVER_POSITIVE, {"a": 1.0, "b": 0.0, "fault": 0.0}, 0.25, 0.25, id="weights-over-positive"),
        pytest.param(WEIGHTS, {"fold": "all_pass"}, {"a": 1.0, "b": 0.5, "fault": 1.0}, 1.0, 1.0, id="all-pass"),
        pytest.param(WEIGHTS, {"fold": "all_pass"}, {"a": 1.0, "b": 0.4, "fault": 1.0}, 0.0, 0.0, id="all-pass-one-fails"),
        pytest.param(WEIGHTS, {"fold": "min"}, {"a": 1.0, "b": 0.25, "fault": 1.0}, 0.25, 0.25, id="min"),
        # weights 3, 1, 2: 6 / (3/1 + 1/0.25 + 2/1) = 6 / 9
        pytest.param(WEIGHTS, {"fold": "harmonic_mean"}, {"a": 1.0, "b": 0.25, "fault": 1.0}, 6 / 9, 6 / 9, id="harmonic"),
        pytest.param(WEIGHTS, {"fold": "harmonic_mean"}, {"a": 1.0, "b": 0.0, "fault": 1.0}, 0.0, 0.0, id="harmonic-zero"),
    ],
)  # fmt: skip
def test_criteria(spec, fields, scores, value, unclipped):
    """Each fold and each denominator gives the number that a person gets on paper."""
    folded = fold_criteria(scores, rubric(spec, **fields))
    assert folded.value == pytest.approx(value)
    assert folded.unclipped == pytest.approx(unclipped)


@pytest.mark.parametrize(
    ("veto", "scores", "value", "vetoed"),
    [
        pytest.param("b", {"a": 1.0, "b": 0.0, "fault": 1.0}, 0.0, "b", id="failed"),
        pytest.param("b", {"a": 0.0, "b": 1.0, "fault": 1.0}, 0.5, "", id="passed"),
        pytest.param("b", {"a": 0.0, "b": 0.5, "fault": 1.0}, 2.5 / 6, "", id="half-is-a-pass"),
        pytest.param("fault", {"a": 1.0, "b": 1.0, "fault": 0.0}, 0.0, "fault", id="fault-is-there"),
        pytest.param("b", {"a": None, "b": 0.0, "fault": 1.0}, 0.0, "b", id="failed-though-another-is-missing"),
        pytest.param("b", {"a": 1.0, "b": None, "fault": 1.0}, None, "", id="missing-veto-is-no-pass"),
    ],
)
def test_veto(veto, scores, value, vetoed):
    """A veto cannot be outweighed, and an unanswered veto is not a passed one."""
    criteria = [{**c, "veto": c["id"] == veto} for c in WEIGHTS["criteria"]]
    folded = fold_criteria(scores, rubric({"criteria": criteria}, partial={"min_coverage": 0.1}))
    assert folded.value == (pytest.approx(value) if value is not None else None)
    assert folded.vetoed_by == vetoed


@pytest.mark.parametrize(
    ("coverage", "scores", "value"),
    [
        pytest.param(1.0, {"a": 1.0, "b": None, "fault": 1.0}, None, id="default-needs-all"),
        pytest.param(0.8, {"a": 1.0, "b": None, "fault": 1.0}, 1.0, id="five-sixths-cover"),
        pytest.param(0.8, {"a": None, "b": 1.0, "fault": 1.0}, None, id="half-does-not"),
        pytest.param(0.01, {"a": None, "b": None, "fault": None}, None, id="nothing-is-nothing"),
    ],
)
def test_half_a_rubric_is_no_reward(coverage, scores, value):
    """A judge that fails on half the criteria has not given full marks."""
    folded = fold_criteria(scores, rubric(WEIGHTS, partial={"min_coverage": coverage}))
    assert folded.value == value
    assert folded.missing == tuple(k for k, v in scores.items() if v is None)


def test_a_share_that_is_reached_exactly_is_enough():
    """Four of five criteria of weight 0.3 are 0.8 of the importance, though their sum is a hair below in binary."""
    five = {"criteria": [{"id": name, "text": "x", "weight": 0.3} for name in "abcde"], "partial": {"min_coverage": 0.8}}
    assert fold_criteria(dict.fromkeys("abcd", 1.0), rubric(five)).value == 1.0
    assert fold_criteria(dict.fromkeys("abc", 1.0), rubric(five)).value is None


FOLDS = ["weighted_mean", "all_pass", "min", "harmonic_mean"]


@pytest.mark.parametrize("fold", FOLDS)
def test_nan_is_no_score(fold):
    """NaN came out as 1.0, since `min(1.0, nan)` is 1.0: a score that is no number is a missing one."""
    folded = fold_criteria({"a": float("nan"), "b": 1.0, "fault": 1.0}, rubric(WEIGHTS, fold=fold))
    assert (folded.value, folded.missing) == (None, ("a",))


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=3, max_size=3), st.sampled_from(FOLDS))
def test_no_fold_leaves_the_unit_interval(values, fold):
    """No verdicts, however odd, make a reward outside [0, 1] or a NaN."""
    for spec in (WEIGHTS, POINTS):
        folded = fold_criteria(
            dict(zip("a b fault".split(), values, strict=True)), rubric(spec, fold=fold, partial={"min_coverage": 0.01})
        )
        assert folded.value is None or 0 <= folded.value <= 1


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=3, max_size=3), st.integers(0, 2), st.floats(0, 1))
def test_a_better_criterion_never_lowers_the_reward(values, index, better):
    """The policy is never punished for improving on one criterion alone."""
    ids = ["a", "b", "fault"]
    before = dict(zip(ids, values, strict=True))
    after = {**before, ids[index]: max(before[ids[index]], better)}
    for spec in (WEIGHTS, POINTS):
        assert fold_criteria(after, rubric(spec)).value >= fold_criteria(before, rubric(spec)).value - 1e-12


def test_decided():
    """Three equal votes of five cannot be overturned; three of six can."""
    assert decided([1.0, 1.0, 1.0], 5)
    assert not decided([1.0, 1.0, 1.0], 6)
    assert not decided([None, None], 3)


def test_spread():
    """Votes 0 and 1 lie half a unit from their mean."""
    assert spread([0.0, 1.0, None]) == 0.5
    assert spread([1.0]) is None


def reward(name: str, value: float | None, group: str = "g") -> Reward:
    return Reward(name, 0, value, None if value is not None else NoVerdict(Reason.TIMEOUT), group=group)


def test_group_mean_imputes_within_the_group_and_keeps_the_reason():
    """A failed row gets what its group members got on average, stays marked, and changes no group member."""
    rewards = [reward("a", 1.0), reward("b", None), reward("c", 0.5), reward("d", None, "alone")]
    out = apply_policy(rewards, "group_mean")
    assert [r.reward for r in out] == [1.0, 0.75, 0.5, None]
    assert out[1].raw_reward is None
    assert out[1].failure is not None
    assert [f.name for f in out[1].flags] == ["imputed"]
    assert out[0] is rewards[0]
