"""One batch run: data set -> pipeline -> journal -> tables.

Samples stream through: at most `max_in_flight` are held at once, so memory does not grow with the data set. What the
journal holds is not asked again; an interrupted run goes on where it stopped when it is started again.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judge.batch.cascade import cascade_report
from judge.batch.describe import DataSource, describe, training_only
from judge.batch.finish import RunFinish
from judge.batch.folder import begin, check_folder, fail, identity, locked
from judge.batch.panel import panel_report
from judge.batch.parts import TableParts
from judge.batch.progress import ProgressLine
from judge.batch.read import BadRow
from judge.batch.saved import saved_report, saving_of
from judge.batch.shards import Shard
from judge.batch.store import Store
from judge.batch.stream import NumberedRows, RunRows
from judge.batch.summary import counts, in_width, invalid_rows, reasons, summary
from judge.batch.watch import Fed, RunWatch
from judge.batch.write import JOURNAL, write_json, write_tables
from judge.engine.protocol import Engine
from judge.errors import BudgetSpent, DataError, EngineError, JudgeError, NoVerdictError, OutputError
from judge.pipeline.build import Plan
from judge.pipeline.cache import Cache
from judge.pipeline.deadline import Deadlines
from judge.pipeline.evaluate import Item, OnError, Unpaid, evaluate
from judge.pipeline.opened import Opened, open_judges
from judge.pipeline.panel import FIRST
from judge.pipeline.proof import proving
from judge.report.findings import load_tables, warnings
from judge.track.run import track_run
from judge.types import Sample

Notice = Callable[[str], None]

TICK_S = 0.5


@dataclass(frozen=True)
class RunResult:
    """How a run ended."""

    folder: Path
    run: dict[str, Any]
    summary: str
    interrupted: bool


async def run_batch(
    plan: Plan,
    samples: Iterable[Sample | BadRow],
    output: Path,
    *,
    data: str | DataSource = "",
    total: int | None = None,
    engine: Engine | None = None,
    notice: Notice = lambda _: None,
    quiet: bool = False,
    jsonl: bool = False,
    strict: bool = False,
    overwrite: bool = True,
    max_failures: int | None = None,
    command: str = "",
    keep: Sequence[str] = ("all",),
    requests: bool = True,
    shard: Shard | None = None,
) -> RunResult:
    """Judge a data set into a run folder.

    Args:
        samples: Samples, and rows that are none (they get no reward, with the reason).
        output: The run folder; made when it is not there.
        data: Where the samples come from, kept in `run.json`.
        total: Number of samples, for the display.
        engine: Used instead of the one in the settings.
        notice: Called with one line when something slow starts or ends.
        strict: A bad row ends the run; else it gets no reward, with the reason `invalid`.
        overwrite: False: a folder with the results of another run is refused.
        max_failures: Rows without a reward after which the run stops. None: no limit.
        command: What continues this run, for the message when it stops.
        keep: Names in the samples' metadata that become columns of the rewards, beside the label; `("none",)`: not even that.
        requests: Write requests.parquet, from which every call can be repeated.
        shard: Judge only these rows of the data; `judge.batch.merge` puts the shards together.

    Raises:
        InputError: The folder holds the results of another run.
        EngineError: The engine cannot work at all, or (`EngineDown`) has stopped working. What was judged before is in the
            tables, and `run.json` says `incomplete`.
        OutputError: Results cannot be written.
        DataError: A bad row under `strict`.
        NoVerdictError: The settings say `on_no_verdict: raise`, or more rows failed than `max_failures`.
        MonitorStop: An alarm of the monitor stops the run; what was judged before is kept.
    """
    own = identity(plan, data, shard)
    with locked(output):
        if not overwrite:
            check_folder(output, own)
        store = Store(output / JOURNAL, run_cache(plan), keep=keep, requests=requests)
        say_unused(plan, notice)
        started = time.monotonic()
        watch, finish, numbered = (
            RunWatch(plan.settings.monitor, plan.settings.seed),
            RunFinish(plan),
            NumberedRows(samples, shard),
        )
        parts = TableParts(store, output, wanted=finish.alone)
        rows = RunRows(numbered, numbered.renamed, store, ProgressLine(total, quiet=quiet), max_failures, parts)
        judges: Opened | None = None  # so that an engine that did not start is told from one that must be closed
        stopped: JudgeError | None = None
        state = "starting"
        try:
            judges = await open_judges(plan, engine, store, notice, before=store.spent)
            begin(output, own, notice)
            state, ready = "running", time.monotonic()
            rows.progress.engines, store.meter, finish.count_tokens = judges.engines, judges.meter, judges.count_text
            in_flight, unpaid = plan.settings.max_in_flight, Unpaid(go_on=store.answers)
            interrupted = await judge_rows(plan, judges, rows, strict, watch, finish, in_flight, unpaid)
            store.commit()
            if not interrupted:
                await finish.finish(store, judges)
            state = "interrupted" if interrupted else "finished"
        except JudgeError as why:
            if state == "starting" or not isinstance(why, EngineError | NoVerdictError):
                note_failure(why, rows.progress.samples, output, own if state == "running" else None)
                raise
            stopped, state = why, "incomplete" if isinstance(why, EngineError) else "stopped"
            if isinstance(why, BudgetSpent) and command and judges is not None and judges.meter is not None:
                command += f" --set {judges.meter.larger()}"  # the same sum would stop at once
        finally:
            if judges is not None:
                await judges.close()
            if state in ("starting", "running"):
                parts.abandon()
                with contextlib.suppress(OutputError):  # the error on its way says more
                    store.close()
        assert judges is not None  # noqa: S101  # else an error is on its way
        try:
            write_tables(store, output, jsonl=jsonl, source=parts.tables)
            run = describe(plan, judges.engines, data) | {"state": state} | _figures(plan, store, rows.progress, ready - started)
            run["notes"] += numbered.notes
            run |= {} if shard is None else {"shard": {**shard.plain(), "rows": numbered.rows, **asked_of(plan)}}
            run |= (
                {"shaping": list(finish.notes)} | _cost(judges) | ({} if watch.monitor is None else {"monitor": watch.as_dict()})
            )
            return await _told(conclude(store, output, run, stopped, total=total, command=command), plan, notice)
        finally:
            store.close()


def say_unused(plan: Plan, notice: Notice) -> None:
    """Say which settings have no effect on a batch run, before it begins."""
    for line in training_only(plan.settings):
        notice(line)


async def _told(result: RunResult, plan: Plan, notice: Notice) -> RunResult:
    """The result of a run, after the trackers of its settings got it; one that was stopped goes on and is not sent."""
    if plan.settings.track is not None and not result.interrupted:
        # on a thread: W&B refuses to work on that of an event loop
        await asyncio.to_thread(track_run, plan.settings.track, result.folder, result.summary, notice=notice)
    return result


def conclude(
    store: Store, output: Path, run: dict[str, Any], stopped: JudgeError | None, *, total: int | None, command: str
) -> RunResult:
    """Write `run.json` beside the tables, and end the run: with its result, or with the error that stopped it.

    Raises:
        JudgeError: `stopped`, with a note on what is kept.
        OutputError: The file cannot be written.
    """
    run |= {"error": str(stopped), "continue": command} if stopped is not None else {}
    write_json(output / "run.json", run)
    if stopped is not None:
        stopped.add_note(_kept(stopped, run, total, output, command))
        raise stopped
    return RunResult(output, run, closing_text(store, run, output), run["state"] == "interrupted")


def closing_text(store: Store, run: dict[str, Any], output: Path) -> str:
    """The closing text, with what speaks against the judge at its end."""
    lines = [summary(store, run, output)]
    for found in warnings(load_tables(output)):
        lines += in_width(f"warning: {found.text}", " " * 9)
        lines += in_width(f"         What helps: {found.advice}.", " " * 9) if found.advice else []
    return "\n".join(lines)


def note_failure(why: JudgeError, done: int, output: Path, own: dict[str, Any] | None) -> None:
    """Say on the error, and in `run.json` where a run had begun, what is left of a run that wrote no tables."""
    if done and not isinstance(why, OutputError):  # that one says itself what is saved
        why.add_note(f"{done} samples judged before this are kept: the next run does not ask for them again")
    if own is not None:
        with contextlib.suppress(OutputError):  # the error on its way says more
            fail(output, own, why)


def _kept(why: JudgeError, run: dict[str, Any], total: int | None, output: Path, command: str) -> str:
    """What a person wants to know when a run stopped half-way."""
    done = f"{run['counts']['samples']:,}" + (f" of {total:,}" if total is not None else "")
    again = f"continue with:\n  {command}" if command else "run it again to continue"
    works = "when the engine works again, " if run["state"] == "incomplete" and not isinstance(why, BudgetSpent) else ""
    failed = run["counts"]["no_reward"]
    lacking = f", {failed:,} of their responses without a reward" if failed else ""
    return f"{done} samples are judged and kept in {output}{lacking} (state `{run['state']}`); {works}{again}"


def _figures(plan: Plan, store: Store, progress: ProgressLine, loading_s: float) -> dict[str, Any]:
    """What a run came to, for `run.json`."""
    tokens, judging_s = progress.prompt_tokens + progress.completion_tokens, progress.seconds
    return {
        **table_figures(store, asked_of(plan)),
        "seconds": {"loading": round(loading_s, 3), "judging": round(judging_s, 3)},
        "tokens": {"prompt": progress.prompt_tokens, "completion": progress.completion_tokens},
        "tokens_per_s": round(tokens / judging_s, 1) if judging_s > 0 else 0.0,
    }


def asked_of(plan: Plan) -> dict[str, Any]:
    """What `table_figures` has to know of a run, as plain values."""
    return {
        "proving": sorted(proving(plan.settings.filters, plan.recipe.spec)),
        "judges": [FIRST, *plan.members] if plan.members else [],
        "cascade": plan.settings.cascade.first.name if plan.settings.cascade else None,
        **saving_of(plan),
    }


def table_figures(store: Store, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of `run.json` that follow from the tables.

    Args:
        asked: `proving`: the filters behind which a positive verdict needs proof; `judges`: members of the panel, the run's
            own first; `cascade`: its first judge; `votes_stop`, `group_top`: as `saving_of`.
    """
    return {
        "counts": counts(store, asked["proving"]),
        "no_verdict_reasons": reasons(store),
        "invalid_rows": invalid_rows(store),
        **({"panel": panel_report(store, asked["judges"])} if asked["judges"] else {}),
        **({"cascade": cascade_report(store, asked["cascade"])} if asked["cascade"] else {}),
        **saved_report(store, asked),
    }


