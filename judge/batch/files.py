"""Files of a data set -> rows, whatever they are called and however they are packed.

- What is packed as gz, zst, bz2 or xz is unpacked on the way, and Parquet is read, whatever the file is called. What a file
  without a known ending holds is told by its first bytes, and `.json` may be JSON Lines: data sets come under both names.
- A row that cannot be decoded is given as the reason, and the others go on.
"""

from __future__ import annotations

import bz2
import contextlib
import csv
import glob
import gzip
import hashlib
import io
import itertools
import lzma
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from judge.batch.layouts import DataRow
from judge.errors import DataError, InputError, Problem, did_you_mean
from judge.jsonfile import parse_json
from judge.yamlfile import shown

MAX_LINE = 256 * 1024 * 1024  # bytes of one JSONL row
HUB = "hub:"  # in front of a name: rows come while they are fetched, and nothing is kept on the disk
KINDS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
_MAGIC = {".gz": b"\x1f\x8b", ".zst": b"\x28\xb5\x2f\xfd", ".bz2": b"BZh", ".xz": b"\xfd7zXZ\x00"}
_PACKED = tuple(_MAGIC)


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
    for path in files:
        yield from _file_rows(path, choose)


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
    return sorted(path for path in paths if path.is_file() and _ending(path) in KINDS) or None


def _ending(path: Path) -> str:
    """The ending of a file's name, without that of its packing."""
    return Path(path.name.removesuffix(path.suffix)).suffix.lower() if path.suffix.lower() in _PACKED else path.suffix.lower()


def _file_rows(path: Path, choose: Choose) -> Iterator[tuple[str, DataRow | str]]:
    """Rows of one file."""
    try:
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
    except (EOFError, gzip.BadGzipFile, lzma.LZMAError) as why:
        raise DataError(Problem(str(path), f"cannot be unpacked: {why}")) from None
    except OSError as why:
        raise DataError(Problem(str(path), f"cannot be read: {why.strerror or why}")) from None


def holds_cells(data: str) -> bool:
    """Whether the data come from tables of text, where a cell may hold JSON."""
    if Path(data).is_file() and Path(data).stat().st_size == 0:
        return False
    files = data_files(data) if _is_pattern(data) or Path(data).exists() else None
    return bool(files) and all(path.stat().st_size and kind_of(path) in (".csv", ".tsv") for path in files or ())


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
    counts = [_count(path) for path in files or ()]
    return None if not counts or None in counts else sum(filter(None, counts))


def _count(path: Path) -> int | None:
    if path.stat().st_size == 0:
        return None
    kind = kind_of(path)
    if kind == ".parquet":
        return int(_parquet_file(path).metadata.num_rows)
    if kind != ".jsonl":
        return None
    with _opened(path) as lines:
        return sum(1 for line in lines if line.strip())


def kind_of(path: Path) -> str:
    """The kind of a file, by its name and, where that says nothing or `.json`, by its first bytes.

    Raises:
        DataError: Neither says what it is.
    """
    ending = _ending(path)
    with _opened(path) as file:
        head = file.read(4096)
    if head[:4] == b"PAR1":
        return ".parquet"
    if b"\x00" in head and not head.startswith((b"{", b"[", b"\xff\xfe", b"\xfe\xff")):
        raise DataError(
            Problem(str(path), f"holds binary data, and no Parquet file begins so; known: {', '.join(KINDS)} (also .gz, .zst)")
        )
    if ending in KINDS and ending != ".json":
        return ".jsonl" if ending == ".ndjson" else ending
    begins = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if ending == ".json":
        return ".jsonl" if begins == b"{" and _is_lines(path) else ".json"
    if begins in (b"{", b"["):
        return ".jsonl" if begins == b"{" else ".json"
    raise DataError(
        Problem(str(path), f"unknown file type `{path.suffix}`; known: {', '.join(KINDS)} (also .gz, .zst), or a datasets folder")
    )


def _is_lines(path: Path) -> bool:
    """Whether the first line is an object of its own."""
    with _opened(path) as lines:
        first = next((line for line in iter(lambda: lines.readline(MAX_LINE), b"") if line.strip()), b"")
        rest = any(line.strip() for line in iter(lambda: lines.readline(MAX_LINE), b""))
    try:
        return isinstance(parse_json(first, "", halves=True, nan_is_null=True), dict) and (rest or not _holds_rows(first))
    except InputError:
        return False


def _holds_rows(document: bytes) -> bool:
    return any(_is_rows(part) for part in parse_json(document, "", halves=True, nan_is_null=True).values())


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The file's bytes, unpacked."""
    ending = _packed_as(path)
    if ending == ".zst":
        import pyarrow as pa  # noqa: PLC0415  # the codec is there already; 100 ms that others need not pay

        with (
            pa.OSFile(str(path)) as raw,
            pa.CompressedInputStream(raw, "zstd") as packed,
            io.BufferedReader(_Raw(packed)) as file,
        ):
            yield file
        return
    opener: Any = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}.get(ending, open)
    with opener(path, "rb") as file:
        yield file


def _packed_as(path: Path) -> str:
    """How a file is packed, by its first bytes, whatever it is called; where they say nothing, by its name, so that a broken
    file is called broken."""
    with path.open("rb") as file:
        head = file.read(6)
    return next((ending for ending, magic in _MAGIC.items() if head.startswith(magic)), path.suffix.lower())


class _Raw(io.RawIOBase):
    """An arrow stream as the standard library knows files: lines can be read from it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data: bytes = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _jsonl(path: Path) -> Iterator[tuple[str, DataRow | str]]:
    with _opened(path) as lines:
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
    with _opened(path) as file:
        rows = parse_json(file.read(), str(path), DataError, halves=True, nan_is_null=True)
    if isinstance(rows, dict) and rows and all(_is_rows(part) for part in rows.values()):
        rows = list(itertools.chain.from_iterable(rows.values()))  # by subset
    elif isinstance(rows, dict) and sum(_is_rows(part) for part in rows.values()) == 1:
        rows = next(part for part in rows.values() if _is_rows(part))  # with notes beside them
    if not isinstance(rows, list):
        raise DataError(Problem(str(path), f"expected a list of objects, not {shown(rows)}"))
    for index, row in enumerate(rows):
        yield f"{path}[{index}]", row if isinstance(row, dict) else f"a row must be an object, not {shown(row)}"


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) and "role" not in row for row in value)


def _csv(path: Path, delimiter: str) -> Iterator[tuple[str, DataRow | str]]:
    csv.field_size_limit(sys.maxsize)
    try:
        with _opened(path) as raw, io.TextIOWrapper(raw, newline="", encoding="utf-8-sig") as lines:
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
    with _opened(path) as lines:
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
