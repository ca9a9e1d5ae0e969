"""Messages in any public form -> `Conversation`: OpenAI chat and responses items, HF and TRL, ShareGPT, Anthropic blocks.

- What one form keeps in a field another keeps in a part, and a third in an item of its own: all become parts.
- Two forms of one chat give equal messages: a prompt that is one user message of plain text is that text, a response that is
  one assistant message of plain text is that text, and the arguments of a tool call are JSON in one spelling.
- Nothing is left out in silence: what is not text stands as an `ImagePart`, and an unknown role or part is an error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from judge.conversation.chat_text import as_prompt, begins_with_mark, messages_in, transcript
from judge.conversation.items import (
    KNOWN_ROLES,
    _sorted_out,
    _tool_message,
    at,
    calls_in,
    content_parts,
    first_of,
    item_messages,
    mapping_of,
    message_of,
    reasoning_parts,
    shown,
    tool_call_parts,
)
from judge.conversation.write import plain
from judge.errors import DataError
from judge.reference import is_missing, written
from judge.types import (
    Conversation,
    Message,
    Part,
    RefusalPart,
    Role,
    TextPart,
)  # fmt: skip

ROLES: Mapping[str, Role] = {
    "system": "system", "developer": "developer", "context": "system",
    "user": "user", "human": "user", "prompter": "user",
    "assistant": "assistant", "gpt": "assistant", "model": "assistant", "ai": "assistant", "bot": "assistant",
    "chatgpt": "assistant", "chatbot": "assistant",
    "bing": "assistant", "bard": "assistant", "agent": "assistant", "completion": "assistant",
    "tool": "tool", "function": "tool", "ipython": "tool", "observation": "tool", "environment": "tool", "tool_response": "tool",
    "function_response": "tool", "tool_result": "tool", "tool_output": "tool",
}  # fmt: skip
_CALL_ROLES = frozenset({"function_call", "tool_call", "tool_calls", "function-call", "tool-call"})
_LISTS = ("messages", "conversations", "conversation", "input", "output", "trajectory", "items", "messages_and_choices")
_ROLE_KEYS = ("role", "from", "speaker")
_CONTENT_KEYS = ("content", "value", "text", "parts", "message")


def read_conversation(value: Any, where: str = "") -> Conversation:
    """Messages in any public form.

    Args:
        value: A list of messages or items (mappings, pydantic objects, arrays), a mapping that holds one, or text: a chat
            template's, an HH transcript, JSON of a list of messages, or the words of one user message.
        where: What errors call it.

    Raises:
        DataError: It is none of these, naming the message and what would do.

    Example:
        >>> read_conversation([{"from": "human", "value": "2+2?"}, {"from": "gpt", "value": "4"}])[1]
        Message(role='assistant', content='4')
    """
    if isinstance(value, str):
        return _text_conversation(value, where)
    if type(value) is tuple and value and all(isinstance(m, Message) for m in value):
        return value
    found: list[Message] = []
    for place, item in enumerate(_items(value, where)):
        found += _messages(item, at(where, f"message {place}"))
    if not found:
        raise DataError(at(where, "the list of messages is empty"))
    return tuple(found)


def read_prompt(value: Any, where: str = "`prompt`") -> str | Conversation:
    """A prompt: text as it is, unless it begins with a chat template's mark or is a transcript; else a conversation.

    Raises:
        DataError: It is neither text nor messages.

    Example:
        >>> read_prompt([{"role": "user", "content": [{"type": "text", "text": "2+2?"}]}])
        '2+2?'
    """
    if isinstance(value, str) and not begins_with_mark(value) and not _may_be_transcript(value):
        return value
    if not isinstance(value, str) and not _may_be_messages(value):
        raise DataError(f"{where} must be text or a list of chat messages, not {shown(value)}".lstrip())
    return as_prompt(read_conversation(value, where))


def read_response(value: Any, where: str = "`response`", *, prompt: str | Conversation | None = None) -> str | Conversation:
    """A response: text as it is, a number or a boolean as JSON writes it, or the assistant's side of a conversation.

    Text is never searched for marks: the policy wrote it. What comes before the assistant's first words is no part of it, nor
    is what follows its last words and is not a tool's (a user who says thanks).

    Args:
        prompt: Taken off the front where the messages repeat it.

    Raises:
        DataError: It is neither text nor messages, or no message is the assistant's.

    Example:
        >>> read_response([{"role": "assistant", "content": "4"}, {"role": "user", "content": "thanks"}])
        '4'
    """
    if isinstance(value, str):
        return value
    if type(value) is list and len(value) == 1 and type(value[0]) is dict and len(value[0]) == 2:
        text = value[0].get("content")
        if type(text) is str and value[0].get("role") == "assistant":
            return text
    if isinstance(value, int | float) and not is_missing(value):  # a column of short answers may hold nothing else
        return written(value)
    if not _may_be_messages(value):
        raise DataError(f"{where} must be text or a list of chat messages, not {shown(value)}".lstrip())
    found = read_conversation(value, where)
    if prompt is not None:
        found = after_prompt(found, prompt)
    return plain(policy_side(found, where))


def policy_side(found: Conversation, where: str = "") -> Conversation:
    """A response without what comes before the assistant's first words and after its last; tool results after them stay.

    Raises:
        DataError: No message is the assistant's.
    """
    end = len(found)
    while end and found[end - 1].role not in ("assistant", "tool"):
        end -= 1
    if not any(m.role == "assistant" for m in found[:end]):
        raise DataError(at(where, "no message is the assistant's, so there is nothing to judge"))
    start = next(i for i, m in enumerate(found) if m.role == "assistant")
    return found[start:end]


def after_prompt(found: Conversation, prompt: str | Conversation) -> Conversation:
    """A conversation without the prompt that it begins with; as it is where it does not."""
    before = (Message("user", prompt),) if isinstance(prompt, str) else prompt
    return found[len(before) :] if len(found) > len(before) and found[: len(before)] == before else found


def split_conversation(found: Conversation, where: str = "") -> tuple[str | Conversation, str | Conversation]:
    """A whole conversation -> prompt and response. The response is all that follows the last turn of a user.

    Raises:
        DataError: No message is the assistant's, or nothing comes before it.

    Example:
        >>> split_conversation(read_conversation([{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}]))
        ('2+2?', '4')
    """
    while found and found[-1].role not in ("assistant", "tool"):
        found = found[:-1]
    start = len(found)
    while start and found[start - 1].role in ("assistant", "tool"):
        start -= 1
    if not start:
        why = "the conversation begins with the assistant, so there is no prompt" if found else "no message is the assistant's"
        raise DataError(at(where, why))
    while start < len(found) and found[start].role == "tool":
        start += 1
    return as_prompt(found[:start]), plain(policy_side(found[start:], where))


# ---- what a value is --------------------------------------------------------------------------------------------


def _may_be_messages(value: Any) -> bool:
    """Whether a value is a list of messages or something that holds one; an empty list is neither."""
    if hasattr(value, "tolist") or hasattr(value, "model_dump") or hasattr(value, "role") or isinstance(value, Mapping):
        return True
    return isinstance(value, Sequence) and not isinstance(value, bytes | bytearray) and len(value) > 0


def _may_be_transcript(text: str) -> bool:
    """Whether a prompt is an HH transcript, or JSON of messages. Only its beginning is looked at, then its marks."""
    head = text[:64].lstrip()
    if head.startswith("Human:"):
        return "\n\nAssistant:" in text
    return head.startswith(("[{", "[\n", "[ {")) and _json_messages(text) is not None


def _json_messages(text: str) -> list[Any] | None:
    if '"role"' not in text and '"from"' not in text and '"type"' not in text:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, list) or not value or not all(isinstance(m, dict) for m in value):
        return None
    known = all(
        any(isinstance(m.get(k), str) for k in _ROLE_KEYS) and any(k in m for k in (*_CONTENT_KEYS, "tool_calls")) for m in value
    )
    return value if known else None


def _text_conversation(text: str, where: str) -> Conversation:
    if begins_with_mark(text):
        found = messages_in(text)
        return (Message("user", found),) if isinstance(found, str) else found or (Message("user", ""),)
    turns = transcript(text)
    if turns is not None:
        return turns
    listed = _json_messages(text) if text.lstrip()[:1] == "[" else None
    return read_conversation(listed, where) if listed else (Message("user", text),)


def _items(value: Any, where: str) -> Sequence[Any]:
    """The messages in what somebody passes for a list of them."""
    if hasattr(value, "tolist"):  # an array, as Parquet readers give lists
        value = value.tolist()
    if not isinstance(value, Mapping | Sequence):
        value = mapping_of(value, where)
    if isinstance(value, Mapping):
        if any(k in value for k in _ROLE_KEYS):
            return [value]
        choices = value.get("choices")
        if isinstance(choices, Sequence) and choices:
            return [mapping_of(choices[0], where).get("message")]
        name = next((k for k in _LISTS if isinstance(value.get(k), Sequence) and not isinstance(value.get(k), str)), None)
        return list(value[name]) if name else [value]
    return list(value)


# ---- one message ------------------------------------------------------------------------------------------------


def _messages(item: Any, where: str) -> list[Message]:
    """One message or item; a user message that carries tool results becomes several."""
    if isinstance(item, Message):
        return [item]
    m = mapping_of(item, where)
    if "message" in m and "finish_reason" in m:  # a choice among messages (ART)
        return _messages(m["message"], where)
    said = next((m[k] for k in _ROLE_KEYS if m.get(k) is not None), None)
    if said is None:
        return item_messages(m, where)
    name = str(said).strip().lower()
    if name in _CALL_ROLES:
        return [message_of("assistant", calls_in(first_of(m, _CONTENT_KEYS), where))]
    role = ROLES.get(name)
    if role is None:
        raise DataError(at(where, f"has the role `{str(said)[:40]}`; known roles: {KNOWN_ROLES}"))
    content = first_of(m, _CONTENT_KEYS)
    if role == "tool":
        return [_tool_message(content, m.get("name"), m.get("tool_call_id") or m.get("call_id"), where)]
    parts: list[Part] = []
    if role == "assistant":
        parts += reasoning_parts(m)
    parts += content_parts(content, where)
    if role == "assistant":
        if isinstance(m.get("tool_plan"), str):
            parts.append(TextPart(m["tool_plan"]))
        if isinstance(m.get("refusal"), str) and m["refusal"]:
            parts.append(RefusalPart(m["refusal"]))
        audio = m.get("audio")
        if isinstance(audio, Mapping) and isinstance(audio.get("transcript"), str):
            parts.append(TextPart(audio["transcript"]))
        parts += tool_call_parts(m, where)
    elif not parts and content is None:
        raise DataError(at(where, "has no `content`"))
    return _sorted_out(role, parts)


# ---- content ----------------------------------------------------------------------------------------------------
