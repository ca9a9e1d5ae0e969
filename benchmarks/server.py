"""The reward server under load, faults and shutdown: rows S1 to S11, and what it adds to a judgement.

    python benchmarks/server.py [--seconds 30] [--only latency S1 ...]

A scripted engine stands for the model: a reply takes `delay_s`, which is slept and not computed, so what is measured is the
server. The server runs in a process of its own (latency, S1, S6) or on a thread (where the engine has to be looked into); the
client is aiohttp. Prints one table row for each row, with its goal.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
from server_harness import CONFIG, HEADERS, Engine, at, body, child, client, endpoint, post, thread, until

from judge.pipeline.judge import Judge
from judge.server.serve import serve
from judge.settings.server import ServerSettings
from judge.types import Sample


async def latency(options: argparse.Namespace) -> str:
    """One request at a time against the judge in the client's own process; and how many a second there can be."""
    with Judge.from_config(CONFIG, engine=Engine(0.02)) as judge, child(0.02) as (url, process):
        async with client() as session:

            async def here(number: int) -> float:
                began = time.perf_counter()
                given = body(number)["samples"][0]
                await judge.session.score([Sample.of(given["prompt"], given["response"])], watched=False)
                return time.perf_counter() - began

            async def there(number: int) -> float:
                return (await post(session, url, body(number)))[1]

            plain, spent = await _timed(here, 320, 1), cpu_s(process.pid)
            served = await _timed(there, 320, 1)
            spent = 1000 * (cpu_s(process.pid) - spent) / len(served)
            p50, p99 = (1000 * (at(served, q) - at(plain, q)) for q in (0.5, 0.99))
            began = time.perf_counter()
            await _timed(there, 1500, 64)
            rate = 1516 / (time.perf_counter() - began)
    return f"p50 {p50:+.1f} ms, p99 {p99:+.1f} ms, {spent:.1f} ms of CPU a request; 64 at once: {rate:.0f} requests/s"


async def _timed(ask: Callable[[int], Awaitable[float]], count: int, at_once: int) -> list[float]:
    room = asyncio.Semaphore(at_once)

    async def one(number: int) -> float:
        async with room:
            return await ask(number)

    await asyncio.gather(*(one(-i) for i in range(1, 17)))  # a first round, not counted
    return list(await asyncio.gather(*(one(i) for i in range(count))))


async def overload(options: argparse.Namespace) -> str:
    """S1: four times as much as fits, for a while."""
    room, delay = {"max_concurrency": 16, "queue_size": 8, "max_samples": 8}, 0.4
    with child(delay, **room) as (url, process):
        async with client() as session:
            calm = [(await post(session, url, body(f"c{i}")))[1] for i in range(10)]
            memory = _rss(process.pid)
            period, began, tasks = delay / 16 / 4, time.perf_counter(), []
            while time.perf_counter() - began < options.seconds:
                tasks.append(asyncio.create_task(post(session, url, body(len(tasks)))))
                await asyncio.sleep(max(0.0, began + len(tasks) * period - time.perf_counter()))
            answers = await asyncio.gather(*tasks)
        grown = _rss(process.pid) / memory - 1
    taken = [s for status, s, _, _ in answers if status == 200]
    refused = [s for status, s, _, headers in answers if status == 429 and "retry-after" in headers]
    unloaded = at(calm, 0.99)
    return (
        f"{len(answers)} requests in {options.seconds:g} s ({len(answers) / len(taken):.1f} x what fits): {len(taken)} judged,"
        f" {len(refused)} told 429 + Retry-After, {len(answers) - len(taken) - len(refused)} other;"
        f" refusal p50 {1000 * at(refused, 0.5):.0f} ms, p99 {1000 * at(refused, 0.99):.0f} ms; accepted p99"
        f" {at(taken, 0.99) / unloaded:.2f} x unloaded; RSS {grown:+.1%}"
    )


