"""How much one request may bring: headers, body bytes (counted as they come, said or not), time to send them.

uvicorn bounds neither bodies nor their time. A body past the limit is never held: counting stops the read at the byte
after it, and the answer closes the connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from judge.server.refusal import App, Event, Receive, Refusal, Scope, Send
from judge.settings.server import ServerSettings


class Limits:
    """Middleware: refuses what is too large (413, 431) or comes too slowly (408)."""

    def __init__(self, app: App, *, settings: ServerSettings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answered = False

        async def watched(event: Event) -> None:
            nonlocal answered
            answered = answered or event["type"] == "http.response.start"
            await send(event)

        try:
            self._check_headers(scope["headers"])
            await self._app(scope, _Counted(receive, self._settings), watched)
        except _Stopped as stopped:
            if not answered:
                await stopped.refusal.send(send, connection="close")

    def _check_headers(self, headers: Sequence[tuple[bytes, bytes]]) -> None:
        s = self._settings
        size = sum(len(name) + len(value) + 4 for name, value in headers)
        if size > s.max_header_bytes:
            message = f"{size:,} bytes of headers; at most {s.max_header_bytes:,} are read"
            raise _Stopped(Refusal(431, "headers_too_large", message))
        names = {name for name, _ in headers}
        if {b"content-length", b"transfer-encoding"} <= names:  # a proxy in front may have believed the other one
            raise _Stopped(Refusal(400, "two_lengths", "a request says its length once: Content-Length, or chunked"))
        length = next((value for name, value in headers if name == b"content-length"), b"")
        if length.isdigit() and (len(length) > 15 or int(length) > s.max_body_bytes):
            raise _Stopped(too_large(s.max_body_bytes))


class _Stopped(Exception):
    """A limit was passed while the application was reading."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class _Counted:
    """A `receive` that counts the bytes and the seconds of the body."""

    def __init__(self, receive: Receive, settings: ServerSettings) -> None:
        self._receive = receive
        self._settings = settings
        self._size = 0
        self._whole = False
        self._until: float | None = None

    async def __call__(self) -> Event:
        if self._whole:
            return await self._receive()
        if self._until is None:
            self._until = asyncio.get_running_loop().time() + self._settings.body_timeout_s
        try:
            async with asyncio.timeout_at(self._until):
                event = await self._receive()
        except TimeoutError:
            message = f"the body did not come within {self._settings.body_timeout_s:g} s"
            raise _Stopped(Refusal(408, "body_too_slow", message, retry_s=1)) from None
        self._size += len(event.get("body", b""))
        self._whole = event["type"] != "http.request" or not event.get("more_body", False)
        if self._size > self._settings.max_body_bytes:
            raise _Stopped(too_large(self._settings.max_body_bytes))
        return event


def too_large(limit: int) -> Refusal:
    """A body over the limit, in the server's words."""
    return Refusal(413, "body_too_large", f"the body is larger than {limit:,} bytes", hint="send fewer samples in a request")
