"""Rubrics on labelled items -> what they do to judging: agreement beside the same judge without a rubric, and why.

Naive rubrics can make a judge worse (on JudgeBench 55.6 to 42.9 in RRD, arXiv:2602.05125), so every figure stands beside the
figure without a rubric on the same items, with an interval from a bootstrap over prompts.

- `coverage`, `precision` and contribution are Auto-Rubric's (arXiv:2510.17314, section 4): how often a rubric decides, how often
  it is then right.
- A criterion's `discrimination` is its mean score of preferred responses less that of the others: 0 tells nothing, below 0 it is
  reversed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np

from judge.arrays import Floats
from judge.bench.agreement import difference
from judge.bench.credit import credits
from judge.bench.items import BenchItem
from judge.bench.measures import Figure, WeightedMetric, correlation, figures, mean_credit, mean_of
from judge.bench.pairs import pair_accuracy
from judge.bench.units import reasons_of
from judge.engine.build import build_engine
from judge.engine.protocol import Engine
from judge.engine.scripted import located
from judge.errors import InputError
from judge.improve.criteria import CriterionProof, criteria_of
from judge.improve.tried import RubricOf, TriedItem, bare_settings, judge_plan, try_items
from judge.pipeline.calls import Journal
from judge.pipeline.drawn import drawn_engine, draws
from judge.rubric.model import Rubric
from judge.rubric.per_prompt import prompt_key
from judge.settings import EngineSettings, RunSettings


@dataclass(frozen=True)
class RubricProof:
    """One rubric (or one for each prompt) beside no rubric.

    Attributes:
        rubric: None where each prompt has its own.
        items: Judged; `without` more have no rubric of their own and are left out.
        figures, bare: With the rubric, and without one on the same items: `agreement` first.
        gap: Agreement with it less agreement without.
        halved: The same with a tie as half; None for grades. A judge that mostly ties agrees with nothing, so that a rubric which
            decides every pair wrongly would come to no less.
        criteria: One by one, where the recipe asks about each and one rubric serves all items.
        pooled: Over all criteria of all items: how many tell responses apart, and how many the wrong way round.
        reasons: Why there was no verdict.
        each: Where each prompt has its own rubric: name of the prompt -> what that rubric came to on its items (their mean).
        kind: `pairs`, or `ratings`: there agreement and the gap are Spearman's rho, in [-1, 1].
    """

    name: str
    rubric: Rubric | None
    items: int
    without: int
    figures: tuple[Figure, ...]
    bare: tuple[Figure, ...]
    gap: Figure
    criteria: tuple[CriterionProof, ...] = ()
    pooled: tuple[Figure, ...] = ()
    reasons: Mapping[str, int] = field(default_factory=dict)
    each: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    kind: str = "pairs"
    halved: Figure | None = None

    @property
    def worse(self) -> bool:
        """Whether it agrees less often with the labels than without a rubric (ties wrong, or half), or nothing can be said."""
        return self.silent or not self.gap.value >= 0 or (self.halved is not None and self.halved.value < 0)

    @property
    def silent(self) -> bool:
        """Whether the judge gave no verdict on any item."""
        return any(f.name == "no verdict" and f.value == 1.0 for f in self.figures)

    @property
    def scores(self) -> dict[str, float]:
        """What `lineage.scores` keeps of it."""
        kept = {"_".join(re.findall(r"\w+", f.name)): f.value for f in self.figures}
        kept |= {"agreement_without": self.bare[0].value, "gap": self.gap.value, "gap_low": self.gap.interval.low,
                 "gap_high": self.gap.interval.high, "items": float(self.items)}  # fmt: skip
        return {name: round(value, 4) for name, value in kept.items() if not math.isnan(value)}


@dataclass(frozen=True)
class ProofOptions:
    """How it is judged and counted.

    Attributes:
        kind: `pairs` (which of two is better) or `ratings` (a grade of one).
        baseline: Recipe of the judge without a rubric, where the settings' own needs one.
        draws, seed: Of the bootstrap.
    """

    kind: str = "pairs"
    baseline: str | None = None
    draws: int = 1000
    seed: int = 0


class Validator:
    """Tries rubrics on the same labelled items; the judge without a rubric is asked once.

    Args:
        settings: Judge and recipe; their rubric is not looked at.
        base: Folder of the settings' file.
        engine: Used instead of the one in the settings, which `async with` closes; the caller closes this one.
        journal: Where replies are kept.
        writes: Its model writes texts as well, which `verdicts: drawn` cannot.
    """

    def __init__(
        self,
        settings: RunSettings,
        items: Sequence[BenchItem],
        options: ProofOptions,
        *,
        base: Path | None = None,
        engine: Engine | None = None,
        journal: Journal | None = None,
        notice: Callable[[str], None] | None = None,
        writes: bool = False,
    ) -> None:
        self.settings, self.items, self.options, self.base = settings, items, options, base
        self.engine = _engine(settings.engine, base, notice, writes=writes) if engine is None else engine
        self._owned, self.journal, self._notice = engine is None, journal, notice
        self._bare: list[TriedItem] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *why: object) -> None:
        if self._owned:
            await self.engine.close()

    async def bare(self) -> list[TriedItem]:
        """What the judge says without a rubric."""
        if self._bare is None:
            made = judge_plan(bare_settings(self.settings, self.options.baseline), self.base, self.options.kind, None)
            self._bare = await try_items(made, self.items, self.engine, self.journal, notice=self._notice)
        return self._bare

    async def tried(self, rubric: Rubric, items: Sequence[BenchItem] | None = None) -> list[TriedItem]:
        """What it says under one rubric."""
        made = judge_plan(self.settings, self.base, self.options.kind, rubric)
        return await try_items(made, self.items if items is None else items, self.engine, self.journal, notice=self._notice)

    async def one(self, rubric: Rubric, name: str = "") -> RubricProof:
        """One rubric for all items."""
        found = await self.tried(rubric)
        return proof(name or rubric.name, rubric, found, await self.bare(), self.options)

    async def each(self, rubric_of: RubricOf, name: str) -> RubricProof:
        """A rubric for each prompt; items without one are left out.

        Raises:
            InputError: No item has one.
        """
        mine = [i for i, item in enumerate(self.items) if rubric_of(item) is not None]
        if not mine:
            raise InputError(f"{name}: none of its rubrics is for an item of the data (they are matched by prompt)")
        first = rubric_of(self.items[mine[0]])
        made = judge_plan(self.settings, self.base, self.options.kind, first)
        picked = [self.items[i] for i in mine]
        found = await try_items(made, picked, self.engine, self.journal, rubric_of=rubric_of, notice=self._notice)
        bare = await self.bare()
        return proof(name, None, found, [bare[i] for i in mine], self.options, without=len(self.items) - len(mine))


def _engine(settings: EngineSettings, base: Path | None, notice: Callable[[str], None] | None, *, writes: bool) -> Engine:
    drawn = draws(settings) and not writes
    return drawn_engine(settings.model) if drawn else build_engine(located(settings, base), notice)


def proof(
    name: str,
    rubric: Rubric | None,
    tried: Sequence[TriedItem],
    bare: Sequence[TriedItem],
    options: ProofOptions,
    *,
    without: int = 0,
) -> RubricProof:
    """The figures of judgements that have been made. `bare` are the same items in the same order."""
    clusters = [t.item.cluster for t in tried]

    def count(metrics: Mapping[str, WeightedMetric]) -> tuple[Figure, ...]:
        return tuple(figures(metrics, clusters, draws=options.draws, seed=options.seed))

    measure = _pair_measures if options.kind == "pairs" else _graded_measures
    own, other = measure(tried), measure(bare)
    names = ("agreement", "agreement, ties half") if options.kind == "pairs" else ("agreement",)
    gap, *halved = count({f"difference in {name}": difference(own[name], other[name]) for name in names})
    return RubricProof(
        name,
        rubric,
        len(tried),
        without,
        count(own),
        count(other),
        gap,
        criteria_of(rubric, tried, clusters, options.kind, draws=options.draws, seed=options.seed) if rubric is not None else (),
        count(_pooled(tried)) if options.kind == "pairs" and any(row for t in tried for row in t.components) else (),
        reasons_of([t.judged for t in tried]),
        {} if rubric is not None else _each(tried, bare, options.kind),
        options.kind,
        halved[0] if halved else None,
    )


def _each(tried: Sequence[TriedItem], bare: Sequence[TriedItem], kind: str) -> dict[str, dict[str, float]]:
    """What the rubric of each prompt came to on its items."""
    if kind != "pairs":
        return {}
    own, other = pair_credit(tried, 0.5), pair_credit(bare, 0.5)
    out: dict[str, list[dict[str, float]]] = {}
    for item, a, b in zip(tried, own, other, strict=True):
        decide, turned, apart, _ = _gaps(item) if item.components and item.components[0] else (math.nan,) * 4
        found = {
            "agreement": a,
            "agreement_without": b,
            "criteria_that_decide": decide,
            "criteria_reversed": turned,
            "discrimination": apart,
        }
        out.setdefault(prompt_key(item.item.sample.prompt), []).append(found)
    return {key: _means(rows) for key, rows in out.items()}


def _means(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Name by name, over the rows that have a number there."""
    known = {name: [row[name] for row in rows if not math.isnan(row[name])] for name in rows[0]}
    return {name: round(float(np.mean(values)), 4) for name, values in known.items() if values}


