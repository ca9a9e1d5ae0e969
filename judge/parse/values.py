"""The words of one statement -> a label, a name or a number on the scale, or why they are none.

- Labels match as a whole after folding case and markup, never as a prefix or a substring: MET is not in UNMET, and
  "Yes, mostly" is not Yes.
- `7/10` on a scale of 1 to 5 is neither 7 nor 10. Ratings read by a trailing-number pattern turned `7/10` into 10,
  `8.5` into 5 and `-3` into 3 in released reward code.
- JSON numbers arrive as their own text, so that `1e9` or 5,000 digits cost nothing.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from judge.types import Reason

MAX_WORDS = 200  # characters of one value that are looked at


class Number(str):
    """A JSON number as it was written."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Bad:
    """Why the words of a statement are no value. `loose`: prose, so it may be no statement at all."""

    reason: Reason
    detail: str
    loose: bool = False


_PAIRS = (
    ("\\boxed{", "}"), ("\\text{", "}"), ("\\textbf{", "}"), ("\\mathbf{", "}"), ("\\mathrm{", "}"), ("[[", "]]"),
    ("**", "**"), ("__", "__"), ("``", "``"), ("\\(", "\\)"), ("\\[", "\\]"), ("$$", "$$"), ("[", "]"), ("(", ")"), ("{", "}"),
    ("<", ">"), ("`", "`"), ('"', '"'), ("'", "'"), ("“", "”"), ("‘", "’"), ("«", "»"), ("「", "」"), ("*", "*"), ("_", "_"),
    ("$", "$"), ("~~", "~~"),
)  # fmt: skip
_CLOSING = {")": "(", "]": "[", "}": "{"}  # left over from `(VERDICT: 4)`
_EDGE = " \t\n*_`~"
_STOPS = ".!;,。 \t\n"
_NUMBER = re.compile(
    r"([+-]?(?:\d{1,15}(?:\.\d{1,15})?|\.\d{1,15}))(?: ?/ ?(\d{1,6}(?:\.0{1,3})?)| (?:out )?of (\d{1,6}))?", re.IGNORECASE
)
_TAIL = re.compile(
    r"(?P<full>[.。] {1,3}|\.?[*_]{1,3}[.:]? {1,3})(?=[^\W\d_])|(?P<dash> {1,3}(?:-{1,2}|–|—) {1,3}|: {1,3})(?=[^\W\d_])"
)


def peel(words: str) -> list[str]:
    """Strip decoration step by step: every intermediate form, the barest last.

    Example:
        >>> peel("**[MET]**.")
        ['**[MET]**.', '**[MET]**', '[MET]', 'MET']
    """
    words = words.strip()[: MAX_WORDS + 1]
    forms = [words]
    for _ in range(12):
        bare = _peel_once(words)
        if bare == words or not bare:
            break
        forms.append(bare)
        words = bare
    return forms


def _peel_once(words: str) -> str:
    for left, right in _PAIRS:
        if words.startswith(left) and words.endswith(right) and len(words) > len(left) + len(right):
            return words[len(left) : -len(right)].strip()
    if words[-1:] in _CLOSING and _CLOSING[words[-1]] not in words:
        return words[:-1]
    if words[-1:] in _STOPS:
        return words.rstrip(_STOPS)
    return words.strip(_EDGE)


@lru_cache(maxsize=512)
def _table(allowed: tuple[str, ...]) -> tuple[dict[str, str], dict[str, str]]:
    """Exact and case-folded spellings; a folded spelling that two values share is left out."""
    exact = {_squash(a): a for a in allowed}
    folded: dict[str, list[str]] = {}
    for name in allowed:
        folded.setdefault(_squash(name).casefold(), []).append(name)
    return exact, {key: names[0] for key, names in folded.items() if len(names) == 1}


def match(words: str, allowed: Iterable[str], prefixes: tuple[str, ...] = ()) -> str | None:
    """Find the allowed label or name that these words are, whole; None when there is none.

    Example:
        >>> match("**Unmet**.", ("MET", "UNMET")), match("Yes, mostly", ("Yes", "No"))
        ('UNMET', None)
    """
    exact, folded = _table(tuple(allowed))
    for form in peel(words):
        for text in (form, *_unprefixed(form, prefixes)):
            key = _squash(text)
            found = exact.get(key) or folded.get(key.casefold())
            if found is not None:
                return found
    return None


def _unprefixed(words: str, prefixes: tuple[str, ...]) -> Iterable[str]:
    low = words.casefold()
    for prefix in prefixes:
        rest = words[len(prefix) :]
        if low.startswith(prefix.casefold()) and rest and not rest[0].isalnum():
            yield from peel(rest.lstrip(" \t:#-_"))


def _squash(words: str) -> str:
    return " ".join(words.split())


def tail_cut(words: str) -> tuple[str, str] | None:
    """Split `MET. The answer names it.` or `4 - clear and short` into the value and the explanation behind it.

    None when there is no such tail. What stands behind a dash or a colon must not start with a digit.
    """
    found = _TAIL.search(words[:MAX_WORDS])
    if found is None or not found.start():
        return None
    return words[: found.start()] + (found.group().rstrip(" .:") if found.group("full") else ""), words[found.end() :]


