"""Rewards of a panel -> one reward; the arithmetic is in the tables."""

from __future__ import annotations

import pytest

from judge.reward.ensemble import fold_panel


@pytest.mark.parametrize(
    ("values", "fold", "k", "expected"),
    [
        pytest.param([1.0, 0.5, 0.0], "mean", 1.0, 0.5, id="mean"),
        pytest.param([1.0, 0.9, 0.0], "median", 1.0, 0.9, id="median"),
        pytest.param([1.0, 0.9, 0.2], "min", 1.0, 0.2, id="worst-case"),
        pytest.param([0.8, 0.8, 0.8], "lower_bound", 1.0, 0.8, id="agreement-costs-nothing"),
        pytest.param([1.0, 0.0], "lower_bound", 1.0, 0.0, id="0.5-minus-0.5"),
        pytest.param([1.0, 0.5], "lower_bound", 0.5, 0.625, id="0.75-minus-half-of-0.25"),
        pytest.param([1.0, 0.0, 0.0], "lower_bound", 3.0, 0.0, id="never-below-0"),
        pytest.param([1.0, None], "mean", 1.0, 1.0, id="half-is-a-quorum"),
        pytest.param([1.0, None, None], "mean", 1.0, None, id="a-third-is-not"),
        pytest.param([None, None], "min", 1.0, None, id="nobody"),
    ],
)
def test_fold(values: list[float | None], fold: str, k: float, expected: float | None):
    """A judge without a verdict is left out, never counted as 0."""
    result = fold_panel(values, fold, k=k)  # type: ignore[arg-type]  # a table of names
    assert result == (None if expected is None else pytest.approx(expected))
