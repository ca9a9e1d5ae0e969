"""Is the answer that a response states the reference? Right ones are found, wrong ones are not, and the rest is the judge's."""

from __future__ import annotations

import importlib.util

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge.checks.final import is_value, matches, states
from judge.checks.programs import CHECKS
from judge.checks.stated import stated_answer
from judge.types import Sample
from tests.clock import least_cpu

library = pytest.mark.skipif(importlib.util.find_spec("math_verify") is None, reason="needs the extra `checks`")

RIGHT = [
    pytest.param("Thus $x=\\boxed{\\frac{1}{2}}$.", "$0.5$", id="box"),
    pytest.param("They are \\boxed{1}, \\boxed{2} and \\boxed{3}.", "1, 2, 3", id="boxes-side-by-side"),
    pytest.param("So \\boxed{5}. The final answer is $7$. I hope it is correct.", "7", id="final-answer-behind-a-box"),
    pytest.param("1 + 1 = 2\n#### 1,234", "1234", id="gsm8k"),
    pytest.param("Antwort: 7", "7", id="german"),
    pytest.param("答案是 7", "7", id="chinese"),
    pytest.param("It costs 2,74 $ a piece.", "2.74", id="decimal-comma"),
    pytest.param("He runs 540 meters a week.", "540", id="words-around"),
    pytest.param("It is 4 so I add 3 and get 7.", "7", id="last-number"),
    pytest.param("The profit is $2 + 3 = 5$.", "5", id="what-a-sum-comes-to"),
    pytest.param("\\boxed{9}", "Since $3^2=9$, the answer is \\boxed{9}.", id="reference-is-a-solution"),
    pytest.param("18", "She sells 9 * 2 = 18.\n#### 18", id="reference-of-gsm8k"),
    pytest.param("The correct option is B.", "B", id="option"),
    pytest.param("B: apple", "B", id="option-with-its-text"),
    pytest.param("If there are 5 left, then she has not sold the 7, so it is 12.", "12", id="words-of-another-clause"),
    pytest.param("x=2 or x=3", "$x = 2, x = 3$", id="two-solutions", marks=library),
    pytest.param("28 pct", "$28\\%$", id="percent-in-letters", marks=library),
    pytest.param("Therefore $5 \\leq x$.", "$x \\geq 5$", id="relation", marks=library),
    pytest.param("$(x+1)(x-2)$", "$x^2-x-2$", id="expanded", marks=library),
    pytest.param("$\\sin^2 x$", "$1-\\cos^2 x$", id="identity", marks=library),
    pytest.param("\\boxed{\\{3, 2\\}}", "$2, 3$", id="set", marks=library),
    pytest.param("\\boxed{\\pm 3}", "$3, -3$", id="both-signs", marks=library),
    pytest.param("$(p,q)=(3,2)$", "$(3,2)$", id="named-pair", marks=library),
]
WRONG = [
    pytest.param("", "4", id="empty"),
    pytest.param("...", "4", id="punctuation"),
    pytest.param("<think>so \\boxed{7}</think>I think it is 8.", "7", id="box-in-the-thinking"),
    pytest.param("<think>The answer is \\boxed{7}. Hmm, maybe 8.", "7", id="thinking-without-end"),
    pytest.param("So the answer is \\boxed{5 hours}.", "5 minutes", id="hours-minutes"),
    pytest.param("So the answer is \\boxed{\\$5}.", "5 cents", id="dollars-cents"),
    pytest.param("So the answer is \\boxed{10 MW}.", "10 mW", id="mega-milli"),
    pytest.param("\\boxed{2}", "\\frac{1+\\sqrt{5}}{2}", id="number-of-a-formula"),
    pytest.param("The answer is 3 or 4.", "4", id="two-answers"),
    pytest.param("The answer is 13.", "12", id="other-number"),
    pytest.param("The model GPT4 says nothing of the kind, whatever anybody may think of it.", "4", id="number-in-a-name"),
    pytest.param("The profit is $2 + 3 = 6$.", "5", id="what-a-sum-comes-to"),
    pytest.param("\\boxed{B}", "C", id="option"),
    pytest.param("The answer is Rome.", "Paris", id="name"),
    pytest.param("2, 3", "3", id="list-that-holds-it", marks=library),
    pytest.param("\\boxed{4 \\text{ or } 5}", "5", id="two-answers-in-a-box"),
    pytest.param("\\boxed{x=4 \\text{ or } x=5}", "x=5", id="two-equations-in-a-box"),
    pytest.param("\u0660\u066b\u0665", "5", id="decimals-in-arabic-digits"),
    pytest.param("\\boxed{(2,3)}", "$(3,2)$", id="pair-in-another-order", marks=library),
    pytest.param("\\boxed{x+1}", "$x-1$", id="formula", marks=library),
    pytest.param("\\boxed{[0,9)}", "$(0,9)$", id="interval", marks=library),
]
OPEN = [
    pytest.param("They cancel out.", "0", id="zero-in-words"),
    pytest.param("Das Ergebnis ist sieben.", "7", id="number-word-in-a-sentence"),
    pytest.param("every one of them", "\\{1,2\\}", id="set-in-words"),
    pytest.param("The answer is not 12.", "12", id="denied"),
    pytest.param("The answer is about 12.", "12", id="about"),
    pytest.param("The answer is 12 million.", "12", id="million"),
    pytest.param("The total is 12 after 3 days.", "12", id="another-number-of-the-sentence"),
    pytest.param("\\boxed{2.667}", "\\frac{8}{3}", id="rounded"),
    pytest.param("\\boxed{1 hour}", "60 minutes", id="converted"),
    pytest.param("\\boxed{\\text{Navin}}", "3", id="word-for-a-number"),
    pytest.param("The answer cannot be 5", "5", id="cannot-be"),
    pytest.param("I don't think it is 5", "5", id="do-not-think"),
    pytest.param("Suppose the answer is 5.", "5", id="supposed"),
    pytest.param("The answer is 5?", "5", id="asked"),
    pytest.param("These are 4 and 5", "5", id="end-of-a-list"),
    pytest.param("\\boxed{5 \\text{ million}}", "5", id="million-in-a-box"),
    pytest.param("\\boxed{> 5}", "5", id="bound-in-a-box"),
    pytest.param("\\boxed{5+}", "5", id="open-end-in-a-box"),
    pytest.param("\\boxed{\\pm 1}", "$(-1,1)$", id="two-numbers-for-an-interval"),
    pytest.param("\\boxed{2:3}", "$\\frac{2}{3}$", id="ratio-for-a-fraction"),
    pytest.param("Room 101", "101_2", id="number-in-another-base"),
    pytest.param("1945-05-08", "8 May 1945", id="date"),
    pytest.param("The answer is 3-1.", "4-2", id="score"),
    pytest.param("\\boxed{1914-1918}", "1939-1943", id="span"),
    pytest.param("2020-01-15", "2020-02-14", id="date-as-a-difference"),
    pytest.param("The answer is $\\Gamma$.", "$\\gamma$", id="capital-greek-letter"),
    pytest.param("The answer is x^2.", "X^2", id="case-of-a-variable"),
    pytest.param("0.3...", "0.3", id="digits-that-go-on"),
    pytest.param("The answer is 007.", "7", id="leading-zeros"),
    pytest.param("n!", "n", id="factorial-of-a-letter"),
    pytest.param("18?", "18", id="asked-alone"),
    pytest.param("5 Mb", "5 MB", id="bits-and-bytes"),
]


