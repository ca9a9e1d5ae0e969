"""Does a short answer say the same as the reference? A wrong yes pays for nothing; a wrong no costs a right answer."""

from __future__ import annotations

import pytest

from judge.checks.match import agrees
from tests.clock import least_cpu


@pytest.mark.parametrize(
    ("response", "reference"),
    [
        pytest.param("4", "4", id="same"),
        pytest.param(" **4.** ", "4", id="markup"),
        pytest.param("The answer is 4.", "4", id="lead"),
        pytest.param("final answer: \\boxed{4}", "4", id="boxed"),
        pytest.param("$\\frac{1}{2}$", "\\frac{1}{2}", id="tex"),
        pytest.param("1,000.50", "1000.5", id="thousands"),
        pytest.param("３/４", "0.75", id="fraction-full-width"),
        pytest.param("٤", "4", id="arabic-digit"),
        pytest.param("−3", "-3", id="minus-sign"),
        pytest.param("50%", "0.5", id="percent"),
        pytest.param("$18", "18", id="dollars"),
        pytest.param("1e3", "1000", id="exponent"),
        pytest.param("PARIS", "Paris", id="case"),
    ],
)
def test_agrees(response, reference):
    """The same answer, written another way."""
    assert agrees(response, reference)
    assert agrees(reference, response)


@pytest.mark.parametrize(
    ("response", "reference"),
    [
        pytest.param("5", "4", id="other"),
        pytest.param("4 or 5", "4", id="two-answers"),
        pytest.param("It is not 4", "4", id="denied"),
        pytest.param("", "4", id="empty"),
        pytest.param("", "", id="both-blank"),
        pytest.param("   ", " ", id="blank-reference"),
        pytest.param("**", "*", id="markup-only"),
        pytest.param("1/0", "1/0.0", id="division-by-zero"),
        pytest.param("1,00", "100", id="not-a-thousands-comma"),
        pytest.param("4.0000000001", "4", id="close-is-not-equal"),
        pytest.param("nan", "NaN0", id="nan"),
        pytest.param("4\n" * 10_000, "4", id="long"),
    ],
)
def test_does_not_agree(response, reference):
    """What a candidate might write in the hope that it counts."""
    assert not agrees(response, reference)


@pytest.mark.parametrize("text", ["$" * 2000, "\\boxed{" * 280, "*_" * 1000, "1" * 2000, "answer is " * 200, "\ufdfa" * 2000])
def test_no_text_takes_long(text):
    """The answer is hostile: no pattern here may take quadratic time on it."""
    assert least_cpu(lambda: agrees(text, "4"), 0.5) < 0.5
