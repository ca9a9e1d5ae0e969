"""A data set -> samples, one at a time, whatever its format.

Nothing is guessed: a column the recipe needs and the data lacks is an error that lists the columns and the `--map` that
would do. A single bad row is reported with its line and judged by nobody; it does not stop the others. What the recipe does
not need is not decoded, and cannot make a row invalid.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, TypeVar

from judge.batch.columns import LABELS
from judge.batch.files import count_rows, holds_cells, read_rows
from judge.batch.layouts import DataRow, layout_of
from judge.batch.needed import NeededColumns, column_of
from judge.batch.rows import FIELDS, MESSAGES, NOTHING, ROW, Fields, at, parse_map, parsed, question_of, top
from judge.errors import DataError, JudgeError, Problem, RubricError
from judge.reference import REFERENCE_COLUMNS, is_missing, read_documents, read_reference, read_steps, written
from judge.rubric.load import rubric_from
from judge.rubric.model import Rubric
from judge.types import Sample
from judge.yamlfile import shown

__all__ = ["FIELDS", "BadRow", "count_rows", "parse_map", "problem_kind", "read_rows", "read_samples", "to_sample"]

ALL = ("all",)  # of `carry`: every column
_WRITTEN = frozenset({"prompt", "response", "id", "group"})  # the tables have them anyway
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that is no sample, and why."""

    id: str
    problem: str


def read_samples(
    data: str,
    mapping: Mapping[str, str] | None = None,
    *,
    split: str = "",
    config: str = "",
    limit: int | None = None,
    needs: Iterable[str] = (),
    keep: Iterable[str] = (),
    wants: Iterable[str] | None = None,
    carry: Iterable[str] = (),
    answered: bool = True,
) -> Iterator[Sample | BadRow]:
    """Read a data set.

    Args:
        data: JSONL, JSON, CSV, TSV or Parquet file, packed or not, a pattern for several of them, a folder (saved `datasets` or
            data files), a hub name, or `hub:NAME`, whose rows come while they are fetched.
        mapping: Sample field -> column, or a dotted path into one; "" leaves the field out.
        split: Split of a `datasets` folder or hub name (default: the only one, else `test`, else `train`).
        config: Configuration of a hub data set that has several.
        limit: Read at most this many rows.
        needs: Further fields that must have a column, because the recipe cannot work without them; `fields.NAME` is the column
            NAME, which becomes metadata of that name.
        keep: Fields carried along as metadata where they have a column; no judge sees them.
        wants: Of reference, context, rubric, principle, steps and exemplar, those that the recipe looks at; the others are not
            decoded. None: all.
        carry: Columns (or paths into them) that are carried along as metadata as they stand and must be there;
            `("all",)`: every column, and `("none",)` none.
        answered: False: a row may hold a prompt and no response.

    Raises:
        DataError: The file cannot be read, is empty, or lacks a column.
    """
    mapping, needs, keep, carry = dict(mapping or {}), tuple(needs), tuple(keep), tuple(carry)
    carry = () if carry == ("none",) else carry
    keep = (*keep, *(name for name in needs if name.startswith(ROW)))
    wants = None if wants is None else frozenset(wants) | frozenset(needs)
    columns = NeededColumns[Sample | BadRow](data, mapping, needs, () if carry == ALL else carry, answered=answered)
    cells = holds_cells(data)
    count = 0
    make = partial(to_sample, mapping=mapping, keep=keep, wants=wants, carry=carry, cells=cells, answered=answered)

    def choose(names: Sequence[str]) -> set[str] | None:
        columns.named(names)
        return None if carry == ALL else _wanted_columns(names, mapping=mapping, keep=(*keep, *carry), wants=wants)

    for where, row in read_rows(data, split, config=config, choose=choose):
        if limit is not None and count >= limit:
            break
        count += 1
        if isinstance(row, str):
            sample: Sample | BadRow = BadRow(str(count - 1), f"{where}: {row}")
        else:
            columns.see(row)
            sample = make(row, index=count - 1, where=where)
        yield from columns.release(sample)
    if count == 0:
        raise DataError(Problem(data, "the data set is empty"))
    yield from columns.release(None)


_OPTIONAL = frozenset({"reference", "context", "rubric", "principle", "steps", "exemplar"})


def _wanted_columns(
    names: Sequence[str], *, mapping: Mapping[str, str], keep: Collection[str], wants: Collection[str] | None
) -> set[str] | None:
    """The columns that some field reads; None where all are read."""
    if wants is None:
        return None
    layout = layout_of(frozenset(names))
    if layout is not None and layout.read is not None:
        return None
    known = () if layout is None else (*layout.tells, *layout.fields.values())
    fields = (f for f in FIELDS if f not in _OPTIONAL or f in wants or f == "reference")
    references = (*REFERENCE_COLUMNS, "reward_model") if "reference" in wants else ()
    paths = (*fields, *references, *MESSAGES, *keep, *mapping.values(), *known)
    return {column for path in paths if path for column in top(names, path)}


