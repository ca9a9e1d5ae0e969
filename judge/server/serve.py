"""One process that serves one judge: listens, says when it is ready, drains on SIGTERM and Ctrl-C.

uvicorn closes its port at once on SIGTERM, so nobody could be told that the server is about to stop. Here the port stays open
while requests finish: /readyz says 503, new work gets 503 with Retry-After, and only then is the port closed. A second signal
ends it at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn

from judge.errors import InputError, JudgeError
from judge.loops import run as run_loop
from judge.pipeline.build import Plan, needed_columns
from judge.pipeline.judge import Judge
from judge.server.app import make_app
from judge.server.auth import load_keys
from judge.server.connections import server_config
from judge.server.log import json_lines, log
from judge.server.state import State
from judge.settings.server import ServerSettings


def serve(judge: Judge, settings: ServerSettings, *, say: Callable[[str], object] = print) -> None:
    """Serve a judge until a signal ends it. The caller closes the judge.

    Args:
        say: Called with one line when the first sample has been judged.

    Raises:
        SettingsError: Other machines could connect, and there are no keys.
        InputError: The address cannot be listened on.
        JudgeError: The engine cannot start.
    """
    keys = load_keys(settings)
    failures: list[JudgeError] = []

    def failed(why: JudgeError) -> None:
        failures.append(why)
        server.end()

    app = make_app(judge, settings, keys=keys, on_failure=failed)
    with json_lines(), listen(settings.host, settings.port) as listener:
        host, port = listener.getsockname()[:2]
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        server = Server(
            server_config(app, settings), app.state.judge, lambda: say(f"ready: {curl(url, bool(keys), settings, judge.plan)}")
        )
        log("listening", url=url)
        run_loop(server.serve(sockets=[listener]))
        log("stopped_while_loading" if judge.session.loading else "stopped")
    if failures:
        raise failures[0]


class Server(uvicorn.Server):
    """uvicorn, with a drain between the signal and the closed port.

    Args:
        ready: Called once, when the judge is ready.
    """

    def __init__(self, config: uvicorn.Config, state: State, ready: Callable[[], object]) -> None:
        super().__init__(config)
        self._state = state
        self._ready = ready
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._signals = 0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self._tasks.append(asyncio.create_task(self._announce()))

    async def _announce(self) -> None:
        await self._state.health.started.wait()
        self._ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal: the first drains, the second ends at once."""
        self._signals += 1
        if self._signals > 1 or self._loop is None:
            self.force_exit = self.should_exit = True
        else:
            self._loop.call_soon_threadsafe(lambda: self._tasks.append(asyncio.create_task(self._drain())))

    async def _drain(self) -> None:
        await self._state.drain.run()
        self.end()

    def end(self) -> None:
        """Close the port and stop."""
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End every connection; what is in progress has had its time."""
        self.config.timeout_graceful_shutdown = 1
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        await super().shutdown(sockets)


def listen(host: str, port: int) -> contextlib.closing[socket.socket]:
    """A socket that listens there.

    It is made anew from its number, so that Python learns its protocol: asyncio turns Nagle's algorithm off only for sockets that
    it knows to be TCP, and with it every answer took 40 ms.

    Raises:
        InputError: No such address, or it is taken.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        bound = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as why:
        taken = why.errno == errno.EADDRINUSE
        told = "the port is in use; choose another with --port" if taken else f"{why.strerror or why}; --host chooses another"
        raise InputError(f"cannot listen on {host}:{port}: {told}") from None
    return contextlib.closing(socket.socket(fileno=bound.detach()))


_EXAMPLE = {
    "reference": "4",
    "context": ["2 + 2 = 4."],
    "principle": "Prefer the correct answer.",
    "rubric": ["The response answers the question."],
    "steps": ["2 + 2 = 4"],
}


def curl(url: str, keys: bool, settings: ServerSettings, plan: Plan) -> str:
    """A line to paste: a sample with all that the judges of this server need."""
    key = f' -H "Authorization: Bearer ${settings.api_keys_env}"' if keys and not settings.api_keys_file else ""
    key = ' -H "Authorization: Bearer KEY"' if keys and not key else key
    several = {"pairwise": ["It is 4.", "It is 5."], "listwise": ["It is 4.", "It is 5.", "It is 3."]}.get(plan.recipe.spec.mode)
    needed = needed_columns(plan)
    sample = {"prompt": "What is 2 + 2?", **({"responses": several} if several else {"response": "It is 4."})}
    sample |= {name: value for name, value in _EXAMPLE.items() if name in needed}
    return f"curl {url}/v1/score -H 'Content-Type: application/json'{key} -d '{json.dumps({'samples': [sample]})}'"
