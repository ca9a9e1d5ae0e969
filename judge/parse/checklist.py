"""Statements -> one value per criterion: lines with ids, pairs between delimiters, JSON objects and lists.

- A judge that forgets a criterion has not failed the answer on it: the cell is None, and the rubric's partial policy decides.
- With `Question.salvage` the same goes for a list that stops short and for a criterion on which the reply contradicts itself.
- A label under an id nobody asked about is a sign that the ids got mixed up: `wrong_count`, not a silent drop.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from judge.parse import values
from judge.parse.choose import Planted, ReadStatement, UntrustedTexts, choose
from judge.parse.kinds import StatedValue, words_of
from judge.parse.objects import Malformed, Members
from judge.parse.values import Bad, Number, Statement
from judge.recipe.verdict import Question
from judge.types import NoVerdict, Reason

_SPLIT = re.compile(r"[,;\n]")
_PAIR = re.compile(
    r"[\s*_`\-•\[(#\"']{0,8}([A-Za-z0-9][A-Za-z0-9_.\-]{0,63})[*_`\])\"']{0,4}\s{0,5}[:=]\s{0,5}(\S.{0,200})", re.DOTALL
)
_ID_KEYS = frozenset(("id", "criterion", "criterion_id", "name", "key"))


def decide(
    found: list[Statement],
    foreign: set[int],
    weighed: Callable[[Statement, StatedValue | Bad], ReadStatement],
    question: Question,
    untrusted: UntrustedTexts,
) -> StatedValue | NoVerdict:
    """Decide criterion by criterion; one contradiction makes the whole reply ambiguous."""
    groups: dict[str, list[ReadStatement]] = {}
    strange: Statement | None = None
    for statement in by_criterion(found, question):
        criterion = criterion_of(statement.key, question)
        if criterion is not None:
            groups.setdefault(criterion, []).append(weighed(statement, _stated(statement, criterion, question)))
            strange = None if strange is not None and isinstance(strange.raw, Malformed) else strange
        elif statement.start in foreign or statement.weak:
            continue
        elif states_a_label(statement, question) or isinstance(statement.raw, Malformed):
            strange = statement
    if strange is not None:
        wrong = unknown(strange)
        return NoVerdict(wrong.reason, wrong.detail)
    stated: dict[str, str] = {}
    at: dict[str, int] = {}
    worst: NoVerdict | None = None
    for criterion, candidates in groups.items():
        chosen = choose(candidates, Planted(untrusted, partial(_tokens, criterion, question)))
        if isinstance(chosen, NoVerdict):
            if chosen.reason is Reason.AMBIGUOUS and not question.salvage:
                return NoVerdict(Reason.AMBIGUOUS, f"{criterion}: {chosen.detail}")
            worst = worst or NoVerdict(chosen.reason, f"{criterion}: {chosen.detail}")
        elif chosen is not None:
            stated[criterion] = chosen.usable.value
            at[criterion] = chosen.statement.value_at
    if not stated:
        return worst or NoVerdict(Reason.MISSING, "no criterion has a verdict")
    if question.spec.form == "line" and not question.salvage and _stops_short(groups, stated, question):
        return NoVerdict(Reason.TRUNCATED, f"the list ends after {len(stated)} of {len(question.criteria)} criteria")
    row = tuple(question.criteria[c][stated[c]] if c in stated else None for c in question.criteria)
    apart = len(set(at.values())) == len(at)
    return StatedValue({c: stated[c] for c in question.criteria if c in stated}, (row,), at if apart else {})


def _stops_short(groups: dict[str, list[ReadStatement]], stated: dict[str, str], question: Question) -> bool:
    """Whether the first criteria were answered, one after the other, and the last ones not: the reply was cut off.

    One left out in the middle is forgotten; a list that just ends looks the same as one that a stop string or a server ended.
    """
    asked = list(question.criteria)
    if asked[-1] in stated or list(stated) != asked[: len(stated)]:
        return False
    begun = asked[len(stated)]
    if begun not in groups:
        return True
    words = str(groups[begun][-1].statement.raw).casefold()  # `UNM`, cut within the label
    return any(label.casefold().startswith(words) for label in question.criteria[begun])


def _stated(statement: Statement, criterion: str, question: Question) -> StatedValue | Bad:
    value = value_of(statement, criterion, question)
    return value if isinstance(value, Bad) else StatedValue(value, ((question.criteria[criterion][value],),))


def _tokens(criterion: str, question: Question, found: list[Statement]) -> set[str]:
    same = (s for s in by_criterion(found, question) if criterion_of(s.key, question) == criterion)
    return {ReadStatement(s, _stated(s, criterion, question)).token for s in same}


def by_criterion(statements: Iterable[Statement], question: Question) -> Iterator[Statement]:
    """Split each statement into one statement per criterion, its id as `key`."""
    for statement in statements:
        if statement.key:
            yield statement
            continue
        pairs = _pairs(statement.raw, question)
        if pairs is None and len(question.criteria) == 1:
            yield replace(statement, key=next(iter(question.criteria)))
        elif pairs is None:
            yield replace(statement, key="?")
        else:
            yield from (replace(statement, key=key, raw=value) for key, value in pairs)


def criterion_of(key: str, question: Question) -> str | None:
    """The criterion that an id means; None for an id nobody asked about."""
    return values.match(key, tuple(question.criteria))


def value_of(statement: Statement, criterion: str, question: Question) -> str | Bad:
    """The label stated for one criterion."""
    words = words_of(statement.raw)
    return words if isinstance(words, Bad) else values.label(words, question.criteria[criterion], question.spec.prefixes)


def states_a_label(statement: Statement, question: Question) -> bool:
    """Whether a statement under an unknown id holds a label of some criterion: if not, it is decoration."""
    if isinstance(statement.raw, Members | list | Malformed):
        return statement.key == "?"
    return any(not isinstance(value_of(statement, criterion, question), Bad) for criterion in question.criteria)


def unknown(statement: Statement) -> Bad:
    """Why a statement belongs to no criterion."""
    if isinstance(statement.raw, Malformed):
        return Bad(Reason.MISSING, "the object with the verdict is not valid JSON")
    return Bad(Reason.WRONG_COUNT, f"{statement.key[:40]!r} is none of the criteria asked about")


def _pairs(raw: Any, question: Question) -> list[tuple[str, Any]] | None:
    if isinstance(raw, Members):
        return list(raw)
    if isinstance(raw, list):
        return [pair for entry in raw for pair in _entry(entry, question)]
    if isinstance(raw, str) and not isinstance(raw, Number):
        found = [_PAIR.fullmatch(part.strip()) for part in _SPLIT.split(raw) if part.strip()]
        if any(found):
            return [(pair.group(1).rstrip(".-"), pair.group(2)) if pair else ("?", raw[:80]) for pair in found]
    return None


def _entry(entry: Any, question: Question) -> Iterator[tuple[str, Any]]:
    """`{"id": "c1", "verdict": "MET"}` or `{"c1": "MET"}` in a list."""
    if not isinstance(entry, Members):
        yield "?", str(entry)
        return
    ids = [value for key, value in entry if key.casefold() in _ID_KEYS]
    if not ids:
        yield from entry
        return
    marker = question.spec.marker or "verdict"
    stated = [*entry.get("verdict"), *([] if marker.casefold() == "verdict" else entry.get(marker)), *entry.get("label")]
    yield from ((str(ids[0]), value) for value in stated)
    if not stated:
        yield str(ids[0]), None
