"""`judge run`: judge a data set."""

from __future__ import annotations

import json
import math
import shlex
import sys
from collections.abc import Callable
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import typer

from judge.batch.columns import parse_keep
from judge.batch.describe import DataSource
from judge.batch.dry_run import DryRun, dry_run
from judge.batch.ray import RayWorkers, run_on_ray
from judge.batch.read import count_rows, parse_map, read_samples
from judge.batch.run import RunResult, run_batch, say_unused
from judge.batch.shards import parse_shard
from judge.batch.stream import NumberedRows
from judge.cli.options import (
    Config,
    Data,
    DataConfigName,
    Limit,
    Map,
    Set,
    SplitOption,
    Track,
    load_plan,
    notice,
    say,
    say_passed_over,
    wanted_columns,
    with_track,
)
from judge.errors import DataError, InputError
from judge.loops import run as run_loop
from judge.pipeline.build import needed_columns
from judge.pipeline.shape_checks import carried_columns
from judge.pipeline.shaping import LENGTHS


def run(
    config: Config,
    data: Data,
    output: Annotated[
        Path | None, typer.Option("--output", help="Output directory (created if missing).", metavar="DIR", show_default=False)
    ] = None,
    mapping: Map = None,
    overrides: Set = None,
    rubrics: Annotated[
        str | None,
        typer.Option(
            "--rubrics",
            help="A rubric for each prompt: output of `judge rubric generate`; as `rubrics` in the settings. [default: none]",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    split: SplitOption = "",
    subset: DataConfigName = "",
    limit: Limit = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(
            "--keep",
            help="Columns of the data that rewards.parquet (and rewards.jsonl) keeps beside prompt and response: names (dotted"
            " paths lead into a column), `all`, or `none`. Repeatable. [default: the label; names are added to it]",
            metavar="all|none|COLUMN,COLUMN",
            show_default=False,
        ),
    ] = None,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="Write rewards.jsonl as well. [default: off]")] = False,
    requests: Annotated[
        bool,
        typer.Option(
            "--requests/--no-requests",
            help="Write requests.parquet, from which `judge call` repeats any call. [default: on]",
            show_default=False,
        ),
    ] = True,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="A row that cannot be judged as it is ends the run. [default: off; it gets no reward, with the reason]",
        ),
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace the results of another run in the output directory. [default: off; refused]"),
    ] = False,
    max_failures: Annotated[
        str | None,
        typer.Option(
            "--max-failures",
            help="Stop with exit code 5 when more rows have no reward: a number, or a share such as 5%. [default: no limit]",
            metavar="N|P%",
            show_default=False,
        ),
    ] = None,
    shard: Annotated[
        str,
        typer.Option(
            "--shard",
            help="Judge only part I of N of the rows (I from 0), for N machines; `judge merge` puts the folders together. Groups"
            " stay whole where the settings compare or shape them. [default: all rows]",
            metavar="I/N",
            show_default=False,
        ),
    ] = "",
    ray: Annotated[
        str,
        typer.Option(
            "--ray",
            help="Judge on the workers of a Ray cluster: `local` starts one on this machine, else its address (`auto`,"
            " HOST:6379). Each worker starts the engine. [default: off]",
            metavar="local|ADDRESS",
            show_default=False,
        ),
    ] = "",
    workers: Annotated[
        str,
        typer.Option(
            "--workers",
            help="Of --ray: how many, or from how few to how many. [default: as many as there are GPUs for; without GPUs one a"
            " machine]",
            metavar="N|N-M",
            show_default=False,
        ),
    ] = "",
    dry: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Print the calls and tokens the run would take; start no engine, write nothing. [default: off]"
        ),
    ] = False,
    track: Track = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress on standard error. [default: off]")] = False,
) -> None:
    """Judge every row of a data set; write rewards.parquet, verdicts.parquet and run.json to a run folder.

    A row has a prompt (text or chat messages) and a response, two responses (response_a, response_b or chosen, rejected), or a
    list of responses; or `messages` with both. Columns reference, context, rubric, principle, id and group are used when they
    are there. Public data sets are known by their columns (docs/data.md).

    Running the same command again asks the judge only about what is new or failed. Ctrl-C stops cleanly.

    \b
    Examples:
      judge run examples/quickstart.yaml --data examples/quickstart.jsonl \\
          --output runs/quickstart
      judge run my.yaml --data answers.parquet \\
          --map prompt=question,response=answer --output runs/a
      judge run my.yaml --data answers.jsonl --output runs/b \\
          --set engine.model=Qwen/Qwen3-8B --set votes.n=5
      judge run my.yaml --data train.parquet \\
          --map reference=reward_model.ground_truth,context= --output runs/c
      judge run my.yaml --data answers.parquet --output runs/d \\
          --keep source,extra_info.index
      judge run my.yaml --data answers.jsonl --output runs/e \\
          --track wandb --track inspect
      judge run my.yaml --data big.parquet --shard 0/8 --output runs/part0
      judge run my.yaml --data big.parquet --ray auto --workers 1-8 \\
          --output runs/big
      judge run my.yaml --data answers.jsonl --dry-run

    Exit codes: 0 done; 2 wrong input, or every row was invalid; 3 the engine cannot work, or stopped working (what was judged is
    kept, run.json says `incomplete`, and the same command continues); 4 results cannot be written; 5 nothing got a reward, more
    rows failed than --max-failures, or a response has no reward under `on_no_verdict: raise`; 6 the monitor stopped the run;
    7 `budget` is spent (kept and continued as under 3); 130 stopped by Ctrl-C.
    """
    by_prompt = [f"rubrics={json.dumps(rubrics)}"] if rubrics else []
    plan = load_plan(config, [*with_track(overrides, track), *by_prompt])
    needs, kept, carry = needed_columns(plan), carried_columns(plan.settings), parse_keep(keep or ())
    columns = parse_map(mapping or ())
    part = parse_shard(shard, plan) if shard else None
    source = partial(read_samples, data, columns, split=split, config=subset, limit=limit)
    judged = partial(
        source, needs=(*needs, *kept[0]), keep=(*kept[0], *kept[1], LENGTHS), wants=wanted_columns(plan), carry=carry
    )
    if not quiet:
        say_passed_over(data, split, subset)
    rows = judged()
    rows = chain([next(rows)], rows)  # a file that is no data set is found out before a model is loaded
    total = count_rows(data)
    total = total if total is None or limit is None else min(total, limit)
    if total is None and (max_failures or "").endswith("%"):
        total = sum(1 for _ in source())
    if part is not None:
        total = None if total is None else part.rows_of(total)
        notice(str(part))
    if ray and shard:
        raise InputError("--ray and --shard: give one of them; Ray shares out the rows by itself")
    if ray and plan.settings.budget is not None:
        raise InputError("--ray: `budget` is not supported there, since the workers share no sum; use --shard, one budget each")
    if workers and not ray:
        raise InputError("--workers: is about --ray, which is missing")
    if dry:
        _say_dry(dry_run(plan, rows if part is None else (row for _, row in NumberedRows(rows, part)), total), data)
        return
    if output is None:
        raise InputError("--output DIR is missing: the directory for the results (--dry-run needs none)")
    if quiet:  # what a setting does not do is no progress: `run_batch` says it only to `notice`
        say_unused(plan, notice)
    options: dict[str, Any] = {
        "data": DataSource(data, columns, split, subset),
        "total": total,
        "notice": lambda t: None if quiet else notice(t),
        "quiet": quiet,
        "jsonl": jsonl,
        "strict": strict,
        "overwrite": overwrite,
        "keep": carry,
        "requests": requests,
        "max_failures": _most(max_failures, total or 0),
        "command": shlex.join(["judge", *sys.argv[1:]]),
    }
    if ray:
        judge = partial(run_on_ray, plan, judged, output, RayWorkers.parse(ray, workers), **options)
    else:
        judge = partial(run_loop, run_batch(plan, rows, output, shard=part, **options))
    result = _unless_stopped(judge, output)
    say(result.summary)
    if result.interrupted:
        done = result.run["counts"]["samples"]
        of = "" if total is None else f" of {total}"
        notice(f"stopped: {done}{of} samples are done and kept; run the same command again to go on")
        raise typer.Exit(130)
    _judge_outcome(result)


