"""JSON as people and programs send it -> plain values, or an error that says where.

The standard library takes `NaN`, keeps the last of two equal keys, recurses until Python gives up, and reads half a
surrogate pair that nobody can encode again. Each of these is an error here, because two readers would understand it
differently or one of them would fall over. In rows and in bodies of requests `NaN` is null: so Python writes that a cell of
a table is empty, and a row may not depend on the file's kind.
"""

from __future__ import annotations

import encodings.utf_8_sig  # noqa: F401  # looked up by name later, when the process may be out of files
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from judge.errors import InputError, Problem
from judge.yamlfile import MAX_DEPTH, MAX_DIGITS, shown

MAX_BYTES = 1 << 30  # of one document; a row of a data set is far smaller


def parse_json(
    raw: str | bytes, where: str, error: type[InputError] = InputError, *, halves: bool = False, nan_is_null: bool = False
) -> Any:
    """Parse one JSON document.

    Args:
        raw: Text, or UTF-8 (a byte order mark is passed over).
        where: What errors call it: `file`, or `file:line`.
        halves: Whether half a surrogate pair may stand in a text. A row may hold one: it is judged, and shown as `[U+D800]`.
        nan_is_null: Whether `NaN` is read as null; Infinity never is.

    Raises:
        error: Not JSON, too large, nested over 64 levels, NaN or Infinity, a key twice in one object, a number of over 400
            digits, half a surrogate pair.

    Example:
        >>> parse_json('{"a": [1]}', "row 1")
        {'a': [1]}
    """
    reader = _Reader(where, error, nan_is_null=nan_is_null)
    if len(raw) > MAX_BYTES:
        raise reader.fail(f"{len(raw):,} bytes; at most {MAX_BYTES:,} are read")
    data = reader.read(_decoded(raw, reader) if isinstance(raw, bytes) else raw)
    _check(reader, data, halves=halves)
    return data


def _decoded(raw: bytes, reader: _Reader) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as why:
        line = raw[: why.start].count(b"\n") + 1
        at = f" on line {line}" if line > 1 else ""
        raise reader.fail(f"not UTF-8 (byte 0x{raw[why.start]:02x}){at}; save the file as UTF-8") from None


class _Reader:
    """The hooks of the standard library's parser, with a place for their errors."""

    def __init__(self, where: str, error: type[InputError], *, nan_is_null: bool) -> None:
        self.where = where
        self.nan_is_null = nan_is_null
        self.error = error

    def fail(self, what: str) -> InputError:
        return self.error(Problem(self.where, what))

    def read(self, text: str) -> Any:
        try:
            return json.loads(text, object_pairs_hook=self.members, parse_constant=self.constant, parse_int=self.integer)
        except json.JSONDecodeError as why:
            place = f"line {why.lineno}, column {why.colno}"
            raise self.fail(f"not valid JSON: {why.msg} ({place})" if text.strip() else "empty") from None
        except RecursionError:
            raise self.fail(f"nested more than {MAX_DEPTH} levels deep") from None

    def members(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        out = dict(pairs)
        if len(out) < len(pairs):
            seen: set[str] = set()
            twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
            raise self.fail(f"`{shown(twice)[1:-1]}` stands twice in one object; the later one would win silently")
        return out

    def constant(self, name: str) -> None:
        if name == "NaN" and self.nan_is_null:
            return
        raise self.fail(f"`{name}` is not a finite number")

    def integer(self, digits: str) -> int:
        if len(digits) > MAX_DIGITS:
            raise self.fail(f"a number of {len(digits)} digits")
        return int(digits)


def _check(reader: _Reader, data: Any, *, halves: bool) -> None:
    """Depth, texts, and `1e999`, which the parser makes infinite; on a stack of its own."""
    waiting = [(data, 0)]
    while waiting:
        value, depth = waiting.pop()
        if isinstance(value, str):
            if not (halves or value.isascii()) and any("\ud800" <= char <= "\udfff" for char in value):
                raise reader.fail(f"text with half a surrogate pair, which cannot be sent: {shown(value)}")
        elif isinstance(value, float) and value in (float("inf"), float("-inf")):
            raise reader.fail("a number too large to be held")
        elif isinstance(value, dict | list):
            if depth >= MAX_DEPTH:
                raise reader.fail(f"nested more than {MAX_DEPTH} levels deep")
            waiting += [(child, depth + 1) for child in (value.values() if isinstance(value, dict) else value)]
            if isinstance(value, dict) and not halves:
                waiting += [(key, depth + 1) for key in value if not key.isascii()]


def appended_records(path: Path, needed: Collection[str]) -> list[dict[str, Any]]:
    """The mappings of a file that a program appends to, one a line; none where there is no file.

    Lines that are torn (the program was killed) and those that lack a needed key are left out.
    """
    if not path.is_file():
        return []
    out = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and record.keys() >= set(needed):
            out.append(record)
    return out
