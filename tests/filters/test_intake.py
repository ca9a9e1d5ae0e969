"""What reaches the judge and what does not."""

from __future__ import annotations

import time

import pytest

from judge.checks.match import agrees
from judge.filters.intake import gate
from judge.types import Sample

NOTHING = [
    "", " ", "\n\t", "\u200b", "\u2060\ufeff\u00ad", "\u3164", "\u2800", ".", ",", ":", "...", "-- --", "$", "{", "!?!",
    "<think></think>", "<answer>\n</answer>", "\\boxed{}", "**", "```\n```",
    "Thought process:", "Let's solve this problem step by step.", "Solution", "Solution:", "Respuesta", "解", "かいせつ",
    "Let me solve it step by step.",
    "Let\u2019s do this step by step.", "The solution", "mental process", "**Answer:**", "# Solution",
    "Sure, here is the solution:", "First, let us think about this problem.", "Final answer:", "解答：", "让我们一步一步思考。",
]  # fmt: skip
SOMETHING = [
    "4", "B", "A", "I", "x = 2", "５", "٣", "½", "∞", "π", "∅", "Paris", "Yes", "No", "no", "right", "two", "one",
    "東京", "答え：東京", "解：x=2", "да", "😀", "The answer is 4.", "Solution: 4", "Step 1", "I think it is Paris.",
    "To be or not to be", "Sure, Paris.", "a mixture of salt and water", "<think>4</think>", "O(n)", "§ 4",
]  # fmt: skip


@pytest.mark.parametrize("text", NOTHING)
def test_nothing_to_judge_costs_no_call(text):
    """A string without content cannot buy a verdict, because no judge is asked."""
    assert gate(Sample.of("What is 2 + 2?", text), 0) is not None


@pytest.mark.parametrize("text", SOMETHING)
def test_short_answers_reach_the_judge(text):
    """A right short answer is never vetoed for being short, in any script."""
    assert gate(Sample.of("What is 2 + 2?", text), 0) is None


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        pytest.param("Solution", "solution", id="word-that-looks-like-an-opener"),
        pytest.param("...", "...", id="symbols"),
        pytest.param("解", "解", id="heading"),
        pytest.param("Process.", "process", id="normalised"),
    ],
)
def test_an_answer_that_is_the_reference_always_passes(text, reference):
    """What do you call a homogeneous mixture? A solution."""
    assert gate(Sample.of("q", text), 0) is not None
    assert gate(Sample.of("q", text, reference=reference), 0, matches_reference=agrees) is None


@pytest.mark.parametrize("piece", [" ", "\u200b", ":", "<a>", "\\begin{", "step ", "解", "<", "**"])
def test_a_megabyte_takes_no_time(piece):
    """A hostile answer cannot stop the run at the gate."""
    text = piece * (1_000_000 // len(piece))
    began = time.perf_counter()
    gate(Sample.of("q", text), 0)
    assert time.perf_counter() - began < 3  # 0.3 s on a quiet machine


@pytest.mark.parametrize(
    ("text", "reference", "same"),
    [
        pytest.param("４", "4", True, id="full-width"),
        pytest.param("٤", "4", True, id="arabic-digit"),
        pytest.param("\\boxed{1/2}", "0.5", True, id="boxed-fraction"),
        pytest.param("1,000", "1000", True, id="thousands"),
        pytest.param("The answer is 7.", "7", True, id="sentence"),
        pytest.param("50%", "0.5", True, id="percent"),
        pytest.param("−3", "-3", True, id="minus-sign"),
        pytest.param("3.10", "3.1", True, id="trailing-zero"),
        pytest.param("14", "4", False, id="suffix"),
        pytest.param("4 or 5", "4", False, id="shotgun"),
        pytest.param("", "", False, id="blank-reference"),
        pytest.param("1/0", "1", False, id="division-by-zero"),
        pytest.param("1" * 400, "2", False, id="long-number"),
    ],
)
def test_agreement_with_the_reference(text, reference, same):
    """Notation does not matter, everything else does."""
    assert agrees(text, reference) is same
