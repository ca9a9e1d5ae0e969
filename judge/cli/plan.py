"""`judge plan`: calls, tokens, hours, cost and memory of a run before it, and what would make it cheaper."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from judge.batch.drawn import UnreadRows, draw
from judge.batch.planning import Cheaper, RunPlan, measured, rendered, with_change, with_prefixes
from judge.batch.read import BadRow, count_rows, parse_map, read_samples
from judge.batch.summary import in_width
from judge.cli.options import (
    Config,
    Data,
    DataConfigName,
    Limit,
    Map,
    Set,
    SplitOption,
    load_plan,
    notice,
    say,
    say_passed_over,
    wanted_columns,
)
from judge.errors import DataError, JudgeError, SettingsError
from judge.intervals import Interval
from judge.loops import run as run_loop
from judge.pipeline.build import Plan, needed_columns, plan
from judge.pipeline.preview import fixed, no_count
from judge.pipeline.shape_checks import carried_columns
from judge.pipeline.shaping import LENGTHS
from judge.render.views import llm_criteria
from judge.settings import load_settings
from judge.types import Sample

_CHANGES = (
    ("recipe=checklist-all", "all criteria of a response in one call"),
    ("recipe=checklist-all unit.criteria=5", "five criteria a call"),
    (
        "signal=expected readout.at=first votes=1",
        "one token's probabilities are read, without reasoning",
    ),
)
_FIGURES = (
    ("calls", lambda cost: cost.calls),
    ("from the cache", lambda cost: cost.hits),
    ("prompt tokens", lambda cost: cost.prompt),
    ("of them cached", lambda cost: cost.cached),
    ("completion tokens", lambda cost: cost.completion),
)


def plan_command(
    config: Config,
    data: Data,
    sample: Annotated[int, typer.Option("--sample", help="Rows that are really judged, drawn at random.", min=1)] = 20,
    dry: Annotated[
        bool, typer.Option("--dry", help="Judge nothing: render the rows and count. Completions are then the most that can be.")
    ] = False,
    mapping: Map = None,
    overrides: Set = None,
    split: SplitOption = "",
    subset: DataConfigName = "",
    limit: Limit = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Work out what a run would take, and what would make it cheaper.

    A few rows (whole groups, where responses compete) are really judged (their calls are paid), and the rest is extrapolated
    with a 95 % interval. Costs need
    `engine.price` or `prices` in CONFIG. With `cache: DIR` the run itself does not ask these rows again.

    \b
    Examples:
      judge plan my.yaml --data train.parquet
      judge plan my.yaml --data train.parquet --sample 100 --json
      judge plan my.yaml --data train.parquet --dry \\
          --set 'engine.price={input: 0.15, output: 0.6, cached: 0.075}'

    Exit codes: 0 done; 2 wrong input; 3 the engine cannot work; 7 the budget is spent.
    """
    made = load_plan(config, overrides)
    needs, kept = needed_columns(made), carried_columns(made.settings)
    rows = read_samples(
        data, parse_map(mapping or ()), split=split, config=subset, limit=limit,
        needs=(*needs, *kept[0]), keep=(*kept[0], *kept[1], LENGTHS), wants=wanted_columns(made),
    )  # fmt: skip
    if dry and not fixed(made.settings.group):
        raise SettingsError(no_count(made.settings.group))
    say_passed_over(data, split, subset)
    bad = UnreadRows()
    drawn, read = draw(bad.counted(rows), sample, made.settings.seed, groups=made.settings.group is not None)
    if bad.count >= read:
        raise DataError(f"{bad.first}\nno row of {data} can be judged: {read:,} read, all invalid")
    known = count_rows(data)
    total = read if known is None else known if limit is None else min(known, limit)
    if not dry:
        notice(f"judging {len(drawn)} of {total:,} rows with {made.settings.engine.model}")
    found = rendered(made, drawn, total) if dry else run_loop(measured(made, drawn, total))
    found = RunPlan(**{**vars(found), "cheaper": tuple(_ranked(found, made, drawn, config, overrides or []))})
    if as_json:
        told = _plain(found) | {"invalid": {"rows": bad.count, "of": read, "first": bad.first or None}}
        print(json.dumps(told, indent=2, allow_nan=False))
        return
    say(_text(found, config, _invalid(bad, read)))


def _ranked(found: RunPlan, made: Plan, drawn: Sequence[Sample | BadRow], config: str, overrides: list[str]) -> list[Cheaper]:
    """What would make it cheaper, the largest saving first."""
    changes = [*found.cheaper, with_prefixes(found, made, drawn)]
    for change, what in _CHANGES:
        other = _changed(made, config, [*overrides, *change.split()])
        if other is not None:
            changes.append(with_change(found, made, other, drawn, ", ".join(change.split()).replace("=", ": "), what))
    return sorted((c for c in changes if c is not None), key=lambda c: -c.share)


def _changed(made: Plan, config: str, overrides: list[str]) -> Plan | None:
    """The run with a change; None where it does not fit, or is what the run does already."""
    if "recipe=checklist-all" in overrides and made.recipe.spec.unit != "criterion":
        return None
    if "unit.criteria=5" in overrides and (made.rubric is None or len(llm_criteria(made.rubric)) <= 5):
        return None
    try:
        other = plan(*load_settings(config, overrides))
    except JudgeError:
        return None
    return None if other.settings == made.settings else other


def _invalid(bad: UnreadRows, read: int) -> list[str]:
    """How many rows cannot be judged, and why the first of them."""
    said = f"{'invalid':<18} {bad.count:,} of {read:,} rows; the first: {bad.first.splitlines()[0] if bad.first else ''}"
    return in_width(said, " " * 19) if bad.count else []


