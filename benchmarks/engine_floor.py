"""What the HTTP engine costs the client: CPU ms a request (user + system) and requests/s, against a bare aiohttp loop.

    python benchmarks/engine_floor.py [--requests 2000] [--in-flight 64 256] [--repeats 3] [--sdk] [--profile]

Starts benchmarks/fake_server.py (20 ms a reply) in a process of its own. Engine and floor run in turn, each after a
warm-up that opens the connections; the median of the repeats is printed. Both send the same bytes.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import itertools
import json
import pstats
import resource
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp

from judge.engine.http import HttpEngine
from judge.engine.openai_sdk import OpenAiSdkEngine
from judge.engine.wire import Dialect, Wire
from judge.loops import run as run_loop
from judge.types import Message, Request, Sampling

QUESTION = "Which city is the capital of France, and since when? Answer in two sentences. " * 12
REQUEST = Request((Message("system", "You are a strict judge."), Message("user", QUESTION)), Sampling(max_tokens=256))
Ask = Callable[[], Awaitable[object]]


def cpu_s() -> float:
    """User and system time of this process so far, in seconds."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def drive(ask: Ask, requests: int, in_flight: int) -> tuple[float, float]:
    """Keep `in_flight` requests under way. Gives CPU ms a request and requests/s."""
    left = iter(range(requests))

    async def worker() -> None:
        for _ in left:
            await ask()

    cpu, wall = cpu_s(), time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(in_flight)))
    return (cpu_s() - cpu) / requests * 1000, requests / (time.perf_counter() - wall)


async def floor(url: str, requests: int, in_flight: int) -> tuple[float, float]:
    """Measure the least that aiohttp can do: one session, bytes in, JSON out."""
    body = Wire("fake", Dialect.VLLM).encode(REQUEST)
    connector = aiohttp.TCPConnector(limit=in_flight)
    headers = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def ask() -> str:
            async with session.post(f"{url}/chat/completions", data=body) as response:
                text: str = json.loads(await response.read())["choices"][0]["message"]["content"]
                return text

        await drive(ask, in_flight, in_flight)
        return await drive(ask, requests, in_flight)


async def engine(url: str, requests: int, in_flight: int, kind: type[HttpEngine | OpenAiSdkEngine]) -> tuple[float, float]:
    """Measure one of our engines."""
    judge = kind(model="fake", base_url=url, concurrency=in_flight)
    await judge.start()
    await drive(lambda: judge.complete(REQUEST), in_flight, in_flight)
    figures = await drive(lambda: judge.complete(REQUEST), requests, in_flight)
    await judge.close()
    return figures


def look(url: str) -> str:
    """Ask the server what it saw since the last look."""
    with urllib.request.urlopen(url.replace("/v1", "/stats")) as reply:
        seen = json.load(reply)
    return f"{seen['connections']} connections, peak {seen['peak_in_flight']} in flight"


def measure(url: str, arguments: argparse.Namespace) -> None:
    """Print one line per client and number in flight."""
    clients: dict[str, Callable[[int], Awaitable[tuple[float, float]]]] = {
        "aiohttp floor": lambda m: floor(url, arguments.requests, m),
        "HttpEngine": lambda m: engine(url, arguments.requests, m, HttpEngine),
    }
    if arguments.sdk:
        clients["OpenAiSdkEngine"] = lambda m: engine(url, arguments.requests, m, OpenAiSdkEngine)
    for in_flight in arguments.in_flight:
        figures: dict[str, list[tuple[float, float]]] = {name: [] for name in clients}
        seen = dict.fromkeys(clients, "")
        for _, name in itertools.product(range(arguments.repeats), clients):
            look(url)
            figures[name].append(run_loop(clients[name](in_flight)))  # type: ignore[arg-type]  # an awaitable is enough
            seen[name] = look(url)
        for name, runs in figures.items():
            cpu, rate = (statistics.median(column) for column in zip(*runs, strict=True))
            print(f"{name:16} {in_flight:4} in flight  {cpu:6.3f} ms CPU a request  {rate:7.0f} requests/s  {seen[name]}")


def profile_engine(url: str, arguments: argparse.Namespace) -> None:
    """Print the forty functions that take most of the time."""
    with cProfile.Profile() as profile:
        run_loop(engine(url, arguments.requests, arguments.in_flight[0], HttpEngine))
    pstats.Stats(profile).sort_stats("tottime").print_stats(40)


def main() -> None:
    """Read the command line, start the server, measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=2000, help="a measurement [default: 2000]")
    parser.add_argument("--in-flight", type=int, nargs="+", default=[64, 256], help="[default: 64 256]")
    parser.add_argument("--repeats", type=int, default=3, help="the median is printed [default: 3]")
    parser.add_argument("--sdk", action="store_true", help="measure the openai package's transport too")
    parser.add_argument("--profile", action="store_true", help="print where HttpEngine spends its time instead")
    arguments = parser.parse_args()
    script = Path(__file__).with_name("fake_server.py")
    with subprocess.Popen([sys.executable, script, "--port", "0"], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        try:
            if arguments.profile:
                profile_engine(url, arguments)
            else:
                measure(url, arguments)
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
