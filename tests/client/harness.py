"""What the client's tests share: the real application on a real port, and a server that does at each request what a list says."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from judge.server.app import make_app
from judge.server.auth import Keys
from judge.settings.server import ServerSettings
from judge.types import Sample
from tests.server.harness import KEY, Scripted, judge_of, served

PARIS = Sample.of("Capital of France?", "It is Paris.", id="p")
ROME = Sample.of("Capital of France?", "It is Rome.", id="r")
GARBAGE = Sample.of("Capital of France?", "GARBAGE", id="g")
SLOW = Sample.of("Capital of France?", "SLOW Paris.", id="s")


@contextmanager
def real(
    engine: Any = None, settings: ServerSettings | None = None, config: dict[str, Any] | None = None, *, keys: bool = True
) -> Iterator[tuple[str, Any]]:
    """The real application on uvicorn and a script: its URL and its state."""
    with judge_of(engine or Scripted(), **(config or {})) as judge:
        app = make_app(judge, settings or ServerSettings(), keys=Keys((KEY,) if keys else ()))
        with served(app) as url:
            yield url, app.state.judge


RESULT = {
    "response_index": 0,
    "reward": 1.0,
    "raw_reward": 1.0,
    "failure": None,
    "components": {"c": 1.0},
    "uncertainty": {"spread": None, "missing": 0.0, "expected": None, "entropy": None, "order_gap": None, "variance": None},
    "flags": [],
    "explanation": "one verdict",
    "judge_calls": 1,
    "tokens": 7,
}


def scored(**changes: Any) -> bytes:
    """An answer of `/v1/score` to one sample, with changes in its reward."""
    head = {"model": "m", "recipe": "r", "rubric": None, "no_reward": 0}
    return json.dumps({**head, "results": [{"index": 0, "id": "p", "rewards": [{**RESULT, **changes}]}]}).encode()


def reply(status: int, body: bytes, **headers: str) -> bytes:
    """An answer as it goes over the wire; `_` in a header's name stands for `-`."""
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} Word\r\nContent-Length: {len(body)}\r\n{lines}\r\n".encode() + body


def refusal(status: int, code: str, message: str = "no", where: str = "", **headers: str) -> bytes:
    """A refusal of the server."""
    error = {"code": code, "message": message, "where": where, "hint": ""}
    return reply(status, json.dumps({"error": error}).encode(), **headers)


DROP = b""
HANG = b"HANG"


class Steps:
    """A server that gives the next step at each request: bytes to send, `DROP` the connection, or `HANG`.

    What is sent with `Connection: close` in it ends the connection there, whole or not. The last step repeats.

    Attributes:
        heads: Of the requests, as text.
    """

    def __init__(self, *steps: bytes) -> None:
        self._steps = list(steps)
        self.heads: list[str] = []
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Steps:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._one, "127.0.0.1", 0), self._loop).result(10)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = next((int(v) for k, _, v in (x.partition(": ") for x in head.split("\r\n")) if k == "Content-Length"), 0)
                await reader.readexactly(length)
                self.heads.append(head)
                step = self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]
                if step == HANG:
                    await asyncio.sleep(60)
                writer.write(step)
                await writer.drain()
                if not step or b"Connection: close" in step:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    def header(self, name: str) -> list[str | None]:
        """The values of one header, of each request."""
        fields = [dict(line.split(": ", 1) for line in head.split("\r\n") if ": " in line) for head in self.heads]
        return [own.get(name) for own in fields]
