"""The end of a run in a screenful: what the rewards look like, what failed and why, and the extremes to read first."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Collection, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from judge.batch.cascade import cascade_lines
from judge.batch.panel import panel_lines
from judge.batch.read import problem_kind
from judge.batch.saved import saved_lines
from judge.batch.store import Store
from judge.pipeline.proof import BY_RULE
from judge.settings.cost import cost_text

BINS = 10
WIDTH = 40
PAGE = 80  # columns
_KINDS = 10  # kinds of invalid rows that are shown
_BAR = " ▏▎▍▌▋▊▉█"


def histogram(counts: list[int], width: int = WIDTH) -> list[str]:
    """One bar a bin of [0, 1], scaled to the fullest.

    Example:
        >>> print(*histogram([0, 0, 0, 0, 1, 0, 0, 0, 0, 2], width=4)[-2:], sep="\\n")
        0.8 to 0.9            0
        0.9 to 1.0  ████      2
    """
    most = max(counts) or 1
    lines = []
    for index, count in enumerate(counts):
        eighths = round(count / most * width * 8)
        bar = "█" * (eighths // 8) + (_BAR[eighths % 8] if eighths % 8 else "")
        lines.append(f"{index / BINS:.1f} to {(index + 1) / BINS:.1f}  {bar:<{width}}  {count:>5}")
    return lines


def summary(store: Store, run: Mapping[str, Any], folder: Path) -> str:
    """The closing text of a run."""
    counts = [0] * BINS
    for index, n in store.query(
        f"SELECT MIN(CAST(raw_reward * {BINS} AS INT), {BINS - 1}), COUNT(*) FROM rewards WHERE raw_reward IS NOT NULL GROUP BY 1"
    ):
        counts[index] += n
    c = run["counts"]
    lines = [""]
    if sum(counts):
        mean, after, low, high = store.query("SELECT AVG(raw_reward), AVG(reward), MIN(reward), MAX(reward) FROM rewards")[0]
        noun = "response" if sum(counts) == 1 else "responses"
        shaped = bool(store.query("SELECT 1 FROM rewards WHERE reward IS NOT raw_reward AND status != 'imputed' LIMIT 1"))
        what = "raw rewards" if shaped else "rewards"
        lines += [f"{what} of {sum(counts)} {noun}, mean {mean:.3f}", *histogram(counts)]
        lines += [f"after shaping: mean {after:.3f}, from {low:.3f} to {high:.3f}", ""] if shaped and after is not None else [""]
    lines += [*(f"  {note}" for note in run["shaping"]), ""] if run.get("shaping") else []
    lines += [*panel_lines(run["panel"]), ""] if run.get("panel") else []
    lines += [*cascade_lines(run["cascade"]), ""] if "decided" in (run.get("cascade") or {}) else []
    lines += [*saved, ""] if (saved := saved_lines(run)) else []
    lines += _failures(store, c)
    lines += _extremes(store)
    forced = f", {c['forced']} of them forced" if c["forced"] else ""
    for name, what in (("asked_again", "was asked once more"), ("forced_thinking", "was cut off in its thinking and forced")):
        if c[name]:
            lines.append(f"the judge {what} for {c[name]} of {c['responses']} responses (flag `{name}`)")
    lines.append(
        f"{c['judge_calls']} judge calls ({c['journal_hits']} more from the journal), {c['verdicts']} verdicts{forced}; "
        f"{run['seconds']['judging']:.1f} s, {run['tokens_per_s']:,.0f} tokens/s"
    )
    lines += cost_lines(run)
    lines.append(f"{folder}/rewards.parquet  verdicts.parquet  run.json")
    return "\n".join(part for line in lines for part in in_width(line))


def in_width(line: str, indent: str | None = None) -> list[str]:
    """A line in 80 columns; what belongs to it is indented, by 2 more than the line itself where nothing else is said."""
    if len(line) <= PAGE or "/rewards.parquet" in line:  # a path is for copying
        return [line]
    more = " " * (len(line) - len(line.lstrip()) + 2) if indent is None else indent
    return textwrap.wrap(line, PAGE, subsequent_indent=more, break_long_words=False, break_on_hyphens=False)


def cost_lines(run: Mapping[str, Any]) -> list[str]:
    """Tokens of this start, and what the run has cost in all its starts.

    Example:
        >>> cost_lines({"tokens": {"prompt": 900, "completion": 100}, "cost": {"usd": 0.0123, "calls": 3}})
        ['1,000 tokens (900 read, 100 written); 0.0123 USD']
    """
    tokens, cost = run["tokens"], run.get("cost") or {}
    said = f"{tokens['prompt'] + tokens['completion']:,} tokens ({tokens['prompt']:,} read, {tokens['completion']:,} written)"
    counted = [] if cost.get("estimated_calls") and not any(tokens.values()) else [said]
    return ["; ".join([*counted, *filter(None, [cost_text(cost)])])]


def _failures(store: Store, counts: Mapping[str, Any]) -> list[str]:
    lines = []
    if counts["filtered"]:
        names = store.query(
            "SELECT json_extract(flags, '$[0].name'), COUNT(*) FROM rewards WHERE status = 'filtered' GROUP BY 1 ORDER BY 2 DESC"
        )
        found = ", ".join(f"{n} {name}" for name, n in names)
        lines.append(f"{_of(counts, 'filtered')} decided by a filter without a judge call: {found}")
    if counts["by_rule"]:
        lines.append(f"{_of(counts, 'by_rule')} paid 1 by rule without a judge call: the response states the reference answer")
    if counts["suspect"]:
        lines.append(f"{_of(counts, 'suspect')} suspected by a filter of not stating one answer: {_suspects(counts)}")
    for count, status, what in (
        (counts["no_reward"] - counts["shaped_away"], "no_verdict", "no reward"),
        (counts["imputed"], "imputed", "no verdict and got an imputed reward (status `imputed`)"),
    ):
        if count:
            verb = "has" if count == 1 else "have"
            lines.append(f"{count} of {counts['responses']} responses {verb} {what}:")
        for reason, n, detail in store.query(
            "SELECT reason, COUNT(*), MIN(detail) FROM rewards WHERE status = ? GROUP BY 1 ORDER BY 2 DESC", status
        ):
            several = reason == "invalid" and n > 1
            lines.append(f"  {n:>5}  {reason}" + (f": {_one_line(detail, 300)}" if detail and not several else ""))
            lines += _invalid_lines(store) if several else []
    return [*lines, ""] if lines else []


def _of(counts: Mapping[str, Any], name: str) -> str:
    return f"{counts[name]:,} of {counts['responses']:,} responses {'was' if counts[name] == 1 else 'were'}"


def _suspects(counts: Mapping[str, Any]) -> str:
    """What became of the responses that a filter suspects."""
    ends = {
        "proved": "rewarded, because the judge copied the words that state the answer",
        "no_answer": "at 0, because the judge finds no answer",
        "suspect_low": "at 0 by the judge's verdict",
        "suspect_unpaid": "without a reward",
    }
    return "; ".join(f"{counts[name]:,} {text}" for name, text in ends.items() if counts[name])


def invalid_rows(store: Store) -> dict[str, dict[str, Any]]:
    """Rows that could not be read, by what is wrong with them: how many, and the first of each kind."""
    found: dict[str, dict[str, Any]] = {}
    pages = store.pages("SELECT detail FROM rewards WHERE reason = 'invalid' AND response_index = 0 ORDER BY row")
    for (detail,) in chain.from_iterable(pages):
        kind = found.setdefault(problem_kind(detail or ""), {"rows": 0, "first": detail or ""})
        kind["rows"] += 1
    return dict(sorted(found.items(), key=lambda item: -item[1]["rows"]))


def _invalid_lines(store: Store) -> list[str]:
    found = invalid_rows(store)
    lines = [f"         {kind['rows']:>5}  {_one_line(kind['first'], 280)}" for kind in list(found.values())[:_KINDS]]
    return [*lines, f"         and {len(found) - _KINDS} more kinds, see run.json"] if len(found) > _KINDS else lines


def _extremes(store: Store) -> list[str]:
    lines = []
    count, low, high = store.query("SELECT COUNT(*), MIN(raw_reward), MAX(raw_reward) FROM rewards WHERE raw_reward IS NOT NULL")[
        0
    ]
    if not count:
        return []
    parts: tuple[tuple[str, str, float], ...] = (
        ("lowest", "< ? ORDER BY raw_reward", high),
        ("highest", "> ? ORDER BY raw_reward DESC", low),
    )
    if count <= 3 or low == high:
        parts = (("all" if count <= 3 else f"all {count} are {low:.3f}, for example", ">= ? ORDER BY raw_reward", low),)
    columns = "raw_reward, id, response_index, explanation, response"
    for title, which, bound in parts:
        rows = store.query(f"SELECT {columns} FROM rewards WHERE raw_reward {which}, row LIMIT 3", bound)
        lines.append(f"{title}:")
        for value, name, index, explanation, response in rows:
            lines.append(f"  {value:.3f}  {name}[{index}]  {_one_line(response, 60)!r}  ({explanation})")
    return [*lines, ""] if lines else []


def _one_line(text: str | None, limit: int) -> str:
    line = " ".join((text or "").split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def counts(store: Store, proving: Collection[str] = ()) -> dict[str, int]:
    """The figures of `run.json` that come from the tables.

    Args:
        proving: The filters behind which a positive verdict needs proof.
    """
    one = (
        "SELECT COUNT(*), SUM(reward IS NULL), SUM(status = 'filtered'), SUM(status = 'judged'), SUM(status = 'imputed'),"
        " SUM(reward IS NULL AND raw_reward IS NOT NULL) FROM rewards"
    )
    responses, absent, filtered, judged, imputed, away = (n or 0 for n in store.query(one)[0])
    samples = store.query("SELECT COUNT(DISTINCT row) FROM rewards")[0][0]
    verdicts, forced, failed = (
        n or 0 for n in store.query("SELECT SUM(value IS NOT NULL), SUM(forced), SUM(reason IS NOT NULL) FROM verdicts")[0]
    )
    calls, hits = (n or 0 for n in store.query("SELECT SUM(NOT cached), SUM(cached) FROM verdicts")[0])
    flagged = dict(
        store.query(
            "SELECT json_extract(f.value, '$.name'), COUNT(*) FROM rewards, json_each(rewards.flags) f"
            " WHERE json_extract(f.value, '$.name') IN ('asked_again', 'forced_thinking') GROUP BY 1"
        )
    )
    by_rule = store.query("SELECT COUNT(*) FROM rewards WHERE explanation = ?", BY_RULE)[0][0]
    named, none = _flag("IN (SELECT value FROM json_each(?))"), _flag("= 'no_answer'")
    suspects = dict(
        store.query(
            "SELECT CASE WHEN raw_reward IS NULL THEN 'suspect_unpaid' WHEN raw_reward > 0 THEN 'proved'"
            f" WHEN {none} THEN 'no_answer' ELSE 'suspect_low' END, COUNT(*)"
            f" FROM rewards WHERE status != 'filtered' AND {named} GROUP BY 1",
            json.dumps(sorted(proving)),
        )
    )
    return {
        "samples": samples,
        "responses": responses,
        "judged": judged,
        "filtered": filtered,
        "by_rule": by_rule,
        "suspect": sum(suspects.values()),
        **{name: suspects.get(name, 0) for name in ("proved", "no_answer", "suspect_low", "suspect_unpaid")},
        "imputed": imputed,
        "no_reward": absent,
        "shaped_away": away,
        "judge_calls": calls,
        "journal_hits": hits,
        "verdicts": verdicts,
        "forced": forced,
        "asked_again": flagged.get("asked_again", 0),
        "forced_thinking": flagged.get("forced_thinking", 0),
        "no_verdict": failed,
    }


def _flag(which: str) -> str:
    """SQL that looks for a flag of a row by its name."""
    return f"EXISTS (SELECT 1 FROM json_each(rewards.flags) f WHERE json_extract(f.value, '$.name') {which})"


def reasons(store: Store) -> dict[str, int]:
    """Responses without a verdict, by reason; imputed ones too."""
    return dict(store.query("SELECT reason, COUNT(*) FROM rewards WHERE reason IS NOT NULL GROUP BY 1 ORDER BY 2 DESC"))


def load_run(folder: Path) -> dict[str, Any]:
    """The `run.json` of a run folder."""
    return dict(json.loads((folder / "run.json").read_text(encoding="utf-8")))
