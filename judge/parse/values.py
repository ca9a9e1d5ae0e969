"""The words of one statement -> a label, a name or a number on the scale, or why they are none.

- Labels match as a whole after folding case and markup, never as a prefix or a substring: MET is not in UNMET, and
  "Yes, mostly" is not Yes.
- `7/10` on a scale of 1 to 5 is neither 7 nor 10. Ratings read by a trailing-number pattern turned `7/10` into 10,
  `8.5` into 5 and `-3` into 3 in released reward code.
- "MET. Every fact is there." is read, as the value is complete before its explanation starts; what the explanation takes back
  ("4. No, 2.", "4 (out of ten)") is not (retraction.py).
- JSON numbers arrive as their own text, so that `1e9` or 5,000 digits cost nothing.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from judge.lookalikes import composed
from judge.parse.retraction import Stated, is_confidence, names_any, rescales, takes_back
from judge.recipe.verdict import LabelScores
from judge.records import quick
from judge.types import Reason

MAX_STATEMENTS = 1000  # above this a reply is a loop, and no single statement of it is its verdict
MAX_WORDS = 200  # characters of one value that are looked at


class Number(str):
    """A JSON number as it was written."""

    __slots__ = ()


@quick
@dataclass(frozen=True, slots=True)
class Statement:
    """Where a statement stands, and its words.

    Attributes:
        start: Position of its first character.
        end: Position behind its last one.
        value_at: Position of its value.
        raw: The words of the value; for JSON the decoded value.
        key: Criterion id (`criteria` in line form), else empty.
        soft: Only a guess (a heading with the value on the next line): dropped when its words are prose.
        weak: Less than that (`The verdict is 4`, without a separator): dropped when its words are no value.
        alone: It begins its line.
        siblings: Other members of the same JSON object, in order.
    """

    start: int
    end: int
    value_at: int
    raw: Any
    key: str = ""
    soft: bool = False
    weak: bool = False
    alone: bool = True
    siblings: tuple[tuple[str, Any], ...] = ()


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
    ("$", "$"), ("\\textit{", "}"), ("\\emph{", "}"), ("\\underline{", "}"),
)  # fmt: skip
_CLOSING = {")": "(", "]": "[", "}": "{"}  # left over from `(VERDICT: 4)`
_EDGE = " \t\n*_`~|"
_SYMBOLS = "".join(map(chr, (*range(0x2190, 0x2C00), *range(0x1F000, 0x1FB00), 0xFE0F, 0x20E3)))  # emoji, ticks, arrows
_CROSSES = frozenset("❌✗✘🚫👎⛔✖❎☒✕🔴")
_STOPS = ".!;,。 \t\n"
_NUMBER = re.compile(
    r"([+-]?(?:\d{1,15}(?:\.\d{1,15})?|\.\d{1,15}))(?: ?/ ?(\d{1,6}(?:\.0{1,3})?)| (?:out )?of (\d{1,6}))?", re.IGNORECASE
)
_TAIL = re.compile(
    r"(?P<full>[.。!] {1,3}|\.?[*_]{1,3}[.:]? {1,3})(?=[^\W\d_])|(?P<dash> {1,3}(?:-{1,2}|–|—) {1,3}|: {1,3})(?=[^\W\d_])"
    r"|(?P<why>[,;]? {1,3}(?=(?:because|since)\b)|, {1,3}(?=(?:as|for|given|due to|so|meaning)\b)|; {1,3}(?=[^\W\d_]))"
    r"|(?P<aside> {1,3})(?=[(\[]\S)",
    re.IGNORECASE,
)
_ASIDE = re.compile(r"[(\[]([^()\[\]]{1,120})[)\]]")


@dataclass(frozen=True, slots=True)
class _Cut:
    """A value and the words behind it. `aside`: what stands in parentheses right behind the value."""

    value: str
    tail: str
    aside: str = ""
    dashed: bool = False


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
    if (words.endswith("$") and words.count("$") == 1) or words.endswith(("\\)", "\\]")):
        return words.rstrip("$").removesuffix("\\)").removesuffix("\\]")
    if not words.isascii() and not (_CROSSES & {words[0], words[-1]}):
        bare = words.strip(_SYMBOLS)
        if bare != words and bare:
            return bare.strip()
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
    words = composed(words)
    low = words.casefold()
    for prefix in map(composed, prefixes):
        rest = words[len(prefix) :]
        if low.startswith(prefix.casefold()) and rest and not rest[0].isalnum():
            yield from peel(rest.lstrip(" \t:#-_"))


def unprefixed(words: str, prefixes: tuple[str, ...]) -> str:
    """The words behind a prefix, where they begin with one.

    Example:
        >>> unprefixed("**Step 3**", ("Step",)), unprefixed("3", ("Step",))
        ('3', '3')
    """
    return next((bare for form in peel(words) for bare in _unprefixed(form, prefixes)), words)


def _squash(words: str) -> str:
    return composed(" ".join(words.split()))


def _tail_cut(words: str) -> _Cut | None:
    """Split `MET. The answer names it.`, `4 - clear and short` or `4 (Good)` into the value and what stands behind it.

    None when there is no such tail. What stands behind a dash or a colon must not start with a digit.
    """
    words = words[:MAX_WORDS]
    found = _TAIL.search(words)
    if found is None or not found.start():
        return None
    value, tail = words[: found.start()], words[found.end() :]
    if found.group("aside"):
        aside = _ASIDE.match(words, found.end())
        return None if aside is None else _Cut(value, words[aside.end() :], aside.group(1))
    full = found.group("full")
    return _Cut(value + (found.group().rstrip(" .:!") if full else ""), tail, dashed=found.group("dash") is not None)


def _explains(cut: _Cut, scale: Stated) -> bool:
    """Whether what stands behind a value leaves it as it is."""
    if cut.aside and cut.tail.strip(_EDGE + _STOPS) and cut.tail.lstrip(_EDGE)[:1] not in (".", ",", ":", ";", "-", "–", "—"):
        return False
    return not takes_back(cut.tail, scale)


def _struck(words: str) -> bool:
    return "~~" in words


def is_positive(score: float | None) -> bool:
    """Whether a label is no bad grade; abstaining is none."""
    return score is not None and score >= 0.5


def label(words: str, labels: LabelScores, prefixes: tuple[str, ...] = ()) -> str | Bad:
    """Read one label. Labels that are all whole numbers are read as numbers (`4.0`, `4/5`)."""
    crossed = words.strip(" \ufe0f")[-1:] in _CROSSES or words.strip(" \ufe0f")[:1] in _CROSSES
    found = _label("".join(c for c in words if c not in _CROSSES) if crossed else words, labels, prefixes)
    if crossed and not isinstance(found, Bad) and is_positive(labels[found]):
        return Bad(Reason.OFF_SCALE, f"{words[:60]!r}: a cross beside {found}")
    return found


def _label(words: str, labels: LabelScores, prefixes: tuple[str, ...]) -> str | Bad:
    if not _struck(words):
        found = match(words, labels, prefixes)
        if found is not None:
            return found
        if _numeric(tuple(labels)):
            levels = [int(name) for name in labels]
            value = number(words, min(levels), max(levels), integer=True)
            if isinstance(value, Bad) or str(int(value)) in labels:
                return value if isinstance(value, Bad) else str(int(value))
        cut = _tail_cut(words)
        if cut is not None and (not cut.aside or is_confidence(cut.aside)) and (found := match(cut.value, labels, prefixes)):
            scale = Stated(found, tuple(name for name in labels if name != found), is_positive(labels[found]))
            if _explains(cut, scale):
                return found
    return _off(words, "label", ", ".join(labels))


def name(words: str, names: tuple[str, ...], tie: str | None, prefixes: tuple[str, ...] = ()) -> str | Bad:
    """Read the name of one response, or the tie label."""
    allowed = names if tie is None else (*names, tie)
    if not _struck(words):
        found = match(words, allowed, prefixes)
        if found is not None:
            return found
        cut = _tail_cut(words)
        if cut is not None and (not cut.aside or is_confidence(cut.aside)) and (found := match(cut.value, allowed, prefixes)):
            other = match(cut.tail, allowed, prefixes)
            scale = Stated(found, tuple(n for n in allowed if n != found), names=True)
            tied = bool(tie) and tie != found and names_any(cut.tail, (tie,) if tie else ())
            if other in (None, found) and not tied and _explains(cut, scale):
                return found
    return _off(words, "name", ", ".join(allowed))


def number(words: str, lo: float, hi: float, *, integer: bool) -> float | Bad:
    """Read one number of a range; `/5` and `out of 5` are allowed where 5 is the top.

    Example:
        >>> number("**4/5**", 1, 5, integer=True), number("7/10", 1, 5, integer=True).reason
        (4.0, <Reason.OFF_SCALE: 'off_scale'>)
    """
    if _struck(words):
        return _off(words, "number", f"{lo:g} to {hi:g}")
    for form in peel(words):
        plain = digits(form)
        if plain is None:
            return Bad(Reason.OFF_SCALE, f"mixed digits: {form[:40]!r}")
        found = _NUMBER.fullmatch(plain)
        if found is not None:
            return _in_range(found, lo, hi, integer=integer)
    cut = _tail_cut(words)
    if cut is not None and not _another_number(cut) and _explains(cut, Stated(cut.value.strip(_EDGE))):
        return number(cut.value, lo, hi, integer=integer)
    return _off(words, "number", f"{lo:g} to {hi:g}")


def _another_number(cut: _Cut) -> bool:
    """Whether what stands right behind a number changes it: an aside, or a second number behind a dash."""
    if cut.aside:
        if is_confidence(cut.aside):
            return False
        return not cut.aside[0].isalpha() or rescales(cut.aside) or takes_back(cut.aside, Stated(cut.value))
    return cut.dashed and (any(c.isdigit() for c in cut.tail) or (len(cut.tail.split()) <= 4 and rescales(cut.tail)))


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


@lru_cache(maxsize=512)
def _numeric(labels: tuple[str, ...]) -> bool:
    return bool(labels) and all(re.fullmatch(r"-?\d{1,6}", name) for name in labels)


def _off(words: str, what: str, allowed: str) -> Bad:
    shown = words.strip()
    return Bad(Reason.OFF_SCALE, f"{shown[:60]!r} is no {what} of: {allowed[:200]}", loose=_is_prose(shown))


def _is_prose(words: str) -> bool:
    return not any(c.isdigit() for c in words[:20]) and len(words.split()) > 1
