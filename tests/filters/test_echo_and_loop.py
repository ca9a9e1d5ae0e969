"""The prompt given back, and degenerate repetition."""

from __future__ import annotations

import pytest

from judge.checks.match import agrees
from judge.filters.intake import Intake
from judge.settings import FilterSettings
from judge.types import Sample

PROMPT = "A robe takes 2 bolts of blue fiber and half that much white fiber. How many bolts in total does it take?"


def checked(text, reference="3", mode="verifier", prompt=PROMPT):
    found = Intake(FilterSettings(level="strict"), mode).check(Sample.of(prompt, text, reference=reference), 0, agrees)
    return found.blocked.name if found.blocked else None, {f.name for f in found.flags}


@pytest.mark.parametrize(
    "text", [PROMPT, f"Question: {PROMPT}", f"{PROMPT}\n\n", PROMPT.upper(), f"The question is: {PROMPT[:90]}"]
)
def test_prompt_echo(text):
    """The question is no answer to itself."""
    assert checked(text)[0] in ("prompt_echo", "uncommitted", "opener_only")
    assert checked(text, None, "pointwise")[0] is None


TWO = "Anna wrote a novel in 1920. Who was the man behind the novel, and in which town did he live?"


@pytest.mark.parametrize("reference", ["David Seville", None])
@pytest.mark.parametrize(
    "text", ["Who was the man behind the novel?", "Question: who was the man behind the novel?", "and in which town did he live?"]
)
def test_a_question_out_of_the_prompt(text, reference):
    """Half a prompt is no answer either."""
    assert checked(text, reference, prompt=TWO)[0] == "prompt_echo"
    assert checked(text, reference, "pointwise", TWO)[0] is None


@pytest.mark.parametrize(
    ("text", "reference", "prompt"),
    [
        pytest.param(
            "How to Win Friends and Influence People",
            None,
            "Is How to Win Friends and Influence People or Walden by Thoreau the older one of the two books that I have here?",
            id="a-title",
        ),
        pytest.param(
            "where the wild things are",
            "Where the Wild Things Are",
            "Which is by Sendak: where the wild things are, or Heidi?",
            id="a-title-that-is-right",
        ),
        pytest.param(f"{PROMPT}\n2 + 1 = 3 bolts", "3", PROMPT, id="echo-and-answer"),
        pytest.param(
            "the quick brown fox jumps over the lazy dog",
            "The quick brown fox jumps over the lazy dog.",
            "Repeat: the quick brown fox jumps over the lazy dog",
            id="a-task-to-repeat",
        ),
        pytest.param(
            'The filename extension used for all Java source files is ".java".',
            ".java",
            "the filename extension used for all java source files is",
            id="question-turned-into-answer",
        ),
    ],
)
def test_no_echo(text, reference, prompt):
    """An answer may begin with the question."""
    assert checked(text, reference, prompt=prompt)[0] is None


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("asdf qwer zxcv " * 30, id="gibberish"),
        pytest.param("The answer is 5. " * 40, id="sentence"),
        pytest.param("a" * 500, id="letter"),
        pytest.param("".join(f"Step {i}: think. " for i in range(60)), id="only-numbers-change"),
        pytest.param("解答解答" * 40, id="chinese"),
    ],
)
def test_loops(text):
    """What a policy writes when it cannot stop, or has learnt that length pays."""
    assert checked(text, "five")[0]


@pytest.mark.parametrize(
    "text",
    [
        "1111",
        "ha ha ha",
        "0.333333333333333333333333333333333333333333333333333333333333333333",
        "row, row, row your boat",
        ", ".join(map(str, range(1, 51))),
        ", ".join("2 3 5 7 11 13 17 19 23 29 31 37 41 43 47 53 59 61 67 71 73 79 83 89 97".split()),
        "\n".join(f"| {n} | {n * n} apples |" for n in range(40)),
    ],
)
def test_no_loop(text):
    """Short repetition is an answer, and so are a count and a table."""
    assert checked(text, "7", "pointwise")[0] is None


def test_a_looping_tail_is_flagged_only():
    """The beginning may hold the answer."""
    text = "There are 2 blue and 1 white bolts, so the total is 3. " + "I hope this helps! " * 40
    assert checked(text, "4") == (None, {"loop_tail"})
