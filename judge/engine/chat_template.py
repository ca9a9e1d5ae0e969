"""Chat messages -> token ids, as the judge's own tokenizer and chat template write them.

- A conversation that ends with the assistant is continued, and the bytes must be those the model itself would have
  produced: so the text is appended to the generation prompt. Asking the template to render an open assistant
  turn is not the same: templates of thinking models cut `<think>...</think>` out of earlier turns, and others trim.
- The template writes the start token itself; adding the tokenizer's special tokens as well would double it.
- Where the marks of the model's thinking are special tokens (Cohere, Gemma 4, gpt-oss, Mistral), an engine has to decode
  with special tokens, or the end of the thinking is lost with them; the others are then taken out here.
- Tokenising costs about 1.3 ms per thousand tokens: short prompts are done on the event loop, long ones in a thread.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from judge.conversation import without_system
from judge.errors import EngineError
from judge.thinking import HARMONY_TOKENS, SPECIAL_TOKENS
from judge.types import ImagePart, Message

LONG_TEXT = 16_000  # characters; beyond this, tokenising would hold the event loop for more than a few milliseconds


class ChatTokenizer:
    """A tokenizer with its chat template.

    Args:
        tokenizer: A Hugging Face tokenizer.
        template_kwargs: Passed to the template (`enable_thinking: false`, or `chat_template` to replace it).
        model: What errors call the model.

    Raises:
        EngineError: The tokenizer has no chat template, so it cannot be given a conversation.
    """

    def __init__(self, tokenizer: Any, template_kwargs: Mapping[str, Any] | None = None, *, model: str = "") -> None:
        self.tokenizer = tokenizer
        self.template_kwargs = dict(template_kwargs or {})
        self.template = str(self.template_kwargs.get("chat_template") or tokenizer.chat_template or "")
        if not self.template:
            raise EngineError(
                f"{model or 'this model'} has no chat template, so it cannot be given a conversation; "
                "use an instruction-tuned model, or pass one as `chat_template_kwargs: {chat_template: ...}`"
            )
        self.control_tokens = control_tokens(tokenizer, self.template)
        special = _special(tokenizer)
        marks = special & (
            SPECIAL_TOKENS if "<|channel|>" in special else SPECIAL_TOKENS - {*HARMONY_TOKENS}
        )  # Phi has <|end|> too
        self.keep_special = bool(marks)  # an engine decodes with special tokens
        others = sorted(special - marks, key=len, reverse=True)
        self._others = re.compile("|".join(map(re.escape, others)) or r"(?!)")
        self._has_system: bool | None = None  # found out by the first system message

    @classmethod
    def load(
        cls,
        path: str,
        *,
        model: str = "",
        revision: str | None = None,
        trust_remote_code: bool = False,
        template_kwargs: Mapping[str, Any] | None = None,
    ) -> ChatTokenizer:
        """Read the tokenizer of a model folder or hub name. Raises `EngineError` when there is none."""
        from transformers import AutoTokenizer  # noqa: PLC0415  # heavy, on first use only

        try:
            tokenizer = AutoTokenizer.from_pretrained(path, revision=revision, trust_remote_code=trust_remote_code)
        except (OSError, ValueError) as why:
            raise EngineError(f"{model or path}: its tokenizer cannot be loaded: {first_line(why)}") from why
        return cls(tokenizer, template_kwargs, model=model)

    @property
    def template_hash(self) -> str:
        """Names the template and its arguments (16 hex digits): another template is another judge."""
        return hashlib.sha256(repr((self.template, sorted(self.template_kwargs.items()))).encode()).hexdigest()[:16]

    def prompt_text(self, messages: Sequence[Message]) -> str:
        """The exact text the model continues, control tokens included.

        Raises:
            ValueError: The template refuses the conversation (no system role, roles that must alternate...).
        """
        turns, prefill = messages, ""
        if messages and messages[-1].role == "assistant":
            turns, prefill = messages[:-1], messages[-1].text
        return self._written(turns, reply_next=True) + prefill

    def whole_text(self, messages: Sequence[Message]) -> str:
        """The exact text of a finished conversation, as a model with a scalar head reads it. Raises `ValueError` as above."""
        return self._written(messages, reply_next=False)

    def _written(self, turns: Sequence[Message], *, reply_next: bool) -> str:
        from jinja2 import TemplateError  # noqa: PLC0415

        if any(m.role in ("system", "developer") for m in turns) and not self._keeps_system():
            turns = without_system(turns)
        try:
            return self._rendered(turns, reply_next=reply_next)
        except TemplateError as why:
            raise ValueError(f"the model's chat template refuses this conversation: {first_line(why)}") from why

    def _rendered(self, turns: Sequence[Message], *, reply_next: bool = True) -> str:
        plain = [{"role": m.role, "content": m.text if isinstance(m.content, str) else _parts(m)} for m in turns]
        text = self.tokenizer.apply_chat_template(plain, tokenize=False, add_generation_prompt=reply_next, **self.template_kwargs)
        return str(text)

    def _keeps_system(self) -> bool:
        """Whether the template writes a system message. Some refuse one, others leave it out in silence."""
        from jinja2 import TemplateError  # noqa: PLC0415

        if self._has_system is None:
            word = "zqsystemqz"
            try:
                self._has_system = word in self._rendered([Message("system", word), Message("user", "x")])
            except TemplateError:
                self._has_system = False
        return self._has_system

    def prompt_ids(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of the prompt. Raises `ValueError` as `prompt_text` does."""
        return self.text_ids(self.prompt_text(messages))

    def whole_ids(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of a finished conversation. Raises `ValueError` as `prompt_text` does."""
        return self.text_ids(self.whole_text(messages))

    async def aprompt_ids(self, messages: Sequence[Message], *, whole: bool = False) -> list[int]:
        """The same as `prompt_ids`, or as `whole_ids`, in a thread when the conversation is long."""
        ids = self.whole_ids if whole else self.prompt_ids
        if sum(len(m.text) for m in messages) > LONG_TEXT:
            return await asyncio.to_thread(ids, messages)
        return ids(messages)

    def text_ids(self, text: str) -> list[int]:
        """Token ids of plain text, nothing added."""
        backend = getattr(self.tokenizer, "backend_tokenizer", None)
        if backend is not None:  # the wrapper sets truncation on it for every call, which two threads cannot do at once
            return list(backend.encode(text, add_special_tokens=False).ids)
        return list(self.tokenizer.encode(text, add_special_tokens=False))

    def said(self, text: str) -> str:
        """What was decoded with special tokens (`keep_special`), without those that mark no thinking."""
        return self._others.sub("", text) if self.keep_special else text

    def count(self, messages: Sequence[Message]) -> int:
        """Prompt tokens of a conversation."""
        return len(self.prompt_ids(messages))


def _parts(message: Message) -> list[dict[str, str]]:
    """Content with images as templates of models that see want it: the image itself goes to the engine beside the text."""
    return [{"type": "image"} if isinstance(p, ImagePart) else {"type": "text", "text": p.text} for p in message.parts]


def control_tokens(tokenizer: Any, template: str) -> frozenset[str]:
    """Tokens that mean something to the chat format, so that untrusted text must not contain them.

    Every special token, and every other added token the template itself writes and that looks like markup (`<think>`
    is an ordinary added token in some models). Added tokens such as runs of newlines stay out: they are just text.
    """
    added = getattr(tokenizer, "added_tokens_decoder", {}).values()
    special = _special(tokenizer)
    written = {str(token.content) for token in added if str(token.content) in template}
    return frozenset(special | {text for text in written if len(text) > 2 and text[0] in "<[" and text[-1] in ">]"})


def _special(tokenizer: Any) -> set[str]:
    added = getattr(tokenizer, "added_tokens_decoder", {}).values()
    return {str(token.content) for token in added if token.special} | set(map(str, tokenizer.all_special_tokens))


def too_long(prompt_tokens: int, max_tokens: int, context: int | None) -> str:
    """Why a request does not fit, with all the counts; empty when it fits. Nothing is ever cut to make it fit.

    Example:
        >>> too_long(9120, 1024, 8192)
        'prompt 9,120 tokens + 1,024 for the verdict > context 8,192'
        >>> too_long(7168, 1024, 8192)
        ''
    """
    if context is None or prompt_tokens + max_tokens <= context:
        return ""
    return f"prompt {prompt_tokens:,} tokens + {max_tokens:,} for the verdict > context {context:,}"


def first_line(why: BaseException | str, limit: int = 300) -> str:
    """An exception in one short line; the name of its type where it says nothing itself.

    Example:
        >>> first_line(ValueError())
        'ValueError'
        >>> first_line("no such model")
        'no such model'
    """
    lines = [line.strip() for line in str(why).splitlines() if line.strip()]
    text = lines[0] if lines else type(why).__name__
    return text if len(text) <= limit else text[: limit - 1] + "…"
