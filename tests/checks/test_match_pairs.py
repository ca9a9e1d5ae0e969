"""Pairs that agree and pairs that do not: notation may differ, values and order may not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge.checks.exact import exact
from judge.checks.match import agrees
from tests.clock import least_cpu

TEXTS = st.text(st.sampled_from("0123456789.,-/+% $€°^_()[]{}\\abcxkmMWπi√one two half'")) | st.text()
SAME = [
    ("4", "4"),
    (" **4.** ", "4"),
    ("The answer is 4.", "4"),
    ("final answer: \\boxed{4}", "4"),
    ("$\\frac{1}{2}$", "\\frac{1}{2}"),
    ("$\\frac{1}{2}$", "0.5"),
    ("\\dfrac12", "1/2"),
    ("½", "0.5"),
    ("½", "\\frac{1}{2}"),
    ("2½", "2.5"),
    ("2 1/2", "5/2"),
    ("137\\frac{1}{2}", "137 \\frac{1}{2}"),
    ("137.5", "137 \\frac{1}{2}"),
    ("1,000.50", "1000.5"),
    ("1 000 000", "1000000"),
    ("11,\\! 111,\\! 111,\\! 100", "11111111100"),
    ("32,348", "\\$32,\\!348"),
    ("\\$18.90", "18.9"),
    ("$18", "18"),
    ("18 dollars", "$18"),
    ("5 cm", "5"),
    ("Ja", "ja"),
    ("NO", "no"),
    ("All real numbers", "(-\\infty,\\infty)"),
    ("No solution", "\\emptyset"),
    ("±1", "\\pm 1"),
    ("90^\\circ", "90"),
    ("90°", "90^\\circ"),
    ("90 degrees", "90^\\circ"),
    ("90", "90^\\circ"),
    ("864 \\mbox{ inches}^2", "864"),
    ("864 square inches", "864 \\mbox{ inches}^2"),
    ("5.4", "5.4 \\text{ cents}"),
    ("50%", "0.5"),
    ("50\\%", "50%"),
    ("３/４", "0.75"),
    ("٤", "4"),
    ("४२", "42"),
    ("−3", "-3"),
    ("1e3", "1000"),
    ("PARIS", "Paris"),
    ("five", "5"),
    ("forty-two", "42"),
    ("cinq", "5"),
    ("пять", "5"),
    ("五", "5"),
    ("zero", "0"),
    ("(c)", "C"),
    ("C.", "C"),
    ("\\text{(B)}", "B"),
    ("Option B", "B"),
    ("解：x=2", "x=2"),
    ("解：x=2", "2"),
    ("x = 2", "2"),
    ("答案：4", "4"),
    ("Answer: 4", "4"),
    ("4:", "4"),
    ("Ответ: 7", "7"),
    ("#### 42", "42"),
    ("π/2", "\\frac{\\pi}{2}"),
    ("pi/2", "\\frac{\\pi}{2}"),
    ("2\\sqrt{5}", "2 \\sqrt{5}"),
    ("\\sqrt{20}", "2\\sqrt{5}"),
    ("2√5", "2\\sqrt{5}"),
    ("11\\sqrt2", "11\\sqrt{2}"),
    ("18+2\\pi", "2\\pi+18"),
    ("288\\pi", "288 \\pi"),
    ("1+2i", "1 + 2i"),
    ("x^5-x^4+1", "x^5 - x^4 + 1"),
    ("5r^5", "5r^{5}"),
    ("6r^2-4r-24", "-24+6r^2-4r"),
    ("(a+5)(b+2)", "(b+2)(a+5)"),
    ("∞", "\\infty"),
    ("∅", "\\emptyset"),
    ("(-∞, 0]", "(-\\infty, 0]"),
    ("(2,4)", "(2, 4)"),
    ("\\left(\\frac{3}{5},\\frac{8}{3}\\right]", "(3/5, 8/3]"),
    ("(0.5,2)", "(\\frac{1}{2}, 2)"),
    ("{1,2}", "\\{1, 2\\}"),
    ("2, 3", "2,3"),
    ("y=2x+3", "y = 2x + 3"),
    ("2x+3", "y = 2x + 3"),
    ("x∈[-2,7]", "x \\in [-2,7]"),
    ("[-2,7]", "x \\in [-2,7]"),
    ("even", "\\text{even}"),
    ("\\frac{270}7\\text{ degrees}", "\\frac{270}{7}"),
    ("x²+1", "x^2+1"),
    ("half", "1/2"),
    ("infinity", "∞"),
    (".0000672", "0.0000672"),
    ("3/2", "\\frac{3}{2}"),
    ("p-q", "p - q"),
    ("1-12i", "1 - 12i"),
    ("-\\sqrt{3}", "-√3"),
    ("52_8", "52_{8}"),
    ("ééa", "ééa"),
    ("\\begin{pmatrix} -2 \\\\ -14 \\end{pmatrix}", "\\begin{pmatrix}-2\\\\-14\\end{pmatrix}"),
]
OTHER = [
    ("5", "4"),
    ("4 or 5", "4"),
    ("It is not 4", "4"),
    ("", "4"),
    ("   ", " "),
    ("**", "*"),
    ("1/0", "1/0.0"),
    ("1,00", "100"),
    ("4.0000000001", "4"),
    ("3.14159", "π"),
    ("1.41421356", "\\sqrt{2}"),
    ("god", "dog"),
    ("no", "on"),
    ("50%", "50"),
    ("5 cm", "5 m"),
    ("5 km", "5 m"),
    ("€18", "$18"),
    ("18 cents", "$18"),
    ("5 million", "5"),
    ("5 dozen", "5"),
    ("5 hundred", "5"),
    ("2,3", "3,2"),
    ("(2,3)", "(3,2)"),
    ("(2,3)", "[2,3]"),
    ("(2,3]", "(2,3)"),
    ("x=2", "y=2"),
    ("x+1", "x-1"),
    ("2x", "x"),
    ("x", "y"),
    ("B", "C"),
    ("(b)", "c"),
    ("1/2x", "1/(2x)"),
    ("f(2)", "2f"),
    ("1 1", "11"),
    ("1.000", "1000"),
    ("1.5.2", "1.5"),
    ("-4", "4"),
    ("4!", "24"),
    ("4!", "4"),
    ("2^10", "20"),
    ("12", "1 2"),
    ("2 3", "6"),
    ("12 am", "12 ma"),
    ("five", "4"),
    ("two three", "23"),
    ("null", "0"),
    ("None", "0"),
    ("N/A", "0"),
    ("nan", "NaN0"),
    ("Yes", "no"),
    ("4 not", "4"),
    ("at least 4", "4"),
    ("> 4", "4"),
    ("~4", "4"),
    ("52_8", "52"),
    ("204_5", "204"),
    ("120°", "120π"),
    ("5 cm^2", "5 cm"),
    ("5 square cm", "5 cm"),
    ("²", "2"),
    ("x2", "x^2"),
    ("1/3", "0.3333"),
    ("answer is", "answer"),
    ("fire", "4"),
    ("ten percent", "10"),
    ("$", "$$"),
    ("{1,2}", "{2,1}"),
    ("solution", "solution:x"),
    ("Let's solve this problem step by step.", "step"),
    ("the", "a"),
    ("3 x 4", "3"),
    ("4 apples", "4 pears"),
    ("10^2", "10"),
    ("1:2", "1/2"),
    ("10:30", "10"),
    ("007", "7.1"),
    ("Solution", "4"),
    ("A", "4"),
    ("a", "(b)"),
    ("is 4?", "5"),
    ("1, 234", "1234"),
    ("5 M", "5 m"),
    ("5M", "5"),
    ("10 MW", "10 mW"),
    ("1990s", "1990"),
    ("CO", "Co"),
    ("AA", "aa"),
    ("5 hours", "5 minutes"),
    ("$5", "5 cents"),
    ("2", "\\frac{1+\\sqrt{5}}{2}"),
]


@pytest.mark.parametrize(("response", "reference"), SAME)
def test_notation_does_not_matter(response, reference):
    """A right answer in another notation is never kept from its reward."""
    assert agrees(response, reference)
    assert agrees(reference, response)


@pytest.mark.parametrize(("response", "reference"), OTHER)
def test_never_true_for_another_answer(response, reference):
    """A wrong yes would pay: nothing is rounded, no unit converted, no order ignored."""
    assert not agrees(response, reference)
    assert not agrees(reference, response) or not response.strip()


@pytest.mark.parametrize(
    ("formula", "same"),
    [
        ("\\frac{1}{2}+\\frac{1}{3}", "5/6"),
        ("(x+1)^2", "x^2+2x+1"),
        ("\\sqrt{12}", "2\\sqrt{3}"),
        ("\\frac{1}{\\sqrt{2}}", "\\frac{\\sqrt{2}}{2}"),
        ("(1+i)^2", "2i"),
        ("\\frac{6\\pi}{4}", "3\\pi/2"),
        ("2\\cdot 3^2", "18"),
    ],
)
def test_exact_values(formula, same):
    """Formulas are compared as exact values, never as decimals."""
    assert exact(formula) == exact(same) is not None


@pytest.mark.parametrize(
    "text",
    ["dog", "ab", "f(2)", "1/2x", "x/(x+1)", "9^99999", "((((((((((((((1))))))))))))))", "1/0", "\\sin x", "2^x", "x" * 300, ""],
)
def test_unknown_is_none(text):
    """What may mean two things, or costs too much, is left to the judge."""
    assert exact(text) is None


@pytest.mark.parametrize(
    "text", ["(x+1)" * 39, "sqrt(" * 40, "\\frac" * 30, "(a+b+c+d)^6" * 10, "9^40^40", "1+" * 99, "\ufdfa" * 2000, "[" * 1999]
)
def test_no_formula_takes_long(text):
    """The answer is hostile, and nothing here has a time limit to fall back on."""
    assert least_cpu(lambda: agrees(text, "x+1"), 0.5) < 0.5  # 0.03 s at most on a quiet machine


@settings(deadline=None, max_examples=300)
@given(TEXTS, TEXTS)
def test_agrees_both_ways(first, second):
    """Which of the two is the reference does not matter, but that a blank reference agrees with nothing."""
    assert agrees(first, second) == agrees(second, first) or not first.strip() or not second.strip()
