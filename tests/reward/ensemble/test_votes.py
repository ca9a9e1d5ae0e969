"""Votes that a meta-judge chooses from."""

from __future__ import annotations

import numpy as np
import pytest

from judge.reward.ensemble import guided_vote

NAN = np.nan


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
