"""`judge merge`: the shards of a run, put together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from judge.batch.merge import merge_runs
from judge.cli.options import notice, say


def merge(
    output: Annotated[Path, typer.Argument(help="Output directory (created if missing).", metavar="OUT")],
    runs: Annotated[list[Path], typer.Argument(help="All folders of `judge run --shard I/N`, in any order.", metavar="RUN...")],
    jsonl: Annotated[bool, typer.Option("--jsonl", help="Write rewards.jsonl as well. [default: off]")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the results of another run in OUT. [default: off; refused]")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress on standard error. [default: off]")] = False,
) -> None:
    """Put the shards of a run together: the same tables as if one machine had judged all rows.

    Refused, with the folder named: shards of other settings, data or models, a shard that is missing, given twice or not
    finished, a row that is in two shards or in none. The shards stay as they are.

    \b
    Examples:
      judge run my.yaml --data big.parquet --shard 0/2 --output runs/part0
      judge run my.yaml --data big.parquet --shard 1/2 --output runs/part1
      judge merge runs/all runs/part0 runs/part1

    Exit codes: 0 done, 2 not the shards of one run, 4 results cannot be written.
    """
    say(merge_runs(runs, output, jsonl=jsonl, overwrite=overwrite, notice=lambda t: None if quiet else notice(t)).summary)
