"""The steps that a training run recorded -> one page of curves: where the reward went, and what went with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import judge as package
from judge.jsonfile import appended_records
from judge.report import plots
from judge.report.findings import RunFinding, findings_list
from judge.report.html import Html, asset, figure_row, heading, page, table
from judge.report.run_tables import folder_names
from judge.report.text import percent


def steps(folder: Path) -> list[dict[str, Any]]:
    """What a training run recorded, one mapping a step; a torn last line is left out."""
    return appended_records(folder / "steps.jsonl", ("step",))


def steps_page(folders: Sequence[Path]) -> str:
    """The report of training runs that recorded their steps (`record:` in the run settings) and have no tables."""
    names, blocks = folder_names(folders), list[object]()
    recorded = [steps(folder) for folder in folders]
    for name, each in zip(names, recorded, strict=True):
        blocks += [heading(name) if len(folders) > 1 else heading("What to know first"), findings_list(step_findings(each))]
    if len(folders) > 1:
        blocks += [heading("Side by side"), figure_row([plot for _, plot in curves(recorded[:2], names[:2])])]
    for name, each in zip(names, recorded, strict=True):
        blocks += [
            heading("Curves" if len(folders) == 1 else f"Curves of {name}"),
            figure_row([p for _, p in curves([each], [name])]),
        ]
        blocks.append(_last_steps(each))
    return page(
        "Training: " + " and ".join(names), *blocks, footer=f"judge {package.__version__}", style=plots.STYLE + asset("run.css")
    )


def step_plots(folders: Sequence[Path]) -> dict[str, str]:
    """Name of a file, without its ending -> SVG of every curve of `steps_page`."""
    names, recorded = folder_names(folders), [steps(folder) for folder in folders]
    drawn = list(curves(recorded[:2], names[:2])) if len(folders) > 1 else []
    for name, each in zip(names, recorded, strict=True):
        drawn += curves([each], [name])
    return {f"{n:02d}-{slug}": plot for n, (slug, plot) in enumerate(drawn, 1) if plot}


def step_findings(recorded: Sequence[dict[str, Any]]) -> list[RunFinding]:
    """What the steps say: where the reward went, and what went with it."""
    if len(recorded) < 2:
        return []
    found, quarter = [], max(1, len(recorded) // 4)

    def ends(name: str) -> tuple[float, float] | None:
        """Mean of the first and of the last quarter of the steps."""
        first, last = ([r[name] for r in part if r.get(name) is not None] for part in (recorded[:quarter], recorded[-quarter:]))
        return (sum(first) / len(first), sum(last) / len(last)) if first and last else None

    reward, length = ends("reward_mean"), ends("length_mean")
    if reward is not None:
        found.append(
            RunFinding(
                "reward", "plain", f"The mean reward went from {reward[0]:.3f} to {reward[1]:.3f} in {len(recorded):,} steps."
            )
        )
    if length is not None and length[0] > 0 and abs(length[1] / length[0] - 1) >= 0.3:
        text = f"Responses went from {length[0]:,.0f} to {length[1]:,.0f} characters."
        found.append(RunFinding("length", "warn", text, "see whether the judge pays for length: `judge audit`, or a length step"))
    for name, limit, what in (
        ("missing_share", 0.1, "of the responses have no reward"),
        ("flat_groups", 0.7, "of the groups have equal rewards throughout, and teach nothing"),
        ("filtered_share", 0.3, "of the responses are decided by a filter"),
    ):
        share = ends(name)
        if share is not None and share[1] >= limit:
            found.append(
                RunFinding(
                    name, "warn", f"In the last quarter of the steps {percent(share[1])} {what} ({percent(share[0])} at first)."
                )
            )
    alarms = {str(a) for r in recorded for a in r.get("alarms") or ()}
    found += [RunFinding("alarm", "bad", f"The monitor raised `{name}`.") for name in sorted(alarms)]
    return found


def _last_steps(recorded: Sequence[dict[str, Any]]) -> Html:
    rows = []
    for r in recorded[-20:]:
        reward = (_short(r.get("reward_mean")), _short(r.get("reward_std")))
        shares = (percent(r.get("missing_share")), percent(r.get("flat_groups")))
        rows.append(
            (r["step"], r.get("responses", 0), *reward, *shares, _short(r.get("length_mean")), ", ".join(r.get("alarms") or ()))
        )
    columns = (
        "step",
        "responses",
        "mean reward",
        "standard deviation",
        "without a reward",
        "flat groups",
        "characters",
        "alarms",
    )
    return table(columns, rows, f"the last {len(rows)} of {len(recorded)} steps")


def _short(value: float | None) -> str:
    return "–" if value is None else f"{value:,.4g}"


def curves(recorded: Sequence[list[dict[str, Any]]], names: Sequence[str]) -> Iterator[tuple[str, Html]]:
    """Curves of one run with its spread, or of two beside each other."""
    at = sorted({float(r["step"]) for each in recorded for r in each})
    by = [{float(r["step"]): r for r in each} for each in recorded]
    shown = (
        ("reward", "Mean reward by step", "reward_mean"),
        ("reward-std", "Standard deviation of the reward by step", "reward_std"),
        ("missing", "Share of responses without a reward by step", "missing_share"),
        ("flat", "Share of groups without spread by step", "flat_groups"),
        ("length-steps", "Mean length by step, characters", "length_mean"),
    )
    for slug, title, key in shown:
        lines = [(name or title, [each.get(step, {}).get(key) for step in at]) for name, each in zip(names, by, strict=True)]
        yield slug, plots.curve(title + (f": {names[0]}, and {names[1]} (second colour)" if len(names) > 1 else ""), at, lines)
    criteria = list(dict.fromkeys(c for r in recorded[0] for c in r.get("criteria") or {}))[:12] if len(recorded) == 1 else []
    for name in criteria:
        values = [by[0].get(step, {}).get("criteria", {}).get(name) for step in at]
        yield f"criterion-{len(name)}", plots.curve(f"Criterion {name}, mean by step", at, [(name, values)])
