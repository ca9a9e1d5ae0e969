"""The run folder's journal: one SQLite file that keeps every judge call, and the rewards of the run so far.

- A call is kept under the hash of its exact request, so a run that is started again asks only what is new: an edited
  answer, rubric word, template, model or sampling value changes the hash of exactly the calls it affects.
- A call that gave no verdict, or left out a criterion, is kept for the record and not found again: the next run asks anew.
- A reply is committed (WAL) before the event loop looks for the next ones, so a kill repeats what is in flight and no more.
  Rewards follow from the replies: they are buffered, and committed a few times a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from judge.batch.columns import KeptColumns
from judge.batch.requests import RequestsFile
from judge.batch.seen import MaybeSeen
from judge.batch.store_rows import _flags, _stages, _status, _step_table, reward_row, verdict_row
from judge.conversation.write import plain_json
from judge.engine.meter import Meter, Spent
from judge.errors import OutputError
from judge.pipeline.cache import COPY, INSERT, TABLE, Cache, clean, completion_of, record, usable
from judge.types import Call, Completion, Flag, NoVerdict, Reason, Reward, Sample, distinct_calls

COMMIT_EVERY_S = 0.25
COMMIT_ROWS = 512
WAL_PAGES = 8000  # of 4 KiB, after which they are moved into the database: one that changes often is moved less often

_TABLES = """
DROP TABLE IF EXISTS rewards;
DROP TABLE IF EXISTS verdicts;
DROP TABLE IF EXISTS samples;
DROP TABLE IF EXISTS columns;
CREATE TABLE rewards (
  row INTEGER, response_index INTEGER, id TEXT, grp TEXT, raw_reward REAL, status TEXT, reason TEXT, detail TEXT, flags TEXT,
  components TEXT, spread REAL, missing REAL, expected REAL, entropy REAL, order_gap REAL, variance REAL, explanation TEXT,
  judge_calls INTEGER, prompt_tokens INTEGER, completion_tokens INTEGER, response TEXT, reward REAL,
  stages TEXT, steps TEXT, whole TEXT);
CREATE TABLE columns (what TEXT, name TEXT, kind TEXT, row INTEGER, place INTEGER);
CREATE TABLE IF NOT EXISTS spent (
  one INTEGER PRIMARY KEY, calls INTEGER, prompt INTEGER, completion INTEGER, cached INTEGER, usd REAL);
CREATE TABLE IF NOT EXISTS guessed (one INTEGER PRIMARY KEY, estimated INTEGER, cancelled INTEGER);
CREATE TABLE samples (row INTEGER PRIMARY KEY, prompt TEXT, kept TEXT);
CREATE TABLE verdicts (
  row INTEGER, id TEXT, key TEXT, turn TEXT, shown TEXT, criteria TEXT, vote INTEGER, seed INTEGER, value TEXT, scores TEXT,
  reason TEXT, detail TEXT, forced INTEGER, cached INTEGER);
