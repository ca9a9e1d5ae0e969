"""Openers, headings, restatements: what announces an answer and holds none."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from judge.checks.match import agrees
from judge.filters.intake import Intake
from judge.filters.lexicon import LEXICON, Lexicon
from judge.settings import FilterSettings
from judge.types import Sample

VERIFIER = Intake(FilterSettings(level="strict"), "verifier")
POINTWISE = Intake(FilterSettings(level="strict"), "pointwise")
FAMILIES = yaml.safe_load(Path(__file__).with_name("openers.yaml").read_text(encoding="utf-8"))
STRINGS = [(family, text) for family, listed in FAMILIES.items() for text in listed["strings"]]
QUESTION = "Who was the man behind The Chipmunks, and how many apples were left?"


def blocked(text, reference=None, prompt=QUESTION, intake=VERIFIER):
    flag = intake.check(Sample.of(prompt, text, reference=reference), 0, agrees).blocked
    return flag.name if flag else None


@pytest.mark.parametrize(("family", "text"), STRINGS)
def test_no_opener_is_paid_where_a_value_is_the_answer(family, text):
    """In every language, listed or not: it names no value."""
    assert blocked(text, "42")
    assert blocked(text, "\\frac{3}{4}")


def test_openers_where_a_text_is_the_answer():
    """At least 95 % of the development list, and all of it in listed languages (measured: benchmarks/filters.py)."""
    missed = [(f, t) for f, t in STRINGS if not blocked(t, "David Seville")]
    assert not [m for m in missed if m[0] != "never-listed"]
    assert len(missed) <= 0.05 * len(STRINGS)


@pytest.mark.parametrize(
    ("text", "prompt", "reference"),
    [
        pytest.param("Sure, Paris.", "Capital of France?", "Paris", id="promise-and-answer"),
        pytest.param("Solution: 4", "2+2?", "5", id="heading-and-wrong-answer"),
        pytest.param("Let's see: it was Napoleon.", "Who lost at Waterloo?", "Wellington", id="wrong-name"),
        pytest.param("The answer is the dog.", "Is the dog or the cat larger?", "the cat", id="picks-from-the-question"),
        pytest.param("a dog", "Is a dog or a cat larger?", "cat", id="choice"),
        pytest.param("solution", "What is a homogeneous mixture called?", "a solution", id="word-of-an-opener"),
        pytest.param("Step 1 gives x = 2.", "Solve 3x = 6.", "3", id="step-with-work"),
        pytest.param("The process is called photosynthesis.", "What do plants do?", "respiration", id="claim"),
        pytest.param("解：x=2", "解方程 3x = 6。", "3", id="chinese-with-work"),
        pytest.param("答え：東京", "日本の首都は？", "大阪", id="japanese-answer"),
        pytest.param("Die Antwort ist Wien.", "Hauptstadt?", "Bern", id="german-claim"),
        pytest.param("I'll go with option C.", "Which? A) 1 B) 2 C) 3", "B", id="option"),
        pytest.param("Thought process: 6*7=42. Answer: 42", "6*7?", "43", id="work"),
    ],
)
def test_answers_go_to_the_judge_even_when_wrong(text, prompt, reference):
    """The filters stop what holds no answer; right or wrong is for the judge to say."""
    assert blocked(text, reference, prompt) is None


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        pytest.param(
            "Cloud computing lets firms store data on internet-hosted servers.",
            "Rephrase: firms store data on hosted servers.",
            id="rewrite",
        ),
        pytest.param("Sure! Please paste the code you would like me to review.", "Can you review my code?", id="asks-for-input"),
        pytest.param("What would you like to know?", "I have a question.", id="asks-back"),
        pytest.param("Help!", "Which album came after A Hard Day's Night?", id="title"),
        pytest.param("Let It Be", "Their last album?", id="title-that-invites"),
        pytest.param("Proverbs", "Which book is it?", id="foreign-stem"),
    ],
)
def test_assistants_may_say_so(text, prompt):
    """Outside verifier recipes there may be no reference, and short, polite or rewritten texts are answers."""
    assert blocked(text, None, prompt, POINTWISE) is None


def test_a_left_out_language_is_left_out():
    """The benchmark's leave-one-out figures would be worthless otherwise."""
    without = Lexicon(frozenset(["de"]), frozenset(["solution"]))
    assert LEXICON.is_core("losung") and LEXICON.is_core("solution")  # noqa: PT018
    assert not without.tongues("losung") - {"nl", "nordic"}
    assert not without.is_core("solution", frozenset(["en"]))


@pytest.mark.parametrize("text", ["assistant", "Assistant:", "<|im_start|>assistant", "<|user|>"])
def test_a_role_name_is_no_answer(text):
    """Policies write the next turn's mark and stop."""
    assert blocked(text, "David Seville")
    assert blocked("assistant") is None  # "Who helps a dentist?"
    assert blocked("assistant", "an assistant") is None


def test_a_word_made_of_known_words_is_known():
    """A hyphen makes nothing new."""
    assert blocked("Chain-of-thought follows below.")