@pytest.mark.parametrize(("text", "reference"), RIGHT)
def test_right(text, reference):
    """Each of these was once called wrong somewhere, and as a veto that pays 0 for a right answer."""
    assert states(text, reference) is True


@pytest.mark.parametrize(("text", "reference"), WRONG)
def test_wrong(text, reference):
    """A wrong answer is told so by the program, and costs no judge call."""
    assert states(text, reference) is False


@pytest.mark.parametrize(("text", "reference"), OPEN)
def test_cannot_tell(text, reference):
    """What a program does not understand is neither right nor wrong."""
    assert states(text, reference) is None


@pytest.mark.parametrize(
    ("text", "reference", "same"),
    [
        pytest.param("12", "12", True, id="alone"),
        pytest.param("She has 12 apples.", "12", True, id="in-a-few-words"),
        pytest.param("After a long way of adding and taking away we find at last that it is 12.", "12", True, id="ends-with-it"),
        pytest.param(
            "Of the 17 she ate 5 yesterday, so in the end there must be 12 left for all of us.", "12", False, id="within"
        ),
        pytest.param(
            "A long way round, but \\boxed{12} it is, whatever else may have been said before of it.", "12", True, id="box"
        ),
        pytest.param("Paris", "paris", True, id="name"),
        pytest.param("It is Paris.", "Paris", None, id="more-than-the-name"),
        pytest.param("oxygen", "O2", None, id="a-code-in-words"),
        pytest.param("It is Rome.", "Paris", False, id="another-name"),
        pytest.param("Paris was never what I had in mind for it.", "Paris", False, id="a-longer-text-about-the-name"),
    ],
)
def test_the_whole_response(text, reference, same):
    """`matches_reference` is for answers that are only the answer: a number somewhere in a text is not one."""
    assert matches(text, reference) is same


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        pytest.param("so \\fbox{3}", "3", id="fbox"),
        pytest.param("we get x + 2", "x + 2", id="formula-without-dollars"),
        pytest.param("Step 1:", None, id="number-of-a-step"),
        pytest.param("I paid $5 for lunch and $7 for tea", "7", id="dollars-are-money"),
        pytest.param("the largest value of $x$ that solves it is 9 here", "9", id="a-letter-is-no-answer"),
        pytest.param("\\boxed{7}\n#### 8", "7", id="box-before-hash"),
        pytest.param("The answer is 7. It follows from 3 + 4.", "7", id="up-to-the-sentence"),
    ],
)
def test_where_it_stands(text, answer):
    """Where math verifiers look; what only looks like an answer is none."""
    assert stated_answer(text) == answer


