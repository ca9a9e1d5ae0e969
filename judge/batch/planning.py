"""`judge plan`: what a run would take, from a few rows that are really judged, and what would make it cheaper.

- The rows are drawn over the data set and judged by `judge run`'s own path into a folder that is thrown away, so every call,
  repeat, filter and cache hit is in the figures.
- Each total is the mean over the rows, times the rows there are, with a 95 % interval (Student's t, finite population).
- What would be cheaper is worked out on the same rows: other settings are rendered, and votes are replayed.
"""

from __future__ import annotations

import contextlib
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from judge.batch.drawn import units
from judge.batch.dry_run import counter, dry_run
from judge.batch.extrapolate import client_memory, extrapolated
from judge.batch.read import BadRow
from judge.batch.run import run_batch
from judge.engine.protocol import Engine
from judge.errors import DataError, SettingsError
from judge.intervals import Interval
from judge.pipeline.build import Plan
from judge.pipeline.preview import Preview, Previewer, fixed, no_count, spared
from judge.reward.fold import decided
from judge.settings import NoEngineSettings, OpenAiSettings
from judge.settings.cost import Price
from judge.types import Message, Sample

_SAME = 0.02  # a saving below this share is not worth a line


@dataclass(frozen=True)
class RowCost:
    """What one row took.

    Attributes:
        hits: Calls answered by the cache.
        cached: Prompt tokens that the server had in its prefix cache.
        latency_s: Of its calls, added up.
        usd: None: no price is known.
    """

    calls: int = 0
    hits: int = 0
    prompt: int = 0
    completion: int = 0
    cached: int = 0
    latency_s: float = 0.0
    usd: float | None = None


@dataclass(frozen=True)
class Cheaper:
    """One change that would save something.

    Attributes:
        change: The setting, as it is written.
        what: What it does, and what it risks.
        tokens: Prompt and completion tokens saved, of all rows.
        usd: Saved; None without a price.
        share: Of the cost (of the tokens, without a price; of the calls, where the engine counts no tokens).
        calls: Saved, of all rows, where the engine counts no tokens; else 0.
    """

    change: str
    what: str
    tokens: float
    usd: float | None
    share: float
    calls: float = 0.0


@dataclass(frozen=True)
class RunPlan:
    """What a run would take.

    Attributes:
        rows: Rows there are; `drawn` of them were looked at.
        costs: Of each of those; of each group, where they compete.
        sizes: How many rows each of `costs` stands for; empty: one.
        judged: False: rendered only; completions are then the most that can be.
        hours: At the rate of the sample; NaN where nothing was judged.
        hours_full: With as many calls in flight as the settings allow and the latency of the sample (endpoints only).
        memory_mib: Of the client at the end of the run; NaN where nothing was judged, so that nothing is loaded that a run loads.
        no_reward: Responses of the sample without a reward.
        ends: The least and the most that a row can take, where the settings may spare calls; else None.
        at_most: The settings that save an unknown share of the calls, where nothing was judged: the figures are the most then.
        on_top: The most calls of all rows that ask once more for a verdict, or for proof of one, where nothing was judged.
    """

    rows: int
    drawn: int
    costs: tuple[RowCost, ...]
    judged: bool
    price: Price | None
    hours: float = math.nan
    hours_full: float = math.nan
    memory_mib: float = math.nan
    no_reward: int = 0
    responses: int = 0
    cheaper: tuple[Cheaper, ...] = ()
    sizes: tuple[int, ...] = ()
    ends: tuple[RowCost, RowCost] | None = None
    at_most: tuple[str, ...] = ()
    on_top: float = 0.0

    def total(self, of: Callable[[RowCost], float]) -> tuple[float, Interval]:
        """The sum over all rows of a figure of each, and its 95 % interval."""
        ends = None if self.ends is None else (of(self.ends[0]), of(self.ends[1]))
        return extrapolated([of(cost) for cost in self.costs], self.rows, self.sizes, ends)

    @property
    def whole(self) -> bool:
        """Whether all rows were looked at, so that nothing is extrapolated."""
        return self.drawn >= self.rows

    @property
    def counted(self) -> bool:
        """Whether the engine says how many tokens a call takes."""
        return any(cost.prompt + cost.completion for cost in self.costs) or not any(cost.calls for cost in self.costs)

    @property
    def usd(self) -> tuple[float, Interval] | None:
        """US dollars for all rows; None without a price, or where the tokens that it is for were not counted."""
        if self.price is None or not (self.counted or self.price.per_hour):
            return None
        rent = 0.0 if math.isnan(self.hours) else self.hours * self.price.per_hour
        mean, (low, high) = self.total(lambda cost: cost.usd or 0.0)
        return mean + rent, Interval(low + rent, high + rent)


