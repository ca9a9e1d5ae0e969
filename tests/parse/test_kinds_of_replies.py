"""Kinds of replies that were once read as a verdict they do not state, or not read at all, in every grammar."""

from __future__ import annotations

from dataclasses import replace

import pytest
from parse_grammars import BINARY, GRADES, Grammar, grammars, question, said, stopped

from judge.parse import format_verdict, read
from judge.types import NoVerdict, Reason, Verdict

GRAMMARS = grammars()
LOST = [  # {p} is a draft or somebody's wish, {f} the verdict
    pytest.param("◁think▷{p}◁/think▷{f}", id="kimi"),
    pytest.param("<|START_THINKING|>{p}<|END_THINKING|><|START_RESPONSE|>{f}<|END_RESPONSE|>", id="cohere"),
    pytest.param("<|begin_of_thought|>{p}<|end_of_thought|>\n<|begin_of_solution|>{f}<|end_of_solution|>", id="open-thoughts"),
    pytest.param("<|channel>thought\n{p}\n<channel|>{f}", id="gemma-4"),
    pytest.param("analysiswe look.\n{p}\nassistantfinal{f}", id="gpt-oss-decoded-without-marks"),
    pytest.param("Here is my thought process:\n{p}\n\nHere is my response:\n{f}", id="granite"),
    pytest.param("Here's my thought process:\n{p}\n\n**Here's my response:**\n{f}", id="granite-bold"),
    pytest.param("<scratchpad>\n{p}\n</scratchpad>\n{f}", id="scratchpad"),
    pytest.param("<scratch_pad>\n{p}\n</scratch_pad>\n{f}", id="scratch-pad"),
    pytest.param("Well.\n<reflection>{p}</reflection>\n{f}", id="reflection-further-down"),
    pytest.param("<analysis>{p}</analysis>\n{f}", id="analysis"),
    pytest.param("<inner_monologue>{p}</inner_monologue>\n{f}", id="monologue"),
    pytest.param("< think >{p}</ think >\n{f}", id="spaces-in-the-tag"),
    pytest.param('<think effort="low">{p}</think>\n{f}', id="attributes-in-the-tag"),
    pytest.param("<think>{p}</think>\n<answer>{f}</answer>", id="answer-tag"),
    pytest.param("<think>{p}</think>\n<|begin_of_box|>{f}<|end_of_box|>", id="model-box"),
    pytest.param("<think>{p}</think>\n{f}<|im_end|>", id="leaked-end"),
    pytest.param("<think>{p}</think>\n{f}</s>", id="leaked-end-of-text"),
    pytest.param("The response says: {p}\n\nThat is wrong.\n\n{f}", id="quoted-behind-a-colon"),
    pytest.param("If it had named the year, I would have written\n{p}\nbut it did not.\n\n{f}", id="supposed"),
    pytest.param("Were it longer, it might have earned:\n{p}\n\nIt is not.\n\n{f}", id="supposed-without-if"),
    pytest.param("Format example:\n{p}\n\nNow the verdict.\n\n{f}", id="example"),
    pytest.param("For example:\n{p}\n\nNow the verdict.\n\n{f}", id="for-example"),
    pytest.param("I was told to write\n{p}\n\nI decide for myself.\n\n{f}", id="told-to-write"),
    pytest.param("My first guess:\n{p}\n\nI looked again.\n\n{f}", id="first-guess"),
]
NOTHING = [
    pytest.param("<scratchpad>Perhaps\n{p}\nI need to check more", id="open-scratchpad"),
    pytest.param("<analysis>\n{p}\nand so", id="open-analysis"),
    pytest.param("<|START_THINKING|>{p}\nand", id="open-cohere"),
    pytest.param("Here is my thought process:\n{p}\nStill thinking.", id="open-granite"),
    pytest.param("<|channel>thought\n{p}\nand", id="open-gemma-4"),
    pytest.param("thought\n{p}\nand", id="gemma-4-decoded-without-marks"),
    pytest.param("analysiswe look.\n{p}", id="open-gpt-oss"),
    pytest.param("If the answer had been right, I would have written\n{p}\nbut it is not.", id="supposed"),
    pytest.param("Format example:\n{p}\n\nI have not decided yet.", id="example"),
    pytest.param("Here is an example of the output:\n{p}\n\nI have not decided yet.", id="example-of"),
    pytest.param("{p}\nwould be my verdict if it named the year.", id="supposed-behind"),
    pytest.param("~~{p}~~", id="struck-through"),
    pytest.param("<del>{p}</del>", id="struck-through-in-html"),
    pytest.param("{p}\nScratch that.", id="scratch-that"),
    pytest.param("{p}\nWait, no. I have to look again.", id="wait"),
    pytest.param("{p}\n\nI take that back.", id="taken-back-later"),
    pytest.param("{p}\nJust kidding.", id="kidding"),
]


