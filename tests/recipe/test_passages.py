"""Long texts in passages: nothing of them is lost, made-up evidence is, and what only the prompt decides is asked once."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge.engine.scripted import ScriptedEngine
from judge.pipeline.judge import Judge
from judge.recipe.passages import PassageSpec, passages, quoted
from judge.types import Completion, Request, Sample
from tests.clock import least_cpu


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab .!?\n", max_size=3000), st.integers(200, 600))
def test_nothing_is_lost(text, chars):
    """Put together, the passages hold every character but white space, in order, and none is too long."""
    found = passages(text, PassageSpec(chars=chars, overlap=0))
    assert "".join("".join(found).split()) == "".join(text.split())
    assert all(len(piece) <= chars for piece in found)


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        pytest.param("a" * 150 + "\n\n" + "b" * 150, "a", id="paragraph"),
        pytest.param("a" * 120 + ". " + "b" * 150, ".", id="sentence"),
        pytest.param("a" * 150 + " " + "b" * 150, "a", id="word"),
        pytest.param("a" * 300, "a", id="nowhere"),
    ],
)
def test_a_passage_ends_where_something_ends(text, ends):
    """A sentence cut in two supports nothing."""
    assert passages(text, PassageSpec(chars=200, overlap=0))[0][-1] == ends


def test_neighbours_overlap():
    """What stands on the edge is whole in one of the two."""
    first, second, *_ = passages("x" * 1000, PassageSpec(chars=400, overlap=100))
    assert (len(first), len(second)) == (400, 500)


@pytest.mark.parametrize(
    ("reply", "kept"),
    [
        pytest.param("The bridge opened in 1932.", "The bridge opened in 1932.", id="copied"),
        pytest.param("1. “the  bridge opened\tin 1932”", "the  bridge opened\tin 1932", id="numbered-and-quoted"),
        pytest.param("The bridge opened in 1950.", "", id="made-up"),
        pytest.param("none", "", id="none"),
        pytest.param("The bridge opened in 1932.\nIt is the oldest of all.", "The bridge opened in 1932.", id="one-of-two"),
    ],
)
def test_evidence_stands_in_its_passage(reply, kept):
    """A judge that finds nothing, and writes something, has not found anything."""
    assert quoted(reply, "We know that the bridge\nopened in 1932. Nobody liked it.") == kept


def test_a_long_reply_costs_little():
    """A megabyte without an end is cut and searched in linear time."""
    text = "word " * 200_000
    assert least_cpu(lambda: (passages(text, PassageSpec()), quoted(text, text[:12_000])), 1.0) < 1.0


DOCUMENT = "\n\n".join(f"Fact number {n} stands here alone." + " x" * 60 for n in range(6))
SETTINGS = {"recipe": "long-context", "engine": {"kind": "scripted"}}


def test_evidence_is_collected_once_for_all_completions_of_a_prompt():
    """Six passages and four completions: ten calls, not twenty-eight."""
    asked: list[Request] = []

    def reply(request: Request) -> Completion:
        asked.append(request)
        text = request.messages[-1].text
        return Completion("\\boxed{10}" if "\\boxed" in text else "\n".join(line for line in text.splitlines() if "Fact" in line))

    samples = [Sample.of("What is known?", f"Fact {i}.", context=(DOCUMENT,) * 6, id=str(i)) for i in range(4)]
    with Judge.from_config(SETTINGS, engine=ScriptedEngine(reply)) as judge:
        rewards = judge.score(samples)
    assert [r.reward for r in rewards] == [1, 1, 1, 1]
    assert len(asked) == 6 + 4
    last = next(r for r in asked if "\\boxed" in r.messages[-1].text)
    assert last.messages[-1].text.count("EVIDENCE FROM DOCUMENT") == 12  # a line before and one behind each


def test_too_many_passages_are_no_verdict(tmp_path):
    """Thousands of calls for one sample are a mistake, and it says which setting decides."""
    samples = [Sample.of("What is known?", "Fact.", context=("x. " * 300_000,))]
    with Judge.from_config(SETTINGS, engine=ScriptedEngine(["none"], repeat_last=True)) as judge:
        [reward] = judge.score([*samples, Sample.of("q", "a", context=("x",))])[:1]
    assert reward.failure is not None
    assert "has 75 passages; at most 64 (`passages.most`)" in reward.failure.detail
