"""Which responses to train on, and where a step's reward goes."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge.recipe.steps import Span
from judge.reward.process import token_rewards, token_spans
from judge.shape.process import consistent

NAN = math.nan
ROWS = st.lists(st.tuples(st.sampled_from([0.0, 1.0, NAN]), st.sampled_from([0.1, 0.3, 0.5, 0.7, NAN])), max_size=10)


@pytest.mark.parametrize(
    ("outcomes", "process", "keep", "kept"),
    [
        pytest.param([1, 1, 1, 0], [0.9, 0.2, 0.6, 0.4], 2, [0, 3], id="best-right-and-worst-wrong"),
        pytest.param([1, 1, 0, 0], [0.9, 0.2, 0.9, 0.1], 2, [0, 3], id="one-of-each"),
        pytest.param([1, 1, 1, 0], [0.9, 0.2, 0.6, 0.4], 3, [0, 2, 3], id="few-wrong-are-all-kept"),
        pytest.param([1, 1, 1], [0.9, 0.2, 0.6], 2, [0, 2], id="all-right"),
        pytest.param([0, 0, 0], [0.9, 0.2, 0.6], 2, [1, 2], id="all-wrong"),
        pytest.param([1, NAN, 1, 0], [0.9, 0.9, NAN, 0.4], 4, [0, 3], id="absent-is-not-kept"),
        pytest.param([1, 0], [0.9, 0.4], 0, [], id="keep-none"),
    ],
)
def test_prof(outcomes: list[float], process: list[float], keep: int, kept: list[int]):
    """Lucky answers with bad steps go first, and so do wrong answers whose steps the judge liked."""
    assert np.flatnonzero(consistent(outcomes, process, keep)).tolist() == kept


@settings(deadline=None)
@given(rows=ROWS, keep=st.integers(0, 12))
def test_prof_keeps_the_balance(rows: list[tuple[float, float]], keep: int):
    """As many as asked for where there are that many, and the two sides as even as they come."""
    outcomes, process = [r[0] for r in rows], [r[1] for r in rows]
    kept = consistent(outcomes, process, keep)
    usable = [o for o, p in rows if not math.isnan(o) and not math.isnan(p)]
    right = sum(o == 1 for o, k in zip(outcomes, kept, strict=True) if k)
    wrong = sum(o == 0 for o, k in zip(outcomes, kept, strict=True) if k)
    assert right + wrong == kept.sum() == min(keep, len(usable))
    if abs(right - wrong) > 1:  # then the smaller side is exhausted
        assert min(right, wrong) == (usable.count(1.0) if right < wrong else usable.count(0.0))


@settings(deadline=None)
@given(sizes=st.lists(st.integers(1, 4), min_size=1, max_size=12), cuts=st.sets(st.integers(1, 30), max_size=4))
def test_no_token_is_paid_twice(sizes: list[int], cuts: set[int]):
    """However tokens straddle steps, each belongs to one step at most, and steps keep their order."""
    ends = np.cumsum(sizes).tolist()
    offsets = list(zip([0, *ends[:-1]], ends, strict=True))
    edges = sorted({0, *(c for c in cuts if c < ends[-1]), ends[-1]})
    spans = [Span(a, b) for a, b in itertools.pairwise(edges)]
    tokens = token_spans(spans, offsets)
    owned = [n for t in tokens if t for n in range(t.start, t.stop)]
    assert owned == sorted(set(owned)) == list(range(len(offsets)))


@pytest.mark.parametrize(
    ("offsets", "expected"),
    [
        pytest.param([(0, 5), (5, 9), (9, 12)], (Span(0, 1), Span(1, 3)), id="starts-in-the-white-space"),
        pytest.param([(0, 6), (6, 12)], (Span(0, 1), Span(1, 2)), id="ends-in-the-white-space"),
        pytest.param([(0, 12)], (Span(0, 1), None), id="one-token-for-both"),
        pytest.param([(0, 0), (0, 5), (5, 7), (7, 12), (0, 0)], (Span(1, 2), Span(3, 4)), id="special-tokens"),
    ],
)
def test_tokens_at_the_edges(offsets: list[tuple[int, int]], expected: tuple[Span | None, ...]):
    """Tokenizers do not cut where steps end; a step without a token of its own says so."""
    assert token_spans([Span(0, 5), Span(7, 12)], offsets) == expected


@pytest.mark.parametrize(
    ("spread", "expected"),
    [
        pytest.param("last", [0, 0.6, NAN, 0], id="last"),
        pytest.param("all", [0.6, 0.6, NAN, 0], id="all"),
        pytest.param("even", [0.3, 0.3, NAN, 0], id="even"),
    ],
)
def test_dense_rewards(spread, expected: list[float]):
    """An ungraded step leaves its tokens absent, and tokens outside steps earn nothing."""
    spans = [Span(0, 2), Span(2, 3), None]
    assert token_rewards([0.6, NAN, 0.9], spans, 4, spread) == pytest.approx(expected, nan_ok=True)


def test_no_such_spread():
    """A misspelt spread is said, and never read as another one."""
    with pytest.raises(ValueError, match="no spread `mean`; known: last, all, even"):
        token_rewards([0.5], [Span(0, 2)], 4, "mean")


@pytest.mark.parametrize(
    "spans",
    [
        pytest.param([Span(0, 2), Span(1, 3)], id="overlap"),
        pytest.param([Span(0, 2), Span(3, 9)], id="outside"),
        pytest.param([Span(0, 2), Span(3, 3)], id="empty"),
        pytest.param([Span(0, 2)], id="too-few"),
    ],
)
def test_impossible_ranges(spans: list[Span]):
    """Ranges of another tokenizer are noticed."""
    with pytest.raises(ValueError, match=r"tokens|ranges"):
        token_rewards([0.5, 0.5], spans, 4)
