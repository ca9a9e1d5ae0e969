"""Trainers fork, pickle, interrupt and are killed; servers die and come back: the client in real processes."""

from __future__ import annotations

import asyncio
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from judge.client import AsyncClient, Client
from judge.errors import EngineError, InputError
from tests.client.harness import KEY, PARIS, ROME, SLOW, real
from tests.server.harness import Scripted, until

pytestmark = pytest.mark.slow

FORK = """
import os, sys, threading
from judge.client import Client
from judge.types import Sample

PARIS = Sample.of("Capital of France?", "It is Paris.")
client = Client(sys.argv[1], sys.argv[2], deadline_s=20)
client.score([PARIS])
busy = [True]
def ask():
    while busy[0]:
        client.score([PARIS])
threads = [threading.Thread(target=ask) for _ in range(2)]
for thread in threads:
    thread.start()
for number in range(3):
    child = os.fork()
    if child == 0:
        print("child", client.score([PARIS])[0].reward, flush=True)
        sys.exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
busy[0] = False
for thread in threads:
    thread.join()
print("parent", client.score([PARIS])[0].reward, flush=True)
"""

GROUP = """
import os, random, sys, time
from judge.client import Client
from judge.types import Sample

client = Client(sys.argv[1], sys.argv[2], deadline_s=40)
texts = ["Paris.", "Rome.", "GARBAGE"] * 2 + ["Paris!", "Rome!"]
order = [*range(8), 2, 5]
random.Random(3).shuffle(order)
for number in order:
    if os.fork() == 0:
        time.sleep(random.Random(number).random())
        own = client.member("step-1", number, Sample.of("Capital of France?", texts[number]), size=8, deadline_s=40)
        os.write(1, f"{number} {own.reward.reward} {own.place}\\n".encode())
        os._exit(0)
for _ in order:
    assert os.waitstatus_to_exitcode(os.wait()[1]) == 0
"""

SERVE = """
import asyncio, socket, sys
import uvicorn
from judge.server.app import make_app
from judge.server.auth import Keys
from judge.settings.server import ServerSettings
from tests.server.harness import KEY, Scripted, judge_of

with judge_of(Scripted()) as judge:
    app = make_app(judge, ServerSettings(), keys=Keys((KEY,)))
    uvicorn.run(app, port=int(sys.argv[1]), log_config=None, http="h11")
"""


def test_a_fork_in_the_middle_of_work():
    """Children of a busy process ask by themselves, leave it its connections, and end in an orderly way."""
    with real() as (url, _):
        command = [sys.executable, "-W", "error", "-c", FORK, url, KEY]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ran.stdout.split("\n") == ["child 1.0"] * 3 + ["parent 1.0", ""], ran.stderr
    assert ran.stderr == ""


def test_a_group_from_eight_processes():
    """Workers that each hold one completion get their own rewards; two of them ask twice, and all is judged once."""
    with real() as (url, state):
        ran = subprocess.run([sys.executable, "-c", GROUP, url, KEY], capture_output=True, text=True, timeout=60, check=False)
        assert b"judge_responses_total 8.0" in state.metrics.text()
    assert ran.stderr == ""
    paris, rome, none = "1.0 1", "0.0 4", "None None"
    kinds = [paris, rome, none, paris, rome, none, paris, rome, none, none]
    expected = [f"{i} {kind}" for i, kind in zip([0, 1, 2, 3, 4, 5, 6, 7, 2, 5], kinds, strict=True)]
    assert sorted(ran.stdout.splitlines()) == sorted(expected)


def test_ctrl_c_while_waiting():
    """The command line comes back at once, and the judge stops too."""
    engine = Scripted()
    with real(engine) as (url, state), Client(url, KEY) as client:
        threading.Timer(1.0, signal.pthread_kill, [threading.main_thread().ident, signal.SIGINT]).start()
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            client.score([SLOW])
        assert time.monotonic() - began < 5
        assert asyncio.run(until(lambda: (engine.live, state.admission.held) == (0, 0)))
        assert client.score([PARIS])[0].reward == 1.0


def test_a_client_goes_to_workers():
    """A reward function that holds one can be pickled, used or not."""
    with real() as (url, _), Client(url, KEY, retries=3) as client:
        assert client.score([PARIS])[0].reward == 1.0
        with pickle.loads(pickle.dumps(client)) as copy:
            assert copy.score([ROME])[0].reward == 0.0


def test_closed_and_used_again():
    """Closing twice is one closing, and a question afterwards opens anew."""
    with real() as (url, _):
        client = Client(url, KEY)
        for _ in range(2):
            assert client.score([PARIS])[0].reward == 1.0
            client.close()
            client.close()


def test_closed_under_a_question():
    """Whoever waits is told; nobody hangs, and the judge stops."""
    engine = Scripted()
    with real(engine) as (url, state):
        client = Client(url, KEY)
        told = []

        def ask():
            try:
                client.score([SLOW])
            except EngineError as why:
                told.append(str(why))

        thread = threading.Thread(target=ask)
        thread.start()
        assert asyncio.run(until(lambda: engine.live == 1))
        client.close()
        thread.join(5)
        assert told == [f"{url}: the client was closed before an answer came"]
        assert asyncio.run(until(lambda: (engine.live, state.admission.held) == (0, 0)))


def test_one_async_client_a_loop():
    """`asyncio.run` at each step of a trainer: the mistake is named, not a hang."""
    with real() as (url, _):
        client = AsyncClient(url, KEY)

        async def once():
            return await client.score([PARIS])

        loop = asyncio.new_event_loop()
        loop.run_until_complete(once())
        with pytest.raises(InputError, match="belongs to the event loop"):
            asyncio.run(once())
        loop.run_until_complete(client.close())
        loop.close()


async def test_inside_a_running_loop():
    """The plain client works in a notebook, whose loop is running already."""
    with real() as (url, _), Client(url, KEY) as client:
        assert client.score([PARIS])[0].reward == 1.0


@pytest.fixture
def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture
def start(port):
    """Start a server in a process of its own, as often as called."""
    running: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", SERVE, str(port)]
        running.append(subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=Path(__file__).parents[2]))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.wait()


def test_a_server_that_dies_and_comes_back(port, start):
    """Killed in the middle of a judgement: a stream ends in an error, a question waits for the next server and is answered."""
    url = f"http://127.0.0.1:{port}"
    first = start()
    with Client(url, KEY, deadline_s=120, retries=1000) as client:
        assert client.score([PARIS])[0].reward == 1.0  # waits for the start
        assert "the stream was cut off after 1 results" in asyncio.run(_killed(url, first))
        start()
        assert client.score([ROME])[0].reward == 0.0


async def _killed(url: str, process: subprocess.Popen[bytes]) -> str:
    async with AsyncClient(url, KEY) as client:
        try:
            async for _ in client.stream([SLOW, PARIS]):
                process.kill()
        except EngineError as why:
            return str(why)
    return "no error"
