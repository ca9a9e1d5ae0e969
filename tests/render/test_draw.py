"""Criteria drawn for each judgement: by weight, from seed and sample alone."""

from __future__ import annotations

from collections import Counter

import pytest

from judge.recipe.load import load_recipe
from judge.recipe.model import RecipeSpec
from judge.render.build import Ask, Builder
from judge.render.draw import drawn
from judge.rubric.load import rubric_from
from judge.types import Sample

RUBRIC = rubric_from(
    {
        "name": "r",
        "criteria": [
            {"id": "heavy", "text": "It is right.", "weight": 6},
            *({"id": f"light{i}", "text": f"It has quality {i}.", "weight": 1} for i in range(6)),
            {"id": "short", "text": "At most 40 words.", "check": "max_words", "args": {"n": 40}},
        ],
    },
    "r",
)


def pair(number: int) -> Sample:
    return Sample.of(f"Question {number}?", "It is 4.", "It is 5.", id=str(number))


def chosen(number: int, seed: int = 0) -> list[str]:
    return [c.id for c in drawn(RUBRIC, 2, seed, pair(number)).criteria]


def test_two_of_seven_and_the_programs():
    """A program costs nothing, so its check is never left out."""
    for number in range(50):
        ids = chosen(number)
        assert len(ids) == 3
        assert ids[-1] == "short"
        assert ids == sorted(ids, key=[c.id for c in RUBRIC.criteria].index)


def test_by_weight():
    """Six times the weight: P(heavy among two) = 6/12 + 6/12 * 6/11 = 0.773 (first draw, or second behind a light one)."""
    counts = Counter(name for number in range(2_000) for name in chosen(number))
    assert counts["heavy"] / 2_000 == pytest.approx(0.773, abs=0.03)
    assert all(counts[f"light{i}"] / 2_000 == pytest.approx((2 - 0.773) / 6, abs=0.03) for i in range(6))


def test_the_same_for_one_sample_and_another_for_another_seed():
    """A reward can be traced to its request, and a second run with another seed draws anew."""
    assert chosen(7) == chosen(7)
    assert any(chosen(n, seed=1) != chosen(n) for n in range(10))


def test_both_orders_show_the_same_principles():
    """A pair asked in both orders under two sets of principles could disagree for that reason alone."""
    builder = Builder(load_recipe("salmon"))
    rubric = rubric_from({"name": "p", "criteria": [{"id": f"p{i}", "text": f"Quality {i}."} for i in range(9)]}, "p")
    case = builder.case(pair(1), rubric)
    turn = builder.recipe.spec.turns[0]
    shown = [builder.messages(case, turn, Ask(order), {})[-1].text.partition("Principles:")[2] for order in ((0, 1), (1, 0))]
    assert shown[0] == shown[1]
    assert shown[0].count("Quality") == 3


def test_a_checklist_draws_nothing():
    """A criterion that was not asked about would have no verdict, and the reward none either."""
    with pytest.raises(ValueError, match="a checklist asks about every criterion"):
        RecipeSpec.model_validate(
            {
                "name": "x", "summary": "x", "mode": "checklist", "source": {"title": "x"}, "draw": 2,
                "turns": [{"name": "t", "user": "t.md.j2"}], "verdict": {"kind": "criteria"},
            }
        )  # fmt: skip
