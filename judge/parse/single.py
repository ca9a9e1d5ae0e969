"""One statement -> one value: labels, numbers, choices. What each kind accepts, and the scores it stands for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from judge.parse import values
from judge.parse.objects import Malformed, Members
from judge.parse.statement import Statement
from judge.parse.values import Bad, Number
from judge.recipe.model import Question
from judge.types import Reason

Row = tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """A usable statement.

    Attributes:
        value: As stated; equal values are the same verdict.
        scores: Shape (responses shown, criteria asked), in [0, 1].
    """

    value: Any
    scores: tuple[Row, ...]


def read_label(statement: Statement, question: Question) -> Reading | Bad:
    """`label`: one label; one row, one cell."""
    stated = label_of(statement.raw, question)
    return stated if isinstance(stated, Bad) else Reading(stated, ((question.labels[stated],),))


def read_graded_choice(statement: Statement, question: Question) -> Reading | Bad:
    """`graded_choice`: the label scores the first response; the second gets the rest."""
    stated = label_of(statement.raw, question)
    if isinstance(stated, Bad):
        return stated
    score = question.labels[stated]
    return Reading(stated, ((score,), (1.0 - score,)))


def read_score(statement: Statement, question: Question) -> Reading | Bad:
    """`score`: one number of the range."""
    stated = number_of(statement.raw, question)
    return stated if isinstance(stated, Bad) else Reading(tidy(stated), ((scaled(stated, question),),))


def read_choice(statement: Statement, question: Question) -> Reading | Bad:
    """`choice`: winner 1, losers 0, a tie 0.5 each."""
    words = words_of(statement.raw)
    if isinstance(words, Bad):
        return words
    stated = values.name(words, question.names, question.spec.tie, question.spec.prefixes)
    if isinstance(stated, Bad):
        return stated
    if stated not in question.names:
        return Reading(stated, ((0.5,),) * len(question.names))
    return Reading(stated, tuple((1.0 if name == stated else 0.0,) for name in question.names))


def label_of(raw: Any, question: Question) -> str | Bad:
    """The label that a raw value states."""
    words = words_of(raw)
    return words if isinstance(words, Bad) else values.label(words, question.labels, question.spec.prefixes)


def number_of(raw: Any, question: Question) -> float | Bad:
    """The number that a raw value states. JSON's true and false are no numbers."""
    if isinstance(raw, bool):
        return Bad(Reason.OFF_SCALE, f"{raw} is not a number")
    words = words_of(raw)
    if isinstance(words, Bad):
        return words
    return values.number(words, question.lo, question.hi, integer=question.integer)


def words_of(raw: Any) -> str | Bad:
    """A raw value as words: text as it is, JSON scalars as written."""
    if isinstance(raw, bool):
        return str(raw).lower()
    if isinstance(raw, str):
        return raw
    if isinstance(raw, Malformed):
        return Bad(Reason.MISSING, "the object with the verdict is not valid JSON")
    if raw is None:
        return Bad(Reason.MISSING, "the verdict is null")
    shape = "object" if isinstance(raw, Members) else "list"
    return Bad(Reason.OFF_SCALE, f"one value was asked for, and an {shape} came" if shape == "object" else "a list came")


def scaled(value: float, question: Question) -> float:
    """A number of the range on the [0, 1] scale."""
    return (value - question.lo) / (question.hi - question.lo)


def tidy(value: float) -> int | float:
    """A whole number as int.

    Example:
        >>> tidy(4.0), tidy(4.5)
        (4, 4.5)
    """
    return int(value) if value == int(value) else value


__all__ = [
    "Number", "Reading", "Row", "label_of", "number_of", "read_choice", "read_graded_choice", "read_label", "read_score",
    "scaled", "tidy", "words_of",
]  # fmt: skip