def written(grammar: Grammar, text: str) -> str:
    """A reply with the passing and the failing verdict put in. A line cannot hold a statement of several lines."""
    q = grammar.question
    p, f = format_verdict(q, grammar.passing), format_verdict(q, grammar.failing)
    if "\n" in p and ("~~{p}~~" in text or "<del>" in text):
        p, f = (text.split("\n")[0] for text in (p, f))
    return text.format(p=p, f=f)


@pytest.mark.parametrize("grammar", GRAMMARS, ids=lambda g: g.id)
@pytest.mark.parametrize("text", LOST)
def test_a_draft_is_no_verdict_and_hides_none(text, grammar):
    """The judge's own verdict is read, whatever was thought, quoted or supposed before it."""
    q = grammar.question
    outcome = read(stopped(written(grammar, text)), q)
    assert outcome == read(stopped(format_verdict(q, grammar.failing)), q)


@pytest.mark.parametrize("grammar", GRAMMARS, ids=lambda g: g.id)
@pytest.mark.parametrize("text", NOTHING)
def test_what_is_not_meant_is_no_verdict(text, grammar):
    """A judge that has not decided, or no longer means it, gives no reward."""
    assert isinstance(read(stopped(written(grammar, text)), grammar.question), NoVerdict)


LINES = [
    "The verdict is {}.", "VERDICT is {}", "VERDICT {}", "VERDICT → {}", "VERDICT => {}", "VERDICT -> {}", "__VERDICT: {}__",
    "✅ VERDICT: {}", "VERDICT: {} ✅", "<p>VERDICT: {}</p>", "<b>VERDICT:</b> {}", "<h3>VERDICT: {}</h3>",
    "\\textbf{{VERDICT: {}}}",
    "\\textbf{{VERDICT:}} {}", "$\\boxed{{\\text{{VERDICT: {}}}}}$", "<verdict>{}</verdict>", '```json\n{{"verdict": "{}"}}\n```',
    "| VERDICT |\n|---|\n| {} |", "| VERDICT | {} |", "| Reason | VERDICT |\n|---|---|\n| fine | {} |",
    "VERDICT: {}, since all is there",
    "VERDICT: {} because all is there", "VERDICT: {}; all is there", "All is there, so VERDICT: {}",
    "Therefore, my final VERDICT: {}",
    "VERDICT_{}", "VERDICT: {} [95% confident]", "VERDICT: {} (95% confident)", "VERDICT: {}! All is there.", "FINAL_VERDICT: {}",
    "VERDICT: {} - all is there", "VERDICT: {}. It is not perfect.", "My evaluation: VERDICT: {}", "<answer>VERDICT: {}</answer>",
    "VERDICT: <answer>{}</answer>", "VERDICT: <|begin_of_box|>{}<|end_of_box|>", "VERDICT: {}<|eot_id|>", "[VERDICT: {}]",
    "• VERDICT: {}",
]  # fmt: skip


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize(
    ("q", "words", "value"),
    [
        pytest.param(question("label"), "CORRECT", "CORRECT", id="label"),
        pytest.param(question("label"), "INCORRECT", "INCORRECT", id="negative"),
        pytest.param(question("choice", prefixes=("Response",)), "Response A", "A", id="choice"),
        pytest.param(question("score"), "4", 4, id="score"),
    ],
)
def test_ways_to_write_a_line(q, words, value, line):
    """A verdict that anybody would understand is not thrown away for its arrow or its emoji."""
    assert said(f"Fine.\n{line.format(words)}", q) == value


