"""Conversation -> what a judge reads, and what a client sends.

- Every turn begins with a line that says who wrote it. What the policy did not write (tool results, a user's turns within a
  response) says so on that line, and is never among the policy's own words.
- Where a line has a label (in prompts it has), no text can forge one: the label is unknown to whoever wrote the text.
- A prompt or response of plain text has no such line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from judge.thinking import may_hold, split_thinking
from judge.types import (
    Conversation,
    ImagePart,
    Message,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)  # fmt: skip

_TAIL = 100  # characters at the end of a prompt in which the opening mark stands
_OPENED = re.compile(r"(?i:assistant|\bA):[^\n]{0,60}\n?\s{0,3}<think>\s*\Z")  # text prompts of base models
OTHERS = "NOT WRITTEN BY THE ASSISTANT"
_BY_PART = {ToolCallPart: "ASSISTANT, TOOL CALL", RefusalPart: "ASSISTANT, REFUSAL", ReasoningPart: "ASSISTANT, THINKING"}

Line = Callable[[str], str]
"""Who wrote what follows -> the line that says so."""


def _line(who: str) -> str:
    return f"[{who}]"


def pieces(conversation: Conversation, *, response: bool, first_image: int = 1) -> list[tuple[str, str]]:
    """Who and what, piece by piece, as a judge is shown a conversation. Images are `IMAGE n` without words; who is empty
    where the same goes on.

    Args:
        response: It is the assistant's side, so what others wrote in it is marked.
        first_image: Number of the first image.
    """
    out: list[tuple[str, str]] = []
    images = first_image - 1
    for message in conversation:
        who = message.role.upper() if message.role != "tool" else "TOOL RESULT"
        if response and message.role != "assistant":
            who = f"{who}, {OTHERS}"
        last = ""
        for part in message.parts or (TextPart(""),):
            writer = _BY_PART.get(type(part), who)
            line = "" if writer == last else writer
            last = writer
            if isinstance(part, ImagePart):
                images += 1
                out += [(line, ""), (f"{part.kind.upper()} {images}", "")] if line else [(f"{part.kind.upper()} {images}", "")]
            else:
                out.append((line, part.text))
    return out


def is_one_text(conversation: Conversation, *, response: bool) -> str | None:
    """The text of a conversation that is shown as text: one plain message, the assistant's or any of a prompt's."""
    if len(conversation) != 1 or not isinstance(conversation[0].content, str):
        return None
    return conversation[0].content if conversation[0].role == ("assistant" if response else "user") else None


def _write(conversation: Conversation, line: Line, *, response: bool) -> str:
    text = is_one_text(conversation, response=response)
    if text is not None:
        return text
    return "\n".join(
        text for who, said in pieces(conversation, response=response) for text in ((line(who) if who else ""), said) if text
    )


def write_prompt(prompt: str | Conversation, line: Line = _line) -> str:
    """A prompt as text.

    Example:
        >>> print(write_prompt((Message("system", "Be brief."), Message("user", "2+2?"))))
        [SYSTEM]
        Be brief.
        [USER]
        2+2?
    """
    return prompt if isinstance(prompt, str) else _write(prompt, line, response=False)


def write_response(response: str | Conversation, line: Line = _line) -> str:
    """A response as text: all of it, with who wrote what.

    Example:
        >>> call = Message("assistant", (ToolCallPart("weather", '{"city": "Paris"}'),))
        >>> print(write_response((call, Message("tool", (ToolResultPart("12C"),)), Message("assistant", "12 C."))))
        [ASSISTANT, TOOL CALL]
        weather({"city": "Paris"})
        [TOOL RESULT, NOT WRITTEN BY THE ASSISTANT]
        12C
        [ASSISTANT]
        12 C.
    """
    return response if isinstance(response, str) else _write(response, line, response=True)


def own_words(response: str | Conversation) -> str:
    """What the policy itself wrote in a response, tool calls included and thinking left out.

    Example:
        >>> own_words((Message("assistant", "Hello."), Message("user", "thanks"), Message("assistant", "Bye.")))
        'Hello.\\n\\nBye.'
    """
    if isinstance(response, str):
        return response
    return "\n\n".join(
        t for m in response if m.role == "assistant" and (t := m.text if isinstance(m.content, str) else _words(m))
    )


def _words(message: Message) -> str:
    return "\n\n".join(p.text for p in message.parts if p.text and not isinstance(p, ReasoningPart | ImagePart))


def plain(response: Conversation) -> str | Conversation:
    """A response in its one form: one assistant message of plain text is that text."""
    text = is_one_text(response, response=True)
    return response if text is None else text


def mapped(response: str | Conversation, change: Callable[[str], str]) -> str | Conversation:
    """A response with every text in it changed."""
    if isinstance(response, str):
        return change(response)
    return tuple(
        Message(m.role, change(m.content) if isinstance(m.content, str) else tuple(_changed(p, change) for p in m.content))
        for m in response
    )


def _changed(part: Part, change: Callable[[str], str]) -> Part:
    if isinstance(part, ImagePart):
        return part
    if isinstance(part, ToolCallPart):
        return replace(part, arguments=change(part.arguments))
    return replace(part, text=change(part.text))


def media(conversation: str | Conversation) -> list[ImagePart]:
    """What is not text in a conversation, in order."""
    if isinstance(conversation, str):
        return []
    return [p for m in conversation if not isinstance(m.content, str) for p in m.content if isinstance(p, ImagePart)]


# ---- thinking ---------------------------------------------------------------------------------------------------


class Apart(NamedTuple):
    """A response without the policy's thinking, the thinking, and whether it ended."""

    response: str | Conversation
    thinking: str
    closed: bool


