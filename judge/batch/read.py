"""A data set -> samples, one at a time, whatever its format.

Nothing is guessed: a column the recipe needs and the data lacks is an error that lists the columns and the `--map` that
would do. A single bad row is reported with its line and judged by nobody; it does not stop the others.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judge.errors import DataError, JudgeError, Problem, did_you_mean
from judge.rubric.load import load_rubric, rubric_from
from judge.rubric.model import Rubric
from judge.types import Message, Sample
from judge.yamlfile import shown

FIELDS = (
    "prompt", "response", "responses", "response_a", "response_b", "chosen", "rejected", "reference", "context",
    "rubric", "principle", "steps", "id", "group",
)  # fmt: skip
_PAIRS = (("response_a", "response_b"), ("chosen", "rejected"))


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that is no sample, and why."""

    id: str
    problem: str


Row = Mapping[str, Any]


def parse_map(pairs: Iterable[str]) -> dict[str, str]:
    """`prompt=question,response=answer` -> {"prompt": "question", "response": "answer"}."""
    out: dict[str, str] = {}
    for part in (p for text in pairs for p in text.split(",") if p.strip()):
        field, equals, column = (x.strip() for x in part.partition("="))
        if not equals or not column:
            raise DataError(f"--map {part}: expected FIELD=COLUMN, for example prompt=question")
        if field not in FIELDS:
            raise DataError(f"--map {part}: no field `{field}`{did_you_mean(field, FIELDS) or '; fields: ' + ', '.join(FIELDS)}")
        out[field] = column
    return out


def read_samples(
    data: str, mapping: Mapping[str, str] | None = None, *, split: str = "", limit: int | None = None
) -> Iterator[Sample | BadRow]:
    """Read a data set.

    Args:
        data: JSONL, JSON (a list), CSV, TSV or Parquet file, a folder (saved `datasets` or data files), or a hub name.
        mapping: Sample field -> column.
        split: Split of a `datasets` folder or hub name (default: the only one, else `test`, else `train`).
        limit: Read at most this many rows.

    Raises:
        DataError: The file cannot be read, is empty, or lacks a column.
    """
    mapping = dict(mapping or {})
    checked = False
    count = 0
    for where, row in _rows(data, split):
        if limit is not None and count >= limit:
            return
        count += 1
        if isinstance(row, str):
            yield BadRow(str(count - 1), f"{where}: {row}")
            continue
        if not checked:
            _check_columns(data, row, mapping)
            checked = True
        yield to_sample(row, mapping, index=count - 1, where=where)
    if count == 0:
        raise DataError(Problem(data, "the data set is empty"))


def to_sample(row: Row, mapping: Mapping[str, str], *, index: int, where: str) -> Sample | BadRow:
    """One row as a sample, or why it is none."""

    def get(field: str) -> Any:
        return row.get(mapping.get(field, field))

    name = str(get("id")) if get("id") is not None else str(index)
    try:
        sample = Sample(
            prompt=_prompt(get("prompt"), "prompt"),
            responses=_responses(get),
            reference=_optional_text(get("reference"), "reference"),
            context=_texts(get("context"), "context"),
            rubric=_rubric(get("rubric"), where),
            principle=_optional_text(get("principle"), "principle"),
            steps=_texts(get("steps"), "steps"),
            id=name,
            group=str(get("group")) if get("group") is not None else "",
        )
    except (ValueError, JudgeError) as why:
        return BadRow(name, f"{where}: {why}")
    return sample


# ---- values ----------------------------------------------------------------------------------------------------


def _prompt(value: Any, field: str) -> str | tuple[Message, ...]:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(m, Mapping) for m in value):
        return tuple(_message(m, i) for i, m in enumerate(value))
    raise ValueError(f"`{field}` must be text or a list of chat messages, not {shown(value)}")


def _message(value: Mapping[str, Any], index: int) -> Message:
    role, content = value.get("role"), value.get("content")
    if role not in ("system", "user", "assistant"):
        raise ValueError(f"message {index}: role must be system, user or assistant, not {shown(role)}")
    if not isinstance(content, str):
        raise ValueError(f"message {index}: content must be text, not {shown(content)}")
    return Message(role, content)


def _responses(get: Any) -> tuple[str, ...]:
    if get("responses") is not None:
        values = get("responses")
        if not isinstance(values, list) or not values:
            raise ValueError(f"`responses` must be a list of texts, not {shown(values)}")
        return tuple(_response(v, f"responses[{i}]") for i, v in enumerate(values))
    if get("response") is not None:
        return (_response(get("response"), "response"),)
    for first, second in _PAIRS:
        if get(first) is not None or get(second) is not None:
            return (_response(get(first), first), _response(get(second), second))
    raise ValueError("`response` is null or missing")