def _parenthesis(words: str) -> tuple[str, str] | None:
    """Split `4 (Good)`, for numbers only: `MET (partly)` is not MET."""
    value, mark, tail = words[:MAX_WORDS].partition(" (")
    return (value, tail) if mark and value.strip() and tail[:1].isalpha() else None


def label(words: str, labels: Mapping[str, float], prefixes: tuple[str, ...] = ()) -> str | Bad:
    """Read one label. Labels that are all whole numbers are read as numbers (`4.0`, `4/5`)."""
    found = match(words, labels, prefixes)
    if found is not None:
        return found
    if _numeric(tuple(labels)):
        levels = [int(name) for name in labels]
        value = number(words, min(levels), max(levels), integer=True)
        if isinstance(value, Bad) or str(int(value)) in labels:
            return value if isinstance(value, Bad) else str(int(value))
    rest = tail_cut(words)
    if (
        rest is not None
        and (found := match(rest[0], labels, prefixes)) is not None
        and not _names_another(rest[1], labels, found)
    ):
        return found
    return _off(words, "label", ", ".join(labels))


def name(words: str, names: tuple[str, ...], tie: str | None, prefixes: tuple[str, ...] = ()) -> str | Bad:
    """Read the name of one response, or the tie label."""
    allowed = names if tie is None else (*names, tie)
    found = match(words, allowed, prefixes)
    if found is not None:
        return found
    rest = tail_cut(words)
    if rest is not None and (found := match(rest[0], allowed, prefixes)) is not None:
        other = match(rest[1], allowed, prefixes)
        if other in (None, found) and not (tie and tie != found and _names_another(rest[1], (tie,), found)):
            return found
    return _off(words, "name", ", ".join(allowed))


def number(words: str, lo: float, hi: float, *, integer: bool) -> float | Bad:
    """Read one number of a range; `/5` and `out of 5` are allowed where 5 is the top.

    Example:
        >>> number("**4/5**", 1, 5, integer=True), number("7/10", 1, 5, integer=True).reason
        (4.0, <Reason.OFF_SCALE: 'off_scale'>)
    """
    for form in peel(words):
        plain = digits(form)
        if plain is None:
            return Bad(Reason.OFF_SCALE, f"mixed digits: {form[:40]!r}")
        found = _NUMBER.fullmatch(plain)
        if found is not None:
            return _in_range(found, lo, hi, integer=integer)
    rest = tail_cut(words) or _parenthesis(words)
    if rest is not None and not (any(c.isdigit() for c in rest[1]) and rest[0][-1:].isdigit() and _dashed(words, rest)):
        return number(rest[0], lo, hi, integer=integer)
    return _off(words, "number", f"{lo:g} to {hi:g}")


def digits(words: str) -> str | None:
    """Fold decimal digits of any one script to ASCII; None when scripts are mixed. Superscripts are not digits."""
    if words.isascii():
        return words
    bases = {ord(c) - unicodedata.decimal(c) for c in words if c.isdecimal()}
    if len(bases) > 1:
        return None
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in words)


def shared_prefix(allowed: Iterable[str]) -> str:
    """What all allowed values begin with (`Response `), so that the telling token can be found behind it."""
    names = sorted(allowed)
    if not names:
        return ""
    size = next(
        (i for i, (a, b) in enumerate(zip(names[0], names[-1], strict=False)) if a != b), min(len(names[0]), len(names[-1]))
    )
    return names[0][:size]


def _in_range(found: re.Match[str], lo: float, hi: float, *, integer: bool) -> float | Bad:
    value = float(found.group(1))
    top = found.group(2) or found.group(3)
    if top is not None and float(top) != hi:
        return Bad(Reason.OFF_SCALE, f"{found.group()!r}: the scale ends at {hi:g}")
    if not lo <= value <= hi or not math.isfinite(value):
        return Bad(Reason.OFF_SCALE, f"{found.group(1)} is not in {lo:g} to {hi:g}")
    if integer and value != int(value):
        return Bad(Reason.OFF_SCALE, f"{found.group(1)} is not a whole number")
    return value + 0.0


def _dashed(words: str, rest: tuple[str, str]) -> bool:
    return not words[len(rest[0]) :].startswith((". ", "。", "*", "_"))


def _names_another(tail: str, labels: Iterable[str], found: str) -> bool:
    return any(re.search(rf"(?<!\w){re.escape(other)}(?!\w)", tail) for other in labels if other != found)


@lru_cache(maxsize=512)
def _numeric(labels: tuple[str, ...]) -> bool:
    return bool(labels) and all(re.fullmatch(r"-?\d{1,6}", name) for name in labels)


def _off(words: str, what: str, allowed: str) -> Bad:
    shown = words.strip()
    return Bad(Reason.OFF_SCALE, f"{shown[:60]!r} is no {what} of: {allowed[:200]}", loose=_is_prose(shown))


def _is_prose(words: str) -> bool:
    return not any(c.isdigit() for c in words[:20]) and len(words.split()) > 1
