"""Step scores of one response: folds, the first error, thoughts, credit."""

from __future__ import annotations

import itertools
import math
import pickle
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge.reward.process import NO_ERROR, StepFold, first_error, fold_steps
from judge.shape import RewardBatch, StepsStep, shape
from judge.shape.process import merge_thoughts, min_form, renorm, thought_rewards
from judge.shape.scalar import step_returns

NAN = math.nan
STEPS = st.lists(st.floats(0, 1), min_size=1, max_size=8)
GAPPY = st.lists(st.one_of(st.just(NAN), st.floats(0, 1)), max_size=8)
FOLDS = get_args(StepFold)


@pytest.mark.parametrize(
    ("steps", "how", "expected"),
    [
        pytest.param([0.9, 0.8, 0.5], "min", 0.5, id="min"),
        pytest.param([0.9, 0.8, 0.5], "product", 0.36, id="product"),
        pytest.param([0.9, 0.8, 0.4], "mean", 0.7, id="mean"),
        pytest.param([0.9, 0.8, 0.4], "last", 0.4, id="last"),
        pytest.param([0.9, 0.8, 0.4], "max", 0.9, id="max"),
        pytest.param([0.9, 0.8, 0.4, 0.9], "before_error", 0.5, id="half-before-the-error"),
        pytest.param([0.9, 0.8], "before_error", 1.0, id="no-error"),
        pytest.param([0.9, NAN, 0.4], "mean", NAN, id="a-gap-might-be-anything"),
        pytest.param([0.9, NAN, 0.4], "last", 0.4, id="a-gap-before-the-last-is-no-matter"),
        pytest.param([0.9, 0.1, NAN], "before_error", 0.5 - 1 / 6, id="a-gap-after-the-error-is-no-matter"),
        pytest.param([0.9, NAN, 0.1], "before_error", NAN, id="a-gap-before-the-error-is"),
        pytest.param([], "min", NAN, id="no-steps"),
        pytest.param([], "before_error", NAN, id="no-steps-before-error"),
    ],
)
def test_folds(steps: list[float], how: StepFold, expected: float):
    """A step that the judge did not grade makes the reward absent wherever it could have changed it."""
    assert fold_steps(steps, how) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("how", FOLDS)
@settings(deadline=None)
@given(steps=STEPS, position=st.integers(0, 7), gain=st.floats(0, 1))
def test_folds_are_monotone_and_bounded(how: StepFold, steps: list[float], position: int, gain: float):
    """Making a step better never lowers the reward."""
    raised = list(steps)
    raised[position % len(steps)] = max(raised[position % len(steps)], gain)
    before, after = fold_steps(steps, how), fold_steps(raised, how)
    assert 0 <= before <= after + 1e-12 <= 1 + 1e-9


@pytest.mark.parametrize("how", ["min", "product", "before_error"])
@settings(deadline=None)
@given(steps=STEPS, more=st.lists(st.floats(0.5, 1), min_size=1, max_size=4))
def test_padding_with_good_steps_buys_nothing(how: StepFold, steps: list[float], more: list[float]):
    """A wrong step cannot be paid off by more right ones: min and product never rise, before_error not past an error in front."""
    if how != "before_error" or first_error(steps) != NO_ERROR:
        assert fold_steps(steps + more, how) <= fold_steps(steps, how) + 1e-12


@settings(deadline=None)
@given(steps=GAPPY)
def test_first_error_is_what_it_says(steps: list[float]):
    """ProcessBench's index, or silence where a gap hides it."""
    found = first_error(steps)
    if found is None:
        assert any(math.isnan(s) for s in steps)
    elif found == NO_ERROR:
        assert all(s >= 0.5 for s in steps)
    else:
        assert steps[found] < 0.5
        assert all(s >= 0.5 for s in steps[:found])


@settings(deadline=None)
@given(steps=GAPPY)
def test_thoughts_cover_the_steps(steps: list[float]):
    """Merging loses no step, neighbours differ, and cutting a step in two makes no further thought."""
    thoughts = merge_thoughts(steps)
    assert [n for t in thoughts for n in range(t.start, t.stop)] == list(range(len(steps)))
    assert all(a.correct is not b.correct for a, b in itertools.pairwise(thoughts))
    doubled = [s for s in steps for _ in range(2)]
    assert [t.correct for t in merge_thoughts(doubled)] == [t.correct for t in thoughts]
    assert pickle.loads(pickle.dumps(thoughts)) == thoughts