def without_thinking(response: str | Conversation) -> Apart:
    """Take the policy's thinking off a response. Thinking that never ends has nothing behind it: what is left is empty.

    Example:
        >>> without_thinking("<think>4 or 5?</think>4")
        Apart(response='4', thinking='4 or 5?', closed=True)
    """
    if isinstance(response, str):
        if not may_hold(response):
            return Apart(response, "", True)
        split = split_thinking(response)
        return Apart(split.answer, split.thinking, split.closed)
    told, closed = thinking_apart(response)
    assert not isinstance(told, str)  # noqa: S101  # a conversation stays one
    thought = "\n\n".join(p.text for m in told for p in m.parts if isinstance(p, ReasoningPart))
    out: list[Message] = []
    for message in told:
        parts = [p for p in message.parts if not isinstance(p, ReasoningPart)]
        if parts == list(message.parts):
            out.append(message)
        elif parts:
            out.append(_of_parts(parts))
    if not any(m.role == "assistant" for m in out):
        return Apart("", thought, closed)
    return Apart(plain(tuple(out)), thought, closed)


def opened_thinking(prompt: str | Conversation) -> bool:
    """Whether a prompt ends within the policy's thinking: some chat templates write the opening mark into the prompt.

    Example:
        >>> opened_thinking((Message("user", "2+2?"), Message("assistant", "<think>")))
        True
        >>> opened_thinking("Assistant: <think>\\n"), opened_thinking("What does the tag <think> mean?")
        (True, False)
    """
    if isinstance(prompt, str):
        return "<think>" in (tail := prompt[-_TAIL:]) and _OPENED.search(tail) is not None
    last = prompt[-1] if prompt else None
    if last is None or last.role != "assistant" or not last.parts:
        return False
    end = last.parts[-1]
    if isinstance(end, ReasoningPart):
        return len(prompt) > 1 and not end.text
    return isinstance(end, TextPart) and may_hold(end.text) and not split_thinking(end.text).closed


def without_opening(prompt: str | Conversation) -> str | Conversation:
    """A prompt without a last assistant turn that only opens the thinking.

    Example:
        >>> without_opening((Message("user", "2+2?"), Message("assistant", "<think>")))
        '2+2?'
    """
    if isinstance(prompt, str) or len(prompt) < 2 or not opened_thinking(prompt):
        return prompt
    if any(isinstance(p, TextPart) and split_thinking(p.text)[:2] != ("", "") for p in prompt[-1].parts):
        return prompt  # it says more
    kept = prompt[:-1]
    return kept[0].content if len(kept) == 1 and kept[0].role == "user" and isinstance(kept[0].content, str) else kept


