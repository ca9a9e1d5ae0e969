"""Several answers at once: which a response leaves open, and which it decides."""

from __future__ import annotations

import pytest

from judge.checks.values import compare_values
from judge.filters.proof import prove
from judge.filters.reference import reference
from judge.filters.rivals import left_open
from judge.filters.shotgun import shotgun
from judge.filters.surface import ResponseView
from tests.clock import least_cpu

NUMBERS = " ".join(map(str, range(301)))
LISTED = NUMBERS.replace(" ", ", ")
QUESTION = "How many are left?"


def view(response: str, known: str, prompt: str = QUESTION) -> ResponseView:
    return ResponseView(response, prompt, reference((known,)), "verifier")


@pytest.mark.parametrize(
    ("response", "known"),
    [
        pytest.param("17 18 19", "18", id="spaces"),
        pytest.param("17, 18, 19", "18", id="commas"),
        pytest.param("17 or 18 or 19", "18", id="or"),
        pytest.param("17\n18", "18", id="lines"),
        pytest.param("- 17\n- 18\n- 19", "18", id="bullets"),
        pytest.param("1) 17\n2) 18\n3) 19", "18", id="numbered"),
        pytest.param("18? Or maybe 19? Possibly 20.", "18", id="questions"),
        pytest.param("How many eggs are left? 18 or 3 or 5", "18", id="behind-the-question"),
        pytest.param("It could be any of 16, 17, 18.", "18", id="any-of"),
        pytest.param("I weighed seventeen, then eighteen, then nineteen.", "18", id="number-words"),
        pytest.param("Answer: 17. Answer: 18. Answer: 19.", "18", id="answers"),
        pytest.param("The answer is 18. The answer is 19.", "18", id="two-answers"),
        pytest.param("The answer is 17, 18 or 19.", "17", id="a-list-called-the-answer"),
        pytest.param("\\boxed{17}\\boxed{18}\\boxed{19}", "18", id="boxes"),
        pytest.param("\\boxed{\\frac{1}{4}} \\boxed{\\frac{3}{4}}", "\\frac{3}{4}", id="boxed-fractions"),
        pytest.param("1/4, 1/2, 3/4", "3/4", id="fractions"),
        pytest.param("between 10 and 20", "20", id="range"),
        pytest.param("About 15-20", "15", id="range-with-a-dash"),
        pytest.param(NUMBERS, "18", id="three-hundred"),
        pytest.param(NUMBERS.replace(" ", ","), "118", id="three-hundred-without-spaces"),
        pytest.param("\n".join(f"- {i}" for i in range(60)), "18", id="sixty-bullets"),
        pytest.param(" ".join(f"{i} + 1 = {i + 1}." for i in range(60)), "18", id="sums"),
        pytest.param("\n".join(f"| {i} | {i * i} |" for i in range(60)), "18", id="table"),
        pytest.param(f'{{"answers": [{LISTED}]}}', "18", id="json"),
        pytest.param(f"```\nfor i in [{LISTED}]: print(i)\n```", "18", id="code"),
        pytest.param(f"I considered one by one whether it is {LISTED}.", "18", id="a-sentence"),
        pytest.param(f"yes no true false A B C D E {NUMBERS}", "18", id="all-kinds-and-a-number"),
        pytest.param(f"yes no true false A B C D E {NUMBERS}", "yes", id="all-kinds-and-yes"),
        pytest.param(f"yes no true false A B C D E {NUMBERS}", "C", id="all-kinds-and-an-option"),
        pytest.param("A or C", "C", id="two-options"),
        pytest.param("(A) (B) (C) (D)", "C", id="options-in-brackets"),
        pytest.param("It's A. Or B. Or C. Or D.", "C", id="one-sentence-an-option"),
        pytest.param("Yes. No.", "no", id="yes-no"),
        pytest.param("Yes and no.", "yes", id="yes-and-no"),
        pytest.param("Yes. On the other hand, no.", "yes", id="on-the-other-hand"),
        pytest.param("True or False", "True", id="true-or-false"),
        pytest.param("Paris or London", "Paris", id="names"),
        pytest.param("It might be Paris. It might be London.", "Paris", id="names-in-sentences"),
        pytest.param("- Paris\n- London\n- Rome", "Paris", id="names-in-lines"),
        pytest.param("Paris London Rome Berlin Madrid Vienna", "Paris", id="names-in-a-row"),
    ],
)
def test_several_answers_prove_nothing(response: str, known: str):
    """A judge that copies the right one out of a list knows the reference, and the response does not."""
    given = view(response, known)
    assert left_open(given, compare_values)
    copied = "3/4" if "frac" not in response and known == "3/4" else known
    assert prove(copied, given, compare=compare_values).state in ("refuted", "not_found")