# ---- of the whole --------------------------------------------------------------------------------------------------------


def pair_credit(tried: Sequence[TriedItem], tie: float = 0.0) -> Floats:
    """1 where the preferred response is the labelled one, `tie` where neither is, 0 without a verdict; NaN: label ties."""
    plain = credits([t.judged for t in tried], pair_accuracy)
    tied = np.array([t.judged.beats(0, 1) == 0 for t in tried], dtype=np.bool_)
    return np.where(tied & ~np.isnan(plain), tie, plain)


def _pair_measures(tried: Sequence[TriedItem]) -> dict[str, WeightedMetric]:
    right, decisions = pair_credit(tried), [t.judged.beats(0, 1) for t in tried]
    decided = np.array([d not in (0, None) for d in decisions], dtype=np.bool_)
    views = [t.judged.views() for t in tried]
    twice = [len(v) > 1 for v in views]
    longer = np.sign([_longer(t) for t in tried])
    margin = np.array([math.nan if d is None else float(d) for d in decisions])
    gold = np.array([t.item.gold[0] for t in tried])
    measures: dict[str, WeightedMetric] = {
        "agreement": mean_credit(right),
        "agreement, ties half": mean_credit(pair_credit(tried, 0.5)),
        "precision": mean_credit(np.where(decided, right, np.nan)),
        "coverage": mean_credit(decided.astype(np.float64)),
        "no verdict": mean_credit([float(d is None) for d in decisions]),
    }
    if any(twice):
        agree = [float(len(set(v)) == 1 and None not in v) if two else math.nan for v, two in zip(views, twice, strict=True)]
        measures["orders agree"] = mean_credit(agree)
    known = decided & (longer != 0)
    measures["prefers longer"] = mean_credit(np.where(known, margin == longer, np.nan))
    measures["labels prefer longer"] = mean_credit(np.where((longer != 0) & (gold != 0), gold == longer, np.nan))
    return measures | _cost(tried)


