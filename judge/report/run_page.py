"""Run folders -> one page that needs no network: what to know first, what the rewards look like, and every item to look at."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

import judge as package
from judge.arrays import Floats, spearman
from judge.report import plots
from judge.report.findings import findings, findings_list, spread
from judge.report.html import Html, asset, badge, bar, code, details, escaped, facts, figure_row, heading, page, paragraph, table
from judge.report.items import CHUNK, FIELDS, Pack, pack
from judge.report.run_tables import RunTables, folder_names
from judge.report.text import percent, visible
from judge.settings.cost import cost_text

LABELS = ("label", "is_correct", "correct", "preferred", "score_label")
EXAMPLES = 3  # of each reason
MOST_CRITERIA = 40


def run_page(runs: Sequence[RunTables], *, most: int = 5_000, title: str = "") -> str:
    """The report of one run, or of several side by side.

    Args:
        most: Items that the page holds; the tables hold all.

    Raises:
        InputError: A table cannot be read.
    """
    names = folder_names([run.folder for run in runs])
    held = pack(runs, most)
    blocks: list[object] = [*_sections(runs, names), *_browser(held)]
    return page(
        title or ("Report: " + " and ".join(names)),
        *blocks,
        footer=f"judge {package.__version__}; figures over all responses, filtered ones left out where the judge is measured",
        style=plots.STYLE + asset("run.css"),
        script=asset("items.js"),
        data=_data(held, names),
    )


def plot_files(runs: Sequence[RunTables]) -> dict[str, str]:
    """Name of a file, without its ending -> SVG of every plot of a report."""
    names = folder_names([run.folder for run in runs])
    drawn = [*_distribution(runs, names), *(p for run in runs for p in _behaviour(run))]
    return {f"{n:02d}-{slug}": plot for n, (slug, plot) in enumerate(drawn, 1) if plot}


def _sections(runs: Sequence[RunTables], names: Sequence[str]) -> Iterator[object]:
    yield heading("What to know first")
    for run, name in zip(runs, names, strict=True):
        if len(runs) > 1:
            yield heading(name, 3)
        yield findings_list(findings(run))
    if len(runs) > 1:
        yield heading("Side by side")
        yield from _compared(runs, names)
    yield heading("Rewards")
    yield figure_row([plot for _, plot in _distribution(runs, names)])
    for run, name in zip(runs, names, strict=True):
        if len(runs) > 1:
            yield heading(name, 3)
        yield from _one(run)


def _one(run: RunTables) -> Iterator[object]:
    yield _criteria(run)
    yield figure_row([plot for _, plot in _behaviour(run)])
    yield from _failures(run)
    yield from _cost(run)
    yield from _watched(run)
    yield details("What was run", _provenance(run))


def _distribution(runs: Sequence[RunTables], names: Sequence[str]) -> Iterator[tuple[str, Html]]:
    first = runs[0].floats("reward")
    low, high = min(0.0, _least(runs)), max(1.0, _most(runs))
    second = runs[1].floats("reward") if len(runs) > 1 else None
    title = "Rewards" if second is None else f"Rewards of {names[0]} and {names[1]} (second colour)"
    yield "rewards", plots.histogram(title, first, second, low=low, high=high)
    groups = spread(runs[0])
    if groups.size >= 5:
        yield (
            "spread",
            plots.histogram(
                "Standard deviation of the raw reward within a group",
                groups,
                high=0.5,
                x_name="spread in a group",
                y_name="groups",
            ),
        )


def _least(runs: Sequence[RunTables]) -> float:
    values = [v for run in runs if (v := run.floats("reward")[np.isfinite(run.floats("reward"))]).size]
    return min((float(v.min()) for v in values), default=0.0)


def _most(runs: Sequence[RunTables]) -> float:
    values = [v for run in runs if (v := run.floats("reward")[np.isfinite(run.floats("reward"))]).size]
    return max((float(v.max()) for v in values), default=1.0)


def _behaviour(run: RunTables) -> Iterator[tuple[str, Html]]:
    yield "length", plots.trend("Mean raw reward by the length of the response", run.lengths, run.raw, x_name="characters")
    found = labels(run)
    if found is not None:
        name, values = found
        yield "calibration", plots.reliability(f"Raw reward against the column `{name}`", run.raw, values)
    scores = run.floats("row")
    yield "order", plots.trend("Mean raw reward along the data", scores, run.raw, x_name="row")


def labels(run: RunTables) -> tuple[str, Floats] | None:
    """The column of the data that says what is right, as numbers in [0, 1]; None where there is none."""
    for name in LABELS:
        if name not in run.names:
            continue
        column = run.columns([name])[name].to_pylist()
        try:
            values = np.array([np.nan if v is None else float(v) for v in column], dtype=np.float64)
        except (TypeError, ValueError):
            continue
        there = values[np.isfinite(values)]
        if there.size and there.min() >= 0 and there.max() <= 1 and there.min() < there.max():
            return name, values
    return None


def _criteria(run: RunTables) -> Html:
    rows = []
    for name, scores in list(run.criteria.items())[:MOST_CRITERIA]:
        there = scores[np.isfinite(scores)]
        mean = float(there.mean()) if there.size else None
        share = float(np.isfinite(scores[np.isfinite(run.raw)]).mean()) if np.isfinite(run.raw).any() else None
        spread_ = f"{there.std():.3f}" if there.size else "–"
        rows.append((code(name), bar(mean, text=None if mean is None else f"{mean:.3f}"), spread_, percent(share), there.size))
    if not rows:
        return Html("")
    columns = ("criterion", "mean", "standard deviation", "with a verdict", "responses")
    more = len(run.criteria) - len(rows)
    note = f"the first {MOST_CRITERIA} of {len(run.criteria)} criteria" if more > 0 else "every criterion, 1 best"
    return table(columns, rows, note)


def _failures(run: RunTables) -> Iterator[object]:
    found = run.columns(["id", "response_index", "reason", "detail"])
    import pyarrow.compute as pc  # noqa: PLC0415  # 100 ms

    missing = found.filter(pc.is_valid(found["reason"])).to_pylist()
    if not missing:
        return
    by: dict[str, list[dict[str, Any]]] = {}
    for row in missing:
        by.setdefault(row["reason"], []).append(row)
    rows = []
    for reason, each in sorted(by.items(), key=lambda item: -len(item[1])):
        shown = Html("<br>").join(
            Html(f"{code(str(r['id']))} {escaped(visible(r['detail'] or '', 160))}") for r in each[:EXAMPLES]
        )
        rows.append((badge(reason, "bad"), len(each), percent(len(each) / len(run)), Html(shown)))
    yield heading("Without a verdict", 3)
    yield table(("reason", "responses", "share", "for example"), rows)


def _paid(cost: Mapping[str, Any]) -> str:
    if "estimated_calls" in cost or "cancelled_calls" in cost:
        return cost_text(cost)
    return f"{cost['usd']:,.4f} US dollars" if cost.get("usd") is not None else ""


def _cost(run: RunTables) -> Iterator[object]:
    counts, seconds = run.run.get("counts") or {}, run.run.get("seconds") or {}
    tokens, cost = run.run.get("tokens") or {}, run.run.get("cost") or {}
    responses = max(1, counts.get("responses", 0))
    total = tokens.get("prompt", 0) + tokens.get("completion", 0)
    yield heading("Cost and speed", 3)
    yield facts(
        [
            ("judge calls", f"{counts.get('judge_calls', 0):,} ({counts.get('judge_calls', 0) / responses:.1f} a response)"),
            ("taken from the journal", f"{counts.get('journal_hits', 0):,}"),
            (
                "tokens",
                f"{total:,} ({total / responses:,.0f} a response), {tokens.get('completion', 0):,} of them written by the judge",
            ),
            *([("cost", paid)] if (paid := _paid(cost)) else []),
            ("seconds", f"{seconds.get('judging', 0):,.1f} judging, {seconds.get('loading', 0):,.1f} loading"),
            ("tokens a second", f"{run.run.get('tokens_per_s', 0):,.0f}"),
            *_cascade(run.run.get("cascade")),
            *_saved(run.run),
        ]
    )
    latency = run.floats("latency_s", "verdicts") if counts.get("judge_calls") else np.zeros(0)
    there = latency[np.isfinite(latency) & (latency > 0)]
    if there.size:
        low, middle, high = np.quantile(there, [0.05, 0.5, 0.95])
        yield paragraph(f"Latency of a call: median {middle:.2f} s, 5 % below {low:.2f} s, 5 % above {high:.2f} s.")


def _cascade(found: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """What the cheap judge of a cascade decided, and how often the full one would have said the same."""
    if not found:
        return []
    total = max(1, found["decided"] + found["unsure"])
    saved = (
        ""
        if found["saved_calls"] is None
        else (f"; about {found['saved_calls']:,} calls of the full judge saved for {found['first_calls']:,} of the cheap one")
    )
    shown = [("decided by the cheap judge", f"{found['decided']:,} of {total:,}{saved}")]
    if found["agree"] is not None:
        agree = f"{100 * found['agree']:.3g} % of {found['audited']:,} asked in full as well, on the same side of 0.5"
        shown.append(("the full judge agrees", f"{agree}; mean difference {found['mean_difference']:.2g}"))
    return shown


def _saved(run: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Votes, criteria and comparisons that were not asked, and what that may have changed."""
    votes, unit, top, shown = run.get("votes_stop"), run.get("unit_stop"), run.get("group_top"), list[tuple[str, str]]()
    if votes:
        risk = (
            "none could change a result" if votes["rule"] == "decided" else f"chance of another result at most {votes['error']:g}"
        )
        said = f"{votes['stopped']:,} of {votes['questions']:,} questions; {votes['saved_votes']:,} votes saved; {risk}"
        shown.append((f"ended early (votes.stop: {votes['rule']})", said))
    if unit:
        said = f"{unit['stopped']:,} of {unit['responses']:,} responses; at least {unit['saved_calls']:,} calls saved"
        shown.append(("decided early (unit.stop_when_decided)", said))
    if top:
        hangs = f"; the best are not certain in {top['uncertain']:,}" if top["uncertain"] else ""
        said = f"{top['groups']:,} groups; {top['saved_comparisons']:,} comparisons saved{hangs}"
        shown.append((f"ended early (group.top: {top['best']})", said))
    return shown


