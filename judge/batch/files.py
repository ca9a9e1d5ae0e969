"""Files of a data set -> rows, whatever they are called and however they are packed.

- What is packed as gz, zst, bz2 or xz is unpacked on the way, and Parquet is read, whatever the file is called. What a file
  without a known ending holds is told by its first bytes, and `.json` may be JSON Lines: data sets come under both names.
- A row that cannot be decoded is given as the reason, and the others go on.
"""

from __future__ import annotations

import csv
import glob
import hashlib
import io
import itertools
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from judge.batch.kinds import KINDS, MAX_LINE, ending_of, holds_something, is_rows, kind_of, opened, readable
from judge.batch.layouts import DataRow
from judge.errors import DataError, Problem, did_you_mean
from judge.jsonfile import parse_json
from judge.yamlfile import shown

HUB = "hub:"  # in front of a name: rows come while they are fetched, and nothing is kept on the disk


Choose = Callable[[Sequence[str]], Collection[str] | None]


def _all(names: Sequence[str]) -> None:
    return None


def read_rows(data: str, split: str = "", *, config: str = "", choose: Choose = _all) -> Iterator[tuple[str, DataRow | str]]:
    """(where, row) pairs; a row that cannot be decoded is given as the reason.

    Args:
        data: A file, a pattern such as `parts/*.parquet`, a folder, a hub name, or `hub:NAME` (rows come while they are fetched).
        split: Of a `datasets` folder or hub name.
        config: Name of a hub data set's configuration.
        choose: Of the names of all columns those that are wanted, where a format can leave the others undecoded; None: all.

    Raises:
        DataError: There is no such file, or it is no data set.
    """
    files = data_files(data, split=split, config=config)
    if files is None:
        yield from _dataset_rows(data, split, config, choose)
        return
    nothing = frozenset(passed_over(files))
    for path in files:
        if path not in nothing:
            yield from _file_rows(path, choose)


def passed_over(data: str | Sequence[Path], *, split: str = "", config: str = "") -> list[Path]:
    """Of several files those that hold nothing, as writers in parts leave them: they are no rows. A file alone is not one.

    All files are looked at before the first row is read, so what is wrong with the last is not found after the others are paid.

    Raises:
        DataError: There is no such file, or one cannot be read or unpacked or is of no known kind, by its first bytes.
    """
    files = data_files(data, split=split, config=config) if isinstance(data, str) else data
    return [] if files is None or len(files) < 2 else [path for path in files if not holds_something(path)]


def data_files(data: str, *, split: str = "", config: str = "") -> list[Path] | None:
    """The files that a data set consists of, in the order of their names; None where `datasets` has to find them.

    A folder is its data files where nothing says more about them: no README or index of `datasets`, no split or configuration
    asked for, and no file that is called after a split.

    Raises:
        DataError: There is no such file, no file fits the pattern, or the folder holds no data.
    """
    path = Path(data)
    if path.is_dir():
        return None if split or config or _is_dataset(path) else _known_files(path.iterdir(), data)
    if path.exists():
        return [path]
    if data.startswith(HUB) or (not _is_pattern(data) and not path.suffix and data.count("/") == 1):
        return None
    if _is_pattern(data):
        found = sorted(Path(name) for name in glob.glob(data, recursive=True) if Path(name).is_file())
        if not found:
            raise DataError(Problem(data, "no file fits this pattern"))
        return found
    near = did_you_mean(path.name, (p.name for p in path.parent.glob("*"))) if path.parent.is_dir() else ""
    raise DataError(Problem(data, f"no such file{near}"))


def _is_pattern(data: str) -> bool:
    return any(mark in data for mark in "*?[")


def _is_dataset(folder: Path) -> bool:
    """Whether `datasets` knows more about a folder than the names of its files say, or looks deeper."""
    names = [path.name.lower() for path in folder.iterdir()]
    own = {"state.json", "dataset_dict.json", "dataset_infos.json", "readme.md"}
    splits = ("train", "test", "valid", "dev", "eval")
    named = any(word in name for name in names for word in splits)
    return named or bool(own.intersection(names)) or any(path.is_dir() for path in folder.iterdir())


