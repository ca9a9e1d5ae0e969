"""An audit for a person: tables on a terminal, or one page.

The two scores stand side by side, and the page says what each can hide. Probes that failed most come first in their family.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from judge.audit.audit import Audit
from judge.audit.catalogue import FAMILIES
from judge.audit.measure import Figures, Share
from judge.audit.model import Probe
from judge.audit.reading import TOLERANCE
from judge.report.html import Html, Tone, badge, bar, code, details, facts, headline, page, paragraph, table
from judge.report.text import visible

TITLES = {
    "rewriting": "rewriting: the same answer, typed, quoted or encoded otherwise (reWordBench)",
    "rubric": "rubric: the same criteria, laid out otherwise",
    "neutral": "neutral pairs: style only (Crome)",
    "length": "length: padding must not pay, a lost ending must cost",
    "format": "format: Markdown added or taken off (RM-Bench)",
    "sentiment": "sentiment: feelings around the answer (CALM)",
    "cue": "spurious cues: words that go with good answers (Reward Gaming, CALM, OffsetBias, CHERRL)",
    "causal": "causal pairs: right made wrong, wrong made right (Crome)",
    "contrast": "contrast: the same answer, another question; another answer, the same question",
    "position": "position: the same responses in another order (CALM)",
    "user": "your own probes",
}
_EXPECTED = {"invariant": "steady", "order": "steady", "drop": "drop", "rise": "rise"}
GOOD, FAIR = 0.95, 0.8  # CALM calls a robustness rate of 0.95 and more robust; below 0.8 is marked


def text(audit: Audit) -> str:
    """The audit as tables of at most 130 columns."""
    lines = ["", *_scores(audit), "", *_readings(audit)]
    for family, rows in _families(audit.rows):
        lines += ["", TITLES[family], *_table(rows)]
    return "\n".join([*lines, "", *_closing(audit)])


def _scores(audit: Audit) -> Iterator[str]:
    s = audit.summary
    yield f"invariance   {_figure(s.invariance)}  meaning kept: no score moved by more than {TOLERANCE:g}"
    yield f"sensitivity  {_figure(s.sensitivity)}  meaning changed: the reward moved the right way"
    yield f"accuracy     {_figure(s.accuracy)}  unchanged responses: the right one above the wrong one"
    if audit.order:
        yield f"order        {_figure(s.order)}  responses in another order: each kept its reward"


def _figure(share: Share) -> str:
    if share.n == 0:
        return f"  –   {'not measured':<18}{'':>11}"
    low, high = share.interval
    return f"{share.value:.3f} {f'[{low:.3f}, {high:.3f}]':<16} of {share.n:>6,}"


def _readings(audit: Audit) -> Iterator[str]:
    """What the figures do not say by themselves, one sentence each."""
    s = audit.summary
    if s.constant:
        yield "This judge gave the same reward every time: its invariance is blindness. Do not train on it."
    else:
        yield "Read both together: a judge that always says the same has invariance 1 and sensitivity 0."
    if s.sensitivity.n == 0:
        yield "Sensitivity was not measured: the causal and contrast probes need right responses whose final answer can be found."
    if s.no_room:
        yield (
            f"{s.no_room} of {s.sensitivity.n:,} changes of the meaning could not move the reward as they should: it was at that"
            " end before, because the judge was wrong on the unchanged response."
        )
    if audit.order and not math.isnan(s.raw_disagreement):
        yield (
            f"Raw order disagreement (order: {audit.order}): the judge's own answer depended on the order in"
            f" {s.raw_disagreement:.1%} of the position trials."
        )
    if s.unscored:
        yield f"{s.unscored:,} of {s.n:,} trials are unscored (no verdict before or after): in no rate above."


def _families(rows: Iterable[Figures]) -> Iterator[tuple[str, list[Figures]]]:
    found = list(rows)
    for family in FAMILIES:
        group = [row for row in found if row.probe.family == family]
        if group:
            yield family, sorted(group, key=lambda r: (math.isnan(r.as_expected.value), r.as_expected.value))


_HEAD = (
    f"  {'probe':<22}{'expected':<9}{'trials':>6}  {'as expected':<21}{'change':>7} {'on right':>9}{'on wrong':>9}"
    f"{'rank kept':>11}{'unscored':>10}  worst"
)


def _table(rows: Iterable[Figures]) -> Iterator[str]:
    yield _HEAD
    for row in rows:
        share = row.as_expected
        rate = f"{share.value:.3f} [{share.interval.low:.2f}, {share.interval.high:.2f}]" if share.n else "not measured"
        yield (
            f"  {row.probe.name[:21]:<22}{_EXPECTED[row.probe.expect]:<9}{row.n:>6}  {rate:<21}{_signed(row.delta):>7}"
            f" {_signed(row.on_right):>9}{_signed(row.on_wrong):>9}{_plain(row.ranked):>11}{row.unscored / row.n:>10.1%}"
            f"  {_worst(row)}"
        ).rstrip()


def _worst(row: Figures) -> str:
    """The worst trial, when it is not what was expected: where, before and after."""
    worst = row.worst
    if worst is None or worst.as_expected:
        return ""
    name = worst.result.trial.name
    before, after = worst.result.first.value, worst.result.second.value
    return f"{name if len(name) <= 24 else '…' + name[-23:]} {_score(before)} → {_score(after)}"


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _signed(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:+.3f}"


def _plain(share: Share) -> str:
    return f"{share.value:.3f}" if share.n else "–"


def _closing(audit: Audit) -> Iterator[str]:
    if audit.not_applied:
        yield f"applied to nothing here: {', '.join(audit.not_applied)}"
    if audit.loaded.bad:
        yield f"{audit.loaded.bad} rows could not be read and are left out; the first: {audit.loaded.problem}"
    j = audit.judged
    yield (
        f"{audit.plan.recipe.spec.name} · {j.model} · {audit.loaded.questions} questions, {audit.summary.n:,} trials, "
        f"{j.samples:,} judgements, {j.calls:,} judge calls, {j.tokens:,} tokens, {j.seconds:.1f} s"
    )
    yield "intervals: 95 %, over questions; change: mean reward after minus before; worst: the trial furthest from the expected"


# ---- the page --------------------------------------------------------------------------------------------------


def html(audit: Audit, command: str = "") -> str:
    """The audit as one self-contained page, with the texts of each probe's worst trial.

    Args:
        command: What made the page, for its foot.
    """
    s, spec = audit.summary, audit.plan.recipe.spec
    scores = [("invariance", s.invariance), ("sensitivity", s.sensitivity), ("accuracy", s.accuracy)]
    scores += [("order", s.order)] if audit.order else []
    blocks: list[Html] = [
        facts(
            [
                ("recipe", f"{spec.name} ({spec.mode})"),
                ("model", audit.judged.model),
                ("rubric", audit.plan.rubric.name if audit.plan.rubric else "none"),
                ("data", f"{audit.data or 'shipped questions'}: {audit.loaded.questions} questions"),
                ("trials", f"{s.n:,}, of them unscored {s.unscored:,}"),
                ("cost", f"{audit.judged.calls:,} judge calls, {audit.judged.tokens:,} tokens, {audit.judged.seconds:.1f} s"),
            ]
        ),
        table(("score", "share and 95 % interval", "of"), [(name, _bar(share), share.n) for name, share in scores]),
        *(headline(line, "bad" if s.constant and i == 0 else "plain") for i, line in enumerate(_readings(audit))),
    ]
    for family, rows in _families(audit.rows):
        head = ("probe", "expected", "as expected", "change", "on right", "on wrong", "rank kept", "unscored", "trials")
        blocks.append(table(head, [_html_row(row) for row in rows], TITLES[family]))
        blocks += [_example(row) for row in rows if row.worst is not None and not row.worst.as_expected]
    if audit.not_applied:
        blocks.append(paragraph(f"Applied to nothing here: {', '.join(audit.not_applied)}."))
    return page("Invariance and sensitivity of the judge", *blocks, footer=f"{command} · seed {audit.seed}")


def _bar(share: Share) -> Html:
    return bar(share.value, *share.interval, tone=_tone(share))


def _tone(share: Share) -> Tone:
    if share.n == 0:
        return "plain"
    return "good" if share.value >= GOOD else "warn" if share.value >= FAIR else "bad"


def _html_row(row: Figures) -> tuple[object, ...]:
    return (
        Html(f"{code(row.probe.name)}<br>{paragraph(row.probe.about)}"),
        badge(_EXPECTED[row.probe.expect]),
        _bar(row.as_expected),
        _signed(row.delta),
        _signed(row.on_right),
        _signed(row.on_wrong),
        _plain(row.ranked),
        f"{row.unscored / row.n:.1%}",
        row.n,
    )


def _example(row: Figures) -> Html:
    """Before and after of the worst trial, one line each, with everything visible."""
    if row.worst is None:
        return Html("")
    result = row.worst.result
    title = f"{row.probe.name}: worst trial {_worst(row)}"
    before, after = (visible(case.text, limit=1200) for case in (result.trial.before, result.trial.after))
    question = visible(result.trial.case.question, limit=400)
    changed = facts([("question", question), ("before", code(before)), ("after", code(after))])
    return details(title, changed)


def listing(probes: Iterable[Probe]) -> str:
    """Every probe with its family and what it does, for `--list`."""
    lines = []
    family = ""
    for probe in sorted(probes, key=lambda p: FAMILIES.index(p.family)):
        if probe.family != family:
            family = probe.family
            lines += ["", TITLES[family]]
        lines.append(f"  {probe.name:<22}{probe.about}")
    return "\n".join(lines[1:])
