"""`judge calibrate`: from rewards to chances of being right, by the labels of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from judge.cli.agree import Label, NoWords, ScoreColumn, Words, words
from judge.cli.options import notice
from judge.errors import InputError, did_you_mean

METHODS = ("auto", "isotonic", "platt", "levels")


def calibrate(
    run: Annotated[Path, typer.Argument(help="Run folder whose data have labels.", metavar="RUN")],
    label: Label = "label",
    by: ScoreColumn = "raw_reward",
    positive: Words = "",
    negative: NoWords = "",
    method: Annotated[
        str, typer.Option("--method", help="isotonic, platt, levels, or auto: the best on unseen prompts.", metavar="NAME")
    ] = "auto",
    error: Annotated[
        float | None,
        typer.Option("--error", help="Leave out what is unsure, so that at most this share of the rest is wrong. [default: off]",
                     metavar="SHARE", min=0.001, max=0.5, show_default=False),
    ] = None,
    confidence: Annotated[
        float, typer.Option("--confidence", help="Confidence of that promise, in (0, 1).", metavar="SHARE", min=0.5, max=0.999)
    ] = 0.95,
    output: Annotated[
        Path | None,
        typer.Option("--output", help="Write the calibration for `calibration: FILE`. [default: none]", metavar="FILE",
        show_default=False),
    ] = None,
    width: Annotated[
        float | None,
        typer.Option("--width", help="Say how many labels an interval of this width takes. [default: off]", metavar="WIDTH",
        min=0.0001,
                     max=1, show_default=False),
    ] = None,
    following: Annotated[int, typer.Option("--next", help="Name the N rows to label next.", metavar="N", min=0)] = 0,
    draws: Annotated[int, typer.Option("--draws", help="Draws of the bootstrap.", metavar="N", min=1)] = 1000,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the halves and of the bootstrap.", metavar="N", min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables. [default: off]")] = False,
) -> None:  # fmt: skip
    """Learn from labels how often each reward is right, and from when on to leave a reward out.

    Prints calibration error, Brier score and AUC of the raw rewards and of each map on prompts that it has not seen; the true
    share of right answers from the labels and all judgements together (prediction-powered), and what the judge is worth in
    labels. With --output the map is written for `calibration: FILE` in run settings: rewards become chances, and with --error
    those that are too unsure become none.

    \b
    Examples:
      judge calibrate runs/a
      judge calibrate runs/a --error 0.05 --output calibration.yaml
      judge run judge.yaml --set calibration=calibration.yaml --data new.jsonl \\
          --output runs/b
      judge calibrate runs/a --width 0.04 --next 20

    Exit codes: 0 done; 1 the judge grades wrong answers above right ones, or the share of --error cannot be promised (nothing is
    written); 2 wrong input; 4 results cannot be written.
    """
    from judge.bench.calibration_report import (  # noqa: PLC0415  # keeps `judge --help` fast
        CalibrateOptions,
        calibrate_record,
        calibrate_report,
        print_calibrate,
        write_calibration,
    )
    from judge.bench.labelled import read_labelled  # noqa: PLC0415  # as above

    if method not in METHODS:
        raise InputError(
            f"--method {method}: no such method{did_you_mean(method, METHODS) or '; methods: ' + ', '.join(METHODS)}"
        )
    read = read_labelled(run, label=label, by=by, positive=words(positive), negative=words(negative))
    report = calibrate_report(read, CalibrateOptions(method, error, confidence, width, following, draws, seed))
    if as_json:
        print(json.dumps(calibrate_record(report), ensure_ascii=False, allow_nan=False))
    else:
        print_calibrate(report)
    if report.inverted:
        notice(
            f"{run}: the judge grades wrong answers above right ones, and nothing was written; look at the labels (--positive,"
            " --negative), the rubric and the judge"
        )
    if report.inverted or not report.promised:
        raise typer.Exit(1)
    if output is not None:
        write_calibration(report, output)
        notice(f"{output}: written; use it with `calibration: {output}` in the run settings")