def _watched(run: RunTables) -> Iterator[object]:
    watch = run.run.get("monitor")
    if not isinstance(watch, dict):
        return
    yield heading("Monitor", 3)
    rows = [(code(name), "on" if s["active"] else "off", s["raised"]) for name, s in (watch.get("alarms") or {}).items()]
    yield table(("alarm", "now", "times raised"), rows)
    probes = [
        (escaped(visible(c["string"], 60)), c["kind"], percent(c["rate"]) if c["rate"] is not None else "–", c["asked"])
        for c in watch.get("canaries") or ()
    ]
    if probes:
        yield table(("probe", "kind", "share rewarded", "asked"), probes, "Content-free strings judged along the way.")


def _provenance(run: RunTables) -> Html:
    r = run.run
    recipe, rubric, data = (r.get(n) or {} for n in ("recipe", "rubric", "data"))
    pairs = [
        ("folder", code(run.folder)),
        ("state", r.get("state", "")),
        ("recipe", f"{recipe.get('name', '')} ({recipe.get('hash', '')})"),
        ("rubric", f"{rubric.get('name', 'none')} ({rubric.get('hash', '')})" if rubric else "none"),
        ("model", r.get("model", "")),
        ("data", f"{data.get('source', '')} {data.get('split', '')}"),
        ("judge", r.get("judge", "")),
        (
            "settings",
            details("as read", Html(f"<pre>{escaped(json.dumps(r.get('settings'), indent=1, ensure_ascii=False))}</pre>")),
        ),
    ]
    return facts(pairs)


