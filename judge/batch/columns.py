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
        self._all = tuple(keep) == ("all",)
        self._names = () if tuple(keep) == ("none",) else tuple(dict.fromkeys((*LABELS, *keep)))
        self._kinds: dict[str, Kind] = {} if self._all else dict.fromkeys(self._names[len(LABELS) :], "text")
        self._seen: set[str] = set()
        self._criteria: dict[str, None] = {}

    def of(self, sample: Sample) -> str | None:
        """What is kept of one sample, as JSON text; None where that is nothing."""
        kept: dict[str, Any] = {}
        for name in sample.metadata if self._all else self._names:
            value = plain_value(sample.metadata.get(name))
            if value is not None:
                kept[str(name)] = value
                self._learn(str(name), value)
        return json.dumps(kept) if kept else None

    def _learn(self, name: str, value: Any) -> None:
        kind = _kind(value)
        known = self._kinds.get(name) if name in self._seen else None
        self._seen.add(name)
        if known is None or known == kind:
            self._kinds[name] = kind
        else:
            self._kinds[name] = "float" if {known, kind} == {"int", "float"} else "text"

    def note(self, rewards: Iterable[Reward]) -> None:
        """Take note of the criteria that have a column."""
        for reward in rewards:
            for name in reward.criteria:
                if name not in self._criteria and len(self._criteria) < MOST_CRITERIA:
                    self._criteria[name] = None

    def columns(self, taken: Collection[str]) -> tuple[list[tuple[str, str, Kind]], list[tuple[str, str]]]:
        """(column, name, kind) of what is kept, and (column, id) of the criteria; no column is called as one of `taken`."""
        criteria = [(f"criterion.{name}", name) for name in self._criteria]
        used = {*taken, *(column for column, _ in criteria)}
        kept = []
        for name, kind in self._kinds.items():
            column = name
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
