"""What the server's tests share: a judge on a script, the application in this process, and a real server on a free port."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from judge.engine.scripted import ScriptedEngine
from judge.pipeline.judge import Judge
from judge.server.app import make_app
from judge.server.auth import Keys
from judge.server.connections import server_config
from judge.server.serve import listen
from judge.settings.server import ServerSettings
from judge.types import Completion, Request

KEY = "test-key-0123456789"
AUTH = {"Authorization": f"Bearer {KEY}"}
CONFIG = {"recipe": "pointwise", "rubric": "helpfulness", "engine": {"kind": "scripted"}}
ONE = {"samples": [{"prompt": "Capital of France?", "response": "It is Paris."}]}


class Scripted(ScriptedEngine):
    """Answers by what the question holds, counts what is in progress, and can be held or broken.

    Attributes:
        live, peak, cancelled: Requests in progress now, at most, and abandoned.
        delay_s: Of each reply.
        broken: Every reply is an engine error.
    """

    def __init__(self, delay_s: float = 0.0) -> None:
        super().__init__(self._answer)
        self.delay_s = delay_s
        self.live = self.peak = self.cancelled = 0
        self.broken = False

    async def _answer(self, request: Request) -> Any:
        text = "\n".join(m.content for m in request.messages)
        self.live += 1
        self.peak = max(self.peak, self.live)
        try:
            if "What is 2 + 2?" not in text:  # the server's own probe does not wait
                await asyncio.sleep(30.0 if "SLOW" in text else self.delay_s)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.live -= 1
        if self.broken:
            return Completion("", "error", error="connection refused")
        if "GARBAGE" in text:
            return "I would rather not say."
        return "Reasoned.\nVERDICT: 1" if "Rome" in text else "Reasoned.\nVERDICT: 5"


def judge_of(engine: Any = None, **config: Any) -> Judge:
    """A judge on a script."""
    return Judge.from_config({**CONFIG, **config}, engine=engine or Scripted())


@asynccontextmanager
async def client_of(
    engine: Any = None, settings: ServerSettings | None = None, *, config: dict[str, Any] | None = None, keys: bool = True
) -> AsyncIterator[httpx.AsyncClient]:
    """The application in this process, started, with a key in every request. `client.app` is it."""
    with judge_of(engine, **(config or {})) as judge:
        app = make_app(judge, settings or ServerSettings(), keys=Keys((KEY,) if keys else ()))
        async with app.router.lifespan_context(app):
            await asyncio.wait_for(app.state.judge.health.started.wait(), 60)
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            headers = AUTH if keys else {}
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as client:
                client.app = app  # type: ignore[attr-defined]
                yield client


@contextmanager
def served(app: FastAPI, **options: Any) -> Iterator[str]:
    """A real uvicorn on a free port, on a thread, configured as `judge serve` does; gives its URL."""
    config = server_config(app, app.state.judge.settings)
    for name, value in {"timeout_graceful_shutdown": 5, **options}.items():
        setattr(config, name, value)
    server = uvicorn.Server(config)
    with listen("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True)
        thread.start()
        try:
            while thread.is_alive() and not server.started:
                time.sleep(0.02)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)


async def until(condition: Any, seconds: float = 5.0) -> bool:
    """Whether something became true in time."""
    for _ in range(int(seconds / 0.02)):
        if condition():
            return True
        await asyncio.sleep(0.02)
    return bool(condition())
