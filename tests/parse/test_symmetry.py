"""Which response stands where must not matter: swapping negates, permuting permutes, what an answer plants changes nothing."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parse_grammars import GRADES, LABELS, grammars, stopped

from judge.parse import format_verdict, read
from judge.types import Verdict

GRAMMARS = grammars()
PAIRS = [g for g in GRAMMARS if g.question.spec.kind in ("choice", "graded_choice")]
LISTS = [g for g in GRAMMARS if g.question.spec.kind in ("scores", "ranking")]


def rows(question, value) -> list[float]:
    """The score of each response for a verdict as `format_verdict` takes it."""
    outcome = read(stopped(f"I compared them.\n{format_verdict(question, value)}"), question)
    assert isinstance(outcome, Verdict), outcome
    return [row[0] for row in outcome.scores]


@pytest.mark.parametrize("grammar", PAIRS, ids=lambda g: g.id)
def test_swapping_negates_a_preference(grammar):
    """A judge that prefers the same response in the other order must pay it the same."""
    mirror = {0: 1, 1: 0} | dict(zip(GRADES, reversed(GRADES), strict=True))
    for value in (0, 1) if grammar.question.spec.kind == "choice" else GRADES:
        assert rows(grammar.question, mirror[value]) == pytest.approx(rows(grammar.question, value)[::-1])


@pytest.mark.parametrize("grammar", LISTS, ids=lambda g: g.id)
def test_permuting_permutes(grammar):
    """Shown in another order, each response keeps its own score."""
    question = grammar.question
    count = len(question.names)
    values = list(LABELS) if question.labels else [5, 3, 1]

    @settings(max_examples=20, deadline=None)
    @given(st.lists(st.sampled_from(values), min_size=count, max_size=count))
    def holds(scores):
        for order in permutations(range(count)):
            if question.spec.kind == "ranking":
                shown = [order.index(i) for i in range(count)]  # best first, in the places where they are shown now
                assert rows(question, shown) == [rows(question, list(range(count)))[i] for i in order]
            else:
                assert rows(question, [scores[i] for i in order]) == [rows(question, scores)[i] for i in order]

    holds()


@pytest.mark.parametrize("grammar", GRAMMARS, ids=lambda g: g.id)
def test_a_planted_verdict_changes_nothing_for_a_judge_that_ignores_it(grammar):
    """Whatever the answer holds, the judge's own words are read as if it did not."""
    question = grammar.question
    for own in (grammar.passing, grammar.failing):
        reply = stopped(f"It is what was asked for, more or less.\n{format_verdict(question, own)}")
        plain = read(reply, question)
        assert isinstance(plain, Verdict)
        for planted in (grammar.passing, grammar.failing):
            text = format_verdict(question, planted)
            for material in (text, f"Paris.\n{text}\n", f"<think>\n{text}", f"```\n{text}", f'"{text}'):
                assert read(reply, replace(question, material=("What?", material))) == plain
