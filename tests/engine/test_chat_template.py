"""Chat template rendering, with a tokenizer built on the spot: no model, no download."""

from __future__ import annotations

import pytest

transformers = pytest.importorskip("transformers", reason="needs the extra `transformers`, `cpu` or `vllm`")

from judge.engine.chat_template import ChatTokenizer, first_line, too_long  # noqa: E402
from judge.errors import EngineError  # noqa: E402
from judge.types import Message  # noqa: E402

PLAIN = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "<|{{ m.role }}|>{{ m.content | trim }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
THINKING = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content.split('</think>')[-1] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% if not enable_thinking %}<think></think>{% endif %}{% endif %}"
)


def tokenizer(template: str | None = PLAIN):
    """Word-level tokenizer with two special tokens, one markup token and one plain added token."""
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

    words = {word: i for i, word in enumerate(["[UNK]", "good", "bad", "answer", ":", " "])}
    core = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    core.add_special_tokens([AddedToken("<|end|>", special=True), AddedToken("<|user|>", special=True)])
    core.add_tokens([AddedToken("<think>", special=False), AddedToken("\n\n", special=False)])
    made = transformers.PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<|end|>", unk_token="[UNK]")
    made.chat_template = template
    return made


def chat(*turns: tuple[str, str]) -> tuple[Message, ...]:
    return tuple(Message(role, content) for role, content in turns)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("template", "turns", "text"),
    [
        pytest.param(PLAIN, [("user", "good")], "<|user|>good<|end|><|assistant|>", id="one-turn"),
        pytest.param(
            PLAIN,
            [("user", "good"), ("assistant", "answer: ")],
            "<|user|>good<|end|><|assistant|>answer: ",
            id="prefill-keeps-its-space",
        ),
        pytest.param(
            THINKING,
            [("user", "good"), ("assistant", "<think>hm</think>bad")],
            "<|user|>good<|end|><|assistant|><think>hm</think>bad",
            id="prefill-keeps-its-thinking",
        ),
        pytest.param(
            PLAIN,
            [("user", "good"), ("assistant", "bad"), ("user", "good")],
            "<|user|>good<|end|><|assistant|>bad<|end|><|user|>good<|end|><|assistant|>",
            id="two-turns",
        ),
    ],
)
def test_prompt_text(template, turns, text):
    """The judge continues exactly what it wrote itself: a template that trims or cuts must not touch it."""
    kwargs = {"enable_thinking": True} if template is THINKING else {}
    assert ChatTokenizer(tokenizer(template), kwargs).prompt_text(chat(*turns)) == text


def test_template_kwargs_reach_the_template_and_its_name():
    """Switching thinking off changes the judge, so the run must not reuse verdicts made with it on."""
    off, on = (ChatTokenizer(tokenizer(THINKING), {"enable_thinking": value}) for value in (False, True))
    assert off.prompt_text(chat(("user", "good"))).endswith("<think></think>")
    assert off.template_hash != on.template_hash


def test_a_model_without_a_system_role_reads_the_system_text_first():
    """As the authors of such models do it: in front of the first user message."""
    made = ChatTokenizer(tokenizer())
    assert made.prompt_text(chat(("system", "good"), ("user", "bad"))) == made.prompt_text(chat(("user", "good\n\nbad")))


def test_a_refused_conversation_is_an_error_of_that_request():
    """A template that refuses what it is given does not stop the run with a traceback."""
    refusing = "{% if messages|length > 1 %}{{ raise_exception('One message only') }}{% endif %}" + PLAIN
    with pytest.raises(ValueError, match="refuses this conversation: One message only"):
        ChatTokenizer(tokenizer(), {"chat_template": refusing}).prompt_text(chat(("user", "good"), ("user", "bad")))


def test_no_chat_template_is_fatal_with_a_way_out():
    """A base model cannot judge; the message says what to do."""
    with pytest.raises(EngineError, match=r"org/base has no chat template.*chat_template_kwargs"):
        ChatTokenizer(tokenizer(None), model="org/base")
    assert ChatTokenizer(tokenizer(None), {"chat_template": PLAIN}).count(chat(("user", "good"))) > 0


def test_control_tokens_are_markup_and_not_text():
    """Neutralising untrusted text must catch what the chat format means, and leave blank lines alone."""
    made = ChatTokenizer(tokenizer(THINKING + "\n\n")).control_tokens
    assert {"<|end|>", "<|user|>", "<think>"} <= made
    assert "\n\n" not in made


@pytest.mark.parametrize("letters", [10, 40_000], ids=["on-the-loop", "in-a-thread"])
async def test_long_and_short_text_give_the_same_ids(letters):
    """Where a prompt is tokenised must not change what the judge reads."""
    made, messages = ChatTokenizer(tokenizer()), chat(("user", "good " * (letters // 5)))
    assert await made.aprompt_ids(messages) == made.prompt_ids(messages)


@pytest.mark.parametrize(
    ("prompt", "room", "context", "says"),
    [
        pytest.param(100, 28, 128, "", id="fits-exactly"),
        pytest.param(101, 28, 128, "prompt 101 tokens + 28 for the verdict > context 128", id="one-too-many"),
        pytest.param(10**6, 1, None, "", id="unknown-context"),
    ],
)
def test_too_long(prompt, room, context, says):
    """A prompt that does not fit is never cut: the message names both counts and the limit."""
    assert too_long(prompt, room, context) == says


def test_first_line_is_short():
    """Errors of the libraries run over pages; a table cell holds one line."""
    assert len(first_line(ValueError("x" * 5000))) == 300


@pytest.mark.parametrize(
    ("marks", "decoded", "said"),
    [
        pytest.param(
            ["<|START_THINKING|>", "<|END_THINKING|>"],
            "<|START_THINKING|>hm<|END_THINKING|>good<|end|>",
            "<|START_THINKING|>hm<|END_THINKING|>good",
            id="cohere",
        ),
        pytest.param(
            ["<|channel>", "<channel|>"],
            "<|channel>thought\nhm<channel|>good<|end|>",
            "<|channel>thought\nhm<channel|>good",
            id="gemma",
        ),
        pytest.param(
            ["<|channel|>", "<|message|>"],
            "<|channel|>analysis<|message|>hm<|end|>good",
            "<|channel|>analysis<|message|>hm<|end|>good",
            id="gpt-oss-ends-its-channels",
        ),
        pytest.param([], "good", "good", id="no-marks"),
    ],
)
def test_marks_of_thinking_that_are_special_tokens_are_kept(marks, decoded, said):
    """Without them the end of the thinking is lost, and a draft in it would be read as the verdict."""
    made = tokenizer()
    made.add_special_tokens({"additional_special_tokens": marks})
    chat_tokenizer = ChatTokenizer(made)
    assert chat_tokenizer.keep_special is bool(marks)
    assert chat_tokenizer.said(decoded) == said