"""
_REWARD = f"INSERT INTO rewards VALUES ({','.join('?' * 25)})"
_SAMPLE = "INSERT OR REPLACE INTO samples VALUES (?, ?, ?)"
_VERDICT = f"INSERT INTO verdicts VALUES ({','.join('?' * 14)})"
_PAID = "calls, prompt, completion, cached, usd"
PAGE_CHARS = 4_000_000  # of text held at once when tables are written


class Store:
    """Journal of calls (`find`, `keep`) and table of rewards (`add`) in one file.

    Args:
        cache: Looked into for what the journal does not hold, and closed with it.
        keep: Columns of the data that go into the tables, see `KeptColumns`.
        requests: Write requests.parquet beside the journal.
        prior: Another journal, looked into where it is there.
        durable: False: of a file that only this process reads, so the disk is not waited for.

    Attributes:
        spent: What earlier starts of this run have paid.
        meter: Whose figures are kept with each commit; set once the engines are there.
        answers: Whether replies of before may answer calls: of an earlier start, or of a cache.
    """

    def __init__(
        self,
        path: Path,
        cache: Cache | None = None,
        *,
        keep: Sequence[str] = (),
        requests: bool = False,
        prior: Path | None = None,
        durable: bool = True,
    ) -> None:
        self.path = path
        self.kept = KeptColumns(keep)
        self.requests = RequestsFile(path.parent, wanted=requests)
        self._cache = cache
        self._prior = None if prior is None else PriorJournal(prior)
        self._pending: list[tuple[str, tuple[Any, ...]]] = []
        self._buffers: dict[str, list[tuple[Any, ...]]] = {INSERT: [], _REWARD: [], _VERDICT: [], _SAMPLE: []}
        self._size = 0
        self.meter: Meter | None = None
        self._due = False  # whether a commit of replies waits for the loop
        self._broken: OutputError | None = None
        self._committed = time.monotonic()
        try:
            self._db = sqlite3.connect(path.resolve().as_uri(), isolation_level=None, uri=True)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute(f"PRAGMA synchronous={'NORMAL' if durable else 'OFF'}")
            self._db.execute(f"PRAGMA wal_autocheckpoint={WAL_PAGES}")
            self._db.execute(TABLE)
            self._db.executescript(_TABLES)
            self._known = MaybeSeen()
            self.answers = cache is not None or prior is not None
            self.answers |= self._db.execute("SELECT 1 FROM calls LIMIT 1").fetchone() is not None
            for (key,) in self._db.execute("SELECT key FROM calls WHERE usable = 1"):
                self._known.add(key)
            guessed = self._db.execute("SELECT estimated, cancelled FROM guessed").fetchone() or (0, 0)
            self.spent = Spent(*(self._db.execute(f"SELECT {_PAID} FROM spent").fetchone() or (0, 0, 0, 0, 0.0)), *guessed)
        except sqlite3.Error as why:
            raise OutputError(f"{path}: cannot be used as the run's journal: {why}; {_remedy(why)}") from None

    # ---- the journal ---------------------------------------------------------------------------------------------

    def find(self, key: str) -> Completion | None:
        """The usable reply kept under this key, if there is one; once the budget is spent, any reply, since none can be asked."""
        over = self.meter is not None and self.meter.over
        if key not in self._known and not over:  # a query for each new call would take 20 us
            return self._known_elsewhere(key)
        with self._reading():
            row = self._db.execute("SELECT * FROM calls WHERE key = ? AND (usable = 1 OR ?)", (key, over)).fetchone()
        return self._known_elsewhere(key) if row is None else completion_of(row)

    def keep(self, call: Call) -> None:
        """Keep one finished call; usable unless it ended without a verdict, or without one on some criterion."""
        self._put_call(record(call.key, call.completion, usable(call)))
        if self._cache is not None:
            self._cache.keep(call)

    def _known_elsewhere(self, key: str) -> Completion | None:
        """A reply of the cache, entered here as well: the journal holds every reply of its run."""
        found = None if self._cache is None else self._cache.find(key)
        if found is None and self._prior is not None:
            found = self._prior.find(key)
        if found is not None:
            self._put_call(record(key, found, True))
        return found

    # ---- the rewards -----------------------------------------------------------------------------------------------

    def add(self, row: int, rewards: tuple[Reward, ...], sample: Sample | None = None) -> None:
        """Enter the rewards of one sample, what was judged, and the calls they rest on. No sample: the row could not be read."""
        self.kept.note(rewards, row)
        self.requests.add(rewards)
        texts = sample.texts if sample is not None else ()
        if sample is not None:
            self._put(_SAMPLE, (row, clean(plain_json(sample.prompt)), self.kept.of(sample, row)))
        for reward in rewards:
            index = reward.response_index
            whole = clean(plain_json(sample.responses[index])) if sample is not None and texts else None
            self._put(_REWARD, (*reward_row(row, reward, texts[index] if texts else ""), whole))
        for call in distinct_calls(rewards):
            self._put(_VERDICT, verdict_row(row, rewards[0].sample_id, call))

    def finish(self, rows: Iterable[tuple[int, Reward]]) -> None:
        """Enter what became of rewards (with the row of each) that were added before."""
        self.commit()
        values = [(r.reward, _stages(r), _flags(r), _step_table(r), _status(r, None), row, r.response_index) for row, r in rows]
        with self._reading():
            self._db.execute("CREATE INDEX IF NOT EXISTS places ON rewards (row, response_index)")
            self._db.execute("BEGIN")
            self._db.executemany(
                "UPDATE rewards SET reward = ?, stages = ?, flags = ?, steps = COALESCE(?, steps), status = COALESCE(?, status)"
                " WHERE row = ? AND response_index = ?",
                values,
            )
            self._db.execute("COMMIT")

    def incomplete_groups(self) -> Iterator[tuple[int, Reward]]:
        """Row and reward of every member of the groups in which a reward is missing, group by group."""
        missing = "SELECT grp FROM rewards WHERE reward IS NULL"
        columns = "row, id, response_index, raw_reward, reason, detail, flags, stages, grp"
        for row, name, index, raw, reason, detail, flags, stages, group in self.query(
            f"SELECT {columns} FROM rewards WHERE grp IN ({missing}) ORDER BY grp, row, response_index"
        ):
            failure = NoVerdict(Reason(reason), detail) if reason else None
            known = tuple(Flag(**flag) for flag in json.loads(flags))
            steps = tuple((step, value) for step, value in json.loads(stages)) if stages else ()
            yield row, Reward(name, index, raw, failure, flags=known, group=group, stages=steps)

    def _put_call(self, row: tuple[Any, ...]) -> None:
        """Enter a reply; it is committed with the others that this turn of the event loop brings."""
        self._put(INSERT, row)
        if self._due or not self._buffers[INSERT]:
            return
        try:
            asyncio.get_running_loop().call_soon(self._commit_calls)
        except RuntimeError:  # no loop: a caller that waits for each of its calls
            self._commit_calls()
        else:
            self._due = True

    def _commit_calls(self) -> None:
        self._due = False
        try:
            self._write([INSERT])
        except OutputError as why:
            self._broken = why  # raised where the run sees it: at its next record

    def _put(self, statement: str, row: tuple[Any, ...]) -> None:
        if self._broken is not None:
            raise self._broken
        self._buffers[statement].append(row)
        self._size += 1
        if self._size >= COMMIT_ROWS or time.monotonic() - self._committed > COMMIT_EVERY_S:
            self.commit()

    def commit(self) -> None:
        """Write what is buffered. Raises `OutputError` when the disk does not take it."""
        if self._broken is not None:
            why, self._broken = self._broken, None
            self._forget()
            raise why
        self._write(list(self._buffers))
        self._committed = time.monotonic()

    def _write(self, statements: Sequence[str]) -> None:
        """Write the buffers of these statements in one transaction."""
        waiting = [(statement, rows) for statement in statements if (rows := self._buffers[statement])]
        if not waiting:
            return
        try:
            self._db.execute("BEGIN")
            for statement, rows in waiting:
                self._db.executemany(statement, rows)
            if self.meter is not None:
                paid = self.meter.spent
                figures = (paid.calls, paid.prompt_tokens, paid.completion_tokens, paid.cached_tokens, paid.usd)
                self._db.execute("INSERT OR REPLACE INTO spent VALUES (1, ?, ?, ?, ?, ?)", figures)
                self._db.execute("INSERT OR REPLACE INTO guessed VALUES (1, ?, ?)", (paid.estimated, paid.cancelled))
            self._db.execute("COMMIT")
        except sqlite3.Error as why:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            lost = self._forget()
            raise OutputError(
                f"{self.path}: cannot be written: {why} (is the disk full?); the records of the last moments ({lost}) are not"
                " saved, all earlier ones are: make room and run the same command again to go on"
            ) from None
        for row in self._buffers[INSERT]:
            if row[1]:
                self._known.add(row[0])
        for _, rows in waiting:
            self._size -= len(rows)
            rows.clear()

    def _forget(self) -> int:
        """Empty the buffers; gives how many records they held."""
        size, self._size = self._size, 0
        for rows in self._buffers.values():
            rows.clear()
        return size

    def close(self) -> None:
        """Commit and close; idempotent."""
        try:
            self.commit()
        finally:
            self.requests.abandon()
            self._db.close()
            if self._cache is not None:
                self._cache.close()
            if self._prior is not None:
                self._prior.close()

    # ---- parts of a run --------------------------------------------------------------------------------------------------

    def note_columns(self) -> None:
        """Enter which columns the tables have, for `absorb`."""
        self.commit()
        with self._reading():
            self._db.execute("BEGIN")
            self._db.execute("DELETE FROM columns")
            self._db.executemany("INSERT INTO columns VALUES (?, ?, ?, ?, ?)", self.kept.state())
            self._db.execute("COMMIT")

    def absorb_calls(self, part: Path) -> None:
        """Take over the calls of another journal, so that they are not asked again. Raises as `absorb`."""
        self._absorb(part, ())

    def absorb(self, part: Path) -> None:
        """Take over all that another journal holds: its calls, rewards, verdicts and columns.

        Raises:
            OutputError: It cannot be read, or this one cannot be written.
        """
        self._absorb(part, ("rewards", "samples", "verdicts"))

    def _absorb(self, part: Path, tables: Sequence[str]) -> None:
        self.commit()
        uri = f"{part.resolve().as_uri()}?mode=ro"
        with self._reading(part):
            self._db.execute("ATTACH DATABASE ? AS part", (uri,))
            try:
                self._db.execute("BEGIN")
                self._db.execute(COPY)
                for table in tables:
                    self._db.execute(f"INSERT OR REPLACE INTO {table} SELECT * FROM part.{table} ORDER BY rowid")
                if tables:
                    self.kept.learn(self._db.execute("SELECT * FROM part.columns").fetchall())
                self._db.execute("COMMIT")
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                self._db.execute("DETACH DATABASE part")

    # ---- reading back ------------------------------------------------------------------------------------------------

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of a small query."""
        self.commit()
        with self._reading():
            return self._db.execute(sql, values).fetchall()

    def pages(self, sql: str, *values: Any, size: int = 1024) -> Iterator[list[tuple[Any, ...]]]:
        """Rows of a large query, at most a thousand (or `PAGE_CHARS`) at a time: a page and its table are held at once."""
        self.commit()
        with self._reading():
            self._db.execute("CREATE INDEX IF NOT EXISTS places ON rewards (row, response_index)")  # so that nothing is sorted
            self._db.execute("CREATE INDEX IF NOT EXISTS verdict_rows ON verdicts (row)")
            cursor = self._db.execute(sql, values)
        page: list[tuple[Any, ...]] = []
        held = 0
        while True:
            with self._reading():
                rows = cursor.fetchmany(64)
            page += rows
            held += sum([len(cell) for row in rows for cell in row if type(cell) is str])
            if page and (not rows or len(page) >= size or held >= PAGE_CHARS):
                yield page
                page, held = [], 0
            if not rows:
                return

    @contextlib.contextmanager
    def _reading(self, path: Path | None = None) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as why:
            raise OutputError(f"{path or self.path}: {why} (is the disk full, or the file damaged?)") from None


class PriorJournal:
    """The calls of another journal, to look into. Where it cannot be read, nothing is found."""

    def __init__(self, path: Path) -> None:
        self._db: sqlite3.Connection | None = None
        with contextlib.suppress(sqlite3.Error):
            self._db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)

    def find(self, key: str) -> Completion | None:
        """The usable reply kept under this key, if there is one."""
        if self._db is None:
            return None
        try:
            row = self._db.execute("SELECT * FROM calls WHERE key = ? AND usable = 1", (key,)).fetchone()
        except sqlite3.Error:  # on another machine there is no such file
            self._db = None
            return None
        return None if row is None else completion_of(row)

    def close(self) -> None:
        """Close the file; idempotent."""
        if self._db is not None:
            self._db.close()
            self._db = None


def _remedy(why: sqlite3.Error) -> str:
    """What to do about a journal that cannot be opened. It holds what was paid for, so never to delete it."""
    if getattr(why, "sqlite_errorname", "") in ("SQLITE_NOTADB", "SQLITE_CORRUPT"):
        return "choose another --output, or move the file away (a copy of the folder may hold a whole one)"
    return "make room on the disk (or see who may write there) and run the same command again; what it holds is kept"
