"""A value -> the words a judge would state it with, and the constraint that makes an engine state one."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any

from judge.parse.kinds import tidy
from judge.parse.logprobs import value_scores
from judge.recipe.verdict import Question
from judge.types import Structured

_SPECIAL = re.compile(r"[.^$*+?{}\[\]\\|()]")
_MAX_CHOICES = 128  # above this, a regex


def format_verdict(question: Question, value: Any) -> str:
    """Write a verdict in the question's grammar.

    Args:
        value: A label; a number; a response index, or None for a tie (`choice`); numbers or labels in the order shown
            (`scores`); indices, best first (`ranking`); id -> label (`criteria`); a step's number or the word for none
            (`first_error`).

    Example:
        >>> from judge.recipe.verdict import VerdictSpec
        >>> format_verdict(Question(VerdictSpec(kind="choice", form="brackets"), names=("A", "B")), 1)
        '[[B]]'
    """
    spec = question.spec
    lines = [_format_json(question, value)] if spec.form == "json" else _lines(question, value)
    return "\n".join([*([spec.after] if spec.after else []), *lines, *([spec.until] if spec.until else [])])


def line_count(question: Question) -> int:
    """How many lines `format_verdict` writes."""
    spec = question.spec
    several = 1 if spec.form == "json" or not _line_each(question) else len(_items(question))
    return several + (spec.after is not None) + (spec.until is not None)


def _line_each(question: Question) -> bool:
    """Whether each item has a statement of its own."""
    spec = question.spec
    if spec.kind == "criteria":
        return spec.by == "place" or spec.form == "line"
    return spec.kind == "scores" and (spec.by == "place" or spec.marked_each or spec.form == "angles")


def _items(question: Question) -> tuple[str, ...]:
    """What has a value of its own: criteria or responses."""
    return tuple(question.criteria) if question.spec.kind == "criteria" else question.names


def _lines(question: Question, value: Any) -> list[str]:
    if not _line_each(question):
        return [wrap(question, _words(question, value))]
    plain = _plain(question, value)
    return [wrap(question, str(plain[item]), place) for place, item in enumerate(_items(question)) if item in plain]


def wrap(question: Question, words: str, place: int = 0) -> str:
    """Put the words of a value into the form's delimiters (every form but `json`), those of the item in one place."""
    spec = question.spec
    marker = question.markers[place][0] if spec.marked_each else spec.marker
    if spec.kind == "criteria" and spec.form == "line" and spec.by == "name":
        marker = f"{marker} {_items(question)[place]}"
    return {
        "line": f"{marker}: {words}",
        "brackets": f"[[{words}]]",
        "boxed": f"\\boxed{{{words}}}",
        "tag": f"<{marker}>{words}</{marker}>",
        "bare": words,
        "sentence": marker.replace("{value}", words),
        "angles": f"<<{words}>>" if place else f"[[{words}]]",
    }[spec.form]


def opening(question: Question) -> tuple[str, str]:
    """What stands before and after the constrained part of a statement: all but the value, where there is one in one place."""
    spec = question.spec
    if spec.form == "json":
        before, after = ("", "") if spec.marked_each else (f'{{"{spec.marker}": ', "}")
    elif _line_each(question):
        before, after = "", ""
    else:
        before, _, after = wrap(question, "\0").partition("\0")
    return (f"{spec.after}\n{before}" if spec.after else before), (f"{after}\n{spec.until}" if spec.until else after)


def constraint(question: Question) -> tuple[str, Structured] | None:
    """The text to append to a judge's reasoning, and what may follow it; None when nothing sensible may.

    Example:
        >>> from judge.recipe.verdict import VerdictSpec
        >>> constraint(Question(VerdictSpec(kind="choice", tie="tie"), names=("A", "B")))
        ('\\nVERDICT: ', Structured(choice=('A', 'B', 'tie'), regex='', json_schema=''))
    """
    structured = _structured(question)
    return None if structured is None else ("\n" + opening(question)[0], structured)