def _text(found: RunPlan, config: str, invalid: Sequence[str] = ()) -> str:
    how = f"{found.drawn} of them judged" if found.judged else f"{found.drawn} of them rendered, none judged"
    lines = [f"{config}: {found.rows:,} rows, {how}", "", f"{'':<18} {'a row':>11} {'all rows':>16}   95 % interval"]
    for name, of in _FIGURES:
        if not found.judged and name in ("from the cache", "of them cached"):
            continue
        lines += [_line(_called(name, found), found, of)]
        if name == "calls" and found.on_top:
            what = "to ask again, or for proof"
            lines.append(f"{'on top, at most':<18} {found.on_top / found.rows:>11,.1f} {found.on_top:>16,.0f}   {what}")
    if found.usd is not None:
        usd, interval = found.usd
        between = _between(interval, "{:,.2f}", found)
        lines.append(
            f"{'USD, at most' if found.at_most else 'cost, USD':<18} {usd / max(1, found.rows):>11,.6f} {usd:>16,.2f}   {between}"
        )
        if found.price is not None and found.price.as_of:
            lines.append(f"{'':<18} prices of {found.price.as_of}")
    elif found.price is not None:
        lines.append("cost               not known: this engine counts no tokens")
    else:
        lines.append("cost               set `engine.price` or `prices` to see it")
    if found.at_most:
        verb = "saves" if len(found.at_most) == 1 else "save"
        lines += in_width(f"{'':<18} {' and '.join(found.at_most)} {verb} an unknown share of this", " " * 19)
    if not math.isnan(found.hours):
        lines.append(f"{'time':<18} {span(found.hours)} at the rate of these rows")
        if not math.isnan(found.hours_full):
            lines.append(f"{'':<18} {span(found.hours_full)} with all calls in flight that CONFIG allows")
    if found.judged:
        lines.append(f"{'client memory':<18} about {found.memory_mib:,.0f} MiB at the end of the run")
        lines.append(f"{'no reward':<18} {found.no_reward} of {found.responses} responses of these rows")
    lines += [*invalid, "", *_cheaper(found)]
    return "\n".join(lines)


def span(hours: float) -> str:
    """A time as a person says it.

    Example:
        >>> span(0.0004), span(0.21), span(1234.5)
        ('1.4 s', '12.6 min', '1,234.5 hours')
    """
    if hours < 1 / 60:
        return f"{hours * 3600:.1f} s"
    return f"{hours * 60:.1f} min" if hours < 1 else f"{hours:,.1f} hours"


def _cheaper(found: RunPlan) -> list[str]:
    if not found.cheaper:
        unknown = ["This engine counts no tokens, and nothing that is known here saves calls;", "`--dry` estimates tokens."]
        return ["Nothing that is known here would make it cheaper."] if found.counted else unknown
    lines = ["What would make it cheaper, by the same rows:"]
    for number, each in enumerate(found.cheaper, 1):
        money = f"{each.usd:,.2f} USD, " if each.usd is not None else ""
        saved = f"{money}{each.tokens:,.0f} tokens" if found.counted else f"{each.calls:,.0f} calls"
        lines += [f"{number:>3}. {each.share:.0%} less ({saved}):", f"     `{each.change}`"]
        lines.append(f"     {each.what}")
    return [
        *lines,
        "Each by itself; savings do not add up. What changes the prompts changes the",
        "verdicts: `judge compare` on labelled rows tells how.",
    ]


def _called(name: str, found: RunPlan) -> str:
    """The name of a row of the table, with what its figures are where nothing was judged."""
    if found.judged or (name != "completion tokens" and not found.at_most):
        return name
    return {"completion tokens": "at most written", "calls": "calls, at most", "prompt tokens": "prompt, at most"}.get(name, name)


def _line(name: str, found: RunPlan, of: Any) -> str:
    if "token" in name and not found.counted:
        return f"{name:<18} {'-':>11} {'-':>16}   not counted by this engine"
    total, interval = found.total(of)
    return f"{name:<18} {total / max(1, found.rows):>11,.1f} {total:>16,.0f}   {_between(interval, '{:,.0f}', found)}"


def _between(interval: Interval, form: str, found: RunPlan) -> str:
    if math.isinf(interval.high):
        return "needs two groups" if max(found.sizes, default=1) > 1 else "needs two rows"
    if interval.low == interval.high and not found.whole:
        return f"none: these {found.drawn} are alike"
    return "exact" if interval.low == interval.high else f"{form.format(interval.low)} to {form.format(interval.high)}"


def _plain(found: RunPlan) -> dict[str, Any]:
    """The figures as JSON has them."""

    def figure(pair: tuple[float, Interval]) -> dict[str, float | None]:
        alike = pair[1].low == pair[1].high and not found.whole  # which says nothing of the rest
        ends = {name: None if math.isinf(end) or alike else end for name, end in zip(("low", "high"), pair[1], strict=True)}
        return {"total": pair[0], **ends}

    names = ("calls", "cache_hits", "prompt_tokens", "cached_tokens", "completion_tokens")
    return {
        "rows": found.rows,
        "sample": found.drawn,
        "judged": found.judged,
        **{name: figure(found.total(of)) for name, (_, of) in zip(names, _FIGURES, strict=True)},
        "usd": None if found.usd is None else figure(found.usd),
        "at_most": list(found.at_most),
        "calls_on_top": found.on_top,
        "hours": None if math.isnan(found.hours) else found.hours,
        "hours_full": None if math.isnan(found.hours_full) else found.hours_full,
        "memory_mib": None if math.isnan(found.memory_mib) else found.memory_mib,
        "no_reward": found.no_reward,
        "responses": found.responses,
        "cheaper": [vars(each) for each in found.cheaper],
    }
