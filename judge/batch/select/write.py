"""What was selected -> JSONL, Parquet or a `datasets` folder, with the column names that trainers know.

A prompt that was chat messages stays chat messages, and its responses become messages of the assistant (the conversational
form of TRL); a prompt that was text stays text with text. A column holds one of the two, so a mixture is an error.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from judge.batch.select.best import Chosen
from judge.batch.select.model import ScoredResponse
from judge.batch.select.pairs import PreferencePair
from judge.batch.select.reliability import Reliabilities
from judge.conversation import to_messages
from judge.errors import DataError, OutputError, Problem
from judge.types import Message

OutputRow = dict[str, Any]
FORMATS = (".jsonl", ".parquet")
_GROUP = 4096  # rows of a row group
_OF_A_RUN = ("rewards.parquet", "rewards.jsonl", "verdicts.parquet", "requests.parquet", "run.json")


class PromptForms:
    """Whether prompts that come one by one are texts, chat messages, or both."""

    def __init__(self) -> None:
        self._text: int | None = None
        self._chat: int | None = None

    def add(self, candidate: ScoredResponse) -> None:
        """Take note of a prompt; the first row of each form is kept."""
        if isinstance(candidate.prompt, str):
            self._text = candidate.row if self._text is None else self._text
        else:
            self._chat = candidate.row if self._chat is None else self._chat

    def chat(self, messages: bool) -> bool:
        """Whether rows are in conversational form.

        Raises:
            DataError: Prompts of both forms, and not `messages`.
        """
        if self._text is not None and self._chat is not None and not messages:
            raise DataError(
                f"the prompt of row {self._text} is text and that of row {self._chat} is chat messages, and one column cannot"
                " hold both; --messages (in Python: messages=True) writes all of them as messages"
            )
        return messages or self._text is None


def best_rows(chosen: Iterable[Chosen], *, messages: bool = False, chat: bool | None = None) -> list[OutputRow]:
    """One row a response that was kept.

    Args:
        messages: Write text prompts as one user message, too.
        chat: The form of all rows, where these are not all. None: these are.

    Raises:
        DataError: Prompts of both forms, and not `messages`.

    Example:
        >>> best_rows([Chosen(ScoredResponse("q", "2+2?", "4", 1.0), 1, 0.5, 2, 2)])[0]["response"]
        '4'
        >>> best_rows([Chosen(ScoredResponse("q", "2+2?", "4", 1.0), 1, 0.5, 2, 2)], messages=True)[0]["response"]
        [{'role': 'assistant', 'content': '4'}]
    """
    kept = list(chosen)
    chat = _chat([c.candidate for c in kept], messages) if chat is None else chat
    return [
        {
            "prompt": _prompt(c.candidate.prompt, chat),
            "response": _response(c.candidate.response, chat),
            "reward": c.candidate.reward,
            "margin": c.margin,
            "rank": c.rank,
            "group": c.candidate.group,
            "group_size": c.group_size,
            "scored": c.scored,
            "id": c.candidate.id,
            "row": c.candidate.row,
            "response_index": c.candidate.response_index,
        }
        for c in kept
    ]


def pair_rows(
    pairs: Iterable[PreferencePair],
    *,
    messages: bool = False,
    chat: bool | None = None,
    confidence: Mapping[str, float] | None = None,
    reliability: Reliabilities | None = None,
) -> list[OutputRow]:
    """One row a pair; columns as TRL's preference format has them, then where both come from.

    Args:
        messages, chat: As `best_rows`.
        confidence: Group -> how far its label is to be trusted, in [0, 1]; None: no such column.
        reliability: The verdicts of the run, for the columns of `PairReliability`; None: no such columns.

    Raises:
        DataError: As `best_rows`.

    Example:
        >>> pair = PreferencePair(ScoredResponse("q", "2+2?", "4", 1.0), ScoredResponse("q", "2+2?", "5", 0.25))
        >>> [pair_rows([pair])[0][name] for name in ("prompt", "chosen", "rejected", "margin")]
        ['2+2?', '4', '5', 0.75]
    """
    made = list(pairs)
    chat = _chat([p.chosen for p in made], messages) if chat is None else chat
    return [
        {
            "prompt": _prompt(p.chosen.prompt, chat),
            "chosen": _response(p.chosen.response, chat),
            "rejected": _response(p.rejected.response, chat),
            "score_chosen": p.chosen.reward,
            "score_rejected": p.rejected.reward,
            "margin": p.margin,
            "group": p.chosen.group,
            "chosen_id": p.chosen.id,
            "chosen_row": p.chosen.row,
            "chosen_index": p.chosen.response_index,
            "rejected_id": p.rejected.id,
            "rejected_row": p.rejected.row,
            "rejected_index": p.rejected.response_index,
            **({} if reliability is None else reliability.of(p).columns()),
            **({} if confidence is None else {"confidence": confidence.get(p.chosen.group)}),
        }
        for p in made
    ]


def _chat(candidates: Iterable[ScoredResponse], messages: bool) -> bool:
    """Whether rows are in conversational form."""
    forms = PromptForms()
    for candidate in candidates:
        forms.add(candidate)
    return forms.chat(messages)


def _prompt(prompt: str | tuple[Message, ...], chat: bool) -> Any:
    if isinstance(prompt, str):
        return [{"role": "user", "content": prompt}] if chat else prompt
    return to_messages(prompt)


def _response(text: str, chat: bool) -> Any:
    return [{"role": "assistant", "content": text}] if chat else text


# ---- files -------------------------------------------------------------------------------------------------------------


def check_output(path: Path, run: Path, data: str) -> None:
    """Refuse a place that should not be written to.

    Raises:
        OutputError: An unknown format, a file of the run folder or the data set itself, a folder with something else in it.
    """
    here = path.resolve()
    problem = ""
    if path.suffix and path.suffix not in FORMATS:
        problem = f"unknown file type `{path.suffix}`; known: {', '.join(FORMATS)}, or a name without a dot (a `datasets` folder)"
    elif here == run.resolve() or (here.parent == run.resolve() and path.name in _OF_A_RUN):
        problem = "belongs to the run; choose another --output"
    elif data and here == Path(data).resolve():
        problem = "is the data set that was judged; choose another --output"
    elif path.suffix and path.is_dir():
        problem = "is a folder; choose another --output"
    elif not path.suffix and path.is_file():
        problem = "is a file; a name without .jsonl or .parquet is a `datasets` folder"
    elif path.is_dir() and not all(_of_datasets(each.name) for each in path.iterdir()):
        problem = "is a folder with other things in it; choose another --output"
    if problem:
        raise OutputError(f"{path}: {problem}")


def _of_datasets(name: str) -> bool:
    """A file that `Dataset.save_to_disk` writes, so that it may go when the data set is written again."""
    return name in ("state.json", "dataset_info.json") or (name.startswith("data-") and name.endswith(".arrow"))


def write_rows(rows: Iterable[Mapping[str, Any]], path: Path) -> int:
    """Write rows by the suffix of `path`: `.jsonl`, `.parquet`, or none for a `datasets` folder; in place of an older one.

    Args:
        rows: At least one. They are written as they come; for a `datasets` folder all are held.

    Returns:
        How many rows there were.

    Raises:
        OutputError: The disk does not take it; what was there before still is.
        DataError: A text with half a surrogate pair, which only JSONL can hold.
    """
    beside = path.with_name(f"{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove(beside)
        if path.suffix == ".jsonl":
            count = _jsonl(rows, beside)
        elif path.suffix == ".parquet":
            count = _parquet(_storable(rows, path), beside)
        else:
            count = _folder(list(_storable(rows, path)), beside)
        if path.is_dir():
            shutil.rmtree(path)
        os.replace(beside, path)
    except OSError as why:
        _remove(beside)
        raise OutputError(f"{path}: cannot be written: {why.strerror or why}") from None
    except DataError:
        _remove(beside)
        raise
    return count


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _jsonl(rows: Iterable[Mapping[str, Any]], path: Path) -> int:
    count = 0
    with path.open("wb") as out:
        for row in rows:
            text = json.dumps(row, ensure_ascii=False, allow_nan=False)
            if not _encodable(text):
                text = json.dumps(row, allow_nan=False)  # half a surrogate pair can stand in JSON as an escape only
            out.write(text.encode() + b"\n")
            count += 1
    return count


def _storable(rows: Iterable[Mapping[str, Any]], path: Path) -> Iterator[Mapping[str, Any]]:
    for row in rows:
        if not _encodable(json.dumps(row, ensure_ascii=False)):
            name = row.get("id", row.get("chosen_id"))
            raise DataError(Problem(str(path), f"`{name}` has a text with half a surrogate pair; only .jsonl can hold it"))
        yield row


def _encodable(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)


def _schema(first: Mapping[str, Any]) -> Any:
    """Types of the columns, also where every value is null."""
    import pyarrow as pa  # noqa: PLC0415  # 100 ms that JSONL users need not pay

    message = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
    known: dict[type, Any] = {str: pa.string(), float: pa.float64(), int: pa.int64(), list: message}
    floats = {"confidence", "margin", "reward", "score_chosen", "score_rejected", "votes_agree", "orders_agree", "variance"}
    set_types = dict.fromkeys(floats, pa.float64()) | {"verdicts": pa.int64()}
    return pa.schema([(name, set_types.get(name) or known[type(value)]) for name, value in first.items()])


def _parquet(rows: Iterator[Mapping[str, Any]], path: Path) -> int:
    import pyarrow as pa  # noqa: PLC0415  # see _schema
    import pyarrow.parquet as pq  # noqa: PLC0415

    some = list(itertools.islice(rows, _GROUP))
    schema, count = _schema(some[0]), 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        while some:
            writer.write_table(pa.Table.from_pylist(some, schema=schema))
            count, some = count + len(some), list(itertools.islice(rows, _GROUP))
    return count


def _folder(rows: list[Mapping[str, Any]], path: Path) -> int:
    import datasets  # noqa: PLC0415  # 1 s that file users need not pay

    made = datasets.Dataset.from_list(rows, features=datasets.Features.from_arrow_schema(_schema(rows[0])))
    shown = datasets.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    try:
        made.save_to_disk(str(path))
    finally:
        if shown:
            datasets.enable_progress_bars()
    return len(rows)
