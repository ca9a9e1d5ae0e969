"""Reasoning that could stand under any response is worth a flag."""

from __future__ import annotations

import time

import pytest

from judge.filters.evidence import evidence

ESSAY = "Photosynthesis turns light, water and carbon dioxide into sugar and oxygen inside the chloroplast."


@pytest.mark.parametrize(
    ("reasoning", "response", "found"),
    [
        pytest.param(
            "The response states that sugar and oxygen inside the leaf are made, which fits.",
            ESSAY,
            True,
            id="phrase",
        ),
        pytest.param(
            "This is a very good answer that satisfies everything one could ask for.",
            ESSAY,
            False,
            id="empty-praise",
        ),
        pytest.param("It is correct.", ESSAY, None, id="too-short-to-tell"),
        pytest.param(
            "The final value that the candidate arrives at after its long calculation is 417, as wanted.",
            "Adding all parts of the sum together gives 417 in total.",
            True,
            id="a-number",
        ),
        pytest.param(
            "Step 1 looks at the claim, step 2 checks it, and step 3 sums it all up nicely.",
            "There are 3 of them in 2 boxes on 1 shelf.",
            False,
            id="numbers-of-a-list-are-no-evidence",
        ),
        pytest.param(
            "The candidate names Canberra, while the reference that was given names another city altogether.",
            "Canberra",
            True,
            id="one-word-of-a-short-answer",
        ),
        pytest.param(
            "这个回答说光合作用把光能变成糖，基本正确，没有错误。",
            "光合作用把光、水和二氧化碳变成糖和氧气。",
            True,
            id="chinese",
        ),
        pytest.param("Nothing at all can be found in this candidate, it is a blank page.", "  ", True, id="nothing-to-quote"),
    ],
)
def test_reasoning_points_at_the_response(reasoning: str, response: str, found: bool | None):
    """A judge that solves the task itself, or was talked round, does not quote what it judges."""
    assert evidence(reasoning, (response,)) is found


def test_one_of_several_responses_is_enough():
    """A comparison may rest on one of the two."""
    reasoning = "Response B says that the capital of Australia is Sydney, and that settles the matter."
    assert evidence(reasoning, (ESSAY, "I think that the capital of Australia is Sydney.")) is True


def test_long_texts_cost_little():
    """Twice the text costs about twice the time: a candidate cannot buy time here."""
    spent = []
    for size in (20_000, 40_000):
        started = time.thread_time()
        assert evidence("word " * size, ("other " * size,)) is False
        spent.append(time.thread_time() - started)
    assert spent[1] < 2.0