def _known_files(paths: Iterable[Path], data: str) -> list[Path] | None:
    """The files of a folder that are data by their names; None where there are none."""
    return sorted(path for path in paths if path.is_file() and ending_of(path) in KINDS) or None


def _file_rows(path: Path, choose: Choose) -> Iterator[tuple[str, DataRow | str]]:
    """Rows of one file."""
    with readable(path):
        if path.stat().st_size == 0:
            raise DataError(Problem(str(path), "the file is empty"))
        kind = kind_of(path)
        if kind == ".parquet":
            yield from _parquet(path, choose)
        elif kind in (".csv", ".tsv"):
            yield from _csv(path, "\t" if kind == ".tsv" else ",")
        elif kind == ".json":
            yield from _json(path)
        else:
            yield from _jsonl(path)


def holds_cells(data: str) -> bool:
    """Whether the data come from tables of text, where a cell may hold JSON."""
    if Path(data).is_file() and Path(data).stat().st_size == 0:
        return False
    files = data_files(data) if _is_pattern(data) or Path(data).exists() else None
    full = [path for path in files or () if path.stat().st_size]
    return bool(full) and all(kind_of(path) in (".csv", ".tsv") for path in full)


def content_hash(data: str) -> str | None:
    """SHA-256 of a file, or of the hashes of several in their order; None where that is not known.

    Raises:
        OSError: A file cannot be read.
    """
    try:
        files = data_files(data)
    except DataError:
        return None
    if not files:
        return None
    found = []
    for path in files:
        with path.open("rb") as file:
            found.append(hashlib.file_digest(file, "sha256").hexdigest())
    return found[0] if len(found) == 1 else hashlib.sha256("\n".join(found).encode()).hexdigest()


def count_rows(data: str) -> int | None:
    """How many rows there are, where that costs little: Parquet says so, and lines are counted; None where nobody knows."""
    try:
        files = data_files(data)
    except DataError:
        return None
    counts = [_count(path) for path in files or () if len(files or ()) == 1 or path.stat().st_size]
    return None if not counts or None in counts else sum(filter(None, counts))


def _count(path: Path) -> int | None:
    if path.stat().st_size == 0:
        return None
    kind = kind_of(path)
    if kind == ".parquet":
        return int(_parquet_file(path).metadata.num_rows)
    if kind != ".jsonl":
        return None
    try:
        with readable(path), opened(path) as lines:
            return sum(1 for line in lines if line.strip())
    except DataError:  # broken in its middle: the rows before that are judged
        return None


def _jsonl(path: Path) -> Iterator[tuple[str, DataRow | str]]:
    with opened(path) as lines:
        for number in itertools.count(1):
            raw = lines.readline(MAX_LINE + 1)
            if not raw:
                return
            where = f"{path}:{number}"
            if len(raw) > MAX_LINE:
                while raw and not raw.endswith(b"\n"):
                    raw = lines.readline(MAX_LINE)
                yield where, f"more than {MAX_LINE:,} bytes in one line"
            elif raw.strip():
                yield where, _row(raw, where)


def _row(raw: bytes, where: str) -> DataRow | str:
    try:
        row = parse_json(raw, where, DataError, halves=True, nan_is_null=True)
    except DataError as why:
        return why.problems[0].what
    return row if isinstance(row, dict) else f"a row must be an object, not {shown(row)}"


def _json(path: Path) -> Iterator[tuple[str, DataRow | str]]:
    with opened(path) as file:
        rows = parse_json(file.read(), str(path), DataError, halves=True, nan_is_null=True)
    if isinstance(rows, dict) and rows and all(is_rows(part) for part in rows.values()):
        rows = list(itertools.chain.from_iterable(rows.values()))  # by subset
    elif isinstance(rows, dict) and sum(is_rows(part) for part in rows.values()) == 1:
        rows = next(part for part in rows.values() if is_rows(part))  # with notes beside them
    if not isinstance(rows, list):
        raise DataError(Problem(str(path), f"expected a list of objects, not {shown(rows)}"))
    for index, row in enumerate(rows):
        yield f"{path}[{index}]", row if isinstance(row, dict) else f"a row must be an object, not {shown(row)}"


