"""One audit from start to end: trials are made, every distinct sample is judged once, all of them in flight together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from judge.audit.cases import SEVERAL, AuditTrial, Probe, ProbeComparison, make_trials
from judge.audit.data import AuditData
from judge.audit.metrics import AuditSummary, ProbeMetrics, probe_metrics, read_results, summarise
from judge.batch.progress import ProgressLine
from judge.engine.protocol import Engine
from judge.errors import DataError
from judge.pipeline.build import Plan
from judge.pipeline.cache import Cache
from judge.pipeline.deadline import Deadlines
from judge.pipeline.evaluate import Item, evaluate
from judge.pipeline.opened import Opened, open_judges
from judge.settings import RunSettings
from judge.trials import Trial
from judge.types import Reward, Sample


@dataclass(frozen=True)
class Audit:
    """What was asked, of whom, and what came out.

    Attributes:
        order: How the recipe shows several responses; empty when it sees one.
        not_applied: Probes that were asked for and fitted no case.
    """

    plan: Plan
    data: str
    seed: int
    loaded: AuditData
    judged: JudgedTrials
    order: str
    not_applied: tuple[str, ...]
    rows: tuple[ProbeMetrics, ...]
    summary: AuditSummary


async def run_audit(
    plan: Plan,
    loaded: AuditData,
    probes: Sequence[Probe],
    *,
    data: str = "",
    seed: int = 0,
    engine: Engine | None = None,
    notice: Callable[[str], None] = lambda _: None,
    quiet: bool = False,
) -> Audit:
    """Make the trials, judge them, and count.

    Args:
        loaded: From `load_cases`, for the plan's recipe mode.
        data: Name of the data, for the record.
        seed: Of the rewrites and of the bootstrap.
        engine: Used instead of the one in the settings.
        notice: Called with one line when something slow starts or ends.
        quiet: No progress on standard error.

    Raises:
        EngineError: The engine cannot work at all.
        DataError: No probe applies to any case.
    """
    mode = plan.recipe.spec.mode
    trials = make_trials(loaded.cases, probes, mode, seed)
    if not trials:
        raise DataError(f"none of the probes applies to this data under a {mode} recipe: {', '.join(p.name for p in probes)}")
    notice(f"audit: {loaded.questions} questions, {len(probes)} probes, {len(trials):,} trials")
    judged = await judge_trials(plan, trials, engine=engine, notice=notice, quiet=quiet)
    readings = read_results(judged.results)
    place = {p.name: i for i, p in enumerate(probes)}
    rows = tuple(sorted(probe_metrics(readings, seed), key=lambda row: place[row.probe.name]))
    order = plan.order if mode in SEVERAL else ""
    used = {row.probe.name for row in rows}
    skipped = tuple(p.name for p in probes if p.name not in used)
    return Audit(plan, data, seed, loaded, judged, order, skipped, rows, summarise(readings, rows, seed))


@dataclass(frozen=True)
class JudgedTrials:
    """All results, and what they cost."""

    results: tuple[AuditTrial, ...]
    model: str
    samples: int
    calls: int
    tokens: int
    seconds: float


async def judge_trials(
    plan: Plan,
    trials: Sequence[ProbeComparison],
    *,
    engine: Engine | None = None,
    notice: Callable[[str], None] = lambda _: None,
    quiet: bool = False,
) -> JudgedTrials:
    """Judge before and after of every trial.

    Args:
        engine: Used instead of the one in the settings.
        notice: Called with one line when something slow starts or ends.
        quiet: No progress on standard error.

    Raises:
        EngineError: The engine cannot work at all.
        CapabilityError: The recipe needs what the engine cannot do.
    """
    samples = {id(s): s for t in trials for s in (t.before.sample, t.after.sample)}  # a base sample serves many trials
    progress = ProgressLine(len(samples), quiet=quiet)
    opened = await open_judges(plan, engine, Cache(), notice)
    try:
        judged = await _judge_all(opened, plan.settings, samples, progress)
    finally:
        await opened.close()
    results = tuple(Trial(t, judged[id(t.after.sample)], judged[id(t.before.sample)]) for t in trials)
    tokens = progress.prompt_tokens + progress.completion_tokens
    return JudgedTrials(
        results,
        " + ".join(dict.fromkeys(e.model for e in opened.engines)),
        len(samples),
        progress.calls,
        tokens,
        progress.seconds,
    )


async def _judge_all(
    opened: Opened, settings: RunSettings, samples: Mapping[int, Sample], progress: ProgressLine
) -> dict[int, tuple[Reward, ...]]:
    keys, out = list(samples), dict[int, tuple[Reward, ...]]()
    past = [Item(sample, filters=False) for sample in samples.values()]  # the judge is measured, not what stands before it
    late = Deadlines.each(settings, opened.engines)
    with progress:
        async with aclosing(evaluate(opened.judging, past, in_flight=settings.max_in_flight, deadlines=late)) as judged:
            async for each in judged:
                out[keys[each.place]] = each.rewards
                progress.add(each.rewards)
    return out
