"""What `judge run --ray local` adds to a run whose engine costs nothing: both in turn, over one file.

    python benchmarks/ray_beside.py [--rows 30000] [--rounds 3] [--workers 1]

Two criteria, so two scripted calls a row. Each run is a command of its own, as a user starts it. Reported are the seconds of
judging that `run.json` has (starting and ending Ray is not in them), and the CPU seconds of the command and all processes below
it. A run of 2,000 rows before each gives what a start costs, so that the last lines can tell CPU time a row without it. Wall time
means something on a quiet machine only.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

RUBRIC = {"name": "two", "criteria": [{"id": "right", "text": "The answer is right."}, {"id": "short", "text": "It is short."}]}
SETTINGS = {"rubric": RUBRIC, "recipe": "checklist", "engine": {"kind": "scripted", "reply": "Fine.\nVERDICT: MET"}}
FEW = 2000
LOOK_S = 0.1


def write_rows(path: Path, count: int) -> None:
    """Answers of a sentence, no two the same."""
    with path.open("w", encoding="utf-8") as file:
        for i in range(count):
            answer = f"One more than {i} is {i + 1}, so it is {i + 1}."
            file.write(json.dumps({"id": f"row-{i}", "prompt": f"What is {i} + 1?", "response": answer}) + "\n")


def judged(folder: Path, rows: int, name: str, more: list[str]) -> tuple[float, float]:
    """One command; gives its seconds of judging, and the CPU seconds of it and its descendants, as last seen of each."""
    command = [sys.executable, "-m", "judge.cli.main", "run", str(folder / "settings.yaml"), "--limit", str(rows), "--quiet"]
    command += ["--data", str(folder / "data.jsonl"), "--output", str(folder / name), *more]
    spent: dict[int, float] = {}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        own = psutil.Process(process.pid)
        while process.poll() is None:
            with contextlib.suppress(psutil.Error):
                for each in [own, *own.children(recursive=True)]:
                    with contextlib.suppress(psutil.Error):
                        spent[each.pid] = sum(each.cpu_times()[:2])
            time.sleep(LOOK_S)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return json.loads((folder / name / "run.json").read_text())["seconds"]["judging"], sum(spent.values())


def main() -> None:
    """Read the arguments and print a line a run, then the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=30_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", default="1")
    asked = parser.parse_args()
    kinds = {"judge run": [], f"--ray local --workers {asked.workers}": ["--ray", "local", "--workers", asked.workers]}
    wall, a_row = ({kind: list[float]() for kind in kinds} for _ in range(2))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "settings.yaml").write_text(json.dumps(SETTINGS))
        write_rows(folder / "data.jsonl", asked.rows)
        for number in range(asked.rounds):
            for place, (kind, more) in enumerate(kinds.items()):
                start = judged(folder, FEW, f"few-{number}-{place}", more)[1]
                seconds, cpu = judged(folder, asked.rows, f"run-{number}-{place}", more)
                wall[kind].append(seconds)
                a_row[kind].append(1000 * (cpu - start) / (asked.rows - FEW))
                print(f"{kind:<28} judging {seconds:6.1f} s  CPU {cpu:6.1f} s, {a_row[kind][-1]:.3f} ms a row", flush=True)
    for what, found in (("judging, s", wall), ("CPU, ms a row", a_row)):
        one, many = map(statistics.median, found.values())
        print(f"median of {asked.rounds}, {what}: {one:.3f} and {many:.3f} with Ray, {many / one - 1:+.1%}")


if __name__ == "__main__":
    main()
