"""An error reply -> what it says: servers agree on the status code and on little else.

- OpenAI nests {"error": {"message", "code"}}, older vLLM has it flat, FastAPI says "detail", proxies send HTML.
- Whether a prompt was too long or a filter stopped it stands only in the words, so the words are searched.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection

MAX_MESSAGE_CHARACTERS = 400  # of a server's own words, in an error
_LOOKED_AT = 4000  # characters of a reply that are searched; some servers quote the whole request

_UNIT = r"context[ _-]?(length|window|size|limit)"
_TEXT = r"(prompt|inputs?|messages?|sequence|request|conversation|content|string)"
# One line for each kind of wording, with servers that use it.
_TOO_LONG = re.compile(
    "|".join(
        (
            # OpenAI, Azure, vLLM, DeepSeek, OpenRouter, Mistral, Groq, llama.cpp, LM Studio, Ollama, LiteLLM, Cloudflare
            _UNIT + r"[ _-]?(was|has been|is|of|exceed|overflow)",
            r"(maximum|max|available|allowed|model'?s?|the|larger|not fit|exceed(s|ed)?) " + _UNIT,
            r"(exceed|overflow|outside|beyond|larger|longer|greater|too \w+)[^.]{0,80}context",
            r"ContextWindowExceeded|context overflow|max_model_len|max_seq_len|max_num_tokens|session_len|maximum model length",
            # Anthropic, Fireworks, Bedrock, xAI, TensorRT-LLM, tabbyAPI, Zhipu, SGLang, Cerebras
            rf"\b{_TEXT}( is| was| are| length| size|\b[^.:]{{0,30}})? too (long|large|big)\b",
            rf"\b{_TEXT}\b[^.]{{0,60}}(longer|greater|larger) than",
            rf"\b{_TEXT}( token)?s? ?(length|count|size)?\b[^.]{{0,60}}\bexceed",
            r"maximum (prompt|input|sequence|allowed) length|max(imum)? input tokens|prompt exceeds max",
            r"reduce (the length of )?(the |your )?(prompt|input|messages)",
            # Gemini, Vertex, TGI, Together, Cohere, Moonshot, DashScope, vLLM without max_tokens
            r"token count (\(\d+\) )?(of \d+ )?(exceeds|is \d+ but)|tokens? \+ .{0,30}must be <=|must have less than \d+ tokens",
            r"too many (input |prompt )?tokens|exceeded model token limit|range of input length",
            r"max_tokens must be at least 1, got",
            r"request[ _]too[ _]large|request entity too large|payload too large|reduced? in order to run|\u8d85\u957f",
        )
    ),
    re.IGNORECASE,
)
# A limit on something else: on how much in how long, on how many at once, on the reply.
_OTHER_LIMIT = re.compile(
    r"rate[ _]?limit|quota|per[ _](min|sec|hour|day)|throttl|concurren|timed? ?out|deadline|at most \d+ completion tokens",
    re.IGNORECASE,
)
_NEVER_FITS = re.compile(r"request too large for|tokens must be reduced", re.IGNORECASE)  # more than a whole minute's allowance
_NO_CREDIT = re.compile(
    r"insufficient[ _](quota|balance|credit|funds)|exceeded[ _]your[ _]current[ _]quota|exceeded_current_quota"
    r"|billing[ _]hard[ _]limit|billing_not_active|account is not active|credit balance is too low|out of credits?"
    r"|not enough credits?|payment required|arrearage|\u4f59\u989d\u4e0d\u8db3|\u6b20\u8d39",
    re.IGNORECASE,
)
_COMES_BACK = re.compile(r"retryDelay|retry in [\d.]+|try again in [\d.]+", re.IGNORECASE)  # Gemini's quota of a minute
_NOT_TAKEN = re.compile(
    r"unsupported|not[ _]supported|does not support|unrecogni[sz]ed|unknown|not (permitted|allowed)|unexpected"
    r"|extra (fields|inputs)",
    re.IGNORECASE,
)
_FILTERED = re.compile(r"content[ _]?(filter|policy|management policy)|flagged", re.IGNORECASE)


def is_over_length(raw: bytes, status: int = 400) -> bool:
    """Tell whether an error reply says that the prompt does not fit: such a reply is about one request, whatever its status.

    Example:
        >>> is_over_length(b'{"error": {"message": "Context size has been exceeded."}}', 500)
        True
        >>> is_over_length(b'{"error": {"message": "Rate limit reached: too many tokens per minute"}}', 429)
        False
    """
    if status in (401, 402):
        return False
    text = _error_text(raw)
    if _NEVER_FITS.search(text):
        return True
    if status == 429 or _OTHER_LIMIT.search(text):
        return False
    return status == 413 or bool(_TOO_LONG.search(text))


def is_out_of_credit(raw: bytes, status: int) -> bool:
    """Tell whether an error reply says that the account has nothing left, which is more than a rate limit."""
    if status == 402:
        return True
    text = raw[: 4 * _LOOKED_AT].decode(errors="replace")
    return status in (400, 403, 429) and bool(_NO_CREDIT.search(text)) and not _COMES_BACK.search(text)


def refused_field(raw: bytes, sent: Collection[str]) -> str:
    """Find the field of a request that an error reply says the model does not take; empty when it says no such thing.

    Args:
        sent: Fields of the body that could be left out.

    Example:
        >>> refused_field(b"Unsupported parameter: `seed`", ["temperature", "seed"])
        'seed'
    """
    text = raw[: 4 * _LOOKED_AT].decode(errors="replace")
    if not _NOT_TAKEN.search(text):
        return ""
    named = (name for name in sent if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text))
    return min(named, key=text.find, default="")


_NO_SYSTEM = re.compile(
    r"(?:system|developer)[^.\n]{0,60}(?:not[ _](?:be[ _])?(?:supported|enabled|allowed)|unsupported)"
    r"|(?:not[ _]support|unsupported|does not accept)[^.\n]{0,60}\bsystem\b|only user and assistant roles",
    re.IGNORECASE,
)


def has_no_system_role(raw: bytes) -> bool:
    """Tell whether an error reply says that the model takes no system message.

    Example:
        >>> has_no_system_role(b'{"error": {"message": "System role not supported"}}')
        True
        >>> has_no_system_role(b'{"error": {"message": "the operating system is busy"}}')
        False
    """
    return bool(_NO_SYSTEM.search(_error_text(raw)))


def is_filtered(raw: bytes) -> bool:
    """Tell whether an error reply says that a content filter stopped the request."""
    return bool(_FILTERED.search(_error_text(raw)))


def wants_max_completion_tokens(raw: bytes) -> bool:
    """Tell whether an error reply refuses `max_tokens` in favour of `max_completion_tokens`."""
    return b"max_completion_tokens" in raw and b"unsupported" in raw.lower()


def error_message(raw: bytes) -> str:
    """Find the server's own words in an error reply, on one line and short."""
    return shorten(_error_text(raw))


def _error_text(raw: bytes) -> str:
    """The words of an error reply; of a long one, its beginning."""
    return _whole_text(raw)[:_LOOKED_AT]


def _whole_text(raw: bytes) -> str:
    """Take code and message out of the forms servers use: {"error": {...}}, {"error": "..."}, {"message"}, {"detail"}."""
    try:
        reply = json.loads(raw)
    except (ValueError, RecursionError):
        return raw.decode(errors="replace")
    if not isinstance(reply, dict):
        return str(reply)
    error = reply.get("error") or reply
    if not isinstance(error, dict):
        return str(error)
    said = error.get("message") or error.get("detail") or reply
    code = error.get("code")
    return f"{said} ({code})" if isinstance(code, str) else str(said)


def shorten(value: object) -> str:
    """Put a value on one line of at most `MAX_MESSAGE_CHARACTERS`."""
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    text = " ".join(text[: 4 * MAX_MESSAGE_CHARACTERS].split())
    return text if len(text) <= MAX_MESSAGE_CHARACTERS else text[: MAX_MESSAGE_CHARACTERS - 3] + "..."
