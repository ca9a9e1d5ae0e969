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
        value: A label; a number; a response index, or None for a tie (`choice`); numbers in the order shown
            (`scores`); indices, best first (`ranking`); id -> label (`criteria`).

    Example:
        >>> from judge.recipe.verdict import VerdictSpec
        >>> format_verdict(Question(VerdictSpec(kind="choice", form="brackets"), names=("A", "B")), 1)
        '[[B]]'
    """
    spec = question.spec
    if spec.form == "json":
        return _format_json(question, value)
    if spec.kind == "criteria" and spec.form == "line":
        return "\n".join(f"{spec.marker} {criterion}: {label}" for criterion, label in _plain(question, value).items())
    return wrap(question, _words(question, value))


def wrap(question: Question, words: str) -> str:
    """Put the words of a value into the form's delimiters (every form but `json`)."""
    marker = question.spec.marker
    return {
        "line": f"{marker}: {words}",
        "brackets": f"[[{words}]]",
        "boxed": f"\\boxed{{{words}}}",
        "tag": f"<{marker}>{words}</{marker}>",
        "bare": words,
        "sentence": marker.replace("{value}", words),
    }[question.spec.form]


def opening(question: Question) -> tuple[str, str]:
    """What stands before and after the value of a statement, for forms with one value in one place."""
    if question.spec.form == "json":
        return f'{{"{question.spec.marker}": ', "}"
    if question.spec.kind == "criteria" and question.spec.form == "line":
        return "", ""
    before, _, after = wrap(question, "\0").partition("\0")
    return before, after


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
    kind = question.spec.kind
    quote = question.spec.form == "json"
    if kind == "criteria":
        return _criteria_regex(question)
    if kind == "scores":
        return _scores_regex(question)
    if kind == "ranking":
        return _ranking_constraint(question)
    finite = tuple(value_scores(question))
    if not finite:
        return Structured(regex=_number_regex(question))
    return Structured(choice=tuple(json.dumps(v, ensure_ascii=False) for v in finite) if quote and kind != "score" else finite)


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


def _scores_regex(question: Question) -> Structured:
    number = _number_regex(question)
    if question.spec.form != "json":
        return Structured(regex=", ".join(number for _ in question.names))
    members = ", ".join(f"{_quoted(name)}: {number}" for name in question.names)
    order = ""
    if question.spec.ranking:
        order = rf", {_quoted(question.spec.ranking)}: {_list_regex(question)}\}}"
    return Structured(regex=rf"\{{{members}\}}{order}")


def _ranking_constraint(question: Question) -> Structured:
    if math.factorial(len(question.names)) <= _MAX_CHOICES:
        orders = permutations(range(len(question.names)))
        if question.spec.form == "json":
            return Structured(
                choice=tuple(json.dumps([question.names[i] for i in order], ensure_ascii=False) for order in orders)
            )
        return Structured(choice=tuple(_words(question, order) for order in orders))
    if question.spec.form == "json":
        return Structured(regex=_list_regex(question))
    name = _any(map(_escape, question.names))
    return Structured(regex=" > ".join(name for _ in question.names))


def _criteria_regex(question: Question) -> Structured | None:
    spec = question.spec
    if not question.criteria:
        return None
    cells = [(criterion, _any(map(_escape, labels))) for criterion, labels in question.criteria.items()]
    if spec.form == "json":
        return Structured(regex=r"\{" + ", ".join(f'{_quoted(c)}: "{labels}"' for c, labels in cells) + r"\}")
    if spec.form == "line":
        return Structured(regex=r"\n".join(f"{_escape(spec.marker)} {_escape(c)}: {labels}" for c, labels in cells))
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
    stated: dict[str, Any] = {spec.marker: _plain(question, value)}
    if spec.ranking:
        order = sorted(range(len(value)), key=lambda i: -value[i])
        stated[spec.ranking] = [question.names[i] for i in order]
    return json.dumps(stated, ensure_ascii=False)


def _plain(question: Question, value: Any) -> Any:
    kind = question.spec.kind
    if kind == "choice":
        return question.spec.tie if value is None else question.names[value]
    if kind == "score":
        return tidy(float(value))
    if kind == "scores":
        return {name: tidy(float(v)) for name, v in zip(question.names, value, strict=True)}
    if kind == "ranking":
        return [question.names[i] for i in value]
    if isinstance(value, Mapping):
        return {criterion: value[criterion] for criterion in question.criteria if criterion in value}
    return value


def _words(question: Question, value: Any) -> str:
    plain = _plain(question, value)
    if question.spec.kind == "criteria":
        return ", ".join(f"{criterion}: {label}" for criterion, label in plain.items())
    if question.spec.kind == "scores":
        return ", ".join(str(v) for v in plain.values())
    if isinstance(plain, Sequence) and not isinstance(plain, str):
        return " > ".join(plain)
    return str(plain)