@pytest.mark.parametrize(
    ("references", "score"),
    [
        pytest.param(("11", "12"), 1.0, id="one-fits"),
        pytest.param(("11", "10"), 0.0, id="none-fits"),
        pytest.param(("11", "12 million"), None, id="one-may-fit"),
    ],
)
def test_alternatives(references, score):
    """With several references a response is wrong only when it is none of them."""
    assert CHECKS["final_answer"].run(Sample.of("Q", "The answer is 12.", reference=references), 0, {}) == score


OTHER_THINGS = [
    ("So y = 3.", "x = 3"),
    ("Question 18", "18"),
    ("3 a.m.", "3 p.m."),
    ("5th", "5"),
    ("He had 3 losses.", "3 wins"),
    ("\\boxed{5 \\text{ mol}}", "5 mmol"),
    ("The answer is 1011_2.", "1011_3"),
    ("7:30 am", "7:30 pm"),
    ("3 PM", "3 AM"),
    ("12 pm", "12 am"),
    ("12 midnight", "12 noon"),
    ("40° N", "40° S"),
    ("3 east", "3 west"),
    ("44 BC", "44 AD"),
    ("5 °C", "5 °F"),
    ("5 mol", "5 mmol"),
    ("5 s", "5 ms"),
    ("5 dB", "5 dBm"),
    ("5'", '5"'),
    ("5 pounds", "5 pence"),
    ("5 apples", "5 oranges"),
    ("3 wins", "3 losses"),
    ("5 thousandths", "5"),
    ("5 ppm", "5"),
    ("1990s", "1990"),
    ("1011_2", "1011_3"),
    ("x=3", "y=3"),
    ("Chapter 18", "18"),
    ("Figure 18", "18"),
    ("18 steps follow", "18"),
    ("Let us do it in 18 steps.", "18"),
    ("\\boxed{5\\text{ apples}}", "5 oranges"),
    ("The answer is 7:30 am.", "7:30 pm"),
    ("3 pm", "3"),
    ("44 BC", "44"),
    ("30° C", "30 K"),
]
SAME_THING = [
    ("$12", "12 dollars"),
    ("So the total is 18 cups of flour.", "18"),
    ("It takes 5 hours of work", "5 hours"),
    ("Thus $x=3$.", "3"),
    ("Answer: **5**", "5"),
    ("The answer is **Paris**.", "Paris"),
    ("18 eggs", "18"),
    ("She has 12 apples.", "12"),
    ("7:30 am", "7:30 AM"),
    ("5 °C", "5 °C."),
    ("There are 18 eggs left.", "18"),
    ("5 mol", "5"),
    ("3 PM", "3 pm"),
    ("12 apples", "12 apples"),
    ("It costs 18 dollars a day.", "18"),
    ("5 apples.", "5 apples"),
    ("x=3", "3"),
]
OTHER_FORM = [
    ("0 \\le x < 1", "[0,1)"),
    ("\\frac{1}{8}", "12.5%"),
    ("0.5 kg", "500 g"),
    ("5 km", "5000 m"),
    ("1000 mL", "1 L"),
    ("60 min", "1 h"),
    ("50 cents", "$0.50"),
    ("3e8", "3 \\cdot 10^{8}"),
    ("-1", "e^{i\\pi}"),
    ("x=1 \\text{ or } x=2", "x=2, x=1"),
    ("x=1 \\text{ or } x=2", "\\{1,2\\}"),
    ("2 and -2", "\\{-2,2\\}"),
    ("x \\neq 0", "\\mathbb{R}\\setminus\\{0\\}"),
    ("x can be any real number", "\\mathbb{R}"),
    ("1 in 6", "\\frac{1}{6}"),
    ("3 over 4", "\\frac34"),
    ("42!", "42"),
    ("The answer is 42!", "42"),
    ("Yep", "yes"),
    ("True", "yes"),
    ("Correct.", "yes"),
    ("はい", "yes"),
    ("Ja", "yes"),
    ("是", "yes"),
    ("да", "yes"),
    ("Nope.", "no"),
    ("It is not.", "no"),
    ("不是", "no"),
    ("red", "A"),
    ("3rd", "third"),
    ("Dec.", "December"),
    ("U.S.", "United States"),
    ("巴黎", "Paris"),
    ("1,5 Millionen", "1500000"),
    ("1.000", "1000"),
    ("100 °C", "212 °F"),
    ("π/2", "90^\\circ"),
    ("pi/2 radians", "\\frac{\\pi}{2}"),
    ("1 to 2", "1:2"),
    ("19th century", "nineteenth century"),
    ("12", "December"),
    ("\\mathbb{R}", "x can be any real number"),
    ("Lomé", "Lome"),
    ("الجواب هو ثلاثة عشر.", "13"),
    ("Odpověď je dvacet dva.", "22"),
    ("Il reste vingt et un pommes.", "21"),
    ("Jawabannya dua belas.", "12"),
    ("Quedan ciento dos manzanas.", "102"),
    ("A resposta é trinta e dois.", "32"),
    ("Đáp án là hai mươi mốt.", "21"),
]


