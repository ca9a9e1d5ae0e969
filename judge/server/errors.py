"""All errors have one shape: `{"error": {"code", "message", "where", "hint"}}`.

Programs act on `code` and the status; `where` is the place in the request, `hint` what would do. 4xx: sending the same again
gets the same; 429 and 503 come with Retry-After.
"""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from pydantic import BaseModel, ConfigDict

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

ERRORS = {
    400: "Not JSON, or a malformed header.",
    401: "No key, or an unknown one.",
    408: "The body was not received in time.",
    409: "It contradicts an earlier request (groups).",
    413: "Too many bytes or samples.",
    415: "Content-Type is not JSON.",
    422: "A field is wrong; see `where`.",
    429: "The server is full; see Retry-After.",
    431: "Headers too large.",
    503: "Shutting down, stopped by the monitor, or the engine is not available; Retry-After where a retry may succeed.",
}


class ErrorBody(BaseModel):
    """What went wrong."""

    model_config = ConfigDict(extra="forbid")

    code: str
    message: str
    where: str
    hint: str


class ErrorOut(BaseModel):
    """Body of every error."""

    model_config = ConfigDict(extra="forbid")

    error: ErrorBody


class APIError(Exception):
    """An error that a client is told.

    Args:
        status: Of HTTP.
        code: One word for programs (`queue_full`, `bad_request`...).
        message: For a person: what came, and what is allowed.
        where: Place in the request, such as `samples[3].prompt`.
        hint: What would do.
        retry_s: Seconds after which it may work.
    """

    def __init__(
        self, status: int, code: str, message: str, *, where: str = "", hint: str = "", retry_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.where = where
        self.hint = hint
        self.retry_s = retry_s

    @property
    def body(self) -> bytes:
        """The JSON answer."""
        fields = {"code": self.code, "message": self.message, "where": self.where, "hint": self.hint}
        return encode({"error": fields})

    @property
    def headers(self) -> dict[str, str]:
        """Retry-After where there is one, and how to authenticate."""
        out: dict[str, str] = {}
        if self.retry_s is not None:
            out["retry-after"] = str(max(1, math.ceil(self.retry_s)))
        if self.status == 401:
            out["www-authenticate"] = (
                'Basic realm="judge", charset="UTF-8"'  # Chromium asks for no key when Bearer stands beside it
            )
        return out

    async def send(self, send: Send, **headers: str) -> None:
        """Answer from outside of the application (middleware)."""
        all_headers = {"content-type": "application/json", "content-length": str(len(self.body)), **self.headers, **headers}
        raw = [(k.encode(), v.encode()) for k, v in all_headers.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": raw})
        await send({"type": "http.response.body", "body": self.body})


def encode(value: Any) -> bytes:
    """Plain values -> JSON in ASCII, so that half a surrogate pair from a hostile text can be sent. NaN raises ValueError."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode("ascii")


def error_responses() -> dict[int | str, dict[str, Any]]:
    """Every error a route can answer, as its `responses` in the document."""
    return {code: {"model": ErrorOut, "description": text} for code, text in ERRORS.items()}
