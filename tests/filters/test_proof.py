"""Copied words as proof of a positive verdict: what proves, what does not, and what only the judge can decide."""

from __future__ import annotations

import pytest

from judge.checks.values import compare_values
from judge.filters.proof import prove, spans, stands_in
from judge.filters.reference import reference
from judge.filters.surface import ResponseView
from tests.clock import least_cpu


def state(
    copied: str | None, response: str, known: str | None, mode: str = "verifier", prompt: str = "How many are left?"
) -> str:
    view = ResponseView(response, prompt, reference((known,)) if known is not None else None, mode)
    return prove(copied, view, compare=compare_values).state


@pytest.mark.parametrize(
    ("words", "response", "expected"),
    [
        pytest.param("the answer is 4", "So **the answer** is $4$.", True, id="markup"),
        pytest.param("THE ANSWER", "the\n  answer", True, id="case-and-space"),
        pytest.param("“4 km”", "It is 4 km.", True, id="quotes"),
        pytest.param("４", "It is 4.", True, id="width"),
        pytest.param("1000", "It is 1,000.", True, id="thousands"),
        pytest.param("7", "答えは7です", True, id="digit-in-a-text-without-spaces"),
        pytest.param("七", "答えは七です", True, id="sign-in-a-text-without-spaces"),
        pytest.param("\\frac{1}{2}", "So \\boxed{\\frac{1}{2}}.", True, id="latex"),
        pytest.param("3/4", "x = \\frac{3}{4}.", True, id="fraction"),
        pytest.param("\\frac{3}{4}", "It is \\dfrac{3}{4}", True, id="display-fraction"),
        pytest.param("x \u2264 3", "x \\leq 3", True, id="sign-of-a-command"),
        pytest.param("\u03c0r^2", "\\pi r^2", True, id="pi"),
        pytest.param("\u221a2", "\\sqrt{2}", True, id="root"),
        pytest.param("12,000", "12{,}000", True, id="latex-thousands"),
        pytest.param("12000", "12 000 euros", True, id="spaced-thousands"),
        pytest.param("4 cm^2", "4 cm\u00b2", True, id="power"),
        pytest.param("1/2", "\u00bd", True, id="one-sign"),
        pytest.param("forty two", "forty-two", True, id="hyphen"),
        pytest.param("US", "the U.S.", True, id="initials"),
        pytest.param("[1, 2]", "It is [1,2].", True, id="a-list"),
        pytest.param("18", "17 18 100", True, id="no-thousands"),
        pytest.param("4", "It is 42.", False, id="part-of-a-number"),
        pytest.param("4", "It is 4.5.", False, id="part-of-a-decimal"),
        pytest.param("4", "It is -4.", False, id="another-sign"),
        pytest.param("art", "A cart.", False, id="part-of-a-word"),
        pytest.param("4 apples", "4 pears and apples", False, id="not-in-a-row"),
        pytest.param("", "anything", False, id="empty"),
        pytest.param(";", "Use ;", True, id="a-sign"),
    ],
)
def test_words_that_stand_in_a_response(words: str, response: str, expected: bool):
    """How a judge writes what it copies varies; which words it copies does not."""
    assert stands_in(words, response) is expected


