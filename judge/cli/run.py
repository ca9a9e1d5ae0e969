"""`judge run`: judge a data set."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from judge.batch.describe import DataSource
from judge.batch.dry_run import dry_run
from judge.batch.read import parse_map, read_samples
from judge.batch.run import run_batch
from judge.cli.options import Config, Data, Limit, Map, Set, SplitOption, kept_columns, load_plan, needed_columns, notice
from judge.errors import InputError
from judge.pipeline.shaping import LENGTHS


def run(
    config: Config,
    data: Data,
    output: Annotated[
        Path | None, typer.Option("--output", help="Output directory (created if missing).", metavar="DIR", show_default=False)
    ] = None,
    mapping: Map = None,
    overrides: Set = None,
    split: SplitOption = "",
    limit: Limit = None,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="Write rewards.jsonl as well. [default: off]")] = False,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="A row that cannot be judged as it is ends the run. [default: off; it gets no reward, with the reason]",
        ),
    ] = False,
    dry: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Print the calls and tokens the run would take; start no engine, write nothing. [default: off]"
        ),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress on standard error. [default: off]")] = False,
) -> None:
    """Judge every row of a data set; write rewards.parquet, verdicts.parquet and run.json to a run folder.

    A row has a prompt (text or chat messages) and a response, two responses (response_a, response_b or chosen, rejected), or a
    list of responses. Columns reference, context, rubric, principle, id and group are used when they are there.

    Running the same command again asks the judge only about what is new or failed. Ctrl-C stops cleanly.

    \b
    Examples:
      judge run examples/quickstart.yaml --data examples/quickstart.jsonl --output runs/quickstart
      judge run my.yaml --data answers.parquet --map prompt=question,response=answer --output runs/a
      judge run my.yaml --data answers.jsonl --output runs/b --set engine.model=Qwen/Qwen3-8B --set votes.n=5
      judge run my.yaml --data answers.jsonl --dry-run

    Exit codes: 0 done, 2 wrong input, 3 engine cannot work, 4 cannot write, 5 no reward under `raise`, 6 an alarm of the
    monitor, 130 stopped.
    """
    plan = load_plan(config, overrides)
    needs, keep = needed_columns(plan), kept_columns(plan)
    columns = parse_map(mapping or ())
    read = partial(read_samples, data, columns, split=split, limit=limit, needs=(*needs, *keep), keep=(*keep, LENGTHS))
    total = sum(1 for _ in read())  # a first pass: a file that is no data set is found out before a model is loaded
    if dry:
        print(dry_run(plan, read(), total))
        return
    if output is None:
        raise InputError("--output DIR is missing: the directory for the results (--dry-run needs none)")
    result = asyncio.run(
        run_batch(
            plan,
            read(),
            output,
            data=DataSource(data, columns, split),
            total=total,
            notice=lambda t: None if quiet else notice(t),
            quiet=quiet,
            jsonl=jsonl,
            strict=strict,
        )
    )
    print(result.summary)
    if result.interrupted:
        done = result.run["counts"]["samples"]
        notice(f"stopped: {done} of {total} samples are done and kept; run the same command again to go on")
        raise typer.Exit(130)
