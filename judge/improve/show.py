"""What a rubric came to on labels, on a terminal of 80 columns and as plain values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from judge.bench.measures import Figure
from judge.bench.record import number
from judge.improve.validate import RubricProof
from judge.intervals import Interval

WIDTH = 80
MOST_CRITERIA = 40  # shown
_PLAIN = ("calls an item", "tokens an item", "criteria an item")
_SIGNED = ("Kendall tau", "length correlation", "labels' length correlation", "discrimination")  # in [-1, 1]


def print_blocks(blocks: Iterable[RenderableType], console: Console | None = None) -> None:
    """Print on standard output, 80 columns wide."""
    console = console or Console(width=WIDTH, highlight=False, soft_wrap=False)
    for block in blocks:
        console.print(block)


def table_of(*columns: str) -> Table:
    """A table whose first column holds names and whose others hold numbers."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for place, name in enumerate(columns):
        left = place == 0 or name == "faults"
        table.add_column(name, justify="left" if left else "right", no_wrap=not left, overflow="fold")
    return table


def proof_blocks(found: RubricProof, draws: int = 1000) -> Iterable[RenderableType]:
    """The figures of one rubric beside no rubric, its criteria, and what follows."""
    head = f"{found.name}: {found.items:,} items"
    yield Text(head + (f", {found.without:,} more without a rubric of their own" if found.without else ""), style="bold")
    table = table_of("", "with [95 %]", "no rubric [95 %]")
    other = {f.name: f for f in found.bare}
    for figure in found.figures:
        shown = signed if found.kind == "ratings" and figure.name == "agreement" else cell
        name = "agreement (Spearman rho)" if shown is signed else figure.name
        table.add_row(name, shown(figure), shown(other[figure.name]) if figure.name in other else "–")
    for figure in found.pooled:
        table.add_row(figure.name, cell(figure), "")
    yield table
    if found.criteria:
        yield _criteria(found)
    if found.reasons:
        yield Text("no verdict: " + ", ".join(f"{n:,} {reason}" for reason, n in found.reasons.items()))
    yield Text(conclusion(found), style="bold")
    yield Text(f"95 % intervals: bootstrap of {draws:,} draws over prompts", style="dim")


def _criteria(found: RubricProof) -> Table:
    table = table_of("criterion", "tells apart [95 %]", "met", "decides", "faults")
    for c in found.criteria[:MOST_CRITERIA]:
        name = c.id if len(c.id) <= 18 else c.id[:17] + "…"
        faults = ", ".join(c.faults)
        table.add_row(name, signed(c.discrimination), percent_of(c.met), percent_of(c.decides), faults)
    if len(found.criteria) > MOST_CRITERIA:
        table.add_row(f"and {len(found.criteria) - MOST_CRITERIA} more, see --json", "", "", "", "")
    return table


def conclusion(found: RubricProof) -> str:
    """One sentence: better, worse, or not known."""
    low = found.gap.interval.low
    if found.silent:
        return "nothing can be said: the judge gave no verdict on any item with the rubric"
    if math.isnan(found.gap.value):
        return "nothing can be said: there is no figure with the rubric, or none without"
    points = f"Spearman's rho {signed(found.gap)}" if found.kind == "ratings" else _points(found.gap)
    points += ", of one prompt" if math.isnan(low) else ""
    points += _with_half_ties(found)
    turned = found.halved is not None and found.halved.value < 0 <= found.gap.value  # then the other gap says nothing
    told = [f for f in (None if turned else found.gap, found.halved) if f is not None]
    unsure = [f for f in told if f.interval.low <= 0 <= f.interval.high]
    sure = (
        f"; {'the' if unsure[0] is found.gap else 'that'} interval holds 0, so more items are needed to be sure" if unsure else ""
    )
    sure = "; one prompt has no interval, so more are needed to say anything" if math.isnan(low) else sure
    word = "worse than" if found.worse else "better than" if low > 0 and not unsure else "no worse than"
    return f"{word} no rubric: {points}{sure}"


def _points(figure: Figure) -> str:
    low, high = figure.interval
    return f"{100 * figure.value:+.1f} points" + ("" if math.isnan(low) else f" [{100 * low:+.1f}, {100 * high:+.1f}]")


def _with_half_ties(found: RubricProof) -> str:
    """The gap with ties as half, where it says something else than the one with ties as wrong."""
    half = found.halved
    if half is None or math.isnan(half.value):
        return ""
    says, half_says = ([end > 0 for end in (f.value, f.interval.low)] for f in (found.gap, half))
    if half.value >= 0 and (says == half_says or not says[1]):
        return ""
    why = "what the rubric decides and the judge alone does not is " + ("mostly wrong" if half.value < 0 else "not surely right")
    return f"; with ties as half {_points(half)}, so {why}"


def cell(figure: Figure) -> str:
    """A figure with its interval: a share in percent, a correlation as it is, with its sign."""
    if math.isnan(figure.value) or figure.name in _SIGNED:
        return signed(figure)
    plain = figure.name in _PLAIN
    value, low, high = (_plain(v) if plain else f"{100 * v:.1f}" for v in (figure.value, *figure.interval))
    return value if math.isnan(figure.interval.low) else f"{value} [{low}, {high}]"


def _plain(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"


def signed(figure: Figure) -> str:
    """A figure in [-1, 1] with its interval."""
    if math.isnan(figure.value):
        return "–"
    low, high = figure.interval
    return f"{figure.value:+.2f}" if math.isnan(low) else f"{figure.value:+.2f} [{low:+.2f}, {high:+.2f}]"


def percent_of(value: float) -> str:
    """A share as a whole percentage."""
    return "–" if math.isnan(value) else f"{100 * value:.0f} %"


def proof_record(found: RubricProof) -> dict[str, Any]:
    """The same as plain values; what is not known is null."""
    return {
        "rubric": found.name,
        "hash": found.rubric.hash if found.rubric is not None else None,
        "items": found.items,
        "items_without_rubric": found.without,
        "figures": figures_record(found.figures),
        "no_rubric": figures_record(found.bare),
        "gap": figure_record(found.gap),
        "gap_ties_half": None if found.halved is None else figure_record(found.halved),
        "pooled": figures_record(found.pooled),
        "criteria": [
            {"id": c.id, "discrimination": figure_record(c.discrimination), "met": number(c.met), "decides": number(c.decides),
             "no_verdict": number(c.missing), "repeats": c.repeats[0] or None, "correlation": number(c.repeats[1]),
             "faults": list(c.faults),
             "intervals": {_IN_JSON.get(part, part): _ends(interval) for part, interval in c.intervals.items()}}
            for c in found.criteria
        ],
        "no_verdict_reasons": dict(found.reasons),
        "worse": found.worse,
        "conclusion": conclusion(found),
    }  # fmt: skip


_IN_JSON = {"missing": "no_verdict", "repeats": "correlation"}


def _ends(interval: Interval) -> list[float | None] | None:
    low = number(interval.low)
    return None if low is None else [low, number(interval.high)]


def figures_record(found: Sequence[Figure]) -> dict[str, Any]:
    """Figures by name."""
    return {f.name: figure_record(f) for f in found}


def figure_record(figure: Figure) -> dict[str, Any]:
    """Value and interval of one figure."""
    low = number(figure.interval.low)
    return {
        "value": number(figure.value),
        "interval": None if low is None else [low, figure.interval.high],
        "items": figure.items,
    }
