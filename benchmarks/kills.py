"""Kill a batch run again and again at random moments, and look whether anything is lost, doubled or torn.

    python benchmarks/kills.py --kills 200

Each run judges `--rows` rows with a scripted engine whose replies take a random time. It is killed (SIGKILL) at a random moment,
started again, killed again, until it comes to its end; then the next one begins. Reported:

- lost: rows, verdicts or requests that an undisturbed run has and this one has not, and replies that had been kept once and are
  gone;
- doubled: rows or verdicts that are there twice;
- torn: a file that cannot be read after a kill, or does not pass SQLite's integrity check;
- repeated: calls that had been sent and were not kept, at each kill, as a share of the in-flight window (the most calls that were
  in flight at once).

Processes are forked from one that has imported everything: a kill takes a tenth of a second and not two.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from judge.batch.run import run_batch
from judge.engine.scripted import ScriptedEngine
from judge.pipeline.build import plan
from judge.settings import load_settings
from judge.types import Completion, Request, Sample

SETTINGS: dict[str, Any] = {
    "rubric": {"name": "kills", "criteria": [{"id": "right", "text": "The answer is right."}, {"id": "short", "text": "Short."}]},
    "recipe": "checklist",
    "engine": {"kind": "scripted"},
}


@dataclass
class Found:
    """What a number of kills came to."""

    kills: int = 0
    lost: int = 0
    doubled: int = 0
    torn: int = 0
    runs: int = 0
    repeated: list[float] = field(default_factory=list)  # windows, one a kill
    said: list[str] = field(default_factory=list)

    def line(self) -> str:
        """The figures in one line."""
        most, mean = max(self.repeated, default=0.0), sum(self.repeated) / max(len(self.repeated), 1)
        return (
            f"{self.kills} kills in {self.runs} runs: {self.lost} lost, {self.doubled} doubled, {self.torn} torn; calls repeated"
            f" after a kill, in windows: mean {mean:.2f}, most {most:.2f}"
        )


class LoggingEngine(ScriptedEngine):
    """Replies after a random time, and writes down what was sent, so that a killed process has told it."""

    def __init__(self, log: Path, seed: int, most_s: float) -> None:
        super().__init__(lambda request: "VERDICT: MET")
        self._log = os.open(log, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        self._random = random.Random(seed)
        self._most_s = most_s
        self.now = 0

    async def complete(self, request: Request) -> Completion:
        """Reply; one line before, with the calls in flight."""
        self.now += 1
        os.write(self._log, f"{self.now}\n".encode())
        try:
            await asyncio.sleep(self._random.uniform(0.2, 1) * self._most_s)
            return Completion("VERDICT: MET", prompt_tokens=10, completion_tokens=2)
        finally:
            self.now -= 1


def rows(count: int) -> Iterator[Sample]:
    """Rows of which each asks something else."""
    for i in range(count):
        yield Sample.of(f"What is {i} + {i}?", f"It is {2 * i}.", id=f"s{i}", group=f"g{i // 4}")


def judge(folder: Path, count: int, in_flight: int, seed: int, most_s: float = 0.06) -> None:
    """One run, from wherever an earlier one was killed."""
    settings, _ = load_settings(SETTINGS | {"max_in_flight": in_flight})
    engine = LoggingEngine(folder.parent / "sent.log", seed, most_s)
    asyncio.run(run_batch(plan(settings), rows(count), folder, engine=engine, quiet=True))


def forked(folder: Path, count: int, in_flight: int, seed: int, after_s: float, *, from_call: bool = False) -> tuple[bool, float]:
    """Judge in a process of its own and kill it after a time; gives whether it came to its end before, and how long it took.

    Args:
        from_call: The time begins with the first call that this process sends.
    """
    began = time.monotonic()
    log = folder.parent / "sent.log"
    size = log.stat().st_size if log.exists() else 0
    waits = from_call
    child = os.fork()
    if child == 0:
        code = 1
        with contextlib.suppress(BaseException):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            judge(folder, count, in_flight, seed)
            code = 0
        os._exit(code)
    while waits or time.monotonic() - began < after_s:
        if waits and log.exists() and log.stat().st_size > size:
            waits, began = False, time.monotonic()
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            if status:
                raise RuntimeError(f"the run in {folder} failed by itself (status {status})")
            return True, time.monotonic() - began
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False, after_s


def sent(log: Path) -> tuple[int, int]:
    """Calls that were sent so far, and the most that were in flight at once."""
    lines = log.read_bytes().split(b"\n")[:-1] if log.exists() else []
    return len(lines), max(map(int, lines), default=0)


def kept(folder: Path, found: Found) -> int:
    """Replies in the journal; what cannot be read is torn."""
    path = folder / "journal.sqlite"
    if not path.exists():
        return 0
    try:
        with contextlib.closing(sqlite3.connect(path)) as db:
            if db.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
                found.torn += 1
            tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
            number = db.execute("SELECT COUNT(*) FROM calls WHERE usable = 1").fetchone()[0] if "calls" in tables else 0
        for table in folder.glob("*.parquet"):
            pq.read_table(table)
        if (folder / "run.json").exists():
            json.loads((folder / "run.json").read_text())
    except Exception as why:  # noqa: BLE001  # whatever it is, it is what is counted here
        found.torn += 1
        found.said.append(f"{folder}: {why}")
        return 0
    return int(number)


def compare(folder: Path, whole: Path, found: Found) -> None:
    """Look at the tables of a run that came to its end, beside those of one that was not disturbed."""
    keys = {"rewards": ("row", "response_index"), "verdicts": ("row", "request_hash"), "requests": ("request_hash",)}
    for name, columns in keys.items():
        here, there = (
            Counter(tuple(row[c] for c in columns) for row in pq.read_table(f / f"{name}.parquet").to_pylist())
            for f in (folder, whole)
        )
        found.lost += sum((there - here).values())
        found.doubled += sum((here - there).values())
    drop = ["judge_calls", "prompt_tokens", "completion_tokens"]  # a reply of the journal costs nothing
    if not pq.read_table(folder / "rewards.parquet").drop(drop).equals(pq.read_table(whole / "rewards.parquet").drop(drop)):
        found.said.append(f"{folder}: rewards differ")
        found.lost += 1


def kill_often(kills: int, count: int, in_flight: int, seed: int = 0) -> Found:
    """Kill runs over `count` rows until there were `kills` kills."""
    found, dice = Found(), random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        (base / "whole").mkdir()
        done, whole_s = forked(base / "whole" / "run", count, in_flight, seed, 600)
        assert done  # nobody killed it
        while found.kills < kills:
            home = base / f"run{found.runs}"
            home.mkdir()
            folder, before = home / "run", 0
            while found.kills < kills:
                judging = dice.random() < 0.7  # the others may come while it starts, reads its journal or writes its tables
                after_s = dice.uniform(0.0, 0.5 if judging else whole_s)
                ended, _ = forked(folder, count, in_flight, dice.randrange(1 << 30), after_s, from_call=judging)
                if ended:
                    break
                found.kills += 1
                now = kept(folder, found)
                found.lost += max(before - now, 0)
                number, window = sent(home / "sent.log")
                found.repeated.append((number - sum_repeated(home, now)) / max(window, 1))
                before = now
            forked(folder, count, in_flight, dice.randrange(1 << 30), 600)
            compare(folder, base / "whole" / "run", found)
            found.runs += 1
            shutil.rmtree(home)
    return found


def sum_repeated(home: Path, now: int) -> int:
    """Calls sent before this kill that were kept, or were repeated after an earlier one."""
    path = home / "repeated"
    earlier = int(path.read_text()) if path.exists() else 0
    number, _ = sent(home / "sent.log")
    path.write_text(str(number - now))
    return now + earlier


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="how many (default 200)")
    parser.add_argument("--rows", type=int, default=400, help="of each run (default 400)")
    parser.add_argument("--in-flight", type=int, default=32, help="samples at once (default 32)")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    result = kill_often(asked.kills, asked.rows, asked.in_flight, asked.seed)
    print(*result.said, sep="\n", file=sys.stderr)
    print(result.line())
