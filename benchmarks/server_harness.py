"""What `server.py` shares: a slept engine, servers in a process or on a thread, one client."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import aiohttp.web
import uvicorn

from judge.engine.scripted import ScriptedEngine
from judge.pipeline.judge import Judge
from judge.server.app import make_app
from judge.server.auth import Keys
from judge.server.connections import server_config
from judge.server.serve import listen
from judge.settings.server import ServerSettings
from judge.types import Completion, Request

KEY = "benchmark-key-0123456789"
CONFIG = {"recipe": "pointwise", "rubric": "helpfulness", "engine": {"kind": "scripted"}}
HEADERS = {"Authorization": f"Bearer {KEY}"}


class Engine(ScriptedEngine):
    """Answers after a while, by what the question holds; counts what is in progress."""

    def __init__(self, delay_s: float = 0.0) -> None:
        super().__init__(self._answer)
        self.delay_s, self.live, self.dead, self.hung = delay_s, 0, False, False

    async def _answer(self, request: Request) -> Any:
        self.live += 1
        try:
            text = request.messages[-1].content
            await asyncio.sleep(60 if "SLOW" in text or self.hung else 0 if "What is 2 + 2?" in text else self.delay_s)
        finally:
            self.live -= 1
        del self.requests[:-1000]  # it keeps what it was asked, and the memory of a server is measured
        return Completion("", "error", error="down") if self.dead else "Reasoned.\nVERDICT: 5"


def body(number: object, text: str = "It is Paris, which lies on the Seine.") -> dict[str, Any]:
    """A request; numbers differ, so that no two share one judgement."""
    return {"samples": [{"prompt": f"Question {number}: what is the capital of France?", "response": text}]}


@contextmanager
def child(delay_s: float, **settings: object) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server in a process of its own: its URL, and the process."""
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("server.py")), "--child", json.dumps({"delay_s": delay_s, **settings})],
        env={**os.environ, "JUDGE_API_KEYS": KEY, "PYTHONUNBUFFERED": "1"}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True,
    )  # fmt: skip
    assert process.stdout is not None
    found = re.search(r"http://[\d.]+:\d+", process.stdout.readline())
    assert found is not None, "the server did not start"
    try:
        yield found[0], process
    finally:
        process.kill()
        process.communicate()


@asynccontextmanager
async def thread(engine: Engine, **settings: Any) -> AsyncIterator[tuple[str, Any]]:
    """A server on a thread: its URL, and its state."""
    with listen("127.0.0.1", 0) as listener, Judge.from_config(CONFIG, engine=engine) as judge:
        app = make_app(judge, ServerSettings(**settings), keys=Keys((KEY,)))
        config = server_config(app, app.state.judge.settings)
        config.timeout_graceful_shutdown = 1
        server = uvicorn.Server(config)
        runner = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True)
        runner.start()
        await until(lambda: server.started and app.state.judge.health.started.is_set(), 60)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", app
        finally:
            server.should_exit = True
            await asyncio.to_thread(runner.join, 10)


def client(seconds: float = 120) -> aiohttp.ClientSession:
    """A client without a limit on connections."""
    timeout = aiohttp.ClientTimeout(total=seconds)
    return aiohttp.ClientSession(headers=HEADERS, connector=aiohttp.TCPConnector(limit=0), timeout=timeout)


async def post(session: aiohttp.ClientSession, url: str, data: Any, path: str = "/v1/score") -> tuple[int, float, bytes, Any]:
    """Status, seconds, body and headers."""
    began = time.perf_counter()
    async with session.post(url + path, json=data) as answer:
        raw = await answer.read()
        return answer.status, time.perf_counter() - began, raw, answer.headers


def at(values: list[float], share: float) -> float:
    """A quantile."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


async def until(condition: Callable[[], bool], seconds: float = 10) -> float:
    """Seconds until something was true."""
    began = time.perf_counter()
    while not condition() and time.perf_counter() - began < seconds:  # noqa: ASYNC110  # looks into another thread
        await asyncio.sleep(0.005)
    return time.perf_counter() - began


@asynccontextmanager
async def endpoint(status: Callable[[int], int]) -> AsyncIterator[tuple[str, list[int]]]:
    """A judge behind the OpenAI API that answers chat request n with `status(n)`; gives its URL and the statuses sent."""
    sent: list[int] = []

    async def chat(request: aiohttp.web.Request) -> aiohttp.web.Response:
        await request.read()
        sent.append(status(len(sent)))
        reply = {"choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "VERDICT: 5"}}]}
        headers = {"Retry-After": "0"} if sent[-1] in (429, 503) else {}
        return aiohttp.web.json_response(
            reply if sent[-1] == 200 else {"error": {"message": "no"}}, status=sent[-1], headers=headers
        )

    app = aiohttp.web.Application()
    app.router.add_post("/v1/chat/completions", chat)
    runner = aiohttp.web.AppRunner(app)
    await runner.setup()
    site = aiohttp.web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"http://127.0.0.1:{port}/v1", sent
    finally:
        await runner.cleanup()
