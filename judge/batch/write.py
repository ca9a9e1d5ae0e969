"""Journal -> the files a person and a trainer read: rewards.parquet, verdicts.parquet, run.json.

Each file is written beside its name and moved into place, so a reader never sees half of one.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from judge.batch.columns import KeptColumns, as_kind
from judge.batch.store import Store
from judge.errors import OutputError

_REWARDS_SQL = """SELECT r.row, id, grp, response_index, reward, raw_reward, status, reason, detail, flags, components, spread,
  missing, expected, entropy, order_gap, variance, explanation, judge_calls, prompt_tokens, completion_tokens, stages,
  steps, s.prompt, whole, s.kept FROM rewards r LEFT JOIN samples s ON s.row = r.row
  WHERE r.row >= ? AND r.row < ? ORDER BY r.row, response_index"""
_VERDICTS_SQL = """SELECT v.row, v.id, v.key, v.turn, v.shown, v.criteria, v.vote, v.seed, c.text, v.value, v.scores, v.reason,
  v.detail, v.forced, v.cached, c.finish_reason, c.prompt_tokens, c.completion_tokens, c.cached_tokens, c.latency_s, c.error
  FROM verdicts v LEFT JOIN calls c ON c.key = v.key WHERE v.row >= ? AND v.row < ? ORDER BY v.row, v.rowid"""
_LAST = 2**62  # no row has this number
GROUP_ROWS = 16_384  # of a row group: readers hold the statistics of all, 30 kB a group, and a million rows have 60 groups
GROUP_BYTES = 4_000_000  # of a row group, where its rows are fewer
PART_FOLDERS = ("rewards", "verdicts")


JOURNAL = "journal.sqlite"


def put_in_place(beside: Path, path: Path) -> None:
    """Move a finished file or folder to its name: what it holds is on the disk first, and after a crash the name is the old or
    the new one. Raises OSError."""
    inside = [*beside.iterdir(), beside] if beside.is_dir() else [beside]
    for each in [*inside, None]:
        handle = os.open(path.parent if each is None else each, os.O_RDONLY)
        try:
            if each is None:
                os.replace(beside, path)
            os.fsync(handle)
        finally:
            os.close(handle)


def _schemas() -> tuple[Any, Any]:
    import pyarrow as pa  # noqa: PLC0415  # 100 ms, paid once at the end of a run

    flag = pa.struct([("name", pa.string()), ("detail", pa.string()), ("where", pa.string())])
    step = [("score", pa.float64()), ("start", pa.int64()), ("stop", pa.int64()), ("reward", pa.float64())]
    rewards = pa.schema(
        [
            ("row", pa.int64()),
            ("id", pa.string()),
            ("group", pa.string()),
            ("response_index", pa.int32()),
            ("reward", pa.float64()),
            ("raw_reward", pa.float64()),
            ("status", pa.string()),
            ("reason", pa.string()),
            ("detail", pa.string()),
            ("flags", pa.list_(flag)),
            ("components", pa.map_(pa.string(), pa.float64())),
            ("spread", pa.float64()),
            ("missing_votes", pa.float64()),
            ("expected", pa.float64()),
            ("entropy", pa.float64()),
            ("order_gap", pa.float64()),
            ("variance", pa.float64()),
            ("explanation", pa.string()),
            ("judge_calls", pa.int32()),
            ("prompt_tokens", pa.int64()),
            ("completion_tokens", pa.int64()),
            ("stages", pa.list_(pa.struct([("step", pa.string()), ("reward", pa.float64())]))),
            ("steps", pa.list_(pa.struct(step))),
            ("prompt", pa.string()),
            ("response", pa.string()),
        ]
    )
    verdicts = pa.schema(
        [
            ("row", pa.int64()),
            ("id", pa.string()),
            ("request_hash", pa.string()),
            ("turn", pa.string()),
            ("order", pa.list_(pa.int32())),
            ("criteria", pa.list_(pa.string())),
            ("vote", pa.int32()),
            ("seed", pa.int64()),
            ("raw_text", pa.string()),
            ("value", pa.string()),
            ("scores", pa.list_(pa.list_(pa.float64()))),
            ("reason", pa.string()),
            ("detail", pa.string()),
            ("forced", pa.bool_()),
            ("cached", pa.bool_()),
            ("finish_reason", pa.string()),
            ("prompt_tokens", pa.int64()),
            ("completion_tokens", pa.int64()),
            ("cached_tokens", pa.int64()),
            ("latency_s", pa.float64()),
            ("error", pa.string()),
        ]
    )
    return rewards, verdicts


@lru_cache(maxsize=4096)
def _loads(text: str) -> Any:
    """Parsed JSON; most rows repeat the same few values. The result must not be changed."""
    return json.loads(text)


class _RewardTable:
    """Schema and records of rewards.parquet: the columns that it always has, then what is kept of the data, then the criteria."""

    def __init__(self, schema: Any, kept: KeptColumns) -> None:
        import pyarrow as pa  # noqa: PLC0415  # see _schemas

        types = {"bool": pa.bool_(), "int": pa.int64(), "float": pa.float64(), "text": pa.string()}
        self._kept, self._criteria = kept.columns(schema.names)
        more = [pa.field(column, types[kind]) for column, _, kind in self._kept]
        more += [pa.field(column, pa.float64()) for column, _ in self._criteria]
        self.schema = pa.schema([*schema, *more])
        self.columns = frozenset([*self._kept, *self._criteria])

    def record(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        stages = [{"step": name, "reward": value} for name, value in json.loads(row[21])] if row[21] else None
        components = _loads(row[10])
        data = json.loads(row[25]) if row[25] else {}
        kept = [as_kind(data.get(name), kind) for _, name, kind in self._kept]
        criteria = [components.get(name) for _, name in self._criteria]
        return (
            *row[:9],
            _loads(row[9]),
            list(components.items()),
            *row[11:21],
            stages,
            _loads(row[22]) if row[22] else None,
            *row[23:25],
            *kept,
            *criteria,
        )


def _verdict_record(row: tuple[Any, ...]) -> tuple[Any, ...]:
    scores = _loads(row[10]) if row[10] else None
    return (
        *row[:4],
        _loads(row[4]),
        _loads(row[5]),
        *row[6:10],
        scores,
        *row[11:13],
        bool(row[13]),
        bool(row[14]),
        *row[15:],
    )


@dataclass(frozen=True)
class JournalTable:
    """A table as it follows from the journal.

    Attributes:
        name: `rewards` or `verdicts`.
        columns: What it holds besides the columns that it always has.
    """

    name: str
    schema: Any
    columns: frozenset[tuple[str, ...]]
    _sql: str
    _record: Callable[[tuple[Any, ...]], tuple[Any, ...]]

    def pages(self, store: Store, first: int = 0, end: int = _LAST) -> Iterator[list[tuple[Any, ...]]]:
        """Records of the rows `first` to before `end` of the data, some at a time."""
        return map_pages(store.pages(self._sql, first, end), self._record)

    def tables(self, store: Store, first: int = 0, end: int = _LAST) -> Iterator[Any]:
        """The same as Arrow tables."""
        import pyarrow as pa  # noqa: PLC0415  # see _schemas

        for page in self.pages(store, first, end):
            columns = zip(*page, strict=True)
            arrays = [pa.array(list(c), type=f.type) for c, f in zip(columns, self.schema, strict=True)]
            yield pa.Table.from_arrays(arrays, schema=self.schema)

    def widened(self, some: Any) -> Any:
        """Rows of a table whose columns are some of these; they have nothing in the others."""
        import pyarrow as pa  # noqa: PLC0415  # see _schemas

        has = set(some.column_names)
        columns = [some[f.name] if f.name in has else pa.nulls(some.num_rows, f.type) for f in self.schema]
        return pa.Table.from_arrays(columns, schema=self.schema)


def tables_of(store: Store) -> tuple[JournalTable, JournalTable]:
    """The tables with the columns that are known so far."""
    always, verdicts = _schemas()
    rewards = _RewardTable(always, store.kept)
    return (
        JournalTable("rewards", rewards.schema, rewards.columns, _REWARDS_SQL, rewards.record),
        JournalTable("verdicts", verdicts, frozenset(), _VERDICTS_SQL, _verdict_record),
    )


def write_tables(
    store: Store, folder: Path, *, jsonl: bool = False, source: Callable[[JournalTable], Iterator[Any]] | None = None
) -> None:
    """Write rewards.parquet and verdicts.parquet (and rewards.jsonl), a page of rows at a time; requests.parquet takes its place.

    Args:
        source: Gives a table's rows as Arrow tables; None: the journal does.

    Raises:
        OutputError: The disk does not take them; the journal still holds everything.
    """
    store.note_columns()
    made = tables_of(store)
    try:
        for table in made:
            _parquet(folder / f"{table.name}.parquet", table.schema, table.tables(store) if source is None else source(table))
        if jsonl:
            _jsonl(folder / "rewards.jsonl", made[0].schema.names, made[0].pages(store))
        store.requests.finish()
    except OSError as why:
        raise OutputError(
            f"{folder}: the tables cannot be written: {why.strerror or why}; every judge call is kept in {store.path.name}: make"
            " room and run the same command again, it asks for nothing twice"
        ) from None
    clear_parts(folder)


def clear_parts(folder: Path) -> int:
    """Take away the parts of tables, whichever run they are of; gives how many parts of the rewards there were.

    Raises:
        OutputError: They cannot be taken away, and a reader would take them for the table.
    """
    found = sum(1 for _ in (folder / PART_FOLDERS[0]).glob("part-*.parquet"))
    for name in PART_FOLDERS:
        gone = folder / f".{name}.gone"
        try:
            shutil.rmtree(gone, ignore_errors=True)  # a start that was killed here
            (folder / name).rename(gone)  # all at once: a reader must not list some of them
            shutil.rmtree(gone)
        except FileNotFoundError:
            continue
        except OSError as why:
            raise OutputError(f"{folder / name}: cannot be taken away: {why.strerror or why}") from None
    return found


def map_pages(pages: Iterator[list[tuple[Any, ...]]], make: Any) -> Iterator[list[tuple[Any, ...]]]:
    """Apply `make` to each row of each page."""
    for page in pages:
        yield [make(row) for row in page]


def table_writer(path: Path, schema: Any) -> Any:
    """A Parquet file to write tables to."""
    import pyarrow.parquet as pq  # noqa: PLC0415  # see _schemas

    repeated = [
        name for name in schema.names if name not in ("prompt", "response", "explanation")
    ]  # else a dictionary of all texts
    return pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=repeated)


def _parquet(path: Path, schema: Any, tables: Iterator[Any]) -> None:
    beside = path.with_suffix(".parquet.partial")
    with table_writer(beside, schema) as writer:
        for some in _full(tables):
            writer.write_table(some)
    put_in_place(beside, path)


def _full(tables: Iterator[Any]) -> Iterator[Any]:
    """The same rows in tables that are worth a row group each."""
    import pyarrow as pa  # noqa: PLC0415  # loaded already

    held: list[Any] = []
    for some in tables:
        held.append(some)
        if sum(each.num_rows for each in held) >= GROUP_ROWS or sum(each.nbytes for each in held) >= GROUP_BYTES:
            yield pa.concat_tables(held)
            held = []
    if held:
        yield pa.concat_tables(held)


def _jsonl(path: Path, names: list[str], pages: Iterator[list[tuple[Any, ...]]]) -> None:
    beside = path.with_suffix(".jsonl.partial")
    with beside.open("w", encoding="utf-8") as out:
        for page in pages:
            for row in page:
                record = dict(zip(names, row, strict=True))
                record["components"] = dict(record["components"])
                out.write(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n")
    put_in_place(beside, path)


def write_json(path: Path, value: Mapping[str, Any], left: str = "the tables beside it are complete") -> None:
    """Write one JSON file in place of the old one.

    Args:
        left: What is there all the same, for the message when the disk does not take it.
    """
    beside = path.with_suffix(".json.partial")
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    try:  # a file name may hold bytes that are not UTF-8; JSON can say them as escapes
        beside.write_text(text, encoding="utf-8", errors="backslashreplace")
        os.replace(beside, path)
    except OSError as why:
        raise OutputError(f"{path}: cannot be written: {why.strerror or why}; {left}") from None
