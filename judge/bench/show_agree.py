"""An agreement report on a terminal of 80 columns."""

from __future__ import annotations

import math
from collections.abc import Iterable

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from judge.bench.agree import AgreePart, AgreeReport
from judge.bench.measures import Figure
from judge.report.text import percent, printable

WIDTH = 80
_LABELS = {"yes_no": "yes and no", "number": "numbers", "better": "the better of two"}


def print_agree(report: AgreeReport, console: Console | None = None) -> None:
    """Print a report on standard output."""
    console = console or Console(width=WIDTH, highlight=False, soft_wrap=False)
    for block in agree_blocks(report):
        console.print(block)


def agree_blocks(report: AgreeReport) -> Iterable[RenderableType]:
    """The parts of the printed report, in order."""
    yield Text(" · ".join(x for x in (report.run, report.recipe, report.model) if x), style="bold")
    for part in report.parts:
        yield from _part(part)
    if report.subsets:
        yield _subsets(report.subsets)
    for beside in report.beside:
        yield Text(f"{beside.first} beside {beside.second}, {beside.labels:,} labels", style="bold")
        yield _figures(beside.figures)
        alone, other, both, independent = beside.wrong
        yield Text(f"wrong: first alone {alone:,}, second alone {other:,}, both {both:,} (if independent: {independent:.1f})")
    yield Text("95 % intervals: bootstrap over prompts", style="dim")


def _part(part: AgreePart) -> Iterable[RenderableType]:
    shares = ", ".join(
        f"{name} {percent(share)}" if part.kind != "number" else f"{name} {share:.3f}" for name, share in part.base.items()
    )
    yield Text(f"{part.name}: {part.labels:,} labels ({_LABELS[part.kind]}), {part.failed:,} without a verdict", style="bold")
    if shares:
        always = "" if part.always is None else f"; always the most common label: {percent(part.always)} right"
        yield Text(f"labels: {shares}{always}")
    yield _figures(part.figures)
    if part.effects:
        yield Text("the judge less the labels (0: no effect)", style="dim")
        yield _figures(part.effects)
    if part.reliability is not None and part.reliability.bins:
        yield Text("reliability: rewards by size, and how often they were right", style="dim")
        table = _table("rewards", "mean", "right", "count")
        for b in part.reliability.bins:
            table.add_row(f"{b.low:.1f} to {b.high:.1f}", f"{b.confidence:.3f}", f"{b.accuracy:.3f}", f"{b.count:,}")
        yield table


def _table(*columns: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for place, name in enumerate(columns):
        table.add_column(name, justify="left" if place == 0 else "right", no_wrap=True, overflow="ellipsis")
    return table


def _figures(figures: Iterable[Figure]) -> Table:
    table = _table("figure", "value", "95 %")
    for f in figures:
        table.add_row(f.name, _number(f.value), _ends(f))
    return table


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"


def _ends(f: Figure) -> str:
    return "" if math.isnan(f.interval.low) else f"[{f.interval.low:.3f}, {f.interval.high:.3f}]"


def _subsets(parts: list[AgreePart]) -> Table:
    first = parts[0].figures[0].name
    others = [n for n in ("Cohen kappa", "Kendall tau") if any(f.name == n for f in parts[0].figures)]
    table = _table("subset", f"{first} [95 %]", *others, "always", "labels", "none")
    for part in parts:
        by_name = {f.name: f for f in part.figures}
        head = by_name[first]
        always = "–" if part.always is None else percent(part.always)
        table.add_row(
            printable(part.name), f"{_number(head.value)} {_ends(head)}", *(_number(by_name[n].value) for n in others), always,
            f"{part.labels:,}", f"{part.failed:,}",
        )  # fmt: skip
    return table