async def measured(plan: Plan, drawn: Sequence[Sample | BadRow], rows: int, engine: Engine | None = None) -> RunPlan:
    """Judge the rows drawn, and work out what all of them would take.

    Raises:
        EngineError, OutputError: As `run_batch`.
        DataError: None of the rows can be judged.
    """
    with TemporaryDirectory(prefix="judge-plan-") as folder:
        result = await run_batch(plan, drawn, Path(folder), engine=engine, quiet=True, keep=("none",), requests=False)
        records = _calls(Path(folder))
    if result.run["no_verdict_reasons"].get("invalid", 0) == result.run["counts"]["responses"]:
        raise _none(next(iter(result.run["invalid_rows"].values()))["first"], drawn)
    price = _price(plan)
    groups = units(drawn, groups=plan.settings.group is not None)
    by_row: list[list[dict[str, Any]]] = [[] for _ in drawn]
    for record in records:
        by_row[record["row"]].append(record)
    by_unit = [[call for row in unit for call in by_row[row]] for unit in groups]
    costs = [_row_cost(calls, price) for calls in by_unit]
    paid = (result.run.get("cost") or {}).get("usd")
    ours = math.fsum(cost.usd or 0.0 for cost in costs)
    if price is not None and paid and ours and not price.per_hour:  # several judges have several prices
        costs = [replace(cost, usd=(cost.usd or 0.0) * paid / ours) for cost in costs]
    scale = rows / max(1, len(drawn))
    latency = math.fsum(cost.latency_s for cost in costs)
    full = latency * scale / _most_in_flight(plan) / 3600 if isinstance(plan.settings.engine, OpenAiSettings) else math.nan
    counts, calls = result.run["counts"], sum(cost.calls for cost in costs)
    made = RunPlan(
        rows, len(drawn), tuple(costs), True, price,
        hours=result.run["seconds"]["judging"] * scale / 3600, hours_full=full,
        memory_mib=client_memory(plan, drawn, rows, calls / max(1, len(drawn))),
        sizes=tuple(map(len, groups)), ends=_ends(plan, drawn, costs),
        no_reward=counts["no_reward"], responses=counts["responses"],
    )  # fmt: skip
    return _with_votes(made, plan, records)


