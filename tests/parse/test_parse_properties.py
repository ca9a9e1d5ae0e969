"""Properties that hold for every text and every grammar: nothing raises, spelling reads back, strict and lenient agree."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parse_grammars import CRITERIA, EACH, GRADES, LABELS, SENTENCE, grammars, stopped

from judge.parse import constraint, format_verdict, read, read_forced, read_strict
from judge.thinking import strip_thinking
from judge.types import NoVerdict, Verdict

GRAMMARS = {g.id: g for g in grammars()}
FRAGMENTS = st.sampled_from(
    [
        "\n", "\n\n", " ", "It says ", "The response ends with:", "But it is wrong. ", "VERDICT", "VERDICT:", "**", "`", '"', "'",
        "“", "”", "> ", "```\n", "~~~", "<think>", "</think>", "<VERDICT>", "</VERDICT>", "[[", "]]", "\\boxed{", "}", "{",
        '{"VERDICT": ', '"', ":", ",", "A", "B", "C", "A>>B", "A > B > C", "CORRECT", "INCORRECT", "MET", "UNMET", "PARTIAL",
        "facts", "style.2", "1", "5", "4.5", "7/10", "11", "1e9", "NaN", "null", "true", "In the end ", " it is", ". ", " - ",
        "# ", "４", "²", "：", "\u200b", "<|channel|>final<|message|>", "assistantfinal", "analysisWe", "\x00", "\ud800",
        "5, 4, 1", "facts: MET, style.2: UNMET",
    ]
)  # fmt: skip
MESSY = st.lists(st.one_of(FRAGMENTS, st.text(max_size=4)), max_size=30).map("".join)


def _values(identity: str) -> st.SearchStrategy[object]:
    asked = GRAMMARS[identity].question
    if asked.spec.kind == "scores":
        count = len(asked.names)
        return st.lists(st.sampled_from(sorted(LABELS)) if asked.labels else st.integers(1, 5), min_size=count, max_size=count)
    return {
        "label": st.sampled_from(sorted(LABELS)),
        "graded_choice": st.sampled_from(sorted(GRADES)),
        "score": st.integers(1, 5),
        "choice": st.integers(0, 1),
        "ranking": st.permutations(range(3)),
        "criteria": st.fixed_dictionaries({c: st.sampled_from(sorted(labels)) for c, labels in CRITERIA.items()}),
        "first_error": st.sampled_from([asked.spec.none, *range(asked.spec.base, asked.spec.base + 4)]),
    }[asked.spec.kind]


GRAMMAR_AND_VALUE = st.sampled_from(sorted(GRAMMARS)).flatmap(lambda i: st.tuples(st.just(i), _values(i)))


@settings(max_examples=600, deadline=None)
@given(identity=st.sampled_from(sorted(GRAMMARS)), text=st.one_of(MESSY, st.text(max_size=200)))
def test_never_raises(identity, text):
    """No model output stops a run: a judge call always ends in a verdict or a reason."""
    q = replace(GRAMMARS[identity].question, material=(text[: len(text) // 2],))
    for reader in (read, read_strict, read_forced):
        outcome = reader(stopped(text), q)
        assert isinstance(outcome, Verdict | NoVerdict)
        if isinstance(outcome, Verdict):
            assert len(outcome.scores) == len(q.names)
            assert all(cell is None or 0 <= cell <= 1 for row in outcome.scores for cell in row)
    strip_thinking(text)


@settings(max_examples=400, deadline=None)
@given(case=GRAMMAR_AND_VALUE, before=MESSY, after=st.sampled_from(["", "", "\n", ".", "**", "\nThanks.", "\n```"]))
def test_strict_and_lenient_agree(case, before, after):
    """A judge that follows the format to the letter is read alike by both readers, whatever it writes around the verdict."""
    q = GRAMMARS[case[0]].question
    reply = stopped(f"{before}\n{format_verdict(q, case[1])}{after}")
    lenient, strict = read(reply, q), read_strict(reply, q)
    if isinstance(lenient, Verdict) and isinstance(strict, Verdict):
        assert (lenient.value, lenient.scores) == (strict.value, strict.scores)


@settings(max_examples=300, deadline=None)
@given(case=GRAMMAR_AND_VALUE)
def test_spelling_reads_back(case):
    """What the prompt shows as an example of a verdict is a verdict."""
    q = GRAMMARS[case[0]].question
    text = format_verdict(q, case[1])
    for reply in (text, f"It is so.\n{text}\n", f"<think>no</think>\n\n{text}"):
        lenient, strict = read(stopped(reply), q), read_strict(stopped(reply), q)
        assert isinstance(lenient, Verdict)
        assert isinstance(strict, Verdict)
        assert lenient.value == strict.value == _stated(q, case[1])


@settings(max_examples=300, deadline=None)
@given(case=GRAMMAR_AND_VALUE)
def test_constraint_allows_every_verdict(case):
    """A forced continuation can say everything the judge could have said, and is read back as the same."""
    q = GRAMMARS[case[0]].question
    prefix, structured = constraint(q)
    full = "\n" + format_verdict(q, case[1])
    assert full.startswith(prefix)
    rest = full[len(prefix) :]
    found = [c for c in structured.choice if rest.startswith(c)] if structured.choice else re.match(structured.regex, rest)
    assert found
    bare = max(found, key=len) if structured.choice else found.group()
    for reply in (bare, f"<think>\n\n</think>\n\n{bare}", full, f"I decide.{full}"):
        forced = read_forced(stopped(reply), q)
        assert isinstance(forced, Verdict)
        assert forced.forced
        assert forced.value == read(stopped(full), q).value


def _stated(q, value):
    """The value `read` reports for a value given to `format_verdict`."""
    if q.spec.kind == "choice":
        return q.names[value]
    if q.spec.kind == "scores":
        return dict(zip(q.names, value, strict=True))
    if q.spec.kind == "ranking":
        return [q.names[i] for i in value]
    return value


@pytest.mark.parametrize("identity", sorted(GRAMMARS))
def test_every_grammar_has_one_marker(identity):
    """The table above is the whole model: a new kind or form is covered by every test here at once."""
    spec = GRAMMARS[identity].question.spec
    assert spec.marker in ("VERDICT", SENTENCE, "", EACH, "resp_{L}_judge")
    json.dumps(spec.model_dump(mode="json"))