def _structured(question: Question) -> Structured | None:
    kind, json_form = question.spec.kind, question.spec.form == "json"
    if kind == "criteria":
        return _criteria_regex(question)
    if kind == "scores":
        return _scores_regex(question)
    if kind == "ranking":
        return _ranking_constraint(question)
    finite = _finite(question)
    if not finite:
        return Structured(regex=_number_regex(question))
    if not json_form or kind == "score":
        return Structured(choice=finite)
    return Structured(choice=tuple(json.dumps(_typed(v, question), ensure_ascii=False) for v in finite))


def _finite(question: Question) -> tuple[str, ...]:
    """Every value that may be stated, those of a judge that abstains included; empty when there is no finite list."""
    spec = question.spec
    if spec.kind in ("label", "graded_choice"):
        return tuple(question.labels)
    if spec.kind == "first_error":
        steps = question.steps or 100  # without a count, any number of a usual solution
        return (*(str(spec.base + step) for step in range(steps)), spec.none)
    return tuple(value_scores(question))


def _number_regex(question: Question) -> str:
    """Numbers of a range, with two decimals at most. Wide ranges may still be left; the reader checks."""
    low, high = math.ceil(question.lo), math.floor(question.hi)
    if high - low > 100:
        sign = "-?" if question.lo < 0 else ""
        size = len(str(int(max(abs(question.lo), abs(question.hi)))))
        return rf"{sign}[0-9]{{1,{size}}}" + ("" if question.integer else r"(\.[0-9]{1,2})?")
    if question.integer:
        return _any(str(n) for n in range(low, high + 1))
    whole = [str(n) for n in range(max(low, 0), high)]
    negative = [str(n) for n in range(low + 1, 0)] + (["-0"] if low < 0 else [])
    parts = [rf"{_any(negative + whole)}(\.[0-9]{{1,2}})?"] if negative + whole else []
    return "(" + "|".join([*parts, *[str(n) for n in (low, high)]]) + ")"


def _value_regex(question: Question) -> str:
    """One value of `scores`."""
    if not question.labels:
        return _number_regex(question)
    in_json = question.spec.form == "json"
    return _any(_escape(json.dumps(_typed(v, question), ensure_ascii=False) if in_json else v) for v in question.labels)


def _scores_regex(question: Question) -> Structured:
    spec, value = question.spec, _value_regex(question)
    if spec.form != "json":
        if not _line_each(question):
            return Structured(regex=", ".join(value for _ in question.names))
        holes = [wrap(question, "\0", place).partition("\0") for place in range(len(question.names))]
        return Structured(regex=r"\n".join(f"{_escape(before)}{value}{_escape(after)}" for before, _, after in holes))
    if spec.by == "place":
        return Structured(regex=r"\[" + ", ".join(value for _ in question.names) + r"\]")
    keys = [marker for marker, _ in question.markers] if spec.marked_each else question.names
    members = ", ".join(f"{_quoted(key)}: {value}" for key in keys)
    order = rf", {_quoted(spec.ranking)}: {_list_regex(question)}" if spec.ranking else ""
    if spec.marked_each:
        return Structured(regex=rf"\{{{members}{order}\}}")
    return Structured(regex=rf"\{{{members}\}}" + (rf"{order}\}}" if order else ""))


def _ranking_constraint(question: Question) -> Structured:
    count, in_json = len(question.names), question.spec.form == "json"
    if math.factorial(count) <= _MAX_CHOICES:
        plain = [_plain(question, order) for order in permutations(range(count))]
        return Structured(choice=tuple(json.dumps(p, ensure_ascii=False) if in_json else _joined(p) for p in plain))
    if question.spec.ranks == "places":
        place = _any(str(n + 1) for n in range(count))
        places = ", ".join(place for _ in question.names)
        return Structured(regex=rf"\[{places}\]" if in_json else places)
    if in_json:
        return Structured(regex=_list_regex(question))
    name = _any(map(_escape, question.names))
    return Structured(regex=" > ".join(name for _ in question.names))


