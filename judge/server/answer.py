"""From a request to its answer: read it safely, do the work while the client is there, send it in one piece or line by line.

- JSON is read by `judge.jsonfile`: `NaN` is null; no Infinity, key twice or depth that ends a parser; large bodies on a thread.
- A client that goes away takes its work with it, down to the engine: the work runs beside a look at the connection.
- JSON bodies only, said so by their type: a web page cannot send that to another origin without asking first (CORS is off).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractContextManager, aclosing
from typing import Any, TypeVar

from fastapi import Request
from fastapi.responses import Response

from judge.errors import InputError
from judge.jsonfile import parse_json
from judge.server.errors import APIError, Receive, Scope, Send, encode
from judge.server.idempotency import HEADER
from judge.server.log import log
from judge.server.state import State
from judge.server.wire import Model, validated

T = TypeVar("T")
_THREAD_BYTES = 64 * 1024  # larger bodies are read on a thread


class ClientGone(Exception):
    """Nobody waits for the answer any more."""


async def read(request: Request, model: type[Model]) -> tuple[Model, bytes]:
    """The body as a model, and as it came.

    Raises:
        APIError: 400 not JSON, 415 not said to be JSON, 422 a field is wrong.
    """
    data, raw = await read_json(request)
    if len(raw) > _THREAD_BYTES:
        return await asyncio.to_thread(validated, model, data), raw
    return validated(model, data), raw


async def read_json(request: Request) -> tuple[Any, bytes]:
    """The body as plain values, and as it came."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        message = f"the request body has the type `{kind[:60]}`" if kind else "the request has no Content-Type"
        raise APIError(415, "not_json", message, where="header Content-Type", hint="Content-Type: application/json")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise APIError(415, "compressed", "compressed request bodies are not supported", where="header Content-Encoding")
    raw = await request.body()
    try:
        if len(raw) > _THREAD_BYTES:
            return await asyncio.to_thread(parse_json, raw, "", halves=True, nan_is_null=True), raw
        return parse_json(raw, "", halves=True, nan_is_null=True), raw
    except InputError as why:
        raise APIError(400, "bad_json", str(why), where="body") from None


async def while_there(receive: Receive, cutoff: asyncio.Event, error: APIError, work: Coroutine[Any, Any, T]) -> T:
    """Do the work unless the client goes away or the server's time is up; then the work is cancelled.

    Raises:
        ClientGone: The client closed the connection.
        APIError: The server's time was up.
    """
    job, cut = asyncio.create_task(work), asyncio.create_task(cutoff.wait())
    gone = asyncio.create_task(_disconnected(receive))
    everything: set[asyncio.Task[Any]] = {job, gone, cut}
    try:
        await asyncio.wait(everything, return_when=asyncio.FIRST_COMPLETED)
        if job.done():
            return job.result()
        raise ClientGone if gone.done() else error
    finally:
        for task in everything:
            task.cancel()
        await asyncio.gather(*everything, return_exceptions=True)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def answer(request: Request, raw: bytes, work: Callable[[], Awaitable[Any]]) -> Response:
    """Do the work of one request and send its result, or the one already given under its Idempotency-Key."""
    state: State = request.app.state.judge
    replayed = False

    async def make() -> bytes:
        return encode(await work())

    async def keyed() -> bytes:
        nonlocal replayed
        owner = request.scope.get("state", {}).get("owner", "")
        body, replayed = await state.idempotency.answer(owner, key, request.url.path, raw, make)
        return body

    key = request.headers.get(HEADER, "")
    with state.drain.track():
        job = keyed() if HEADER in request.headers else make()
        body = await while_there(request.receive, state.drain.cutoff, state.drain.error, job)
    headers = {"idempotent-replay": "true"} if replayed else None
    return Response(body, media_type="application/json", headers=headers)


class Lines(Response):
    """A streamed answer: one JSON value a line (application/x-ndjson), and a last one that says how it ended.

    A stream without a last line of type `done` or `error` was cut off.
    """

    media_type = "application/x-ndjson"

    def __init__(self, state: State, entered: AbstractContextManager[None], lines: AsyncIterator[dict[str, Any]]) -> None:
        self._state = state
        self._entered = entered
        self._lines = lines
        self.status_code = 200
        self.background = None
        self.body = b""
        self.init_headers({"x-accel-buffering": "no", "cache-control": "no-store"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send line after line while the client is there."""
        drain = self._state.drain
        headers = [(k, v) for k, v in self.raw_headers if k != b"content-length"]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        with self._entered, drain.track():
            try:
                await while_there(receive, drain.cutoff, drain.error, self._send_all(send))
            except APIError as error:
                self._state.metrics.refusal(error.code)
                await send({"type": "http.response.body", "body": _line({"type": "error"}, error), "more_body": False})
            except ClientGone:
                log("client_gone", route=scope["path"])

    async def _send_all(self, send: Send) -> None:
        async with aclosing(self._lines) as lines:  # type: ignore[type-var]  # an asynchronous generator
            async for line in lines:
                await send({"type": "http.response.body", "body": encode(line) + b"\n", "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _line(fields: dict[str, Any], error: APIError) -> bytes:
    body = {"code": error.code, "message": error.message, "where": error.where, "hint": error.hint}
    return encode({**fields, "error": body}) + b"\n"