def to_sample(
    row: DataRow,
    mapping: Mapping[str, str],
    *,
    index: int,
    where: str,
    keep: Iterable[str] = (),
    wants: Collection[str] | None = None,
    carry: tuple[str, ...] = (),
    cells: bool = False,
    answered: bool = True,
) -> Sample | BadRow:
    """One row as a sample, or why it is none.

    Args:
        wants, carry, answered: As in `read_samples`.
        cells: The row comes from a table of text, where a cell may hold JSON.
    """
    fields = Fields(row, mapping, cells=cells)
    name = str(index)

    def optional(field: str, read: Callable[[Any], T], nothing: T) -> T:
        """A field that the recipe may not look at: then what stands there is left alone."""
        if wants is not None and field not in wants and field != "reference":
            return nothing
        try:
            value = fields.get(field)
            return nothing if value is None or is_missing(value) else read(value)
        except (ValueError, JudgeError):
            if wants is not None and field not in wants:
                return nothing
            raise

    try:
        given = fields.get("id")
        name = str(index) if is_missing(given) else written(given) if isinstance(given, str | int | float) else str(index)
        asked = question_of(fields, answered=answered)
        said = {k: v for k, v in (("label", asked.label), ("preferred", asked.preferred)) if v is not None} | _kept(fields, keep)
        sample = Sample(
            prompt=asked.prompt,
            responses=asked.responses,
            reference=optional("reference", lambda v: read_reference(v, "`reference`"), None),
            context=optional("context", lambda v: read_documents(v, "`context`"), ()),
            rubric=optional("rubric", _rubric, None),
            principle=optional("principle", lambda v: _text(v, "principle"), None),
            steps=optional("steps", read_steps, ()),
            exemplar=optional("exemplar", lambda v: _text(v, "exemplar"), None),
            id=name,
            group=_text(fields.get("group"), "group") or "",
            metadata=said | _carried(fields, carry, said) if carry else said,
        )
    except (ValueError, JudgeError) as why:
        return BadRow(name, f"{where}: {why}")
    return sample


def problem_kind(problem: str) -> str:
    """What is wrong with a row, without its place and values: rows of one kind are counted together.

    Example:
        >>> problem_kind("a.jsonl:7: `responses[3]` must be text or a list of chat messages, not 5")
        '`responses[N]` must be text or a list of chat messages'
    """
    what = re.sub(r"^(?:\S*?(?::\d+|\[\d+\])|sample `[^`]*`): ", "", problem.split("\n", maxsplit=1)[0])
    what = re.split(r", not |: (?=['\"{\[])", what)[0]
    return re.sub(r"\d+", "N", what)[:160]


# ---- values ----------------------------------------------------------------------------------------------------


def _kept(fields: Fields, keep: Iterable[str]) -> dict[str, Any]:
    found = {name: fields.mapping.get(name, name.removeprefix(ROW)) for name in keep}
    values = {name.removeprefix(ROW): at(fields.row, column) for name, column in found.items() if column}
    return {name: parsed(v) if isinstance(v, str) else v for name, v in values.items() if v is not NOTHING and v is not None}


def _carried(fields: Fields, carry: tuple[str, ...], known: Collection[str]) -> dict[str, Any]:
    """Columns as they stand, by their own names; `data.NAME` where metadata of that name is there already."""
    if carry == ALL:
        found = {str(name): value for name, value in fields.row.items() if name not in _WRITTEN or fields.raw(name) is not value}
    else:
        found = {name: column_of(fields, name) for name in carry}
    out: dict[str, Any] = {}
    for name, value in found.items():
        if value is NOTHING or value is None:
            continue
        if name not in known:
            out[name] = value
        elif name in LABELS and fields.raw(name) is not value:  # the label is another column
            out[f"data.{name}"] = value
    return out


def _text(value: Any, field: str) -> str | None:
    if is_missing(value) and not isinstance(value, Mapping | list):
        return None  # an empty CSV cell says that there is none
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return written(value)
    raise ValueError(f"`{field}` must be text, not {shown(value)}")


def _rubric(value: Any) -> Rubric | None:
    if is_missing(value):
        return None
    try:
        return _known_rubric(value if isinstance(value, str) else json.dumps(value, default=_listed))
    except RubricError as why:
        raise RubricError(Problem("`rubric`", problem.what) for problem in why.problems) from None


def _listed(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise RubricError(f"a rubric cannot hold a {type(value).__name__}")


@lru_cache(maxsize=256)
def _known_rubric(text: str) -> Rubric:
    """The rubric in a cell, built once for all rows that have the same."""
    return rubric_from(text, "rubric")
