"""References and documents: every form in which data sets and trainers hold them becomes plain texts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge.errors import DataError
from judge.filters.reference import reference as looked_at
from judge.reference import is_missing, read_documents, read_reference, reference_text
from judge.server.wire import SampleIn, validated
from judge.types import Sample


@pytest.mark.parametrize(
    ("value", "found"),
    [
        pytest.param("Delhi", ("Delhi",), id="text"),
        pytest.param(" 42 ", (" 42 ",), id="text-as-it-stands"),
        pytest.param(["Delhi", "New Delhi"], ("Delhi", "New Delhi"), id="list"),
        pytest.param(("Delhi", "New Delhi"), ("Delhi", "New Delhi"), id="tuple"),
        pytest.param(np.array(["Delhi", "New Delhi"], dtype=object), ("Delhi", "New Delhi"), id="array"),
        pytest.param(np.array([1.0, 2.5]), ("1", "2.5"), id="array-of-numbers"),
        pytest.param(pd.Series(["a", "b"]), ("a", "b"), id="series"),
        pytest.param({"target": ["Delhi"]}, ("Delhi",), id="target"),
        pytest.param({"style": "rule", "ground_truth": "Delhi"}, ("Delhi",), id="verl"),
        pytest.param({"ground_truth": {"target": np.array(["a", "b"], dtype=object)}}, ("a", "b"), id="search-r1"),
        pytest.param({"value": "Delhi", "aliases": ["Dilli"], "normalized_value": "delhi"}, ("Delhi", "Dilli"), id="triviaqa"),
        pytest.param({"text": ["Delhi"], "answer_start": [3]}, ("Delhi",), id="squad"),
        pytest.param([["a", "b"], ["b", "c"]], ("a", "b", "c"), id="lists-of-lists"),
        pytest.param([{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}], ("a",), id="messages"),
        pytest.param(["a", None, "", float("nan")], ("a",), id="some-missing"),
        pytest.param(["a", "a"], ("a",), id="each-once"),
        pytest.param(42, ("42",), id="whole-number"),
        pytest.param(42.0, ("42",), id="whole-number-in-a-column-with-nan"),
        pytest.param(0.5, ("0.5",), id="fraction"),
        pytest.param(np.float64(3), ("3",), id="numpy-scalar"),
        pytest.param(0, ("0",), id="zero-is-an-answer"),
        pytest.param(False, ("false",), id="no-is-an-answer"),
        pytest.param("[]", ("[]",), id="an-empty-list-as-the-answer"),
        pytest.param("['a', 'b']", ("['a', 'b']",), id="code-as-the-answer"),
        pytest.param({"target": None}, None, id="no-target"),
        *[
            pytest.param(missing, None, id=f"missing-{name}")
            for name, missing in {
                "none": None, "nan": float("nan"), "np-nan": np.float64("nan"), "pandas-na": pd.NA, "empty": "", "blank": " \n",
                "list": [], "tuple": (), "list-of-none": [None], "mapping": {}, "array": np.array([]),
            }.items()
        ],
    ],
)  # fmt: skip
def test_a_reference_is_what_counts_as_right(value: Any, found: tuple[str, ...] | None):
    """Read alike by the reader and by a sample made in Python; nothing is ever written as Python would show it."""
    assert read_reference(value) == found
    assert Sample.of("Q?", "x", reference=value).reference == found


def test_a_mapping_without_a_known_answer_is_refused_with_what_would_do():
    """Taking the first field of an unknown mapping would grade against its licence or its language."""
    with pytest.raises(DataError, match=r"`reference`: a mapping with `x`, `y`, none of which .* --map reference="):
        read_reference({"x": 1, "y": 2}, "`reference`")


@pytest.mark.parametrize(
    ("value", "found"),
    [
        pytest.param("One.", ("One.",), id="text"),
        pytest.param(["One.", "Two."], ("One.", "Two."), id="list"),
        pytest.param(np.array(["One.", "Two."], dtype=object), ("One.", "Two."), id="array"),
        pytest.param([["One."], ["Two."]], ("One.", "Two."), id="lists-of-lists"),
        pytest.param([{"title": "A", "text": "One."}], ("A\nOne.",), id="title-and-text"),
        pytest.param([{"contents": "One."}], ("One.",), id="contents"),
        pytest.param([{"document": {"id": "7", "contents": "One."}, "score": 0.3}], ("One.",), id="retriever"),
        pytest.param([{"title": "A", "sentences": ["One.", " Two."]}], ("A\nOne. Two.",), id="sentences"),
        pytest.param({"title": ["A"], "sentences": [["One.", "Two."]]}, ("A\nOne. Two.",), id="hotpotqa-columns"),
        pytest.param([["A", ["One.", "Two."]]], ("A\nOne. Two.",), id="hotpotqa-pairs"),
        pytest.param({"passage_text": ["One.", "Two."], "is_selected": [0, 1]}, ("One.", "Two."), id="ms-marco"),
        pytest.param([{"city": "Delhi", "people": 3e7}], ("city: Delhi\npeople: 30000000",), id="a-record"),
        pytest.param([None, "", float("nan"), "One."], ("One.",), id="some-missing"),
        pytest.param(None, (), id="none"),
        pytest.param(float("nan"), (), id="nan"),
        pytest.param([], (), id="empty"),
        pytest.param({"title": [], "sentences": []}, (), id="empty-columns"),
    ],
)  # fmt: skip
def test_documents_become_texts(value: Any, found: tuple[str, ...]):
    """A title stands above its text, sentences are put together, and nothing is written as Python would show it."""
    assert read_documents(value) == found
    assert Sample.of("Q?", "x", context=value).context == found


texts = st.text(min_size=1, max_size=20).filter(lambda t: not t.isspace())
forms = st.recursive(
    st.none() | texts | st.integers(-999, 999) | st.just(float("nan")),
    lambda inner: st.lists(inner, max_size=4) | st.fixed_dictionaries({"target": inner}) | st.lists(inner, max_size=3).map(tuple),
    max_leaves=8,
)


@given(forms)
def test_reading_again_changes_nothing(value: Any):
    """What was read is a reference itself, so samples may be copied and read anywhere along the way."""
    found = read_reference(value)
    assert (found is None) == is_missing(value)
    assert read_reference(found) == found
    assert found is None or all(isinstance(text, str) and text.strip() for text in found)


@given(st.lists(texts, min_size=1, max_size=4, unique=True))
def test_every_alternative_is_shown_and_counts(answers: list[str]):
    """One answer is shown as it is; of several each stands in what the judge reads, and a filter takes each for right."""
    shown = reference_text(answers)
    assert shown is not None
    assert shown == answers[0] if len(answers) == 1 else all(a.strip().split("\n")[0] in shown for a in answers)
    known = looked_at(tuple(answers))
    assert set(answers) <= set(known.parts)


@pytest.mark.parametrize(
    ("value", "steps"),
    [
        pytest.param([{"text": "3 + 1", "rating": 1}, {"text": "= 4", "rating": 1}], ("3 + 1", "= 4"), id="mappings"),
        pytest.param("3 + 1 = 4", ("3 + 1 = 4",), id="one-text"),
        pytest.param(["3 + 1", "= 4"], ("3 + 1", "= 4"), id="list"),
        pytest.param(None, (), id="none"),
        pytest.param([], (), id="empty"),
    ],
)
def test_steps_are_read_alike_everywhere(value, steps):
    """A column of steps that a row brings cannot be right for one entry and wrong for another."""
    assert Sample.of("q", "a", steps=value).steps == steps
    assert validated(SampleIn, {"prompt": "q", "response": "a", "steps": value}).steps == steps
