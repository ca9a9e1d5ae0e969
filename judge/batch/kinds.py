"""What a file of a data set is, and its bytes: told by its name and its first bytes, and unpacked on the way."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from judge.errors import DataError, InputError, Problem
from judge.jsonfile import parse_json

MAX_LINE = 256 * 1024 * 1024  # bytes of one JSONL row
KINDS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
_MAGIC = {".gz": b"\x1f\x8b", ".zst": b"\x28\xb5\x2f\xfd", ".bz2": b"BZh", ".xz": b"\xfd7zXZ\x00"}
_PACKED = tuple(_MAGIC)


def ending_of(path: Path) -> str:
    """The ending of a file's name, without that of its packing."""
    return Path(path.name.removesuffix(path.suffix)).suffix.lower() if path.suffix.lower() in _PACKED else path.suffix.lower()


def kind_of(path: Path) -> str:
    """The kind of a file, by its name and, where that says nothing or `.json`, by its first bytes.

    Raises:
        DataError: Neither says what it is.
    """
    kind, begins = _told(path, _head(path))
    return ".jsonl" if kind == ".json" and begins == b"{" and _is_lines(path) else kind


def holds_something(path: Path) -> bool:
    """Whether there is anything in a file, by its first bytes (and the last of Parquet): cheap enough for each of thousands.

    Raises:
        DataError: It cannot be read or unpacked, or is of no known kind.
    """
    with readable(path):
        head = _head(path) if path.stat().st_size else b""
        if head and _told(path, head)[0] == ".parquet":
            _check_ends(path)
        return bool(head)


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    """What a file that cannot be read or unpacked raises, as `DataError`."""
    try:
        yield
    except (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error) as why:
        raise DataError(Problem(str(path), f"cannot be unpacked: {why}")) from None
    except OSError as why:
        raise DataError(Problem(str(path), f"cannot be read: {why.strerror or why}")) from None


def _head(path: Path) -> bytes:
    with opened(path) as file:
        return file.read(4096)


def _check_ends(path: Path) -> None:
    with path.open("rb") as file:
        begins = file.read(4)
        file.seek(-4, io.SEEK_END)
        ends = file.read(4)
    if {begins, ends} != {b"PAR1"}:
        missing = "it ends in the middle" if begins == b"PAR1" else "it does not begin as one"
        raise DataError(Problem(str(path), f"not a readable Parquet file: {missing}"))


def _told(path: Path, head: bytes) -> tuple[str, bytes]:
    """What the name and the first bytes say, and the first character; `.json` may be JSON Lines still."""
    ending = ending_of(path)
    if head[:4] == b"PAR1":
        return ".parquet", b""
    if b"\x00" in head and not head.startswith((b"{", b"[", b"\xff\xfe", b"\xfe\xff")):
        raise DataError(
            Problem(str(path), f"holds binary data, and no Parquet file begins so; known: {', '.join(KINDS)} (also .gz, .zst)")
        )
    begins = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if ending in KINDS:
        return (".jsonl" if ending == ".ndjson" else ending), begins
    if begins in (b"{", b"["):
        return (".jsonl" if begins == b"{" else ".json"), b""
    raise DataError(
        Problem(str(path), f"unknown file type `{path.suffix}`; known: {', '.join(KINDS)} (also .gz, .zst), or a datasets folder")
    )


def _is_lines(path: Path) -> bool:
    """Whether the first line is an object of its own."""
    with opened(path) as lines:
        first = next((line for line in iter(lambda: lines.readline(MAX_LINE), b"") if line.strip()), b"")
        rest = any(line.strip() for line in iter(lambda: lines.readline(MAX_LINE), b""))
    try:
        return isinstance(parse_json(first, "", halves=True, nan_is_null=True), dict) and (rest or not _holds_rows(first))
    except InputError:
        return False


def _holds_rows(document: bytes) -> bool:
    return any(is_rows(part) for part in parse_json(document, "", halves=True, nan_is_null=True).values())


@contextlib.contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
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


def is_rows(value: Any) -> bool:
    """Whether a value is a list of rows, and not of chat messages."""
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) and "role" not in row for row in value)
