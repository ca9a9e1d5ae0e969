"""Thinking in every public form is told from the answer."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge.thinking import FORMATS, split_thinking


@pytest.mark.parametrize(
    ("text", "thinking", "answer"),
    [
        pytest.param("<think>maybe 5</think>It is 4.", "maybe 5", "It is 4.", id="think"),
        pytest.param("maybe 5\n</think>\n\nIt is 4.", "maybe 5", "It is 4.", id="opened-by-the-template"),
        pytest.param('he said "5"</think>It is 4.', 'he said "5"', "It is 4.", id="ends-with-a-quotation"),
        pytest.param("< think >maybe 5</ think >\nIt is 4.", "maybe 5", "It is 4.", id="spaces"),
        pytest.param("<think time='3'>maybe 5</think>\nIt is 4.", "maybe 5", "It is 4.", id="attributes"),
        pytest.param("<seed:think>maybe 5</seed:think>It is 4.", "maybe 5", "It is 4.", id="seed"),
        pytest.param("[THINK]maybe 5[/THINK]It is 4.", "maybe 5", "It is 4.", id="mistral"),
        pytest.param("◁think▷maybe 5◁/think▷It is 4.", "maybe 5", "It is 4.", id="kimi"),
        pytest.param(
            "<|START_THINKING|>maybe 5<|END_THINKING|><|START_RESPONSE|>It is 4.<|END_RESPONSE|>",
            "maybe 5", "It is 4.", id="cohere",
        ),
        pytest.param("<|channel>thought\nmaybe 5\n<channel|>It is 4.", "maybe 5", "It is 4.", id="gemma-4"),
        pytest.param("<|channel>thought\n<channel|>It is 4.", "", "It is 4.", id="gemma-4-empty"),
        pytest.param(
            "Here is my thought process:\nmaybe 5\n\nHere is my response:\nIt is 4.", "maybe 5", "It is 4.", id="granite"
        ),
        pytest.param(
            "**Here is my thought process:**\nmaybe 5\n**Here is my response:**\nIt is 4.",
            "maybe 5", "It is 4.", id="granite-bold",
        ),
        pytest.param(
            "<|channel|>analysis<|message|>maybe 5<|end|><|start|>assistant<|channel|>final<|message|>It is 4.<|return|>",
            "maybe 5", "It is 4.", id="gpt-oss",
        ),
        pytest.param("analysisWe look.assistantfinalIt is 4.", "We look.", "It is 4.", id="gpt-oss-decoded-without-marks"),
        pytest.param("analysiswe look.assistantfinalIt is 4.", "we look.", "It is 4.", id="gpt-oss-lower-case"),
        pytest.param("<scratchpad>maybe 5</scratchpad>\nIt is 4.", "maybe 5", "It is 4.", id="scratchpad"),
        pytest.param("<reflection>maybe 5</reflection>It is 4.", "maybe 5", "It is 4.", id="reflection"),
        pytest.param("<analysis>maybe 5</analysis>\nIt is 4.", "maybe 5", "It is 4.", id="analysis-tag"),
        pytest.param("<think>a</think>\n<think>b</think>It is 4.", "a\n\nb", "It is 4.", id="twice"),
        pytest.param("<think>a</think>It is\n<think>b</think>\n4.", "a\n\nb", "It is\n\n4.", id="interleaved"),
        pytest.param("Use `<think>` and `</think>`.", "", "Use `<think>` and `</think>`.", id="mentioned"),
        pytest.param("DeepSeek begins with <think>.", "", "DeepSeek begins with <think>.", id="within-a-line"),
        pytest.param("Four.\n<reasoning>2 + 2</reasoning>", "", "Four.\n<reasoning>2 + 2</reasoning>", id="format-of-the-answer"),
        pytest.param("analysis of the plan", "", "analysis of the plan", id="a-word"),
        pytest.param("thought", "", "thought", id="the-word-alone"),
        pytest.param("a < b and c > d", "", "a < b and c > d", id="plain"),
    ],
)  # fmt: skip
def test_thinking_and_answer_come_apart(text, thinking, answer):
    """What a policy thought is no part of its answer, and an answer about thinking stays whole."""
    assert split_thinking(text) == (thinking, answer, True)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("<think>maybe 5", id="think"),
        pytest.param("It is 5.\n<think>or", id="after-text"),
        pytest.param("[THINK]maybe 5", id="mistral"),
        pytest.param("<scratchpad>maybe 5", id="scratchpad"),
        pytest.param("Here is my thought process: maybe 5", id="granite"),
        pytest.param("<|channel>thought\nmaybe 5", id="gemma-4"),
        pytest.param("thought\nmaybe 5", id="gemma-4-decoded-without-marks"),
        pytest.param("<|channel|>analysis<|message|>maybe 5", id="gpt-oss"),
        pytest.param("analysisWe look", id="gpt-oss-decoded-without-marks"),
    ],
)
def test_thinking_that_never_ends_has_no_answer(text):
    """A policy that was cut off while thinking has not answered."""
    split = split_thinking(text)
    assert not split.closed
    assert not split.answer
    assert split.thinking


_PIECES = st.sampled_from([
    "<think>", "</think>", "< think x>", "\n", "a", '"', "[THINK]", "[/THINK]", "<|channel|>analysis<|message|>", "<|end|>",
    "assistantfinal", "<|channel|>final<|message|>", "analysisA", "thought\n", "<channel|>", "<|channel>thought",
    "Here is my thought process:",
    " ", "Here is my response:", "<scratchpad>", "</scratchpad>", "◁think▷", "◁/think▷",
])  # fmt: skip


@given(st.lists(_PIECES, max_size=12).map("".join))
def test_any_text_comes_apart(text):
    """Whatever a model writes, the answer is made of its own text, and splitting never raises."""
    split = split_thinking(text)
    assert set(split.answer) <= set(text)
    assert len(split.answer) + len(split.thinking) <= len(text) + 2 * text.count("<") + 2 * text.count("[") + 2 * text.count("◁")


@pytest.mark.parametrize(
    "piece", ["<think>", "</think>", "<think></think>", "\n<think>x</think>", " ", "<", "analysisA", "<|channel|>", "[THINK]"]
)
def test_splitting_is_linear(piece):
    """A policy cannot stop the work with a long text of marks."""

    def seconds(times: int) -> float:
        start = time.perf_counter()
        split_thinking(piece * times)
        return time.perf_counter() - start

    assert seconds(40_000) < 40 * seconds(4_000) + 0.2


def test_every_format_has_a_name():
    """The table is data that others read."""
    assert len({f.name for f in FORMATS}) == len(FORMATS)
