"""The words that a judge copies as evidence: found where it states them, and nowhere else."""

from __future__ import annotations

import pytest

from judge.parse import read, read_copied, read_copy
from judge.recipe.verdict import CopiedSpec, Question, VerdictSpec
from judge.types import Completion

SAYS = CopiedSpec(marker="RESPONSE SAYS")


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        pytest.param("RESPONSE SAYS: 4\nVERDICT: CORRECT", "4", id="plain"),
        pytest.param("**RESPONSE SAYS:** about 4 km\nVERDICT: CORRECT", "about 4 km", id="bold-marker"),
        pytest.param("1. Response says： ４\n2. VERDICT: CORRECT", "４", id="numbered-and-wide"),
        pytest.param('RESPONSE SAYS: "The Who"\nVERDICT: CORRECT', "The Who", id="quoted"),
        pytest.param("RESPONSE SAYS: **$x^2$**\nVERDICT: CORRECT", "$x^2$", id="bold-words"),
        pytest.param("RESPONSE SAYS:\nParis\nVERDICT: CORRECT", "Paris", id="on-the-next-line"),
        pytest.param("RESPONSE SAYS:\nREFERENCE SAYS: 4\nVERDICT: CORRECT", None, id="nothing-copied"),
        pytest.param("RESPONSE SAYS: 3\nNo.\nRESPONSE SAYS: 4\nVERDICT: CORRECT", "4", id="the-last-one"),
        pytest.param("<think>RESPONSE SAYS: 3</think>\nRESPONSE SAYS: 4\nVERDICT: CORRECT", "4", id="draft-in-thinking"),
        pytest.param("<think>RESPONSE SAYS: 3</think>\nVERDICT: CORRECT", None, id="only-in-thinking"),
        pytest.param("<think>RESPONSE SAYS: 3", None, id="thinking-never-ends"),
        pytest.param("The response says: 4, I think.\nVERDICT: CORRECT", None, id="in-a-sentence"),
        pytest.param("RESPONSE SAYS: none\nVERDICT: INCORRECT", "none", id="none"),
        pytest.param("VERDICT: CORRECT", None, id="no-line"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_copied_words(reply: str, words: str | None):
    """A verdict is worth what its evidence is worth, so the evidence must be the judge's last word on it."""
    assert read_copied(reply, SAYS) == words


def test_a_verdict_carries_its_evidence():
    """The pipeline checks what the verdict itself brings; a recipe without the line brings none."""
    labels = {"CORRECT": 1.0, "INCORRECT": 0.0}
    with_line = Question(VerdictSpec(kind="label", labels=labels, copied=SAYS), labels=labels)
    without = Question(VerdictSpec(kind="label", labels=labels), labels=labels)
    reply = Completion("RESPONSE SAYS: 4\nVERDICT: CORRECT")
    assert (read(reply, with_line).copied, read(reply, without).copied) == ("4", None)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        pytest.param("about 4 km", "about 4 km", id="alone"),
        pytest.param("RESPONSE SAYS: about 4 km", "about 4 km", id="with-the-marker"),
        pytest.param("<think>hm</think>`x = 4`", "x = 4", id="thinking-and-marks"),
        pytest.param("  \n", None, id="blank"),
    ],
)
def test_words_asked_for_alone(reply: str, words: str | None):
    """Asked for nothing but the words, a judge may still write the line."""
    assert read_copy(reply, SAYS) == words


def test_many_markers_take_no_time():
    """A reply is the judge's, and a judge may loop."""
    assert read_copied("RESPONSE SAYS: 4\n" * 50_000, SAYS) == "4"
