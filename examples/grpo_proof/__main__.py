"""A policy trained with GRPO against a judge that can be bought: with the trivial-answer filter, and without.

    python -m examples.grpo_proof [--seeds 0 1 2] [--jobs 2] [--out FOLDER]      about ten minutes on two cores
    python -m examples.grpo_proof --quick                                        under a minute: does everything run?
    python -m examples.grpo_proof --keys vague [--config verifier]               strings that the filter does not know

Needs the `trl` extra, PyTorch on a CPU, and matplotlib; no download, no GPU. Written to FOLDER (`runs/grpo_proof`):
`grpo_proof.json` with every curve, `grpo_proof.svg`. Printed: one line as each run ends, then a table.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from examples.grpo_proof import figures
from examples.grpo_proof.train import Plan, Run, make_base, run_one, set_up_process

TAUGHT = 500  # steps that make the base policy


def main() -> None:
    """Read the options, run both arms of each seed, write the figures."""
    parser = argparse.ArgumentParser(description="GRPO against a gullible judge, with the trivial-answer filter and without.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="SEED", help="[default: 0 1 2]")
    parser.add_argument("--arms", nargs="+", default=["strict", "off"], choices=["strict", "off"], help="[default: both]")
    parser.add_argument("--empty", type=float, default=0.8, metavar="SHARE",
                        help="how often the judge accepts a response without content [default: 0.8]")  # fmt: skip
    parser.add_argument("--keys", default="known", choices=["known", "vague"],
                        help="strings without content the policy has: published ones or prose [default: known]")  # fmt: skip
    parser.add_argument("--config", default="rubric", choices=["rubric", "verifier"],
                        help="rubric.yaml or verifier.yaml [default: rubric]")  # fmt: skip
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="runs side by side, one core each [default: 2]")
    parser.add_argument("--out", type=Path, default=Path("runs/grpo_proof"), metavar="FOLDER")
    parser.add_argument("--quick", action="store_true", help="one seed, a few steps; nothing is learned")
    options = parser.parse_args()
    started = time.monotonic()
    seeds, taught = (options.seeds[:1], 20) if options.quick else (options.seeds, TAUGHT)
    plans = [Plan(seed, filters, options.empty, options.keys, options.config) for seed in seeds for filters in options.arms]
    jobs = 0 if options.quick else options.jobs
    if options.quick:
        plans = [replace(p, steps=3, batch=16, held_out=16, every=1) for p in plans]
    runs = run_all(plans, taught, jobs)
    seconds = round(time.monotonic() - started)
    options.out.mkdir(parents=True, exist_ok=True)
    record = {"made_with": made_with(plans[0], taught, jobs, seconds), "runs": [asdict(r) for r in runs]}
    (options.out / "grpo_proof.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    figures.plot(runs, options.out / "grpo_proof.svg")
    print(f"\n{figures.table(runs)}\n\nFirst step of each alarm:\n\n{figures.alarm_table(runs)}")
    print(f"\n{len(runs)} runs in {seconds} s; curves and picture in {options.out}")


def run_all(plans: list[Plan], taught: int, jobs: int) -> list[Run]:
    """One base policy a seed, then the runs; `jobs` at a time, each in a process of its own (0: here, one after another)."""
    with tempfile.TemporaryDirectory() as folder, workers(jobs) as each:
        bases = {seed: Path(folder) / f"base-{seed}.pt" for seed in {p.seed for p in plans}}
        list(each(make_base, bases, bases.values(), [taught] * len(bases), [plans[0].keys] * len(bases)))
        return list(each(run_one, plans, [bases[p.seed] for p in plans]))


@contextmanager
def workers(jobs: int) -> Iterator[Callable[..., Iterable[Any]]]:
    """`map` over processes, a fresh one for each call."""
    if not jobs:
        set_up_process()
        yield map
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=spawn, initializer=set_up_process, max_tasks_per_child=1) as pool:
        yield pool.map


def made_with(plan: Plan, taught: int, jobs: int, seconds: int) -> dict[str, object]:
    """What somebody needs to get the same curves."""
    shared = {k: v for k, v in asdict(plan).items() if k not in ("seed", "filters")}
    return {
        "command": shlex.join(["python", "-m", "examples.grpo_proof", *sys.argv[1:]]).partition(" --out")[0],
        "steps_of_the_base_policy": taught,
        "plan": shared,
        "jobs": jobs,
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "seconds": seconds,
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("torch", "trl", "transformers")},
    }


if __name__ == "__main__":
    main()
