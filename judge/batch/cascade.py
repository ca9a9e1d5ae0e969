"""What the cascade of a run decided cheaply, what that saved, and whether the full judge would have said the same."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from judge.batch.store import Store
from judge.pipeline.second import cascade_flag, cascade_metrics

_FEW = 30  # audited responses, below which the agreement is said to be a guess


def cascade_report(store: Store, cheap: str) -> dict[str, Any]:
    """The figures of `judge.pipeline.second.cascade_metrics` over the responses of a run.

    Args:
        cheap: Name of the cheap judge.
    """
    ((full, first),) = store.query(
        "SELECT COUNT(*) FILTER (WHERE substr(turn, 1, ?1) != ?2), "
        "COUNT(*) FILTER (WHERE substr(turn, 1, ?1) = ?2) FROM verdicts",
        len(cheap) + 1,
        f"{cheap}:",
    )
    return cascade_metrics(_rewards(store), full, first)


def _rewards(store: Store) -> Iterator[tuple[str, float | None, Mapping[str, float | None]]]:
    pages = store.pages("SELECT flags, raw_reward, components FROM rewards WHERE flags LIKE '%cascade_%'")
    for flags, value, components in chain.from_iterable(pages):
        own = cascade_flag(flag["name"] for flag in json.loads(flags))
        if own:
            yield own, value, json.loads(components or "{}")


def cascade_lines(report: Mapping[str, Any]) -> list[str]:
    """The report in the summary of a run.

    Example:
        >>> lines = cascade_lines({"decided": 90, "unsure": 10, "audited": 2, "saved_calls": 440, "full_calls": 60, "agree": 1.0,
        ...                        "first_calls": 100, "mean_difference": 0.04})
        >>> print(*lines, sep="\\n")
        cascade: 90 of 100 responses decided by the cheap judge
          about 440 calls of the full judge saved and 60 made,
          with 100 calls of the cheap one
          2 decided ones asked in full as well: 100 % on the same side of 0.5
          (mean difference 0.04; too few to rely on)
    """
    total = report["decided"] + report["unsure"]
    if not total:
        return []
    lines = [f"cascade: {report['decided']:,} of {total:,} responses decided by the cheap judge"]
    if report["saved_calls"] is None:
        return [
            *lines,
            "  nothing was asked in full, so nobody knows what it saved or how often the",
            "  two agree (`cascade.audit_share`)",
        ]
    lines.append(f"  about {report['saved_calls']:,} calls of the full judge saved and {report['full_calls']:,} made,")
    lines.append(f"  with {report['first_calls']:,} calls of the cheap one")
    if report["agree"] is None:
        return [
            *lines,
            "  none of those decided was asked in full as well: how often the two agree is",
            "  not known (`cascade.audit_share`)",
        ]
    few = "; too few to rely on" if report["audited"] < _FEW else ""
    return [
        *lines,
        f"  {report['audited']:,} decided ones asked in full as well: {100 * report['agree']:.3g} % on the same side of 0.5",
        f"  (mean difference {report['mean_difference']:.2g}{few})",
    ]
