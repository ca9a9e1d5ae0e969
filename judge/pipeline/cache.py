"""Replies by the exact request, so that nothing is judged twice: in memory, or in a folder that several processes share.

- A key is the hash of everything that decides a reply (model, messages, sampling, structure), so an edited word is another key.
- A reply that gave no verdict, or left out a criterion, is not found again: the next time asks anew.
- Nothing here holds up the event loop: a look-up in the folder takes some 20 us, and writing is a thread's business. What cannot
  be written is lost for the next run and harms nothing in this one.
"""

from __future__ import annotations

import json
import logging
import queue
import sqlite3
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from judge.errors import OutputError
from judge.settings import CacheSettings
from judge.types import Call, Completion, NoVerdict, TokenLogprobs, Verdict

FILE = "replies.sqlite"
WRITE_EVERY_S = 0.2
LOCK_S = 30.0  # how long the writing thread waits for another process
_OVERHEAD = 600  # bytes that a kept reply takes besides its texts
TABLE = """CREATE TABLE IF NOT EXISTS calls (
  key TEXT PRIMARY KEY, usable INTEGER, text TEXT, finish_reason TEXT, prompt_tokens INTEGER, completion_tokens INTEGER,
  cached_tokens INTEGER, latency_s REAL, reasoning TEXT, refusal TEXT, error TEXT, logprobs TEXT)"""
_OR_UPDATE = """ON CONFLICT (key) DO UPDATE SET
  usable = excluded.usable, text = excluded.text, finish_reason = excluded.finish_reason, prompt_tokens = excluded.prompt_tokens,
  completion_tokens = excluded.completion_tokens, cached_tokens = excluded.cached_tokens, latency_s = excluded.latency_s,
  reasoning = excluded.reasoning, refusal = excluded.refusal, error = excluded.error, logprobs = excluded.logprobs
  WHERE excluded.usable OR NOT usable"""  # two rows may ask the same: a failure never takes the place of a good reply
INSERT = f"INSERT INTO calls VALUES ({','.join('?' * 12)}) {_OR_UPDATE}"
COPY = f"INSERT INTO calls SELECT * FROM part.calls WHERE true {_OR_UPDATE}"
"""From the table of an attached database `part`; `WHERE true` tells the upsert from a join."""
_AGES = "CREATE TABLE IF NOT EXISTS ages (number INTEGER PRIMARY KEY, key TEXT, at REAL, bytes INTEGER)"

T = TypeVar("T")

logger = logging.getLogger("judge.cache")


class Cache:
    """Replies in memory, and in a folder where there is one. `find` and `keep` are those of a journal.

    Args:
        folder: Made when it is not there; several processes may use it at once. None: memory only.
        max_mb: Most megabytes in memory, and in the folder; the oldest go first.
        keep_failures: Keep replies without a verdict as well, where two judgements must rest on the same reply.

    Attributes:
        hits: Replies found.
        calls, prompt_tokens, completion_tokens: What reached the engine.
    """

    def __init__(self, folder: Path | None = None, *, max_mb: float = 256, keep_failures: bool = False) -> None:
        self._replies: OrderedDict[str, Completion] = OrderedDict()
        self._keep_failures = keep_failures
        self._most = int(max_mb * 1e6)
        self._bytes = 0
        self._folder = None if folder is None else _Folder(folder, self._most)
        self.hits = self.calls = self.prompt_tokens = self.completion_tokens = 0

    @classmethod
    def of(cls, settings: CacheSettings) -> Cache | None:
        """The cache that run settings ask for."""
        if settings.where == "off":
            return None
        return cls(None if settings.where == "memory" else Path(settings.where).expanduser(), max_mb=settings.max_mb)

    def find(self, key: str) -> Completion | None:
        """The reply to this very request."""
        found = self._replies.get(key)
        if found is not None:
            self._replies.move_to_end(key)
        elif self._folder is not None:
            found = self._folder.find(key)
            if found is not None:
                self._remember(key, found)
        self.hits += found is not None
        return found

    def keep(self, call: Call) -> None:
        """Count one finished call, and keep its reply if it was usable."""
        self.count(call.completion)
        good = usable(call)
        if good or self._keep_failures:
            self._remember(call.key, call.completion)
        if good and self._folder is not None:
            self._folder.put(call)

    def count(self, completion: Completion) -> None:
        """Count one reply of the engine."""
        self.calls += 1
        self.prompt_tokens += completion.prompt_tokens
        self.completion_tokens += completion.completion_tokens

    def close(self) -> None:
        """Write what is not written yet; idempotent."""
        if self._folder is not None:
            self._folder.close()

    def _remember(self, key: str, completion: Completion) -> None:
        before = self._replies.pop(key, None)
        self._bytes += _size(completion) - (0 if before is None else _size(before))
        self._replies[key] = completion
        while self._bytes > self._most and len(self._replies) > 1:
            _, gone = self._replies.popitem(last=False)
            self._bytes -= _size(gone)


