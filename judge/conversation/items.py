"""One message or item of an OpenAI, Anthropic or Hugging Face chat -> messages and their parts."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from judge.errors import DataError
from judge.types import (
    ImagePart,
    Message,
    Part,
    ReasoningPart,
    RefusalPart,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)


def first_of(m: Mapping[str, Any], names: Iterable[str]) -> Any:
    """The first value that there is under one of several names."""
    return next((m[k] for k in names if m.get(k) is not None), None)


def message_of(role: Role, parts: Sequence[Part]) -> Message:
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
    return [*results, message_of(role, rest)] if rest or not results else results


def _tool_message(content: Any, name: Any, call: Any, where: str) -> Message:
    if isinstance(content, Sequence) and not isinstance(content, str):
        typed = all(isinstance(p, str) or (isinstance(p, Mapping) and ("type" in p or "text" in p)) for p in content)
        parts = content_parts(content, where) if typed else [TextPart(_json(content))]
    elif isinstance(content, Mapping):
        parts = content_parts(content, where) if str(content.get("type")) in TEXTS | IMAGES else [TextPart(_json(content))]
    else:
        parts = [TextPart("" if content is None else content if isinstance(content, str) else _json(content))]
    text = "".join(p.text for p in parts if isinstance(p, TextPart | ToolResultPart))
    result = ToolResultPart(text, str(name or ""), str(call or ""))
    return Message("tool", (result, *(p for p in parts if isinstance(p, ImagePart))))


def item_messages(m: Mapping[str, Any], where: str) -> list[Message]:
    """An item of the responses API, which names its type and not always a role."""
    kind = m.get("type")
    if kind in ("function_call", "tool_call", "custom_tool_call"):
        arguments = m.get("arguments") if m.get("arguments") is not None else m.get("input")
        return [Message("assistant", (ToolCallPart(str(m.get("name", "")), _arguments(arguments), call_id(m)),))]
    if isinstance(kind, str) and kind.endswith("_call_output"):
        return [_tool_message(m.get("output"), m.get("name"), m.get("call_id"), where)]
    if kind == "reasoning":
        thought = reasoning_parts({"reasoning": m.get("content") or m.get("summary")})
        return [Message("assistant", tuple(thought))] if thought else []
    if isinstance(kind, str) and kind.endswith("_call"):  # a tool that the server ran itself: web search, code...
        told = {
            k: v
            for k, v in m.items()
            if k not in ("type", "id", "status", "call_id", "output", "outputs", "results") and v is not None
        }
        out = [Message("assistant", (ToolCallPart(kind.removesuffix("_call"), _json(told), call_id(m)),))]
        result = first_of(m, ("output", "outputs", "results"))
        return out if result is None else [*out, _tool_message(result, "", call_id(m), where)]
    if kind == "message" or (kind is None and any(k in m for k in ("content", "value"))):
        raise DataError(at(where, f"has no `role`; known roles: {KNOWN_ROLES}"))
    if kind is None:
        keys = ", ".join(map(str, list(m)[:8])) or "nothing"
        raise DataError(at(where, f"has no `role` and no `content` (it has: {keys})"))
    parts = content_parts([m], where)
    return _sorted_out("assistant" if kind == "output_text" else "user", parts)


def call_id(m: Mapping[str, Any]) -> str:
    """The id of a tool call, under any of its names."""
    return str(m.get("call_id") or m.get("id") or "")


def reasoning_parts(m: Mapping[str, Any]) -> list[Part]:
    """The reasoning that stands beside the content of a message."""
    value = first_of(m, REASONING_KEYS)
    texts = [value] if isinstance(value, str | Mapping) else value if isinstance(value, Sequence) else []
    found = [t if isinstance(t, str) else str(first_of(t, ("text", "thinking", "summary", "content")) or "") for t in texts if t]
    text = "\n\n".join(t for t in found if t)
    return [ReasoningPart(text)] if text else []


def tool_call_parts(m: Mapping[str, Any], where: str) -> list[Part]:
    """The tool calls of a message, the one of the old `function_call` included."""
    calls = m.get("tool_calls")
    if calls is not None and hasattr(calls, "tolist"):
        calls = calls.tolist()
    if isinstance(calls, Mapping):
        calls = [calls]
    if isinstance(calls, str):
        return calls_in(calls, where)
    found = [call_part(mapping_of(c, where) if not isinstance(c, str) else {"name": "", "arguments": c}) for c in calls or ()]
    legacy = m.get("function_call")
    return [*found, *([call_part(mapping_of(legacy, where))] if legacy else [])]


def call_part(c: Mapping[str, Any]) -> ToolCallPart:
    """One tool call."""
    inner = first_of(c, ("function", "custom"))
    if inner is not None and not isinstance(inner, Mapping | str):
        inner = mapping_of(inner, "")
    f = inner if isinstance(inner, Mapping) else c
    name = inner if isinstance(inner, str) else first_of(f, ("name", "tool_name", "recipient"))
    arguments = first_of(f, ("arguments", "parameters", "args", "input"))
    return ToolCallPart(str(name or ""), _arguments(arguments), str(c.get("id") or ""))


def calls_in(text: Any, where: str) -> list[Part]:
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
    return [call_part(mapping_of(c, where)) for c in listed]


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


def content_parts(content: Any, where: str) -> list[Part]:
    """The parts of a content: a text, or a list of typed parts."""
    if content is None:
        return []
    if isinstance(content, str):
        return [TextPart(content)]
    if hasattr(content, "tolist"):
        content = content.tolist()
    if isinstance(content, Mapping) or hasattr(content, "model_dump"):
        content = [content]
    if not isinstance(content, Sequence) or isinstance(content, bytes):
        raise DataError(at(where, f"`content` must be text or a list of parts, not {shown(content)}"))
    out: list[Part] = []
    for part in content:
        out += [TextPart(part)] if isinstance(part, str) else _part(mapping_of(part, where), where)
    return out


def _part(p: Mapping[str, Any], where: str) -> list[Part]:  # noqa: PLR0911  # a table of types
    kind = p.get("type")
    if kind is None:
        kind = next((k for k in ("text", "image_url", "image") if p.get(k) is not None), None)
    kind = str(kind)
    if kind in TEXTS:
        text = p.get("text")
        text = text.get("value") if isinstance(text, Mapping) else text
        return [TextPart("" if text is None else str(text))]
    if kind == "refusal":
        return [RefusalPart(str(p.get("refusal") or ""))]
    if kind in ("thinking", "reasoning"):
        return reasoning_parts({"reasoning": first_of(p, ("thinking", "text", "reasoning", "summary", "content"))})
    if kind == "redacted_thinking":
        return []
    if kind in IMAGES:
        return [_image(p)]
    if kind in OTHER_MEDIA:
        return [ImagePart("", kind=OTHER_MEDIA[kind])]  # type: ignore[arg-type]  # its values are the kinds
    if kind in ("tool_use", "server_tool_use", "tool_call", "tool-call", "function_call", "function"):
        return [call_part(p)]
    if kind in ("tool_result", "tool-result", "web_search_tool_result", "function_response"):
        message = _tool_message(first_of(p, ("content", "output", "result")), p.get("name"), p.get("tool_use_id"), where)
        return list(message.parts)
    raise DataError(
        at(where, f"has a part of the type `{kind[:40]}`; known: text, image_url, refusal, thinking, tool_use, tool_result")
    )


def _image(p: Mapping[str, Any]) -> ImagePart:
    value = first_of(p, ("image_url", "image", "url", "path", "base64", "data", "source"))
    detail = p.get("detail")
    media = "image/png"
    if isinstance(value, Mapping):
        detail = value.get("detail", detail)
        media = str(value.get("media_type") or media)
        value = first_of(value, ("url", "data", "bytes", "path"))
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


def at(where: str, what: str) -> str:
    """What is wrong, with the place that it is wrong in."""
    return f"{where}: {what}" if where else what


def shown(value: Any) -> str:
    """A value as an error shows it."""
    text = "null" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


REASONING_KEYS = ("reasoning_content", "reasoning", "thinking")
TEXTS = frozenset({"text", "input_text", "output_text", "summary_text", "reasoning_text"})
IMAGES = frozenset({"image", "image_url", "input_image", "image_pil"})
OTHER_MEDIA = {
    "input_audio": "audio", "audio": "audio", "audio_url": "audio", "video": "video", "video_url": "video",
    "input_video": "video", "file": "file", "input_file": "file", "document": "file",
}  # fmt: skip
KNOWN_ROLES = "system, developer, user, assistant, tool"


def mapping_of(value: Any, where: str) -> Mapping[str, Any]:
    """A message as a mapping, whatever kind of object it is."""
    if isinstance(value, Mapping):
        return value
    if hasattr(value, "model_dump"):
        dumped = value.model_dump()
        return dumped if isinstance(dumped, Mapping) else {}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if hasattr(value, "message") and hasattr(value, "finish_reason"):  # a choice of a chat completion
        return mapping_of(value.message, where)
    if hasattr(value, "role") and hasattr(value, "content"):
        names = ("role", "content", "tool_calls", "tool_call_id", "name", *REASONING_KEYS, "refusal")
        return {name: getattr(value, name) for name in names if getattr(value, name, None) is not None}
    raise DataError(at(where, f"must be a chat message (an object with `role` and `content`), not {shown(value)}"))
