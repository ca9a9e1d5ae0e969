"""The columns that a data set must have: rows wait until each was seen in one of them, and an error says what is missing.

A format may tell its columns before the rows, or not; rows of JSON leave fields out. What would do is in the error: the columns
that there are, and the `--map` that takes the likely one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from judge.batch.columns import LABELS
from judge.batch.layouts import DataRow, layout_of
from judge.batch.rows import ANSWERS, FIELDS, MESSAGES, NOTHING, Fields, at, parsed
from judge.conversation import read_conversation
from judge.errors import DataError, JudgeError, Problem, did_you_mean

SCAN = 256  # rows looked at before a column counts as missing; JSON rows may leave fields out
T = TypeVar("T")
_LIKELY = {
    "prompt": ("question", "problem", "query", "instruction", "input", "user_query", "turns"),
    "response": (
        "answer",
        "output",
        "completion",
        "candidate",
        "prediction",
        "pred",
        "generation",
        "model_output",
        "target",
        "text",
    ),
}


def column_of(fields: Fields, name: str) -> Any:
    """A column, or a path into one; else the field of that name."""
    value = at(fields.row, name)
    return fields.raw(name) if value is NOTHING and name in FIELDS else value


class NeededColumns(Generic[T]):
    """Holds rows back until every needed column was seen in some row, and says what is missing when none has it."""

    def __init__(
        self, data: str, mapping: Mapping[str, str], needs: tuple[str, ...], carry: tuple[str, ...] = (), *, answered: bool = True
    ) -> None:
        self._data = data
        self._answered = answered
        self._carry = dict.fromkeys(name for name in carry if name not in LABELS)  # not found yet, in their order
        self._mapping = mapping
        self._needs = needs
        self._seen: dict[str, None] = {}  # a set that keeps the order
        self._found: set[str] = set()  # fields that some row has
        self._held: list[T] = []
        self._complete = False
        self._last: DataRow = {}

    def named(self, names: Iterable[str]) -> None:
        """Note all columns, where a format tells them before the rows."""
        self._seen.update(dict.fromkeys(map(str, names)))

    def see(self, row: DataRow) -> None:
        """Note the columns of one row, and the fields that can be read from them."""
        if self._complete:
            return
        self._seen.update(dict.fromkeys(map(str, row)))
        fields = Fields(row, self._mapping)
        self._last = row
        for name in list(self._carry):
            with contextlib.suppress(JudgeError):  # the row itself will say so
                if column_of(fields, name) is not NOTHING:
                    del self._carry[name]
        for field in ("prompt", *self._needs, *self._mapping, *fields.answers()):
            try:
                if (value := fields.raw(field)) is NOTHING:
                    continue
            except JudgeError:  # the row itself will say so
                value = None
            self._found.add("prompt" if field == "messages" else field)
            if field == "messages" and _is_answered(value):
                self._found.add(field)
        if _is_conversation(fields):
            self._found.add("prompt")
        self._complete = not self._problem()

    def release(self, sample: T | None) -> Iterator[T]:
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
        for name in self._carry:
            near = did_you_mean(name, [*seen, *_paths(self._last, name)])
            return f"--keep {name}: no column `{name}`{near}; columns: {_list(seen)}"
        for field, column in self._mapping.items():
            if column and field not in self._found:
                near = did_you_mean(column, [*seen, *_paths(self._last, column)])
                return f"no column `{column}` (mapped to {field}){near}; columns: {_list(seen)}"
        answered = bool(self._found & set(ANSWERS)) or not self._answered
        for field in ("prompt", *self._needs):
            if self._mapping.get(field) == "":
                return f"the recipe needs `{field}`, and --map {field}= leaves it out"
            if field not in self._found:
                why = "" if field == "prompt" else ", which the recipe needs"
                or_set = f", or set `{field}:` in the run settings" if field in ("rubric", "principle") else ""
                also = "" if answered or field != "prompt" else f",{self._guess('response')}"
                return f"no column `{field}`{why}; columns: {_list(seen)}; map one: --map {self._guess(field)}{also}{or_set}"
        if answered:
            return ""
        return f"no column `response` (or `responses`); columns: {_list(seen)}; map one: --map {self._guess('response')}"

    def _guess(self, field: str) -> str:
        """`prompt=question` where the data have a column of that name; else what to fill in."""
        likely = next((name for name in _LIKELY.get(field, ()) if name in self._seen), None)
        return f"{field}={likely or 'COLUMN'}"


def _paths(row: DataRow, path: str) -> list[str]:
    """The paths beside one that leads nowhere."""
    above = path.rpartition(".")[0]
    beside = at(row, above) if above else NOTHING
    beside = parsed(beside) if isinstance(beside, str) else beside
    return [f"{above}.{name}" for name in beside] if isinstance(beside, Mapping) else []


def _is_answered(messages: Any) -> bool:
    """Whether the last message is not the user's; what cannot be read says so itself, row by row."""
    try:
        return read_conversation(messages)[-1].role in ("assistant", "tool")
    except JudgeError:
        return True


def _is_conversation(fields: Fields) -> bool:
    """Whether the responses may hold the prompt as well: messages, or a transcript."""
    for field in fields.answers():
        try:
            value = fields.raw(field)
        except JudgeError:
            continue
        value = value.tolist() if hasattr(value, "tolist") else value
        if isinstance(value, str) and ("\n\nAssistant:" in value or "<|" in value or '"role"' in value):
            return True
        if isinstance(value, list | tuple) and len(value) > 1 and isinstance(value[0], Mapping):
            return True
    return False


def likely_prompt(columns: Collection[str]) -> dict[str, str]:
    """The mapping of a set of questions whose prompt has another usual name: a reader says so, and `--map` overrides it.

    Example:
        >>> likely_prompt(["question", "answer"]), likely_prompt(["prompt", "question"])
        ({'prompt': 'question'}, {})
    """
    known = layout_of(frozenset(columns)) is not None or not frozenset(columns).isdisjoint(("prompt", *MESSAGES))
    found = None if known else next((name for name in _LIKELY["prompt"] if name in columns), None)
    return {} if found is None else {"prompt": found}


def _list(columns: list[str]) -> str:
    return ", ".join(columns[:20]) + (", ..." if len(columns) > 20 else "")