def _cost(judges: Opened) -> dict[str, Any]:
    """What the run has cost in all its starts, for `run.json`; nothing where no price and no budget is set."""
    return {} if judges.meter is None else {"cost": judges.meter.told()}


async def judge_rows(
    plan: Plan,
    judges: Opened,
    rows: RunRows,
    strict: bool,
    watch: RunWatch,
    finish: RunFinish,
    in_flight: int,
    unpaid: Unpaid | None = None,
) -> bool:
    """Feed samples, at most `in_flight` at once. True when a person stopped it.

    Raises:
        BudgetSpent: With `unpaid`, after all that its replies answer was entered.
    """
    stop = asyncio.Event()
    on_error: OnError = "raise" if strict else "invalid"
    bad: list[str] = []
    with rows.progress, _on_interrupt(stop), rare_collections():
        watching = asyncio.create_task(_tick(rows.progress))
        items = _items(plan, watch.feed(rows), strict, bad)
        late = Deadlines.each(plan.settings, judges.engines)
        try:
            found = evaluate(
                judges.judging, items, in_flight=in_flight, on_error=on_error, stop=stop, deadlines=late, unpaid=unpaid
            )
            async with aclosing(found) as judged:
                async for each in judged:
                    fed: Fed = each.item.tag
                    if fed.row is not None:
                        rewards = rows.flagged(each.item.sample, each.rewards)
                        rows.enter(fed.row, rewards, finish.add(fed.row, each.item.sample, rewards), _known(each.item))
                    watch.finished(fed, each.rewards)
        finally:
            watching.cancel()
    if bad:
        raise DataError(bad[0])
    if unpaid is not None and unpaid.why is not None:
        raise unpaid.why
    return stop.is_set()


