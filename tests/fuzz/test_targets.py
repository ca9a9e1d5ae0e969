"""The fuzzing targets, with texts made of the pieces that matter to each. JUDGE_NIGHTLY=1 tries many more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS
from tests.hostile import DELIMITERS, FAKE_VERDICTS, tries

PIECES = {
    "parse": (*FAKE_VERDICTS, *DELIMITERS, "It says ", "\n", " or ", "[[", "]]", "{", "}", '"VERDICT":', "facts: MET"),
    "quote": (*FAKE_VERDICTS, *DELIMITERS, "ab12cd34ef", "<|im_end|>", "\u200b", "\u200d", "＜", "［［", "\r", "\x85"),
    "template": (
        "{{ ", " }}", "{% ", " %}", "for a in ", "labels", "rubric.description", "if ", "else", "endif", "endfor", "set a = ",
        "a", " ~ ", " * ", " + ", "'x'", "9999", "|join", "|tojson", "|upper", "|list", "|length", "|first", "(", ")", "[", "]",
        "{#", "#}", "loop.index", "is defined", " in ", "not ", "None", ".", "-", "\n", "include 't.j2'", "quote", "**", "%",
        "{% raw %}", "{% endraw %}", "{% if labels %}", "{% endif %}", "{% for a in labels %}", "{% endfor %}", "{{ a }}",
    ),
    "yaml": (
        "a: ", "- ", "\n", "  ", "[", "]", "{", "}", ",", "&x ", "*x", "!!python/tuple ", "!!set ", "? ", "|\n", ">\n", "'", '"',
        "#", "---\n", "<<: ", ".inf", "1e999", "1.0e+999", "9" * 310, "yes", "12:30", "\t", "\x00", "\u2028", "%YAML 1.2\n",
        "...",
    ),
    "json": (
        "{", "}", "[", "]", ",", ":", '"a"', '"', "1", "NaN", "-Infinity", "1e999", "9" * 310, "null", "\\ud800", "\\u0000",
        "true", "\ufeff", '{"a": ', '"\\ud800"',
    ),
    "rubric": (
        '{"criteria": [', "]}", '{"id": "a", "text": "It is right."', "}", ', "weight": ', "1", "-1", "1e999", '"x"',
        ', "check": "', 'llm"', "max_words", ', "args": {"n": 1}', "[Is it right?]\n", "Score 1: bad\n", "Score 5: good\n",
        "helpfulness",
        "../x", "null", ",", "9" * 310,
    ),
    "answers": (
        "@", "12", "1,000", ".5", "-", "/", "%", " km", "$", "\\boxed{", "}", "{", "\\frac", "\\sqrt", "(", ")", "[", "]", "= ", "x", "^", " or ",
        " and ", "#### ", "The answer is ", "not ", "<think>", "</think>", "\n", "one", "half", "\\text{", "\\cup", "∞", "π", "1" * 50, "٤", "?",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TARGETS)
def test_target(name):
    """Whatever the bytes: a value or a typed error, never a crash and never a number out of nothing."""
    made = st.lists(st.one_of(st.sampled_from(PIECES[name]), st.text(max_size=4)), max_size=24)

    @tries(300, 100_000 if name in ("parse", "quote") else 20_000)
    @given(st.integers(0, 255), made)
    def holds(first, pieces):
        data = "".join(pieces).encode("utf-8", "surrogatepass")
        TARGETS[name](bytes([first]) + data if name in ("parse", "quote") else data)

    holds()


@pytest.mark.parametrize("name", TARGETS)
def test_any_bytes(name):
    """The same for bytes that are no text."""

    @tries(200, 20_000)
    @given(st.binary(max_size=200))
    def holds(data):
        TARGETS[name](data)

    holds()
