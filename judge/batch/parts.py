"""Tables while a run goes: finished rows are in `rewards/part-00000.parquet` and `verdicts/part-00000.parquet` before its end.

- The journal is the truth and the parts follow from it: a start takes away those of the start before, and writes them anew.
- A part ends before the first row that is not finished, and the next one begins there. So the table of the end is the parts one
  after the other, and the rows behind them: no row is put together twice.
- A part is written beside its name, flushed to the disk and moved into place. One that cannot be read in the end, or that lacks
  what was learned later (a column became text), is left aside, and its rows come from the journal.
- Where rewards depend on other rows (`group_mean`, shaping over groups) they are known at the end, so there are no parts.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from judge.batch.store import Store
from judge.batch.write import JournalTable, put_in_place, table_writer, tables_of
from judge.errors import OutputError

logger = logging.getLogger(__name__)

PAGE_ROWS = 1024  # put together at once: some 50 ms in which no reply is looked at
PART_ROWS = 16_384
EVERY_S = 30.0  # after which a part is closed, however small


class RowsUnderWay:
    """Up to where all rows are finished, in the order in which they are read.

    Example:
        >>> rows = RowsUnderWay()
        >>> for row in (0, 1, 2):
        ...     rows.begin(row)
        >>> rows.end(1), rows.end(0), rows.end(2)
        (0, 2, 3)
    """

    def __init__(self) -> None:
        self._due: deque[int] = deque()
        self._done: set[int] = set()
        self._reached = 0

    def begin(self, row: int) -> None:
        """A row is taken up."""
        self._due.append(row)

    def end(self, row: int) -> int:
        """A row is finished; gives the number below which all are."""
        self._done.add(row)
        while self._due and self._due[0] in self._done:
            self._reached = self._due.popleft() + 1
            self._done.discard(self._reached - 1)
        return self._reached


@dataclass
class _Part:
    """A part of each table: rows `first` to before `end` of the data."""

    number: int
    first: int
    tables: tuple[JournalTable, ...]
    end: int = 0
    rows: int = 0
    began: float = 0.0
    writers: list[Any] = field(default_factory=list)


class TableParts:
    """Writes the parts of one run.

    Args:
        folder: The run folder.
        wanted: False: no parts are written, and `tables` are the journal's.
        clock: Monotonic, in seconds.
    """

    def __init__(self, store: Store, folder: Path, *, wanted: bool = True, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._folder = folder
        self._wanted = wanted
        self._clock = clock
        self._parts: list[_Part] = []
        self._open: _Part | None = None
        self._end = 0  # rows before it are in a part
        self._counted = 0  # calls of `reached` since the last page
        self._looked = clock()

    def reached(self, row: int, rows: int = 1) -> None:
        """All rows before `row` are in the store, `rows` more than when it was last called. Raises OutputError."""
        self._counted += rows
        now = self._clock()
        due = now - self._looked >= EVERY_S
        if not self._wanted or row <= self._end or not (due or self._counted >= PAGE_ROWS):
            return
        self._looked, self._counted = now, 0
        try:
            self._page(row)
            if self._open is not None and (self._open.rows >= PART_ROWS or due or now - self._open.began >= EVERY_S):
                self._close(self._open)
        except OSError as why:
            raise OutputError(
                f"{self._folder}: the tables cannot be written: {why.strerror or why}; every judge call is kept in"
                f" {self._store.path.name}: make room and run the same command again, it asks for nothing twice"
            ) from None

    def abandon(self) -> None:
        """Leave the part that is not finished; those that are stay for readers. Idempotent."""
        part, self._open = self._open, None
        if part is not None:
            for table, writer in zip(part.tables, part.writers, strict=True):
                with contextlib.suppress(OSError):
                    writer.close()
                    self._beside(table.name, part.number).unlink()

    def tables(self, whole: JournalTable) -> Iterator[Any]:
        """The whole table as Arrow tables of some rows each: of the parts where they fit, and of the journal. Raises OSError."""
        if self._open is not None:
            self._close(self._open)
        yield from chain.from_iterable(self._of_part(part, whole) for part in self._parts)
        yield from whole.tables(self._store, self._parts[-1].end if self._parts else 0)

    def _page(self, row: int) -> None:
        """Add the rows before `row` to the open part; a part with other columns begins where there are new ones."""
        tables = tables_of(self._store)
        if self._open is not None and any(a.columns != b.columns for a, b in zip(self._open.tables, tables, strict=True)):
            self._close(self._open)
        if self._open is None:
            self._open = self._new(tables)
        part = self._open
        for table, writer in zip(part.tables, part.writers, strict=True):
            for some in table.tables(self._store, self._end, row):
                writer.write_table(some)
                part.rows += some.num_rows if table is part.tables[0] else 0
        self._end = part.end = row

    def _new(self, tables: tuple[JournalTable, ...]) -> _Part:
        part = _Part(len(self._parts), self._end, tables, began=self._clock())
        for table in tables:
            (self._folder / table.name).mkdir(exist_ok=True)
            part.writers.append(table_writer(self._beside(table.name, part.number), table.schema))
        return part

    def _close(self, part: _Part) -> None:
        self._open = None
        for table, writer in zip(part.tables, part.writers, strict=True):
            writer.close()
            put_in_place(self._beside(table.name, part.number), self._path(table.name, part.number))
        part.writers = []
        self._parts.append(part)

    def _of_part(self, part: _Part, whole: JournalTable) -> Iterator[Any]:
        import pyarrow as pa  # noqa: PLC0415  # loaded already
        import pyarrow.parquet as pq  # noqa: PLC0415

        path = self._path(whole.name, part.number)
        own = next(table for table in part.tables if table.name == whole.name)
        try:
            file = pq.ParquetFile(path) if own.columns <= whole.columns else None
        except (OSError, pa.ArrowException) as why:
            logger.warning("%s: cannot be read (%s); its rows are written from the journal", path, why)
            file = None
        if file is None:
            yield from whole.tables(self._store, part.first, part.end)
            return
        with file:
            for group in range(file.num_row_groups):
                yield whole.widened(file.read_row_group(group))

    def _path(self, name: str, number: int) -> Path:
        return self._folder / name / f"part-{number:05}.parquet"

    def _beside(self, name: str, number: int) -> Path:
        return self._path(name, number).with_suffix(".parquet.partial")
