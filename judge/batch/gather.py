"""Blocks that come back from wherever they are judged: kept in folders, and put into the journal of one run.

- Only this process writes into the run folder. A block that is done is in a folder of its own until the run is finished, so a
  run that was interrupted goes on with the blocks it has.
- A block that stops on an error brings the replies that it had, so the next start asks only for the rest.
"""

from __future__ import annotations

import contextlib
import json
import pickle
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from judge.batch.block import JudgedBlock
from judge.batch.describe import DataSource, source_record
from judge.batch.folder import begin, check_folder, identity, locked
from judge.batch.metrics import asked_of, table_metrics
from judge.batch.parts import TableParts
from judge.batch.progress import ProgressLine
from judge.batch.requests import FILE as REQUESTS
from judge.batch.run import Notice, RunResult, conclude, note_failure, run_cache, say_unused
from judge.batch.shards import splits_by
from judge.batch.store import Store
from judge.batch.stream import renamed_note
from judge.batch.write import JOURNAL, put_in_place, write_json, write_tables
from judge.errors import DataError, EngineError, JudgeError, NoVerdictError, OutputError
from judge.jsonfile import parse_json
from judge.pipeline.build import Plan
from judge.track.run import track_run

BLOCKS = "blocks"
FACTS = "block.json"


class BlockStream(Protocol):
    """Judges blocks somewhere; gives each when it is done, in any order."""

    def __call__(self, done: frozenset[int]) -> Iterator[JudgedBlock]:
        """All blocks but those that are done."""


def judge_blocks(
    plan: Plan,
    stream: BlockStream,
    output: Path,
    *,
    data: str | DataSource = "",
    total: int | None = None,
    notice: Notice = lambda _: None,
    quiet: bool = False,
    jsonl: bool = False,
    strict: bool = False,
    overwrite: bool = True,
    max_failures: int | None = None,
    command: str = "",
    keep: Sequence[str] = ("all",),
    requests: bool = True,
) -> RunResult:
    """Judge a data set, block by block, into a run folder. Arguments and errors as those of `judge.batch.run.run_batch`."""
    own = identity(plan, data)
    with locked(output):
        if not overwrite:
            check_folder(output, own)
        say_unused(plan, notice)
        store = Store(output / JOURNAL, run_cache(plan), keep=("none",), requests=requests)
        try:
            folders = BlockFolders(output / BLOCKS, own | {"keep": list(keep), "requests": requests, "strict": strict})
            for left in folders.begin():
                store.absorb_calls(left / JOURNAL)
            begin(output, own, notice)
            parts = TableParts(store, output, wanted=splits_by(plan, "--ray") == "row")
            run = _BlockRun(plan, store, folders, ProgressLine(total, quiet=quiet), max_failures, parts, requests=requests)
            try:
                state, stopped = run.judge(stream)
            except JudgeError as why:
                parts.abandon()
                note_failure(why, run.samples, output, own)
                raise
            write_tables(store, output, jsonl=jsonl, source=parts.tables)
            result = conclude(store, output, run.described(own, data, state), stopped, total=total, command=command)
            if state == "finished":
                folders.clear()
            if plan.settings.track is not None and not result.interrupted:
                track_run(plan.settings.track, output, result.summary, notice=notice)
            return result
        finally:
            store.close()


