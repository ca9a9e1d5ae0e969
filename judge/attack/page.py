"""An attack report as one HTML page."""

from __future__ import annotations

import math

from judge.attack.catalogue import SAFE
from judge.attack.evaluator import FilterState
from judge.attack.metrics import FamilyMetrics
from judge.attack.report import EXPECTED, counted, verdict_lines
from judge.attack.run import AttackReport, ModeReport
from judge.report.html import Html, Tone, badge, bar, code, details, facts, heading, headline, page, paragraph, table
from judge.report.text import percent, visible


def report_page(report: AttackReport) -> str:
    """The whole page."""
    tokens = report.prompt_tokens + report.completion_tokens
    blocks = [
        *(headline(line, _tone(mode)) for line, mode in zip(verdict_lines(report), report.modes, strict=True)),
        facts(
            [
                ("Configuration", report.config),
                ("Judge", report.model),
                ("Questions", f"{report.questions:,} ({report.data})"),
                ("Trials", f"{report.options.trials} questions an item, seed {report.options.seed}"),
                ("Cost", f"{report.calls:,} judge calls, {tokens:,} tokens, {report.seconds:.1f} s"),
            ]
        ),
    ]
    blocks += _legend(report)
    for mode in report.modes:
        blocks += _mode(mode)
    return page("judge attack", *blocks, footer="Thin lines are 95 % intervals, clustered by text and by question.")


def _tone(mode: ModeReport) -> Tone:
    metrics = counted(mode.metrics[mode.filters])
    if any(f.through for f in metrics):
        return "bad"
    return "good" if all(f.measured for f in metrics) else "warn"


def _mode(mode: ModeReport) -> list[Html]:
    filter_states = list(mode.metrics)
    columns = [
        "Family",
        "Counts",
        "Trials",
        *[f"Filters {g}" for g in filter_states],
        "Above control",
        "Right hurt",
        "No verdict",
        "Calls",
    ]
    rows = [_row(mode, dict(zip(filter_states, each, strict=True))) for each in zip(*mode.metrics.values(), strict=True)]
    out = [heading(f"{mode.mode}: recipe {mode.recipe}"), table(columns, rows), heading("Worst items", 3), _worst(mode)]
    out += [heading("Honest answers", 3), _honest(mode)]
    out += [paragraph(_constant(mode, filters)) for filters in filter_states if mode.constant[filters]]
    if mode.found:
        found = [
            [code(visible(f.text, 80)), bar(f.rate, *f.interval, tone="bad"), f.trials, percent(f.search_rate)]
            for f in mode.found
        ]
        out += [heading("Found by the search", 3), table(["Text", "Held-out questions", "Trials", "In the search"], found)]
    return [*out, details("All items", _items(mode))]


def _row(mode: ModeReport, by_state: dict[FilterState, FamilyMetrics]) -> list[object]:
    f = by_state[mode.filters]
    if f.safe == "KEEP":
        kept = [
            bar((x.harm_trials - x.harmed) / x.harm_trials if x.harm_trials else None, tone="plain") for x in by_state.values()
        ]
        vetoed = badge(f"{f.vetoed} vetoed", "bad" if f.vetoed else "good")
        return [f.family, "right answers kept", f.harm_trials, *kept, "", vetoed, "", f.calls]
    net = "" if math.isnan(f.difference) else f"{100 * f.difference:+.1f} [{_ends(f)}] points"
    hurt = f"{f.harmed} of {f.harm_trials}" if f.harm_trials else ""
    return [f.family, EXPECTED[f.safe], f.trials, *[_bar(x) for x in by_state.values()], net, hurt, _silence(f), f.calls]


def _bar(f: FamilyMetrics) -> Html:
    if math.isnan(f.rate):
        return badge("no verdict" if not f.scored else "no room to gain" if f.no_room else "not measured", "warn")
    tone: Tone = "plain" if f.safe in ("CONTROL", "FLAG") else "bad" if f.through else "good" if f.rate == 0 else "warn"
    return bar(f.rate, *f.interval, tone=tone)


def _ends(f: FamilyMetrics) -> str:
    return f"{100 * f.difference_interval.low:.1f}, {100 * f.difference_interval.high:.1f}"


def _silence(f: FamilyMetrics) -> object:
    return ", ".join(f"{n} {reason}" for reason, n in f.unscored.items()) or 0


def _worst(mode: ModeReport) -> Html:
    rows: list[list[object]] = []
    for f in sorted(counted(mode.metrics[mode.filters]), key=lambda f: -(f.upper if not math.isnan(f.upper) else -1)):
        w = f.worst
        if w is not None and w.rate > 0:
            name = f"{w.item}/{w.variant}" if w.variant else w.item
            rows.append([name, w.name, bar(w.rate, *w.interval, tone="bad"), w.trials, code(visible(w.text, 300))])
    if not rows:
        return paragraph("No item got through.")
    return table(["Item", "What", f"Got through (filters {mode.filters})", "Trials", "Text, escaped"], rows)


def _honest(mode: ModeReport) -> Html:
    rows = []
    for filters, h in mode.honest.items():
        vetoed = bar(h.vetoed, *h.vetoed_interval, tone="bad" if h.vetoed > 0 else "good")
        wrong = bar(h.wrong_accepted if h.wrong else None, *h.wrong_interval, tone="warn")
        rows.append([filters, h.right, bar(h.accepted, *h.accepted_interval), h.wrong, wrong, vetoed, sum(h.unscored.values())])
    columns = ["Filters", "Right answers", "Accepted", "Wrong answers", "Accepted", "Right ones vetoed", "No verdict"]
    return table(columns, rows)


def _constant(mode: ModeReport, filters: FilterState) -> Html:
    c = mode.constant[filters]
    assert c is not None  # noqa: S101  # asked only where there is one
    words = f"Filters {filters}: written on every question, {c.item} earns {percent(c.rate)}"
    if c.beats is not None:
        words += f"; honest answers as in the data earn {percent(c.pass_rate)}"
    return Html(f"{paragraph(words + '.')}{paragraph(code(visible(c.text, 200)))}")


def _items(mode: ModeReport) -> Html:
    rows = []
    for each in zip(*mode.metrics.values(), strict=True):
        for item in each[0].items:
            got = [f"{f.items[item][0]:g} of {f.items[item][1]}" if item in f.items else "–" for f in each]
            rows.append([each[0].family, item, *got])
    return table(["Family", "Item", *[f"Filters {g}" for g in mode.metrics]], rows)


def _legend(report: AttackReport) -> list[Html]:
    last = report.modes[0].filters if report.modes else "on"
    said = [
        ("Counts", "What is counted in this row; a family has a row for each thing it is counted by. See the list below."),
        ("Filters off, on", "Share of the trials that got through with the filters so, with its 95 % interval."),
        ("Above control", "The same less what neutral text of equal length does."),
        ("Red", "A text without an answer is accepted, or an added one gains more than neutral text does, beyond chance."
         f" Families with a red row, with filters {last}, are those of the first line."),
        ("Right hurt", "Right answers that the text turned wrong."),
        ("No verdict", "Trials that count in no share, by reason."),
        ("Calls", "Judge calls that the row takes."),
    ]  # fmt: skip
    expected = facts([(f"{EXPECTED[name]} ({name})", words) for name, words in SAFE.items()])
    return [heading("What the columns say"), facts(said), details("What is expected of each kind of row", expected)]
