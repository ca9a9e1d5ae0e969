"""An error reply -> what it says: servers agree on the status code and on little else.

- OpenAI nests {"error": {"message", "code"}}, older vLLM has it flat, FastAPI says "detail", proxies send HTML.
- Whether a prompt was too long or a filter stopped it stands only in the words, so the words are searched.
"""

from __future__ import annotations

import json
import re

MAX_MESSAGE_CHARACTERS = 400  # of a server's own words, in an error
_TOO_LONG = re.compile(
    r"context[ _](length|window)|max_model_len|(prompt|input) (is|was) too long"
    r"|(input|prompt) tokens? .*exceed|too many input tokens",
    re.IGNORECASE,
)
_FILTERED = re.compile(r"content[ _]?(filter|policy|management policy)|flagged", re.IGNORECASE)


def is_over_length(raw: bytes) -> bool:
    """Tell whether an error reply says that the prompt does not fit the context."""
    return bool(_TOO_LONG.search(_error_text(raw)))


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
