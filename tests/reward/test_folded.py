"""Everything a fold says, not its value alone: what is missing, how much is covered, and the arithmetic that a person reads."""

from __future__ import annotations

import pytest

from judge.reward.fold import Folded, decided, fold_criteria, fold_votes, strict_completion
from judge.rubric.model import Rubric


def rubric(**fields) -> Rubric:
    """Two criteria of weight 3 and 1, unless a test says otherwise."""
    criteria = [{"id": "a", "text": "A.", "weight": 3}, {"id": "b", "text": "B.", "weight": 1}]
    return Rubric.model_validate({"criteria": criteria, **fields})


def points(**fields) -> Rubric:
    """+10, +10 and a fault of -5."""
    criteria = [{"id": name, "text": "It is.", "points": value} for name, value in (("a", 10), ("b", 10), ("c", -5))]
    return Rubric.model_validate({"criteria": criteria, **fields})


VETO = [{"id": "a", "text": "A.", "weight": 3}, {"id": "b", "text": "B.", "weight": 1, "veto": True}]
HALF = {"min_coverage": 0.5}


@pytest.mark.parametrize(
    ("by", "scores", "whole"),
    [
        pytest.param(rubric(), {"a": 1.0, "b": 0.5}, Folded(0.875, 0.875, (), 1.0, "", "3.5 of 4 weight"), id="mean"),
        pytest.param(rubric(), {"a": 1.0}, Folded(None, None, ("b",), 0.75, "", "no verdict on b"), id="one-missing"),
        pytest.param(rubric(), {}, Folded(None, None, ("a", "b"), 0.0, "", "no verdict on a, b"), id="all-missing"),
        pytest.param(
            rubric(partial=HALF), {"a": 1.0, "b": None}, Folded(1.0, 1.0, ("b",), 0.75, "", "3 of 3 weight"), id="partial"
        ),
        pytest.param(
            rubric(partial={"min_coverage": 0.75}),
            {"a": 0.5},
            Folded(0.5, 0.5, ("b",), 0.75, "", "1.5 of 3 weight"),
            id="just-enough",
        ),
        pytest.param(rubric(partial=HALF), {"b": 1.0}, Folded(None, None, ("a",), 0.25, "", "no verdict on a"), id="too-little"),
        pytest.param(
            rubric(criteria=VETO, partial=HALF),
            {"b": 0.0},
            Folded(0.0, 0.0, ("a",), 0.25, "b", "veto: `b` failed, so the reward is 0"),
            id="veto-failed",
        ),
        pytest.param(
            rubric(criteria=VETO, partial=HALF),
            {"a": 1.0},
            Folded(None, None, ("b",), 0.75, "", "no verdict on b"),
            id="veto-missing",
        ),
        pytest.param(
            rubric(fold="all_pass", partial=HALF),
            {"a": 0.5},
            Folded(1.0, 1.0, ("b",), 0.75, "", "all_pass: 1 of 1 criteria pass"),
            id="all-pass",
        ),
        pytest.param(
            rubric(fold="all_pass"),
            {"a": 1.0, "b": 0.25},
            Folded(0.0, 0.0, (), 1.0, "", "all_pass: 1 of 2 criteria pass"),
            id="one-fails",
        ),
        pytest.param(
            rubric(fold="min", partial=HALF), {"a": 0.25}, Folded(0.25, 0.25, ("b",), 0.75, "", "min: `a` is lowest"), id="min"
        ),
        pytest.param(
            points(),
            {"a": 1.0, "b": 0.0, "c": 0.0},
            Folded(0.25, 0.25, (), 1.0, "", "5 of 20 positive points"),
            id="a-fault-counts",
        ),
        pytest.param(
            points(), {"a": 0.0, "b": 0.0, "c": 0.0}, Folded(0.0, -0.25, (), 1.0, "", "-5 of 20 positive points"), id="below-zero"
        ),
        pytest.param(
            points(partial=HALF),
            {"a": 1.0, "c": 1.0},
            Folded(1.0, 1.0, ("b",), 0.6, "", "10 of 10 positive points"),
            id="points-partial",
        ),
        pytest.param(
            points(partial={"min_coverage": 0.2}),
            {"c": 1.0},
            Folded(None, None, ("a", "b"), 0.2, "", "no positive criterion has a verdict"),
            id="only-the-fault-is-judged",
        ),
    ],
)
def test_the_whole_record(by, scores, whole):
    """Tables and explanations show all of it, so all of it is compared."""
    assert fold_criteria(scores, by) == whole


def test_votes_by_default():
    """The mean of at least half of the votes."""
    assert fold_votes([1.0, 0.0, None, None]) == 0.5
    assert fold_votes([1.0, None, None]) is None


@pytest.mark.parametrize(
    ("votes", "planned", "settled"),
    [
        ([1.0, 1.0, 1.0], 5, True),
        ([1.0, 1.0, 0.0], 4, False),  # the last vote can make it two all
        ([1.0, 1.0, 1.0, 0.0], 5, True),
        ([0.0, 0.0, 1.0, 1.0, 0.5], 6, False),
        ([1.0, 1.0, 1.0, 0.0, 0.0, 0.5], 7, False),  # 3 to 2 with one to come can still be a tie
        ([None, None], 3, False),
    ],
)
def test_a_majority_that_cannot_change(votes, planned, settled):
    """Stopping earlier would change rewards; stopping later costs calls."""
    assert decided(votes, planned) is settled


def test_half_a_point_is_enough_to_pass():
    """A grade at the threshold passes, here as in the fold itself."""
    assert strict_completion([{"a": 0.5, "b": 1.0}]) == 1.0
    assert strict_completion([{"a": 0.49, "b": 1.0}]) == 0.0
