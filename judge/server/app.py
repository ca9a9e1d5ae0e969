"""One judge -> an ASGI application.

A request passes, from outside in: its name and time, the key, the limits, the route. Refusals have one shape wherever they
come from. The judge runs on a loop and a thread of its own, so nothing it does delays an answer here.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse, Response
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

import judge as package
from judge.errors import JudgeError
from judge.pipeline.judge import Judge
from judge.schema import StatusOut
from judge.server import page, routes, routes_nemo_gym, routes_rubric, routes_trainers
from judge.server.admission import RequestLimits
from judge.server.answer import ClientGone
from judge.server.auth import OPEN_PATHS, AuthMiddleware, Keys, load_keys
from judge.server.dashboard import DashboardStats
from judge.server.errors import APIError, App, Event, Receive, Scope, Send, error_responses
from judge.server.log import log
from judge.server.metrics import ServerMetrics
from judge.server.state import State
from judge.server.wire import REQUESTS
from judge.settings.server import ServerSettings

_NAME = re.compile(rb"^[\w.:-]{1,64}$")
QUIET = frozenset({"/", "/livez", "/readyz", "/metrics"})


def make_app(
    judge: Judge,
    settings: ServerSettings | None = None,
    *,
    keys: Keys | None = None,
    on_failure: Callable[[JudgeError], None] | None = None,
) -> FastAPI:
    """Put a judge behind HTTP. The judge starts with the application, and the caller closes it.

    Args:
        judge: Its monitor, if it has one, is fed with the rewards of many requests.
        settings: None: those of the judge's run settings.
        keys: None: read as the settings say.
        on_failure: Called when the engine cannot start; without it the server goes on trying.

    Raises:
        SettingsError: Other machines could connect, and there are no keys.

    Example:
        >>> from judge.engine.scripted import ScriptedEngine
        >>> judge = Judge.from_config({"recipe": "pointwise", "rubric": "helpfulness"}, engine=ScriptedEngine(["VERDICT: 5"]))
        >>> make_app(judge, ServerSettings()).title
        'judge'
    """
    settings = judge.plan.settings.server if settings is None else settings
    keys = load_keys(settings) if keys is None else keys
    state = State.of(judge, settings, on_failure, keys=len(keys))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        watch = asyncio.create_task(state.health.watch())
        watch.add_done_callback(_watched)
        yield
        watch.cancel()
        state.groups.close()
        with suppress(asyncio.CancelledError):
            await watch
        if state.buffer is not None:
            await state.buffer.close()

    app = FastAPI(
        title="judge",
        version=package.__version__,
        description="Rewards from a judge. A failure is never a number: `reward` is null, and `failure` says why.",
        lifespan=lifespan,
        openapi_url="/openapi.json" if settings.docs else None,
        docs_url="/docs" if settings.docs else None,
        redoc_url=None,
        redirect_slashes=False,
        middleware=[
            Middleware(RequestLog, metrics=state.metrics, dashboard=state.dashboard),
            Middleware(AuthMiddleware, keys=keys, local=settings.local),
            Middleware(RequestLimits, settings=settings),
        ],
    )
    app.state.judge = state
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]  # as FastAPI documents it
    for router in (routes.router, routes_rubric.router, routes_trainers.router, routes_nemo_gym.router, page.router):
        app.include_router(router)
    _add_probes(app, state)
    app.add_exception_handler(APIError, _refused)
    app.add_exception_handler(HTTPException, _other)
    app.add_exception_handler(RequestValidationError, _bad_path)
    app.add_exception_handler(ClientGone, _gone)
    return app


def _watched(task: asyncio.Task[None]) -> None:
    """The watch over the judge ends with the application; if it ends otherwise, that must not go unseen."""
    why = None if task.cancelled() else task.exception()
    if why is not None:
        log("health_watch_failed", level=logging.ERROR, failed=why)


def _add_probes(app: FastAPI, state: State) -> None:
    probe: dict[str, Any] = {"responses": {503: {"model": StatusOut}}, "response_model": StatusOut, "tags": ["health"]}
    text: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {}}}, **error_responses()}

    @app.get("/livez", **probe)
    async def livez() -> Response:
        """Answer while the process does."""
        return JSONResponse({"status": "alive"})

    @app.get("/readyz", **probe)
    async def readyz() -> Response:
        """Say whether the judge can be asked now: `ready`, or 503 with what is in the way."""
        status = state.health.status
        return JSONResponse({"status": status}, status_code=200 if status == "ready" else 503)

    @app.get("/metrics", response_class=Response, responses=text, tags=["health"])
    async def metrics() -> Response:
        """Counters and gauges in Prometheus's text format."""
        return Response(state.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def _refused(request: Request, why: Exception) -> Response:
    assert isinstance(why, APIError)  # noqa: S101  # registered for nothing else
    request.app.state.judge.metrics.refusal(why.code)
    return Response(why.body, why.status, why.headers, "application/json")


async def _other(request: Request, why: Exception) -> Response:
    """What the router itself refuses, in the same shape."""
    assert isinstance(why, HTTPException)  # noqa: S101  # registered for nothing else
    code = {404: "no_such_route", 405: "wrong_method"}.get(why.status_code, "refused")
    error = APIError(why.status_code, code, str(why.detail), where=request.url.path[:200])
    return Response(error.body, why.status_code, {**(why.headers or {})}, "application/json")


async def _bad_path(request: Request, why: Exception) -> Response:
    """A part of the path that is wrong; bodies are read elsewhere."""
    assert isinstance(why, RequestValidationError)  # noqa: S101  # registered for nothing else
    first = why.errors()[0]
    return await _refused(request, APIError(422, "bad_path", str(first["msg"]), where=str(first["loc"][-1])))


async def _gone(request: Request, why: Exception) -> Response:
    """Nobody reads this; the status is for the log."""
    return Response(status_code=499)


class RequestLog:
    """The outermost middleware."""

    def __init__(self, app: App, *, metrics: ServerMetrics, dashboard: DashboardStats) -> None:
        self._app = app
        self._metrics = metrics
        self._dashboard = dashboard

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
                await APIError(500, "internal", "internal server error; see the server log").send(named)
        finally:
            self._note(scope, name.decode(), status or 499, time.perf_counter() - began)

    def _note(self, scope: Scope, name: str, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        self._metrics.request(route, status, seconds)
        if scope["method"] == "POST":
            self._dashboard.request(status, seconds)
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


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with the models of the request bodies."""
    if app.openapi_schema:
        return app.openapi_schema
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    template = "#/components/schemas/{model}"
    _, schemas = models_json_schema([(model, "validation") for model in REQUESTS.values()], ref_template=template)
    components = document.setdefault("components", {})
    components.setdefault("schemas", {}).update(schemas.get("$defs", {}))
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        "basic": {"type": "http", "scheme": "basic"},
    }
    document["security"] = [{"bearer": []}, {"header": []}, {"basic": []}]
    for path in OPEN_PATHS:
        document["paths"][path]["get"]["security"] = []
    app.openapi_schema = document
    return document
