"""One labelled set, one or more configurations -> a run folder and figures for each.

Judged through the batch run, so that a stopped bench goes on where it was, a failed verdict keeps its reason, and the journal
answers what was asked before.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np

from judge.arrays import Floats
from judge.batch.describe import DataSource
from judge.batch.run import run_batch
from judge.batch.write import write_json
from judge.bench.credit import credits
from judge.bench.items import BenchItems, read_items, with_distractors
from judge.bench.measures import Figure, WeightedMetric, figures, mean_credit
from judge.bench.pairs import pair_accuracy
from judge.bench.published import metric_of
from judge.bench.record import JudgeMetrics, as_record
from judge.bench.several import best_accuracy, is_decided
from judge.bench.single import answers_of
from judge.bench.spec import SetSpec
from judge.bench.teacher import teacher_metrics
from judge.bench.units import (
    COMPARED,
    JudgedItem,
    as_line,
    check_judge,
    check_needs,
    given_steps,
    make_units,
    order_for,
    read_judged,
    reasons_of,
)
from judge.engine.protocol import Engine
from judge.errors import OutputError
from judge.intervals import NOTHING
from judge.pipeline.build import Plan, plan
from judge.settings import load_settings
from judge.track.run import bench_metrics, track_run


@dataclass(frozen=True)
class BenchOptions:
    """How a set is judged and counted.

    Attributes:
        distractors: Judge the set a second time with so many documents of other items among the documents of each.
        own_order: Ask a pairwise judge in the order of its settings; else in both.
        draws: Of the bootstrap.
        price: Dollars for a million prompt tokens, and for a million completion tokens.
    """

    distractors: int = 0
    own_order: bool = False
    draws: int = 1000
    seed: int = 0
    price: tuple[float, float] | None = None


@dataclass(frozen=True)
class BenchReport:
    """A set and all configurations that were run on it."""

    spec: SetSpec
    data: str
    items: BenchItems
    judges: list[JudgeMetrics]
    options: BenchOptions


async def run_bench(
    spec: SetSpec,
    configs: Sequence[str],
    output: Path,
    options: BenchOptions,
    *,
    data: str = "",
    mapping: Mapping[str, str] | None = None,
    split: str = "",
    data_config: str = "",
    limit: int | None = None,
    overrides: Sequence[str] = (),
    engine: Engine | None = None,
    notice: Callable[[str], None] = lambda _: None,
    quiet: bool = False,
    overwrite: bool = False,
) -> BenchReport:
    """Judge a set with each configuration, one after the other, each into a folder of its own below `output`.

    Args:
        engine: Used instead of the one in the settings.
        notice: Called with one line when something slow starts or ends.

    Raises:
        InputError: The set, its data or a configuration is wrong, or a judge cannot answer what the labels say.
        EngineError: An engine cannot work at all, or has stopped working.
    """
    named = list(zip(_names(configs), configs, strict=True))
    plans = [(name, config, bench_plan(config, overrides, spec, options)) for name, config in named]
    items = read_items(spec, data, mapping=mapping, split=split, config=data_config, limit=limit)
    for _, _, planned in plans:
        check_needs(planned, items.items, spec.name)
    if items.bad:
        notice(f"{items.bad} rows are no items of `{spec.name}` and are left out; the first: {items.first_bad}")
    source = data or spec.data or spec.hub
    noisy = with_distractors(items, options.distractors, options.seed) if options.distractors else None
    work = []
    for name, config, planned in plans:
        work.append((name, config, planned, items))
        if noisy is not None:
            work.append((f"{name}+{options.distractors}", config, planned, noisy))
    judges = []
    for name, config, planned, these in work:
        found = await _one(spec, these, name, config, planned, output / name, options, source, engine, notice, quiet, overwrite)
        judges.append(found)
        if found.interrupted:
            break
    return BenchReport(spec, source, items, judges, options)


def bench_plan(config: str, overrides: Sequence[str], spec: SetSpec, options: BenchOptions) -> Plan:
    """The plan of a configuration as a set needs it: raw rewards without shaping or monitor, pairs in both orders."""
    settings, base = load_settings(config, overrides)
    reward = settings.reward.model_copy(update={"shape": (), "baselines": None})
    group = settings.group if spec.kind in ("best", "styles") else None
    settings = settings.model_copy(
        update={"monitor": None, "reward": reward, "on_no_verdict": "drop", "group": group, "calibration": None}
    )
    planned = plan(settings, base)
    check_judge(planned, spec.kind, spec.name)
    if spec.kind == "steps":
        return given_steps(planned)
    order = order_for(planned, options.own_order)
    return plan(settings.model_copy(update={"order": order}), base) if order else planned


def _names(configs: Sequence[str]) -> list[str]:
    """A name for each configuration: the file's, with its folder's or a number where two are alike."""
    stems = [Path(c).stem for c in configs]
    names = [s if stems.count(s) == 1 else f"{Path(c).parent.name or 'here'}-{s}" for s, c in zip(stems, configs, strict=True)]
    return [n if names.count(n) == 1 else f"{n}-{i}" for i, n in enumerate(names, 1)]


async def _one(
    spec: SetSpec,
    items: BenchItems,
    name: str,
    config: str,
    planned: Plan,
    folder: Path,
    options: BenchOptions,
    data: str,
    engine: Engine | None,
    notice: Callable[[str], None],
    quiet: bool,
    overwrite: bool,
) -> JudgeMetrics:
    units = make_units(items.items, spec.kind, planned)
    notice(f"{name}: {len(items.items):,} items of `{spec.name}` in {len(units):,} samples")
    untracked = replace(planned, settings=planned.settings.model_copy(update={"track": None}))  # with its figures, below
    result = await run_batch(
        untracked,
        [unit.sample for unit in units],
        folder,
        data=DataSource(f"set {spec.name}: {data}", {"items": str(len(items.items)), "digest": items.digest}),
        total=len(units),
        engine=engine,
        notice=notice,
        quiet=quiet,
        overwrite=overwrite,
        keep=("subset", "item"),
        requests=False,
    )
    compares = planned.recipe.spec.mode == "pairwise" and planned.settings.group is None
    judged = read_judged(folder, items.items, units, compares=compares, steps=spec.kind == "steps")
    singly = planned.recipe.spec.mode not in ("pairwise", "listwise")
    found = measured(spec, judged, options, singly=singly)
    run = result.run
    tokens = run["tokens"]
    metrics_of_judge = replace(
        found,
        name=name,
        config=config,
        folder=folder,
        model=run["model"],
        recipe=planned.recipe.spec.name,
        of=len(items.items),
        calls=run["counts"]["judge_calls"],
        prompt_tokens=tokens["prompt"],
        completion_tokens=tokens["completion"],
        seconds=run["seconds"]["judging"],
        price=_price(tokens, options.price),
        interrupted=result.interrupted,
        judged=judged,
    )
    _keep(folder, spec, metrics_of_judge)
    if planned.settings.track is not None and not result.interrupted:
        more = bench_metrics(as_record(spec, metrics_of_judge))
        files = [folder / "bench.json"]
        await asyncio.to_thread(  # W&B refuses to work on the thread of an event loop
            track_run, planned.settings.track, folder, result.summary, notice=notice, more=more, files=files
        )
    return metrics_of_judge


def _price(tokens: Mapping[str, int], price: tuple[float, float] | None) -> float | None:
    return None if price is None else (tokens["prompt"] * price[0] + tokens["completion"] * price[1]) / 1e6


def measured(spec: SetSpec, judged: Sequence[JudgedItem], options: BenchOptions, *, singly: bool = True) -> JudgeMetrics:
    """The figures of what a judge said, without those that only a run knows.

    Args:
        singly: The judge saw each response by itself, so its rewards can be compared across prompts.
    """
    metrics = metric_of(spec).build(spec, judged)
    every = plain_credit(spec, judged)
    wanted, counted = {**metrics}, {}
    for name, (metric, count) in _plain(spec, judged).items():
        wanted[f"\0{name}"], counted[f"\0{name}"] = metric, count
    found = figures(wanted, [j.item.cluster for j in judged], counted, draws=options.draws, seed=options.seed)
    views = [d.views for j in judged for d in j.duels.values() if len(d.views) > 1 and None not in d.views]
    ties, failed = _undecided(spec, judged)
    return JudgeMetrics(
        name="",
        config="",
        folder=Path(),
        model="",
        recipe="",
        published=[_honest(f, failed) for f in found if f.name in metrics],
        accuracy=[replace_name(f, f.name[1:]) for f in found if f.name not in metrics],
        subsets=_subsets(judged, every, options),
        consistency=sum(len(set(v)) == 1 for v in views) / len(views) if views else None,
        first=_first(judged),
        ties=ties,
        failed=failed,
        reasons=reasons_of(judged),
        items=len(judged),
        of=len(judged),
        calls=0,
        prompt_tokens=0,
        completion_tokens=0,
        seconds=0.0,
        price=None,
        teacher=teacher_metrics(spec, judged) if singly else None,
    )


def _honest(figure: Figure, failed: float) -> Figure:
    """A figure of a judge without any verdict has no interval where the bootstrap has no width: nothing was measured."""
    silent = failed == 1 and figure.interval.low == figure.interval.high
    return figure._replace(interval=NOTHING) if silent else figure


def replace_name(figure: Figure, name: str) -> Figure:
    """The same figure under another name."""
    return Figure(name, figure.value, figure.interval, figure.items)


def _plain(spec: SetSpec, judged: Sequence[JudgedItem]) -> dict[str, tuple[WeightedMetric, int]]:
    """Plain accuracy with how many answers it counts: of `all`, where no verdict is wrong, and of those `parsed`."""
    if spec.kind in ("right", "criteria"):
        a = answers_of(judged)
        hits = (a.said == a.gold).astype(np.float64)
        known = int((~np.isnan(a.said)).sum())
        parsed = np.where(np.isnan(a.said), np.nan, hits)
        return {"all": (a.weighed(mean_credit(hits)), len(hits)), "parsed": (a.weighed(mean_credit(parsed)), known)}
    every = plain_credit(spec, judged)
    decided = (
        [j.beats(0, 1) is not None if spec.kind == "pairs" else is_decided(j) for j in judged] if spec.kind in COMPARED else []
    )
    parts = {"all": every, "parsed": np.where(decided, every, np.nan) if decided else every}
    return {name: (mean_credit(values), int((~np.isnan(values)).sum())) for name, values in parts.items()}


def plain_credit(spec: SetSpec, judged: Sequence[JudgedItem]) -> Floats:
    """Plain accuracy of each item, in [0, 1]: no verdict and no decision are wrong; NaN where its label is no yes or no."""
    if spec.kind == "pairs":
        return credits(judged, pair_accuracy)
    if spec.kind in ("best", "styles"):
        return credits(judged, best_accuracy)
    if spec.kind in ("right", "criteria"):
        return credits(judged, _share_right)
    return np.full(len(judged), np.nan)


def _share_right(judged: JudgedItem) -> float:
    a = answers_of([judged])
    return float((a.said == a.gold).mean()) if a.said.size else math.nan


def _subsets(judged: Sequence[JudgedItem], values: Floats, options: BenchOptions) -> list[Figure]:
    names = sorted({j.item.subset for j in judged})
    if len(names) < 2 or np.isnan(values).all():
        return []
    subsets = np.array([j.item.subset for j in judged], dtype=object)
    parts = {n: mean_credit(np.where(subsets == n, values, np.nan)) for n in names}
    counted = {n: int((subsets == n).sum()) for n in names}
    return figures(parts, [j.item.cluster for j in judged], counted, draws=options.draws, seed=options.seed)


def _undecided(spec: SetSpec, judged: Sequence[JudgedItem]) -> tuple[float, float]:
    """Share of the comparisons without a preference (NaN where the labels compare nothing), and share without a verdict."""
    if spec.kind not in COMPARED:
        rewards = [r for j in judged for r in (*j.rewards, *j.swapped)]
        return math.nan, rewards.count(None) / len(rewards) if rewards else math.nan
    decisions = [j.beats(a, b) for j in judged for a, b in (j.duels or combinations(range(len(j.rewards)), 2))]
    if not decisions:
        return math.nan, math.nan
    return decisions.count(0) / len(decisions), decisions.count(None) / len(decisions)


def _first(judged: Sequence[JudgedItem]) -> float | None:
    """Share of decided views that prefer the response shown first."""
    votes = [
        v > 0 if k == 0 else v < 0
        for j in judged
        for d in j.duels.values()
        if len(d.views) == 2
        for k, v in enumerate(d.views)
        if v
    ]
    return sum(votes) / len(votes) if votes else None


def _keep(folder: Path, spec: SetSpec, metrics_of_judge: JudgeMetrics) -> None:
    """bench.json and items.jsonl beside the run's own files."""
    write_json(folder / "bench.json", as_record(spec, metrics_of_judge))
    path = folder / "items.jsonl"
    try:
        path.write_text("".join(f"{as_line(j)}\n" for j in metrics_of_judge.judged), encoding="utf-8")
    except OSError as why:
        raise OutputError(f"{path}: cannot be written: {why.strerror}") from None
