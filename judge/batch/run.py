"""One batch run: data set -> pipeline -> journal -> tables.

Samples stream through: at most `max_in_flight` are held at once, so memory does not grow with the data set. What the
journal holds is not asked again; an interrupted run goes on where it stopped when it is started again.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import re
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judge.batch.describe import DataSource, describe, training_only
from judge.batch.finish import RunFinish
from judge.batch.folder import begin, check_folder, fail, identity, locked
from judge.batch.metrics import asked_of, table_metrics
from judge.batch.parts import TableParts
from judge.batch.progress import ProgressLine
from judge.batch.read import BadRow
from judge.batch.shards import Shard
from judge.batch.store import Store
from judge.batch.stream import NumberedRows, RunRows
from judge.batch.summary import in_width, summary
from judge.batch.watch import Fed, RunWatch
from judge.batch.write import JOURNAL, write_json, write_tables
from judge.engine.protocol import Engine
from judge.errors import BudgetSpent, DataError, EngineError, JudgeError, NoVerdictError, OutputError
from judge.pipeline.build import Plan
from judge.pipeline.cache import Cache
from judge.pipeline.deadline import Deadlines
from judge.pipeline.evaluate import Item, OnError, Unpaid, evaluate
from judge.pipeline.opened import Opened, open_judges
from judge.report.findings import warnings
from judge.report.run_tables import load_tables
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
        DataError: A bad row under `strict`, or a file that breaks in its middle: what was judged before is in the tables.
        NoVerdictError: The settings say `on_no_verdict: raise`, or more rows failed than `max_failures`.
        MonitorStop: An alarm of the monitor stops the run; what was judged before is kept.
    """
    own = identity(plan, data, shard)
    with locked(output):
        if not overwrite:
            check_folder(output, own)
        store = Store(output / JOURNAL, run_cache(plan), keep=keep, requests=requests)
        say_unused(plan, notice)
        numbered = NumberedRows(samples, shard)
        start = _Start(plan, output, own, store, numbered, ProgressLine(total, quiet=quiet), max_failures)
        judges = await start.judge(engine, notice, strict=strict)
        try:
            write_tables(store, output, jsonl=jsonl, source=start.parts.tables)
            run = start.described(judges, data, shard)
            if isinstance(start.stopped, BudgetSpent) and command and judges.meter is not None:
                command = _setting(command, judges.meter.larger())  # the same sum would stop at once
            return await _told(conclude(store, output, run, start.stopped, total=total, command=command), plan, notice)
        finally:
            store.close()


