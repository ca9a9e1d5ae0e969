"""What reaches the judge and what does not: the filters together, their actions, their cost."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge.checks.match import agrees
from judge.errors import SettingsError
from judge.filters.intake import FILTERS, Intake
from judge.settings import FilterSettings
from judge.types import Message, Sample
from tests.clock import least_cpu

MODES = ("verifier", "pointwise", "pairwise", "listwise", "checklist")
NOTHING = [
    "",
    " ",
    "\n\t",
    "\u200b",
    "\u2060\ufeff\u00ad",
    "\u3164",
    "\u2800",
    ".",
    ",",
    ":",
    "...",
    "-- --",
    "$",
    "{",
    "!?!",
    "<think></think>",
    "<answer>\n</answer>",
    "\\boxed{}",
    "**",
    "```\n```",
    "Thought process:",
    "Let's solve this problem step by step.",
    "Solution",
    "Solution:",
    "Respuesta",
    "解",
    "かいせつ",
    "Let me solve it step by step.",
    "Let\u2019s do this step by step.",
    "The solution",
    "mental process",
    "**Answer:**",
    "# Solution",
    "Sure, here is the solution:",
    "First, let us think about this problem.",
    "Final answer:",
    "解答：",
    "让我们一步一步思考。",
    "Step 1",
    "null",
    "1.",
]
SOMETHING = [
    "4",
    "B",
    "A",
    "I",
    "x = 2",
    "５",
    "٣",
    "½",
    "∞",
    "π",
    "∅",
    "Paris",
    "Yes",
    "No",
    "no",
    "right",
    "two",
    "one",
    "12.",
    "東京",
    "答え：東京",
    "解：x=2",
    "да",
    "😀",
    "The answer is 4.",
    "Solution: 4",
    "I think it is Paris.",
    "To be or not to be",
    "Sure, Paris.",
    "a mixture of salt and water",
    "<think>4</think>",
    "O(n)",
    "§ 4",
]


def stopped(sample, mode="pointwise", matches_reference=None):
    """What keeps the first response from the judge under strict filters; None when it goes on."""
    return Intake(FilterSettings(level="strict"), mode).check(sample, 0, matches_reference).blocked


@pytest.mark.parametrize("text", NOTHING)
@pytest.mark.parametrize("mode", ["verifier", "pointwise"])
def test_nothing_to_judge_costs_no_call(text, mode):
    """A string without content cannot buy a verdict, because no judge is asked."""
    assert stopped(Sample.of("What is 2 + 2?", text), mode=mode) is not None


@pytest.mark.parametrize("text", SOMETHING)
def test_short_answers_reach_the_judge(text):
    """A right short answer is never vetoed for being short, in any script."""
    assert stopped(Sample.of("What is 2 + 2?", text)) is None


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        pytest.param("Solution", "solution", id="word-that-looks-like-an-opener"),
        pytest.param("...", "...", id="symbols"),
        pytest.param("解", "解", id="heading"),
        pytest.param("Process.", "process", id="normalised"),
        pytest.param("It depends.", "it depends", id="refusal"),
        pytest.param("x" * 100, "x" * 100, id="loop"),
    ],
)
def test_an_answer_that_is_the_reference_always_passes(text, reference):
    """What do you call a homogeneous mixture? A solution."""
    assert stopped(Sample.of("q", text), mode="verifier") is not None
    assert stopped(Sample.of("q", text, reference=reference), matches_reference=agrees, mode="verifier") is None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({}, "prove", id="default"),
        pytest.param({"level": "strict"}, "veto", id="strict"),
        pytest.param({"level": "strict", "trivial": "drop"}, "drop", id="ceiling"),
        pytest.param({"trivial": "drop"}, "prove", id="what-is-suspect-is-not-dropped"),
        pytest.param({"level": "off"}, "off", id="level-off"),
        pytest.param({"level": "off", "actions": {"opener_only": "veto"}}, "veto", id="one-filter-alone"),
        pytest.param({"trivial": "flag"}, "flag", id="judged-and-flagged"),
        pytest.param({"trivial": "off"}, "off", id="off"),
        pytest.param({"trivial": "off", "actions": {"opener_only": "drop"}}, "drop", id="one-filter-overrides"),
        pytest.param(
            {"actions": dict.fromkeys(("opener_only", "uncommitted", "says_little"), "off")}, "off", id="single-filters-off"
        ),
    ],
)
def test_actions(given, expected):
    """What a finding does is the user's choice, for all filters or for one."""
    found = Intake(FilterSettings(**given), "verifier").check(
        Sample.of("2+2?", "Let us think step by step.", reference="4"), 0, agrees
    )
    assert found.action == expected
    assert (found.blocked is not None) == (expected in ("veto", "drop"))
    assert found.suspect == (expected == "prove")
    assert bool(found.flags) == (expected != "off")