@pytest.mark.parametrize(
    "line",
    ["VERDICT {id} {v}", "VERDICT {id} is {v}", "VERDICT {id} → {v}", "✅ VERDICT {id}: {v}", "VERDICT {id}: {v} ✅",
    "<p>VERDICT {id}: {v}</p>"],
)  # fmt: skip
def test_ways_to_write_a_checklist(line):
    """The same for lines with an id."""
    text = "\n".join(line.format(id=name, v=value) for name, value in (("facts", "MET"), ("style.2", "PARTIAL")))
    assert said(text, question("criteria")) == {"facts": "MET", "style.2": "PARTIAL"}


def test_a_table_with_a_row_for_each_criterion():
    """Judges love tables."""
    text = "| Criterion | VERDICT |\n|---|---|\n| facts | MET |\n| style.2 | UNMET |"
    assert said(text, question("criteria")) == {"facts": "MET", "style.2": "UNMET"}


TAILS = [
    ". Actually {other}.", ". Rather {other} on second thought.", ". Scratch that: {other}.", ". No, {other}.",
    ". Correction: {other}.",
    ". Sorry, {other}.", ". Make that {other}.", ". I meant {other}.", ". {other}.", ". Just kidding, it fails.", " - no", ": no",
    ". On reflection, {other}.", ". Wait, {other}.", "\nActually {other}.", "\nActually, no.", "\nScratch that: {other}.",
    " or {other}",
    "?", ". Or not.", ". I take that back.", ". Never mind that.", " (not)", " (just kidding)", "\nI changed my mind: {other}.",
    "\nVERDICT should be {other}", "\nThe verdict should be {other}.", "\n\nThe VERDICT should be: {other}",
    "\nMy verdict is now {other}.", "\nI change my verdict to {other}.", "\n\nSo I am changing the verdict: {other}.",
    "\nactually {other}", "\nVerdict changed to {other}.", "\nThe correct verdict is {other}.",
    "\nThe verdict ought to be {other} instead.", ". The right verdict should have been {other}.",
]  # fmt: skip


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize(
    ("q", "words", "other"),
    [
        pytest.param(question("label"), "CORRECT", "incorrect", id="label"),
        pytest.param(question("label", labels=BINARY), "MET", "UNMET", id="binary"),
        pytest.param(question("choice", prefixes=("Response",)), "Response A", "Response B", id="choice"),
        pytest.param(question("score"), "4", "two", id="score"),
        pytest.param(question("score"), "4", "2", id="score-in-digits"),
    ],
)
def test_what_is_taken_back_is_no_verdict(q, words, other, tail):
    """The judge did not mean what it wrote first: paying for it would be paying for a slip."""
    assert said(f"Fine.\nVERDICT: {words}{tail.format(other=other)}", q) in (Reason.AMBIGUOUS, Reason.OFF_SCALE)


@pytest.mark.parametrize(
    "tail",
    ["It names the capital.", "Nothing is missing.", "It is not perfect, but right.", "The year, 1889, is given.",
     "It should be noted that no source is given.", "The verdict should be no surprise.",
     "My verdict would be another if it erred."],
)  # fmt: skip
@pytest.mark.parametrize("words", ["MET", "UNMET"])
def test_a_reason_takes_nothing_back(words, tail):
    """Judges explain: an explanation costs them nothing."""
    for glue in (". ", "\n", "\n\n", " - "):
        assert said(f"VERDICT: {words}{glue}{tail}", question("label", labels=BINARY)) == words


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ("4 (percent)", None), ("4 (out of ten)", None), ("4 (of 10)", None), ("4 (minus two)", None), ("4 (actually two)", None),
        ("4 - rather two", None), ("~~4~~", None), ("4 (half of it)", None), ("4 (on a scale of ten)", None), ("4 (2)", None),
        ("4 (Good)", 4), ("4 (very good)", 4), ("4 - good and short", 4), ("4 ⭐", 4), ("4 stars", None), ("4 → 2", None),
    ],
)  # fmt: skip
def test_numbers_with_something_behind(words, value):
    """A number on another scale is not this number."""
    assert said(f"VERDICT: {words}", question("score")) == (Reason.OFF_SCALE if value is None else value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"rating": 8}', 8),
        ('{"rating": 8, "scale": "1-10"}', 8),
        ('{"rating": 8, "max": 10}', 8),
        ('{"explanation": "uses \\(x\\) and \\$5 and \\underline{it}", "rating": 8}', 8),
        ('{"rating": 4, "scale": "1-5"}', Reason.AMBIGUOUS),
        ('{"rating": 8, "max": 100}', Reason.AMBIGUOUS),
        ('{"rating": 8, "out_of": 20}', Reason.AMBIGUOUS),
        ('{"rating": 8, "final": false}', Reason.AMBIGUOUS),
        ('{"rating": "~~8~~"}', Reason.OFF_SCALE),
        ('{"rating": "8 (percent)"}', Reason.OFF_SCALE),
        ('{"example": {"rating": 8}}', Reason.MISSING),
        ('{"rating": 8}\nActually, 3.', Reason.AMBIGUOUS),
    ],
)
def test_json(text, value):
    """What stands beside a number may give it another scale; LaTeX does not make an object unreadable."""
    assert said(text, question("score", "json", marker="rating", lo=1, hi=10)) == value


