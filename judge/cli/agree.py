"""`judge agree`: how far the rewards of a run agree with the labels of its data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from judge.cli.options import notice
from judge.errors import InputError

Words = Annotated[
    str,
    typer.Option("--positive", help="Words of the label that mean yes, such as met,good. [default: true, yes, correct, met, 1]",
                 metavar="WORDS", show_default=False),
]  # fmt: skip
NoWords = Annotated[
    str,
    typer.Option("--negative", help="Words of the label that mean no. [default: false, no, incorrect, unmet, 0]", metavar="WORDS",
                 show_default=False),
]  # fmt: skip
Label = Annotated[
    str, typer.Option("--label", help="Column of rewards.parquet with the labels (kept by `judge run --keep`).", metavar="COLUMN")
]
ScoreColumn = Annotated[
    str, typer.Option("--by", help="Column with what the judge says: raw_reward, reward or expected.", metavar="COLUMN")
]


def agree(
    runs: Annotated[list[Path], typer.Argument(help="Run folders; further ones are other judges of the same data.",
        metavar="RUN...")],
    label: Label = "label",
    by: ScoreColumn = "raw_reward",
    subset: Annotated[str, typer.Option("--subset", help="Column that names the part a row belongs to.", metavar="COLUMN")] =
        "subset",
    threshold: Annotated[
        float, typer.Option("--threshold", help="Least reward that says yes, in [0, 1].", metavar="REWARD", min=0, max=1)
    ] = 0.5,
    scale: Annotated[
        str | None,
        typer.Option("--scale", help="Ends of the labels' scale, such as 1,5. [default: the least and the largest label]",
                     metavar="LOW,HIGH", show_default=False),
    ] = None,
    positive: Words = "",
    negative: NoWords = "",
    draws: Annotated[int, typer.Option("--draws", help="Draws of the bootstrap.", metavar="N", min=1)] = 1000,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the bootstrap.", metavar="N", min=0)] = 0,
    fail_below: Annotated[
        float | None,
        typer.Option("--fail-below", help="Exit with 1 if the first figure is below FIGURE. [default: off]", metavar="FIGURE",
        min=-1,
                     max=1, show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables. [default: off]")] = False,
) -> None:  # fmt: skip
    """Compare the rewards of a run with its labels; print agreement, discrimination and calibration with intervals.

    Labels are yes or no, numbers, or the better of two responses; a list has one for each response (or each person), and a
    mapping one for each criterion. Figures: accuracy of all and of parsed items, Cohen's and Fleiss' kappa, Krippendorff's alpha,
    Kendall, Spearman, ROC and precision-recall, expected calibration error with its reliability table, and effects of length,
    format and position beyond the labels' own. With several runs: the difference of the judges, and the errors they share.

    \b
    Examples:
      judge run judge.yaml --data labelled.jsonl --output runs/a
      judge agree runs/a
      judge agree runs/a runs/b --label human --json
      judge agree runs/bench/llmbar/judge --fail-below 0.7

    Exit codes: 0 done; 1 below --fail-below; 2 wrong input.
    """
    from judge.bench.agree import AgreeOptions, agree_record, agree_report  # noqa: PLC0415  # keeps `judge --help` fast
    from judge.bench.labelled import read_labelled  # noqa: PLC0415  # as above
    from judge.bench.show_agree import print_agree  # noqa: PLC0415  # as above

    read = [
        read_labelled(run, label=label, by=by, subset=subset, positive=words(positive), negative=words(negative)) for run in runs
    ]
    report = agree_report(read, AgreeOptions(threshold, _ends(scale), draws, seed))
    if as_json:
        print(json.dumps(agree_record(report), ensure_ascii=False, allow_nan=False))
    else:
        print_agree(report)
    first = report.parts[0].figures[0] if report.parts and report.parts[0].figures else None
    if fail_below is not None and (first is None or not first.value >= fail_below):
        said = "there is no figure" if first is None else f"{first.name} is {first.value:.3f}"
        notice(f"{said}, and --fail-below asks for {fail_below}")
        raise typer.Exit(1)


def words(text: str) -> tuple[str, ...]:
    """`met, good` -> ("met", "good")."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _ends(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"--scale {text}: must be two numbers such as 1,5") from None
    if not low < high:
        raise InputError(f"--scale {text}: the first number must be below the second")
    return low, high