def _ends(plan: Plan, drawn: Sequence[Sample | BadRow], costs: Sequence[RowCost]) -> tuple[RowCost, RowCost] | None:
    """The least and the most that a row like these takes; None where nothing is spared, or rows compete."""
    if not spared(plan) or plan.settings.group is not None:
        return None
    previews = _previews(plan, drawn)
    votes = plan.votes.n if plan.votes.stop is not None else 1
    sure = [[call for call in calls if not call.judge.startswith("second opinion")] for calls in previews]
    sure = sure if plan.cheap is None else [[call for call in calls if call.judge.startswith("cascade")] for calls in sure]
    least = min([*(len(calls) // votes for calls in sure), *(cost.calls for cost in costs)])
    least = min(least, 1) if "`unit.stop_when_decided`" in spared(plan) else least  # a veto may fail at once
    most = max([*map(len, previews), *(cost.calls for cost in costs)])
    asked = [cost for cost in costs if cost.calls]

    def of(calls: int, which: Callable[[Iterable[float]], float]) -> RowCost:
        """The figures of so many calls, from those of a call in the rows."""
        prompt, completion, cached, latency, usd = (
            which([(getattr(cost, name) or 0.0) / cost.calls for cost in asked] or [0.0]) * calls
            for name in ("prompt", "completion", "cached", "latency_s", "usd")
        )
        return RowCost(calls, 0, int(prompt), int(completion), int(cached), latency, usd)

    return of(least, min), of(most, max)


def rendered(plan: Plan, drawn: Sequence[Sample | BadRow], rows: int) -> RunPlan:
    """The same without an engine: the prompts are rendered and counted, and completions are the most that can be.

    Raises:
        SettingsError: How many comparisons the groups make depends on the verdicts.
        DataError: None of the rows can be judged.
    """
    if not fixed(plan.settings.group):
        raise SettingsError(no_count(plan.settings.group))
    price, count = _price(plan), counter(plan.settings.engine)[0]
    costs = [_rendered_cost(calls, count, price) for calls in _previews(plan, drawn)]
    if not any(cost.calls for cost in costs) and (why := dry_run(plan, drawn, len(drawn))).invalid == why.rows:
        raise _none(why.first, drawn)
    sizes = tuple(map(len, units(drawn, groups=plan.settings.group is not None)))
    more = _on_top(plan, drawn) * rows / max(1, len(drawn))
    return RunPlan(rows, len(drawn), tuple(costs), False, price, sizes=sizes, at_most=tuple(spared(plan)), on_top=more)


def with_change(
    now: RunPlan, plan: Plan, other: Plan, drawn: Sequence[Sample | BadRow], change: str, what: str
) -> Cheaper | None:
    """What another configuration would save, by rendering the same rows; None where that is next to nothing.

    Replies of a call that decides by one token are one token. Else all replies together are taken to be as long as now.
    """
    count = counter(plan.settings.engine)[0]
    before, after = (_rendered_sum(p, drawn, count) for p in (plan, other))
    prompt, completion = (sum(getattr(cost, name) for cost in now.costs) for name in ("prompt", "completion"))
    cached = sum(cost.cached for cost in now.costs)
    if not now.counted and before.calls:
        if spared(plan):  # whose calls become fewer, and how many of them are made, depends on the verdicts
            return None
        return _fewer_calls(now, change, what, 1 - after.calls / before.calls)
    if not before.prompt or not prompt:
        return None
    one_token = other.sampling[-1].max_tokens == 1 and len(other.sampling) == 1
    new_prompt = prompt * after.prompt / before.prompt
    new_completion = float(after.calls if one_token else completion)
    return _saving(now, change, what, prompt - new_prompt, completion - new_completion, cached * (1 - new_prompt / prompt))


def shared_prefixes(plan: Plan, drawn: Sequence[Sample | BadRow]) -> float:
    """Share of the rendered prompts, in [0, 1], that stands at the beginning of another one and so need not be computed twice."""
    texts = sorted(
        "\x1e".join(f"{m.role}\x1f{m.text}" for m in call.messages) for calls in _previews(plan, drawn) for call in calls
    )
    shared = sum(_common(a, b) for a, b in pairwise(texts))
    return shared / max(1, sum(map(len, texts)))


def with_prefixes(now: RunPlan, plan: Plan, drawn: Sequence[Sample | BadRow]) -> Cheaper | None:
    """What a prefix cache could still save: what is shared between the prompts, less what the server says it had."""
    prompt, cached = (sum(getattr(cost, name) for cost in now.costs) for name in ("prompt", "cached"))
    missed = shared_prefixes(plan, drawn) * prompt - cached
    if now.price is None or now.price.cached is None or missed <= 0:
        return None
    if not now.judged:
        return None
    what = f"the prompts begin alike; the server had {cached / max(1, prompt):.0%} of them cached"
    return _saving(now, "a prefix cache", what, 0.0, 0.0, -missed, tokens=missed)


def _saving(
    now: RunPlan, change: str, what: str, prompt: float, completion: float, cached: float, tokens: float | None = None
) -> Cheaper | None:
    """A saving of tokens in the rows drawn, as one of all rows."""
    scale = now.rows / max(1, now.drawn)
    saved = prompt + completion if tokens is None else tokens
    everything = sum(cost.prompt + cost.completion for cost in now.costs)
    usd, share = None, saved / max(1, everything)
    if now.price is not None and not now.price.per_hour:
        cheap = now.price.input if now.price.cached is None else now.price.cached
        usd = ((prompt - cached) * now.price.input + cached * cheap + completion * now.price.output) / 1e6 * scale
        paid = sum(cost.usd or 0.0 for cost in now.costs) * scale
        share = usd / paid if paid else 0.0
    return Cheaper(change, what, saved * scale, usd, share) if share > _SAME else None


def _fewer_calls(now: RunPlan, change: str, what: str, share: float) -> Cheaper | None:
    """A saving where nobody knows the tokens: a share of the calls, in [0, 1]."""
    calls = now.total(lambda cost: cost.calls)[0] * share
    return Cheaper(change, what, 0.0, None, share, calls) if share > _SAME else None


def _with_votes(now: RunPlan, plan: Plan, records: Sequence[dict[str, Any]]) -> RunPlan:
    """The plan with what `votes.stop: decided` would have saved on these very votes."""
    votes = plan.votes.n
    if votes < 3 or plan.votes.stop is not None:
        return now
    columns: dict[tuple[Any, ...], dict[int, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for call in records:
        columns[call["row"], tuple(call["order"]), tuple(call["criteria"])][call["vote"]].append(call)
    prompt = completion = cached = spared = 0.0
    for column in columns.values():
        for call in (call for vote in range(_needed(column, votes), votes) for call in column.get(vote, ())):
            prompt, completion = prompt + call["prompt_tokens"], completion + call["completion_tokens"]
            cached, spared = cached + call["cached_tokens"], spared + 1
    what = "the votes that can no longer change the majority are not asked"
    what += "" if plan.votes.fold == "majority" else f" (the majority then counts, in place of the {plan.votes.fold})"
    change = "votes.stop: decided"
    counted = _saving(now, change, what, prompt, completion, cached) if now.counted else None
    found = counted if now.counted else _fewer_calls(now, change, what, spared / max(1, len(records)))
    return now if found is None else replace(now, cheaper=(*now.cheaper, found))


def _needed(column: dict[int, list[dict[str, Any]]], votes: int) -> int:
    """How many votes of one question were needed for its majority."""
    seen: list[float | None] = []
    for vote in range(votes):
        scores = [call["scores"] for call in column.get(vote, ()) if call["scores"]]
        seen.append(scores[-1][0][0] if scores else None)
        if decided(seen, votes):
            return vote + 1
    return votes


def _calls(folder: Path) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq  # noqa: PLC0415  # 100 ms that `judge --help` need not pay

    return list(pq.read_table(folder / "verdicts.parquet").to_pylist())


def _row_cost(calls: Sequence[dict[str, Any]], price: Price | None) -> RowCost:
    made = [call for call in calls if not call["cached"]]
    prompt, completion, cached = (sum(c[n] or 0 for c in made) for n in ("prompt_tokens", "completion_tokens", "cached_tokens"))
    latency = math.fsum(call["latency_s"] or 0.0 for call in made)
    usd = None if price is None else price.of_tokens(prompt, completion, cached)
    return RowCost(len(made), len(calls) - len(made), prompt, completion, cached, latency, usd)


def _previews(plan: Plan, drawn: Sequence[Sample | BadRow]) -> list[list[Preview]]:
    """The calls of each row (of each group, where they compete) that can be judged."""
    previewer, out = Previewer(plan), []
    for unit in units(drawn, groups=plan.settings.group is not None):
        samples = [row for place in unit if isinstance(row := drawn[place], Sample)]
        try:
            out.append([call for shown in previewer.shown(samples) for call in previewer.of(shown)])
        except DataError:
            out.append([])
    return out


def _none(first: str, drawn: Sequence[Sample | BadRow]) -> DataError:
    return DataError(f"{first}\nnone of the {len(drawn):,} rows looked at can be judged")


def _on_top(plan: Plan, drawn: Sequence[Sample | BadRow]) -> int:
    """The most calls of these rows that may follow a reply: those of `judge run --dry-run`."""
    previewer, most = Previewer(plan), 0
    for unit in units(drawn, groups=plan.settings.group is not None):
        samples = [row for place in unit if isinstance(row := drawn[place], Sample)]
        with contextlib.suppress(DataError):
            most += sum(each.more for shown in previewer.shown(samples) for each in previewer.outlooks(shown))
    return most


def _rendered_cost(calls: Sequence[Preview], count: Callable[[tuple[Message, ...]], int], price: Price | None) -> RowCost:
    known: dict[tuple[Message, ...], int] = {}  # votes send the same messages
    for call in calls:
        if call.messages not in known:
            known[call.messages] = count(call.messages)
    prompt, completion = sum(known[call.messages] for call in calls), sum(call.sampling.max_tokens for call in calls)
    return RowCost(len(calls), 0, prompt, completion, usd=None if price is None else price.of_tokens(prompt, completion))


def _rendered_sum(plan: Plan, drawn: Sequence[Sample | BadRow], count: Callable[[tuple[Message, ...]], int]) -> RowCost:
    costs = [_rendered_cost(calls, count, None) for calls in _previews(plan, drawn)]
    return RowCost(sum(c.calls for c in costs), 0, sum(c.prompt for c in costs), sum(c.completion for c in costs))


def _price(plan: Plan) -> Price | None:
    engine = plan.settings.engine
    return Price() if isinstance(engine, NoEngineSettings) else engine.price


def _most_in_flight(plan: Plan) -> int:
    engine = plan.settings.engine
    return engine.concurrency if isinstance(engine, OpenAiSettings) else plan.settings.max_in_flight


def _common(a: str, b: str) -> int:
    """Characters at the beginning that two texts share."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if a.startswith(b[:middle]) else (low, middle - 1)
    return low
