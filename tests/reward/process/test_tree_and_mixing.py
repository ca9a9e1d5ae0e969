"""Criteria chosen step by step, and a small share of checked outcomes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge.shape.process import min_form, mix_verifiable

TREE = {"facts": "", "sums": "", "carry": "sums", "units": "sums", "metric": "units"}


@settings(deadline=None)
@given(st.lists(st.text(min_size=1, max_size=3), min_size=1, max_size=20), st.floats(0, 1), st.integers(0, 3))
def test_a_question_is_checked_as_a_whole(questions: list[str], share: float, seed: int):
    """Responses of one question stay comparable: all of them have the checked outcome in their reward, or none."""
    rewards = mix_verifiable(np.zeros(len(questions)), np.ones(len(questions)), questions, share=share, seed=seed)
    assert len(set(zip(questions, rewards.tolist(), strict=True))) == len(set(questions))
    alone = [mix_verifiable([0.0], [1.0], [q], share=share, seed=seed)[0] for q in questions]
    assert rewards.tolist() == alone


def test_about_a_tenth():
    """The default share is the paper's."""
    questions = [f"q{k}" for k in range(2000)]
    checked = mix_verifiable(np.zeros(2000), np.ones(2000), questions)
    assert 0.08 < checked.mean() < 0.12


def test_only_a_checked_question_needs_its_outcome():
    """An outcome that failed is no outcome of 0, and where none is asked for it costs nothing."""
    steps = [min_form([0.9, 0.2]).sum(), math.nan]
    assert np.isnan(mix_verifiable(steps, [math.nan, 1.0], ["a", "a"], share=1.0)).all()
    assert mix_verifiable(steps, [math.nan, 1.0], ["a", "a"], share=0.0)[0] == steps[0]
    with pytest.raises(ValueError, match="questions"):
        mix_verifiable([0.0], [1.0], ["a", "b"])
