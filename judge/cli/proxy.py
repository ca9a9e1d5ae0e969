"""`judge proxy`: where, in a training run, more reward stopped being better."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from judge.batch.files import read_rows
from judge.errors import DataError, InputError, Problem, did_you_mean
from judge.reward.objectives import proxy_point

_LEAST = 3  # checkpoints


def proxy(
    log: Annotated[str, typer.Argument(help="Training log, a row a checkpoint: JSONL, CSV, TSV or Parquet.", metavar="LOG")],
    reward: Annotated[str, typer.Option("--reward", help="Column of the mean reward, or of one criterion.", metavar="COLUMN")],
    evaluation: Annotated[
        str,
        typer.Option("--evaluation", help="Column of what is really wanted, measured apart from the reward.", metavar="COLUMN"),
    ],
    window: Annotated[int, typer.Option("--window", help="Checkpoints in the running median; odd.", metavar="N", min=1)] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object. [default: off]")] = False,
) -> None:
    """Find the level of a reward from which more of it no longer helped: the threshold of a constraint.

    Checkpoints are sorted by their reward, and the evaluation is smoothed by a running median, so that a lucky one sets no
    threshold. The level where it is best is what `reward.shape: [{kind: constrained, ...}]` takes (arXiv:2310.04373).

    \b
    Examples:
      judge proxy log.jsonl --reward brevity --evaluation win_rate
      judge proxy log.csv --reward judge/raw_reward --evaluation gold --window 9 \\
          --json

    Exit codes: 0 done, 2 wrong input, or too few checkpoints.
    """
    if window % 2 == 0:
        raise InputError(f"--window {window}: an odd number, so that the median has a middle")
    rows = [(where, row) for where, row in read_rows(log) if isinstance(row, Mapping)]
    pairs = [(_number(row, reward, where), _number(row, evaluation, where)) for where, row in rows]
    known = [(x, y) for x, y in pairs if not math.isnan(x) and not math.isnan(y)]
    if len(known) < _LEAST:
        raise DataError(
            Problem(log, f"{len(known)} checkpoints have both `{reward}` and `{evaluation}`; at least {_LEAST} say something")
        )
    found = proxy_point([x for x, _ in known], [y for _, y in known], window=window)
    facts = {"reward": found.reward, "evaluation": found.evaluation, "turned": found.turned, "checkpoints": len(known)}
    print(json.dumps(facts) if as_json else _text(facts, reward, evaluation))


def _number(row: Mapping[str, Any], column: str, where: str) -> float:
    """A cell as a number; NaN where it is empty."""
    if column not in row:
        near = did_you_mean(column, row) or f"; it has: {', '.join(row)}"
        raise DataError(Problem(where, f"no column `{column}`{near}"))
    value = row[column]
    if value is None or (isinstance(value, str) and not value.strip()):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError):
        raise DataError(Problem(where, f"`{column}` is {value!r}, which is not a number")) from None


def _text(facts: Mapping[str, Any], reward: str, evaluation: str) -> str:
    best = f"{evaluation} is best ({facts['evaluation']:.4g}, smoothed) where {reward} is {facts['reward']:.4g}"
    if not facts["turned"]:
        return f"{best}, the highest that was reached: no turning point in these {facts['checkpoints']} checkpoints"
    return f"{best}; at higher values it falls ({facts['checkpoints']} checkpoints)"