class BlockFolders:
    """Blocks that are done, in a folder beside the journal until the run is finished.

    A run that was interrupted takes them as they are, where its settings, data and options are the same and no row of theirs
    failed.

    Args:
        own: All that decides what a block holds.
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


class _BlockRun:
    """Blocks on their way into one journal."""

    def __init__(
        self,
        plan: Plan,
        store: Store,
        folders: BlockFolders,
        progress: ProgressLine,
        max_failures: int | None,
        parts: TableParts,
        *,
        requests: bool,
    ) -> None:
        self._plan = plan
        self._store = store
        self._folders = folders
        self._progress = progress
        self._most = max_failures
        self._requests = requests
        self._parts = parts
        self._rows: dict[int, int] = {}  # rows of blocks that came, as long as one before them is missing
        self._block = self._reached = 0  # blocks, and rows, that are there without a gap
        self._failed = 0
        self._facts: dict[int, Mapping[str, Any]] = {}
        self._first: Mapping[str, Any] = {}
        self._began = time.monotonic()
        self._loading = self._ending = 0.0  # seconds until the first block came, and after the last one

    def judge(self, stream: BlockStream) -> tuple[str, JudgeError | None]:
        """Take in all blocks; gives the state of the run and the error that stopped it."""
        try:
            with self._progress, _terminated():
                for number, facts in sorted(self._folders.done.items()):
                    self._enter(facts, self._folders.place(number))
                for block in self._timed(stream(frozenset(self._folders.done))):
                    if block.error:
                        self._keep_replies(block)
                        raise pickle.loads(block.error)  # noqa: S301  # of a worker of this run
                    if not self._loading:  # starting a cluster and a model is no judging
                        self._progress.started = time.monotonic() - block.facts["seconds"]
                        self._loading = max(self._progress.started - self._began, 0.001)
                    if block.number not in self._facts:
                        self._enter(block.facts, self._folders.put(block))
        except KeyboardInterrupt:
            return "interrupted", None
        except (EngineError, NoVerdictError, DataError) as why:
            if not self._facts:
                raise
            return ("incomplete" if isinstance(why, EngineError) else "stopped"), why
        return "finished", None

    def _timed(self, blocks: Iterator[JudgedBlock]) -> Iterator[JudgedBlock]:
        """The same blocks; how long their source takes to end after the last one, as a cluster does, is no judging either."""
        asked = time.monotonic()
        for block in blocks:
            yield block
            asked = time.monotonic()
        self._ending = time.monotonic() - asked

    @property
    def samples(self) -> int:
        """How many samples are judged, of all blocks that came."""
        return self._progress.samples

    def _keep_replies(self, block: JudgedBlock) -> None:
        """Take over the replies of a block that stopped on an error, so that the next start does not ask for them."""
        if not block.journal:
            return
        with (
            suppress(OSError, OutputError),
            tempfile.TemporaryDirectory(prefix="judge-block-") as room,
        ):  # its own error says more
            journal = Path(room) / JOURNAL
            journal.write_bytes(block.journal)
            self._store.absorb_calls(journal)

    def _enter(self, facts: Mapping[str, Any], folder: Path) -> None:
        self._store.absorb(folder / JOURNAL)
        if self._requests:
            self._store.requests.absorb(folder)
        self._count_rows(facts["number"], facts["rows"])
        self._facts[facts["number"]] = {name: facts[name] for name in ("tokens", "seconds", "shaping")}
        self._first = self._first or facts["described"]
        shown = self._progress
        shown.responses += facts["responses"]
        shown.judged += facts["judged"]
        shown.calls += facts["calls"]
        shown.cached_calls += facts["cached_calls"]
        shown.prompt_tokens += facts["tokens"]["prompt"]
        shown.completion_tokens += facts["tokens"]["completion"]
        shown.samples += facts["samples"] - 1
        shown.count(Counter(facts["failures"]).elements())
        self._failed += facts["failed_rows"]
        if self._most is not None and self._failed > self._most:
            raise NoVerdictError(f"{self._failed:,} rows have no reward, and at most {self._most:,} may fail")

    def _count_rows(self, number: int, rows: int) -> None:
        """Say up to where all rows of the data are in the store."""
        self._rows[number], before = rows, self._reached
        while self._block in self._rows:
            self._reached += self._rows.pop(self._block)
            self._block += 1
        if self._reached > before:
            self._parts.reached(self._reached, self._reached - before)

    def described(self, own: Mapping[str, Any], data: str | DataSource, state: str) -> dict[str, Any]:
        """`run.json`."""
        parts = [self._facts[number] for number in sorted(self._facts)]
        tokens = {kind: sum(part["tokens"][kind] for part in parts) for kind in ("prompt", "completion")}
        seconds = max(self._progress.seconds - self._ending, 0.0)
        first = {**(self._first or own)}
        return {
            **first,
            "notes": [*first.get("notes", ()), *_renamed(self._store)],
            "data": source_record(data),
            "state": state,
            **table_metrics(self._store, asked_of(self._plan)),
            "seconds": {"loading": round(self._loading, 3), "judging": round(seconds, 3)},
            "tokens": tokens,
            "tokens_per_s": round(sum(tokens.values()) / seconds, 1) if seconds > 0 else 0.0,
            "shaping": list(dict.fromkeys(note for part in parts for note in part["shaping"])),
            "blocks": len(parts),
        }


def _renamed(store: Store) -> list[str]:
    found = store.query("SELECT COUNT(DISTINCT row), MIN(id) FROM rewards WHERE flags LIKE '%\"duplicate_id\"%'")
    return [renamed_note(*found[0])] if found[0][0] else []


@contextlib.contextmanager
def _terminated() -> Iterator[None]:
    """SIGTERM ends the run as Ctrl-C does."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not on the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