def _csv(path: Path, delimiter: str) -> Iterator[tuple[str, DataRow | str]]:
    csv.field_size_limit(sys.maxsize)
    try:
        with opened(path) as raw, io.TextIOWrapper(raw, newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines, delimiter=delimiter, strict=True)
            for row in reader:
                bad = None in row or any(v is None for v in row.values())
                got = len(row) - (None in row) - sum(v is None for v in row.values()) + len(row.get(None) or ())
                yield (
                    f"{path}:{reader.line_num}",
                    f"expected {len(reader.fieldnames or ())} columns, got {got}" if bad else row,
                )
    except UnicodeDecodeError as why:
        raise DataError(Problem(_undecodable(path), f"not UTF-8 ({why.reason}); save the file as UTF-8")) from None
    except csv.Error as why:
        raise DataError(Problem(f"{path}:{reader.reader.line_num}", f"not valid CSV: {why}")) from None


def _undecodable(path: Path) -> str:
    """`file:line` of the first line that is not UTF-8."""
    with opened(path) as lines:
        for number, raw in enumerate(lines, 1):
            if raw.decode("utf-8", "replace").encode() != raw:
                return f"{path}:{number}"
    return str(path)


def _parquet_file(path: Path) -> Any:
    import pyarrow as pa  # noqa: PLC0415  # 100 ms that JSONL users need not pay
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as why:
        raise DataError(Problem(str(path), f"not a readable Parquet file: {why}")) from None


def _parquet(path: Path, choose: Choose) -> Iterator[tuple[str, DataRow | str]]:
    import pyarrow as pa  # noqa: PLC0415  # see _parquet_file

    table = _parquet_file(path)
    names = table.schema_arrow.names
    chosen = choose(names)
    wanted = None if chosen is None else [name for name in names if name in chosen]
    try:
        index = 0
        for batch in table.iter_batches(batch_size=256, columns=wanted):
            for row in batch.to_pylist():
                yield f"{path}[{index}]", row
                index += 1
    except (pa.ArrowException, OSError) as why:
        raise DataError(Problem(str(path), f"not a readable Parquet file: {why}")) from None


def _dataset_rows(name: str, split: str, config: str, choose: Choose) -> Iterator[tuple[str, DataRow | str]]:
    import datasets  # noqa: PLC0415  # 1 s that file users need not pay

    try:
        if (Path(name) / "state.json").exists() or (Path(name) / "dataset_dict.json").exists():
            found = datasets.load_from_disk(name)
        else:
            streams = name.startswith(HUB)
            found = datasets.load_dataset(name.removeprefix(HUB), config or None, streaming=streams)
    except Exception as why:  # noqa: BLE001  # the library raises a dozen unrelated types for "not there"
        raise DataError(
            Problem(name, _without_config(name.removeprefix(HUB), config) or f"cannot be loaded as a data set: {why}")
        ) from None
    if isinstance(found, datasets.DatasetDict | datasets.IterableDatasetDict):
        chosen = split or (next(iter(found)) if len(found) == 1 else "test" if "test" in found else "train")
        if chosen not in found:
            raise DataError(Problem(name, f"no split `{chosen}`; splits: {', '.join(found)}"))
        found = found[chosen]
    if isinstance(found, datasets.IterableDataset) and found.column_names is None:
        found = found.resolve_features()
    if (wanted := choose(found.column_names or ())) is not None:
        found = found.select_columns([column for column in found.column_names if column in wanted])
    for index, row in enumerate(found):
        yield f"{name}[{index}]", row


def _without_config(name: str, config: str) -> str:
    """What to say where a data set has several configurations and none of them, or an unknown one, was named."""
    import datasets  # noqa: PLC0415  # loaded already

    try:
        known = datasets.get_dataset_config_names(name)
    except Exception:  # noqa: BLE001  # as above; the first error says more
        return ""
    if config in known or len(known) < 2:
        return ""
    what = f"no configuration `{config}`{did_you_mean(config, known)}" if config else "there are several configurations"
    return f"{what}; choose one, for example --data-config {known[0]}; configurations: {', '.join(known[:40])}"
