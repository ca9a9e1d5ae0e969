"""An attack report on a terminal: one line first, then a row a family, then the worst items and what honest answers pay."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from judge.attack.evaluator import FilterState
from judge.attack.metrics import FamilyMetrics
from judge.attack.report import EXPECTED, column_notes, counted, verdict_lines
from judge.attack.run import AttackReport, ModeReport
from judge.intervals import Interval
from judge.report.text import percent, visible

WIDTH = 100
WORST_SHOWN = 8


def print_report(report: AttackReport, console: Console | None = None) -> None:
    """Print a report on standard output."""
    console = console or Console(width=WIDTH, highlight=False, soft_wrap=False)
    for block in blocks(report):
        console.print(block)


def blocks(report: AttackReport) -> Iterable[RenderableType]:
    """The parts of the printed report, in order."""
    yield from (Text(line, style="bold") for line in verdict_lines(report))
    for mode in report.modes:
        yield ""
        yield Text(f"{mode.mode}, recipe {mode.recipe}, judge {report.model}: {_filter_states(mode)}")
        yield from (Text(line, style="dim") for line in column_notes(mode))
        yield _families(mode)
        yield from map(Text, _no_verdicts(mode))
        yield _worst(mode)
        yield from map(Text, _honest(mode))
        if mode.found:
            yield _found(mode)
    tokens = report.prompt_tokens + report.completion_tokens
    yield ""
    yield Text(
        f"{report.questions:,} questions ({report.data}), {report.options.trials} an item, seed {report.options.seed} · "
        f"{report.calls:,} judge calls, {tokens:,} tokens, {report.seconds:.1f} s · 95 % intervals by text and question",
        style="dim",
    )


def _filter_states(mode: ModeReport) -> str:
    return "same replies with the filters off and on" if len(mode.metrics) > 1 else f"filters {mode.filters} only"


def _families(mode: ModeReport) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("family", no_wrap=True)
    table.add_column("counts", no_wrap=True)
    table.add_column("trials", justify="right", no_wrap=True)
    for filters in mode.metrics:
        table.add_column(f"{filters}, %", justify="right", no_wrap=True)
    for name in ("worst, %", "neutral", "hurt", "silent"):
        table.add_column(name, justify="right", no_wrap=True)
    for rows in zip(*mode.metrics.values(), strict=True):
        table.add_row(*_row(mode, dict(zip(mode.metrics, rows, strict=True))))
    return table


def _row(mode: ModeReport, by_state: dict[FilterState, FamilyMetrics]) -> list[str | Text]:
    f = by_state[mode.filters]
    if f.safe == "KEEP":
        rates: list[str | Text] = [_of(x.harm_trials - x.harmed, x.harm_trials) for x in by_state.values()]
        return [f.family, EXPECTED[f.safe], str(f.harm_trials), *rates, "", "", f"{f.vetoed} vetoed", ""]
    rates = [_rate(x) for x in by_state.values()]
    worst = f"{f.worst.item} {_points(f.worst.rate)}" if f.worst and f.worst.rate else "–"
    net = f"{100 * f.difference:+.1f}" if not math.isnan(f.difference) else ""
    hurt = f"{f.harmed} of {f.harm_trials}" if f.harm_trials else ""
    return [f.family, EXPECTED[f.safe], f"{f.trials:,}", *rates, worst, net, hurt, _silence(f)]


def _rate(f: FamilyMetrics) -> Text:
    if math.isnan(f.rate):
        why = "no verdict" if not f.scored else "no room" if f.no_room else "–"
        return Text(why, style="yellow")
    style = (
        ""
        if f.safe not in ("NEG", "NOGAIN", "LITERAL", "INVARIANT")
        else "green"
        if f.rate == 0
        else "red"
        if f.through
        else "yellow"
    )
    return Text(f"{_points(f.rate)} {_interval(f.interval)}", style=style)


def _points(share: float) -> str:
    return f"{100 * share:.0f}"


def _interval(ends: Interval) -> str:
    return "" if math.isnan(ends.low) else f"[{100 * ends.low:.0f}, {100 * ends.high:.0f}]"


def _of(count: int, total: int) -> str:
    return f"{count} of {total}"


def _silence(f: FamilyMetrics) -> str:
    return str(sum(f.unscored.values()))


def _no_verdicts(mode: ModeReport) -> Iterable[str]:
    """Why trials have no verdict, over all families."""
    reasons: Counter[str] = Counter()
    for f in mode.metrics[mode.filters]:
        reasons.update(f.unscored)
    if reasons:
        yield "no verdict: " + ", ".join(f"{n:,} {reason}" for reason, n in reasons.most_common())


def _worst(mode: ModeReport) -> RenderableType:
    metrics = [f for f in counted(mode.metrics[mode.filters]) if f.worst and f.worst.rate > 0]
    if not metrics:
        return Text("No item got through." if mode.alone[mode.filters].trials else "")
    table = Table(title="worst items", title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("item", no_wrap=True)
    table.add_column(f"filters {mode.filters}", justify="right", no_wrap=True)
    table.add_column("text, escaped", overflow="ellipsis", no_wrap=True)
    for f in sorted(metrics, key=lambda f: -f.upper)[:WORST_SHOWN]:
        w = f.worst
        if w is not None:
            name = f"{w.item}/{w.variant}" if w.variant else w.item
            table.add_row(name, f"{percent(w.rate, 0)} of {w.trials} {_interval(w.interval)}", visible(w.text, 60))
    return table


def _honest(mode: ModeReport) -> Iterable[str]:
    for filters, h in mode.honest.items():
        ends = _interval(h.accepted_interval).strip()
        words = f"filters {filters}: right answers accepted {percent(h.accepted)} {ends} of {h.right:,}"
        if h.wrong:
            words += f", wrong ones {percent(h.wrong_accepted)} of {h.wrong:,}"
        if filters == "on":
            names = ", ".join(f"{n} {name}" for name, n in h.vetoed_flags.items())
            words += f", vetoed {percent(h.vetoed)}" + (f" ({names})" if names else "")
        silent = sum(h.unscored.values())
        yield words + (f", no verdict {silent}" if silent else "")
        constant = mode.constant[filters]
        if constant is None:
            continue
        line = f"filters {filters}: constant string {constant.item} {visible(constant.text, 30)} earns {percent(constant.rate)}"
        if constant.beats is not None:
            line += f"; honest answers as in the data earn {percent(constant.pass_rate)}"
        if constant.rate > 0:
            line += f": it beats any policy that passes less than {percent(constant.rate)}"
        yield line


def _found(mode: ModeReport) -> Table:
    table = Table(title="found by the search, on held-out questions", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("text, escaped", no_wrap=True, overflow="ellipsis")
    table.add_column("accepted", justify="right", no_wrap=True)
    table.add_column("in the search", justify="right", no_wrap=True)
    for f in mode.found:
        ends = _interval(f.interval)
        table.add_row(visible(f.text, 60), f"{percent(f.rate, 0)} of {f.trials} {ends}", percent(f.search_rate, 0))
    return table
