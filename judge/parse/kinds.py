"""One statement -> the value it states and its scores, for each kind of verdict.

- Lists and rankings are mapped by name, and each response appears exactly once: judges list responses in another order than
  shown, repeat one or drop one, and a reward read by position then belongs to somebody else.
- A ranking given beside scores must not contradict them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from judge.parse import values
from judge.parse.objects import Malformed, Members
from judge.parse.values import Bad, Number, Statement
from judge.recipe.verdict import Question
from judge.records import quick
from judge.types import Reason

ScoreRow = tuple[float | None, ...]
_SPLIT = re.compile(r"[,;\n]")
_ORDER = re.compile(r"[,;\n>≻]")
_PAIR = re.compile(r"(.{1,80}?)\s{0,5}[:=]\s{0,5}(.{1,40})", re.DOTALL)
_SCORE_KEYS = frozenset(("score", "rating", "grade", "value", "points"))


@quick
@dataclass(frozen=True, slots=True)
class StatedValue:
    """A usable statement.

    Attributes:
        value: As stated; equal values are the same verdict.
        scores: Shape (responses shown, criteria asked), in [0, 1].
        at: Criterion -> where its value stands in the text, where each has a place of its own (`criteria`).
    """

    value: Any
    scores: tuple[ScoreRow, ...]
    at: Mapping[str, int] = field(default_factory=dict, compare=False)


def read_label(statement: Statement, question: Question) -> StatedValue | Bad:
    """`label`: one label; one row, one cell."""
    stated = label_of(statement.raw, question)
    return stated if isinstance(stated, Bad) else StatedValue(stated, ((question.labels[stated],),))


def read_graded_choice(statement: Statement, question: Question) -> StatedValue | Bad:
    """`graded_choice`: the label scores the first response; the second gets the rest."""
    stated = label_of(statement.raw, question)
    if isinstance(stated, Bad):
        return stated
    score = question.labels[stated]
    return StatedValue(stated, ((score,), (None if score is None else 1.0 - score,)))


def read_score(statement: Statement, question: Question) -> StatedValue | Bad:
    """`score`: one number of the range."""
    stated = number_of(statement.raw, question)
    return stated if isinstance(stated, Bad) else StatedValue(tidy(stated), ((scaled(stated, question),),))


def read_choice(statement: Statement, question: Question) -> StatedValue | Bad:
    """`choice`: winner 1, losers 0, a tie 0.5 each."""
    words = words_of(statement.raw)
    if isinstance(words, Bad):
        return words
    stated = values.name(words, question.names, question.spec.tie, question.spec.prefixes)
    if isinstance(stated, Bad):
        return stated
    if stated not in question.names:
        return StatedValue(stated, ((0.5,),) * len(question.names))
    return StatedValue(stated, tuple((1.0 if name == stated else 0.0,) for name in question.names))


def read_first_error(statement: Statement, question: Question) -> StatedValue | Bad:
    """`first_error`: the number of the first wrong step; a cell a step, 1 before it, 0 for it and for what stands on it."""
    spec = question.spec
    words = str(statement.raw) if isinstance(statement.raw, Number) else words_of(statement.raw)
    if isinstance(words, Bad):
        return words
    steps = question.steps
    if not isinstance(values.label(words, {spec.none: 1.0}, spec.prefixes), Bad):
        return StatedValue(spec.none, ((1.0,) * max(1, steps),))
    last = spec.base + steps - 1 if steps else 999_999
    bare = values.unprefixed(words, spec.prefixes)
    stated = values.number(bare, spec.base, last, integer=True)
    if isinstance(stated, Bad):
        return stated
    right = int(stated) - spec.base
    return StatedValue(int(stated), (tuple(1.0 if step < right else 0.0 for step in range(steps)) or (0.0,),))


def cell_of(raw: Any, question: Question) -> tuple[Any, float] | Bad:
    """What a raw value states about one response, and its score: a label where the grammar has labels, else a number."""
    if question.labels:
        stated = label_of(raw, question)
        if isinstance(stated, Bad):
            return stated
        score = question.labels[stated]
        return Bad(Reason.ABSTAINED, f"the judge says {stated}") if score is None else (stated, score)
    number = number_of(raw, question)
    return number if isinstance(number, Bad) else (tidy(number), scaled(number, question))


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


def read_scores(statement: Statement, question: Question) -> StatedValue | Bad:
    """`scores`: a number for each response, one row each."""
    found = _scores(statement.raw, question)
    if isinstance(found, Bad):
        return found
    if question.spec.ranking:
        wrong = _check_ranking(statement, found, question)
        if wrong is not None:
            return wrong
    return scores_of(found, question)


def scores_of(found: Sequence[tuple[Any, float]], question: Question) -> StatedValue:
    """What was stated about each response, in the order shown."""
    return StatedValue(
        {name: stated for name, (stated, _) in zip(question.names, found, strict=True)}, tuple((score,) for _, score in found)
    )


def read_ranking(statement: Statement, question: Question) -> StatedValue | Bad:
    """`ranking`: names, best first; 1 for the best, 0 for the worst, even steps between."""
    order = _ranking(statement.raw, question)
    if isinstance(order, Bad):
        return order
    steps = max(1, len(order) - 1)
    return StatedValue([question.names[i] for i in order], tuple((1 - order.index(i) / steps,) for i in range(len(order))))


_MOST = re.compile(
    r"(?:max|maximum|out_?of|scale|range|top|upper|highest|best|total|denominator|of)(?:_?(?:score|rating|grade|points?|value))?"
    r"|(?:score|rating|grade)_?(?:max|maximum|scale|range|out_?of)",
    re.IGNORECASE,
)
_UNIT = re.compile(r"unit|units|measure", re.IGNORECASE)
_NOT_YET = re.compile(
    r"draft|example|hypothetical|retracted|withdrawn|invalid|cancelled|canceled|superseded|void|void(?:ed)?", re.IGNORECASE
)
_YET = re.compile(r"valid|final|is_final|is_valid", re.IGNORECASE)
_DIGITS = re.compile(r"\d{1,9}(?:\.\d{1,3})?")


def rescaled_beside(members: Members | tuple[tuple[str, Any], ...], question: Question) -> str:
    """Why another member of a JSON object makes its number one of another scale, or no verdict; empty where none does.

    `{"rating": 4, "scale": "1-5"}` where 1 to 10 was asked for, `{"rating": 8, "max": 100}`, `{"rating": 8, "final": false}`.
    """
    for key, value in members:
        if any(key.casefold() == marker.casefold() for marker, _ in question.markers):
            continue
        if question.spec.kind in ("score", "scores") and isinstance(value, str):
            numbers = _DIGITS.findall(value[:40]) if _MOST.fullmatch(key) else []
            if numbers and float(numbers[-1]) != question.hi:
                return f"{key}: {value[:40]}, and the scale ends at {question.hi:g}"
            if _UNIT.fullmatch(key) and "percent" in value.casefold():
                return f"{key}: {value[:40]}"
        if (value is True and _NOT_YET.fullmatch(key)) or (value is False and _YET.fullmatch(key)):
            return f"{key}: {str(value).lower()}"
    return ""


def _scores(raw: Any, question: Question) -> list[tuple[Any, float]] | Bad:
    items = _items(raw, question)
    if isinstance(items, Bad):
        return items
    if all(name is None for name, _ in items):
        if len(items) != len(question.names):
            return Bad(Reason.WRONG_COUNT, f"{len(items)} scores for {len(question.names)} responses")
        by_place = [cell_of(value, question) for _, value in items]
        bad = [n for n in by_place if isinstance(n, Bad)]
        return bad[0] if bad else [n for n in by_place if not isinstance(n, Bad)]
    places = _places([name for name, _ in items], question)
    if isinstance(places, Bad):
        return places
    cells: dict[int, tuple[Any, float]] = {}
    for place, (_, value) in zip(places, items, strict=True):
        read = cell_of(value, question)
        if isinstance(read, Bad):
            return read
        cells[place] = read
    return [cells[place] for place in range(len(question.names))]


def _items(raw: Any, question: Question) -> list[tuple[str | None, Any]] | Bad:
    """Name (None: by place) and value of each score stated."""
    if isinstance(raw, Members):
        return _agreeing(list(raw))
    if isinstance(raw, list):
        return [_item(entry, question) for entry in raw]
    if isinstance(raw, str) and not isinstance(raw, Number):
        parts = [part.strip() for part in _SPLIT.split(values.peel(raw)[-1] if len(raw) < values.MAX_WORDS else raw)]
        return _agreeing([_split_pair(part) for part in parts if part])
    return _no_list(raw)


def _item(entry: Any, question: Question) -> tuple[str | None, Any]:
    """`{"id": "A", "score": 7}` in a list; anything else counts by its place."""
    if isinstance(entry, Members):
        score = [value for key, value in entry if key.casefold() in _SCORE_KEYS]
        named = [value for key, value in entry if key.casefold() not in _SCORE_KEYS and _place(value, question) is not None]
        if len(score) == 1 and len(named) == 1:
            return str(named[0]), score[0]
        return "?", entry
    return None, entry


def _split_pair(part: str) -> tuple[str | None, Any]:
    found = _PAIR.fullmatch(part)
    return (found.group(1), found.group(2)) if found else (None, part)


def _agreeing(items: list[tuple[Any, Any]]) -> list[tuple[str | None, Any]] | Bad:
    """Fold a name stated twice with one value; two values contradict each other."""
    kept: dict[Any, Any] = {}
    for place, (name, value) in enumerate(items):
        key = place if name is None else name
        if key in kept and kept[key] != value:
            return Bad(Reason.AMBIGUOUS, f"{name!r} has two scores")
        kept[key] = value
    return [(None if isinstance(key, int) else key, value) for key, value in kept.items()]


def _places(names: Sequence[Any], question: Question) -> list[int] | Bad:
    places = [_place(name, question) for name in names]
    if len(places) != len(question.names) or set(places) != set(range(len(question.names))):
        shown = ", ".join(str(n)[:20] for n in names[:8])
        return Bad(Reason.WRONG_COUNT, f"each of {', '.join(question.names)} once was asked for; stated: {shown}")
    return [place for place in places if place is not None]


def _place(name: Any, question: Question) -> int | None:
    if not isinstance(name, str):
        return None
    found = values.match(name, question.names, question.spec.prefixes)
    return None if found is None else question.names.index(found)


def _ranking(raw: Any, question: Question) -> list[int] | Bad:
    """Positions of the responses, best first."""
    if question.spec.ranks == "places":
        return _from_places(raw, question)
    if isinstance(raw, str) and not isinstance(raw, Number):
        return _places([part for part in _ORDER.split(raw) if part.strip()], question)
    if not isinstance(raw, list):
        return _no_list(raw)
    if raw and all(isinstance(entry, Members) for entry in raw):
        return _ranked(raw, question)
    return _places(raw, question)


def _from_places(raw: Any, question: Question) -> list[int] | Bad:
    """`[2, 3, 1]`, `{"A": 2, "B": 3, "C": 1}`, `2, 3, 1`: the rank of each response, 1 the best, each rank once."""
    items = _items(raw, question)
    if isinstance(items, Bad):
        return items
    if any(name is not None for name, _ in items):
        places = _places([name for name, _ in items], question)
        if isinstance(places, Bad):
            return places
        items = [(None, value) for _, (_, value) in sorted(zip(places, items, strict=True), key=lambda both: both[0])]
    count = len(question.names)
    ranks = [
        values.number(words if isinstance(words := words_of(value), str) else "", 1, count, integer=True) for _, value in items
    ]
    stated = [int(rank) for rank in ranks if not isinstance(rank, Bad)]
    if sorted(stated) != list(range(1, count + 1)):
        shown = ", ".join(str(value)[:20] for _, value in items[:8])
        return Bad(Reason.WRONG_COUNT, f"each rank from 1 to {count} once was asked for; stated: {shown}")
    return [stated.index(rank + 1) for rank in range(count)]


def _ranked(entries: list[Members], question: Question) -> list[int] | Bad:
    """`[{"model": "B", "rank": 1}, ...]`: ordered by the rank stated, which must be 1 to N, each once."""
    ranks: dict[str, Any] = {}
    for entry in entries:
        rank = entry.get("rank")
        named = [value for key, value in entry if key.casefold() != "rank" and _place(value, question) is not None]
        if len(rank) != 1 or len(named) != 1 or str(rank[0]) in ranks:
            return Bad(Reason.WRONG_COUNT, "each entry of the ranking needs one name and one rank of its own")
        ranks[str(rank[0])] = named[0]
    wanted = [str(i + 1) for i in range(len(question.names))]
    if sorted(ranks) != sorted(wanted):
        return Bad(Reason.WRONG_COUNT, f"ranks {', '.join(ranks)} are not 1 to {len(wanted)}")
    return _places([ranks[rank] for rank in wanted], question)


def _check_ranking(statement: Statement, found: list[tuple[Any, float]], question: Question) -> Bad | None:
    stated = Members(statement.siblings).get(question.spec.ranking or "")
    if not stated:
        return Bad(Reason.WRONG_COUNT, f"no `{question.spec.ranking}` beside the scores")
    order = _ranking(stated[-1], question)
    if isinstance(order, Bad):
        return order
    in_order = [found[i][1] for i in order]
    if any(worse > better for better, worse in pairwise(in_order)):
        return Bad(Reason.AMBIGUOUS, "the ranking contradicts the scores")
    return None


def _no_list(raw: Any) -> Bad:
    if isinstance(raw, Malformed):
        return Bad(Reason.MISSING, "the object with the verdict is not valid JSON")
    if raw is None:
        return Bad(Reason.MISSING, "the verdict is null")
    return Bad(Reason.WRONG_COUNT, f"a value for each response was asked for; stated: {str(raw)[:40]!r}")