class _Folder:
    """The file of a folder: read here, written by a thread."""

    def __init__(self, folder: Path, most: int) -> None:
        self._path = folder / FILE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._db = _open(self._path)
        except (OSError, sqlite3.Error) as why:
            raise OutputError(f"cache: {folder}: cannot be used: {why}\nchoose another folder, or `cache: memory`") from None
        self._most = most
        self._waiting: queue.SimpleQueue[tuple[Any, ...] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def find(self, key: str) -> Completion | None:
        try:
            row = self._db.execute("SELECT * FROM calls WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error as why:
            logger.warning("cache %s: %s", self._path, why)
            return None
        return None if row is None else completion_of(row)

    def put(self, call: Call) -> None:
        self._waiting.put(record(call.key, call.completion, True))
        if self._thread is None:
            self._thread = threading.Thread(target=self._write, name="judge-cache", daemon=True)
            self._thread.start()

    def close(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            self._waiting.put(None)
            thread.join()
        self._db.close()

    def _write(self) -> None:
        db, last = _open(self._path), False
        while not last:
            rows = [self._waiting.get()]
            if rows[0] is not None:
                time.sleep(WRITE_EVERY_S)
            while not self._waiting.empty():
                rows.append(self._waiting.get())
            last = rows[-1] is None
            try:
                _insert(db, [row for row in rows if row is not None])
                prune(db, self._most)
            except sqlite3.Error as why:
                logger.warning("cache %s: %d replies could not be written: %s", self._path, len(rows), why)
        db.close()


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, timeout=LOCK_S, check_same_thread=False)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=NORMAL")
    db.execute(TABLE)
    db.execute(_AGES)
    return db


def _insert(db: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    if not rows:
        return
    now = time.time()
    db.execute("BEGIN IMMEDIATE")
    try:
        db.executemany(INSERT, rows)
        db.executemany(
            "INSERT INTO ages (key, at, bytes) VALUES (?, ?, ?)", [(row[0], now, _OVERHEAD + len(row[2] or "")) for row in rows]
        )
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


def prune(db: sqlite3.Connection, most: int) -> int:
    """Take out the oldest replies until the rest is at most `most` bytes; gives how many went."""
    total = db.execute("SELECT COALESCE(SUM(bytes), 0) FROM ages").fetchone()[0]
    gone = 0
    while total > most:
        oldest = db.execute("SELECT number, key, bytes FROM ages ORDER BY number LIMIT 1000").fetchall()
        if not oldest:
            break
        out = []
        for number, key, size in oldest:
            if total <= most:
                break
            out.append((number, key))
            total -= size
        db.execute("BEGIN IMMEDIATE")
        db.executemany("DELETE FROM calls WHERE key = ?", [(key,) for _, key in out])
        db.executemany("DELETE FROM ages WHERE number = ?", [(number,) for number, _ in out])
        db.execute("COMMIT")
        gone += len(out)
    return gone


@dataclass(frozen=True)
class CacheStats:
    """What a cache folder holds.

    Attributes:
        bytes: Of the file and what is beside it.
        oldest, newest: When the oldest and the newest reply were kept, seconds since 1970; None: it is empty.
    """

    replies: int
    bytes: int
    prompt_tokens: int
    completion_tokens: int
    oldest: float | None
    newest: float | None


def stats(folder: Path) -> CacheStats:
    """What a cache folder holds. Raises OutputError when it is none."""

    def read(db: sqlite3.Connection) -> CacheStats:
        count, prompt, completion = db.execute(
            "SELECT COUNT(*), SUM(prompt_tokens), SUM(completion_tokens) FROM calls"
        ).fetchone()
        oldest, newest = db.execute("SELECT MIN(at), MAX(at) FROM ages").fetchone()
        size = sum(path.stat().st_size for path in folder.glob(f"{FILE}*"))
        return CacheStats(count, size, prompt or 0, completion or 0, oldest, newest)

    return _with(folder, read)


def prune_folder(folder: Path, max_mb: float) -> int:
    """Take out the oldest replies and give the room back; gives how many went. Raises OutputError when it is no cache."""

    def take_out(db: sqlite3.Connection) -> int:
        gone = prune(db, int(max_mb * 1e6))
        db.execute("VACUUM")
        return gone

    return _with(folder, take_out)


def _with(folder: Path, work: Callable[[sqlite3.Connection], T]) -> T:
    if not (folder / FILE).is_file():
        raise OutputError(f"{folder}: no {FILE} here: this is not a cache folder")
    try:
        db = _open(folder / FILE)
        try:
            return work(db)
        finally:
            db.close()
    except sqlite3.Error as why:
        raise OutputError(f"{folder}: {why}") from None


# ---- rows of the table ---------------------------------------------------------------------------------------------------


def usable(call: Call) -> bool:
    """Whether a call ended with a verdict on everything it was asked."""
    if isinstance(call.outcome, NoVerdict):
        return False
    cells = call.outcome.scores if isinstance(call.outcome, Verdict) else ()
    return not any(cell is None for row in cells for cell in row)


def record(key: str, c: Completion, good: bool) -> tuple[Any, ...]:
    """A row of the table."""
    logprobs = json.dumps([(t.text, dict(t.top)) for t in c.logprobs]) if c.logprobs else None
    row = (key, good, clean(c.text), c.finish_reason, c.prompt_tokens, c.completion_tokens, c.cached_tokens)
    return (*row, c.latency_s, clean(c.reasoning), clean(c.refusal), clean(c.error), logprobs)


def completion_of(row: Sequence[Any]) -> Completion:
    """A row of the table, read back."""
    _, _, text, finish, prompt, completion, cached, latency, reasoning, refusal, error, logprobs = row
    tokens = tuple(TokenLogprobs(t, top) for t, top in json.loads(logprobs)) if logprobs else ()
    return Completion(text, finish, prompt, completion, cached, latency, reasoning, refusal, error, tokens)


def clean(text: str) -> str:
    """SQLite stores UTF-8, in which lone surrogates cannot stand."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _size(completion: Completion) -> int:
    tokens = sum(60 * (1 + len(token.top)) for token in completion.logprobs)
    return _OVERHEAD + len(completion.text) + len(completion.reasoning) + tokens
