"""`judge compare`: two judges over the same data."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from judge.batch.comparison import facts_of, text_of
from judge.batch.read import count_rows, parse_map, read_samples
from judge.batch.sides import TwoJudges, judge_both, read_both
from judge.cli.options import DataConfigName, Limit, Map, SplitOption, load_plan, notice, say, wanted_columns
from judge.errors import InputError, JudgeError
from judge.loops import run as run_loop
from judge.pipeline.build import needed_columns
from judge.report.text import json_text

_NONE = 5  # exit code: nothing to compare


def compare(
    first: Annotated[str, typer.Argument(help="Run settings (a YAML file), or a run folder.", metavar="A")],
    second: Annotated[str, typer.Argument(help="The other one, of the same kind.", metavar="B")],
    data: Annotated[
        str, typer.Option("--data", help="Data to judge by both (settings only).", metavar="FILE", show_default=False)
    ] = "",
    mapping: Map = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", help="Override one setting of both: engine.model=NAME. Repeatable.", metavar="PATH=VALUE"),
    ] = None,
    split: SplitOption = "",
    subset: DataConfigName = "",
    limit: Limit = None,
    show: Annotated[int, typer.Option("--show", help="Disagreements to print.", metavar="N", min=0)] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print all figures as one JSON object. [default: a table]")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress on standard error. [default: off]")] = False,
) -> None:
    """Judge the same data by two settings, or compare two finished runs: agreement, ties, failures, tokens, seconds.

    Prints how often both give the same reward and choose the same response, what each costs, and the disagreements worth reading:
    opposite choices first, then the largest distances. Rewards are compared as judged (`raw_reward`), before shaping. Pairs are
    the responses of one row, or of the rows of one group. Where the data have a label, both are held against it.

    \b
    Examples:
      judge compare pointwise.yaml pairwise.yaml --data pairs.jsonl
      judge compare small.yaml large.yaml --data answers.parquet --limit 200 \\
          --json
      judge compare runs/a runs/b --show 10

    Exit codes: 0 done; 2 wrong input, or two runs over other data; 3 an engine cannot work, or stopped working; 5 no response
    has a reward from both.
    """
    runs = [Path(name) for name in (first, second) if Path(name).is_dir()]
    if len(runs) == 1:
        raise InputError(
            f"{runs[0]} is a run folder and the other is not: compare two settings files (--data), or two run folders"
        )
    if runs and data:
        raise InputError("--data goes with two settings files; the rewards of two runs are there already")
    if runs:
        found = read_both((runs[0], runs[1]))
    elif not data:
        raise InputError("--data FILE is missing: the data that both judge (two run folders need none)")
    else:
        found = _judged((first, second), data, mapping, overrides, (split, subset), limit, quiet)
    facts = facts_of(found, show=show)
    say(json_text(facts) if as_json else text_of(facts))
    if not facts["responses"]["both"]:
        raise NothingInCommon("no response has a reward from both judges")


class NothingInCommon(JudgeError):
    """There is nothing to compare."""

    exit_code = _NONE


def _judged(
    names: tuple[str, str],
    data: str,
    mapping: list[str] | None,
    overrides: list[str] | None,
    part: tuple[str, str],
    limit: int | None,
    quiet: bool,
) -> TwoJudges:
    plans = load_plan(names[0], overrides), load_plan(names[1], overrides)
    needs = tuple(dict.fromkeys(name for plan in plans for name in needed_columns(plan)))
    wants = frozenset(name for plan in plans for name in wanted_columns(plan))
    columns = parse_map(mapping or ())
    rows = partial(read_samples, data, columns, split=part[0], config=part[1], limit=limit, needs=needs, wants=wants, keep=())
    next(rows())  # a file that is no data set is found out before a model is loaded
    total = count_rows(data)
    total = total if total is None or limit is None else min(total, limit)
    return run_loop(judge_both(plans, names, rows, total=total, notice=notice, quiet=quiet))
