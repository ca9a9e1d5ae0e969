"""One judge -> an ASGI application.

A request passes, from outside in: its name and time, the key, the limits, the route. Refusals have one shape wherever they
come from. The judge runs on a loop and a thread of its own, so nothing it does delays an answer here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

import judge as package
from judge.errors import JudgeError
from judge.pipeline.judge import Judge
from judge.server import page, routes_groups, routes_native, routes_nemo_gym, routes_trainers
from judge.server.answer import ClientGone
from judge.server.auth import Guard, Keys, load_keys
from judge.server.describe import describe, refusals
from judge.server.limits import Limits
from judge.server.log import log
from judge.server.observe import Observe
from judge.server.refusal import Refusal
from judge.server.state import State
from judge.settings.server import ServerSettings


class StatusOut(BaseModel):
    """Answer of the probes."""

    status: str


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
    state = State.of(judge, settings, on_failure)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        watch = asyncio.create_task(state.health.watch())
        watch.add_done_callback(_watched)
        yield
        watch.cancel()
        state.broker.close()
        with suppress(asyncio.CancelledError):
            await watch
        if state.feed is not None:
            await state.feed.close()

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
            Middleware(Observe, meters=state.meters, board=state.board),
            Middleware(Guard, keys=keys, local=settings.local),
            Middleware(Limits, settings=settings),
        ],
    )
    app.state.judge = state
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]  # as FastAPI documents it
    for router in (routes_native.router, routes_groups.router, routes_trainers.router, routes_nemo_gym.router, page.router):
        app.include_router(router)
    _add_probes(app, state)
    app.add_exception_handler(Refusal, _refused)
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
    text: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {}}}, **refusals()}

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
        return Response(state.meters.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def _refused(request: Request, why: Exception) -> Response:
    assert isinstance(why, Refusal)  # noqa: S101  # registered for nothing else
    request.app.state.judge.meters.refusal(why.code)
    return Response(why.body, why.status, why.headers, "application/json")


async def _other(request: Request, why: Exception) -> Response:
    """What the router itself refuses, in the same shape."""
    assert isinstance(why, HTTPException)  # noqa: S101  # registered for nothing else
    code = {404: "no_such_route", 405: "wrong_method"}.get(why.status_code, "refused")
    refusal = Refusal(why.status_code, code, str(why.detail), where=request.url.path[:200])
    return Response(refusal.body, why.status_code, {**(why.headers or {})}, "application/json")


async def _bad_path(request: Request, why: Exception) -> Response:
    """A part of the path that is wrong; bodies are read elsewhere."""
    assert isinstance(why, RequestValidationError)  # noqa: S101  # registered for nothing else
    first = why.errors()[0]
    return await _refused(request, Refusal(422, "bad_path", str(first["msg"]), where=str(first["loc"][-1])))


async def _gone(request: Request, why: Exception) -> Response:
    """Nobody reads this; the status is for the log."""
    return Response(status_code=499)
