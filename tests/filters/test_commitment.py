"""A response that names no value cannot be right where the reference is one."""

from __future__ import annotations

import pytest

from judge.checks.match import agrees
from judge.filters.intake import Intake
from judge.filters.reference import ReferenceAnswer, ReferenceAnswers
from judge.settings import FilterSettings
from judge.types import Sample

VERIFIER = Intake(FilterSettings(level="strict"), "verifier")


def blocked(text, reference, prompt="How many apples are left of 17?", mode="verifier"):
    flag = Intake(FilterSettings(level="strict"), mode).check(Sample.of(prompt, text, reference=reference), 0, agrees).blocked
    return flag.name if flag else None


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("The apples were eaten by the horses, which is sad.", id="prose"),
        pytest.param("Gadewch i ni ddatrys y broblem hon gam wrth gam.", id="language-nobody-listed"),
        pytest.param("Step 2 of 3: we look at question 7.", id="numbers-of-steps"),
        pytest.param("1. Read\n2. Think\n3. Answer", id="list-markers"),
        pytest.param("We need to find how many of the 17 apples are left.", id="quotes-the-question"),
        pytest.param("Let us do it one step at a time.", id="one-as-an-article"),
        pytest.param("第一步：", id="first-step"),
        pytest.param("word " * 400, id="long"),
        pytest.param("Yes.", id="truth-is-no-number"),
    ],
)
def test_no_value(text):
    """Whatever else it says."""
    assert blocked(text, "42")


@pytest.mark.parametrize(
    "text",
    [
        "41",
        "forty-one",
        "siebzehn Äpfel",
        "четыре",
        "十二",
        "٤١",
        "½",
        "x",
        "A dozen.",
        "None are left, so zero.",
        "π",
        "Infinitely many.",
        "It is about a third.",
        "\\frac{1}{3}",
        "Both of us get two.",
        "MCMXC",
        "日は三つ",
        "setengah",
        "in December",
        "The answer is 17.",
        "I will go with 17",
        "नौ",
    ],
)
def test_a_value_goes_to_the_judge(text):
    """Even a wrong one, in digits, words or signs of any script."""
    assert blocked(text, "42") is None


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        pytest.param("It is even.", "\\text{even}", id="latex-word"),
        pytest.param("the second one", "2", id="ordinal"),
        pytest.param("true", "1", id="truth-as-digit"),
        pytest.param("AB+", "A+/AB+", id="blood-group"),
        pytest.param("p minus q", "p - q", id="letters"),
        pytest.param("Paris", "Paris (75000)", id="text-with-digits"),
    ],
)
def test_right_answers_without_digits(text, reference):
    """A reference with signs or digits in it may still be said in words."""
    assert blocked(text, reference) is None


def test_only_verifiers_ask_for_a_value():
    """A judge of helpfulness has a reference that need not be matched."""
    assert blocked("The apples were eaten by horses.", "42", mode="pointwise") is None


@pytest.mark.parametrize(
    ("reference", "kind"),
    [
        ("42", "number"),
        ("1,200.5", "number"),
        ("$18", "number"),
        ("50%", "number"),
        ("-3", "number"),
        ("9 years", "number"),
        ("seven", "number"),
        ("\\frac{1}{2}", "math"),
        ("x^2+1", "math"),
        ("(-\\infty, 0]", "math"),
        ("p - q", "math"),
        ("2\\sqrt{5}", "math"),
        ("B", "option"),
        ("\\text{(C)}", "option"),
        ("(d)", "option"),
        ("yes", "truth"),
        ("False", "truth"),
        ("David Seville", "text"),
        ("\\text{even}", "text"),
        ("8/eight/Eight", "text"),
        ("1969 Woodstock", "text"),
        ("東京", "text"),
    ],
)
def test_kinds_of_reference(reference, kind):
    """What an answer must be is read off the reference; in doubt it is a text, of which nothing is asked."""
    assert ReferenceAnswers((ReferenceAnswer(reference),)).kind == kind