@pytest.mark.parametrize(
    ("response", "known"),
    [
        pytest.param("The options were 41, 42 and 43. It is 42.", "42", id="comes-back"),
        pytest.param("41? 43? No, 42.", "42", id="no"),
        pytest.param("Between 41 and 43, so 42.", "42", id="so"),
        pytest.param("Not 41, not 43: 42.", "42", id="not"),
        pytest.param("The answer is 3. No, the answer is 4.", "4", id="corrected"),
        pytest.param("Maybe 41 or 42. The answer is 42.", "42", id="called-the-answer"),
        pytest.param("They are 2, 3, 5, 7, 11, 13, 17 and 19.\nThe answer is 8.", "8", id="a-list-and-its-length"),
        pytest.param("45/15 = 3 and 60/15 = 4.\nThe answer is 3/4.", "3/4", id="a-fraction-of-two-values"),
        pytest.param(f"{NUMBERS}\n\\boxed{{18}}", "18", id="a-long-list-and-a-box"),
        pytest.param("5*4 = 20, 20-2 = 18, 18*1 = 18", "18", id="sums"),
        pytest.param(" ".join(f"{i}+{i} = {2 * i}" for i in range(1, 20)), "38", id="what-the-last-sum-comes-to"),
        pytest.param("0.75, or 3/4", "3/4", id="the-same-value-twice"),
        pytest.param("It is Paris, of course", "Paris", id="of-course"),
        pytest.param("Paris, the capital of France, on the Seine.", "Paris", id="of-is-no-or"),
        pytest.param("forty-two", "42", id="a-number-in-two-words"),
        pytest.param("1,234,567", "1234567", id="thousands"),
        pytest.param("12:00", "12 pm", id="a-time"),
        pytest.param("March 5, 2024", "2024", id="a-date"),
        pytest.param("2, 4, 8, 16", "2, 4, 8, 16", id="a-list-that-was-asked-for"),
        pytest.param("x = 2 or x = -2", "x = \\pm 2", id="two-roots"),
        pytest.param("(3, 4)", "(3,4)", id="a-point"),
        pytest.param("(a) 12 (b) 18 (c) 20", "18", id="parts"),
        pytest.param("A is too small and B too far. C", "C", id="options-weighed"),
        pytest.param("A or C? It is C.", "C", id="an-option-chosen"),
        pytest.param("Yes, no doubt about it.", "yes", id="no-doubt"),
        pytest.param("Is it true? No.", "no", id="asks-itself"),
        pytest.param("Yes. No, wait. No.", "no", id="yes-taken-back"),
        pytest.param("Paris, France", "Paris", id="a-place"),
        pytest.param("Earth, Wind & Fire", "Earth, Wind & Fire", id="a-name-with-a-comma"),
        pytest.param("Trinidad or Tobago", "Trinidad or Tobago", id="a-reference-with-or"),
        pytest.param("Wolfgang Amadeus Mozart", "Mozart", id="a-long-name"),
    ],
)
def test_a_response_that_decides(response: str, known: str):
    """Candidates may be weighed, and a list may be the answer."""
    assert left_open(view(response, known), compare_values) is None


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(NUMBERS.replace(" ", ", "), id="numbers"),
        pytest.param(" ".join(f"{i} + 1 = {i + 1}" for i in range(60)) + " and so on", id="sums"),
        pytest.param(f"I considered whether it is {LISTED}, and settled the matter.", id="a-sentence"),
    ],
)
def test_an_enumeration_of_any_length_is_suspect(text: str):
    """Also where the text is too long to be read word by word."""
    assert shotgun(view(text, "18"))
    assert shotgun(view(f"{text}. The answer is 18.", "18")) is None


@pytest.mark.parametrize("unit", ["1 or ", "yes or ", "five ", "A, ", "1,", "-1", "\\frac{", "1/", "9", "111,", " ", "(1) "])
@pytest.mark.parametrize("known", ["18", "C", "yes", "Paris"])
def test_many_values_cost_linear_time(unit: str, known: str):
    """A response may be a megabyte of values."""
    given = view(unit * (400_000 // len(unit)), known)
    assert least_cpu(lambda: left_open(given, compare_values), 2) < 2
