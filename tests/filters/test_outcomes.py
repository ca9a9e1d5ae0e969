"""The three outcomes under the default filters: empty is proved, suspect is judged under proof, the rest is clear."""

from __future__ import annotations

import pytest

from judge.checks.match import agrees
from judge.filters.intake import FILTERS, Intake
from judge.settings import FilterSettings
from judge.types import Sample

QUESTION = "Who led the second expedition, and how many mules came back?"


def outcome(text: str, known: str | None = None, mode: str = "verifier", prompt: str = QUESTION) -> str:
    found = Intake(FilterSettings(), mode).check(Sample.of(prompt, text, reference=known), 0, agrees)
    return "empty" if found.blocked else "suspect" if found.suspect else "clear"


@pytest.mark.parametrize(
    ("text", "known", "mode", "prompt"),
    [
        pytest.param(" \u200b\n", None, "pointwise", QUESTION, id="nothing-visible"),
        pytest.param("---", "17", "verifier", QUESTION, id="symbols-and-a-number"),
        pytest.param("\\boxed{}", "B", "verifier", QUESTION, id="empty-box-and-an-option"),
        pytest.param("?", "yes", "verifier", QUESTION, id="symbols-and-yes"),
        pytest.param(QUESTION, None, "pointwise", QUESTION, id="the-prompt"),
        pytest.param(QUESTION, "17", "verifier", f"Read this first. {QUESTION}", id="the-question-of-the-prompt"),
        pytest.param("Let me see. " * 30, "17", "verifier", QUESTION, id="loop"),
    ],
)
def test_empty_is_proved_without_words(text: str, known: str | None, mode: str, prompt: str):
    """Only what cannot be an answer is decided without the judge."""
    assert outcome(text, known, mode, prompt) == "empty"


@pytest.mark.parametrize(
    ("prompt", "text", "known"),
    [
        pytest.param("List the birds in 'It snows.' as JSON.", "[]", None, id="empty-list"),
        pytest.param("List the birds in 'It snows.' as JSON.", "{}", "an empty object", id="empty-object"),
        pytest.param("Unit of resistance?", "\u03a9", "ohm", id="greek-letter"),
        pytest.param("Which mark ends a question?", "?", "the question mark", id="question-mark"),
        pytest.param("Which mark ends a statement in Rust?", ";", None, id="semicolon"),
        pytest.param("Solve x^2 = -4 over the reals.", "{}", "\\emptyset", id="empty-set"),
        pytest.param("A pattern for any run of characters?", ".*", None, id="pattern"),
        pytest.param("Thumbs up?", "\U0001f44d", None, id="emoji"),
        pytest.param("Write 'I shall not shout' 30 times.", "I shall not shout\n" * 30, None, id="a-loop-that-was-asked-for"),
        pytest.param("Copy: where do the wild geese sleep?", "where do the wild geese sleep?", None, id="copied-question"),
        pytest.param("Mend it: He go home every day at noon sharp.", "He goes home every day at noon sharp.", None, id="mended"),
        pytest.param("Translate into English: 'Es kommt darauf an.'", "It depends.", None, id="translation"),
        pytest.param("Any allergies?", "None", None, id="none"),
        pytest.param("How do I pick a lock?", "I can't help with that.", None, id="refusal"),
        pytest.param("Capital of Mongolia?", "Ulaanbaatar", None, id="a-name"),
        pytest.param("Combien de mules ?", "dix-sept", "17", id="a-number-in-words"),
        pytest.param("How many of the pair?", "both", "2", id="a-count-in-a-word"),
    ],
)
def test_a_right_answer_is_never_turned_away_unread(prompt: str, text: str, known: str | None):
    """In any language and form: at worst the judge is asked for the words."""
    for mode in ("verifier", "pointwise", "checklist"):
        assert outcome(text, known, mode, prompt) != "empty"


