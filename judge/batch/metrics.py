"""The tables of a run -> the figures of `run.json` that follow from them: of one run, of a run's blocks, of merged shards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from judge.batch.cascade import cascade_report
from judge.batch.panel import panel_report
from judge.batch.saved import saved_report, saving_of
from judge.batch.store import Store
from judge.batch.summary import counts, invalid_rows, reasons
from judge.pipeline.build import Plan
from judge.pipeline.panel import FIRST
from judge.pipeline.proof import proving


def asked_of(plan: Plan) -> dict[str, Any]:
    """What `table_metrics` has to know of a run, as plain values."""
    return {
        "proving": sorted(proving(plan.settings.filters, plan.recipe.spec)),
        "judges": [FIRST, *plan.members] if plan.members else [],
        "cascade": plan.settings.cascade.first.name if plan.settings.cascade else None,
        **saving_of(plan),
    }


def table_metrics(store: Store, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of `run.json` that follow from the tables.

    Args:
        asked: `proving`: the filters behind which a positive verdict needs proof; `judges`: members of the panel, the run's
            own first; `cascade`: its first judge; `votes_stop`, `unit_stop`, `group_top`: as `saving_of`.
    """
    return {
        "counts": counts(store, asked["proving"]),
        "no_verdict_reasons": reasons(store),
        "invalid_rows": invalid_rows(store),
        **({"panel": panel_report(store, asked["judges"])} if asked["judges"] else {}),
        **({"cascade": cascade_report(store, asked["cascade"])} if asked["cascade"] else {}),
        **saved_report(store, asked),
    }
