"""Messages in any public form -> `Conversation`: OpenAI chat and responses items, HF and TRL, ShareGPT, Anthropic blocks.

- What one form keeps in a field another keeps in a part, and a third in an item of its own: all become parts.
- Two forms of one chat give equal messages: a prompt that is one user message of plain text is that text, a response that is
  one assistant message of plain text is that text, and the arguments of a tool call are JSON in one spelling.
- Nothing is left out in silence: what is not text stands as an `ImagePart`, and an unknown role or part is an error.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from judge.conversation.chat_text import as_prompt, begins_with_mark, messages_in, transcript
from judge.conversation.write import plain
from judge.errors import DataError
from judge.reference import is_missing, written
from judge.types import (
    Conversation,
    ImagePart,
    Message,
    Part,
    ReasoningPart,
    RefusalPart,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
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
_REASONING_KEYS = ("reasoning_content", "reasoning", "thinking")
_TEXTS = frozenset({"text", "input_text", "output_text", "summary_text", "reasoning_text"})
_IMAGES = frozenset({"image", "image_url", "input_image", "image_pil"})
_OTHER_MEDIA = {
    "input_audio": "audio", "audio": "audio", "audio_url": "audio", "video": "video", "video_url": "video",
    "input_video": "video", "file": "file", "input_file": "file", "document": "file",
}  # fmt: skip
_KNOWN_ROLES = "system, developer, user, assistant, tool"


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
        found += _messages(item, _at(where, f"message {place}"))
    if not found:
        raise DataError(_at(where, "the list of messages is empty"))
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
        raise DataError(_at(where, "no message is the assistant's, so there is nothing to judge"))
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
        raise DataError(_at(where, why))
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
        value = _mapping(value, where)
    if isinstance(value, Mapping):
        if any(k in value for k in _ROLE_KEYS):
            return [value]
        choices = value.get("choices")
        if isinstance(choices, Sequence) and choices:
            return [_mapping(choices[0], where).get("message")]
        name = next((k for k in _LISTS if isinstance(value.get(k), Sequence) and not isinstance(value.get(k), str)), None)
        return list(value[name]) if name else [value]
    return list(value)


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    """A message as a mapping, whatever kind of object it is."""
    if isinstance(value, Mapping):
        return value
    if hasattr(value, "model_dump"):
        dumped = value.model_dump()
        return dumped if isinstance(dumped, Mapping) else {}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if hasattr(value, "message") and hasattr(value, "finish_reason"):  # a choice of a chat completion
        return _mapping(value.message, where)
    if hasattr(value, "role") and hasattr(value, "content"):
        names = ("role", "content", "tool_calls", "tool_call_id", "name", *_REASONING_KEYS, "refusal")
        return {name: getattr(value, name) for name in names if getattr(value, name, None) is not None}
    raise DataError(_at(where, f"must be a chat message (an object with `role` and `content`), not {shown(value)}"))


# ---- one message ------------------------------------------------------------------------------------------------


def _messages(item: Any, where: str) -> list[Message]:
    """One message or item; a user message that carries tool results becomes several."""
    if isinstance(item, Message):
        return [item]
    m = _mapping(item, where)
    if "message" in m and "finish_reason" in m:  # a choice among messages (ART)
        return _messages(m["message"], where)
    said = next((m[k] for k in _ROLE_KEYS if m.get(k) is not None), None)
    if said is None:
        return _item(m, where)
    name = str(said).strip().lower()
    if name in _CALL_ROLES:
        return [_message("assistant", _calls_in(_first(m, _CONTENT_KEYS), where))]
    role = ROLES.get(name)
    if role is None:
        raise DataError(_at(where, f"has the role `{str(said)[:40]}`; known roles: {_KNOWN_ROLES}"))
    content = _first(m, _CONTENT_KEYS)
    if role == "tool":
        return [_tool_message(content, m.get("name"), m.get("tool_call_id") or m.get("call_id"), where)]
    parts: list[Part] = []
    if role == "assistant":
        parts += _reasoning(m)
    parts += _parts(content, where)
    if role == "assistant":
        if isinstance(m.get("tool_plan"), str):
            parts.append(TextPart(m["tool_plan"]))
        if isinstance(m.get("refusal"), str) and m["refusal"]:
            parts.append(RefusalPart(m["refusal"]))
        audio = m.get("audio")
        if isinstance(audio, Mapping) and isinstance(audio.get("transcript"), str):
            parts.append(TextPart(audio["transcript"]))
        parts += _tool_calls(m, where)
    elif not parts and content is None:
        raise DataError(_at(where, "has no `content`"))
    return _sorted_out(role, parts)


def _first(m: Mapping[str, Any], names: Iterable[str]) -> Any:
    return next((m[k] for k in names if m.get(k) is not None), None)


def _message(role: Role, parts: Sequence[Part]) -> Message:
    """A message whose neighbouring texts are one, and whose content is plain text where there is nothing else."""
    joined: list[Part] = []
    for part in parts:
        last = joined[-1] if joined else None
        if isinstance(part, TextPart) and isinstance(last, TextPart):
            joined[-1] = TextPart(last.text + part.text)
        elif part != TextPart(""):
            joined.append(part)
    if not joined:
        return Message(role, "")
    only = joined[0]
    return Message(role, only.text) if len(joined) == 1 and isinstance(only, TextPart) else Message(role, tuple(joined))


def _sorted_out(role: Role, parts: Sequence[Part]) -> list[Message]:
    """Tool results (Anthropic puts them into user messages) are messages of their own."""
    results: list[Message] = []
    rest: list[Part] = []
    for part in parts:
        if isinstance(part, ToolResultPart):
            results.append(Message("tool", (part,)))
        else:
            rest.append(part)
    return [*results, _message(role, rest)] if rest or not results else results


def _tool_message(content: Any, name: Any, call: Any, where: str) -> Message:
    if isinstance(content, Sequence) and not isinstance(content, str):
        typed = all(isinstance(p, str) or (isinstance(p, Mapping) and ("type" in p or "text" in p)) for p in content)
        parts = _parts(content, where) if typed else [TextPart(_json(content))]
    elif isinstance(content, Mapping):
        parts = _parts(content, where) if str(content.get("type")) in _TEXTS | _IMAGES else [TextPart(_json(content))]
    else:
        parts = [TextPart("" if content is None else content if isinstance(content, str) else _json(content))]
    text = "".join(p.text for p in parts if isinstance(p, TextPart | ToolResultPart))
    result = ToolResultPart(text, str(name or ""), str(call or ""))
    return Message("tool", (result, *(p for p in parts if isinstance(p, ImagePart))))


def _item(m: Mapping[str, Any], where: str) -> list[Message]:
    """An item of the responses API, which names its type and not always a role."""
    kind = m.get("type")
    if kind in ("function_call", "tool_call", "custom_tool_call"):
        arguments = m.get("arguments") if m.get("arguments") is not None else m.get("input")
        return [Message("assistant", (ToolCallPart(str(m.get("name", "")), _arguments(arguments), _call_id(m)),))]
    if isinstance(kind, str) and kind.endswith("_call_output"):
        return [_tool_message(m.get("output"), m.get("name"), m.get("call_id"), where)]
    if kind == "reasoning":
        thought = _reasoning({"reasoning": m.get("content") or m.get("summary")})
        return [Message("assistant", tuple(thought))] if thought else []
    if isinstance(kind, str) and kind.endswith("_call"):  # a tool that the server ran itself: web search, code...
        told = {
            k: v
            for k, v in m.items()
            if k not in ("type", "id", "status", "call_id", "output", "outputs", "results") and v is not None
        }
        out = [Message("assistant", (ToolCallPart(kind.removesuffix("_call"), _json(told), _call_id(m)),))]
        result = _first(m, ("output", "outputs", "results"))
        return out if result is None else [*out, _tool_message(result, "", _call_id(m), where)]
    if kind == "message" or (kind is None and any(k in m for k in ("content", "value"))):
        raise DataError(_at(where, f"has no `role`; known roles: {_KNOWN_ROLES}"))
    if kind is None:
        keys = ", ".join(map(str, list(m)[:8])) or "nothing"
        raise DataError(_at(where, f"has no `role` and no `content` (it has: {keys})"))
    parts = _parts([m], where)
    return _sorted_out("assistant" if kind == "output_text" else "user", parts)


def _call_id(m: Mapping[str, Any]) -> str:
    return str(m.get("call_id") or m.get("id") or "")


def _reasoning(m: Mapping[str, Any]) -> list[Part]:
    value = _first(m, _REASONING_KEYS)
    texts = [value] if isinstance(value, str | Mapping) else value if isinstance(value, Sequence) else []
    found = [t if isinstance(t, str) else str(_first(t, ("text", "thinking", "summary", "content")) or "") for t in texts if t]
    text = "\n\n".join(t for t in found if t)
    return [ReasoningPart(text)] if text else []


def _tool_calls(m: Mapping[str, Any], where: str) -> list[Part]:
    calls = m.get("tool_calls")
    if calls is not None and hasattr(calls, "tolist"):
        calls = calls.tolist()
    if isinstance(calls, Mapping):
        calls = [calls]
    if isinstance(calls, str):
        return _calls_in(calls, where)
    found = [_call(_mapping(c, where) if not isinstance(c, str) else {"name": "", "arguments": c}) for c in calls or ()]
    legacy = m.get("function_call")
    return [*found, *([_call(_mapping(legacy, where))] if legacy else [])]


def _call(c: Mapping[str, Any]) -> ToolCallPart:
    inner = _first(c, ("function", "custom"))
    if inner is not None and not isinstance(inner, Mapping | str):
        inner = _mapping(inner, "")
    f = inner if isinstance(inner, Mapping) else c
    name = inner if isinstance(inner, str) else _first(f, ("name", "tool_name", "recipient"))
    arguments = _first(f, ("arguments", "parameters", "args", "input"))
    return ToolCallPart(str(name or ""), _arguments(arguments), str(c.get("id") or ""))


def _calls_in(text: Any, where: str) -> list[Part]:
    """Tool calls that stand in the content as JSON; what is none is one call as it was written."""
    value = text
    if isinstance(text, str):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return [ToolCallPart("", text)]
    listed = value if isinstance(value, list) else [value]
    if not listed or not all(isinstance(c, Mapping) for c in listed):
        return [ToolCallPart("", text if isinstance(text, str) else _json(text))]
    return [_call(_mapping(c, where)) for c in listed]


def _arguments(value: Any) -> str:
    """Arguments as JSON in one spelling; text that is no JSON stays as it was written."""
    if value is None or value == "":
        return "{}"
    if isinstance(value, str):
        try:
            read = json.loads(value)
        except (ValueError, RecursionError):
            return value
        return _json(read) if isinstance(read, dict | list) else value
    return _json(value)


def _json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, TypeError, RecursionError):
        return str(value)


# ---- content ----------------------------------------------------------------------------------------------------


def _parts(content: Any, where: str) -> list[Part]:
    if content is None:
        return []
    if isinstance(content, str):
        return [TextPart(content)]
    if hasattr(content, "tolist"):
        content = content.tolist()
    if isinstance(content, Mapping) or hasattr(content, "model_dump"):
        content = [content]
    if not isinstance(content, Sequence) or isinstance(content, bytes):
        raise DataError(_at(where, f"`content` must be text or a list of parts, not {shown(content)}"))
    out: list[Part] = []
    for part in content:
        out += [TextPart(part)] if isinstance(part, str) else _part(_mapping(part, where), where)
    return out


def _part(p: Mapping[str, Any], where: str) -> list[Part]:  # noqa: PLR0911  # a table of types
    kind = p.get("type")
    if kind is None:
        kind = next((k for k in ("text", "image_url", "image") if p.get(k) is not None), None)
    kind = str(kind)
    if kind in _TEXTS:
        text = p.get("text")
        text = text.get("value") if isinstance(text, Mapping) else text
        return [TextPart("" if text is None else str(text))]
    if kind == "refusal":
        return [RefusalPart(str(p.get("refusal") or ""))]
    if kind in ("thinking", "reasoning"):
        return _reasoning({"reasoning": _first(p, ("thinking", "text", "reasoning", "summary", "content"))})
    if kind == "redacted_thinking":
        return []
    if kind in _IMAGES:
        return [_image(p)]
    if kind in _OTHER_MEDIA:
        return [ImagePart("", kind=_OTHER_MEDIA[kind])]  # type: ignore[arg-type]  # its values are the kinds
    if kind in ("tool_use", "server_tool_use", "tool_call", "tool-call", "function_call", "function"):
        return [_call(p)]
    if kind in ("tool_result", "tool-result", "web_search_tool_result", "function_response"):
        message = _tool_message(_first(p, ("content", "output", "result")), p.get("name"), p.get("tool_use_id"), where)
        return list(message.parts)
    raise DataError(
        _at(where, f"has a part of the type `{kind[:40]}`; known: text, image_url, refusal, thinking, tool_use, tool_result")
    )


def _image(p: Mapping[str, Any]) -> ImagePart:
    value = _first(p, ("image_url", "image", "url", "path", "base64", "data", "source"))
    detail = p.get("detail")
    media = "image/png"
    if isinstance(value, Mapping):
        detail = value.get("detail", detail)
        media = str(value.get("media_type") or media)
        value = _first(value, ("url", "data", "bytes", "path"))
    return ImagePart(_url(value, media), str(detail or ""))


def _url(value: Any, media: str) -> str:
    """Where an image is, as a URL; empty where the message does not hold it."""
    import base64  # noqa: PLC0415  # only for images

    if isinstance(value, bytes | bytearray):
        return f"data:{media};base64,{base64.b64encode(value).decode('ascii')}"
    if hasattr(value, "save") and hasattr(value, "mode"):  # a PIL image
        import io  # noqa: PLC0415  # only for images

        out = io.BytesIO()
        value.save(out, format="PNG")
        return _url(out.getvalue(), "image/png")
    if not isinstance(value, str) or not value:
        return ""
    if value.startswith(("data:", "http://", "https://", "file://")):
        return value
    if len(value) > 260 or (len(value) % 4 == 0 and not value.startswith(("/", ".")) and "." not in value):
        return f"data:{media};base64,{value}"
    return f"file://{value}" if value.startswith("/") else value


def _at(where: str, what: str) -> str:
    return f"{where}: {what}" if where else what


def shown(value: Any) -> str:
    """A value as an error shows it."""
    text = "null" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
