"""`judge bench`: how often a judge is right, on sets whose answers are known."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated

import typer

from judge.batch.read import parse_map
from judge.cli.options import DataConfigName, Map, Set, SplitOption, Track, notice, with_track
from judge.errors import InputError
from judge.loops import run as run_loop

DRAWS = 1000  # default of --draws


def bench(
    name: Annotated[
        str | None, typer.Argument(help="A set by name (--list shows them), or a YAML file of your own.", metavar="NAME")
    ] = None,
    configs: Annotated[
        list[str] | None, typer.Argument(help="Run settings (YAML files); several stand in one table.", metavar="CONFIG...")
    ] = None,
    data: Annotated[
        str,
        typer.Option(
            "--data",
            help="File, folder or hub name of the set's rows. [default: the name on the hub]",
            metavar="PATH",
            show_default=False,
        ),
    ] = "",
    mapping: Map = None,
    overrides: Set = None,
    split: SplitOption = "",
    subset: DataConfigName = "",
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit", help="Use N items, drawn evenly over the set. [default: all]", metavar="N", min=1, show_default=False
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            help="Directory of the results, a run folder for each CONFIG. [default: runs/bench/NAME]",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    distractors: Annotated[
        int,
        typer.Option(
            "--distractors", help="Judge again with N documents of other items among those of each.", metavar="N", min=0, max=1000
        ),
    ] = 0,
    order: Annotated[
        str,
        typer.Option(
            "--order", help="Orders that a pairwise judge is asked in: both, or own (as its settings say).", metavar="WHICH"
        ),
    ] = "both",
    price: Annotated[
        str | None,
        typer.Option(
            "--price",
            help="Dollars for a million prompt and completion tokens, such as 0.15,0.60. [default: none]",
            metavar="IN,OUT",
            show_default=False,
        ),
    ] = None,
    draws: Annotated[int, typer.Option("--draws", help="Draws of the bootstrap.", metavar="N", min=1)] = DRAWS,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the bootstrap.", metavar="N", min=0)] = 0,
    fail_below: Annotated[
        float | None,
        typer.Option(
            "--fail-below",
            help="Exit with 1 if the first figure of any CONFIG is below FIGURE, in [0, 1]. [default: off]",
            metavar="FIGURE",
            min=-1,
            max=1,
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace results of other settings in the output directory. [default: off; refused]"),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables. [default: off]")] = False,
    track: Track = None,
    known: Annotated[bool, typer.Option("--list", help="Print the sets that are known by name, and stop.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress on standard error. [default: off]")] = False,
) -> None:
    """Judge a labelled set, and print how often the judge is right: the published figure, with its interval.

    Beside it stand the plain accuracy over all items and over those with a verdict, order consistency, ties, failures by reason,
    tokens and seconds. Judged text, verdicts and items.jsonl (one line an item) are kept in a run folder; the same command goes
    on where it stopped. A set of your own is a YAML file: `kind: pairs`, `data: my.jsonl`. No data come with the toolkit.

    \b
    Examples:
      judge bench --list
      judge bench llmbar judge.yaml --data LLMBar/Dataset/LLMBar
      judge bench judgebench a.yaml b.yaml --data judgebench/gpt4o.jsonl
      judge bench rewardbench judge.yaml --limit 300 --price 0.15,0.60
      judge bench halueval-qa judge.yaml --data qa_data.json --distractors 5
      judge bench mine.yaml judge.yaml --fail-below 0.8 --json

    Exit codes: 0 done; 1 below --fail-below; 2 wrong input; 3 the engine cannot work, or stopped working (the same command
    continues); 4 results cannot be written; 130 stopped by Ctrl-C.
    """
    from judge.bench.run import BenchOptions, run_bench  # noqa: PLC0415  # keeps `judge --help` fast
    from judge.bench.show import bench_record, print_bench  # noqa: PLC0415  # as above
    from judge.bench.spec import load_set  # noqa: PLC0415  # as above

    if known:
        _list(as_json)
        return
    if name is None or not configs:
        raise InputError(
            "a set and at least one CONFIG are needed, such as `judge bench llmbar judge.yaml`; --list shows the sets"
        )
    if order not in ("both", "own"):
        raise InputError(f"--order {order}: both or own")
    spec = load_set(name)
    report = run_loop(
        run_bench(
            spec,
            configs,
            output or Path("runs") / "bench" / spec.name,
            BenchOptions(distractors, order == "own", draws, seed, _price(price)),
            data=data,
            mapping=parse_map(mapping or ()),
            split=split,
            data_config=subset,
            limit=limit,
            overrides=with_track(overrides, track),
            notice=lambda text: None if quiet else notice(text),
            quiet=quiet,
            overwrite=overwrite,
        )
    )
    if as_json:
        print(json.dumps(bench_record(report), ensure_ascii=False, allow_nan=False))
    else:
        print_bench(report)
    if report.judges[-1].interrupted:
        raise typer.Exit(130)
    low = [j for j in report.judges if fail_below is not None and not j.published[0].value >= fail_below]
    for judge in low:
        value = judge.published[0].value
        said = "has no value" if math.isnan(value) else f"is {value:.3f}"
        notice(f"{judge.name}: {judge.published[0].name} {said}, and --fail-below asks for {fail_below}")
    if low:
        raise typer.Exit(1)


def _price(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        first, second = (float(part) for part in text.split(","))
    except ValueError:
        raise InputError(
            f"--price {text}: must be two numbers such as 0.15,0.60 (dollars for a million tokens in and out)"
        ) from None
    if not (0 <= first < math.inf and 0 <= second < math.inf):
        raise InputError(f"--price {text}: prices are not negative")
    return first, second


_CHECKED = {True: "yes", None: "card", False: "no"}  # `SetSpec.checked`


def _cut(title: str, most: int = 20) -> str:
    return title if len(title) <= most else title[: most - 1] + "…"


def _list(as_json: bool) -> None:
    from judge.bench.published import metric_of  # noqa: PLC0415  # as above
    from judge.bench.spec import shipped_sets  # noqa: PLC0415  # as above

    sets = shipped_sets()
    if as_json:
        print(json.dumps({name: {**s.model_dump(mode="json"), "figure": metric_of(s).source} for name, s in sets.items()}))
        return
    wide = max(map(len, sets))
    print(f"{'name':<{wide}}  {'kind':<8}  {'checked':<7}  {'title':<20}  paper")
    for name, spec in sets.items():
        print(f"{name:<{wide}}  {spec.kind:<8}  {_CHECKED[spec.checked]:<7}  {_cut(spec.title):<20}  {spec.paper}".rstrip())
    notice("checked: yes, a test reads published rows; card, columns as the data card names them; no, not looked at: see --map")
