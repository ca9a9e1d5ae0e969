"""A run folder -> what it says about its judge, in sentences with the figure, the worst first.

A judge that always gives the same answer, follows length, is bound to a position or separates nothing trains a policy on
nothing. It says so here by itself: at the end of `judge run`, and at the top of `judge report`.

- Everything is read from the tables, column by column, so that a million rows cost seconds and no texts are held.
- A figure needs items: below the number stated with each rule nothing is said, and silence is no praise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from judge.arrays import Floats, spearman
from judge.intervals import wilson
from judge.report.html import Html, Tone, paragraph, worded
from judge.report.run_tables import RunTables
from judge.report.text import percent

if TYPE_CHECKING:
    pass

LEAST = 20  # responses, groups or calls below which no finding is made of them
SAME_ANSWER = 0.95  # share of one reward from which the judge "always answers one thing"
NO_SPREAD = 0.5  # share of groups without spread that is worth a warning
LENGTH = 0.4  # absolute rank correlation of reward and length
POSITION = 0.1  # mean score of the place shown first, minus that shown second
FORCED = 0.2  # share of verdicts that had to be asked for alone
NO_REWARD = 0.05
FILTERED = 0.3
DISAGREE = 0.2  # share of responses whose two orders disagree
MOST_RANKED = 200_000  # responses, in whole groups, that are compared with their length
MOST_PAIRS = 100_000  # comparisons that are looked at for a bound to a position
SATURATED = 0.95  # mean of a criterion above (or one minus this: below) which it separates nothing

_ADVICE = {
    "truncated": "raise `sampling.max_tokens`",
    "missing": "the judge does not state its verdict in the form asked for; see `judge show`, or use a larger judge",
    "ambiguous": "the judge states two verdicts; its replies show how (`judge look`)",
    "off_scale": "the judge leaves the scale; its replies show how (`judge look`)",
    "over_length": "raise `engine.max_model_len`, or set `on_over_length: truncate`",
    "timeout": "raise `engine.deadline_s`, or lower `engine.concurrency`",
    "deadline": "raise `item_deadline_s`, or lower `max_in_flight`",
    "engine_error": "see the server's log",
    "invalid": "the rows could not be read, or do not fit the recipe; each reason says what would do (columns: `--map`)",
    "unproved": "the judge rewarded suspected answers without words of theirs that prove it; read some, or use a larger judge",
}


@dataclass(frozen=True, slots=True)
class RunFinding:
    """One thing that a reader should know.

    Attributes:
        code: Short name, for programs.
        text: One sentence with its figure.
        advice: What to do; empty where there is nothing to do.
    """

    code: str
    tone: Tone
    text: str
    advice: str = ""


def findings(tables: RunTables) -> list[RunFinding]:
    """What the tables say, the worst first.

    Example: `judge run` prints those of tone `bad` and `warn`; `judge report` shows all.
    """
    rules = (_reasons, _one_answer, _groups, _criteria, _length, _position, _orders, _forced, _filtered, _monitor)
    found = [finding for rule in rules for finding in rule(tables)]
    worst = {"bad": 0, "warn": 1, "plain": 2, "good": 3}
    if not any(f.tone in ("bad", "warn") for f in found) and int(np.isfinite(tables.raw).sum()) >= LEAST:
        found.append(RunFinding("quiet", "good", "Nothing here speaks against this judge; whether it is right, labels must say."))
    return sorted(found, key=lambda f: worst[f.tone])


def findings_list(found: Sequence[RunFinding]) -> Html:
    """Findings for a page."""
    if not found:
        return paragraph("Too few responses to say anything.")
    helps = ((f, f" <em>What helps: {worded(f.advice)}.</em>" if f.advice else "") for f in found)
    return Html(
        f'<ul class="findings">{"".join(f"<li class={f.tone}><p>{worded(f.text)}{more}</p></li>" for f, more in helps)}</ul>'
    )


def warnings(tables: RunTables) -> list[RunFinding]:
    """The findings that a user should not miss at the end of a run."""
    return [f for f in findings(tables) if f.tone in ("bad", "warn")]


def _reasons(tables: RunTables) -> list[RunFinding]:
    counts: Mapping[str, int] = tables.run.get("no_verdict_reasons") or {}
    total, missing = len(tables), sum(counts.values())
    if not missing:
        return []
    share, reason = missing / max(1, total), max(counts, key=lambda name: counts[name])
    tone: Tone = "bad" if share >= 0.2 else "warn" if share >= NO_REWARD else "plain"
    several = f", most often `{reason}` ({counts[reason]:,})" if len(counts) > 1 else f" (`{reason}`)"
    verb = "has" if missing == 1 else "have"
    text = f"{missing:,} of {total:,} responses {verb} no verdict, {percent(share)}{several}."
    return [RunFinding("no_verdict", tone, text, _ADVICE.get(reason, ""))]


def _one_answer(tables: RunTables) -> list[RunFinding]:
    raw = tables.raw[np.isfinite(tables.raw)]
    if raw.size < LEAST:
        return []
    values, counts = np.unique(raw, return_counts=True)
    share, value = counts.max() / raw.size, values[counts.argmax()]
    if share < SAME_ANSWER:
        return []
    low = wilson(int(counts.max()), int(raw.size)).low
    text = (
        f"The judge gave {value:.3g} to {percent(share)} of the {raw.size:,} responses that it judged (at least {percent(low)})."
        " Such a reward tells almost nothing apart."
    )
    return [RunFinding("one_answer", "bad", text, "read some of its replies; try a finer scale, `signal: expected`, or pairs")]


def spread(tables: RunTables) -> Floats:
    """Standard deviation of the raw reward within each group of two and more judged responses, shape (groups,)."""
    raw, groups = tables.raw, tables.groups
    there = np.isfinite(raw)
    if not there.any():
        return np.zeros(0)
    number, values = groups[there], raw[there]
    count = np.bincount(number)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(number, values) / count
        variance = np.bincount(number, (values - mean[number]) ** 2) / count
    return np.sqrt(variance[count >= 2])


def _groups(tables: RunTables) -> list[RunFinding]:
    found = spread(tables)
    if found.size < 5:
        return []
    flat = float((found < 1e-9).mean())
    text = (
        f"{percent(flat)} of the {found.size:,} groups have equal rewards throughout: a group-relative trainer learns nothing"
        " from them."
    )
    if flat < NO_SPREAD:
        return [RunFinding("group_spread", "plain", text)]
    return [
        RunFinding(
            "group_spread", "bad" if flat > 0.8 else "warn", text, "a finer scale, `signal: expected`, votes or `group:` help"
        )
    ]


def _criteria(tables: RunTables) -> list[RunFinding]:
    names = [name for name in tables.names if name.startswith("criterion.")]
    if len(names) < 2:
        return []
    out = []
    for name in names:
        scores = tables.floats(name)  # one at a time: twenty columns of a million rows are 160 MB
        there = scores[np.isfinite(scores)]
        if there.size < LEAST:
            continue
        mean = float(there.mean())
        if mean >= SATURATED or mean <= 1 - SATURATED:
            out.append(f"`{name.removeprefix('criterion.')}` (mean {mean:.2f})")
    if not out:
        return []
    text = f"{len(out)} of {len(names)} criteria get nearly the same score from every response: {', '.join(out[:5])}."
    return [RunFinding("saturated_criteria", "warn", text, "they cost calls and separate nothing; sharpen or drop them")]


def within_groups(values: Floats, groups: np.ndarray[Any, Any]) -> Floats:
    """Values less the mean of their group: what a group-relative trainer sees. NaN in groups of one."""
    out = np.full(values.size, np.nan)
    there = np.isfinite(values)
    if not there.any():
        return out
    number = groups[there]
    count = np.bincount(number)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(number, values[there]) / count
    out[there] = np.where(count[number] >= 2, values[there] - mean[number], np.nan)
    return out


def _length(tables: RunTables) -> list[RunFinding]:
    raw, lengths, groups = tables.raw, tables.lengths, tables.groups
    if (every := -(-raw.size // MOST_RANKED)) > 1:  # ranks of a million rewards take a hundred megabytes
        kept = groups % every == 0
        raw, lengths, groups = raw[kept], lengths[kept], groups[kept]
    both = np.isfinite(raw) & np.isfinite(lengths)
    if both.sum() < LEAST:
        return []
    inside = spearman(within_groups(np.where(both, raw, np.nan), groups), within_groups(np.where(both, lengths, np.nan), groups))
    overall = spearman(raw, lengths)
    rho, where = (inside, "within groups") if math.isfinite(inside) else (overall, "over all responses")
    if not math.isfinite(rho) or abs(rho) < LENGTH:
        return []
    word = "longer" if rho > 0 else "shorter"
    text = f"Rewards follow length: rank correlation {rho:+.2f} {where}, so {word} responses get more."
    if every > 1:
        text += f" (Looked at in {raw.size:,} responses, every {every}th group.)"
    return [RunFinding("length", "warn", text, "look whether longer is better here; else a `length` step of `reward.shape`")]


def positions(tables: RunTables) -> tuple[float, int]:
    """Mean score of what was shown first minus that shown second, in [-1, 1], and over how many comparisons.

    Only comparisons that were asked in both orders count: there, quality cancels and the place is left. NaN without any.
    """
    gaps: dict[tuple[Any, ...], dict[tuple[int, ...], float]] = {}
    for row in tables.verdicts(("row", "order", "criteria", "vote", "scores"), shown=2):
        order, scores = tuple(row["order"] or ()), row["scores"]
        if not scores or len(scores) != 2 or not scores[0] or scores[0][0] is None or scores[1][0] is None:
            continue
        key = (row["row"], tuple(sorted(order)), tuple(row["criteria"] or ()), row["vote"])
        gaps.setdefault(key, {})[order] = scores[0][0] - scores[1][0]
        if len(gaps) >= MOST_PAIRS:
            break
    both = [sum(each.values()) / 2 for each in gaps.values() if len(each) == 2]
    return (float(np.mean(both)), len(both)) if both else (math.nan, 0)


def _position(tables: RunTables) -> list[RunFinding]:
    gap, count = positions(tables)
    if count < LEAST or abs(gap) < POSITION:
        return []
    word = "first" if gap > 0 else "second"
    text = (
        f"The judge is bound to a position: whatever is shown {word} scores {abs(gap):.2f} more, over {count:,} pairs"
        " asked in both orders."
    )
    tone: Tone = "bad" if abs(gap) >= 0.3 else "warn"
    return [RunFinding("position", tone, text, "keep both orders; `order: both_agree` gives no reward where they disagree")]


def _orders(tables: RunTables) -> list[RunFinding]:
    count, total = tables.flagged().get("order_inconsistent", 0), int(np.isfinite(tables.floats("order_gap")).sum())
    total = max(total, count)
    if total < LEAST or count / total < DISAGREE:
        return []
    text = f"The two orders of a pair disagree for {percent(count / total)} of {total:,} responses."
    return [
        RunFinding("orders", "warn", text, "the judge cannot tell these responses apart; a stronger judge, or `signal: expected`")
    ]


def _forced(tables: RunTables) -> list[RunFinding]:
    counts = tables.run.get("counts") or {}
    verdicts, forced = counts.get("verdicts", 0), counts.get("forced", 0)
    if verdicts < LEAST or forced / verdicts < FORCED:
        return []
    text = f"{percent(forced / verdicts)} of the {verdicts:,} verdicts were not stated and had to be asked for alone."
    return [RunFinding("forced", "warn", text, "raise `sampling.max_tokens`, or use a judge that keeps to the form")]


def _filtered(tables: RunTables) -> list[RunFinding]:
    counts = tables.run.get("counts") or {}
    total, filtered = counts.get("responses", 0), counts.get("filtered", 0)
    if not filtered:
        return []
    text = f"{filtered:,} of {total:,} responses were decided by a filter without the judge ({percent(filtered / total)})."
    return [RunFinding("filtered", "warn" if total >= LEAST and filtered / total >= FILTERED else "plain", text)]


def _monitor(tables: RunTables) -> list[RunFinding]:
    watch = tables.run.get("monitor")
    alarms = watch.get("alarms") if isinstance(watch, Mapping) else None
    return [
        RunFinding(
            "alarm",
            "bad",
            f"The monitor raised `{name}` {state['raised']} time(s)" + (", and it is on." if state["active"] else "."),
        )
        for name, state in (alarms or {}).items()
        if state["raised"]
    ]
