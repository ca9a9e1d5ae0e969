"""A bench report on a terminal of 80 columns: one table over all judges, the parts of each, then what makes a good teacher."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from judge.bench.measures import Figure
from judge.bench.published import metric_of
from judge.bench.record import JudgeMetrics, as_record, number
from judge.bench.run import BenchReport, plain_credit
from judge.bench.spec import SetSpec
from judge.bench.teacher import reward_distance
from judge.report.stats import paired_difference
from judge.report.text import percent, printable

WIDTH = 80
MOST_SUBSETS = 24  # shown
_AS_PERCENT = ("pairs", "best", "styles", "right", "criteria", "contrast", "steps")


def print_bench(report: BenchReport, console: Console | None = None) -> None:
    """Print a report on standard output."""
    console = console or Console(width=WIDTH, highlight=False, soft_wrap=False)
    for block in bench_blocks(report):
        console.print(block)


def bench_record(report: BenchReport) -> dict[str, Any]:
    """The report as plain values."""
    return {
        "set": report.spec.name,
        "title": report.spec.title,
        "paper": report.spec.paper,
        "kind": report.spec.kind,
        "licence": report.spec.licence,
        "metric": metric_of(report.spec).source,
        "data": report.data,
        "items": len(report.items.items),
        "rows_unreadable": report.items.bad,
        "rows_left_out": report.items.dropped,
        "judges": [as_record(report.spec, judge) for judge in report.judges],
        "compared": compared_judges(report),
    }


def bench_blocks(report: BenchReport) -> Iterable[RenderableType]:
    """The parts of the printed report, in order."""
    spec = report.spec
    head = " · ".join(x for x in (spec.title or spec.name, spec.paper, f"{len(report.items.items):,} items", report.data) if x)
    yield Text(head, style="bold")
    yield Text(f"figure: {metric_of(spec).source}", style="dim")
    yield _judges(report)
    for judge in report.judges:
        yield from _parts(spec, judge)
    yield from map(Text, _teachers(report))
    yield from map(Text, _compared(report))
    if spec.note:
        yield Text(spec.note, style="dim")
    draws = report.options.draws
    yield Text(f"95 % intervals: bootstrap of {draws:,} draws over prompts, seed {report.options.seed}", style="dim")


def _table(*columns: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for place, name in enumerate(columns):
        table.add_column(
            name, justify="left" if place == 0 else "right", no_wrap=True, overflow="ellipsis" if place == 0 else "fold"
        )
    return table


def _judges(report: BenchReport) -> Table:
    headline = report.judges[0].published[0].name if report.judges and report.judges[0].published else "figure"
    plain = any(not math.isnan(f.value) for j in report.judges for f in j.accuracy)
    both = any(j.consistency is not None for j in report.judges)
    table = _table(
        "judge",
        f"{headline} [95 %]",
        *(("all", "parsed") if plain else ()),
        *(("orders",) if both else ()),
        "ties",
        "none",
        "tokens",
        "s",
    )
    for judge in report.judges:
        cells = [judge.name, _with_ends(report.spec, judge.published[0], judge)]
        cells += [percent(f.value) for f in judge.accuracy] if plain else []
        cells += [percent(judge.consistency)] if both else []
        cells += [
            percent(judge.ties),
            percent(judge.failed),
            _short(judge.prompt_tokens + judge.completion_tokens),
            f"{judge.seconds:.1f}" if judge.seconds < 10 else f"{judge.seconds:,.0f}",
        ]
        table.add_row(*cells)
    figures = [max(map(len, map(str, [column.header, *column.cells]))) + 1 for column in table.columns[1:]]
    room = max(8, WIDTH - 3 - sum(figures))  # a long name gives way, never a figure
    if room - len(figures) - 1 < max(len(judge.name) for judge in report.judges):
        table.padding = (0, 0)
    table.columns[0].max_width = room
    return table


def _value(spec: SetSpec, value: float) -> str:
    if math.isnan(value):
        return "–"
    return f"{100 * value:.1f}" if spec.kind in _AS_PERCENT else f"{value:.3f}"


def _with_ends(spec: SetSpec, figure: Figure, judge: JudgeMetrics) -> str:
    if math.isnan(figure.interval.low):
        silent = judge.failed == 1 and not math.isnan(figure.value)
        return _value(spec, figure.value) + (" no verdicts" if silent else "")
    return f"{_value(spec, figure.value)} [{_value(spec, figure.interval.low)}, {_value(spec, figure.interval.high)}]"


def _short(count: int) -> str:
    return (
        f"{count / 1e6:.1f}M"
        if count >= 1e6
        else f"{count / 1e3:.0f}k"
        if count >= 1e5
        else f"{count / 1e3:.1f}k"
        if count >= 1e4
        else f"{count}"
    )


def _parts(spec: SetSpec, judge: JudgeMetrics) -> Iterable[RenderableType]:
    """The other published figures and the subsets of one judge, and why it failed."""
    yield Text(
        f"{judge.name}: {judge.recipe}, {judge.model} · {judge.items:,} of {judge.of:,} items · {judge.calls:,} calls"
        f"{_cost(judge)}"
    )
    table = _table("", "figure [95 %]", "items")
    for figure in judge.published[1:]:
        table.add_row(_cut(figure.name), _with_ends(spec, figure, judge), "")
    named = {f.name for f in judge.published}
    small = len(judge.subsets) - MOST_SUBSETS
    shown = judge.subsets if small <= 0 else sorted(judge.subsets, key=lambda f: -f.items)[:MOST_SUBSETS]
    for figure in shown:
        if figure.name not in named:
            table.add_row(f"  {_cut(figure.name)}", _with_ends(spec, figure, judge), str(figure.items))
    if table.row_count:
        yield table
    if small > 0:
        yield Text(f"and {small} smaller subsets, see {judge.folder / 'bench.json'}")
    if judge.first is not None:
        yield Text(f"prefers what is shown first: {percent(judge.first)} of the decided views (50 % is even)")
    if judge.reasons:
        yield Text("no verdict: " + ", ".join(f"{n:,} {reason}" for reason, n in judge.reasons.items()))
    if judge.interrupted:
        yield Text("stopped before the end: run the same command again to go on", style="yellow")


def _cut(name: str, most: int = 40) -> str:
    """A name that leaves room for its figure; the end of a path says more than its beginning."""
    name = printable(name)
    return name if len(name) <= most else "…" + name[1 - most :]


def _cost(judge: JudgeMetrics) -> str:
    return "" if judge.price is None else f" · ${judge.price:,.2f}"


def _teachers(report: BenchReport) -> Iterable[str]:
    for judge in report.judges:
        t = judge.teacher
        if t is None:
            continue
        curve = ", ".join(f"{n}: {value:.3f} ({t.ceiling[n]:.3f})" for n, value in t.curve.items())
        yield (
            f"as a teacher, {judge.name}: spread within a prompt {t.spread:.3f}, all equal in {percent(t.silent)} of {t.groups:,}"
            f" prompts, {percent(t.ties)} of pairs tied"
        )
        yield f"  label of the best of n by its reward (by a perfect judge): {curve}"


# ---- two judges --------------------------------------------------------------------------------------------------------


def compared_judges(report: BenchReport) -> list[dict[str, Any]]:
    """Each pair of configurations: difference of accuracy on the same items, shared errors, distance of the rewards."""
    out = []
    for first, second in combinations(report.judges, 2):
        a, b = _hits(report.spec, first), _hits(report.spec, second)
        both = [name for name in a if name in b]
        if not both:
            continue
        x, y = [a[n] for n in both], [b[n] for n in both]
        clusters = {j.item.sample.id: j.item.cluster for j in first.judged}
        gap, interval = paired_difference(x, y, [[clusters[n] for n in both]], n=report.options.draws, seed=report.options.seed)
        wrong = [(1 - p, 1 - q) for p, q in zip(x, y, strict=True)]
        shared = sum(min(p, q) for p, q in wrong)
        either = sum(max(p, q) for p, q in wrong)
        expected = sum(p for p, _ in wrong) * sum(q for _, q in wrong) / len(both)
        out.append(
            {
                "judges": [first.name, second.name],
                "items": len(both),
                "difference": gap,
                "interval": None if math.isnan(interval.low) else [interval.low, interval.high],
                "shared_errors": shared,
                "shared_errors_if_independent": expected,
                "errors_of_either": either,
                "distance": number(_distance(first, second)),
            }
        )
    return out


def _hits(spec: SetSpec, judge: JudgeMetrics) -> dict[str, float]:
    values = plain_credit(spec, judge.judged)
    return {j.item.sample.id: float(v) for j, v in zip(judge.judged, values, strict=True) if not math.isnan(v)}


def _distance(first: JudgeMetrics, second: JudgeMetrics) -> float:
    a, b = _rewards(first), _rewards(second)
    keys = [k for k in a if k in b]
    return reward_distance([a[k][0] for k in keys], [b[k][0] for k in keys], [a[k][1] for k in keys]) if keys else math.nan


def _rewards(judge: JudgeMetrics) -> dict[tuple[str, int], tuple[float, str]]:
    return {
        (j.item.sample.id, place): (np.nan if reward is None else reward, j.item.cluster)
        for j in judge.judged
        for place, reward in enumerate(j.rewards)
    }


def _compared(report: BenchReport) -> Iterable[str]:
    for pair in compared_judges(report):
        ends: Sequence[float] = pair["interval"] or (math.nan, math.nan)
        first, second = pair["judges"]
        line = f"{first} - {second}: {100 * pair['difference']:+.1f} points [{100 * ends[0]:+.1f}, {100 * ends[1]:+.1f}]"
        line += f" on {pair['items']:,} items"
        line += f"; wrong together {pair['shared_errors']:.0f} (independent: {pair['shared_errors_if_independent']:.1f})"
        yield line + ("" if pair["distance"] is None else f"; distance of the rewards {pair['distance']:.3f}")