def _say_dry(found: DryRun, data: str) -> None:
    """Print a dry run. Raises `DataError` where no row can be judged, or none of the first, from which all are counted."""
    if found.rows and found.invalid == found.rows:
        none = "no row of" if found.rows >= found.of else f"none of the first {found.rows:,} of {found.of:,} rows of"
        what = f"{found.rows:,} looked at, all invalid" if found.rows >= found.of else "nothing can be counted by them"
        raise DataError(f"{found.first}\n{none} {data} can be judged: {what}")
    say(str(found))


def _unless_stopped(judge: Callable[[], RunResult], output: Path) -> RunResult:
    """Run it; a second Ctrl-C, or one while an engine starts, ends the command with what is kept."""
    try:
        return judge()
    except KeyboardInterrupt:
        notice(
            f"stopped before the tables were written; every reply so far is kept in {output}: run the same command again to go on"
        )
        raise typer.Exit(130) from None


def _judge_outcome(result: RunResult) -> None:
    """A run that gave nothing to train on must not look like one that did."""
    counts, reasons = result.run["counts"], result.run["no_verdict_reasons"]
    if not counts["responses"]:
        return
    if reasons.get("invalid", 0) == counts["responses"]:
        notice("every row is invalid: nothing was judged")
        raise typer.Exit(2)
    if not counts["judged"] + counts["filtered"]:
        notice("no response got a reward; the reasons are above")
        raise typer.Exit(5)


def _most(text: str | None, total: int) -> int | None:
    """Rows that may fail. Raises `InputError` when that is no number or share."""
    if text is None:
        return None
    number, percent, rest = text.strip().partition("%")
    try:
        value = float(number) if percent else int(number)
    except ValueError:
        value = -1
    if rest or value < 0 or not math.isfinite(value) or (percent and value > 100):
        raise InputError(f"--max-failures {text}: must be a number of rows such as 20, or a share such as 5%")
    return int(total * value / 100) if percent else int(value)