def _response(value: Any, field: str) -> str:
    """Text, or a list of messages whose last one is the assistant's (how trainers pass completions)."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and isinstance(value[-1], Mapping) and isinstance(value[-1].get("content"), str):
        return str(value[-1]["content"])
    raise ValueError(f"`{field}` must be text, not {shown(value)}")


def _optional_text(value: Any, field: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"`{field}` must be text, not {shown(value)}")


def _texts(value: Any, field: str) -> tuple[str, ...]:
    if value is None:
        return ()
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or any(not isinstance(v, str) for v in values):
        raise ValueError(f"`{field}` must be text or a list of texts, not {shown(value)}")
    return tuple(values)


def _rubric(value: Any, where: str) -> Rubric | None:
    if value is None:
        return None
    if isinstance(value, str) and not value.lstrip().startswith(("{", "[")):
        return load_rubric(value)
    return rubric_from(value, where)


# ---- files -----------------------------------------------------------------------------------------------------


def _check_columns(data: str, row: Row, mapping: Mapping[str, str]) -> None:
    columns = list(row)
    for field, column in mapping.items():
        if column not in row:
            raise DataError(
                Problem(
                    data, f"no column `{column}` (mapped to {field}){did_you_mean(column, columns)}; columns: {_list(columns)}"
                )
            )
    if mapping.get("prompt", "prompt") not in row:
        raise DataError(Problem(data, f"no column `prompt`; columns: {_list(columns)}; map one: --map prompt=COLUMN"))
    answers = ("response", "responses", *(name for pair in _PAIRS for name in pair))
    if not any(mapping.get(a, a) in row for a in answers):
        raise DataError(
            Problem(data, f"no column `response` (or `responses`); columns: {_list(columns)}; map one: --map response=COLUMN")
        )


def _list(columns: list[str]) -> str:
    return ", ".join(columns[:20]) + (", ..." if len(columns) > 20 else "")


def _rows(data: str, split: str) -> Iterator[tuple[str, Row | str]]:
    """(where, row) pairs; a row that cannot be decoded is given as the reason."""
    path = Path(data)
    if path.is_dir():
        yield from _dataset_rows(data, split)
        return
    if not path.exists():
        if path.suffix or data.count("/") != 1:
            near = did_you_mean(path.name, (p.name for p in path.parent.glob("*"))) if path.parent.is_dir() else ""
            raise DataError(Problem(data, f"no such file{near}"))
        yield from _dataset_rows(data, split)
        return
    readers = {".jsonl": _jsonl, ".ndjson": _jsonl, ".json": _json, ".csv": _csv, ".tsv": _csv, ".parquet": _parquet}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise DataError(Problem(data, f"unknown file type `{path.suffix}`; known: {', '.join(readers)}, or a datasets folder"))
    if path.stat().st_size == 0:
        raise DataError(Problem(data, "the file is empty"))
    yield from reader(path)


def _jsonl(path: Path) -> Iterator[tuple[str, Row | str]]:
    with path.open("rb") as lines:
        for number, raw in enumerate(lines, 1):
            if not raw.strip():
                continue
            where = f"{path}:{number}"
            try:
                row = json.loads(raw, parse_constant=_no_constant)
            except UnicodeDecodeError as why:
                yield where, f"not UTF-8 (byte 0x{raw[why.start]:02x})"
            except (ValueError, RecursionError) as why:
                yield where, f"not valid JSON: {why}"
            else:
                yield where, row if isinstance(row, dict) else f"a row must be an object, not {shown(row)}"


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _json(path: Path) -> Iterator[tuple[str, Row | str]]:
    try:
        rows = json.loads(path.read_bytes(), parse_constant=_no_constant)
    except (ValueError, RecursionError) as why:
        raise DataError(Problem(str(path), f"not valid JSON: {why}")) from None
    if not isinstance(rows, list):
        raise DataError(Problem(str(path), f"expected a list of objects, not {shown(rows)}"))
    for index, row in enumerate(rows):
        yield f"{path}[{index}]", row if isinstance(row, dict) else f"a row must be an object, not {shown(row)}"


def _csv(path: Path) -> Iterator[tuple[str, Row | str]]:
    csv.field_size_limit(sys.maxsize)
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)
            for row in reader:
                bad = None in row or any(v is None for v in row.values())
                yield f"{path}:{reader.line_num}", "wrong number of cells" if bad else row
    except UnicodeDecodeError as why:
        raise DataError(Problem(str(path), f"not UTF-8 ({why.reason}); save the file as UTF-8")) from None
    except csv.Error as why:
        raise DataError(Problem(str(path), f"not valid CSV: {why}")) from None


def _parquet(path: Path) -> Iterator[tuple[str, Row | str]]:
    import pyarrow as pa  # noqa: PLC0415  # 100 ms that JSONL users need not pay
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        table = pq.ParquetFile(path)
        index = 0
        for batch in table.iter_batches(batch_size=256):
            for row in batch.to_pylist():
                yield f"{path}[{index}]", row
                index += 1
    except (pa.ArrowException, OSError) as why:
        raise DataError(Problem(str(path), f"not a readable Parquet file: {why}")) from None


def _dataset_rows(name: str, split: str) -> Iterator[tuple[str, Row | str]]:
    import datasets  # noqa: PLC0415  # 1 s that file users need not pay

    try:
        if (Path(name) / "state.json").exists() or (Path(name) / "dataset_dict.json").exists():
            found = datasets.load_from_disk(name)
        else:
            found = datasets.load_dataset(name)
    except Exception as why:  # noqa: BLE001  # the library raises a dozen unrelated types for "not there"
        raise DataError(Problem(name, f"cannot be loaded as a data set: {why}")) from None
    if isinstance(found, datasets.DatasetDict):
        chosen = split or (next(iter(found)) if len(found) == 1 else "test" if "test" in found else "train")
        if chosen not in found:
            raise DataError(Problem(name, f"no split `{chosen}`; splits: {', '.join(found)}"))
        found = found[chosen]
    for index, row in enumerate(found):
        yield f"{name}[{index}]", row