def test_a_setting_without_effect_is_refused():
    """`trivial` says what a veto comes to; where there is none, the user meant something else."""
    with pytest.raises(ValueError, match="`trivial: veto` has no effect with `level: off`"):
        FilterSettings(level="off", trivial="veto")


def test_an_unknown_filter_is_named():
    """A misspelt filter would otherwise stay on in silence."""
    with pytest.raises(
        SettingsError, match=r"filters\.actions\.opener_onyl: no filter `opener_onyl`; did you mean `opener_only`\?"
    ):
        Intake(FilterSettings(actions={"opener_onyl": "off"}), "verifier")


def test_each_filter_says_what_it_does():
    """What it stops, what it does not, and what it costs: the docs are made of it."""
    for item in FILTERS.values():
        assert "Stops" in item.about, item.name
        assert "Does not" in item.about, item.name
        assert "Cost" in item.about, item.name


def test_a_conversation_is_a_prompt():
    """The last question of a conversation can be echoed like any other."""
    text = "Which of the two rivers is longer, the Rhine or the Danube?"
    prompt = (Message("system", "Be brief."), Message("user", text))
    assert stopped(Sample(prompt=prompt, responses=(text,), reference="the Danube"), matches_reference=agrees, mode="verifier")


PIECES = [
    " ",
    "\u200b",
    ":",
    "<a>",
    "\\begin{",
    "step ",
    "解",
    "<",
    "**",
    "score ",
    "[[",
    "<|",
    "a<",
    "<a",
    "1\n",
    "\u0301",
    "either ",
    "it depends ",
    "or ",
    "=",
    "(",
    "-",
    "\ud800",
]


@pytest.mark.parametrize("piece", PIECES)
def test_a_megabyte_takes_no_time(piece):
    """A hostile answer cannot stop the run at the filters."""
    text = piece * (1_000_000 // len(piece))
    intake, sample = Intake(FilterSettings(level="strict"), "verifier"), Sample.of("q " * 1000, text, reference="42")
    assert least_cpu(lambda: intake.check(sample, 0, agrees), 3) < 3  # 0.4 s at most on a quiet machine


def test_an_honest_essay_costs_little():
    """Intake is on the path of every response."""
    text = " ".join(f"In the year {1500 + i} the town grew, and its mills ran on water from hill {i * 7}." for i in range(1300))[
        :100_000
    ]
    intake, sample = (
        Intake(FilterSettings(level="strict"), "verifier"),
        Sample.of("Tell the story of the town.", text, reference="1845"),
    )
    assert least_cpu(lambda: intake.check(sample, 0, agrees), 0.03) < 0.03  # 3 ms on a quiet machine


TEXTS = st.one_of(
    st.text(max_size=120),
    st.lists(
        st.sampled_from([*NOTHING, *SOMETHING, "either", "or", "\\frac{1}{2}", "<!--", "[[A]]", "\x00", "answer is", "/", "|"]),
        max_size=8,
    ).map(" ".join),
)


@settings(max_examples=300, deadline=None)
@given(text=TEXTS, reference=st.one_of(st.none(), TEXTS), prompt=TEXTS, mode=st.sampled_from(MODES))
def test_no_text_breaks_the_intake(text, reference, prompt, mode):
    """Candidates, prompts and references are data: anything may stand in them."""
    sample = Sample(prompt=prompt, responses=(text,), reference=reference)
    found = Intake(FilterSettings(level="strict"), mode).check(sample, 0, agrees)
    assert found.blocked is None or found.flags[0] is found.blocked
    if reference is not None and agrees(text, reference):
        assert found.blocked is None


def test_a_filter_of_verifiers_that_is_named_works_elsewhere():
    """A rubric whose reference is a number needs it too; a setting that does nothing would be a lie."""
    sample = Sample.of("How many apples?", "Every line below was weighed with care.", reference="12")
    assert Intake(FilterSettings(level="strict"), "checklist").check(sample, 0, agrees).blocked is None
    found = Intake(FilterSettings(actions={"uncommitted": "veto"}), "checklist").check(sample, 0, agrees)
    assert found.blocked.name == "uncommitted"


@pytest.mark.parametrize("mode", ["pairwise", "listwise"])
def test_a_proof_that_no_comparison_can_give_is_refused(mode: str):
    """A setting without effect is an error, and says what would have one."""
    with pytest.raises(SettingsError, match="`prove` has no effect in a recipe that compares responses"):
        Intake(FilterSettings(actions={"opener_only": "prove"}), mode)
    assert Intake(FilterSettings(actions={"opener_only": "flag"}), mode).actions["opener_only"] == "flag"
