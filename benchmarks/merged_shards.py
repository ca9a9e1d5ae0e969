"""Two machines' worth of a run, put together, beside one run: the tables must be the same, value for value.

    python benchmarks/merged_shards.py [--rows 100000] [--shards 2]

Each shard is `judge run --shard I/N` over the same file with a scripted engine, then `judge merge`; each command is a process
of its own. rewards.parquet and verdicts.parquet are compared column by column and row by row, all but the seconds that a call
took, and requests.parquet by its rows, which are in the order in which they were sent.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq
from many_rows import SETTINGS, write_rows

REPLY = {"engine": {"kind": "scripted", "reply": "Fine.\nVERDICT: MET"}}


def judge(*arguments: str | Path) -> float:
    """One command; gives its seconds."""
    began = time.monotonic()
    command = [sys.executable, "-m", "judge.cli.main", *map(str, arguments)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return round(time.monotonic() - began, 1)


def same(one: Path, other: Path) -> dict[str, int]:
    """Rows of each table. Raises AssertionError where the two folders differ."""
    rows: dict[str, int] = {}
    for name, but in (("rewards", ()), ("verdicts", ("latency_s",)), ("requests", ())):
        found = [pq.read_table(folder / f"{name}.parquet").drop_columns(list(but)) for folder in (one, other)]
        if name == "requests":
            found = [table.sort_by("request_hash") for table in found]
        assert found[0].schema == found[1].schema, name
        assert found[0].equals(found[1]), name
        rows[name] = found[0].num_rows
    counts = [json.loads((folder / "run.json").read_text())["counts"] for folder in (one, other)]
    assert counts[0] == counts[1], counts
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--shards", type=int, default=2)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        (home / "settings.yaml").write_text(json.dumps(SETTINGS | REPLY))
        write_rows(home / "data.jsonl", asked.rows)
        run = ["run", home / "settings.yaml", "--data", home / "data.jsonl", "--output"]
        print(f"one run: {judge(*run, home / 'one')} s", flush=True)
        parts = [home / f"part{index}" for index in range(asked.shards)]
        for index, part in enumerate(parts):
            print(f"shard {index}/{asked.shards}: {judge(*run, part, '--shard', f'{index}/{asked.shards}')} s", flush=True)
        print(f"merge: {judge('merge', home / 'all', *parts)} s", flush=True)
        print(f"the same: {same(home / 'one', home / 'all')}")