def _longer(tried: TriedItem) -> float:
    a, b = (len(text) for text in tried.item.sample.texts)
    return float(a - b)


def _graded_measures(tried: Sequence[TriedItem]) -> dict[str, WeightedMetric]:
    rewards = np.array([math.nan if (r := t.judged.rewards[0]) is None else r for t in tried])
    gold = np.array([t.item.gold[0] for t in tried])
    lengths = [math.log1p(len(t.item.sample.texts[0])) for t in tried]
    return {
        "agreement": correlation(rewards, gold, "spearman"),
        "Kendall tau": correlation(rewards, gold, "kendall"),
        "no verdict": mean_credit(np.isnan(rewards).astype(np.float64)),
        "length correlation": correlation(rewards, lengths, "spearman"),
        "labels' length correlation": correlation(gold, lengths, "spearman"),
        **_cost(tried),
    }


def _cost(tried: Sequence[TriedItem]) -> dict[str, WeightedMetric]:
    return {
        "calls an item": mean_of([float(t.calls) for t in tried]),
        "tokens an item": mean_of([float(t.tokens) for t in tried]),
    }


# ---- of the criteria -----------------------------------------------------------------------------------------------------


def _pooled(tried: Sequence[TriedItem]) -> dict[str, WeightedMetric]:
    """Of each item, the share of its criteria that score the two responses differently, and that do so the wrong way round."""
    rows = [_gaps(one) for one in tried]
    names = (("criteria that decide", 0.0), ("criteria reversed", 0.0), ("discrimination", -1.0))
    out: dict[str, WeightedMetric] = {name: mean_credit([row[i] for row in rows], low) for i, (name, low) in enumerate(names)}
    return out | {"criteria an item": mean_of([row[3] for row in rows])}


def _gaps(one: TriedItem) -> tuple[float, float, float, float]:
    sign, (first, second) = one.item.gold[0], one.components
    both = [(a, b) for name, a in first.items() if (b := second.get(name)) is not None and a is not None]
    gaps = [sign * (a - b) for a, b in both]
    if not gaps or not sign:
        return math.nan, math.nan, math.nan, float(len(first))
    count = len(gaps)
    return sum(g != 0 for g in gaps) / count, sum(g < 0 for g in gaps) / count, sum(gaps) / count, float(len(first))
