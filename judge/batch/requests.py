"""requests.parquet: the exact request of every judge call of a run, under the hash that verdicts.parquet names it by.

- Written while the run goes on, a few megabytes at a time: memory stays flat, and the journal does not hold prompts twice.
- A run that is started again renders its requests again, so the file covers all its calls, also those that cost nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from judge.conversation import read_conversation, to_messages
from judge.errors import DataError, InputError, OutputError, Problem, did_you_mean
from judge.jsontext import encoded
from judge.types import Message, Request, Reward, Sampling, Structured

FILE = "requests.parquet"
_NAMES = ("request_hash", "model", "messages", "sampling", "structured", "number")
Row = tuple[str, str, str, str, str | None, str | None]
_CHARS = 1_000_000  # of text held before they are written
_RECENT = 4096  # requests that are known to be written; calls that see only the prompt are shared by many rows


class RequestsFile:
    """Writes the requests of one run.

    Args:
        folder: The run folder.
        wanted: False: nothing is written, and the file of an earlier run is taken away in the end.
    """

    def __init__(self, folder: Path, *, wanted: bool = True) -> None:
        self._path = folder / FILE
        self._wanted = wanted
        self._rows: list[Row] = []
        self._absorbed: list[Any] = []  # record batches of other files
        self._chars = 0
        self._recent: OrderedDict[str, None] = OrderedDict()
        self._writer: Any = None

    def add(self, rewards: Iterable[Reward]) -> None:
        """Take in the requests of one sample's calls. Raises OutputError when the disk does not take them."""
        if not self._wanted:
            return
        for call in (call for reward in rewards for call in reward.calls):
            if call.request is not None and self._is_new(call.key):
                self._add(record(call.key, call.model, call.request))

    def absorb(self, part: Path) -> None:
        """Take over the requests of another run folder, column by column. Raises OutputError when it has none."""
        import pyarrow as pa  # noqa: PLC0415  # see _flush
        import pyarrow.parquet as pq  # noqa: PLC0415

        if not self._wanted:
            return
        try:
            with pq.ParquetFile(part / FILE) as file:
                for batch in file.iter_batches(batch_size=1024, columns=list(_NAMES)):
                    self._take(batch, [self._is_new(key) for key in batch.column("request_hash").to_pylist()])
        except (pa.ArrowException, OSError) as why:
            raise OutputError(f"{part / FILE}: cannot be read: {why}") from None

    def _take(self, batch: Any, new: list[bool]) -> None:
        """Hold the new rows of a batch; files of small blocks become row groups of the usual size."""
        import pyarrow as pa  # noqa: PLC0415  # see _flush

        if self._rows:
            self._flush()
        self._absorbed.append(batch.select(_NAMES) if all(new) else batch.select(_NAMES).filter(pa.array(new, pa.bool_())))
        self._chars += self._absorbed[-1].nbytes
        if self._chars > _CHARS:
            self._flush()

    def _add(self, row: Row) -> None:
        self._rows.append(row)
        self._chars += len(row[2])
        if self._chars > _CHARS:
            self._flush()

    def _is_new(self, key: str) -> bool:
        """Whether a request is not known to be written already; from now on it is."""
        if key in self._recent:
            return False
        self._recent[key] = None
        if len(self._recent) > _RECENT:
            self._recent.popitem(last=False)
        return True

    def finish(self) -> None:
        """Put the file in its place. Raises OutputError or OSError when the disk does not take it."""
        if not self._wanted:
            self._path.unlink(missing_ok=True)
            return
        self._flush(last=True)
        os.replace(self._beside, self._path)

    def abandon(self) -> None:
        """Take away what was not finished."""
        with contextlib.suppress(OSError):
            if self._writer is not None:
                self._writer.close()
                self._writer = None
                self._beside.unlink(missing_ok=True)

    @property
    def _beside(self) -> Path:
        return self._path.with_suffix(".parquet.partial")

    def _flush(self, *, last: bool = False) -> None:
        import pyarrow as pa  # noqa: PLC0415  # 100 ms that `judge --help` need not pay
        import pyarrow.parquet as pq  # noqa: PLC0415

        schema = pa.schema([(name, pa.string()) for name in _NAMES])
        try:
            if self._writer is None:
                self._writer = pq.ParquetWriter(
                    self._beside, schema, compression="zstd", use_dictionary=["model", "sampling", "structured"]
                )
            if self._absorbed:
                self._writer.write_table(pa.Table.from_batches(self._absorbed, schema=schema))
            if self._rows:
                columns = [pa.array(list(column), pa.string()) for column in zip(*self._rows, strict=True)]
                self._writer.write_table(pa.Table.from_arrays(columns, schema=schema))
            if last:
                self._writer.close()
                self._writer = None
        except OSError as why:
            raise OutputError(
                f"{self._path}: cannot be written: {why.strerror or why}; every judge call is kept in the journal: make room and"
                " run the same command again, or leave the requests out with --no-requests"
            ) from None
        self._rows, self._absorbed, self._chars = [], [], 0