def thinking_apart(response: str | Conversation) -> tuple[str | Conversation, bool]:
    """A response whose thinking is a part of its own wherever it stood, and whether it ended.

    Example:
        >>> thinking_apart("<think>4 or 5?</think>4")[0][0].content
        (ReasoningPart(text='4 or 5?'), TextPart(text='4'))
    """
    if isinstance(response, str):
        if not may_hold(response):
            return response, True
        split = split_thinking(response)
        if split.closed and not split.thinking:
            return split.answer, True
        return (_of_parts([ReasoningPart(split.thinking), *([TextPart(split.answer)] if split.answer else [])]),), split.closed
    closed = True
    out: list[Message] = []
    for message in response:
        if message.role != "assistant" or not any(isinstance(p, TextPart) and may_hold(p.text) for p in message.parts):
            out.append(message)
            continue
        parts: list[Part] = []
        for part in message.parts:
            if isinstance(part, TextPart):
                split = split_thinking(part.text)
                closed &= split.closed
                parts += [ReasoningPart(split.thinking)] if split.thinking else []
                parts += [TextPart(split.answer)] if split.answer else []
            else:
                parts.append(part)
        out.append(_of_parts(parts))
    return tuple(out), closed


def _of_parts(parts: Sequence[Part]) -> Message:
    """An assistant's message; one text alone is plain content."""
    if not parts:
        return Message("assistant", "")
    first = parts[0]
    return Message("assistant", first.text if len(parts) == 1 and isinstance(first, TextPart) else tuple(parts))


def without_system(messages: Sequence[Message]) -> list[Message]:
    """Messages for a model without a system role: the system text goes in front of the first user message.

    Example:
        >>> [m.content for m in without_system([Message("system", "Be brief."), Message("user", "2+2?")])]
        ['Be brief.\\n\\n2+2?']
    """
    said = [m.text for m in messages if m.role in ("system", "developer") and m.text]
    rest = [m for m in messages if m.role not in ("system", "developer")]
    place = next((i for i, m in enumerate(rest) if m.role == "user"), None)
    if not said:
        return rest
    system = "\n\n".join(said)
    if place is None:
        return [Message("user", system), *rest]
    content = rest[place].content
    whole = f"{system}\n\n{content}" if isinstance(content, str) else (TextPart(f"{system}\n\n"), *content)
    return [*rest[:place], Message("user", whole), *rest[place + 1 :]]


# ---- as JSON ------------------------------------------------------------------------------------------------------


def to_messages(conversation: Sequence[Message]) -> list[dict[str, Any]]:
    """OpenAI chat messages of a conversation, which `read_conversation` reads back as it was.

    Example:
        >>> to_messages((Message("user", "2+2?"),))
        [{'role': 'user', 'content': '2+2?'}]
    """
    return [_plain_message(m) for m in conversation]


def _plain_message(message: Message) -> dict[str, Any]:
    if isinstance(message.content, str):
        return {"role": message.role, "content": message.content}
    out: dict[str, Any] = {"role": message.role, "content": None}
    content: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    for part in message.content:
        if isinstance(part, ToolCallPart):
            function = {"name": part.name, "arguments": part.arguments}
            calls.append({"type": "function", "function": function} | ({"id": part.id} if part.id else {}))
        elif isinstance(part, ToolResultPart):
            content.append({"type": "text", "text": part.text})
            out |= ({"tool_call_id": part.id} if part.id else {}) | ({"name": part.name} if part.name else {})
        else:
            content.append(plain_part(part))
    texts = [p["text"] for p in content if p["type"] == "text"]
    out["content"] = (texts[0] if len(texts) == len(content) == 1 else content) if content else None
    if calls:
        out["tool_calls"] = calls
    return out


def plain_part(part: TextPart | ImagePart | ReasoningPart | RefusalPart) -> dict[str, Any]:
    """One part as OpenAI's chat API names it; thinking as Anthropic does."""
    if isinstance(part, ImagePart):
        if part.kind != "image":
            return {"type": part.kind}
        return {"type": "image_url", "image_url": {"url": part.url} | ({"detail": part.detail} if part.detail else {})}
    if isinstance(part, ReasoningPart):
        return {"type": "thinking", "thinking": part.text}
    return {"type": "refusal", "refusal": part.text} if isinstance(part, RefusalPart) else {"type": "text", "text": part.text}


def plain_json(conversation: str | Conversation) -> str:
    """A prompt or response as text for a table: text as it is, messages as JSON."""
    return conversation if isinstance(conversation, str) else json.dumps(to_messages(conversation), ensure_ascii=False)


def size(texts: Sequence[Message]) -> int:
    """Characters of messages."""
    return sum(len(m.text) for m in texts)