async def _tick(progress: ProgressLine) -> None:
    """Show an engine that is down while no row is finished."""
    while True:
        await asyncio.sleep(TICK_S)
        progress.tick()


def _known(item: Item) -> Sample | None:
    """The sample of an item; None for a row that is none."""
    return None if item.problem else item.sample


def run_cache(plan: Plan) -> Cache | None:
    """The folder besides the run's own journal, where the settings name one."""
    return None if plan.settings.cache.where == "memory" else Cache.of(plan.settings.cache)


def _items(plan: Plan, rows: Iterable[Fed], strict: bool, bad: list[str]) -> Iterator[Item]:
    """What to judge; a row that is no sample keeps its place with its problem, or ends the data under `strict`."""
    for fed in rows:
        if not isinstance(fed.sample, BadRow):
            yield Item(plan.given(fed.sample), filters=fed.filters, tag=fed)
        elif strict:
            bad.append(fed.sample.problem)
            return
        else:
            yield Item(Sample("", (), id=fed.sample.id), problem=fed.sample.problem, tag=fed)


@contextlib.contextmanager
def _on_interrupt(stop: asyncio.Event) -> Iterator[None]:
    """The first Ctrl-C (or SIGTERM) stops cleanly; a second one acts as usual."""
    loop = asyncio.get_running_loop()
    handled: list[signal.Signals] = []

    def stop_now() -> None:
        stop.set()
        for each in handled:
            loop.remove_signal_handler(each)

    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(ValueError, RuntimeError, NotImplementedError):  # not on the main thread
            loop.add_signal_handler(number, stop_now)
            handled.append(number)
    try:
        yield
    finally:
        for each in handled:
            loop.remove_signal_handler(each)


@contextlib.contextmanager
def rare_collections() -> Iterator[None]:
    """Let Python's cycle collector look at new objects seldom and at loaded libraries never: 15 % of the client's time."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
