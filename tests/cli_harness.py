"""What the tests of the command line share: one command run in this process, and an endpoint on a thread of its own."""

from __future__ import annotations

import asyncio
import io
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

import pytest

from judge.cli.main import main
from tests.fake_endpoint import Canned, FakeEndpoint


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


def run_judge(*arguments: str, stdin: str | None = None) -> Ended:
    """Run one command as `judge ARGUMENTS` would, without the second that a new Python takes."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    code: object = 0
    before = sys.stdin
    if stdin is not None:
        sys.stdin = io.TextIOWrapper(io.BytesIO(stdin.encode("utf-8", "surrogatepass")), encoding="utf-8")
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main(arguments)
    except SystemExit as end:
        code = end.code
    finally:
        sys.stdin = before
    said, complained = (stream.buffer.getvalue().decode() for stream in (out, err))  # type: ignore[attr-defined]
    return Ended(code if isinstance(code, int) else 0, said, complained)


@pytest.fixture
def judge(tmp_path, monkeypatch) -> Callable[..., Ended]:
    """Run one command in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    return run_judge


class Server:
    """A fake endpoint that a test in this thread can script.

    Attributes:
        reply: Body of a chat request -> what to answer. Set it at any time.
        asked: User messages of every chat request so far.
    """

    def __init__(self) -> None:
        self.reply: Callable[[dict], Canned] = lambda body: Canned("Reasoned.\nVERDICT: MET")
        self.fake = FakeEndpoint({"m": self._answer})
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Server:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.fake.__aenter__(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self.fake.__aexit__(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _answer(self, body: dict) -> Canned:
        return self.reply(body)

    @property
    def url(self) -> str:
        """Base URL."""
        return self.fake.url

    @property
    def asked(self) -> list[str]:
        return [body["messages"][-1]["content"] for body in self.fake.bodies]

    def settings(self, **engine: object) -> str:
        """YAML of an `engine:` line that asks this server."""
        extra = "".join(f", {name}: {value}" for name, value in engine.items())
        return f'engine: {{kind: openai, model: m, base_url: "{self.url}"{extra}}}\n'


@pytest.fixture
def endpoint() -> Iterator[Server]:
    """A server that says MET to everything."""
    with Server() as server:
        yield server
