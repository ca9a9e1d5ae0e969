"""A block of rows, judged somewhere else: the same loop and the same journal as a whole run, in a folder of its own.

A worker keeps two blocks in progress, so that the engine is not idle while the last rows of one block are finished; each
has a journal, and the engine's judges find theirs by the task that asks.
"""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import shutil
import socket
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
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
from judge.batch.write import JOURNAL, put_in_place, write_json
from judge.errors import JudgeError, OutputError
from judge.jsonfile import parse_json
from judge.pipeline.build import Plan
from judge.pipeline.opened import Opened, open_judges
from judge.types import Call, Completion, Sample

AT_ONCE = 2  # blocks that a worker has in progress
FACTS = "block.json"


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
    """What a worker gives back: files of the block's folder, or the error that stops the run.

    Attributes:
        facts: Counts, tokens and engine, as `block.json` has them.
        journal: The SQLite file.
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
            return JudgedBlock(block.number, {}, error=pickle.dumps(why))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    async def _judged(self, block: RowBlock, folder: Path) -> dict[str, Any]:
        judges = await self._opened()
        store = Store(folder / JOURNAL, run_cache(self.plan), keep=self._keep, requests=self._requests, prior=self._prior)
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


# ---- where they are kept ---------------------------------------------------------------------------------------------------


class BlockFolders:
    """Blocks that are done, in a folder beside the journal until the run is finished.

    A run that was interrupted takes them as they are, where its settings and data are the same and no row of theirs failed.
    """

    def __init__(self, folder: Path, own: Mapping[str, Any]) -> None:
        self.folder = folder
        self._own = json.loads(json.dumps(dict(own)))
        self.done: dict[int, dict[str, Any]] = {}

    def begin(self) -> Iterator[Path]:
        """Find what is there; gives the folders of blocks that must be judged again, whose calls are worth keeping."""
        self.folder.mkdir(exist_ok=True)
        told = self._read(self.folder / "run.json")
        same = told == self._own
        for part in sorted(self.folder.iterdir()):
            facts = self._read(part / FACTS) if part.is_dir() else None
            if facts is None or not part.name.isdigit():
                if part.is_dir():
                    shutil.rmtree(part)  # half a block: it was never moved into place
                continue
            if same and not facts.get("failed_rows"):
                self.done[int(part.name)] = facts
            else:
                yield part
                shutil.rmtree(part)
        write_json(self.folder / "run.json", self._own, "nothing was judged")

    def put(self, block: JudgedBlock) -> Path:
        """Keep one block: written beside its name, flushed, moved into place; gives its folder.

        Raises:
            OutputError: The disk does not take it.
        """
        place, beside = self.place(block.number), self.folder / f"{block.number:06}.partial"
        try:
            shutil.rmtree(beside, ignore_errors=True)
            beside.mkdir()
            for name, content in ((JOURNAL, block.journal), (REQUESTS, block.requests)):
                if content:
                    (beside / name).write_bytes(content)
            (beside / FACTS).write_text(json.dumps(block.facts), encoding="utf-8")
            put_in_place(beside, place)
        except OSError as why:
            raise OutputError(
                f"{place}: cannot be written: {why.strerror or why}; the blocks before it are kept: make room and run the same"
                " command again"
            ) from None
        return place

    def place(self, number: int) -> Path:
        """The folder of a block."""
        return self.folder / f"{number:06}"

    def clear(self) -> None:
        """Take them away: the run is finished, and its own journal holds everything."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @staticmethod
    def _read(path: Path) -> Any:
        with suppress(OSError, JudgeError):
            return parse_json(path.read_bytes(), str(path))
        return None