def record(key: str, model: str, request: Request) -> Row:
    """A row of the table; `number` says what was asked for instead of a reply."""
    structured = None if request.structured is None else _fields(request.structured)
    number = _json({"rated": True}) if request.rated else None if request.scored is None else _json({"scored": request.scored})
    return key, model, _json(to_messages(request.messages)), _fields(request.sampling), structured, number


def _json(value: Any) -> str:
    """JSON text that UTF-8 can hold: half a surrogate pair is written as an escape, and read back as it was."""
    return encoded(value).decode()


@lru_cache(maxsize=1024)
def _fields(value: Sampling | Structured) -> str:
    """The fields of a record as JSON; most calls of a run share them but for the seed."""
    return _json(asdict(value))


@dataclass(frozen=True)
class KnownRequest:
    """A request that was sent.

    Attributes:
        key: Its hash, as in verdicts.parquet.
        model: The model that it went to.
    """

    key: str
    model: str
    request: Request


def find_request(run: Path, key: str) -> KnownRequest:
    """The exact request of a judge call, ready to be sent again: `await engine.complete(find_request(...).request)`.

    Args:
        run: A folder of `judge run`.
        key: `request_hash` of a row of verdicts.parquet, or its beginning.

    Raises:
        InputError: No such call, or several that begin like this.
        DataError: The run has no requests.parquet, or it cannot be read.
    """
    import pyarrow as pa  # noqa: PLC0415  # see _flush
    import pyarrow.parquet as pq  # noqa: PLC0415

    path = run / FILE
    if not path.is_file():
        raise DataError(Problem(str(run), f"no {FILE} here: not a folder of `judge run`, or it ran with --no-requests"))
    try:
        with pq.ParquetFile(path) as file:
            found: dict[str, tuple[int, int]] = {}
            keys: list[str] = []
            for group in range(file.num_row_groups):
                keys = file.read_row_group(group, columns=["request_hash"]).column(0).to_pylist()
                found |= {known: (group, place) for place, known in enumerate(keys) if known.startswith(key)}
            if len(found) != 1 or not key:
                what = "no call" if not found else f"{len(found)} calls"
                raise InputError(f"{path}: {what} with a request_hash that begins with `{key}`{did_you_mean(key, keys[:2000])}")
            [(group, place)] = found.values()
            row = file.read_row_group(group).slice(place, 1).to_pylist()[0]
    except (pa.ArrowException, OSError) as why:
        raise DataError(Problem(str(path), f"not a readable Parquet file: {why}")) from None
    return KnownRequest(row["request_hash"], row["model"], request_of(row))


def request_of(row: Mapping[str, Any]) -> Request:
    """The request of a row of requests.parquet."""
    number = json.loads(row.get("number") or "{}")  # files of earlier versions have no such column
    sampling, structured = json.loads(row["sampling"]), json.loads(row["structured"] or "null")
    return Request(
        tuple(_message(message) for message in json.loads(row["messages"])),
        Sampling(**sampling | {"stop": tuple(sampling["stop"])}),
        None if structured is None else Structured(**structured | {"choice": tuple(structured["choice"])}),
        number.get("scored"),
        number.get("rated", False),
    )


def _message(message: Mapping[str, Any]) -> Message:
    if isinstance(message["content"], str) and message.keys() == {"role", "content"}:
        return Message(message["role"], message["content"])
    return read_conversation([message])[0]