def _criteria_regex(question: Question) -> Structured | None:
    spec = question.spec
    if not question.criteria:
        return None
    if spec.form == "json":
        cells = [
            (c, _any(_escape(json.dumps(_typed(v, question), ensure_ascii=False)) for v in labels))
            for c, labels in question.criteria.items()
        ]
        if spec.by == "place":
            return Structured(regex=r"\[" + ", ".join(labels for _, labels in cells) + r"\]")
        return Structured(regex=r"\{" + ", ".join(f"{_quoted(c)}: {labels}" for c, labels in cells) + r"\}")
    cells = [(c, _any(map(_escape, labels))) for c, labels in question.criteria.items()]
    if _line_each(question):
        holes = [wrap(question, "\0", place).partition("\0") for place in range(len(cells))]
        return Structured(
            regex=r"\n".join(f"{_escape(a)}{labels}{_escape(b)}" for (a, _, b), (_, labels) in zip(holes, cells, strict=True))
        )
    return Structured(regex=", ".join(f"{_escape(c)}: {labels}" for c, labels in cells))


def _list_regex(question: Question) -> str:
    name = _any(map(_quoted, question.names))
    return r"\[" + ", ".join(name for _ in question.names) + r"\]"


def _escape(words: str) -> str:
    """Escape what has a meaning in a regex, and nothing else: engines know fewer escapes than Python's `re.escape` writes."""
    return _SPECIAL.sub(r"\\\g<0>", words)


def _any(options: Any) -> str:
    return "(" + "|".join(options) + ")"


def _quoted(words: str) -> str:
    return _escape(json.dumps(words, ensure_ascii=False))


def _format_json(question: Question, value: Any) -> str:
    spec = question.spec
    plain = _plain(question, value)
    if isinstance(plain, dict):
        plain = {key: _typed(v, question) for key, v in plain.items()}
    plain = _typed(plain, question)
    if spec.by == "place":
        plain = [plain[item] for item in _items(question)]
    if spec.marked_each:
        stated: dict[str, Any] = {marker: plain[key] for marker, key in question.markers if key in plain}
    else:
        stated = {spec.marker: plain}
    if spec.ranking:
        order = sorted(range(len(value)), key=lambda i: -value[i])
        stated[spec.ranking] = [question.names[i] for i in order]
    return json.dumps(stated, ensure_ascii=False)


def _typed(value: Any, question: Question) -> Any:
    """What JSON writes without quotation marks: the labels `true` and `false`, and the number of a step."""
    if not isinstance(value, str):
        return value
    if question.spec.kind == "first_error" and value.removeprefix("-").isdigit():
        return int(value)
    return {"true": True, "false": False}.get(value, value)


def _plain(question: Question, value: Any) -> Any:
    kind, names = question.spec.kind, question.names
    if kind == "choice":
        value = question.spec.tie if value is None else names[value]
    elif kind == "score":
        value = tidy(float(value))
    elif kind == "scores":
        value = {n: v if isinstance(v, str) else tidy(float(v)) for n, v in zip(names, value, strict=True)}
    elif kind == "ranking":
        by_place = question.spec.ranks == "places"
        value = [list(value).index(i) + 1 for i in range(len(names))] if by_place else [names[i] for i in value]
    elif isinstance(value, Mapping):
        value = {criterion: value[criterion] for criterion in question.criteria if criterion in value}
    return value


def _words(question: Question, value: Any) -> str:
    plain = _plain(question, value)
    if question.spec.kind == "criteria":
        return ", ".join(f"{criterion}: {label}" for criterion, label in plain.items())
    if question.spec.kind == "scores":
        return ", ".join(str(v) for v in plain.values())
    return _joined(plain) if isinstance(plain, list) else str(plain)


def _joined(ranking: Sequence[Any]) -> str:
    """A ranking in words: names from best to worst, or the ranks of the responses as shown."""
    return " > ".join(ranking) if isinstance(ranking[0], str) else ", ".join(map(str, ranking))
