"""One batch run: data set -> pipeline -> journal -> tables.

Samples stream through: at most `max_in_flight` are held at once, so memory does not grow with the data set. What the
journal holds is not asked again; an interrupted run goes on where it stopped when it is started again.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judge.batch.describe import DataSource, describe
from judge.batch.finish import RunFinish
from judge.batch.progress import ProgressLine
from judge.batch.read import BadRow
from judge.batch.store import Store
from judge.batch.summary import counts, reasons, summary
from judge.batch.watch import Fed, RunWatch
from judge.batch.write import write_json, write_tables
from judge.engine.protocol import Engine
from judge.errors import DataError, JudgeError, OutputError
from judge.pipeline.build import Plan
from judge.pipeline.evaluate import Item, OnError, evaluate
from judge.pipeline.panel import Judging
from judge.pipeline.session import Opened, open_judges
from judge.types import Sample

Notice = Callable[[str], None]


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

    Raises:
        EngineError: The engine cannot work at all. What was judged before is kept.
        OutputError: Results cannot be written.
        DataError: A bad row under `strict`.
        NoVerdictError: The settings say `on_no_verdict: raise`.
        MonitorStop: An alarm of the monitor stops the run; what was judged before is kept.
    """
    with _locked(output):
        store = Store(output / "journal.sqlite")
        started = time.monotonic()
        progress = ProgressLine(total, quiet=quiet)
        watch = RunWatch(plan.settings.monitor, plan.settings.seed)
        finish = RunFinish(plan)
        state = "failed"
        judges: Opened | None = None
        try:
            judges = await open_judges(plan, engine, store, notice)
            ready = time.monotonic()
            finish.count_tokens = judges.count_text
            interrupted = await _judge_all(plan, judges.judging, samples, store, progress, strict, watch, finish)
            store.commit()
            if not interrupted:
                await finish.finish(store, judges)
            state = "interrupted" if interrupted else "finished"
        except JudgeError as why:
            if progress.samples and not isinstance(why, OutputError):  # that one says itself what is saved
                why.add_note(f"{progress.samples} samples judged before this are kept: the next run does not ask for them again")
            raise
        finally:
            if judges is not None:
                await judges.close()
            if state == "failed":
                with contextlib.suppress(OutputError):  # the error on its way says more
                    store.close()
        try:
            write_tables(store, output, jsonl=jsonl)
            run = describe(plan, judges.engines, data) | {"state": state} | _figures(store, progress, ready - started)
            if watch.monitor is not None:
                run["monitor"] = watch.as_dict()
            write_json(output / "run.json", run)
            return RunResult(output, run, summary(store, run, output), interrupted)
        finally:
            store.close()


def _figures(store: Store, progress: ProgressLine, loading_s: float) -> dict[str, Any]:
    """What a run came to, for `run.json`."""
    tokens, judging_s = progress.prompt_tokens + progress.completion_tokens, progress.seconds
    return {
        "counts": counts(store),
        "no_verdict_reasons": reasons(store),
        "seconds": {"loading": round(loading_s, 3), "judging": round(judging_s, 3)},
        "tokens": {"prompt": progress.prompt_tokens, "completion": progress.completion_tokens},
        "tokens_per_s": round(tokens / judging_s, 1) if judging_s > 0 else 0.0,
    }


async def _judge_all(
    plan: Plan,
    judging: Judging,
    samples: Iterable[Sample | BadRow],
    store: Store,
    progress: ProgressLine,
    strict: bool,
    watch: RunWatch,
    finish: RunFinish,
) -> bool:
    """Feed samples, at most `max_in_flight` at once. True when a person stopped it."""
    stop = asyncio.Event()
    on_error: OnError = "raise" if strict else "invalid"
    with progress, _on_interrupt(stop), _rare_collections():
        items, limit = _items(watch.feed(samples), strict), plan.settings.max_in_flight
        async with aclosing(evaluate(judging, items, in_flight=limit, on_error=on_error, stop=stop)) as judged:
            async for each in judged:
                fed: Fed = each.item.tag
                if fed.row is not None:
                    store.add(fed.row, finish.add(fed.row, each.item.sample, each.rewards), each.item.sample.texts)
                    progress.add(each.rewards)
                watch.finished(fed, each.rewards)
    return stop.is_set()


def _items(rows: Iterable[Fed], strict: bool) -> Iterator[Item]:
    """What to judge; a row that is no sample keeps its place with its problem."""
    for fed in rows:
        if not isinstance(fed.sample, BadRow):
            yield Item(fed.sample, gate=fed.gate, tag=fed)
        elif strict:
            raise DataError(fed.sample.problem)
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
def _rare_collections() -> Iterator[None]:
    """Let Python's cycle collector look at new objects seldom and at loaded libraries never: 15 % of the client's time."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """The run folder, made and held by this process alone."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / ".lock", os.O_CREAT | os.O_RDWR, 0o644)
    except FileExistsError:
        raise OutputError(f"{folder}: is a file; --output names a folder\nnothing was judged") from None
    except OSError as why:
        raise OutputError(f"{folder}: cannot be written to: {why.strerror}\nnothing was judged") from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            busy = "another run is writing here; choose another --output or wait for it"
            raise OutputError(f"{folder}: {busy}\nnothing was judged") from None
        yield
    finally:
        os.close(handle)