@pytest.mark.parametrize(
    ("solved", "pass_rate", "expected"),
    [
        pytest.param(True, 0.25, [1.0, -0.25, NAN], id="solved-wandering-costs-little-while-weak"),
        pytest.param(True, 1.0, [1.0, -1.0, NAN], id="solved-wandering-costs-all-when-able"),
        pytest.param(False, 0.0, [1.0, -1.0, NAN], id="failed-good-start-is-paid-while-weak"),
        pytest.param(False, 1.0, [0.0, -1.0, NAN], id="failed-good-start-earns-nothing-when-able"),
    ],
)
def test_ability_sets_the_price(solved: bool, pass_rate: float, expected: list[float]):
    """A weak policy is encouraged to explore, an able one to be tidy; an ungraded thought is paid nothing at all."""
    thoughts = merge_thoughts([0.9, 0.1, NAN])
    assert thought_rewards(thoughts, solved, pass_rate) == pytest.approx(expected, nan_ok=True)


@settings(deadline=None)
@given(steps=st.lists(st.floats(-5, 5), min_size=1, max_size=8), temperature=st.sampled_from([0.0, 1e-300, 0.01, 0.1, 1.0, 1e9]))
def test_min_form_sums_to_about_the_minimum(steps: list[float], temperature: float):
    """A trainer that sums step rewards gets between the worst step and the mean, however many steps there are."""
    paid = min_form(steps, temperature)
    assert np.isfinite(paid).all()
    assert min(steps) - 1e-9 <= paid.sum() <= float(np.mean(steps)) + 1e-9
    if temperature == 0:
        assert paid.sum() == pytest.approx(min(steps))


def test_min_form_is_as_sharp_as_published():
    """PURE's figures lie in [-1, 1] at T = 0.1; ours in [0, 1] weigh the steps alike: exp(-0.2 / 0.05) = exp(-4)."""
    steps = np.array([0.4, 0.6])
    weights = min_form(steps) / steps
    assert weights == pytest.approx([1 / (1 + math.exp(-4)), math.exp(-4) / (1 + math.exp(-4))])
    assert weights == pytest.approx(min_form(2 * steps - 1, 0.1) / (2 * steps - 1))


@pytest.mark.parametrize("temperature", [0.0, 5e-324, 1e-300, 0.05])
def test_min_form_of_extremes(temperature: float):
    """Steps as far apart as numbers go, and no warning about it: the worst is all there is."""
    assert min_form([1e308, -1e308], temperature) == pytest.approx([0.0, -1e308])


@pytest.mark.parametrize(
    ("steps", "refine", "returns", "mean"),
    [
        pytest.param([1, 0, 0, 0, 0], "clip_delta", [1, 0.1, 0.1, 0.1, 1], 0.46, id="bad-from-the-second-on"),
        pytest.param([0, 1, 1, 1, 1], "clip_delta", [0.1, 1, 1, 1, 1], 0.82, id="bad-at-the-start-only"),
        pytest.param([0], "clip_delta", [1], 1.0, id="one-step-is-paid-by-the-outcome"),
        pytest.param([1, 0, 1], "delta", [2, 1, 1], 4 / 3, id="delta"),
        pytest.param([1, 0, 1], "clip", [0.1, 0.1, 1], 0.4, id="clip"),
        pytest.param([1, NAN, 1], "clip_delta", [NAN, NAN, NAN], NAN, id="a-step-is-missing"),
        pytest.param([0.5, NAN], "delta", [1.5, 1], 1.25, id="the-last-step-takes-no-part-in-delta"),
    ],
)
def test_clip_and_delta_pay_each_step(steps: list[float], refine: str, returns: list[float], mean: float):
    """A bad step is charged where it stands; the sum over the response would leave the first step's charge alone."""
    assert step_returns(steps, 1.0, refine=refine) == pytest.approx(returns, nan_ok=True)
    batch = RewardBatch.of([1.0], steps=[steps])
    shaped = shape(batch, [StepsStep(refine=refine)], seed=0).optional()
    assert shaped == [None] if math.isnan(mean) else shaped == pytest.approx([mean])


def test_min_form_with_a_gap():
    """The ungraded step might be the worst one, so no step's share is known."""
    assert np.isnan(min_form([0.9, NAN])).all()


@settings(deadline=None)
@given(steps=STEPS, outcome=st.floats(0, 1))
def test_renorm_pays_a_step_only_with_its_outcome(steps: list[float], outcome: float):
    """In a failed attempt no step is paid; in a perfect one none is charged."""
    paid = renorm(steps, outcome)
    assert ((paid >= -1) & (paid <= 1)).all()
    assert (renorm(steps, 0.0) <= 0).all()
    assert (renorm(steps, 1.0) >= 0).all()
    assert np.isnan(renorm(steps, None)).all()
