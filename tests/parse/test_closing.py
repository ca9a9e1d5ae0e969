"""The short way of reading a plain reply says what the long way says, and stays away from every reply that is not plain."""

from __future__ import annotations

import random

import pytest
from parse_grammars import grammars, question

from judge.parse import format_verdict
from judge.parse.closing import closing_verdict
from judge.parse.read import Decision, decide_any

LINES = (
    "\uff36\uff25\uff32\uff24\uff29\uff23\uff34\uff1a1.",
    "One line\u2028end.",
    'He says "yes, and more.',
    "\u00abThe answer is right.",
    "The sum is right.",
    "It says so",
    "The response ends with:",
    "It claims",
    "If it had named the year, I would have written",
    "Format example:",
    "I was told to write",
    "> quoted.",
    "```",
    "~~",
    "\u201cIt is 4\u201d, it says.",
    '"',
    "`code` is fine.",
    "| a | b |",
    "<think>hm",
    "</think>",
    "[[A]]",
    '{"a": 1}',
    "Here is my thinking process:",
    "Is it right?",
    "It isn't, and 'so'.",
    "Good; short.",
    "My verdict is clear.",
    "VERDICT follows below.",
    "Winner: not this one.",
    "[/INST]",
    "",
    " ",
    "Loser.",
    "It is better!",
    "## Reasons.",
    "\u200b.",
    "Un \xe9t\xe9 chaud.",
    "'The answer.",
    "Response A is worse.",
    "analysis.",
    "thought",
    "Not met.",
    "score: 2.",
    "verd\u0131ct: 1.",
)
KINDS = {
    "label": (question("label"), ("CORRECT", "INCORRECT")),
    "numbers": (question("label", labels={"1": 0.0, "2": None, "10": 1.0}), ("1", "2", "10")),
    "score": (question("score"), (1, 4, 5)),
    "choice": (question("choice", tie="tie"), (0, 1, None)),
    "marker": (question("choice", marker="Winner"), (0, 1)),
}


def same(text: str, asked) -> bool:
    """Whether the short way read it, in which case the long way has to say the same."""
    found = closing_verdict(text, asked)
    if found is not None:
        assert Decision(*found) == decide_any(text, asked), text
    return found is not None


@pytest.mark.parametrize("kind", KINDS)
def test_both_ways_agree(kind):
    asked, values = KINDS[kind]
    rng = random.Random(7)
    short = 0
    for _ in range(6_000):
        lines = [rng.choice(LINES) for _ in range(rng.randint(0, 4))]
        said = format_verdict(asked, rng.choice(values))
        said = rng.choice(
            (said, said, said, said.lower(), f"**{said}**", f"{said}.", said.replace(": ", ":"), f"> {said}", f"- {said}")
        )
        ends = ("", "", "", "\n", " \n\n", "\nWait, no.", f"\n{said}", "\n\nThat is all.", " (out of ten)", " " * 120, " " * 700)
        short += same("\n".join([*lines, said]) + rng.choice(ends), asked)
    assert short > 200, "the short way reads none of them"


@pytest.mark.parametrize("grammar", grammars(), ids=lambda g: g.id)
def test_every_grammar(grammar):
    """Only one line with one value is read the short way, and no kind is read in a way of its own."""
    stated = [format_verdict(grammar.question, value) for value in (grammar.passing, grammar.failing)]
    names = [name for name, _ in grammar.question.markers] + [grammar.question.spec.marker]
    stated += [f"{name}: {word}" for name in names for word in ("5", "A", "CORRECT", "MET", "A>B", "none", "tie")]
    for said in stated:
        for text in (
            said,
            f"It is so.\n{said}",
            f"It is so.\n\n{said}\n",
            f"The response says:\n{said}",
            f"It is so.\n{said}\nNo.",
        ):
            same(text, grammar.question)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("It ends with:\nVERDICT: 5", id="introduced"),
        pytest.param("It ends with\nVERDICT: 5", id="open-sentence"),
        pytest.param("VERDICT: 1\nNo.\nVERDICT: 5", id="twice"),
        pytest.param("The verdict is 2.\nVERDICT: 5", id="named-before"),
        pytest.param('It says "so.\nVERDICT: 5" and more.', id="words-behind"),
        pytest.param("```\nIt is.\nVERDICT: 5", id="fence"),
        pytest.param("<think>It is.\nVERDICT: 5", id="thinking"),
        pytest.param("It is.\nVERDICT: 05", id="leading-zero"),
        pytest.param("It is.\nVERDICT: 6", id="off-scale"),
        pytest.param("It is.\nVERDICT: 4.5", id="decimals"),
        pytest.param("It is.\nverdict: 5", id="other-case"),
    ],
)
def test_what_is_not_plain_is_left(text):
    assert closing_verdict(text, question("score")) is None