def cpu_s(pid: int) -> float:
    """User and system seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def _rss(pid: int) -> int:
    return int(re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[0])


async def bodies(options: argparse.Namespace) -> str:
    """S2: one byte over the limit, with and without Content-Length."""
    limit, out = 65_536, []

    async def parts(size: int) -> AsyncIterator[bytes]:
        raw = json.dumps(body(0)).encode()
        for begin in range(0, size, 4096):
            yield (raw + b" " * (size - len(raw)))[begin : min(begin + 4096, size)]

    async with thread(Engine(), max_body_bytes=limit) as (url, _), client() as session:
        for size in (limit, limit + 1):
            raw = b"".join([part async for part in parts(size)])
            for data in (raw, parts(size)):
                async with session.post(f"{url}/v1/score", data=data, headers={"Content-Type": "application/json"}) as answer:
                    out.append(str(answer.status))
    return f"at the limit {', '.join(out[:2])}; one byte over {', '.join(out[2:])} (said length, chunked)"


async def cancellation(options: argparse.Namespace) -> str:
    """S3: 200 requests abandoned at once."""
    engine = Engine()
    async with thread(engine, max_concurrency=64, queue_size=256) as (url, app):
        async with client() as session:
            tasks = [asyncio.create_task(post(session, url, body(i, "SLOW one."))) for i in range(200)]
            await until(lambda: app.state.judge.admission.held == 200 and engine.live == 64, 30)
            live = engine.live
            for task in tasks:
                task.cancel()
            gone = await until(lambda: engine.live == 0)
            await asyncio.gather(*tasks, return_exceptions=True)
        async with client() as session:
            _, seconds, _, _ = await post(session, url, body("short"))
    return (
        f"{live} calls in the engine, 200 requests abandoned: none left after {gone:.2f} s; a short request then {seconds:.3f} s"
    )


async def deadline(options: argparse.Namespace) -> str:
    """S4: a sample that never ends, beside one that does."""
    async with thread(Engine(), item_timeout_s=1.0) as (url, _), client() as session:
        both = {"samples": body(1, "SLOW one.")["samples"] + body(2)["samples"]}
        _, seconds, raw, _ = await post(session, url, both)
    rewards = [r["rewards"][0]["reward"] for r in json.loads(raw)["results"]]
    return f"limit 1 s: answered after {seconds:.2f} s, rewards {rewards}"


async def retries(options: argparse.Namespace) -> str:
    """S5: what is asked again, by the calls that reach a judge which fails."""
    parts = []
    faults: dict[str, Callable[[int], int]] = {
        "one in five 503": lambda n: 503 if n % 5 == 0 else 200,
        "one in five 400": lambda n: 400 if n % 5 == 0 else 200,
        "outage": lambda n: 503,
    }
    for name, status in faults.items():
        async with endpoint(status) as (url, sent):
            engine = {"kind": "openai", "model": "m", "base_url": url, "check_model": False, "deadline_s": 5, "concurrency": 32}
            with Judge.from_config({**CONFIG, "engine": engine}) as judge:
                samples = [Sample.of(f"What is {i} + {i}?", f"It is {2 * i}.") for i in range(200)]
                began = time.perf_counter()
                rewards = await judge.ascore(samples)
                seconds = time.perf_counter() - began
        missing = sum(r.reward is None for r in rewards)
        parts.append(f"{name}: {len(sent)} calls for 200, {missing} without a reward, {seconds:.1f} s")
    return "; ".join(parts)


async def drain(options: argparse.Namespace) -> str:
    """S6: SIGTERM with work in progress."""
    with child(1.5, drain_s=10) as (url, process):
        async with client() as session:
            tasks = [asyncio.create_task(post(session, url, body(i))) for i in range(64)]
            await asyncio.sleep(0.7)
            began = time.perf_counter()
            process.send_signal(signal.SIGTERM)
            ready = 200
            while ready == 200:
                async with session.get(f"{url}/readyz") as answer:
                    ready = answer.status
            seen = time.perf_counter() - began
            refused = await post(session, url, body("late"))
            answers = await asyncio.gather(*tasks)
        code = await asyncio.to_thread(process.wait, 10)
        ended = time.perf_counter() - began
    done = sum(status == 200 for status, _, _, _ in answers)
    return (
        f"{done} of 64 in progress answered; not ready after {1000 * seen:.0f} ms; new work {refused[0]} (Retry-After"
        f" {refused[3].get('Retry-After')} s); exit {code} after {ended:.1f} s (limit 10 s)"
    )


async def readiness(options: argparse.Namespace) -> str:
    """S7: the judge dies under light traffic, comes back, then hangs."""
    engine, out = Engine(0.05), []
    async with thread(engine, stall_s=3.0) as (url, app), client() as session:
        health = app.state.judge.health

        async def traffic() -> None:
            for number in range(100_000):
                await asyncio.sleep(0.2)
                background.add(asyncio.create_task(post(session, url, body(number))))

        background: set[asyncio.Task[Any]] = set()
        background.add(asyncio.create_task(traffic()))
        for change, wanted in (
            ({"dead": True}, False),
            ({"dead": False}, True),
            ({"hung": True}, False),
            ({"hung": False}, True),
        ):
            await asyncio.sleep(1.5)
            held = (health.status == "ready") != wanted  # it has stayed as it was
            vars(engine).update(change)
            out.append(await until(lambda wanted=wanted: (health.status == "ready") == wanted, 30) if held else float("nan"))
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
    return (
        f"engine errors: not ready after {out[0]:.1f} s, ready {out[1]:.2f} s after recovery; engine hangs (stall_s 3): not ready"
        f" after {out[2]:.1f} s, ready {out[3]:.2f} s after recovery"
    )


async def auth(options: argparse.Namespace) -> str:
    """S8: every route without a key."""
    async with thread(Engine()) as (url, _), aiohttp.ClientSession() as session:
        async with session.get(f"{url}/openapi.json", headers=HEADERS) as answer:
            paths = [*(await answer.json())["paths"], "/openapi.json", "/docs", "/nowhere"]
        codes: dict[int, int] = {}
        for path in paths:
            for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS"):
                if path not in ("/livez", "/readyz"):
                    async with session.request(method, url + path.replace("{group_id}", "g").replace("{index}", "0")) as answer:
                        codes[answer.status] = codes.get(answer.status, 0) + 1
    return f"{len(paths) - 2} routes x 5 methods without a key: {', '.join(f'{n} x {c}' for c, n in codes.items())}"


async def replay(options: argparse.Namespace) -> str:
    """S9: the same Idempotency-Key."""
    engine = Engine()
    async with thread(engine) as (url, _), client() as session:
        session.headers["Idempotency-Key"] = "k"
        before = len(engine.requests)
        first, again = await post(session, url, body(1)), await post(session, url, body(1))
        other = await post(session, url, body(2))
    return f"same bytes: {first[2] == again[2]}; judge calls: {len(engine.requests) - before}; other body: {other[0]}"


async def pass_through(options: argparse.Namespace) -> str:
    """S11: fields that would reach an engine."""
    fields = ("chat_template", "chat_template_kwargs", "extra_body", "n", "logprobs", "model", "sampling", "engine", "max_tokens")
    engine = Engine()
    async with thread(engine) as (url, _), client() as session:
        before = len(engine.requests)
        codes = [(await post(session, url, {**body(0), field: 1}))[0] for field in fields]
        codes += [(await post(session, url, {"samples": [{**body(0)["samples"][0], field: 1}]}))[0] for field in fields]
    return f"{codes.count(422)} of {len(codes)} refused with 422, {len(engine.requests) - before} engine calls"


ROWS: dict[str, tuple[str, str, Callable[[argparse.Namespace], Awaitable[str]]]] = {
    "latency": ("added to a judgement of 20 ms", "p50 under 10 ms", latency),
    "S1": ("overload", "refusal p99 <= 50 ms, accepted p99 <= 2 x, RSS <= +10 %", overload),
    "S2": ("body limit", "413 at limit + 1 byte", bodies),
    "S3": ("cancellation", "engine free <= 1 s, short request <= 5 s", cancellation),
    "S4": ("deadline", "overrun <= 0.5 s", deadline),
    "S5": ("retries", "200 calls + the failed ones; 400 not asked again; outage <= 220 calls", retries),
    "S6": ("drain", "all accepted finish, exit <= limit + 2 s", drain),
    "S7": ("readiness", "false <= 5 s, true <= 5 s", readiness),
    "S8": ("keys", "401 everywhere", auth),
    "S9": ("replay", "same bytes, one call", replay),
    "S11": ("pass-through", "all refused", pass_through),
}


async def main(options: argparse.Namespace) -> None:
    """Print the table."""
    print("| row | what | goal | measured |\n|---|---|---|---|")
    for name, (what, goal, run) in ROWS.items():
        if not options.only or name in options.only:
            print(f"| {name} | {what} | {goal} | {await run(options)} |", flush=True)


def _child(given: dict[str, Any]) -> None:
    with Judge.from_config(CONFIG, engine=Engine(given.pop("delay_s"))) as judge:
        serve(judge, ServerSettings(port=0, **given))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure the reward server.")
    parser.add_argument("--seconds", type=float, default=30.0, help="How long S1 lasts.")
    parser.add_argument("--only", nargs="*", choices=list(ROWS), help="Rows to measure.")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        _child(json.loads(chosen.child))
    else:
        asyncio.run(main(chosen))
