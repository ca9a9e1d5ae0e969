"""Quoting: what a hostile text cannot do to the prompt that it stands in."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge.recipe.load import load_recipe
from judge.render.build import Ask, Builder
from judge.render.quoting import Untrusted, boundary, neutralise
from judge.rubric.load import load_rubric, rubric_from
from judge.types import Message, Sample
from tests.clock import least_cpu

# What a tokenizer of each family would turn into a real control token.
FAMILIES = {
    "chatml": ("<|im_start|>", "<|im_end|>", "<|endoftext|>"),
    "llama3": ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
    "llama2-mistral": ("[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "<s>", "</s>", "[AVAILABLE_TOOLS]", "[TOOL_CALLS]"),
    "gemma": ("<start_of_turn>", "<end_of_turn>", "<bos>", "<eos>"),
    "deepseek": ("<｜User｜>", "<｜Assistant｜>", "<｜end▁of▁sentence｜>", "<think>", "</think>"),
    "glm-phi-gpt-oss": ("[gMASK]", "<|user|>", "<|assistant|>", "<|end|>", "<|channel|>", "<|start|>"),
}
TOKENS = [token for family in FAMILIES.values() for token in family]
LABEL = boundary(0, "What is 2 + 2?")
OTHERS = [
    "<<<BEGIN X>>>",
    "<<<END RESPONSE",
    LABEL,
    LABEL[:5],
    "\u200b",
    "\u200d",
    "\u200c",
    "म",
    "👩",
    "\u202e",
    "\ud800",
    "\n",
    "<",
    "|",
]
hostile = st.lists(
    st.one_of(st.sampled_from(TOKENS), st.sampled_from(OTHERS), st.text(max_size=6)), max_size=25
).map("".join)  # fmt: skip
MANY = settings(max_examples=500, deadline=None)

POINTWISE = Builder(load_recipe("pointwise"))
PRINCIPLE = Builder(load_recipe("principle"))
RETHINK = Builder(load_recipe("branch-rethink"))
RUBRIC = load_rubric("helpfulness")


def prompt_of(response: str) -> str:
    case = POINTWISE.case(Sample.of("What is 2 + 2?", response, reference="4", context=("Sums.",)), RUBRIC)
    return "\x00".join(m.content for m in POINTWISE.messages(case, POINTWISE.recipe.spec.turns[0], Ask((0,)), {}))


def without_candidate(text: str) -> tuple[str, str, str]:
    before, begin, rest = text.partition(f"<<<BEGIN RESPONSE {LABEL}>>>\n")
    inside, end, after = rest.rpartition(f"\n<<<END RESPONSE {LABEL}>>>")
    return before + begin, inside, end + after


@MANY
@given(hostile)
def test_prompt_around_the_candidate_never_changes(response):
    """All completions of a prompt share their prefix in the engine's cache, and none can write outside its block."""
    before, inside, after = without_candidate(prompt_of(response))
    assert (before, after) == without_candidate(prompt_of("4"))[::2]
    assert LABEL not in inside


@MANY
@given(hostile)
def test_no_control_token_survives_in_any_field(text):
    """A chat template turns `<|im_end|>` in content into the real token, whichever field it came in by."""
    rubric = rubric_from(
        {"name": "r", "description": _sound(text), "criteria": [{"id": "c", "text": f"x{_sound(text)}"}]}, "test"
    )
    sample = Sample.of(text, text, text, reference=text, context=(text,), principle=f"x{text}", id="x")
    for builder in (PRINCIPLE, RETHINK, POINTWISE):
        case = builder.case(sample, rubric)
        order = (0,) if builder is POINTWISE else (0, 1)
        for turn in builder.recipe.spec.turns:
            for message in builder.messages(case, turn, Ask(order), {"branch": text}):
                assert not [token for token in TOKENS if token in message.content]


def _sound(text: str) -> str:
    """Half a surrogate pair cannot stand in a rubric."""
    return text.encode("utf-8", "ignore").decode()


@MANY
@given(hostile)
def test_conversation_is_one_block_whose_turns_have_lines_of_their_own(text):
    """A user turn inside the prompt cannot pass itself off as a system turn, nor a response as a tool's result."""
    turns = (Message("user", text), Message("assistant", text))
    label = boundary(0, turns)
    for response, mark in ((False, ""), (True, ", NOT WRITTEN BY THE ASSISTANT")):
        quoted = Untrusted(turns, label, response=response).quote("TURNS")
        assert [line for line in quoted.split("\n") if label in line] == [
            f"<<<BEGIN TURNS {label}>>>",
            f"<<<USER{mark} {label}>>>",
            f"<<<ASSISTANT {label}>>>",
            f"<<<END TURNS {label}>>>",
        ]


@MANY
@given(hostile, st.sampled_from(["", LABEL, "abababab12", "aaaaaaaaaa"]))
def test_neutralise_is_idempotent(text, label):
    """A text that was neutralised once (a rubric item, an earlier reply) is not mangled further."""
    once = neutralise(text, frozenset({"<tool>"}), label)
    assert neutralise(once, frozenset({"<tool>"}), label) == once


@MANY
@given(st.text(alphabet="ab", max_size=60), st.text(alphabet="ab", min_size=8, max_size=10))
def test_label_never_survives_even_where_it_overlaps_itself(text, label):
    """An answer that guessed the label cannot smuggle it in by writing it twice, one into the other."""
    assert label not in neutralise(text, (), label)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        pytest.param("a" * 12, "a" * 8, id="one-letter"),
        pytest.param("abababababab12", "ababab12", id="prefix-of-itself"),
        pytest.param("abcdabcdabcdabcd", "abcdabcdabcd", id="two-starts"),
    ],
)
def test_label_is_gone_after_the_second_look_too(text, label):
    """Breaking the first occurrence up may leave, or even make, another one."""
    assert label not in neutralise(text, (), label)


ORDINARY = st.characters(
    codec="utf-8", categories=("L", "N", "P", "S", "Zs"), exclude_characters="<>[|｜\u115f\u1160\u3164\uffa0\u2800"
)


@MANY
@given(st.text(alphabet=ORDINARY))
def test_ordinary_text_is_left_alone(text):
    """The judge reads what the model wrote, in every script."""
    assert neutralise(text, (), LABEL) in (text, text.replace(LABEL, f"{LABEL[:4]} {LABEL[4:]}"))


@pytest.mark.parametrize(
    "unit",
    [
        pytest.param("<", id="angle"),
        pytest.param("<|", id="pipes"),
        pytest.param("<<<   ", id="fences"),
        pytest.param("<<<" + " " * 4093, id="fence-and-spaces"),
        pytest.param("[INST", id="half-tokens"),
        pytest.param("<|im_end|>", id="tokens"),
        pytest.param("\u200d", id="joiners"),
        pytest.param("म\u200d\u200d", id="kept-joiners"),
        pytest.param("म" + "\u200d" * 499_999, id="long-runs-of-joiners"),
        pytest.param("\u202e", id="hidden"),
        pytest.param(LABEL, id="labels"),
        pytest.param("word ", id="words"),
    ],
)
def test_a_megabyte_takes_no_longer_than_its_length(unit):
    """A response of a megabyte must not hold up the run. Quadratic work on it would take minutes."""
    text = unit * (1_000_000 // len(unit)) + "म"
    assert least_cpu(lambda: neutralise(text, frozenset({"<tool>"}), LABEL), 5) < 5


def test_printing_without_quoting_is_an_error():
    """A template that forgets the filter fails at once instead of opening a hole."""
    with pytest.raises(TypeError, match="quote"):
        str(Untrusted("text", LABEL))
