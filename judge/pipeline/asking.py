"""Which judge call is being made: a note that the caller leaves in the context of the task that makes it.

A request does not say whose it is (two votes of one question are the same bytes but for the seed), and an engine needs no more. A
recipe's recorded replies do: they say which reply answers which turn, order and criterion (`judge.pipeline.transcripts`).
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Literal

from judge.recipe.verdict import Question
from judge.records import quick

Purpose = Literal["turn", "force", "ask_again", "proof"]
"""A turn of the recipe; or what follows one: the verdict alone, the verdict once more, the words that prove it."""


@quick
@dataclass(frozen=True, slots=True)
class Asking:
    """One call: the turn it belongs to, the responses in the order shown, ids of the criteria asked about.

    Attributes:
        question: What the reply may state; None where no verdict is looked for in it.
        copies: Only the words of the response are looked for that state its answer.
    """

    turn: str
    order: tuple[int, ...]
    criteria: tuple[str, ...] = ()
    purpose: Purpose = "turn"
    question: Question | None = field(default=None, compare=False, repr=False)
    copies: bool = field(default=False, compare=False)


_NOW: ContextVar[Asking | None] = ContextVar("asking", default=None)


def begin(turn: str, order: tuple[int, ...], criteria: tuple[str, ...] = ()) -> None:
    """Note that the calls of this task are for this turn from now on."""
    _NOW.set(Asking(turn, order, criteria))


def states(question: Question, *, copies: bool = False) -> None:
    """Note what the reply to the next call may state."""
    now = _NOW.get()
    if now is not None:
        _NOW.set(Asking(now.turn, now.order, now.criteria, now.purpose, question, copies))


def follow(purpose: Purpose) -> None:
    """Note that the next call follows the one before, and why."""
    now = _NOW.get()
    if now is not None:
        _NOW.set(replace(now, purpose=purpose))


def asking() -> Asking | None:
    """The call that this task is making; None outside a judge call."""
    return _NOW.get()
