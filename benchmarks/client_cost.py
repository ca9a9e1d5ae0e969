"""What judging costs the client, everything included: CPU ms a judgement through `judge run`, the journal and the tables.

    python benchmarks/client_cost.py [--judgements 2000] [--in-flight 64 256] [--repeats 3] [--criteria 1] [--scripted] [--memory]
        [--profile]

Starts benchmarks/fake_server.py (20 ms a reply) in a process of its own. One response a sample, and a call (a judgement) for
each of its criteria. A first small run loads the libraries and is not counted; then the median of the repeats is printed. CPU
is user and system time of this process: rendering, quoting, hashing, HTTP, parsing, folding, journal and Parquet. --memory
runs 2,000 and 20,000 samples in processes of their own and prints the peak of each.
"""

from __future__ import annotations

import argparse
import contextlib
import cProfile
import json
import pstats
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from judge import Sample
from judge.batch.run import run_batch
from judge.loops import run as run_loop
from judge.pipeline.build import plan
from judge.settings import load_settings

CRITERION = "The response names the capital of France."
TEXT = "Response ######## names Paris, which is the capital of France, and says why.\nVERDICT: MET"  # no two are the same
ANSWER = "The capital is Paris, which has been the seat of government for most of the country's history. " * 4


def cpu_s() -> float:
    """User and system time of this process so far, in seconds."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def samples(count: int) -> Iterator[Sample]:
    """Samples that all differ, so that nothing is answered twice."""
    return (
        Sample.of(f"Question {i}: what is the capital of France, and why?", f"{ANSWER} ({i})", id=str(i)) for i in range(count)
    )


def run(url: str, count: int, in_flight: int, criteria: int = 1) -> tuple[float, float]:
    """CPU ms a judgement, and judgements a second. Without a URL, a scripted engine in this process replies.

    Args:
        count: Judgements; rounded up to whole samples.
    """
    rubric = {"name": "bench", "criteria": [{"id": f"c{n}", "text": f"{CRITERION} ({n})"} for n in range(criteria)]}
    size = -(-count // criteria)
    engine: dict[str, object] = {"kind": "scripted", "reply": TEXT}
    if url:
        engine = {"kind": "openai", "model": "fake", "base_url": url + "/v1", "concurrency": in_flight}
    settings, _ = load_settings(
        {"recipe": "checklist", "rubric": rubric, "max_in_flight": max(1, in_flight // criteria), "engine": engine}
    )
    with tempfile.TemporaryDirectory() as folder:
        began, cpu = time.perf_counter(), cpu_s()
        result = run_loop(run_batch(plan(settings), samples(size), Path(folder), quiet=True))
        seconds, spent = time.perf_counter() - began, cpu_s() - cpu
    assert result.run["counts"]["judged"] == size, result.run["counts"]
    return spent / (size * criteria) * 1000, size * criteria / seconds


def look(url: str) -> dict[str, int]:
    """The server's counters, set back to zero."""
    with urllib.request.urlopen(url + "/stats") as reply:
        return dict(json.load(reply))


@contextlib.contextmanager
def server() -> Iterator[str]:
    """A fake endpoint in a process of its own."""
    script = Path(__file__).with_name("fake_server.py")
    command = [
        sys.executable,
        script,
        "--port",
        "0",
        "--text",
        TEXT,
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip().removesuffix("/v1")
    finally:
        process.terminate()
        process.wait()


def measure(url: str, arguments: argparse.Namespace) -> None:
    """Print a row for each number in flight."""
    run(url, 200, 64)
    print(f"{arguments.judgements} judgements, median of {arguments.repeats}")
    for in_flight in arguments.in_flight:
        look(url)
        runs = [run(url, arguments.judgements, in_flight, arguments.criteria) for _ in range(arguments.repeats)]
        stats = look(url)
        cpu, rate = (statistics.median(column) for column in zip(*runs, strict=True))
        print(
            f"{in_flight:>5} in flight  {cpu:.3f} ms CPU a judgement  {rate:>7.0f} judgements/s  "
            f"{stats['connections'] / arguments.repeats:.0f} connections a run, peak {stats['peak_in_flight']} in flight"
        )


def memory() -> None:
    """Print the peak memory of a short and a long run."""
    for count in (2_000, 20_000):
        output = subprocess.run(
            [sys.executable, __file__, "--one", str(count)], check=True, capture_output=True, text=True
        ).stdout
        print(f"{count:>6} samples  {output.strip()} MiB peak")


def main() -> None:
    """Read the arguments and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--judgements", type=int, default=2000)
    parser.add_argument("--in-flight", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--criteria", type=int, default=1, help="of each sample, a call each")
    parser.add_argument("--scripted", action="store_true", help="without HTTP: replies of a scripted engine")
    parser.add_argument("--memory", action="store_true", help="peak memory of 2,000 and 20,000 samples instead")
    parser.add_argument("--profile", action="store_true", help="where the time goes instead")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory:
        memory()
        return
    if arguments.scripted:
        run("", 200, 64)
        for in_flight in arguments.in_flight:
            runs = [run("", arguments.judgements, in_flight, arguments.criteria) for _ in range(arguments.repeats)]
            cpu = statistics.median(cpu for cpu, _ in runs)
            print(f"{in_flight:>5} in flight  {cpu:.3f} ms CPU a judgement, {1000 / cpu:,.0f} judgements a second of CPU time")
        return
    with server() as url:
        if arguments.one:
            run(url, arguments.one, 256)
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
        elif arguments.profile:
            run(url, 200, 64)
            profile = cProfile.Profile()
            profile.runcall(run, url, arguments.judgements, 64)
            pstats.Stats(profile).sort_stats("tottime").print_stats(45)
        else:
            measure(url, arguments)


if __name__ == "__main__":
    main()
