"""The OpenAI chat format: Request -> body bytes, and reply bytes -> Completion, for every transport.

- "OpenAI-compatible" is two dialects. A vLLM server knows prefill, `structured_outputs`, `top_k` and stop strings kept in
  the text; a hosted API knows none of these, and gets JSON schemas where it can.
- A vLLM server fills what a request leaves out from the model's `generation_config.json` (a repetition penalty, say).
  So everything that shapes the output is sent, and the same request gives the same text as the engine in process.
- Replies come from proxies, half-broken servers and refusing models. Whatever cannot be read is an `error`
  completion with a reason; only text that the model finished or ran out of tokens in is passed on as text.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from judge.conversation import to_messages, without_system
from judge.engine.faults import error_message, is_over_length, shorten
from judge.errors import Problem, SettingsError
from judge.jsontext import decoded, encoded
from judge.types import Completion, FinishReason, Request, TokenLogprobs

OWN_FIELDS = frozenset(
    {
        "model",
        "messages",
        "n",
        "stream",
        "echo",
        "temperature",
        "top_p",
        "top_k",
        "min_p",
        "seed",
        "stop",
        "logprobs",
        "top_logprobs",
    }
    | {"repetition_penalty", "presence_penalty"}
    | {"max_tokens", "max_completion_tokens", "include_stop_str_in_output", "structured_outputs", "response_format"}
    | {"continue_final_message", "add_generation_prompt"}
)
OPTIONAL = OWN_FIELDS - {"model", "messages", "n", "stream", "echo"}
TEMPLATE_KWARGS = "chat_template_kwargs"
_OF_TEMPLATE = (TEMPLATE_KWARGS, "chat_template", "add_special_tokens")
_FINISH: dict[object, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "end_turn": "stop",
    "length": "length",
    "max_tokens": "length",
    "content_filter": "content_filter",
}
# Many servers of the `openai` dialect know these, and the others say that they do not: sent where they are asked for.
_ASKED_FOR = {"top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0, "presence_penalty": 0.0}
# Where servers of that dialect say which stop string they met: vLLM, SGLang, llama.cpp, Anthropic.
_STOPPED_BY = ("stop_reason", "matched_stop", "stopping_word", "stop_sequence")
_MAX_ENDS = 3  # tokens behind the text: the end of the turn


class CannotSay(Exception):
    """The dialect has no words for what one request wants; the others are not concerned."""


class Dialect(StrEnum):
    """Which extensions of the format the server knows."""

    VLLM = "vllm"
    OPENAI = "openai"


@dataclass(slots=True)
class Wire:
    """How to talk to one server.

    Attributes:
        model: Name the server knows the model by.
        extra_body: Further fields of the body, passed through.
        template_kwargs: Arguments of the chat template.
        omit: Our fields this server refuses and we therefore never send (`temperature` for some reasoning models).
        system_role: The model has one; else the system text goes in front of the first user message.
        max_tokens_field: `max_tokens`, until the server says it wants `max_completion_tokens`.
    """

    model: str
    dialect: Dialect = Dialect.OPENAI
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    template_kwargs: Mapping[str, Any] = field(default_factory=dict)
    omit: Collection[str] = ()
    max_tokens_field: str = "max_tokens"
    system_role: bool = True

    def __post_init__(self) -> None:
        clashes = sorted(OWN_FIELDS & self.extra_body.keys())
        if self.template_kwargs and TEMPLATE_KWARGS in self.extra_body:
            raise SettingsError(Problem(f"extra_body.{TEMPLATE_KWARGS}", "is a setting of its own; give it there and not twice"))
        if clashes:
            raise SettingsError(
                Problem(f"extra_body.{name}", "is set by the recipe and its sampling; change it there") for name in clashes
            )

    def encode(self, request: Request, n: int = 1) -> bytes:
        """Write the body of one request for n completions. Raises `CannotSay` where the dialect has no words for it."""
        body = self._body(request, n)
        if self.template_kwargs:
            body[TEMPLATE_KWARGS] = self.template_kwargs
        body.update(self.extra_body)
        for name in self.omit:
            body.pop(name, None)
        return encoded(body)

    def template_fields(self) -> dict[str, Any]:
        """What shapes the prompt besides the messages: other routes are told the same, or they would speak of another prompt."""
        fields = {name: self.extra_body[name] for name in _OF_TEMPLATE if name in self.extra_body}
        return fields | ({TEMPLATE_KWARGS: dict(self.template_kwargs)} if self.template_kwargs else {})

    def _body(self, request: Request, n: int) -> dict[str, Any]:
        sampling = request.sampling
        body: dict[str, Any] = {
            "model": self.model,
            "messages": to_messages(request.messages if self.system_role else without_system(request.messages)),
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            self.max_tokens_field: sampling.max_tokens,
            "seed": sampling.seed,
        }
        if n > 1:
            body["n"] = n
        if sampling.stop:
            body["stop"] = list(sampling.stop)
        if sampling.top_logprobs:
            body["logprobs"] = True
            body["top_logprobs"] = sampling.top_logprobs
        if self.dialect is Dialect.VLLM:
            self._add_vllm(body, request)
        else:
            self._add_openai(body, request)
        return body

    def _add_vllm(self, body: dict[str, Any], request: Request) -> None:
        sampling = request.sampling  # all of it is said, or the model's generation_config would speak
        body |= {"top_k": sampling.top_k, "min_p": sampling.min_p, "presence_penalty": sampling.presence_penalty}
        body["repetition_penalty"] = sampling.repetition_penalty
        if request.sampling.stop:
            body["include_stop_str_in_output"] = True
        if request.messages[-1].role == "assistant":
            body["continue_final_message"] = True
            body["add_generation_prompt"] = False
        structured = request.structured
        if structured is None:
            return
        if structured.choice:
            body["structured_outputs"] = {"choice": list(structured.choice)}
        elif structured.regex:
            body["structured_outputs"] = {"regex": structured.regex}
        elif structured.json_schema:
            body["structured_outputs"] = {"json": json.loads(structured.json_schema)}

    def _add_openai(self, body: dict[str, Any], request: Request) -> None:
        if request.messages[-1].role == "assistant":
            raise CannotSay("a server of the `openai` dialect cannot continue an assistant message; only vLLM servers can")
        for name, none in _ASKED_FOR.items():
            if (value := getattr(request.sampling, name)) != none:
                body[name] = value
        structured = request.structured
        if structured is None:
            return
        if structured.regex:
            raise CannotSay("a server of the `openai` dialect has no output constraint by regular expression; vLLM has")
        schema = _choice_schema(structured.choice) if structured.choice else json.loads(structured.json_schema)
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "verdict", "strict": True, "schema": schema},
        }

    def read(self, raw: bytes, request: Request, n: int, latency_s: float) -> list[Completion]:
        """Read a reply of status 200. Always gives n completions; never raises on what a server sends.

        With n > 1 the server reports one count of generated tokens for all. It is shared out by the length of the
        texts (the sum is exact), and the prompt counts as cached for all samples but the first.
        """
        try:
            reply = decoded(raw)
        except (ValueError, RecursionError):
            return [_failed(f"the reply is not JSON: {shorten(raw)!r}", latency_s)] * n
        choices = reply.get("choices") if isinstance(reply, dict) else None
        if not isinstance(choices, list) or not choices:
            said = error_message(raw)
            if is_over_length(raw):
                return [Completion("", "over_length", error=said, latency_s=latency_s)] * n
            return [_failed(f"the reply holds no choices: {said!r}", latency_s)] * n
        unwrap = self.dialect is Dialect.OPENAI and request.structured is not None and bool(request.structured.choice)
        usage = _mapping(reply.get("usage"))
        tokens = _Tokens(
            _count(usage, "prompt_tokens"),
            _count(usage, "completion_tokens"),
            _count(_mapping(usage.get("prompt_tokens_details")), "cached_tokens"),
        )
        stops = request.sampling.stop if self.dialect is Dialect.OPENAI else ()
        if n == 1:
            return [_read_choice(choices[0], unwrap, tokens, latency_s, stops)]
        choices = sorted(filter(_is_mapping, choices), key=lambda choice: _count(choice, "index"))[:n]
        shares = _share(tokens.completion, [len(json.dumps(choice.get("message"))) for choice in choices])
        completions = [
            _read_choice(choice, unwrap, _Tokens(tokens.prompt, share, tokens.prompt if k else tokens.cached), latency_s, stops)
            for k, (choice, share) in enumerate(zip(choices, shares, strict=True))
        ]
        missing = _failed(f"the server gave {len(choices)} of {n} samples", latency_s)
        return completions + [missing] * (n - len(choices))


class _Tokens(NamedTuple):
    prompt: int
    completion: int
    cached: int


def _read_choice(choice: object, unwrap: bool, tokens: _Tokens, latency_s: float, stops: tuple[str, ...]) -> Completion:
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        return _failed(f"the reply holds no message: {shorten(choice)!r}", latency_s)
    text = _text(message.get("content"))
    if text is None:
        return _failed(f"the message holds no text: {shorten(message)!r}", latency_s)
    stated = choice.get("finish_reason")
    finish = _FINISH.get(stated, "error") if isinstance(stated, str) else "error"
    text = _unwrap(text) if unwrap else text
    reasoning = _text(message.get("reasoning") or message.get("reasoning_content")) or ""
    logprobs = choice.get("logprobs")
    return Completion(
        text=text + _stopped_by(choice, text, stops),
        finish_reason=finish,
        prompt_tokens=tokens.prompt,
        completion_tokens=tokens.completion,
        cached_tokens=tokens.cached,
        latency_s=latency_s,
        reasoning=reasoning,
        refusal=_text(message.get("refusal")) or "",
        error=f"the server ended the reply with finish_reason {stated!r}" if finish == "error" else "",
        logprobs=_read_logprobs(logprobs, text if reasoning else None) if logprobs else (),
    )


def _stopped_by(choice: Mapping[str, Any], text: str, stops: tuple[str, ...]) -> str:
    """The stop string that ended a reply, where the server has cut it off and says which one it was; else nothing."""
    if not stops:
        return ""
    said = next((choice[name] for name in _STOPPED_BY if isinstance(choice.get(name), str)), "")
    return said if said in stops and not text.endswith(said) else ""


def _read_logprobs(logprobs: object, text: str | None) -> tuple[TokenLogprobs, ...]:
    """Read the likeliest tokens of each position; nothing when the server's form is another.

    Token ids that decode to the same text have their probabilities added. A server that splits the thinking off reports its
    tokens all the same: `text` is what it left, and tokens before it are dropped; all, where they do not end with it.
    """
    try:
        tokens = list(logprobs["content"] or ())  # type: ignore[index]  # see except
        return tuple(_read_token(token) for token in tokens[_first_of(tokens, text) :])
    except (KeyError, TypeError, ValueError):
        return ()


def _first_of(tokens: Sequence[Mapping[str, Any]], text: str | None) -> int:
    """Index of the first token of the text that the tokens end with, but for some that end the turn."""
    if text is None:
        return 0
    pieces = [bytes(token["bytes"]) if token.get("bytes") else token["token"].encode() for token in tokens]
    said = text.strip().encode()
    for behind in range(min(_MAX_ENDS, len(pieces)) + 1 if said else 0):
        whole = b"".join(pieces[: len(pieces) - behind]).rstrip()
        if whole.endswith(said):
            start, at = len(whole) - len(said), 0
            for index, piece in enumerate(pieces):
                at += len(piece)
                if at > start:
                    return index
    return len(tokens)


def _read_token(token: Mapping[str, Any]) -> TokenLogprobs:
    top: dict[str, float] = {}
    for entry in token.get("top_logprobs") or ():
        text, value = entry["token"], float(entry["logprob"])
        top[text] = value if text not in top else _log_add(top[text], value)
    top.setdefault(token["token"], float(token["logprob"]))
    return TokenLogprobs(token["token"], top)


def _log_add(a: float, b: float) -> float:
    """log(exp(a) + exp(b))."""
    high, low = max(a, b), min(a, b)
    if low == -math.inf:
        return high
    return high + math.log1p(math.exp(low - high))


def _choice_schema(choice: Collection[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"verdict": {"type": "string", "enum": list(choice)}},
        "required": ["verdict"],
        "additionalProperties": False,
    }


def _unwrap(text: str) -> str:
    """Take the bare choice out of the JSON that carried it; text that is no such JSON stays as it is."""
    try:
        verdict = _mapping(json.loads(text)).get("verdict")
    except (ValueError, RecursionError):
        return text
    return verdict if isinstance(verdict, str) else text


def _failed(error: str, latency_s: float) -> Completion:
    return Completion("", "error", error=error, latency_s=latency_s)


def _text(value: object) -> str | None:
    """Read a message field: text, nothing, or a list of parts. None when it is something else."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, list):
        return "".join(part["text"] for part in value if _is_mapping(part) and isinstance(part.get("text"), str))
    return None


def _is_mapping(value: object) -> bool:
    return isinstance(value, dict)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(mapping: Mapping[str, Any], name: str) -> int:
    value = mapping.get(name)
    return value if isinstance(value, int) else 0


def _share(total: int, weights: list[int]) -> list[int]:
    """Share a count out in proportion to weights, the sum kept.

    Example:
        >>> _share(10, [1, 1, 1])
        [3, 4, 3]
    """
    edges, seen, whole = [0], 0, sum(weights) or 1
    for weight in weights:
        seen += weight
        edges.append(round(total * seen / whole))
    return [b - a for a, b in itertools.pairwise(edges)]