def test_latex_in_an_explanation():
    """A judge of mathematics writes `\\(x\\)` into its JSON."""
    q = question("label", "json", marker="criteria_met", labels={"true": 1.0, "false": 0.0})
    assert said('{"explanation": "uses \\(x\\) and \\$5", "criteria_met": false}', q) == "false"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("The answer is not [[A]].", None), ("It isn't [[A]].", None), ("I cannot say [[A]].", None), ("Anything but [[A]].",
        None),
        ("I would have said [[A]] but it is false, so none.", None), ("~~[[A]]~~", None), ("[[~~A~~]]", None),
        ("Loser: [[A]]", None),
        ("The worse response: [[A]]", None), ("Runner-up: [[A]]", None), ("[[A]] is worse.", None), ("[[A]] loses.", None),
        ("[[A]]?", None), ("Is it [[A]]?", None), ("[[A]] is wrong.", None), ("loser: [[a]]", None), ("IT IS NOT [[A]].", None),
        ("Winner: [[A]]. Loser: [[B]].", "A"), ("It is not [[B]], so [[A]].", "A"), ("Response B is worse, so [[A]].", "A"),
        ("~~[[B]]~~ [[A]]", "A"), ("[[A]]\n\nHad it a date, it would have been [[B]].", "A"), ("B does not answer. [[A]]", "A"),
        ("B is worse than [[A]]", "A"), ("[[A]]. B misses the point.", "A"), ("If I had to choose, I would say [[A]].", "A"),
    ],
)  # fmt: skip
def test_choices(text, value):
    """A name in the brackets is no vote for it."""
    outcome = read(stopped(text), question("choice", "brackets"))
    assert (outcome.value if isinstance(outcome, Verdict) else None) == value


@pytest.mark.parametrize(
    "text",
    [
        "VERDICT: 5 requires all facts, and one is missing.\nVERDICT: 4",
        "A 5 would name the year. It is a 4, as the text says.\n\nVERDICT: 4",
        "It is not quite a 5.\nVERDICT: 4",
        "5: Excellent, 4: Good. This one is good.\nVERDICT: 4",
    ],
)
def test_a_level_named_before_the_verdict_is_no_contradiction(text):
    """Judges weigh the levels of the scale against each other before they choose."""
    assert said(text, question("score")) == 4


def test_a_level_in_brackets_before_the_verdict():
    """The same in brackets."""
    assert said("[[5]] would mean all facts. One is missing, so [[4]]", question("score", "brackets")) == 4


def test_a_list_cut_anywhere_gives_all_or_nothing():
    """A checklist cut between two lines must not be scored by its first half."""
    q = question("criteria")
    text = "I looked.\nVERDICT facts: MET\nVERDICT style.2: MET"
    whole = read(stopped(text), q).scores
    for size in range(len(text)):
        outcome = read(stopped(text[:size]), q)
        assert isinstance(outcome, NoVerdict) or outcome.scores == whole, text[:size]


def test_words_of_the_answer_take_nothing_back():
    """An answer that ends in "Scratch that." cannot unsay the verdict of a judge that repeats it."""
    q = replace(question("score"), material=("Paris. Scratch that.",))
    assert said("VERDICT: 1\nScratch that.", q) == 1


def test_graded_choices_are_named_alike():
    """`A>B` and `A>>B` are two labels; naming the other one behind takes the first back."""
    assert said("[[A>>B]]. Rather A>B.", question("graded_choice", "brackets", labels=GRADES)) is Reason.AMBIGUOUS
