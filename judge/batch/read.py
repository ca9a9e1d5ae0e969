"""A data set -> samples, one at a time, whatever its format.

Nothing is guessed: a column the recipe needs and the data lacks is an error that lists the columns and the `--map` that
would do. A single bad row is reported with its line and judged by nobody; it does not stop the others.
"""

from __future__ import annotations

import csv
import itertools
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from judge.conversation import read_prompt, read_response
from judge.errors import DataError, InputError, JudgeError, Problem, RubricError, did_you_mean
from judge.jsonfile import parse_json
from judge.reference import read_documents, read_reference
from judge.rubric.load import rubric_from
from judge.rubric.model import Rubric
from judge.types import Conversation, Sample
from judge.yamlfile import shown

FIELDS = (
    "prompt", "response", "responses", "response_a", "response_b", "chosen", "rejected", "reference", "context",
    "rubric", "principle", "steps", "id", "group", "label",
)  # fmt: skip
SCAN = 256  # rows looked at before a column counts as missing; JSON rows may leave fields out
MAX_LINE = 256 * 1024 * 1024  # bytes of one JSONL row
_PAIRS = (("response_a", "response_b"), ("chosen", "rejected"))


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that is no sample, and why."""

    id: str
    problem: str


DataRow = Mapping[str, Any]


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
    data: str,
    mapping: Mapping[str, str] | None = None,
    *,
    split: str = "",
    limit: int | None = None,
    needs: Iterable[str] = (),
    keep: Iterable[str] = (),
) -> Iterator[Sample | BadRow]:
    """Read a data set.

    Args:
        data: JSONL, JSON (a list), CSV, TSV or Parquet file, a folder (saved `datasets` or data files), or a hub name.
        mapping: Sample field -> column.
        split: Split of a `datasets` folder or hub name (default: the only one, else `test`, else `train`).
        limit: Read at most this many rows.
        needs: Further fields that must have a column, because the recipe cannot work without them.
        keep: Fields carried along as metadata where they have a column; no judge sees them.

    Raises:
        DataError: The file cannot be read, is empty, or lacks a column.
    """
    mapping = dict(mapping or {})
    columns, keep = _Columns(data, mapping, tuple(needs)), tuple(keep)
    count = 0
    for where, row in read_rows(data, split):
        if limit is not None and count >= limit:
            break
        count += 1
        if isinstance(row, str):
            sample: Sample | BadRow = BadRow(str(count - 1), f"{where}: {row}")
        else:
            columns.see(row)
            sample = to_sample(row, mapping, index=count - 1, where=where, keep=keep)
        yield from columns.release(sample)
    if count == 0:
        raise DataError(Problem(data, "the data set is empty"))
    yield from columns.release(None)


def to_sample(row: DataRow, mapping: Mapping[str, str], *, index: int, where: str, keep: Iterable[str] = ()) -> Sample | BadRow:
    """One row as a sample, or why it is none."""

    def get(field: str) -> Any:
        return row.get(mapping.get(field, field))

    name = str(get("id")) if get("id") not in (None, "") else str(index)
    try:
        prompt = read_prompt(get("prompt"))
        sample = Sample(
            prompt=prompt,
            responses=_responses(get, prompt),
            reference=read_reference(get("reference"), "`reference`"),
            context=read_documents(get("context"), "`context`"),
            rubric=_rubric(get("rubric"), where),
            principle=_optional_text(get("principle"), "principle"),
            steps=_texts(get("steps"), "steps"),
            id=name,
            group=_optional_text(get("group"), "group") or "",
            metadata=_label(get) | {name: _from_json(get(name)) for name in keep if get(name) is not None},
        )
    except (ValueError, JudgeError) as why:
        return BadRow(name, f"{where}: {why}")
    return sample


# ---- values ----------------------------------------------------------------------------------------------------


def _responses(get: Any, prompt: str | Conversation) -> tuple[str | Conversation, ...]:
    if get("responses") is not None:
        values = _from_json(get("responses"))
        if not isinstance(values, list) or not values:
            raise ValueError(f"`responses` must be a list of texts, not {shown(values)}")
        return tuple(read_response(v, f"`responses[{i}]`", prompt=prompt) for i, v in enumerate(values))
    if get("response") is not None:
        return (read_response(get("response"), "`response`", prompt=prompt),)
    for first, second in _PAIRS:
        if get(first) is not None or get(second) is not None:
            return (
                read_response(get(first), f"`{first}`", prompt=prompt),
                read_response(get(second), f"`{second}`", prompt=prompt),
            )
    raise ValueError("`response` is null or missing")


def _from_json(value: Any) -> Any:
    """A list as it stands in a CSV cell: JSON text."""
    if not isinstance(value, str) or not value.lstrip().startswith("["):
        return value
    try:
        return parse_json(value, "", halves=True)
    except InputError:
        return value


def _label(get: Any) -> dict[str, Any]:
    """Which response of a pair the data prefer, under the name `label`: judges never see it."""
    if get("chosen") is not None and all(get(f) is None for f in ("responses", "response", "response_a", "response_b")):
        return {"label": "A"}
    return {"label": get("label")} if get("label") is not None else {}


def _optional_text(value: Any, field: str) -> str | None:
    if value is None or isinstance(value, str):
        return value if value and value.strip() else None  # an empty CSV cell says that there is none
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"`{field}` must be text, not {shown(value)}")


def _texts(value: Any, field: str) -> tuple[str, ...]:
    if value is None or (isinstance(value, str) and not value.strip()):
        return ()
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or any(not isinstance(v, str) for v in values):
        raise ValueError(f"`{field}` must be text or a list of texts, not {shown(value)}")
    return tuple(values)


def _rubric(value: Any, where: str) -> Rubric | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        return _known_rubric(value if isinstance(value, str) else json.dumps(value))
    except RubricError as why:
        raise RubricError(Problem(where, problem.what) for problem in why.problems) from None


@lru_cache(maxsize=256)
def _known_rubric(text: str) -> Rubric:
    """The rubric in a cell, built once for all rows that have the same."""
    return rubric_from(text, "rubric")


# ---- files -----------------------------------------------------------------------------------------------------


class _Columns:
    """Holds rows back until every needed column was seen in some row, and says what is missing when none has it."""

    def __init__(self, data: str, mapping: Mapping[str, str], needs: tuple[str, ...]) -> None:
        self._data = data
        self._mapping = mapping
        self._needs = needs
        self._seen: dict[str, None] = {}  # a set that keeps the order
        self._held: list[Sample | BadRow] = []
        self._complete = False

    def see(self, row: DataRow) -> None:
        """Note the columns of one row."""
        if not self._complete:
            self._seen.update(dict.fromkeys(map(str, row)))
            self._complete = not self._problem()

    def release(self, sample: Sample | BadRow | None) -> Iterator[Sample | BadRow]:
        """What may go on: all that was held and this one, or nothing yet. None: the data end here."""
        if sample is not None:
            self._held.append(sample)
        if not self._complete and self._seen and (sample is None or len(self._held) >= SCAN):
            raise DataError(Problem(self._data, self._problem()))
        if self._complete or sample is None or len(self._held) >= SCAN:
            yield from self._held
            self._held.clear()

    def _problem(self) -> str:
        """What is missing; empty when nothing is."""
        seen = list(self._seen)
        for field, column in self._mapping.items():
            if column not in self._seen:
                return f"no column `{column}` (mapped to {field}){did_you_mean(column, seen)}; columns: {_list(seen)}"
        for field in ("prompt", *self._needs):
            if self._mapping.get(field, field) not in self._seen:
                why = "" if field == "prompt" else ", which the recipe needs"
                or_set = f", or set `{field}:` in the run settings" if field in ("rubric", "principle") else ""
                return f"no column `{field}`{why}; columns: {_list(seen)}; map one: --map {field}=COLUMN{or_set}"
        answers = ("response", "responses", *(name for pair in _PAIRS for name in pair))
        if any(self._mapping.get(a, a) in self._seen for a in answers):
            return ""
        return f"no column `response` (or `responses`); columns: {_list(seen)}; map one: --map response=COLUMN"


def _list(columns: list[str]) -> str:
    return ", ".join(columns[:20]) + (", ..." if len(columns) > 20 else "")


def read_rows(data: str, split: str) -> Iterator[tuple[str, DataRow | str]]:
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
    try:
        if path.stat().st_size == 0:
            raise DataError(Problem(data, "the file is empty"))
        yield from reader(path)
    except OSError as why:
        raise DataError(Problem(data, f"cannot be read: {why.strerror or why}")) from None


def _jsonl(path: Path) -> Iterator[tuple[str, DataRow | str]]:
    with path.open("rb") as lines:
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
        row = parse_json(raw, where, DataError, halves=True)
    except DataError as why:
        return why.problems[0].what
    return row if isinstance(row, dict) else f"a row must be an object, not {shown(row)}"


def _json(path: Path) -> Iterator[tuple[str, DataRow | str]]:
    rows = parse_json(path.read_bytes(), str(path), DataError, halves=True)
    if not isinstance(rows, list):
        raise DataError(Problem(str(path), f"expected a list of objects, not {shown(rows)}"))
    for index, row in enumerate(rows):
        yield f"{path}[{index}]", row if isinstance(row, dict) else f"a row must be an object, not {shown(row)}"


def _csv(path: Path) -> Iterator[tuple[str, DataRow | str]]:
    csv.field_size_limit(sys.maxsize)
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)
            for row in reader:
                bad = None in row or any(v is None for v in row.values())
                yield (
                    f"{path}:{reader.line_num}",
                    f"the row has not {len(reader.fieldnames or ())} cells, as the header has" if bad else row,
                )
    except UnicodeDecodeError as why:
        raise DataError(Problem(_undecodable(path), f"not UTF-8 ({why.reason}); save the file as UTF-8")) from None
    except csv.Error as why:
        raise DataError(Problem(f"{path}:{reader.reader.line_num}", f"not valid CSV: {why}")) from None


def _undecodable(path: Path) -> str:
    """`file:line` of the first line that is not UTF-8."""
    with path.open("rb") as lines:
        for number, raw in enumerate(lines, 1):
            if raw.decode("utf-8", "replace").encode() != raw:
                return f"{path}:{number}"
    return str(path)


def _parquet(path: Path) -> Iterator[tuple[str, DataRow | str]]:
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


def _dataset_rows(name: str, split: str) -> Iterator[tuple[str, DataRow | str]]:
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