class _Start:
    """One start of a run, from its engines to its last row.

    Attributes:
        state: `starting`, `running`, and then how it ended.
        stopped: The error that ended it, where what was judged before goes into the tables.
    """

    def __init__(
        self,
        plan: Plan,
        output: Path,
        own: dict[str, Any],
        store: Store,
        numbered: NumberedRows,
        progress: ProgressLine,
        max_failures: int | None,
    ) -> None:
        self.plan, self.output, self.own, self.store, self.numbered = plan, output, own, store, numbered
        self.watch, self.finish = RunWatch(plan.settings.monitor, plan.settings.seed), RunFinish(plan)
        self.parts = TableParts(store, output, wanted=self.finish.alone)
        self.rows = RunRows(numbered, numbered.renamed, store, progress, max_failures, self.parts)
        self.state = "starting"
        self.stopped: JudgeError | None = None
        self.loading_s = 0.0

    async def judge(self, engine: Engine | None, notice: Notice, *, strict: bool) -> Opened:
        """Judge the rows; gives the judges, closed. The store is closed where an error leaves.

        Raises:
            JudgeError: No tables are written: the engine did not start, or the error is none of an engine or of rewards.
        """
        judges: Opened | None = None  # so that an engine that did not start is told from one that must be closed
        started = time.monotonic()
        try:
            judges = await open_judges(self.plan, engine, self.store, notice, before=self.store.spent)
            begin(self.output, self.own, notice)
            self.state, self.loading_s = "running", time.monotonic() - started
            await self._rows(judges, strict=strict)
        except JudgeError as why:
            broken = isinstance(why, DataError) and self.rows.progress.samples > 0  # in its middle, or at a row (strict)
            if self.state == "starting" or not (broken or isinstance(why, EngineError | NoVerdictError)):
                note_failure(why, self.rows.progress.samples, self.output, self.own if self.state == "running" else None)
                raise
            self.stopped, self.state = why, "incomplete" if isinstance(why, EngineError) else "stopped"
        finally:
            if judges is not None:
                await judges.close()
            if self.state in ("starting", "running"):
                self.parts.abandon()
                with contextlib.suppress(OutputError):  # the error on its way says more
                    self.store.close()
        assert judges is not None  # noqa: S101  # else an error is on its way
        return judges

    async def _rows(self, judges: Opened, *, strict: bool) -> None:
        self.rows.progress.engines, self.store.meter, self.finish.count_tokens = judges.engines, judges.meter, judges.count_text
        in_flight, unpaid = self.plan.settings.max_in_flight, Unpaid(go_on=self.store.answers)
        interrupted = await judge_rows(self.plan, judges, self.rows, strict, self.watch, self.finish, in_flight, unpaid)
        self.store.commit()
        if not interrupted:
            await self.finish.finish(self.store, judges)
        self.state = "interrupted" if interrupted else "finished"

    def described(self, judges: Opened, data: str | DataSource, shard: Shard | None) -> dict[str, Any]:
        """`run.json`."""
        run = describe(self.plan, judges.engines, data) | {"state": self.state}
        run |= _figures(self.plan, self.store, self.rows.progress, self.loading_s)
        run["notes"] += self.numbered.notes
        own = {"rows": self.numbered.rows, "keep": sorted(self.store.kept.keep), **asked_of(self.plan)}
        run |= {} if shard is None else {"shard": {**shard.plain(), **own}}
        run |= {"shaping": list(self.finish.notes)} | _cost(judges)
        return run if self.watch.monitor is None else run | {"monitor": self.watch.as_dict()}


def say_unused(plan: Plan, notice: Notice) -> None:
    """Say which settings have no effect on a batch run, before it begins."""
    for line in training_only(plan.settings):
        notice(line)
    if plan.votes.stop is not None and plan.votes.n == 1:
        notice("`votes.stop`: without effect with one vote; set `votes.n`")


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
    broken = isinstance(why, DataError)
    again = f"continue with:\n  {command}{' --overwrite' * broken}" if command else "run it again to continue"
    again = f"mend the data (a file that is broken may be removed), then {again}" if broken else again
    works = "when the engine works again, " if run["state"] == "incomplete" and not isinstance(why, BudgetSpent) else ""
    failed = run["counts"]["no_reward"]
    lacking = f", {failed:,} of their responses without a reward" if failed else ""
    return f"{done} samples are judged and kept in {output}{lacking} (state `{run['state']}`); {works}{again}"


def _setting(command: str, setting: str) -> str:
    """A command with `--set NAME=VALUE`, in place of what it says of that name."""
    name = re.escape(setting.partition("=")[0])
    return re.sub(rf" --set[ =](?:'{name}=[^']*'|{name}=\S*)", "", command) + f" --set {setting}"


def _figures(plan: Plan, store: Store, progress: ProgressLine, loading_s: float) -> dict[str, Any]:
    """What a run came to, for `run.json`."""
    tokens, judging_s = progress.prompt_tokens + progress.completion_tokens, progress.seconds
    return {
        **table_metrics(store, asked_of(plan)),
        "seconds": {"loading": round(loading_s, 3), "judging": round(judging_s, 3)},
        "tokens": {"prompt": progress.prompt_tokens, "completion": progress.completion_tokens},
        "tokens_per_s": round(tokens / judging_s, 1) if judging_s > 0 else 0.0,
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
