"""`judge preflight`: will this run file work as a reward in that framework?"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from judge.adapters._shared.failure_policy import FRAMEWORKS, framework, needs_group
from judge.adapters.preflight import Finding, Layout, examine, launch_lines
from judge.adapters.preflight_data import DataReport, Names, examine_data
from judge.batch.read import read_rows
from judge.cli.options import DataConfigName, MaybeConfig, OlderConfig, Set, SplitOption, load_plan, named_config
from judge.errors import InputError


def preflight(
    name: Annotated[str, typer.Option("--framework", help=f"One of {', '.join(FRAMEWORKS)}.", metavar="NAME")],
    given: MaybeConfig = None,
    as_option: OlderConfig = None,
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
        str | None,
        typer.Option(
            "--data",
            help="Training data (JSONL, JSON, CSV, Parquet, `datasets` folder), read as the trainer's reward gets them."
            " [default: none]",
            metavar="FILE",
        ),
    ] = None,
    rows: Annotated[int, typer.Option("--rows", help="Rows of the data to read, from the first.", metavar="N", min=1)] = 1000,
    split: SplitOption = "",
    subset: DataConfigName = "",
    prompt: Annotated[
        str | None,
        typer.Option(
            "--prompt",
            help="Column of the prompt, as the trainer's option names it (OpenRLHF `--data.input_key`, slime `--input-key`)."
            " [default: the trainer's]",
            metavar="COLUMN",
        ),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            "--reference",
            help="Column of the reference answer (OpenRLHF `--data.label_key`, slime `--label-key`, verl a key of extra_info)."
            " [default: the first known name]",
            metavar="COLUMN",
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
    becomes, and what needs other responses to the prompt. With --data it reads the data as the trainer's reward function gets
    them: which column becomes prompt, reference, context and rubric, which rows would be refused, and the first sample as the
    judge is sent it. Nothing is judged and no model is loaded.

    \b
    Examples:
      judge preflight judge.yaml --framework trl --num-generations 8 \\
          --processes 4 --per-device-batch 2
      judge preflight judge.yaml --framework verl --data train.parquet
      judge preflight judge.yaml --framework openrlhf --data train.jsonl \\
          --prompt input --reference label
      judge preflight judge.yaml --framework ms-swift --num-generations 8

    Exit codes: 0 fine, 1 problems found, 2 wrong input.
    """
    framework(name)
    config = named_config(given, as_option)
    if config is None:
        raise InputError(f"name the run settings: judge preflight judge.yaml --framework {name}")
    plan = load_plan(config, overrides)
    layout = Layout(num_generations, processes, per_device_batch, steps_per_generation)
    first, report = None, None
    if data is not None:
        taken = list(islice(read_rows(data, split, config=subset), rows))
        first = next((row for _, row in taken if isinstance(row, Mapping)), None)
        names = Names(prompt, reference, question)
        report = examine_data(name, plan, taken, names, responses=num_generations or 1)
    found = examine(name, plan, layout, row=first, question=question)
    if report is not None:
        found.append(Finding("data", refusals(report), bool(report.refused) or not report.rows))
    policy = "impute_group_mean" if any(f.says.startswith("impute_group_mean") for f in found if f.about == "no reward") else ""
    lines = launch_lines(name, str(Path(config).absolute()), num_generations, bool(needs_group(plan.settings, policy)))
    problems = [f for f in found if f.problem]
    if as_json:
        print(json.dumps(_facts(name, found, lines) | ({"data": report.plain()} if report else {}), ensure_ascii=False))
    else:
        _print(name, config, found, lines)
        if report is not None and data is not None:
            print(*data_lines(report, data, num_generations), sep="\n")
    raise typer.Exit(1 if problems else 0)


def _print(name: str, config: str, found: list[Finding], lines: list[str]) -> None:
    width = max(len(f.about) for f in found)
    print(f"{config} as a reward in {name}")
    for f in found:
        print(f"  {f.about:<{width}}  {'PROBLEM: ' if f.problem else ''}{f.says}")
    count = sum(f.problem for f in found)
    print(f"{count} problem(s)" if count else "no problems", "\n", sep="", end="")
    print(f"  whether this judge can judge at all: judge check {shlex.quote(config)}")
    print(*(f"  {line}" for line in lines), sep="\n")


def _facts(name: str, found: list[Finding], lines: list[str]) -> dict[str, Any]:
    return {
        "framework": name,
        "problems": [f.says for f in found if f.problem],
        "findings": {f.about: f.says for f in found},
        "use": lines,
    }


def refusals(report: DataReport) -> str:
    """How many rows would be refused, and the first reason of each kind."""
    if not report.rows:
        return "no rows"
    if not report.refused:
        return f"{report.rows} rows, none refused"
    first = report.refused[0]
    return f"{len(report.refused)} of {report.rows} rows would be refused; {first.where}: {first.why}"


def data_lines(report: DataReport, data: str, num_generations: int | None) -> Iterator[str]:
    """The data as the judge sees them, for people."""
    yield f"data: {report.rows} rows of {data}"
    for about in ("prompt", "reference", "context", "rubric", "principle"):
        found: Mapping[str, int] = report.fields.get(about, {})
        sources = ", ".join(f"{where} in {count} rows" for where, count in found.items())
        yield f"  {about:<10} {sources or _ABSENT.get(about, 'none')}"
    if report.unseen:
        yield f"  not shown  {', '.join(f'`{c}`' for c in report.unseen)} (no judge sees these columns)"
    good = report.rows - len(report.refused)
    each = f" of {num_generations} responses" if num_generations else ""
    again = f"; {report.repeated} rows repeat an earlier prompt, reference and context" if report.repeated else ""
    yield f"  groups     one{each} for each of {good} rows{again}"
    for refused in report.refused[:_SHOWN]:
        yield f"  refused    {refused.where}: {refused.why}"
    if len(report.refused) > _SHOWN:
        yield f"             and {len(report.refused) - _SHOWN} more"
    if report.first is not None:
        yield from _as_sent(report)


def _as_sent(report: DataReport) -> Iterator[str]:
    where = "" if report.first is None else report.first.id
    if not report.asked:
        yield f"the first sample ({where}) is decided by programs: no judge is asked"
        return
    yield f"the first sample ({where}) as the judge is sent it, the first of its requests:"
    for message in report.asked[0].messages:
        yield f"--- {message.role}"
        yield str(message.content)
    yield "---"


_SHOWN = 5  # refused rows that are listed
_ABSENT = {"prompt": "not shown to the judge", "rubric": "none: the run's own is used"}
