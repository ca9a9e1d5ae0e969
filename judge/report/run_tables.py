"""The tables of a run folder, column by column: what reports, labels and trackers read of a run, finished or on its way."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from judge.arrays import Floats
from judge.errors import InputError, Problem
from judge.tables import open_tables, run_state, table_files

if TYPE_CHECKING:
    import pyarrow as pa
SOME = 16_384  # values of a column that are looked at together


@dataclass(frozen=True)
class RunTables:
    """What a run left behind.

    Attributes:
        folder: The run folder.
        run: Contents of `run.json`.
    """

    folder: Path
    run: Mapping[str, Any]
    _read: dict[str, pa.Table] = field(default_factory=dict, repr=False, compare=False)

    def columns(self, names: Sequence[str], table: str = "rewards") -> pa.Table:
        """Columns of `rewards` or `verdicts`; those that the file lacks are left out.

        Raises:
            InputError: The file cannot be read.
        """
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415  # 100 ms

        path = self.folder / f"{table}.parquet"
        try:
            found = []
            for file in self._files(table):
                there = pq.read_schema(file).names
                found.append(pq.read_table(file, columns=[n for n in names if n in there]))
            return pa.concat_tables(found, promote_options="permissive") if len(found) > 1 else found[0]
        except (OSError, ValueError) as why:
            raise InputError(Problem(str(path), f"cannot be read: {why}; run the same `judge run` again to write it")) from None

    @cached_property
    def _opened(self) -> dict[str, list[Any]]:
        return open_tables(self.folder)

    def _files(self, table: str) -> list[Any]:
        """The files of a table, the same for all that is read of a run that goes on. Raises OSError where there is none."""
        files = self._opened.get(table)
        if not files:
            raise FileNotFoundError(f"no {table}.parquet")
        return files

    @cached_property
    def names(self) -> list[str]:
        """Columns of rewards.parquet."""
        import pyarrow.parquet as pq  # noqa: PLC0415

        try:
            files = self._files("rewards")
            return list(dict.fromkeys(name for file in files for name in pq.read_schema(file).names))
        except (OSError, ValueError) as why:
            raise InputError(Problem(str(self.folder / "rewards.parquet"), f"cannot be read: {why}")) from None

    def floats(self, name: str, table: str = "rewards") -> Floats:
        """One column as floats; NaN where there is none."""
        return self._numbers(name, lambda column: column, np.float64, table)

    def _numbers(
        self, name: str, make: Callable[[Any], Any], kind: type[np.generic], table: str = "rewards"
    ) -> np.ndarray[Any, Any]:
        """One number for each value of a column, made some thousand at a time, so that a column of texts is never held; NaN where
        there is no such column."""
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415  # 100 ms

        at, there = 0, False
        try:
            files = self._files(table)
            out = np.zeros(sum(int(pq.read_metadata(file).num_rows) for file in files), dtype=kind)
            for path in files:
                with pq.ParquetFile(path) as file:
                    if name not in file.schema_arrow.names:
                        out[at : at + file.metadata.num_rows] = np.nan if kind is np.float64 else 0
                        at += file.metadata.num_rows
                        continue
                    there = True
                    for batch in file.iter_batches(batch_size=SOME, columns=[name], use_threads=False):
                        out[at : at + batch.num_rows] = make(batch.column(0)).to_numpy(zero_copy_only=False)
                        at += batch.num_rows
        except (OSError, ValueError) as why:
            problem = f"cannot be read: {why}; run the same `judge run` again to write it"
            raise InputError(Problem(str(self.folder / f"{table}.parquet"), problem)) from None
        pa.default_memory_pool().release_unused()
        return out if there else np.full(out.size, np.nan)

    def __len__(self) -> int:
        import pyarrow.parquet as pq  # noqa: PLC0415

        try:
            return sum(int(pq.read_metadata(file).num_rows) for file in self._files("rewards"))
        except (OSError, ValueError) as why:
            raise InputError(Problem(str(self.folder / "rewards.parquet"), f"cannot be read: {why}")) from None

    @cached_property
    def raw(self) -> Floats:
        """Raw rewards of what was judged, shape (responses,); NaN where there is none, or a filter or a rule decided."""
        import pyarrow.compute as pc  # noqa: PLC0415

        raw = self.floats("raw_reward")
        judged = self._numbers("status", lambda column: pc.equal(column, "judged"), np.bool_)
        asked = self.floats("judge_calls") + self.floats("completion_tokens") > 0
        return np.where(judged & asked, raw, np.nan)

    @cached_property
    def lengths(self) -> Floats:
        """Characters of each response, shape (responses,); NaN where the text was not kept."""
        import pyarrow.compute as pc  # noqa: PLC0415

        return self._numbers("response", pc.utf8_length, np.float64)

    @cached_property
    def groups(self) -> np.ndarray[Any, Any]:
        """Number of each response's group, shape (responses,), from 0.

        Names are told apart by 64 bits: of a million groups two are taken for one with a chance of 3 in 100 million.
        """
        import pyarrow as pa  # noqa: PLC0415

        hashes = self._numbers("group", lambda column: pa.array(map(hash, column.to_pylist()), pa.int64()), np.int64)
        number = np.array(pa.array(hashes).dictionary_encode().indices)  # a copy, so that Arrow's table of names is not held
        pa.default_memory_pool().release_unused()
        return number

    def verdicts(self, names: Sequence[str], *, shown: int | None = None) -> Iterator[dict[str, Any]]:
        """Rows of verdicts.parquet with these columns, a batch in memory at a time.

        Args:
            shown: Only calls that showed so many responses; of a run of single ones, no row is made.
        """
        import pyarrow.compute as pc  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415

        path = self.folder / "verdicts.parquet"
        try:
            for each in self._files("verdicts"):
                with pq.ParquetFile(each) as file:
                    there = [n for n in names if n in file.schema_arrow.names]
                    for batch in file.iter_batches(batch_size=4096, columns=there):
                        kept = batch if shown is None else batch.filter(pc.equal(pc.list_value_length(batch["order"]), shown))
                        yield from kept.to_pylist()
        except (OSError, ValueError) as why:
            raise InputError(Problem(str(path), f"cannot be read: {why}")) from None

    def flagged(self) -> Counter[str]:
        """Flag -> how many responses carry it; of each flag nothing but its name is read."""
        import pyarrow.parquet as pq  # noqa: PLC0415

        found = Counter[str]()
        try:
            for each in self._files("rewards"):
                with pq.ParquetFile(each) as file:
                    paths = (file.schema.column(place).path for place in range(len(file.schema)))
                    names = [path for path in paths if re.fullmatch(r"flags\.list\.\w+\.name", path)]
                    for batch in file.iter_batches(batch_size=SOME, columns=names, use_threads=False) if names else ():
                        found.update(flag["name"] for flag in batch.column(0).flatten().to_pylist())
        except (OSError, ValueError) as why:
            raise InputError(Problem(str(self.folder / "rewards.parquet"), f"cannot be read: {why}")) from None
        return found

    @cached_property
    def criteria(self) -> dict[str, Floats]:
        """Criterion -> its scores in [0, 1], shape (responses,); NaN where it has no verdict. Of the first 256 criteria."""
        names = [n for n in self.names if n.startswith("criterion.")]
        return {n.removeprefix("criterion."): self.floats(n) for n in names}


def folder_names(folders: Sequence[Path]) -> list[str]:
    """A short name for each folder: as much of the end of its path as tells them apart."""
    for depth in range(1, 6):
        names = ["/".join(folder.resolve().parts[-depth:]) for folder in folders]
        if len(set(names)) == len(names):
            return names
    return list(map(str, folders))


def load_tables(folder: str | Path) -> RunTables:
    """Open a run folder.

    Raises:
        InputError: There is no such folder, it holds no finished run, or its files cannot be read.
    """
    path = Path(folder)
    if not path.is_dir():
        raise InputError(Problem(str(folder), "no such run folder; it is what `judge run --output` made"))
    record = path / "run.json"
    if not record.is_file():
        raise InputError(Problem(str(folder), "holds no run (no run.json); it is what `judge run --output` made"))
    try:
        run = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError) as why:
        raise InputError(Problem(str(record), f"cannot be read: {why}")) from None
    if isinstance(run, dict) and "state" in run:
        run["state"] = run_state(path, run)
    if not table_files(path, "rewards"):
        raise InputError(Problem(str(folder), _no_rows(run if isinstance(run, dict) else {})))
    return RunTables(path, run)


def _no_rows(run: Mapping[str, Any]) -> str:
    """What is the matter with a run folder that holds no table."""
    again = "the same `judge run` goes on where it was and asks for nothing twice"
    if run.get("state") == "running":
        return "no rows yet: the first are written after half a minute"
    if "state" in run:
        return f"no rows: the run ended before its tables were written (state `{run['state']}`); {again}"
    return "holds no rewards.parquet: run `judge run` to its end"
