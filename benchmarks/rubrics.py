"""How many rubrics a second the toolkit can write, and how much memory that takes, when the model costs nothing.

    python benchmarks/rubrics.py [--prompts 50000] [--kill]

A scripted engine answers at once with a rubric of ten items; what is measured is all the rest: reading the prompts, rendering,
journal, parsing, `rubrics.jsonl` and one YAML file a rubric. CPU seconds are those of this process; the peak is its own. With
`--kill` the run is killed half-way and started again, and the second one must ask for no more than what was not yet written down.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path

from judge.batch.read import read_samples
from judge.cli.generate import run_generator
from judge.engine.scripted import ScriptedEngine
from judge.generators.model import load_generator
from judge.generators.run import rows_from
from judge.settings import RunSettings
from judge.types import Completion, Request

ITEMS = "\n".join(
    f"{i}. Part {i}: The response states part {i} of the answer and says why it holds. [Important, 3]" for i in range(1, 11)
)


class Quick(ScriptedEngine):
    """Answers every request with ten items, and keeps none of them."""

    async def complete(self, request: Request) -> Completion:
        """The same reply to every request."""
        await asyncio.sleep(0)
        return Completion(ITEMS)


def write(folder: Path, rows: Path) -> dict[str, object]:
    """One run; its summary."""
    samples = rows_from(read_samples(str(rows), answered=False))
    return asyncio.run(run_generator(load_generator("rar"), RunSettings(), samples, folder, Quick([ITEMS])))


def measured(folder: str, rows: str) -> None:
    """One run in a process of its own; prints what it took as JSON."""
    began, cpu = time.monotonic(), time.process_time()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    counts = write(Path(folder), Path(rows))["counts"]
    assert isinstance(counts, dict)  # so it is written
    cpu = time.process_time() - cpu
    told = {
        "rubrics": counts["kept"],
        "calls": counts["calls"],
        "from_journal": counts["calls_from_journal"],
        "rubrics_per_cpu_second": round(counts["kept"] / cpu),
        "seconds": round(time.monotonic() - began, 1),
        "cpu_seconds": round(cpu, 1),
        "mib_before": round(before),
        "mib_peak": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    print(json.dumps(told), flush=True)


def prompts(path: Path, count: int) -> Path:
    """A file of that many different prompts."""
    with path.open("w", encoding="utf-8") as out:
        for i in range(count):
            out.write(json.dumps({"id": f"p{i}", "prompt": f"Explain number {i}: what follows from it?"}) + "\n")
    return path


def main() -> None:
    """Measure a tenth of the prompts and all of them; then, if asked to, a run that is killed and goes on."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=50_000, help="prompts of the large run (default 50000)")
    parser.add_argument("--kill", action="store_true", help="kill a run half-way and start it again")
    given = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        for count in (given.prompts // 10, given.prompts):
            rows = prompts(root / f"{count}.jsonl", count)
            one = spawn.Process(target=measured, args=(str(root / f"out{count}"), str(rows)))
            one.start()
            one.join()
        if given.kill:
            killed(spawn, root, rows, given.prompts)
    sys.exit(0)


def killed(spawn: multiprocessing.context.SpawnContext, root: Path, rows: Path, count: int) -> None:
    """Kill a run when half of its lines are written, and run it again."""
    out = root / "killed"
    first = spawn.Process(target=measured, args=(str(out), str(rows)))
    first.start()
    part = out / "rubrics.jsonl.part"
    half = (root / f"out{count}" / "rubrics.jsonl").stat().st_size / 2
    while first.is_alive() and not (part.exists() and part.stat().st_size > half):
        time.sleep(0.05)
    os.kill(first.pid or 0, signal.SIGKILL)
    first.join()
    print("killed half-way; the same command again:")
    again = spawn.Process(target=measured, args=(str(out), str(rows)))
    again.start()
    again.join()
    same = (out / "rubrics.jsonl").read_bytes() == (root / f"out{count}" / "rubrics.jsonl").read_bytes()
    print("same rubrics.jsonl as in one go:", same)


if __name__ == "__main__":
    main()