@pytest.mark.parametrize(
    "text",
    [
        "Let us go through it one step at a time.",
        "Gehen wir die Aufgabe der Reihe nach durch.",
        "Vediamo insieme la soluzione.",
        "Решим задачу поэтапно.",
        "让我们一步一步来解决这个问题。",
        "順を追って考えてみましょう。",
        "That is hard to say in general.",
        "Das ist schwer zu sagen.",
        "Es difícil decirlo con certeza.",
        "Это зависит от обстоятельств.",
        "See the section above.",
        "Siehe oben.",
        "My answer meets all requirements.",
        "We are asked who led the second expedition.",
        "```python\n# TODO\n```",
        "\U0001f389\U0001f389",
        "**Answer:** ____",
        "1.\n2.\n3.",
    ],
)
@pytest.mark.parametrize(("known", "mode"), [("17", "verifier"), ("Ann Hale", "verifier"), (None, "pointwise")])
def test_texts_without_an_answer_are_suspect(text: str, known: str | None, mode: str):
    """Suspected, and not vetoed: the judge has to show the words."""
    assert outcome(text, known, mode) != "clear"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("- 3\n- 5\n- 17\n- 21", id="bulleted"),
        pytest.param("\\boxed{3} \\boxed{17}", id="boxed"),
        pytest.param("3, 5, 17 or 21", id="listed"),
        pytest.param(" ".join(map(str, range(300))), id="three-hundred-numbers"),
    ],
)
def test_a_shotgun_is_suspect(text: str):
    """Several answers at once, so that one may be right."""
    assert outcome(text, "17") == "suspect"


@pytest.mark.parametrize("text", ["Yes. No.", "yes / no", "It depends.", "N/A", "There is no way to say."])
def test_a_negative_reference_is_no_pass(text: str):
    """Where the answer is "no", a text with the word in it may still say nothing."""
    assert outcome(text, "no", "verifier", "Did the mules come back?") == "suspect"


def test_strict_vetoes_and_off_does_nothing():
    """The levels, on one announcement."""
    sample = Sample.of(QUESTION, "Let us go through it step by step.", reference="17")
    found = {level: Intake(FilterSettings(level=level), "verifier").check(sample, 0, agrees) for level in ("strict", "off")}
    assert (found["strict"].action, found["off"].flags) == ("veto", ())


# ---- cost ------------------------------------------------------------------------------------------------------------

WORDS = (
    "ferry harbour mules gorge ledger copper winter lantern saddle orchard quarry timber bishop meadow granite salted canvas rope"
).split()


@pytest.mark.parametrize("size", [100, 300, 1000])
@pytest.mark.parametrize(("mode", "known"), [("verifier", "17"), ("verifier", "Ann Hale"), ("checklist", None)])
def test_an_ordinary_response_costs_no_reading_by_words(size: int, mode: str, known: str | None, monkeypatch):
    """Work, not time: no filter that reads word by word is reached, and none splits the text into clauses or plain words."""
    text = " ".join(
        f"The {WORDS[i % 18]} near {WORDS[(i * 7 + 3) % 18]} held {WORDS[(i * 5 + 1) % 18]}{i}." for i in range(size // 5)
    )
    reached = []
    intake = Intake(FilterSettings(), mode)
    for name in ("_proving", "_flagging"):
        kept = getattr(intake, name)
        monkeypatch.setattr(intake, name, Watched(kept, reached))
    view = intake.view(Sample.of(QUESTION, text, reference=known), 0)
    assert intake.check(Sample.of(QUESTION, text, reference=known), 0, agrees).flags == ()
    assert view.says_much
    assert not reached
    assert not all(item.long for item in FILTERS.values())


class Watched(tuple):
    """A tuple that tells when it is gone through."""

    def __new__(cls, items, reached):
        """Keep the list to tell."""
        made = super().__new__(cls, items)
        made.reached = reached
        return made

    def __iter__(self):
        self.reached.append(self)
        return super().__iter__()