def _compared(runs: Sequence[RunTables], names: Sequence[str]) -> Iterator[object]:
    columns = ("run", "model", "recipe", "mean reward", "without a reward", "groups without spread", "calls", "tokens a response")
    rows = []
    for run, name in zip(runs, names, strict=True):
        reward, groups = run.floats("reward"), spread(run)
        counts, tokens = run.run.get("counts") or {}, run.run.get("tokens") or {}
        mean = float(reward[np.isfinite(reward)].mean()) if np.isfinite(reward).any() else None
        flat = percent(float((groups < 1e-9).mean())) if groups.size else "–"
        rows.append(
            (
                code(name),
                run.run.get("model", ""),
                (run.run.get("recipe") or {}).get("name", ""),
                "–" if mean is None else f"{mean:.3f}",
                percent(1 - np.isfinite(reward).mean()),
                flat,
                counts.get("judge_calls", 0),
                f"{(tokens.get('prompt', 0) + tokens.get('completion', 0)) / max(1, len(run)):,.0f}",
            )
        )
    yield table(columns, rows)
    for (first, a), (second, b) in combinations(zip(runs, names, strict=True), 2):
        yield from _pair(first, second, a, b)


def matched(first: RunTables, second: RunTables) -> tuple[Floats, Floats]:
    """Rewards of the responses that both runs have, by id and number of the response; NaN where one has none."""
    sides = []
    for run in (first, second):
        found = run.columns(["id", "response_index", "reward"])
        columns = (found[n].to_pylist() for n in ("id", "response_index", "reward"))
        sides.append({(i, r): np.nan if v is None else float(v) for i, r, v in zip(*columns, strict=True)})
    both = [k for k in sides[0] if k in sides[1]]
    return np.array([sides[0][k] for k in both], dtype=np.float64), np.array([sides[1][k] for k in both], dtype=np.float64)


