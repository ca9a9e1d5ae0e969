"""Copied words of the reference's kind: what may state it, and what is only talk about answering."""

from __future__ import annotations

import pytest

from judge.checks.values import compare_values
from judge.filters.proof import prove
from judge.filters.reference import reference
from judge.filters.surface import ResponseView

COUNT = "How many eggs are left?"
PLANETS = "Which planet is the largest? A) Mars B) Venus C) Jupiter D) Earth"


def state(text: str, known: str, prompt: str = COUNT) -> str:
    view = ResponseView(text, prompt, reference((known,)), "verifier")
    return prove(text, view, compare=compare_values).state


@pytest.mark.parametrize("known", ["18", "\\frac{3}{4}"])
@pytest.mark.parametrize(
    "text",
    [
        "The answer is whatever the reference says.",
        "My answer matches the reference exactly.",
        "The result follows immediately.",
        "Obviously.",
        "La réponse est ci-dessus.",
        "Ответ приведён выше.",
        "我的答案与标准答案一致。",
        "정답은 위와 같습니다.",
        "a positive integer",
        "the number of eggs",
        "asdf qwer zxcv",
        "print(answer)",
        "answer = solve(question)",
        "\\documentclass{article}\\begin{document}\\end{document}",
        "\\[ \\therefore \\]",
        "1.\n2.\n3.",
        "\\boxed{x}",
        "$n$",
        "n+1",
        "\\frac{a}{b}",
        "a",
        "x=?",
        "No problem at all.",
        "Any reasonable person would agree with the answer.",
        "The sky was grey over the harbour.",
    ],
)
def test_no_value_proves_no_value(text: str, known: str) -> None:
    """A judge that copies all of a text without any value has not seen the reference in it."""
    assert state(text, known) not in ("proved", "none")


@pytest.mark.parametrize(
    ("text", "known"),
    [
        pytest.param("a right angle", "90", id="angle"),
        pytest.param("it diverges", "\\infty", id="limit"),
        pytest.param("undefined", "\\infty", id="undefined"),
        pytest.param("both", "2", id="both"),
        pytest.param("all of them", "3", id="all"),
        pytest.param("certain", "1", id="certain"),
        pytest.param("half a dozen", "6", id="dozen"),
        pytest.param("a fortnight", "14 days", id="time"),
        pytest.param("It costs nothing.", "0", id="nothing"),
        pytest.param("keine Lösung", "\\emptyset", id="no-solution"),
        pytest.param("x can be any real number", "\\mathbb{R}", id="reals"),
        pytest.param("x + 1", "x+1", id="formula"),
        pytest.param("the identity matrix", "\\begin{pmatrix}1&0\\\\0&1\\end{pmatrix}", id="matrix"),
        pytest.param("oxygen", "O_2", id="name-of-a-formula"),
        pytest.param("the Fighting Falcon", "F-16", id="name-of-a-code"),
        pytest.param("La réponse est sept.", "7", id="number-word-in-a-sentence"),
        pytest.param("이십사 시간", "24", id="korean"),
    ],
)
def test_values_named_in_words(text: str, known: str) -> None:
    """A right answer in words stays payable."""
    assert state(text, known) == "proved"


@pytest.mark.parametrize(
    ("text", "known", "expected"),
    [
        pytest.param("C", "C", "proved", id="letter"),
        pytest.param("(c)", "C", "proved", id="small-letter"),
        pytest.param("Jupiter", "C", "proved", id="text-of-an-option"),
        pytest.param("The third one.", "C", "proved", id="place"),
        pytest.param("the correct option", "C", "says_nothing", id="announced"),
        pytest.param("The outcome agrees with the given key.", "C", "says_nothing", id="talk"),
        pytest.param("the largest planet", "C", "says_nothing", id="the-question"),
        pytest.param("That's right.", "yes", "proved", id="right"),
        pytest.param("Of course.", "yes", "proved", id="of-course"),
        pytest.param("Indeed it is.", "yes", "proved", id="indeed"),
        pytest.param("It is not.", "no", "proved", id="not"),
        pytest.param("Jupiter is the largest planet.", "yes", "proved", id="claim"),
        pytest.param("9 = 3 * 3", "no", "proved", id="equation"),
        pytest.param("whether Jupiter is the largest planet", "yes", "says_nothing", id="whether"),
        pytest.param("the right choice", "yes", "says_nothing", id="choice"),
        pytest.param("No idea.", "no", "says_nothing", id="no-idea"),
        pytest.param("The result follows immediately.", "no", "says_nothing", id="talk-and-no"),
        pytest.param("It reads one element, so it is O(n).", "O(log n)", "proved", id="formula-in-a-name"),
        pytest.param("As discussed above.", "Jupiter", "says_nothing", id="pointing-and-a-name"),
    ],
)
def test_options_and_yes_or_no(text: str, known: str, expected: str) -> None:
    """A letter, an option's words, or yes and no stand in what states one."""
    assert state(text, known, PLANETS) == expected


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("un", "1"), ("once", "11"), ("um", "1"), ("ett", "1"), ("to", "2"), ("een", "1"), ("bir", "1"), ("on", "10"),
        ("uno", "1"), ("dos", "2"), ("tres", "3"), ("egy", "1"), ("hat", "6"), ("ひとつ", "1"), ("一个", "1"),
        ("Un seul", "1"), ("열둘", "12"),
        ("δώδεκα", "12"), ("quarante-quatre", "44"), ("hai mươi hai", "22"), ("lima puluh lima", "55"), ("ни одного", "0"),
    ],
)  # fmt: skip
def test_a_number_word_of_any_language(text: str, known: str) -> None:
    """A word that is the reference in one language proves it, whatever it is in another; only as the whole response."""
    assert state(text, known) == "proved"
    assert state(text, "17") != "proved"


def test_a_number_word_within_other_words() -> None:
    """`Hold on.` says no 10, and `null` is 0 where it was asked in German."""
    view = ResponseView("Hold on.", COUNT, reference(("10",)), "verifier")
    assert prove("on", view, compare=compare_values).state != "proved"
    assert state("Null", "0", "Wie viele Eier sind übrig?") == "proved"
    assert state("null", "0") != "proved"
