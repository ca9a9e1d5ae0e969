"""Every combination of fold, comparison and squash that a recipe may name stays in [0, 1], and equals a second implementation."""

from __future__ import annotations

import itertools
import math
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge.errors import InputError
from judge.recipe.signal import LOGS, BaselineUse, LikelihoodSpec, Squash, TokenFold
from judge.reward.likelihood import compared, folded, squashed
from tests.hostile import tries

COMBINATIONS = list(itertools.product(get_args(TokenFold), get_args(BaselineUse), get_args(Squash)))
LOGPROBS = st.lists(st.floats(-30, 0), min_size=1, max_size=12)


def spec_of(fold, compare, squash, scale=1.0):
    """The combination as a recipe has it; None where it is refused."""
    baseline = {} if compare == "none" else {"baseline": "b"}
    try:
        return LikelihoodSpec(of="a", fold=fold, compare=compare, squash=squash, scale=scale, **baseline)
    except InputError:
        return None


def result(spec, of, baseline, size=7):
    logs = spec.fold in LOGS
    values = [folded(each, spec.fold, size) for each in (of, baseline)]
    return squashed(spec.scale * compared(values[0], values[1], spec.compare, logs=logs), spec.squash)


@pytest.mark.parametrize(("fold", "compare", "squash"), [c for c in COMBINATIONS if spec_of(*c) is not None])
def test_what_is_allowed_lies_in_0_to_1(fold, compare, squash):
    """Whatever the engine reports; and it is no constant, so it can be trained on."""
    spec = spec_of(fold, compare, squash)
    seen = set()

    @tries(60, 2_000)
    @given(LOGPROBS, LOGPROBS)
    def holds(of, baseline):
        value = result(spec, of, baseline)
        assert math.isnan(value) or 0 <= value <= 1
        seen.add(value)

    holds()
    assert len(seen) > 1


@pytest.mark.parametrize(("fold", "compare", "squash"), [c for c in COMBINATIONS if spec_of(*c) is None])
def test_what_is_refused_would_not_do(fold, compare, squash):
    """It leaves [0, 1], is cut to one number, or pays the less likely text more."""
    spec = LikelihoodSpec.model_construct(
        of="a", baseline="b", fold=fold, compare=compare, squash=squash, scale=1.0, texts="whole"
    )
    likely, middling, unlikely = [-0.1, -0.2], [-1.0, -1.5], [-6.0, -7.0]
    found = [result(spec, of, base) for of in (likely, middling, unlikely) for base in (likely, middling, unlikely)]
    outside = any(not 0 <= value <= 1 for value in found)
    constant = len(set(found)) == 1
    reversed_ = result(spec, likely, middling) < result(spec, unlikely, middling)
    cut = len({result(spec, of, middling) for of in (likely, [-0.3, -0.4], [-0.5, -0.6])}) == 1  # all better than the baseline
    assert outside or constant or reversed_ or cut


@tries(100, 2_000)
@given(LOGPROBS, st.integers(1, 500))
def test_folds_equal_a_second_implementation(logprobs, size):
    """NumPy, from the definitions: perplexity is 2 to the bits a token, and its inverse is the geometric mean."""
    p = np.exp(np.array(logprobs, dtype=np.longdouble))
    expected = {
        "sum": np.log(p).sum(),
        "mean": np.log(p).mean(),
        "geometric": 1 / np.exp2(-np.log2(p).mean()),
        "mean_probability": p.mean(),
        "bits_per_byte": np.log2(p).sum() / size,
    }
    for fold, value in expected.items():
        assert folded(logprobs, fold, size) == pytest.approx(float(value), rel=1e-9, abs=1e-12), fold


def test_a_likelier_text_is_never_paid_less():
    """In every combination that is allowed, against the same baseline."""
    for spec in filter(None, itertools.starmap(spec_of, COMBINATIONS)):
        values = [result(spec, [each, each], [-2.0, -3.0]) for each in (-9.0, -4.0, -2.5, -1.0, -0.1)]
        assert values == sorted(values), spec
        assert values[-1] > values[0], spec
