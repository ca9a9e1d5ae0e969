"""Around every request: a name for it, its time, one line of log, and errors nobody foresaw as a plain 500."""

from __future__ import annotations

import logging
import re
import secrets
import time

from judge.server.board import Board
from judge.server.log import log
from judge.server.metrics import Meters
from judge.server.refusal import App, Event, Receive, Refusal, Scope, Send

_NAME = re.compile(rb"^[\w.:-]{1,64}$")
QUIET = frozenset({"/", "/livez", "/readyz", "/metrics"})


class Observe:
    """The outermost middleware."""

    def __init__(self, app: App, *, meters: Meters, board: Board) -> None:
        self._app = app
        self._meters = meters
        self._board = board

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        name = given if _NAME.match(given) else secrets.token_hex(8).encode()

        async def named(event: Event) -> None:
            nonlocal status
            if event["type"] == "http.response.start":
                status = event["status"]
                event["headers"] = [*event.get("headers", []), (b"x-request-id", name), (b"x-content-type-options", b"nosniff")]
            await send(event)

        try:
            await self._app(scope, receive, named)
        except Exception as why:  # noqa: BLE001  # the last stop before the server: the client gets an answer, the log the place
            log("internal_error", level=logging.ERROR, failed=why, request=name.decode())
            if not status:
                await Refusal(500, "internal", "an error inside the server; its log says where").send(named)
        finally:
            self._note(scope, name.decode(), status or 499, time.perf_counter() - began)

    def _note(self, scope: Scope, name: str, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        self._meters.request(route, status, seconds)
        if scope["method"] == "POST":
            self._board.request(status, seconds)
        if route not in QUIET:
            owner = scope.get("state", {}).get("owner", "")
            log(
                "request",
                request=name,
                method=scope["method"],
                route=route,
                status=status,
                ms=round(seconds * 1000, 1),
                key=owner,
            )
