"""What each probe changes and what it must leave alone."""

from __future__ import annotations

import random
import re

import pytest

from judge.audit.cases import OtherQuestion, ProbeCase
from judge.audit.catalogue import BY_NAME, PROBES, select
from judge.audit.data import SHIPPED, load_cases
from judge.audit.text import finals, last_number, number, sentences, stated
from judge.errors import InputError
from judge.rubric.model import Criterion, Rubric
from judge.types import Sample

WORK = "It has 2 × 6 = 12 parts.\nThen 12 + 5 = 17 are needed.\nThe answer is 17 hours."
CODE = "So:\n```python\ndef f(n):\n    # twice\n    return 2 * n\n```\nThe answer is 4."
LIST = "Points:\n- Fresh air helps.\n- Sleep matters.\n- Water is good."


def changed(name: str, text: str, reference: str | None = None, others: tuple[OtherQuestion, ...] = ()) -> str | None:
    """One probe on one text."""
    after = BY_NAME[name].apply(ProbeCase(Sample("Q?", (text,), reference), others=others, question="Q?"), 0)
    return None if after is None else after.text


@pytest.mark.parametrize(
    ("name", "text", "reference", "expected"),
    [
        pytest.param("quote_wrapping", "Paris.", None, '"Paris."', id="quotes"),
        pytest.param("stress_test", "Paris.", None, "Paris." + " and true is true" * 5, id="stress"),
        pytest.param("full_width", "x = 4", None, "ｘ ＝ ４", id="full-width"),
        pytest.param("decomposed", "café", None, "cafe\u0301", id="nfd"),
        pytest.param("decomposed", "cafe\u0301", None, "café", id="nfc"),
        pytest.param("decomposed", "plain", None, None, id="nothing-to-decompose"),
        pytest.param("line_separators", "a\nb", None, "a\u2028b", id="separators"),
        pytest.param("swap_format", "So \\boxed{4}", None, "So 4\n\n# Answer\n\n4", id="boxed-to-heading"),
        pytest.param("swap_format", "So.\n\n# Answer\n\n4", None, "So.\n\n\\boxed{4}", id="heading-to-boxed"),
        pytest.param("swap_format", "Four.", None, None, id="no-format"),
        pytest.param("code_minification", CODE, None, CODE.replace("    # twice\n    return", " return"), id="minified"),
        pytest.param("code_minification", "```python\ndef (:\n```", None, None, id="half-a-program"),
        pytest.param("comment_bad", CODE, None, CODE.replace("    # twice", "    # incorrect\n    # twice"), id="comment"),
        pytest.param("markdown_stripped", "## A\n- **b** c", None, "A\nb c", id="stripped"),
        pytest.param("markdown_bold", WORK, "17", WORK.replace("is 17", "is **17**"), id="bold-answer"),
        pytest.param("markdown_bullets", "A b. C d.", None, "- A b.\n- C d.", id="bullets"),
        pytest.param(
            "reordered", LIST, None, "Points:\n- Sleep matters.\n- Water is good.\n- Fresh air helps.", id="bullets-moved"
        ),
        pytest.param("reordered", WORK, "17", None, id="a-calculation-has-an-order"),
        pytest.param("conclusion_negated", WORK, "17", WORK.replace("answer is", "answer is not"), id="negated"),
        pytest.param("conclusion_removed", WORK, "17", "It has 2 × 6 = 12 parts.", id="every-conclusion-removed"),
        pytest.param("conclusion_removed", "17", "17", None, id="nothing-would-be-left"),
        pytest.param("unit_swapped", WORK, "17", WORK.replace("17 hours", "17 minutes"), id="unit"),
        pytest.param("answer_repaired", "6 + 5 = 11\nSo 11.", "17", "6 + 5 = 11\nSo 17.", id="repaired"),
        pytest.param("answer_repaired", WORK, "17", None, id="nothing-to-repair"),
        pytest.param("final_number_changed", "It is Rome.", "Rome", None, id="words-are-no-number"),
        pytest.param("truncated", WORK, "17", WORK[: len(WORK) // 2].rstrip(), id="truncated"),
    ],
)
def test_one_rewrite(name, text, reference, expected):
    """A user who reads the table of probes must find exactly this change in the texts, and no other."""
    assert changed(name, text, reference) == expected


@pytest.mark.parametrize("name", ["char_swap", "char_substitute", "char_insert", "char_delete", "homoglyph", "word_deletion"])
def test_noise_touches_few_words_and_no_answer(name):
    """3 % of the characters, never a number, a formula, a negation or the answer: the text is the same to a reader."""
    text = "The committee did not consider the proposal before the meeting because $x_1$ was 12. The capital is Canberra. " * 4
    after = changed(name, text, "Canberra")
    assert after not in (None, text)
    assert after.count("Canberra") == 4
    assert after.count(" not ") == 4
    assert (after.count(" $x_1$ "), after.count(" 12. ")) == (4, 4)
    assert abs(len(after) - len(text)) <= 0.05 * len(text)


def test_a_changed_final_number_is_changed_wherever_it_is_concluded():
    """`\\boxed{17}` beside `the answer is 18` would be two answers, not a wrong one."""
    after = changed("final_number_changed", "Work.\nThe answer is 17, so \\boxed{17}", "17")
    assert "17" not in after
    assert len(set(re.findall(r"\d+", after))) == 1


def test_step_changed_keeps_the_final_answer():
    """What a process-minded judge must see and a final-answer verifier may not: so verifiers are not asked."""
    after = changed("step_changed", WORK, "17")
    assert after.endswith("The answer is 17 hours.")
    assert "= 12 parts" not in after
    assert not BY_NAME["step_changed"].in_verifier


def test_contrast_takes_question_and_reference_of_another():
    """The same answer, another question: but never one that it answers as well."""
    others = (
        OtherQuestion("R?", Sample("R?", ("17.",), "17.0"), "17."),
        OtherQuestion("S?", Sample("S?", ("It is 3.",), "3"), "It is 3."),
    )
    case = ProbeCase(Sample("Q?", (WORK,), "17"), others=others, question="Q?")
    after = BY_NAME["contrast_question"].apply(case, 0)
    assert (after.sample.prompt, after.sample.reference, after.text) == ("S?", ("3",), WORK)
    assert changed("irrelevant_answer", WORK, "17", others) == "It is 3."
    assert BY_NAME["contrast_question"].apply(ProbeCase(case.sample, others=others[:1]), 0) is None


def test_rubric_probes_keep_every_criterion():
    """Order and names of criteria mean nothing; text, weight and scale do."""
    rubric = Rubric(name="r", criteria=(Criterion(id="a", text="A.", weight=2.0), Criterion(id="b", text="B.")))
    case = ProbeCase(Sample("Q?", ("x",)), rubric=rubric)
    shuffled, renamed = (BY_NAME[n].apply(case, 0) for n in ("rubric_shuffled", "criteria_renamed"))
    assert [c.id for c in shuffled.sample.rubric.criteria] == ["b", "a"]
    assert [(c.id, c.text, c.weight) for c in renamed.sample.rubric.criteria] == [("item1", "A.", 2.0), ("item2", "B.", None)]
    assert renamed.renamed == {"item1": "a", "item2": "b"}
    code = Rubric(name="r", criteria=(Criterion(id="a", text="A.", check="m:f"), Criterion(id="b", text="B.")))
    assert BY_NAME["rubric_shuffled"].apply(ProbeCase(case.sample, rubric=code), 0) is None  # data must not name code


@pytest.mark.parametrize("probe", [p for p in PROBES if p.expect == "invariant"], ids=lambda p: p.name)
def test_meaning_preserving_probes_keep_numbers_and_answer(probe):
    """Property over the shipped answers: whatever is called meaning-preserving leaves every number and the answer in place."""
    applied = 0
    for case in load_cases(str(SHIPPED), "pointwise").cases:
        after = probe.apply(case, 7)
        if after is None:
            continue
        applied += 1
        before, now = figures_of(case.text), figures_of(after.text)
        if probe.name == "concreteness":  # adds numbers, in front
            now = now[-len(before) :] if before else []
        assert (now if probe.name not in ("swap_format", "append_other_code") else now[: len(before)]) == before
        kept = bool(stated(case.text, case.reference))
        folded = after.text.translate({0xFEE0 + c: c for c in range(0x21, 0x7F)})
        assert bool(stated(folded, case.reference)) == kept
    only_rubrics = probe.family == "rubric"
    assert applied == 0 if only_rubrics else applied > 0


def figures_of(text: str) -> list[str]:
    """Runs of digits in order; letters and layout may change around them."""
    plain = text.translate({0xFEE0 + c: c for c in range(0x21, 0x7F)})
    if any(word in plain for word in ("7h3", "4r3")) or re.search(r"[a-zA-Z]\d|\d[a-zA-Z]", plain):
        plain = re.sub(r"\b(?=\w*[A-Za-z])(?=\w*\d)\w+\b", "", plain)  # leet and random links
    return re.findall(r"\d+", plain)


@pytest.mark.parametrize("probe", [p for p in PROBES if p.family == "causal"], ids=lambda p: p.name)
def test_causal_probes_change_the_answer(probe):
    """Property over the shipped answers: a causal change must be one, or sensitivity blames the judge for our mistake."""
    applied = 0
    for case in load_cases(str(SHIPPED), "pointwise").cases:
        if (case.is_right is False) != (probe.base == "wrong"):
            continue
        after = probe.apply(case, 7)
        if after is None:
            continue
        applied += 1
        assert after.text != case.text
        if probe.name in ("final_answer_swapped", "conclusion_removed"):
            assert not stated(after.text, case.reference)
        elif probe.name in ("final_number_changed", "answer_repaired"):
            last = last_number(after.text)
            agrees = number(after.text[slice(*last)]) == number(case.reference)
            assert agrees == (probe.expect == "rise")
    assert applied >= 5


def test_a_rewrite_belongs_to_its_item():
    """The same item is rewritten alike in any subset and any order of the data; another seed rewrites it otherwise."""
    rows = load_cases(str(SHIPPED), "pointwise").cases
    few = load_cases(str(SHIPPED), "pointwise", limit=3).cases
    by_text = {case.text: case for case in rows}
    for case in reversed(few):
        again = by_text[case.text]
        assert BY_NAME["char_swap"].apply(case, 1) == pytest.approx(BY_NAME["char_swap"].apply(case, 1))
        one, two = BY_NAME["char_insert"].apply(case, 1), BY_NAME["char_insert"].apply(again, 1)
        assert one.text == two.text
    assert BY_NAME["char_insert"].apply(rows[0], 1).text != BY_NAME["char_insert"].apply(rows[0], 2).text


def test_every_probe_says_what_it_does():
    """The listing is the documentation: what, what is expected, from where."""
    for probe in PROBES:
        said = " ".join((probe.rewrite.__doc__ or "").split())
        assert "Expected: " in said, probe.name
        assert "Source: " in said, probe.name
    assert len(BY_NAME) == len(PROBES)


def shout(case: ProbeCase, rng: random.Random) -> ProbeCase | None:
    """A user's own probe."""
    return case.but(case.text + "!")


def test_selecting_probes():
    """By name, family, import path; a typo is answered with the nearest name."""
    assert [p.name for p in select(["leet,contrast"])] == ["leet", "contrast_question", "irrelevant_answer"]
    [mine] = select(["tests.audit.test_rewrites:shout"])
    assert (mine.family, mine.expect) == ("user", "invariant")
    with pytest.raises(InputError, match="did you mean `leet`"):
        select(["leeet"])
    with pytest.raises(InputError, match="cannot be imported"):
        select(["tests.audit.test_rewrites:nope"])
    with pytest.raises(InputError, match="names nothing"):
        select([","])


@pytest.mark.parametrize("text", ["", "One. Two!\nThree", "3.5 is it.\n\n\nEnd", "a\n", "?!\n? x"])
def test_sentences_lose_nothing(text):
    """What is split and joined again must be the same text."""
    assert "".join(sentences(text)) == text


@pytest.mark.parametrize(
    ("text", "reference", "found"),
    [
        pytest.param("12 and 3.\nThe answer is 12.", "12", ["12"], id="last-line"),
        pytest.param("The answer is 1,200 and \\boxed{1200}", "1200", ["1,200", "1200"], id="both-spellings"),
        pytest.param("It is 1/4", "0.25", ["1/4"], id="fraction"),
        pytest.param("Rome. It is rome.", "Rome", ["Rome", "rome"], id="words"),
        pytest.param("Romeo.", "Rome", [], id="not-inside-a-word"),
        pytest.param("No number.", None, [], id="nothing"),
        pytest.param("In 1492 it began.", None, [], id="prose-has-no-final-number"),
        pytest.param("3 + 4 = 7\nAnswer: 7", None, ["7"], id="marked"),
    ],
)
def test_finding_the_final_answer(text, reference, found):
    """Every causal probe stands on this."""
    assert [text[a:b] for a, b in finals(text, reference)] == found
