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


_NUMBER = re.compile(r"\d++(?:[.,:/]\d++)*+")
_THING = re.compile(r"[^\W\d_]+|[\u00b0'\"\u2032\u2033$\u20ac\u00a3%]|(?<=\d)_\{?\d+")
_BEHIND = re.compile(r"\s{0,3}([^\W\d_]+|[\u00b0'\"\u2032\u2033%]|_\{?\d+)")
_WRAPPERS = re.compile(
    r"\\(?:text|mbox|mathrm|textbf|mathbf|operatorname|boxed)\s?\{|\^\s?\{?\\circ\s?\}?|\\degree(?![A-Za-z])|[{}]|\\[,;:! ]|\$"
)
_LITTLE = frozenset("the a an is are it of to and or in at so answer final we get there".split())
_NO_COUNT = frozenset(
    """
    am pm bc bce ad ppm ppb st nd rd th step steps thousandth thousandths hundredth hundredths tenth tenths noon midnight
    """.split()
)
_LABEL = re.compile(
    r"\b(?:chapter|figure|fig|table|section|page|step|equation|eq|theorem|lemma|part|line|exercise|example|problem|question|case|route|room|item|note)\.?\s{1,3}$",
    re.IGNORECASE,
)
_HALF_DAY = re.compile(r"(?<![^\W\d_])([ap])\.\s?m(?![^\W\d_])", re.IGNORECASE)
_DECADE = re.compile(r"\d0s(?![A-Za-z])")


def other_thing(text: str, at: int, reference: str) -> bool:
    """Whether the number at a place of a text counts another thing than the reference, or is that of a chapter or step.

    Example:
        >>> other_thing("5 apples", 0, "5 oranges"), other_thing("3 PM", 0, "3 AM"), other_thing("Chapter 18", 8, "18")
        (True, True, True)
        >>> other_thing("18 eggs", 0, "18"), other_thing("She has 5 apples left.", 8, "5 apples"), other_thing("5", 0, "5 cm")
        (False, False, False)
    """
    wanted = _WRAPPERS.sub(lambda m: "\u00b0" if "circ" in m[0] or "degree" in m[0] else " ", reference)
    numbers = _NUMBER.findall(wanted)
    if len(numbers) != 1 or "\\" in wanted:
        return False
    wanted, text = _HALF_DAY.sub(r"\1m", wanted), text[:at] + _HALF_DAY.sub(r"\1m", text[at : at + 100])
    before = text[max(0, at - 60) : at]
    plain = _WRAPPERS.sub(lambda m: "\u00b0" if "circ" in m[0] or "degree" in m[0] else " ", text[at : at + 100])
    number = _NUMBER.search(plain)
    if number is None:
        return False
    theirs = _things(_THING.findall(wanted))
    behind: list[str] = []
    end = number.end()
    while len(behind) < 2 and (found := _BEHIND.match(plain, end)):
        behind.append(found[1])
        end = found.end()
    mine = _things(behind)
    if bool(_DECADE.search(text[at : at + 20])) != bool(_DECADE.search(reference)) or theirs & _NO_COUNT - mine:
        return True
    if not theirs:
        return bool(mine & _NO_COUNT) or bool(_LABEL.search(before))
    return bool(mine - theirs) and bool(theirs - _things(_THING.findall(before + plain)))


def _things(words: list[str]) -> set[str]:
    """Words in one form each: a unit by its name, a noun without its plural."""
    folded = (word.casefold() for word in words)
    return {
        UNITS[w].name if w in UNITS else w if w in _NO_COUNT else w.removesuffix("s") or w for w in folded if w not in _LITTLE
    }


_SHAPES = tuple(
    re.compile(shape)
    for shape in (
        r"[<>\u2264\u2265\u2260\u2208]|\\(?:n?leq?|n?geq?|lt|gt|neq?|in)(?![A-Za-z])",
        r"\\\{|\\mathbb|\\setminus|\\cup|\u222a|^\s*\$?[\[({].*,.*[\])}]\$?\s*$",
        r"\b(?:or|and|in|over)\b",
        r"e\s?\^|\d[eE]\d|\\(?:exp|ln|log)",
        r"\\cdot\s?10|10\s?\^",
        r"\d!",
        r"%|percent",
        r"\d\s?:\s?\d",
        r"\\circ|\u00b0|degree",
        r"^[^\\]*(?<![A-Za-z])[A-Za-z]{2,}[^\\]*$",
    )
)
_MONEY = re.compile(r"\\?\$\s?(?=\d[^$]*$)|[\u20ac\u00a3]")


def other_shape(answer: str, reference: str) -> bool:
    """Whether two texts are written in such different ways (an inequality and an interval, an "or" and a set, another unit) that
    a computer algebra system's "different" says little.

    Example:
        >>> other_shape("0 \\\\le x < 1", "[0,1)"), other_shape("500 g", "0.5 kg"), other_shape("x+1", "x-1")
        (True, True, False)
    """
    if any(bool(shape.search(answer)) != bool(shape.search(reference)) for shape in _SHAPES):
        return True
    return _units(answer) != _units(reference) or _UNGROUPED.sub("", answer) == _UNGROUPED.sub("", reference)


def _units(text: str) -> set[str]:
    named = {UNITS[name.casefold()].name for name in _UNIT_LETTERS.findall(text) if name.casefold() in UNITS}
    return named | set(_MONEY.findall(text)) | set(_TEMPERATURE.findall(text))


_UNGROUPED = re.compile(r"[.,\s$]")
_TEMPERATURE = re.compile(r"(?:\u00b0|\\circ\s?\}?)\s?(?:\\(?:text|mathrm)\{)?\s?([CFK])")


_UNIT_LETTERS = re.compile(r"\d\s{0,3}(?:\\(?:text|mbox|mathrm)\{\s{0,3})?([A-Za-z]{1,12})(?![A-Za-z])")


def other_base(answer: str, reference: str) -> bool:
    """Whether two numbers are written in different bases (`101_2`, `101_3`, `101`)."""
    return _BASE_IN.findall(answer) != _BASE_IN.findall(reference)


_BASE_IN = re.compile(r"\d_\{?(\d{1,3})")
