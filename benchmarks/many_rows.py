"""Judge many rows with a scripted engine, from the data to the tables, and say how fast and in how much memory.

    python benchmarks/many_rows.py --rows 10000 1000000

Each size runs in a process of its own, as `judge run` does it: rows are read from a JSON Lines file, judged, kept in the journal,
and written to rewards.parquet, verdicts.parquet and requests.parquet. Progress is the run's own, on standard error. Reported are
seconds and CPU seconds for judging and for the tables, rows a second, and the most memory that the process held.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from judge.batch.read import read_samples
from judge.batch.run import run_batch
from judge.engine.scripted import ScriptedEngine
from judge.pipeline.build import plan
from judge.settings import load_settings
from judge.types import Request

SETTINGS: dict[str, Any] = {
    "rubric": {"name": "rows", "criteria": [{"id": "right", "text": "The answer is right."}]},
    "recipe": "checklist",
    "engine": {"kind": "scripted"},
    "max_in_flight": 256,
}


class Forgetful(list[Request]):
    """A list that keeps nothing: a scripted engine remembers every request, and a million of them are not what is measured."""

    def append(self, request: Request) -> None:
        """Leave it."""


def write_rows(path: Path, count: int) -> None:
    """Answers of a sentence, eight to a prompt."""
    with path.open("w", encoding="utf-8") as file:
        for i in range(count):
            asked, said = i // 8, i // 8 + i % 8
            answer = f"Counting one further from {asked} leads to {said}, so the sum is {said}."
            row = {"id": f"row-{i}", "prompt": f"What is {asked} + 1?", "response": answer}
            file.write(json.dumps(row | {"group": f"g{i // 8}"}) + "\n")


def judge(count: int, data: Path, folder: Path) -> dict[str, float]:
    """One run; gives its figures."""
    engine = ScriptedEngine(lambda request: "Fine.\nVERDICT: MET")
    engine.requests = Forgetful()
    settings, _ = load_settings(SETTINGS)
    began, cpu = time.monotonic(), time.process_time()
    result = asyncio.run(run_batch(plan(settings), read_samples(str(data)), folder, total=count, engine=engine))
    took, cpu = time.monotonic() - began, time.process_time() - cpu
    judging = result.run["seconds"]["judging"]
    assert result.run["counts"]["samples"] == count
    return {
        "rows": count,
        "seconds": round(took, 1),
        "judging_s": judging,
        "cpu_s": round(cpu, 1),
        "cpu_ms_a_row": round(1000 * cpu / count, 3),
        "rows_a_second": round(count / took, 1),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "folder_mb": round(sum(f.stat().st_size for f in folder.iterdir()) / 1e6, 1),
    }


def measured(sizes: Sequence[int], folder: str | None) -> None:
    """Each size in its own process, its figures as one JSON line."""
    for count in sizes:
        with tempfile.TemporaryDirectory(dir=folder) as name:
            write_rows(Path(name) / "data.jsonl", count)
            subprocess.run([sys.executable, __file__, "--one", str(count), name], check=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--folder", help="where the data and the run lie meanwhile (default: the system's)")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        home = Path(asked.one[1])
        print(json.dumps(judge(int(asked.one[0]), home / "data.jsonl", home / "run")), flush=True)
    else:
        measured(asked.rows, asked.folder)
