"""An audit for a person: tables on a terminal, or one page.

The two scores stand side by side, and the page says what each can hide. Probes that failed most come first in their family.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from textwrap import wrap
from typing import Any

from judge.audit.cases import Probe, reward_after, reward_before
from judge.audit.catalogue import FAMILIES
from judge.audit.metrics import TOLERANCE, ProbeMetrics, Share, TrialReading
from judge.audit.run import Audit
from judge.intervals import Interval
from judge.report.html import Html, Tone, badge, bar, code, details, facts, headline, page, paragraph, table
from judge.report.text import visible

SCHEMA = "judge.audit/1"
WIDTH = 100  # columns of the tables


def record(audit: Audit) -> dict[str, Any]:
    """The audit as plain data for JSON. A figure that could not be measured is null, never 0."""
    s, plan, judged = audit.summary, audit.plan, audit.judged
    return {
        "schema": SCHEMA,
        "recipe": {"name": plan.recipe.spec.name, "mode": plan.recipe.spec.mode, "hash": plan.recipe.hash},
        "rubric": {"name": plan.rubric.name, "hash": plan.rubric.hash} if plan.rubric else None,
        "model": judged.model,
        "order": audit.order or None,
        "data": {
            "source": audit.data or "shipped",
            "questions": audit.loaded.questions,
            "cases": len(audit.loaded.cases),
            "bad_rows": audit.loaded.bad,
        },
        "seed": audit.seed,
        "tolerance": TOLERANCE,
        "summary": {
            "invariance": _share(s.invariance),
            "sensitivity": _share(s.sensitivity),
            "order_consistency": _share(s.order),
            "raw_order_disagreement": _number(s.raw_disagreement),
            "accuracy": _share(s.accuracy),
            "constant": s.constant,
            "trials": s.n,
            "unscored": s.unscored,
            "no_room": s.no_room,
        },
        "probes": [_record_row(row) for row in audit.rows],
        "not_applied": list(audit.not_applied),
        "cost": {
            "samples": judged.samples,
            "judge_calls": judged.calls,
            "tokens": judged.tokens,
            "seconds": round(judged.seconds, 3),
        },
    }


def _record_row(row: ProbeMetrics) -> dict[str, Any]:
    return {
        "name": row.probe.name,
        "family": row.probe.family,
        "expect": row.probe.expect,
        "about": row.probe.about,
        "trials": row.n,
        "unscored": row.unscored,
        "unscored_rate": row.unscored / row.n,
        "as_expected": _share(row.as_expected),
        "delta": {
            "mean": _number(row.delta),
            "low": _number(row.delta_interval.low),
            "high": _number(row.delta_interval.high),
            "right": _number(row.on_right),
            "wrong": _number(row.on_wrong),
        },
        "ranked": _share(row.ranked),
        "no_room": row.no_room,
        "raw_order_disagreement": _number(row.raw_disagreement),
        "worst": _record_worst(row.worst),
    }


def _record_worst(reading: TrialReading | None) -> dict[str, Any] | None:
    """The trial furthest from what was expected, with both texts."""
    if reading is None:
        return None
    trial = reading.trial
    return {
        "id": trial.case.name,
        "question": trial.case.original.question,
        "right": trial.case.original.is_right,
        "before": reward_before(trial).raw_reward,
        "after": reward_after(trial).raw_reward,
        "as_expected": reading.as_expected,
        "text_before": trial.case.before.text,
        "text_after": trial.case.after.text,
    }


def _share(share: Share) -> dict[str, Any]:
    return {"rate": _number(share.value), **_ends(share.interval), "n": share.n}


def _ends(interval: Interval) -> dict[str, Any]:
    return {"low": _number(interval.low), "high": _number(interval.high)}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


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
    """The audit as tables of at most 100 columns."""
    said = [line for each in _readings(audit) for line in wrap(each, WIDTH)]
    lines = ["", *_scores(audit), "", *said, "", *COLUMNS]
    for family, rows in _families(audit.rows):
        lines += ["", TITLES[family], *_table(rows)]
    closing = [line for each in _closing(audit) for line in wrap(each, WIDTH)]
    return "\n".join([*lines, "", *closing])


def _scores(audit: Audit) -> Iterator[str]:
    s = audit.summary
    yield f"invariance   {_figure(s.invariance)}  meaning kept: no score moved by more than {TOLERANCE:g}"
    yield f"sensitivity  {_figure(s.sensitivity)}  meaning changed: the reward moved the right way"
    yield f"accuracy     {_figure(s.accuracy)}  unchanged: the right response above the wrong one"
    if audit.order:
        yield f"order        {_figure(s.order)}  responses in another order: each kept its reward"


def _figure(share: Share) -> str:
    if share.n == 0:
        return f"  –   {'not measured':<18}{'':>11}"
    low, high = share.interval
    return f"{share.value:.3f} {f'[{low:.3f}, {high:.3f}]':<16} of {share.n:>6,}"


def _readings(audit: Audit) -> Iterator[str]:
    """What the probe_metrics do not say by themselves, one sentence each."""
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


def _families(rows: Iterable[ProbeMetrics]) -> Iterator[tuple[str, list[ProbeMetrics]]]:
    found = list(rows)
    for family in FAMILIES:
        group = [row for row in found if row.probe.family == family]
        if group:
            yield family, sorted(group, key=lambda r: (math.isnan(r.as_expected.value), r.as_expected.value))


COLUMNS = (
    "expected     steady: the reward stays; drop, rise: it moves that way",
    f"as expected  share of the trials in which it did, and its 95 % interval; steady: within {TOLERANCE:g}",
    "change       mean reward after minus before; right, wrong: of right and of wrong responses alone",
    "rank kept    of pairs of a right and a wrong response: share whose order the change left as it was",
    "unscored     share of the trials without a verdict before or after; in no other figure",
    "worst        of a probe that failed: the trial furthest from the expected, reward before and after",
    "Invariance: `as expected` over all steady rows but those of order; sensitivity: over drop and rise.",
)
_HEAD = (
    f"  {'probe':<21}{'expected':<9}{'trials':>6}  {'as expected':<18}{'change':>7}{'right':>8}{'wrong':>8}"
    f"{'rank kept':>10}{'unscored':>9}"
)


def _table(rows: Iterable[ProbeMetrics]) -> Iterator[str]:
    yield _HEAD
    for row in rows:
        share = row.as_expected
        rate = f"{share.value:.3f} [{share.interval.low:.2f}, {share.interval.high:.2f}]" if share.n else "not measured"
        yield (
            f"  {row.probe.name[:20]:<21}{_EXPECTED[row.probe.expect]:<9}{row.n:>6}  {rate:<18}{_signed(row.delta):>7}"
            f"{_signed(row.on_right):>8}{_signed(row.on_wrong):>8}{_plain(row.ranked):>10}{row.unscored / row.n:>9.1%}"
        )
        if worst := _worst(row):
            yield f"    worst: {worst}"


def _worst(row: ProbeMetrics) -> str:
    """The worst trial, when it is not what was expected: where, before and after."""
    worst = row.worst
    if worst is None or worst.as_expected:
        return ""
    name = worst.trial.case.name
    before, after = reward_before(worst.trial).raw_reward, reward_after(worst.trial).raw_reward
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
    blocks.append(details("What the columns say", *COLUMNS))
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


def _html_row(row: ProbeMetrics) -> tuple[object, ...]:
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


def _example(row: ProbeMetrics) -> Html:
    """Before and after of the worst trial, one line each, with everything visible."""
    if row.worst is None:
        return Html("")
    case = row.worst.trial.case
    title = f"{row.probe.name}: worst trial {_worst(row)}"
    before, after = (visible(shown.text, limit=1200) for shown in (case.before, case.after))
    question = visible(case.original.question, limit=400)
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
