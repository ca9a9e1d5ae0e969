"""`judge preflight`: will this run file work as a reward in that framework?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from judge.adapters._shared.failure_policy import FRAMEWORKS, framework, needs_group
from judge.adapters.preflight import Finding, Layout, examine, launch_lines
from judge.cli.options import Set, load_plan
from judge.errors import DataError
from judge.jsonfile import parse_json


def preflight(
    name: Annotated[str, typer.Option("--framework", help=f"One of {', '.join(FRAMEWORKS)}.", metavar="NAME")],
    config: Annotated[str, typer.Option("--config", help="Run settings (a YAML file).", metavar="FILE")],
    num_generations: Annotated[
        int | None, typer.Option("--num-generations", help="Completions a prompt. [default: not known]", metavar="N", min=1)
    ] = None,
    processes: Annotated[int, typer.Option("--processes", help="Processes of the trainer.", metavar="N", min=1)] = 1,
    per_device_batch: Annotated[
        int | None,
        typer.Option("--per-device-batch", help="Completions a process and step. [default: not known]", metavar="N", min=1),
    ] = None,
    steps_per_generation: Annotated[
        int,
        typer.Option(
            "--steps-per-generation", help="Steps that one generation feeds (gradient accumulation).", metavar="N", min=1
        ),
    ] = 1,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", help="Training data, JSONL or Parquet; its first row is looked at. [default: none]", metavar="FILE"
        ),
    ] = None,
    question: Annotated[
        str | None,
        typer.Option("--question", help="verl: key of extra_info with the question. [default: the known names]", metavar="KEY"),
    ] = None,
    overrides: Set = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object. [default: off]")] = False,
) -> None:
    """Say whether a run file works as a reward in one training framework, and what to write there.

    Looks at the groups that these numbers make, whether the question reaches the reward, what a response without a reward
    becomes, and what needs siblings. Nothing is judged and no model is loaded.

    \b
    Examples:
      judge preflight --framework trl --config judge.yaml --num-generations 8 --processes 4 --per-device-batch 2
      judge preflight --framework verl --config judge.yaml --data train.parquet
      judge preflight --framework ms-swift --config judge.yaml --num-generations 8

    Exit codes: 0 fine, 1 problems found, 2 wrong input.
    """
    framework(name)
    plan = load_plan(config, overrides)
    row = None if data is None else first_row(data)
    layout = Layout(num_generations, processes, per_device_batch, steps_per_generation)
    found = examine(name, plan, layout, row=row, question=question)
    policy = "impute_group_mean" if any(f.says.startswith("impute_group_mean") for f in found if f.about == "no reward") else ""
    lines = launch_lines(name, str(Path(config).absolute()), num_generations, bool(needs_group(plan.settings, policy)))
    problems = [f for f in found if f.problem]
    if as_json:
        print(json.dumps(_facts(name, found, lines), ensure_ascii=False))
    else:
        _print(name, config, found, lines)
    raise typer.Exit(1 if problems else 0)


def first_row(path: Path) -> Mapping[str, Any]:
    """The first row of a JSONL or Parquet file.

    Raises:
        DataError: It cannot be read, has no row, or is of another kind.
    """
    try:
        rows = _parquet(path) if path.suffix == ".parquet" else _jsonl(path)
    except OSError as cause:
        raise DataError(f"{path}: {cause.strerror or cause}") from cause
    if not rows or not isinstance(rows[0], dict):
        raise DataError(f"{path}: no rows; --data wants JSONL or Parquet with one object a row")
    return rows[0]


def _parquet(path: Path) -> list[Any]:
    import pyarrow as pa  # noqa: PLC0415  # only here
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        batch = next(pq.ParquetFile(path).iter_batches(batch_size=1), None)
    except pa.ArrowInvalid as cause:
        raise DataError(f"{path}: not a Parquet file ({cause})") from cause
    return [] if batch is None else list(batch.to_pylist())


def _jsonl(path: Path) -> list[Any]:
    with path.open("rb") as file:
        line = next((text for text in file if text.strip()), None)
    return [] if line is None else [parse_json(line, f"{path}:1", DataError, halves=True)]


def _print(name: str, config: str, found: list[Finding], lines: list[str]) -> None:
    width = max(len(f.about) for f in found)
    print(f"{config} as a reward in {name}")
    for f in found:
        print(f"  {f.about:<{width}}  {'PROBLEM: ' if f.problem else ''}{f.says}")
    count = sum(f.problem for f in found)
    print(f"{count} problem(s)" if count else "no problems", "\n", sep="", end="")
    print(*(f"  {line}" for line in lines), sep="\n")


def _facts(name: str, found: list[Finding], lines: list[str]) -> dict[str, Any]:
    return {
        "framework": name,
        "problems": [f.says for f in found if f.problem],
        "findings": {f.about: f.says for f in found},
        "use": lines,
    }
