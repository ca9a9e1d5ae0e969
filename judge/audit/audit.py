"""One audit from start to end, and its record as plain data."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from judge.audit.data import Loaded
from judge.audit.measure import Figures, Share, Summary, figures, summarise
from judge.audit.model import Probe
from judge.audit.reading import TOLERANCE, Reading, read_results
from judge.audit.run import Judged, judge_trials
from judge.audit.trials import SEVERAL, make_trials
from judge.engine.protocol import Engine
from judge.errors import DataError
from judge.pipeline.build import Plan
from judge.report.stats import Interval

SCHEMA = "judge.audit/1"


@dataclass(frozen=True)
class Audit:
    """What was asked, of whom, and what came out.

    Attributes:
        order: How the recipe shows several responses; empty when it sees one.
        not_applied: Probes that were asked for and fitted no case.
    """

    plan: Plan
    data: str
    seed: int
    loaded: Loaded
    judged: Judged
    order: str
    not_applied: tuple[str, ...]
    rows: tuple[Figures, ...]
    summary: Summary


async def run_audit(
    plan: Plan,
    loaded: Loaded,
    probes: Sequence[Probe],
    *,
    data: str = "",
    seed: int = 0,
    engine: Engine | None = None,
    notice: Callable[[str], None] = lambda _: None,
    quiet: bool = False,
) -> Audit:
    """Make the trials, judge them, and count.

    Args:
        loaded: From `load_cases`, for the plan's recipe mode.
        data: Name of the data, for the record.
        seed: Of the rewrites and of the bootstrap.
        engine: Used instead of the one in the settings.
        notice: Called with one line when something slow starts or ends.
        quiet: No progress on standard error.

    Raises:
        EngineError: The engine cannot work at all.
        DataError: No probe applies to any case.
    """
    mode = plan.recipe.spec.mode
    trials = make_trials(loaded.cases, probes, mode, seed)
    if not trials:
        raise DataError(f"none of the probes applies to this data under a {mode} recipe: {', '.join(p.name for p in probes)}")
    notice(f"audit: {loaded.questions} questions, {len(probes)} probes, {len(trials):,} trials")
    judged = await judge_trials(plan, trials, engine=engine, notice=notice, quiet=quiet)
    readings = read_results(judged.results)
    place = {p.name: i for i, p in enumerate(probes)}
    rows = tuple(sorted(figures(readings, seed), key=lambda row: place[row.probe.name]))
    order = (plan.settings.order or plan.recipe.spec.order) if mode in SEVERAL else ""
    used = {row.probe.name for row in rows}
    skipped = tuple(p.name for p in probes if p.name not in used)
    return Audit(plan, data, seed, loaded, judged, order, skipped, rows, summarise(readings, rows, seed))


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
        "probes": [_row(row) for row in audit.rows],
        "not_applied": list(audit.not_applied),
        "cost": {
            "samples": judged.samples,
            "judge_calls": judged.calls,
            "tokens": judged.tokens,
            "seconds": round(judged.seconds, 3),
        },
    }


def _row(row: Figures) -> dict[str, Any]:
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
        "worst": _worst(row.worst),
    }


def _worst(reading: Reading | None) -> dict[str, Any] | None:
    """The trial furthest from what was expected, with both texts."""
    if reading is None:
        return None
    trial, result = reading.result.trial, reading.result
    return {
        "id": trial.name,
        "question": trial.case.question,
        "right": trial.case.is_right,
        "before": result.first.value,
        "after": result.second.value,
        "as_expected": reading.as_expected,
        "text_before": trial.before.text,
        "text_after": trial.after.text,
    }


def _share(share: Share) -> dict[str, Any]:
    return {"rate": _number(share.value), **_ends(share.interval), "n": share.n}


def _ends(interval: Interval) -> dict[str, Any]:
    return {"low": _number(interval.low), "high": _number(interval.high)}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
