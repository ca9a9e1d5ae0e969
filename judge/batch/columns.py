"""The data's own columns on their way to rewards.parquet: which are kept, of which type each is, and one column a criterion.

- Types are learned while rows are entered, so that the tables can be written in pages: whole numbers, numbers, booleans, and text
  for everything else (lists and mappings as JSON).
- A column whose name the table has already is called `data.NAME`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Literal

from judge.errors import InputError
from judge.pipeline.cache import clean
from judge.types import Reward, Sample

Kind = Literal["bool", "int", "float", "text"]
FirstSeen = tuple[int, int]
"""Row of the data and position in it: where a column was seen first."""
ColumnRecord = tuple[str, str, Kind | None, int, int]
"""`kept` or `criterion`, name, kind, and its place."""
LABELS = ("label", "preferred")  # kept unless `none` is
MOST_CRITERIA = 256  # columns; rows with rubrics of their own may have any number of ids between them
_INT64 = 2**63


def parse_keep(given: Iterable[str]) -> tuple[str, ...]:
    """`a,b` -> names of columns; `all` and `none` stand alone.

    Raises:
        InputError: `none` beside something else.

    Example:
        >>> parse_keep(["source,difficulty"]), parse_keep(["all"])
        (('source', 'difficulty'), ('all',))
    """
    names = tuple(dict.fromkeys(part.strip() for text in given for part in text.split(",") if part.strip()))
    if "none" in names and len(names) > 1:
        raise InputError(f"--keep {','.join(names)}: `none` cannot be combined with other names")
    return ("all",) if "all" in names else names


class KeptColumns:
    """Picks what is kept of each sample, and knows in the end which columns the table needs.

    Args:
        keep: Names in a sample's metadata, kept beside its label; `("all",)` or `("none",)`.
    """

    def __init__(self, keep: Sequence[str] = ()) -> None:
        self.keep = tuple(keep)
        self._all = tuple(keep) == ("all",)
        self._names = () if tuple(keep) == ("none",) else tuple(dict.fromkeys((*LABELS, *keep)))
        asked = () if self._all else self._names[len(LABELS) :]
        self._kinds: dict[str, Kind] = dict.fromkeys(asked, "text")
        self._places: dict[str, FirstSeen] = {name: (-1, place) for place, name in enumerate(asked)}
        self._seen: set[str] = set()
        self._criteria: dict[str, FirstSeen] = {}

    def of(self, sample: Sample, row: int = 0) -> str | None:
        """What is kept of one sample, as JSON text; None where that is nothing."""
        kept: dict[str, Any] = {}
        for place, name in enumerate(sample.metadata if self._all else self._names):
            value = plain_value(sample.metadata.get(name))
            if value is not None:
                kept[str(name)] = value
                self._learn(str(name), _kind(value), (row, place))
        return json.dumps(kept) if kept else None

    def _learn(self, name: str, kind: Kind, at: FirstSeen) -> None:
        known = self._kinds.get(name) if name in self._seen else None
        self._seen.add(name)
        if known is None or known == kind:
            self._kinds[name] = kind
        else:
            self._kinds[name] = "float" if {known, kind} == {"int", "float"} else "text"
        if name not in self._places or at < self._places[name]:
            self._places[name] = at

    def note(self, rewards: Iterable[Reward], row: int = 0) -> None:
        """Take note of the criteria that have a column."""
        for reward in rewards:
            for place, name in enumerate(reward.criteria):
                self._note(name, (row, place))

    def _note(self, name: str, at: FirstSeen) -> None:
        known = self._criteria.get(name)
        if (known is None and len(self._criteria) < MOST_CRITERIA) or (known is not None and at < known):
            self._criteria[name] = at

    def state(self) -> list[ColumnRecord]:
        """What was learned, for another process to `learn`."""
        kept = [("kept", name, self._kinds[name], *self._places[name]) for name in self._kinds if name in self._seen]
        return [*kept, *(("criterion", name, None, *at) for name, at in self._criteria.items())]

    def learn(self, state: Iterable[ColumnRecord]) -> None:
        """Take over what was learned of other rows."""
        for what, name, kind, row, place in state:
            if what == "criterion":
                self._note(name, (row, place))
            elif kind is not None:
                self._learn(name, kind, (row, place))

    def columns(self, taken: Collection[str]) -> tuple[list[tuple[str, str, Kind]], list[tuple[str, str]]]:
        """(column, name, kind) of what is kept, and (column, id) of the criteria; no column is called as one of `taken`.

        They come as the rows have them, whichever row was finished first.
        """
        criteria = [(f"criterion.{name}", name) for name in sorted(self._criteria, key=self._criteria.__getitem__)]
        used = {*taken, *(column for column, _ in criteria)}
        kept = []
        for name in sorted(self._kinds, key=self._places.__getitem__):
            column, kind = name, self._kinds[name]
            while column in used:
                column = f"data.{column}"
            used.add(column)
            kept.append((column, name, kind))
        return kept, criteria


def as_kind(value: Any, kind: Kind) -> Any:
    """A kept value in its column's type.

    Example:
        >>> as_kind(3, "float"), as_kind([1, 2], "text"), as_kind("a", "text"), as_kind(None, "int")
        (3.0, '[1, 2]', 'a', None)
    """
    if value is None or (kind == "text" and isinstance(value, str)):
        return value
    if kind == "text":
        return json.dumps(value, ensure_ascii=False)
    return float(value) if kind == "float" else value


def _kind(value: Any) -> Kind:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int" if -_INT64 <= value < _INT64 else "text"
    return "float" if isinstance(value, float) else "text"


def plain_value(value: Any) -> Any:
    """A value as JSON has it; NaN and infinities are None, what JSON does not know is its text.

    Example:
        >>> plain_value({"a": (1, float("nan"))})
        {'a': [1, None]}
    """
    if hasattr(value, "tolist"):  # of numpy
        value = value.tolist()
    if isinstance(value, Mapping):
        return {_text(str(name)): plain_value(part) for name, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain_value(part) for part in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int) else _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bytes | bytearray):
        return f"({len(value):,} bytes)"
    text = value if isinstance(value, str) else value.isoformat() if hasattr(value, "isoformat") else str(value)
    return clean(text)
