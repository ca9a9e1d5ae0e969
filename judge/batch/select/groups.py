"""The groups of a run one after the other, in memory that does not grow with the rows, wherever the rows of a group are.

Data and rewards are read side by side once, and what they come to is put into a file on the disk, from which groups are taken
whole, in the order of their first rows. The file is as large as the texts; it lies where temporary files do (`TMPDIR`) and is
gone in the end. What stays in memory is one group, and the names of columns.
"""

from __future__ import annotations

import contextlib
import hashlib
import pickle
import sqlite3
import tempfile
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Self

from judge.batch.select.folder import By
from judge.batch.select.model import ScoredResponse
from judge.batch.select.read import GroupBy, free_name, join_run
from judge.errors import OutputError
from judge.types import Sample

_TABLES = """
PRAGMA journal_mode=OFF;
PRAGMA synchronous=OFF;
CREATE TABLE groups (key BLOB PRIMARY KEY, number INTEGER, name BLOB) WITHOUT ROWID;
CREATE TABLE names (name BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE responses (grp INTEGER, row INTEGER, place INTEGER, record BLOB);
CREATE TABLE others (what TEXT, row INTEGER, record BLOB, PRIMARY KEY (what, row)) WITHOUT ROWID;
"""
_HELD = 512  # records put into the file at once


@dataclass(frozen=True, slots=True)
class RunGroup:
    """The responses that compete with each other.

    Attributes:
        number: From 0, in the order of the first rows.
        variances: Of each response that has one, by row and index.
    """

    number: int
    members: tuple[ScoredResponse, ...]
    variances: Mapping[tuple[int, int], float | None]

    @property
    def rows(self) -> list[int]:
        """Rows of the data, ascending."""
        return sorted({member.row for member in self.members})


class RunGroups:
    """A run folder and its data, group by group; a context manager. Arguments and errors as those of `read_run`.

    Attributes:
        components: Criteria (or judges of a panel) that any response has.
        grouped_by, notes, source, without_reward: As of `RunCandidates`.
    """

    def __init__(
        self,
        run: Path,
        *,
        data: str = "",
        mapping: Mapping[str, str] | None = None,
        split: str = "",
        config: str = "",
        by: By = "raw_reward",
        group_by: GroupBy = "auto",
        part: tuple[int, int] | None = None,
    ) -> None:
        self.components: set[str] = set()
        self._room = tempfile.TemporaryDirectory(prefix="judge-groups-")
        self._count = 0
        self._last: tuple[Hashable, int, str] | None = None
        self._held: list[tuple[Any, ...]] = []
        try:
            with self._writing():
                self._db = sqlite3.connect(Path(self._room.name) / "groups.sqlite", isolation_level=None)
                self._db.executescript(_TABLES)
                self._db.execute("BEGIN")
            options: dict[str, Any] = {"data": data, "mapping": mapping, "split": split, "config": config}
            found = join_run(run, self._take, self._name, by=by, group_by=group_by, part=part, **options)
            self.source, self.grouped_by, self.notes = found.source, found.grouped_by, found.notes
            self.without_reward = dict(found.without_reward)
            self._flush()
            with self._writing():
                self._db.execute("CREATE INDEX places ON responses (grp, row, place)")
                self._db.execute("COMMIT")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Take the file away; idempotent."""
        with contextlib.suppress(AttributeError):
            self._db.close()
        self._room.cleanup()

    def __iter__(self) -> Iterator[RunGroup]:
        cursor = self._db.execute("SELECT grp, record FROM responses ORDER BY grp, row, place")
        for number, records in groupby(cursor, key=itemgetter(0)):
            loaded = [pickle.loads(record) for _, record in records]  # noqa: S301  # of this process
            members = tuple(ScoredResponse(*fields) for fields, _ in loaded)
            variances = {(one.row, one.response_index): v for one, (_, v) in zip(members, loaded, strict=True) if v is not None}
            yield RunGroup(number, members, variances)

    def keep(self, what: str, rows: Iterator[tuple[int, Any]]) -> None:
        """Put something else about rows of the data into the file, for `of`. Each row comes once."""
        with self._writing():
            self._db.execute("BEGIN")
            self._db.executemany("INSERT INTO others VALUES (?, ?, ?)", ((what, row, pickle.dumps(one)) for row, one in rows))
            self._db.execute("COMMIT")

    def of(self, what: str, rows: Sequence[int]) -> list[Any]:
        """What is kept about these rows."""
        found = []
        for row in rows:
            kept = self._db.execute("SELECT record FROM others WHERE what = ? AND row = ?", (what, row)).fetchone()
            found += [] if kept is None else [pickle.loads(kept[0])]  # noqa: S301  # of this process
        return found

    def _take(self, one: ScoredResponse, variance: float | None) -> None:
        assert self._last is not None  # noqa: S101  # `_name` came first
        self.components.update(one.components)
        fields = (one.group, one.prompt, one.response, one.reward, one.vetoed, one.id, one.row, one.response_index)
        record = pickle.dumps(((*fields, dict(one.components)), variance), pickle.HIGHEST_PROTOCOL)
        self._held.append((self._last[1], one.row, one.response_index, record))
        if len(self._held) >= _HELD:
            self._flush()

    def _flush(self) -> None:
        with self._writing():
            self._db.executemany("INSERT INTO responses VALUES (?, ?, ?, ?)", self._held)
        self._held = []

    def _name(self, key: Hashable, sample: Sample, row: int) -> str:
        """The name of a group that no other has; the rows of one mostly follow each other."""
        if self._last is None or self._last[0] != key:
            with self._writing():
                self._last = (key, *self._known(key, sample, row))
        return self._last[2]

    def _known(self, key: Hashable, sample: Sample, row: int) -> tuple[int, str]:
        """Number and name of a group, whether it was met before or not."""
        digest = hashlib.blake2b(_bytes(repr(key)), digest_size=16).digest()
        found = self._db.execute("SELECT number, name FROM groups WHERE key = ?", (digest,)).fetchone()
        if found is not None:
            return found[0], found[1].decode("utf-8", "surrogatepass")
        name = free_name(key, sample, row, self._taken)
        number, self._count = self._count, self._count + 1
        self._db.execute("INSERT INTO names VALUES (?)", (_bytes(name),))
        self._db.execute("INSERT INTO groups VALUES (?, ?, ?)", (digest, number, _bytes(name)))
        return number, name

    def _taken(self, name: str) -> bool:
        return self._db.execute("SELECT 1 FROM names WHERE name = ?", (_bytes(name),)).fetchone() is not None

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as why:
            raise OutputError(f"{self._room.name}: {why} (is the disk full?); TMPDIR names another place for it") from None


def _bytes(text: str) -> bytes:
    """A text as SQLite can compare it, half surrogate pairs and all."""
    return text.encode("utf-8", "surrogatepass")
