r"""What keeps a value that looks right from being the answer: words and signs around it that take it back or change it.

Without them a reader of numbers pays for "The answer cannot be 5", and a computer algebra system for `\boxed{5 \text{ million}}`
(it leaves words and units aside). Nothing here makes an answer wrong: in doubt the program cannot tell.
"""

from __future__ import annotations

import re

from judge.checks.units import UNITS
from judge.checks.values import changes_number

_UNSURE = re.compile(
    r"\b(?:not|never|cannot|whether|suppose|assume|doubt|unclear|unlikely|nicht)\b|n['\u2019]t\b|不是"
    r"|\b(?:if|is) the (?:final |correct )?answer\b",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"[,;:.!?\n\u3002]|\b(?:so|therefore|thus|hence|but|then)\b", re.IGNORECASE)
_PHRASE = re.compile(r"\b(?:is|are|was|were|be|equals?|ist|sind|est|es|gives?|has|have|makes?)\b|[=:,;.!?\n]", re.IGNORECASE)
_LISTED = re.compile(r"\d\S{0,3}\s?(?:,|;|/|\band\b|\bor\b|&|、|和|或)\s?$")  # "2 and 3" is not 3
_UNIT = re.compile(r"(?:\d|\}|\))\s{0,3}(?:\\(?:text|mbox|mathrm)\{\s{0,3})?([A-Za-z]{2,12})(?![A-Za-z])")
_BASE = re.compile(r"\d_\{?\d")
_RELATION = re.compile(r"\\(?:neq?|l(?:e|eq|t|eqslant)|g(?:e|eq|t|eqslant)|pm|mp)(?![A-Za-z])|[<>≤≥≠±]|!=")
_RANGE = re.compile(r"[(\[∪∈,]|\\(?:in|cup|left|infty)(?![A-Za-z])")
_BOTH_SIGNS, _LIST = re.compile(r"\\[pm][pm](?![A-Za-z])|±"), re.compile(r"^[^(\[]*,")  # `±1` is `1, -1`, and not (-1, 1)
_RATIO = re.compile(r"\d\s?:\s?\d")  # 2:3 is no fraction
_FACTORIAL = re.compile(r"(?<![A-Za-z])[A-Za-z]!|[)}]!")
_GOES_ON = re.compile(r"(?:\+|\.\.\.|\u2026|\\l?dots)\s*$")
_COMMAND = re.compile(r"\\[A-Za-z]+")
_LETTERS = re.compile(r"[^\W\d_]{2,}")
_KEPT = frozenset("percent pct degrees square cubic and or sin cos tan log ln".split())


def taken_back(text: str, at: int, end: int) -> bool:
    """Whether the words of its clause take back or question what a text states from `at` to `end`.

    Example:
        >>> taken_back("The answer cannot be 5", 21, 22), taken_back("Not 4, so 5", 10, 11), taken_back("Is it 5?", 6, 7)
        (True, False, True)
    """
    clause = _CLAUSE.split(text[max(0, at - 200) : at])[-1]
    return bool(_UNSURE.search(clause)) or "?" in text[max(at, end - 1) : end + 3]


def changed_before(text: str, at: int) -> bool:
    """Whether the words right before a number may change it ("about 12", "less than 12"), or it ends a list ("2 and 3")."""
    before = text[max(0, at - 300) : at]
    return any(changes_number(word) for word in _PHRASE.split(before)[-1].split()[-3:]) or bool(_LISTED.search(before[-20:]))


def says_more(answer: str, reference: str) -> bool:
    """Whether a formula has what a computer algebra system leaves aside and the reference has not: a word, unit, base or bound.

    Example:
        >>> says_more("5 \\\\text{ million}", "5"), says_more("> 5", "5"), says_more("5 \\\\text{ cm}", "5")
        (True, True, False)
    """
    if any(bool(sign.search(answer)) != bool(sign.search(reference)) for sign in (_BASE, _GOES_ON, _RATIO, _FACTORIAL)):
        return True
    mine, theirs = ({UNITS[u].name for u in _UNIT.findall(each) if u in UNITS} for each in (answer, reference))
    if mine and theirs and not mine & theirs:
        return True
    words, known = (set(map(str.casefold, _LETTERS.findall(_COMMAND.sub(" ", each)))) for each in (answer, reference))
    if any(changes_number(word) for word in words - known - _KEPT):
        return True
    bounds = bool(_RELATION.search(answer)), bool(_RELATION.search(reference))
    other = reference if bounds[0] else answer
    return bounds[0] != bounds[1] and not (_LIST if _BOTH_SIGNS.search(answer + reference) else _RANGE).search(other)


def other_base(answer: str, reference: str) -> bool:
    """Whether a number is written in a base (`101_2`) on one side only."""
    return bool(_BASE.search(answer)) != bool(_BASE.search(reference))
