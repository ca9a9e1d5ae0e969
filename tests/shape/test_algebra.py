"""What every kind promises, checked on random batches exactly as it declares it."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge.shape import KINDS, RewardBatch, ShapeStep, shape, span_of
from tests.shape.cases import CASES, batches, take

pytestmark = pytest.mark.slow

EVERY = pytest.mark.parametrize("step", [pytest.param(step, id=name) for name, step in CASES])
FEW = settings(max_examples=15, deadline=None)
SLACK = 1e-9


def run(batch: RewardBatch, step: ShapeStep, seed: int = 3) -> np.ndarray:
    return shape(batch, [step], seed=seed).values


def test_every_kind_has_a_case():
    """A kind nobody tests is a kind nobody can trust."""
    assert {step.kind for _, step in CASES} == set(KINDS)


@EVERY
@FEW
@given(batches())
def test_absent_stays_absent_and_the_rest_stays_in_its_range(step, batch):
    """No trainer ever sees an infinity, or a number where the judge failed."""
    out = run(batch, step)
    low, high = span_of([step])
    assert not np.isinf(out).any()
    assert np.isnan(out[np.isnan(batch.values)]).all()
    known = out[~np.isnan(out)]
    assert (known >= low - SLACK).all()
    assert (known <= high + SLACK).all()


@EVERY
@FEW
@given(batches(absent=False))
def test_what_is_known_gets_a_number(step, batch):
    """With everything a step needs, nobody loses a reward (what is chosen, and what may have nothing to go by, aside)."""
    if step.kind not in ("r3", "co_reward", "prof", "min_form", "renorm", "thoughts", "sure"):
        assert not np.isnan(run(batch, step)).any()


@EVERY
@FEW
@given(batches(vetoes=True))
def test_a_veto_holds_through_every_step(step, batch):
    """A response that is 0 by a veto or a filter comes out no better than as a plain 0, and never as "no reward"."""
    out, plain = run(batch, step), run(replace(batch, vetoed=None), step)
    low, high = span_of([step])
    for row in np.flatnonzero(batch.vetoed & ~np.isnan(batch.values)):
        assert not np.isnan(out[row])
        assert step.kind != "steps" or out[row] <= 0
        assert KINDS[step.kind].order(step) == "none" or not out[row] > plain[row] + SLACK
        assert low - SLACK <= out[row] <= high + SLACK
    assert np.isnan(out[np.isnan(batch.values)]).all()


@EVERY
@FEW
@given(batches(), st.data())
def test_a_failed_row_changes_nothing_for_the_others(step, batch, data):
    """A judge that fails on one response leaves its group members exactly as they would be without it."""
    row = data.draw(st.integers(0, len(batch.values) - 1))
    failed = batch.values.copy()
    failed[row] = np.nan
    rest = [r for r in range(len(failed)) if r != row]
    out = run(replace(batch, values=failed), step)
    np.testing.assert_array_equal(out[rest], run(take(batch, rest), step) if rest else np.zeros(0))


@EVERY
@FEW
@given(batches(), st.randoms(use_true_random=False))
def test_order_of_rows_does_not_matter(step, batch, random):
    """A trainer that shuffles its batch gets the same rewards, bit by bit."""
    rows = list(range(len(batch.values)))
    random.shuffle(rows)
    np.testing.assert_array_equal(run(take(batch, rows), step), run(batch, step)[rows])


@EVERY
@FEW
@given(batches())
def test_same_seed_same_result_and_all_of_it_pickles(step, batch):
    """A worker in another process shapes as this one does, and the state can be stored as JSON."""
    first = shape(batch, [step], seed=1)
    again = shape(pickle.loads(pickle.dumps(batch)), [pickle.loads(pickle.dumps(step))], seed=1)
    np.testing.assert_array_equal(first.values, again.values)
    assert json.loads(json.dumps(first.state)) == first.state == again.state
    assert pickle.loads(pickle.dumps(first)).optional() == first.optional()


@EVERY
@FEW
@given(batches(absent=False), st.data())
def test_order_of_rewards_is_kept_as_declared(step, batch, data):
    """A better answer is never paid less than a worse one, as far as the kind promises."""
    order = KINDS[step.kind].order(step)
    if order == "none":
        pytest.skip("this kind promises no order")
    out = run(batch, step)
    if order == "row":
        row = data.draw(st.integers(0, len(out) - 1))
        better = batch.values.copy()
        better[row] = data.draw(st.floats(better[row], 1))
        assert not run(replace(batch, values=better), step)[row] < out[row] - SLACK
        return
    for i, one in enumerate(batch.values):
        for j, other in enumerate(batch.values):
            if one <= other and (order == "global" or batch.groups[i] == batch.groups[j]):
                assert out[i] <= out[j] + SLACK


@FEW
@given(batches(), st.lists(st.sampled_from([s for _, s in CASES]), max_size=4))
def test_any_chain_that_is_not_refused_stays_in_its_range(batch, steps):
    """Ranges add up along a chain."""
    from judge.errors import SettingsError

    try:
        shaped = shape(batch, steps, seed=0)
    except SettingsError:
        return
    assert shaped.trace[0][0] == "raw"
    assert len(shaped.trace) == len(steps) + 1
    known = shaped.values[~np.isnan(shaped.values)]
    low, high = span_of(steps)
    assert np.isfinite(known).all()
    assert (known >= low - SLACK * max(1, abs(low) if np.isfinite(low) else 1)).all()
    assert (known <= high + SLACK * max(1, abs(high) if np.isfinite(high) else 1)).all()
