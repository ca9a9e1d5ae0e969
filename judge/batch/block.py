"""A block of rows, judged somewhere else: the same loop and the same journal as a whole run, in a folder of its own.

A worker keeps two blocks in progress, so that the engine is not idle while the last rows of one block are finished; each
has a journal, and the engine's judges find theirs by the task that asks.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import shutil
import socket
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judge.batch.describe import describe
from judge.batch.finish import RunFinish
from judge.batch.progress import ProgressLine
from judge.batch.requests import FILE as REQUESTS
from judge.batch.run import judge_rows, run_cache
from judge.batch.shards import SplitBy
from judge.batch.store import Store
from judge.batch.stream import NumberedRow, NumberedRows, RunRows
from judge.batch.watch import RunWatch
from judge.batch.write import JOURNAL
from judge.errors import JudgeError
from judge.pipeline.build import Plan
from judge.pipeline.opened import Opened, open_judges
from judge.types import Call, Completion, Sample

AT_ONCE = 2  # blocks that a worker has in progress


@dataclass(frozen=True)
class RowBlock:
    """Rows that are judged together by one worker.

    Attributes:
        number: From 0, in the order of the data.
        rows: With their numbers in the data.
        renamed: Of their ids, those that were made because an earlier row has the row's own.
    """

    number: int
    rows: tuple[NumberedRow, ...]
    renamed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class JudgedBlock:
    """What a worker gives back: files of the block's folder, and the error that stops the run where there is one.

    Attributes:
        facts: Counts, tokens and engine, as `block.json` has them.
        journal: The SQLite file; with an error, what was judged before it, or empty.
        requests: requests.parquet; empty without one.
        error: A pickled `JudgeError`; empty without one.
    """

    number: int
    facts: dict[str, Any]
    journal: bytes = b""
    requests: bytes = b""
    error: bytes = b""


def blocks_of(rows: NumberedRows, size: int, by: SplitBy) -> Iterator[RowBlock]:
    """Cut rows into blocks of about `size`.

    Args:
        by: `group`: groups stay whole, wherever their rows are; so all rows are read first. `row`: as they come.
    """
    numbered: Iterable[NumberedRow] = rows if by == "row" else _by_group(rows)
    number, held, group = 0, list[NumberedRow](), ""
    for row, sample in numbered:
        key = sample.group_key if by == "group" and isinstance(sample, Sample) else ""
        if len(held) >= size and (by == "row" or key != group):
            yield _block(number, held, rows)
            number, held = number + 1, []
        held.append((row, sample))
        group = key
    if held:
        yield _block(number, held, rows)


def _by_group(rows: Iterable[NumberedRow]) -> Iterator[NumberedRow]:
    """Rows of a group one after the other, groups in the order of their first row."""
    groups: dict[str, list[NumberedRow]] = {}
    for row, sample in rows:
        groups.setdefault(sample.group_key if isinstance(sample, Sample) else f"\0{row}", []).append((row, sample))
    for members in groups.values():
        yield from members


def _block(number: int, held: list[NumberedRow], rows: NumberedRows) -> RowBlock:
    ids = {sample.id for _, sample in held}
    renamed = frozenset(rows.renamed & ids)
    rows.renamed -= renamed
    return RowBlock(number, tuple(held), renamed)


def block_size(plan: Plan) -> int:
    """Rows of a block: enough to keep the engine busy, few enough to ask again when a worker is lost."""
    return max(16, min(1024, plan.settings.max_in_flight))


# ---- where it is judged --------------------------------------------------------------------------------------------------


_CURRENT: ContextVar[Store] = ContextVar("block_store")


class _OwnJournal:
    """The journal of the block that asks: judges are shared by the blocks of a worker."""

    def find(self, key: str) -> Completion | None:
        return _CURRENT.get().find(key)

    def keep(self, call: Call) -> None:
        _CURRENT.get().keep(call)


class BlockWorker:
    """Judges blocks with engines that are started once, on one event loop.

    Args:
        keep, requests, strict: As in `judge.batch.run.run_batch`.
        prior: A journal of an earlier run, looked into where this machine can see it.

    Attributes:
        plan: Of the run.
    """

    def __init__(self, plan: Plan, *, keep: tuple[str, ...], requests: bool, strict: bool, prior: Path | None = None) -> None:
        self.plan = plan
        self._keep = keep
        self._requests = requests
        self._strict = strict
        self._prior = prior
        self._journal = _OwnJournal()
        self._judges: asyncio.Future[Opened] | None = None  # a future: whoever comes while engines load waits for the same ones

    async def judge(self, block: RowBlock) -> JudgedBlock:
        """Judge one block. An error that stops the run is in the result, and is raised where the run is."""
        folder = Path(tempfile.mkdtemp(prefix="judge-block-"))
        try:
            facts = await self._judged(block, folder)
            requests = (folder / REQUESTS).read_bytes() if self._requests else b""
            return JudgedBlock(block.number, facts, (folder / JOURNAL).read_bytes(), requests)
        except JudgeError as why:
            journal = folder / JOURNAL
            return JudgedBlock(block.number, {}, journal.read_bytes() if journal.exists() else b"", error=pickle.dumps(why))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    async def _judged(self, block: RowBlock, folder: Path) -> dict[str, Any]:
        judges = await self._opened()
        store = Store(
            folder / JOURNAL, run_cache(self.plan), keep=self._keep, requests=self._requests, prior=self._prior, durable=False
        )
        try:
            _CURRENT.set(store)
            began = time.monotonic()
            rows = RunRows(block.rows, set(block.renamed), store, ProgressLine(None, quiet=True), None)
            finish, watch = RunFinish(self.plan), RunWatch(None)
            finish.count_tokens = judges.count_text
            limit = max(1, self.plan.settings.max_in_flight // AT_ONCE)
            await judge_rows(self.plan, judges, rows, self._strict, watch, finish, limit)
            store.commit()
            await finish.finish(store, judges)
            store.note_columns()
            store.requests.finish()
            progress = rows.progress
            return {
                "number": block.number,
                "worker": f"{socket.gethostname()}:{os.getpid()}",
                "rows": len(block.rows),
                "samples": progress.samples,
                "responses": progress.responses,
                "judged": progress.judged,
                "calls": progress.calls,
                "cached_calls": progress.cached_calls,
                "tokens": {"prompt": progress.prompt_tokens, "completion": progress.completion_tokens},
                "failures": dict(progress.failures),
                "failed_rows": rows.failed,
                "seconds": round(time.monotonic() - began, 3),
                "shaping": list(finish.notes),
                "described": describe(self.plan, judges.engines, ""),
            }
        finally:
            store.close()

    async def _opened(self) -> Opened:
        if self._judges is None:
            self._judges = asyncio.ensure_future(open_judges(self.plan, None, self._journal))
        try:
            return await asyncio.shield(self._judges)
        except JudgeError:
            self._judges = None  # the next block tries again
            raise
