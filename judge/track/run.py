"""One finished run -> the trackers of its settings: figures, the summary, the record and the report."""

from __future__ import annotations

import logging
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from judge.report.run_page import run_page
from judge.report.run_tables import RunTables, load_tables
from judge.settings.track import TrackSettings, TrackTo
from judge.track.inspect_log import write_inspect_log
from judge.track.trackers import StepMetrics, open_tracker, step_metrics, within

logger = logging.getLogger("judge.track")


def track_run(
    settings: TrackSettings,
    folder: Path,
    summary: str,
    *,
    notice: Callable[[str], None] = lambda _: None,
    more: Mapping[str, float] | None = None,
    files: Sequence[Path] = (),
) -> list[str]:
    """Send a finished run on. Never raises for a tracker's sake: what failed is logged.

    Args:
        folder: The run folder, with its tables.
        notice: Called with one line for each tracker that got it.
        summary: The closing text of the run; sent as summary.txt.
        more: Figures besides the run's own (those of a bench).
        files: Files besides run.json, summary.txt and report.html.

    Returns:
        Where each tracker keeps it, in words.
    """
    tables = load_tables(folder)
    figures = {**run_metrics(tables), **(more or {})}
    said: list[str] = []
    with tempfile.TemporaryDirectory() as room:
        sent = [*_texts(Path(room), summary, tables), folder / "run.json", *files]
        for to in settings.to:
            try:
                if to == "inspect":
                    said.append(f"inspect: {write_inspect_log(tables, settings, figures)}")
                else:
                    send = partial(_sent, to, settings, folder.resolve().name, _config(tables.run), figures, sent)
                    said.append(within(settings.timeout_s, send))
            except Exception as why:  # noqa: BLE001  # whatever a tracker raises, the run is done and its results are kept
                short = " ".join(str(why).split())[:300]  # logged, so that a quiet run says it as well
                logger.warning("track: %s did not get this run: %s; the results are in %s", to, short, folder)
    for line in said:
        notice(f"track: {line}")
    return said


def _sent(
    to: TrackTo, settings: TrackSettings, name: str, config: Mapping[str, Any], figures: StepMetrics, files: Sequence[Path]
) -> str:
    return open_tracker(to, settings, name, config).close(figures, files)


def _texts(room: Path, summary: str, tables: RunTables) -> list[Path]:
    written = []
    for name, text in (("summary.txt", summary), ("report.html", run_page([tables]))):
        path = room / name
        path.write_text(text, encoding="utf-8", errors="replace")
        written.append(path)
    return written


def _config(run: Mapping[str, Any]) -> dict[str, Any]:
    """What decided the rewards, in a few plain values."""
    recipe, rubric, data = run.get("recipe") or {}, run.get("rubric") or {}, run.get("data") or {}
    return {
        "model": run.get("model"),
        "recipe": recipe.get("name"),
        "recipe_hash": recipe.get("hash"),
        "rubric": rubric.get("name"),
        "rubric_hash": rubric.get("hash"),
        "data": data.get("source"),
        "judge": run.get("judge"),
    }


def run_metrics(tables: RunTables) -> dict[str, float]:
    """The figures of a run under the names that training steps have (`judge/reward_mean`, ...); what is missing is left out.

    Returns:
        Means of rewards and criteria in the range of rewards; shares in [0, 1]; `judge/seconds` of judging; tokens.
    """
    run, counts = tables.run, tables.run.get("counts", {})
    reward, raw = tables.floats("reward"), tables.floats("raw_reward")
    there, total = reward[~np.isnan(reward)], max(len(reward), 1)
    by_group = [reward[tables.groups == g] for g in np.unique(tables.groups)]
    several = [g[~np.isnan(g)] for g in by_group if (~np.isnan(g)).sum() > 1]
    tokens = run.get("tokens", {})
    figures: dict[str, Any] = {
        "responses": len(reward),
        "reward_mean": _mean(there),
        "reward_std": float(there.std()) if there.size else None,
        "raw_mean": _mean(raw),
        "missing_share": 1 - there.size / total,
        "filtered_share": counts.get("filtered", 0) / total,
        "flat_groups": float(np.mean([g.max() - g.min() < 1e-9 for g in several])) if several else None,
        "length_mean": _mean(tables.lengths),
        "reasons": run.get("no_verdict_reasons", {}),
        "criteria": {name: _mean(scores) for name, scores in list(tables.criteria.items())[:64]},
        "judge_calls": counts.get("judge_calls"),
        "tokens": sum(tokens.values()) if tokens else None,
        "seconds": run.get("seconds", {}).get("judging"),
    }
    return step_metrics(figures)


def _mean(values: Any) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else None


def bench_metrics(record: Mapping[str, Any]) -> dict[str, float]:
    """The figures of one configuration on a labelled set (a `bench.json`), named `judge/bench/...`.

    Example:
        >>> bench_metrics({"published": [{"name": "accuracy", "value": 0.5}], "ties": None})
        {'judge/bench/accuracy': 0.5}
    """
    named = {f["name"]: f["value"] for f in record.get("published", ())}
    named |= {f"plain {f['name']}": f["value"] for f in record.get("accuracy", ())}
    named |= {name: record.get(name) for name in ("order_consistency", "first_preferred", "ties", "failed", "dollars")}
    return {f"judge/bench/{k.replace(' ', '_')}": float(v) for k, v in named.items() if v is not None and math.isfinite(v)}
