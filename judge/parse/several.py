"""Several statements -> a value for each response or criterion: by a marker of its own, or by place.

- By marker (`<score_A>8</score_A>`): each response is decided by itself; one without a statement leaves nobody a score.
- By place (`\\boxed{correct}`, one a step): the first statement is of the first item, so one too few or too many would shift all
  others. The count is checked, nothing is guessed, and a list given twice must say the same twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from judge.parse import values
from judge.parse.choose import Planted, ReadStatement, UntrustedTexts, choose
from judge.parse.kinds import StatedValue, cell_of, scores_of, words_of
from judge.parse.objects import Malformed, Members
from judge.parse.values import Bad, Number, Statement
from judge.recipe.verdict import Question
from judge.types import NoVerdict, Reason

Weigh = Callable[[Statement, StatedValue | Bad], ReadStatement]
_PARTS = re.compile(r"[,;|\n]")
_NUMBERED = re.compile(r"[\s*_`\"']{0,8}(?:[-*•]|\(?\d{1,3}[.):])[ \t]{1,3}")
_VALUE_KEYS = frozenset(("verdict", "label", "score", "rating", "grade", "value", "judgement", "judgment", "answer"))


def by_response(found: list[Statement], weighed: Weigh, question: Question, untrusted: UntrustedTexts) -> StatedValue | NoVerdict:
    """Decide response by response; the first that cannot be decided ends it."""
    cells: dict[str, tuple[Any, float]] = {}
    for name in question.names:
        own = [weighed(s, _read_cell(s, question)) for s in found if s.key == name]
        chosen = choose(own, Planted(untrusted, partial(_tokens_of, name, question)))
        if isinstance(chosen, NoVerdict):
            return NoVerdict(chosen.reason, f"{name}: {chosen.detail}")
        if chosen is not None:
            cells[name] = (chosen.usable.value, _known(chosen.usable.scores[0][0]))
    if not cells:
        return NoVerdict(Reason.MISSING, "no response has a verdict")
    missing = [name for name in question.names if name not in cells]
    if missing:
        return NoVerdict(Reason.WRONG_COUNT, f"nothing is stated about {', '.join(missing)}")
    return scores_of([cells[name] for name in question.names], question)


def _read_cell(statement: Statement, question: Question) -> StatedValue | Bad:
    if isinstance(statement.raw, Malformed):
        return Bad(Reason.MISSING, "the object with the verdict is not valid JSON")
    cell = cell_of(statement.raw, question)
    return cell if isinstance(cell, Bad) else StatedValue(cell[0], ((cell[1],),))


def _tokens_of(name: str, question: Question, found: list[Statement]) -> set[str]:
    return {ReadStatement(s, _read_cell(s, question)).token for s in found if s.key == name}


def by_place(found: list[Statement], weighed: Weigh, question: Question, untrusted: UntrustedTexts) -> StatedValue | NoVerdict:
    """Put the statements together to whole lists, and decide between those as between single statements.

    The judge's own words outside fences, those in fences, and what is quoted or not meant are lists apart.
    """
    size = count(question)
    split = [(s, list(_parts(s, question))) for s in found if not _is_aside(s, question)]
    if any(isinstance(part.raw, Malformed) for _, parts in split for part in parts):
        return NoVerdict(Reason.MISSING, "the object with the verdict is not valid JSON")
    lists = [each for s, parts in split if _is_list(s, parts) for each in _cut(parts, size)]
    read = [weighed(parts[0], _stated(parts[0], 0, question)) for s, parts in split if not _is_list(s, parts)]
    for fenced in (False, True):
        own = [r.statement for r in read if not r.quoted and r.fenced == fenced]
        lists += _cut(own, size)
    quoted = [r.statement for r in read if r.quoted]
    lists += [quoted[at : at + size] for at in range(len(quoted) - size + 1)]
    wholes = sorted((_whole(each, weighed, question) for each in lists), key=lambda each: each.statement.start)
    chosen = choose(wholes, Planted(untrusted, partial(_list_tokens, question)))
    if chosen is None:
        return NoVerdict(Reason.MISSING, "the only values are quoted, or not meant" if wholes or quoted else "no verdict stated")
    return chosen if isinstance(chosen, NoVerdict) else chosen.usable


def _is_list(statement: Statement, parts: list[Statement]) -> bool:
    """Whether one statement is a list by itself, to which no other adds."""
    return len(parts) > 1 or isinstance(statement.raw, list)


def _cut(parts: list[Statement], size: int) -> list[list[Statement]]:
    """Lists of the size asked for; where the count is wrong, one list of them all."""
    if len(parts) % size:
        return [parts]
    return [parts[at : at + size] for at in range(0, len(parts), size)]


def _is_aside(statement: Statement, question: Question) -> bool:
    """A number in a box where words were asked for."""
    return statement.weak and isinstance(_item(statement.raw, 0, question), Bad)


def _whole(parts: list[Statement], weighed: Weigh, question: Question) -> ReadStatement:
    """Some values in a row as one statement."""
    size = count(question)
    read = [weighed(part, _stated(part, place, question)) for place, part in enumerate(parts[:size])]
    wrong = next((r.stated for r in read if isinstance(r.stated, Bad)), None)
    stated: StatedValue | Bad
    if len(parts) != size:
        stated = Bad(Reason.WRONG_COUNT, f"{len(parts)} values are stated for {size}")
    elif wrong is not None:
        stated = wrong
    else:
        stated = _row([(r.usable.value, r.usable.scores[0][0]) for r in read], question)
        places = [part.value_at for part in parts]
        if question.spec.kind == "criteria" and len(set(places)) == len(places):
            stated = replace(stated, at=dict(zip(question.criteria, places, strict=True)))
    raw = ", ".join(str(part.raw) for part in parts)
    whole = replace(parts[0], end=parts[-1].end, raw=raw)
    taken_back = next((r.taken_back for r in read if r.taken_back), "")
    return ReadStatement(whole, stated, any(r.fenced for r in read), any(r.quoted for r in read), "", taken_back)


def _known(score: float | None) -> float:
    """The score of one response of kind `scores`, which `cell_of` never leaves open: a null label is no statement there."""
    assert score is not None  # noqa: S101  # see above
    return score


def _row(cells: list[tuple[Any, float | None]], question: Question) -> StatedValue:
    if question.spec.kind == "scores":
        return scores_of([(stated, _known(score)) for stated, score in cells], question)
    stated = {criterion: cell[0] for criterion, cell in zip(question.criteria, cells, strict=True)}
    return StatedValue(stated, (tuple(score for _, score in cells),))


def _list_tokens(question: Question, found: list[Statement]) -> set[str]:
    """Every list that the values in a text make, wherever it begins."""
    parts = [part for s in found if not _is_aside(s, question) for part in _parts(s, question)]
    size = count(question)
    return {_whole(parts[at : at + size], _as_it_is, question).token for at in range(len(parts) - size + 1)}


def _as_it_is(statement: Statement, stated: StatedValue | Bad) -> ReadStatement:
    return ReadStatement(statement, stated)


def _stated(part: Statement, place: int, question: Question) -> StatedValue | Bad:
    cell = _item(part.raw, place, question)
    return cell if isinstance(cell, Bad) else StatedValue(cell[0], ((cell[1],),))


def count(question: Question) -> int:
    """How many values are asked for."""
    return max(1, len(question.criteria) if question.spec.kind == "criteria" else len(question.names))


def _item(raw: Any, place: int, question: Question) -> tuple[Any, float | None] | Bad:
    """What a raw value states about the item in one place."""
    if question.spec.kind == "scores":
        return cell_of(raw, question)
    labels = list(question.criteria.values())[place]
    words = words_of(raw)
    stated = words if isinstance(words, Bad) else values.label(words, labels, question.spec.prefixes)
    return stated if isinstance(stated, Bad) else (stated, labels[stated])


def _parts(statement: Statement, question: Question) -> Iterator[Statement]:
    """A statement that holds a list, value by value; any other as it is."""
    raw = statement.raw
    if isinstance(raw, Members):
        yield from (replace(statement, raw=value) for _, value in raw)
    elif isinstance(raw, list):
        yield from (replace(statement, raw=_of_entry(entry)) for entry in raw)
    elif isinstance(raw, Number) or not isinstance(raw, str) or not isinstance(_item(raw, 0, question), Bad):
        yield statement
    else:
        parts = [part for part in _PARTS.split(values.peel(raw)[-1] if len(raw) <= values.MAX_WORDS else raw) if part.strip()]
        if len(parts) < 2:
            yield statement
        else:
            yield from (replace(statement, raw=_NUMBERED.sub("", part, count=1).strip()) for part in parts)


def _of_entry(entry: Any) -> Any:
    """`{"id": 1, "label": "MET"}` in a list: the label."""
    if not isinstance(entry, Members):
        return entry
    stated = [value for key, value in entry if key.casefold() in _VALUE_KEYS]
    return stated[0] if len(stated) == 1 else entry[0][1] if len(entry) == 1 else entry
