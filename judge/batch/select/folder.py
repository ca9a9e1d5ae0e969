"""The files of a run folder, as far as selecting reads them, and whether the data are still those that were judged."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from judge.batch.files import HUB, content_hash
from judge.batch.store_rows import EXCERPT
from judge.errors import DataError, InputError, Problem
from judge.jsonfile import parse_json
from judge.tables import run_state, table_files

By = Literal["raw_reward", "reward"]
TABLE = "rewards.parquet"


def read_facts(run: Path, *, unfinished: bool = False) -> dict[str, Any]:
    """The `run.json` of a run that came to an end. Raises `DataError` when there is none.

    Args:
        unfinished: One that is on its way will do, with what it has judged so far.
    """
    if not run.is_dir():
        raise DataError(
            Problem(str(run), "no such run folder" if not run.exists() else "is a file; name a folder of `judge run`")
        )
    for name in ("run.json", TABLE):
        if not (run / name).is_file() and not (unfinished and name == TABLE and table_files(run, "rewards")):
            raise DataError(Problem(str(run), f"no {name} here: not a folder of `judge run`, or its run never came to an end"))
    facts = parse_json((run / "run.json").read_bytes(), str(run / "run.json"), DataError, halves=True)
    if not isinstance(facts, dict) or not isinstance(facts.get("data"), dict):
        raise DataError(Problem(str(run / "run.json"), "no `data` in it: not a file of `judge run`"))
    return facts | ({"state": run_state(run, facts)} if "state" in facts else {})


class _TakenAway(DataError):
    """A file was listed and is no longer there."""


def table_batches(run: Path, name: str, columns: Sequence[str]) -> Iterator[Any]:
    """As `batches`, of a table of a run folder, also where the run ends meanwhile and its parts become one file.

    The parts are the beginning of that file, row by row, so it is read on from where they were left.

    Raises:
        DataError: A file cannot be read, or was taken away and nothing came in its place.
    """
    done = 0
    for left in reversed(range(_TRIES)):
        skip = done
        try:
            for batch in batches(table_files(run, name), columns):
                rest = batch.slice(min(skip, batch.num_rows))
                skip -= batch.num_rows - rest.num_rows
                done += rest.num_rows
                if rest.num_rows:
                    yield rest
            return
        except _TakenAway:
            if not left:
                raise
            time.sleep(0.05)


def batches(files: Sequence[Path], columns: Sequence[str]) -> Iterator[Any]:
    """Record batches of a table of a run folder, of a thousand rows at most; columns that a file lacks are left out.

    Raises:
        DataError: A file cannot be read.
    """
    import pyarrow as pa  # noqa: PLC0415  # 100 ms that `judge --help` need not pay
    import pyarrow.parquet as pq  # noqa: PLC0415

    for path in files:
        try:
            with pq.ParquetFile(path) as file:
                has = set(file.schema_arrow.names)
                yield from file.iter_batches(batch_size=1024, columns=[name for name in columns if name in has])
        except FileNotFoundError:
            what = "was taken away while it was read; has another run begun in this folder?"
            raise _TakenAway(Problem(str(path), what)) from None
        except (pa.ArrowException, OSError) as why:
            raise DataError(Problem(str(path), f"not a readable Parquet file: {why}")) from None


_TRIES = 5
_NEEDED = ("row", "id", "response_index", "reward", "raw_reward", "status", "flags", "components")


def rewards_by_row(run: Path) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """Rows of the data in order, each with its records of rewards.parquet, a thousand records at a time.

    Raises:
        DataError: The file is not there, cannot be read, or is none of `judge run`.
    """
    path = run / TABLE
    if not table_files(run, "rewards"):
        raise DataError(Problem(str(path), "no such file"))
    row, held = -1, list[dict[str, Any]]()
    for batch in table_batches(run, "rewards", (*_NEEDED, "variance")):
        if missing := [name for name in _NEEDED if name not in batch.schema.names]:
            raise DataError(Problem(str(path), f"no column `{missing[0]}`: not a file of `judge run`"))
        for record in batch.to_pylist():
            if record["row"] < row:
                raise DataError(Problem(str(path), "its rows are not in the order of the data: not a file of `judge run`"))
            if record["row"] > row and held:
                yield row, held
                held = []
            row = record["row"]
            held.append(record)
    if held:
        yield row, held


def read_rewards(run: Path) -> dict[int, list[dict[str, Any]]]:
    """Rows of rewards.parquet by row of the data. Raises `DataError` as `rewards_by_row`."""
    return dict(rewards_by_row(run))


def several_responses(run: Path) -> bool:
    """Whether a row of the data has several responses."""
    import pyarrow.compute as pc  # noqa: PLC0415  # see `batches`

    return _most(pc.max(batch.column(0)).as_py() for batch in table_batches(run, "rewards", ["response_index"])) > 0


def _most(values: Iterable[int | None]) -> int:
    return max((value for value in values if value is not None), default=0)


def read_table(path: Path, columns: list[str]) -> list[dict[str, Any]]:
    """Rows of a Parquet file of a run folder, those of the columns that it has. Raises `DataError` when it cannot be read."""
    return [record for batch in batches([path], columns) for record in batch.to_pylist()]


def check_data(source: str, told: Mapping[str, Any], facts: Mapping[str, Any], run: Path, *, named: bool) -> tuple[str, ...]:
    """Refuse other data than those that were judged (`DataError`); gives what is worth a note."""
    notes = []
    if facts.get("state") == "running":
        notes.append(f"{run}: the run is not at its end; these are the rows that it has put into its folder so far")
    if facts.get("state") == "interrupted":
        notes.append(f"{run}: the run was interrupted, so groups may lack responses; run it again to judge the rest")
    if not source:
        raise InputError(f"{run}: run.json names no data set; give the one that was judged with --data")
    path = Path(source)
    on_hub = source.startswith(HUB) or (not path.suffix and source.count("/") == 1)
    if not named and not path.exists() and not on_hub and _hash_of(source) is None:
        raise DataError(Problem(source, "the data of the run are not there (seen from this folder); say where with --data"))
    expected = told.get("sha256")
    if not expected or (found := _hash_of(source)) is None:
        notes.append(f"{source}: no file with a known hash; only ids, counts and beginnings were compared")
    elif found != expected:
        raise DataError(
            Problem(source, "not the data that were judged: its SHA-256 is not the one in run.json; run `judge run` again")
        )
    return tuple(notes)


def compares(run: Path, *, several: bool) -> bool:
    """Whether a judge saw several responses at once. Without its calls: whether there were several to see."""
    if not table_files(run, "verdicts"):
        return several
    import pyarrow.compute as pc  # noqa: PLC0415  # see `batches`

    return _most(pc.max(pc.list_value_length(batch.column(0))).as_py() for batch in table_batches(run, "verdicts", ["order"])) > 1


def _hash_of(source: str) -> str | None:
    try:
        return content_hash(source)
    except OSError as why:
        raise DataError(Problem(source, f"cannot be read: {why.strerror}")) from None


class Excerpts:
    """Beginnings of the responses as the journal has them, asked for row by row; none where it is gone or of another version."""

    def __init__(self, run: Path) -> None:
        self._db: sqlite3.Connection | None = None
        path = run / "journal.sqlite"
        if path.is_file():
            with contextlib.suppress(sqlite3.Error):
                self._db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        self._rows = self._read()
        self._next: tuple[int, int, str] | None = next(self._rows, None)

    def _read(self) -> Iterator[tuple[int, int, str]]:
        if self._db is None:
            return
        with contextlib.suppress(sqlite3.Error), contextlib.closing(self._db) as db:
            yield from db.execute(
                f"SELECT row, response_index, substr(response, 1, {EXCERPT}) FROM rewards ORDER BY row, response_index"
            )

    def of(self, row: int) -> dict[int, str]:
        """Those of a row, by response; rows are asked for in ascending order."""
        found: dict[int, str] = {}
        while self._next is not None and self._next[0] <= row:
            if self._next[0] == row:
                found[self._next[1]] = self._next[2]
            self._next = next(self._rows, None)
        return found


def clean(text: str) -> str:
    """Text as the run folder holds it: UTF-8, in which half a surrogate pair cannot stand."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
