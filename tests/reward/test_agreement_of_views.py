"""Two orders of one pair, similar examples, and whole rubrics met: small figures that must not drift."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from judge.reward.fold import strict_completion
from judge.reward.tournament import win_probability
from judge.shape.views import fuse_similar

NAN = np.nan


@settings(deadline=None)
@given(st.floats(-4, 4), st.floats(-4, 4))
def test_a_constant_preference_for_a_place_cancels(quality: float, bias: float):
    """A judge that likes what it reads first gives the chance it would give without that."""
    first, second = expit(np.array([quality + bias])), expit(np.array([quality - bias]))
    assert win_probability(first, second)[0] == pytest.approx(expit(quality), abs=1e-6)


@settings(deadline=None)
@given(st.floats(0, 1), st.floats(0, 1))
def test_two_sides_of_a_pair_add_up(first: float, second: float):
    """What the response wins, the anchor loses."""
    ours = win_probability(np.array([first]), np.array([second]))
    theirs = win_probability(np.array([1 - second]), np.array([1 - first]))
    assert 0 < ours[0] < 1
    assert ours[0] + theirs[0] == pytest.approx(1)


def test_one_order_is_no_comparison():
    """A judge that failed in one order leaves no chance, and 1 stays finite."""
    found = win_probability(np.array([NAN, 1.0]), np.array([0.9, 1.0]))
    assert np.isnan(found[0])
    assert found[1] == pytest.approx(1 - 1e-6)


@pytest.mark.parametrize(("first", "second"), [(1.7, 0.5), (0.5, -0.1)])
def test_a_chance_is_a_chance(first: float, second: float):
    """A score of 1 to 10 in its place would become certainty."""
    with pytest.raises(ValueError, match=r"chances must be in \[0, 1\]"):
        win_probability(np.array([first]), np.array([second]))


@pytest.mark.parametrize(
    ("similar", "near", "expected"),
    [
        pytest.param([0.0, 0.0], [1.0, 1.0], 0.5, id="half-way"),
        pytest.param([0.0, 1.0], [0.0, 1.0], 1.0, id="what-is-not-similar-does-not-count"),
        pytest.param([NAN, 0.0], [1.0, 1.0], 0.5, id="a-neighbour-without-a-reward-is-left-out"),
        pytest.param([NAN, NAN], [1.0, 1.0], 1.0, id="alone"),
        pytest.param([0.0, 0.0], [0.0, 0.0], 1.0, id="none-similar"),
    ],
)
def test_similar_examples(similar: list[float], near: list[float], expected: float):
    """A neighbour pulls by how near it is, and its absence is not a 0."""
    assert fuse_similar([1.0], [similar], [near])[0] == expected


def test_what_is_absent_stays_absent():
    """Neighbours do not make up a reward."""
    assert np.isnan(fuse_similar([NAN], [[1.0]], [[1.0]])[0])
    with pytest.raises(ValueError, match="neighbours"):
        fuse_similar([1.0], [[1.0, 0.0]], [[1.0]])


@pytest.mark.parametrize(
    ("components", "required", "expected"),
    [
        pytest.param([{"a": 1.0, "b": 1.0}, {"a": 1.0, "b": 0.4}], (), 0.5, id="half"),
        pytest.param([{"a": 1.0, "b": 0.0}], ("a",), 1.0, id="only-what-is-required"),
        pytest.param([{"a": 1.0, "b": None}], (), None, id="an-unknown-leaves-it-open"),
        pytest.param([{"a": 0.0, "b": None}], (), 0.0, id="unless-another-failed"),
        pytest.param([{"a": 1.0}], ("a", "b"), None, id="never-judged"),
        pytest.param([], (), None, id="nobody"),
        pytest.param([{}], (), None, id="no-criteria"),
    ],
)
def test_strict_completion(components: list[dict[str, float | None]], required: tuple[str, ...], expected: float | None):
    """A rising mean with no response that meets everything is seen."""
    assert strict_completion(components, required) == expected
