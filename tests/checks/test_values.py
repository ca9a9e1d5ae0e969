"""Same value, another value, cannot tell: what a program may say of the words that a judge copied, and of a reference."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge.checks.values import compare_values
from tests.clock import least_cpu

SAME = [
    ("42 apples", "42"),
    ("forty-two apples", "42"),
    ("$5.00", "5"),
    ("18 dollars", "$18"),
    ("zwölf", "12"),
    ("\\boxed{42}", "42"),
    ("x = 42", "42"),
    ("1000,99", "1000.99"),
    ("All real numbers", "(-\\infty,\\infty)"),
    ("every real number", "\\mathbb{R}"),
    ("No solution", "\\emptyset"),
    ("There is no solution.", "\\varnothing"),
    ("keine Lösung", "\\emptyset"),
    ("a right angle", "90^\\circ"),
    ("the square root of two", "\\sqrt{2}"),
    ("the golden ratio", "\\frac{1+\\sqrt5}{2}"),
    ("]-1, 1[", "(-1,1)"),
    ("1, 7", "1 and 7"),
    ("(B) Paris", "B"),
    ("Ja", "yes"),
    ("Yep.", "Yes"),
    ("three apples", "3"),
]
DIFFERENT = [
    ("41", "42"),
    ("She has 41 apples left.", "42"),
    ("forty-one apples", "42"),
    ("$5", "5 cents"),
    ("$5", "€5"),
    ("5 hours", "5 minutes"),
    ("5 kg", "5 km"),
    ("10 mW", "10 MW"),
    ("2", "\\frac{1+\\sqrt{5}}{2}"),
    ("\\sqrt{2}", "\\sqrt{3}"),
    ("1/2", "1/3"),
    ("1.5", "2"),
    ("50%", "60%"),
    ("1,000", "999"),
    ("x=3", "x = 4"),
    ("B", "C"),
    ("no", "yes"),
    ("False.", "true"),
    ("いいえ", "yes"),
    ("7:30", "8:30"),
]
CANNOT_TELL = [
    pytest.param("none", "42", id="no-value"),
    pytest.param("", "4", id="blank"),
    pytest.param("3 or 4", "4", id="two-values"),
    pytest.param("8 May 1945", "May 8, 1945", id="date"),
    pytest.param("about 42", "42", id="about"),
    pytest.param("not 42", "42", id="denied"),
    pytest.param("half of 84", "42", id="half-of"),
    pytest.param("5 million", "5000000", id="million"),
    pytest.param("5 Milionów", "5000000", id="a-scale-word-nobody-listed"),
    pytest.param("1 h", "60 min", id="converted"),
    pytest.param("1 day", "24", id="in-another-unit"),
    pytest.param("50%", "50", id="percent-or-points"),
    pytest.param("3.14", "π", id="rounded"),
    pytest.param("8,849 m", "8848.86", id="rounded-to-one"),
    pytest.param("2.6667", "8/3", id="rounded-fraction"),
    pytest.param("42 apples", "42 pears", id="other-things"),
    pytest.param("5 m", "5 M", id="case-of-a-unit"),
    pytest.param("5M", "5", id="metres-or-millions"),
    pytest.param("1990s", "1990", id="decade"),
    pytest.param("10:30", "10", id="time"),
    pytest.param("F-16", "16", id="name-with-a-number"),
    pytest.param("Room 101", "101", id="word-before"),
    pytest.param("52_8", "52", id="base"),
    pytest.param("4!", "24", id="factorial"),
    pytest.param("> 4", "5", id="bound"),
    pytest.param("one of them", "2", id="one-is-no-count"),
    pytest.param("5 cm^2", "5 cm", id="area"),
    pytest.param("Paris", "Rome", id="no-numbers"),
    pytest.param("x^2", "x^3", id="letters"),
    pytest.param("correct", "yes", id="said-of-the-answer"),
    pytest.param("7:30", "19:30", id="half-a-day"),
    pytest.param("10:15", "20:30", id="equal-ratios"),
    pytest.param("x=3", "y=3", id="another-name"),
    pytest.param("5'", '5"', id="feet-and-inches"),
    pytest.param("5 thousandths", "5", id="thousandths"),
    pytest.param("3 pm", "3", id="hour-of-a-day"),
    pytest.param("44 BC", "44", id="year"),
    pytest.param("Jawabannya dua belas.", "2", id="part-in-a-sentence"),
    pytest.param("Quedan ciento dos manzanas.", "2", id="end-of-a-number"),
    pytest.param("Quedan ciento dos manzanas.", "102", id="whole-in-a-sentence"),
    pytest.param("A resposta é trinta e dois.", "30", id="beginning-of-a-number"),
    pytest.param("Đáp án là hai mươi mốt.", "21", id="words-that-count-together"),
]


@pytest.mark.parametrize(("first", "second"), SAME)
def test_the_same_value(first, second):
    """A right answer in other words is never held against the judge that found it."""
    assert compare_values(first, second) is compare_values(second, first) is True


@pytest.mark.parametrize(("first", "second"), DIFFERENT)
def test_another_value(first, second):
    """A judge that calls 41 right where the reference is 42 is not believed."""
    assert compare_values(first, second) is compare_values(second, first) is False


@pytest.mark.parametrize(("first", "second"), CANNOT_TELL)
def test_cannot_tell(first, second):
    """What a program does not understand is left to the judge: neither a right answer nor a wrong one."""
    assert compare_values(first, second) is compare_values(second, first) is None


TEXTS = st.text(st.sampled_from("0123456789.,-/+% $€°^_()[]{}\\abcxkmMWone two half'")) | st.text()


@settings(deadline=None, max_examples=300)
@given(TEXTS, TEXTS)
def test_any_two_texts_are_compared_both_ways(first, second):
    """The words come from a judge that read a hostile text: nothing raises, and the order of the two does not matter."""
    assert compare_values(first, second) is compare_values(second, first)


@settings(deadline=None, max_examples=200)
@given(
    st.integers(-(10**9), 10**9),
    st.integers(-(10**9), 10**9),
    st.sampled_from(("{}", "{}.", "${}$", "{} apples", "{} km", "\\boxed{{{}}}")),
)
def test_whole_numbers_are_the_same_only_when_they_are(first, second, form):
    """Two different whole numbers are never the same value, however they are written."""
    assert compare_values(form.format(first), str(second)) is not (first != second)
    assert compare_values(form.format(first), str(first)) is True


@pytest.mark.parametrize("text", ["9" * 10**6, "one " * 250_000, "(" * 10**6, "1,1" * 300_000, "\\boxed{" * 140_000])
def test_a_megabyte_takes_no_time(text):
    """No text of a response or of a data set may take the processor for itself."""
    assert least_cpu(lambda: compare_values(text, "42"), 0.5) < 0.5