@pytest.mark.parametrize(
    ("copied", "response", "known", "expected"),
    [
        pytest.param("4", "So it is 4.", "4", "proved", id="the-reference"),
        pytest.param("four", "There are four.", "4", "proved", id="in-words"),
        pytest.param("all real numbers x", "It holds for all real numbers x.", "\\mathbb{R}", "proved", id="formula-in-words"),
        pytest.param("3 hours", "It takes 3 hours.", "180", "proved", id="a-unit-that-converts"),
        pytest.param("3.14159", "It is 3.14159.", "3.14", "proved", id="rounded"),
        pytest.param("the elder Pitt", "It was the elder Pitt.", "William Pitt", "proved", id="a-name"),
        pytest.param("0.5", "So 0.5.", "50%", "proved", id="a-share"),
        pytest.param("5", "So it is 5.", "4", "refuted", id="another-number"),
        pytest.param("12 apples", "She has 12 apples.", "15", "refuted", id="another-number-with-a-word"),
        pytest.param("4 or 5", "It is 4 or 5.", "4", "refuted", id="two-answers"),
        pytest.param("A, B, C, D", "A, B, C, D", "B", "refuted", id="all-options"),
        pytest.param("Let's think step by step.", "Let's think step by step.", "4", "says_nothing", id="opener"),
        pytest.param("Solution:", "Solution:", "Paris", "says_nothing", id="heading"),
        pytest.param("correct", "The answer is correct.", "Paris", "says_nothing", id="a-word-of-an-announcement"),
        pytest.param("correct", "Correct", "Right", "proved", id="the-same-word-alone"),
        pytest.param("Harington", "The answer is Harington.", "Kit Harington", "proved", id="a-word-that-answers"),
        pytest.param("It depends.", "It depends.", "no", "says_nothing", id="hedge-and-a-negative-reference"),
        pytest.param("N/A", "N/A", "no", "says_nothing", id="placeholder-and-a-negative-reference"),
        pytest.param("4", "Let's think step by step.", "4", "not_found", id="copied-from-the-reference"),
        pytest.param(None, "So it is 4.", "4", "not_found", id="nothing-copied"),
        pytest.param("none", "Let's think.", "4", "none", id="none"),
        pytest.param("None.", "None", "none", "proved", id="none-is-the-answer"),
    ],
)
def test_proof_with_a_reference(copied: str | None, response: str, known: str, expected: str):
    """A verdict is believed for words that are there, say something, and can be right."""
    assert state(copied, response, known) == expected


@pytest.mark.parametrize(
    ("copied", "response", "expected"),
    [
        pytest.param("Inception", "Inception", "proved", id="a-title"),
        pytest.param("I can't help with that.", "I can't help with that.", "proved", id="a-refusal-may-be-right"),
        pytest.param("print(1)", "```python\nprint(1)\n```", "proved", id="code"),
        pytest.param("Here is the answer:", "Here is the answer:", "says_nothing", id="heading"),
        pytest.param("none", "Let me think about it.", "none", id="none"),
        pytest.param("SCORE: 5", "Let me think about it.", "not_found", id="not-copied"),
    ],
)
def test_proof_without_a_reference(copied: str, response: str, expected: str):
    """Nothing is known to be right, so only words that are not there, or say nothing, are refused."""
    assert state(copied, response, None, "pointwise", "Which one is it?") == expected


def test_spans_of_a_response():
    """A judge that has to choose its words finds the answer among the first."""
    text = "We add 2 and 2.\n\nSo \\boxed{\\frac{8}{2}}, that is 4."
    assert spans(text)[:2] == ("\\frac{8}{2}", "So \\boxed{\\frac{8}{2}}, that is 4.")
    assert len(spans("One sentence. " * 10_000 + "Last one.")) <= 100


def test_proof_of_a_long_response_is_linear():
    """A response may be a megabyte, and hostile."""
    view = ResponseView("ab " * 300_000 + "is 4.", "q", reference(("4",)), "verifier")
    for copied in ("ab ab ab is 5", "is 4", "ab " * 600):
        assert least_cpu(lambda copied=copied: prove(copied, view, compare=compare_values), 2) < 2


@pytest.mark.parametrize(
    ("prompt", "response", "known", "expected"),
    [
        pytest.param("How many? Answer in tally marks.", "|||", "3", "proved", id="tally"),
        pytest.param("Write 30 dashes.", "-" * 30, "30 dashes", "proved", id="dashes"),
        pytest.param("Write 60 A's.", "A" * 60, "60 A's", "proved", id="letters"),
        pytest.param("Which key is the home directory?", "~", "tilde", "proved", id="name-of-a-sign"),
        pytest.param("Result of filter()?", "[]", "the empty list", "proved", id="empty-list"),
        pytest.param("How many?", "---", "18", "says_nothing", id="dashes-and-a-number"),
        pytest.param("Capital of France?", "---", "Paris", "says_nothing", id="dashes-and-a-name"),
    ],
)
def test_signs_as_answers(prompt: str, response: str, known: str, expected: str):
    """Signs are an answer where the prompt asks for signs, or the reference is the name of one."""
    assert state(response, response, known, prompt=prompt) == expected