def _pair(first: RunTables, second: RunTables, a: str, b: str) -> Iterator[object]:
    x, y = matched(first, second)
    both = np.isfinite(x) & np.isfinite(y)
    if not both.any():
        yield paragraph(f"{a} and {b} have no rewarded response in common.")
        return
    rho = spearman(x, y)
    same = float((np.abs(x[both] - y[both]) < 1e-9).mean())
    said = (
        f"{a} and {b}: {int(both.sum()):,} responses have a reward in both; {percent(same)} of these rewards are equal, the mean"
        f" difference is {float((x[both] - y[both]).mean()):+.3f}"
        + (f", the rank correlation {rho:+.2f}." if np.isfinite(rho) else "; ranks cannot be compared, one side is constant.")
        + f" {int((np.isfinite(x) != np.isfinite(y)).sum()):,} have one in one run only."
    )
    yield paragraph(said)
    yield figure_row([plots.scatter(f"Rewards of {a} and {b}", x, y, x_name=a, y_name=b)])


def _browser(held: Pack) -> Iterator[object]:
    yield heading("Every response")
    if held.left_out > 0:
        yield paragraph(
            f"This page holds {len(held.index):,} responses; {held.left_out:,} more are in the tables (`--items N` holds more)."
        )
    yield Html(asset("items.html"))


def _data(held: Pack, names: Sequence[str]) -> list[tuple[str, str]]:
    index = json.dumps(
        {"fields": FIELDS, "items": held.index, "runs": list(names), "chunk": CHUNK}, ensure_ascii=False, separators=(",", ":")
    )
    return [('type="application/json" id="index"', index), *(('type="text/plain" data-chunk', c) for c in held.chunks)]
