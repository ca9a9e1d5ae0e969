"""`judge label`: labels of one's own for a run, on a local page."""

from __future__ import annotations

import getpass
import webbrowser
from typing import Annotated, Literal

import typer

from judge.cli.options import notice
from judge.cli.report import RunFolder
from judge.errors import InputError
from judge.report.run_tables import load_tables


def label(
    run: RunFolder,
    mode: Annotated[
        str | None,
        typer.Option(
            "--mode",
            help="yes_no, scale, pairs or criteria. [default: pairs or criteria where the run has them, else yes_no]",
            metavar="MODE",
            show_default=False,
        ),
    ] = None,
    scale: Annotated[
        str, typer.Option("--scale", help="Lowest and highest grade (with --mode scale).", metavar="LOW,HIGH")
    ] = "1,5",
    items: Annotated[
        int | None,
        typer.Option("--items", help="Label N items, drawn at random. [default: all]", metavar="N", min=1, show_default=False),
    ] = None,
    person: Annotated[
        str | None,
        typer.Option("--by", help="Your name in the file. [default: your user name]", metavar="NAME", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the order of items and sides.", metavar="N", min=0)] = 0,
    port: Annotated[
        int, typer.Option("--port", help="Port on this machine; 0: a free one.", metavar="PORT", min=0, max=65535)
    ] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")] = True,
) -> None:
    """Label the responses of a run on a local page: blind, by keyboard, saved after each answer. Ctrl-C ends it.

    Labels go to labels.jsonl in the run folder, where `judge agree RUN` and `judge calibrate RUN` find them. A second person
    labels the same items with --by NAME. The page is for this machine alone.

    \b
    Examples:
      judge label runs/a --items 100
      judge label runs/a --mode scale --scale 1,10 --by anna
      judge agree runs/a

    Exit codes: 0 done, 2 wrong input, 4 a label cannot be written.
    """
    from judge.bench.label import LabelFile, LabelServer, default_mode, label_tasks  # noqa: PLC0415  # numpy, only here

    tables = load_tables(run)
    chosen = _mode(mode) if mode is not None else default_mode(tables)
    tasks = label_tasks(tables, chosen, most=items, seed=seed)
    kept = LabelFile(tables.folder, person or getpass.getuser())
    server = LabelServer(tasks, chosen, kept, scale=_scale(scale), port=port)
    notice(f"{len(tasks):,} items to label ({chosen}), {len(kept.given().keys() & {t.key for t in tasks}):,} done; Ctrl-C ends")
    print(server.url, flush=True)
    if browser:
        webbrowser.open(server.url)
    try:
        server.serve()
    except KeyboardInterrupt:
        notice(f"{len(kept.given()):,} labels are in {tables.folder / 'labels.jsonl'}; next: judge agree {run}")


def _mode(text: str) -> Literal["yes_no", "scale", "pairs", "criteria"]:
    for mode in ("yes_no", "scale", "pairs", "criteria"):
        if text.replace("-", "_") == mode:
            return mode
    raise InputError(f"--mode {text}: must be yes_no, scale, pairs or criteria")


def _scale(text: str) -> tuple[int, int]:
    low, _, high = text.partition(",")
    try:
        ends = int(low), int(high)
    except ValueError:
        ends = (0, 0)
    if not ends[0] < ends[1] <= ends[0] + 10:
        raise InputError(f"--scale {text}: must be two whole numbers such as 1,5, at most 10 apart")
    return ends