@pytest.mark.parametrize(("text", "reference"), OTHER_THINGS)
def test_another_thing_is_not_right(text, reference):
    """The same number of something else, at another time or in another unit pays nothing without a judge."""
    assert states(text, reference) is not True
    assert states(reference, text) is not True
    assert matches(text, reference) is not True


@pytest.mark.parametrize(("text", "reference"), SAME_THING)
def test_the_same_thing_is_right(text, reference):
    """What only the response says of the number ("18 eggs" for 18) takes nothing from it."""
    assert states(text, reference) is True


@library
@pytest.mark.parametrize(("text", "reference"), OTHER_FORM)
def test_another_form_is_not_wrong(text, reference):
    """A right answer in another form, unit or language is never called wrong."""
    assert states(text, reference) is not False
    assert matches(text, reference) is not False


@pytest.mark.parametrize("name", ["K2", "F-16", "AC/DC", "Paris", "C#"])
def test_a_name_is_no_value(name):
    """Against a name, another name is wrong: only values are left open."""
    assert not is_value(name)


@settings(deadline=None, max_examples=150)
@given(
    st.text(st.sampled_from("0123456789.,-/+=% $€^_()[]{}\\boxedfrac answer#\n")) | st.text(),
    st.sampled_from(("12", "$x^2$", "Paris", "")),
)
def test_any_response_is_read(text, reference):
    """The response is hostile: nothing raises."""
    assert states(text, reference) in (True, False, None)
    assert matches(text, reference) in (True, False, None)


@pytest.mark.parametrize(
    "text",
    [
        "\\boxed{" * 140_000,
        "answer is " * 100_000,
        "$" * 10**6,
        "#" * 10**6,
        "1+" * 500_000,
        "\\boxed{1} " * 100_000,
        "{" * 10**6 + "\\boxed{",
        "1 or " * 200_000,
        "\\[" * 500_000,
    ],
    ids=lambda text: text[:9],
)
def test_a_megabyte_takes_no_time(text):
    """No text of a response may take the processor for itself; what a library needs it needs in another process."""
    assert least_cpu(lambda: states(text, "x+1"), 1.0) < 1.0
