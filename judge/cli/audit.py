"""`judge audit`: does the reward move when the meaning moves, and only then?"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Annotated

import typer

from judge.audit.catalogue import PROBES, select
from judge.audit.data import load_cases
from judge.audit.report import html, listing, record, text
from judge.audit.run import Audit, run_audit
from judge.batch.read import parse_map
from judge.cli.options import Config, DataConfigName, Map, Set, SplitOption, load_plan, notice, say
from judge.errors import OutputError
from judge.loops import run as run_loop
from judge.pipeline.build import needed_columns
from judge.report.text import json_text


def _list(asked: bool) -> None:
    if asked:
        print(listing(PROBES))
        raise typer.Exit


def audit(
    config: Config,
    data: Annotated[
        str,
        typer.Option(
            "--data",
            help="JSONL, JSON, CSV, TSV or Parquet file, `datasets` folder, or hub name. [default: 24 shipped questions]",
            metavar="FILE",
            show_default=False,
        ),
    ] = "",
    mapping: Map = None,
    overrides: Set = None,
    split: SplitOption = "",
    subset: DataConfigName = "",
    limit: Annotated[
        int | None, typer.Option("--limit", help="Use the first N questions. [default: all]", metavar="N", min=1)
    ] = None,
    probes: Annotated[
        list[str] | None,
        typer.Option(
            "--probes",
            help="Probes or families, separated by commas, or package.module:function. Repeatable. [default: all]",
            metavar="NAMES",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables. [default: off]")] = False,
    page: Annotated[
        Path | None, typer.Option("--html", help="Also write the report as an HTML page. [default: none]", metavar="FILE")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the rewrites and of the intervals.", metavar="N", min=0)] = 0,
    fail_below: Annotated[
        float | None,
        typer.Option(
            "--fail-below",
            help="Exit with 1 if invariance or sensitivity is below RATE, or could not be measured. [default: off]",
            metavar="RATE",
            min=0.0,
            max=1.0,
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Do not print progress to standard error. [default: off]")] = False,
    listed: Annotated[
        bool, typer.Option("--list", help="List the probes and exit.", is_eager=True, callback=_list, show_default=False)
    ] = False,
) -> None:
    """Rewrite responses so that their meaning stays or changes, judge both versions, and report invariance and sensitivity.

    Rewording, style, length, format, cues and order must not change the reward; a changed final answer, a missing
    conclusion or another question must. Read both scores together: a judge that always says the same has
    invariance 1 and sensitivity 0. For attacks, see `judge attack`.

    A row has a prompt and a response with a `label` (true or false), or two responses with a label (A or B), and a reference
    where the recipe needs one; the columns question, candidate and reference_answer are known. Of each question the longest
    right and the longest wrong response are used.

    \b
    Examples:
      judge audit my.yaml
      judge audit my.yaml --data answers.jsonl --map prompt=q,response=a \\
          --limit 50 --html audit.html
      judge audit my.yaml --probes causal,contrast,cue --json
      judge audit my.yaml --fail-below 0.9

    Exit codes: 0 done, 1 below --fail-below, 2 wrong input, 3 engine cannot work, 4 cannot write, 130 stopped.
    """
    plan = load_plan(config, overrides)
    chosen = select(probes or ("all",))
    loaded = load_cases(
        data,
        plan.recipe.spec.mode,
        mapping=parse_map(mapping or ()),
        split=split,
        config=subset,
        limit=limit,
        needs=needed_columns(plan),
        rubric=plan.rubric,
    )
    talk = (lambda _: None) if quiet else notice
    done = run_loop(run_audit(plan, loaded, chosen, data=data, seed=seed, notice=talk, quiet=quiet))
    try:
        say(json_text(record(done)) if as_json else text(done))
    finally:  # its reader may go away (`| head`)
        if page is not None:
            _write(page, html(done, f"judge audit {config}"))
    if fail_below is not None:
        _fail_below(done, fail_below)


def _write(page: Path, content: str) -> None:
    try:
        page.write_text(content, encoding="utf-8", errors="backslashreplace")
    except OSError as why:
        raise OutputError(f"{page}: cannot be written to: {why.strerror or why}") from None


def _fail_below(done: Audit, least: float) -> None:
    """Exit with 1 when a score is too low. A score that was not measured has not passed."""
    scores = {"invariance": done.summary.invariance.value, "sensitivity": done.summary.sensitivity.value}
    low = {name: value for name, value in scores.items() if math.isnan(value) or value < least}
    for name, value in low.items():
        said = "was not measured" if math.isnan(value) else f"{value:.3f} is below {least:g}"
        print(f"{name} {said} (--fail-below)", file=sys.stderr)
    if low:
        raise typer.Exit(1)
