"""Do two short texts say the same value, another one, or can a program not tell?

Three outcomes, because a verdict hangs on each. *Same* is `judge.checks.match.agrees`, and one number with the thing that it
counts ("42 apples" for `42`). *Different* needs both texts understood: one number each, in the same unit, or a formula of
numbers. What a program does not understand (several numbers, a unit that may be converted, a word that may change the number, a
number that may be rounded) is *cannot tell*, and never different.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

from judge.checks.exact import Value, exact
from judge.checks.match import LISTED, agrees, dashed, kept_apart, normalise, number
from judge.checks.phrases import NO, YES, same_side
from judge.checks.units import UNITS, MeasureUnit, case_differs, same_but_prefix
from judge.numerals import SCALES, VALUES, fold, spoken

MAX_TEXT = 300  # characters; a longer text is no short answer
_WORDS = 12  # around one number; more make a statement that may say anything of it
_NUMBER = re.compile(r"(?<![\w.,/^\\])[+-]?(?:\d{1,40}(?:[,.]\d{1,40}){0,12}|\.\d{1,40})(?:/\d{1,20})?(?![\w/^!_])")
_OPTION = re.compile(r"(?:(?:option|choice) )?(?:[(\[]?([a-j])[)\].:]{0,2}|[(\[]?([a-j])(?:[)\]]\s?|[:)]\s)[^()\[\]:]+)")
_WORD = re.compile(r"[^\W\d_]++(?:[-'\u2019][^\W\d_]++)*+")
_NAMED = re.compile(r"^[a-z]\s?=\s?(?=[^=])")
_SIGNS = re.compile(r"[<>≤≥≠≈~±=+*/^_\\|(){}\[\]:\-\u2013]")
_SIGN_BEFORE = re.compile(r"([$€£])\s?$")
_TAIL = re.compile(r"\s{0,3}(km/h|m/s|[$€£°%]|[a-z]{1,16})(?![a-z/^])\.?")
_PERCENT = frozenset(("%", "percent", "pct"))
_REDUCED = 1_000_000  # below it, `exact` takes every square out of a root
_DECIMALS = re.compile(r"[+-]?\d*(?:\.(\d+))?")
_CHANGES = frozenset(
    """
    about almost around approximately roughly nearly over under above below least most than not no never minus plus
    times less more fewer without except half quarter quarters third thirds double twice triple thrice squared cubed
    square cubic root power percent per percentage pct dozen dozens pair pairs couple gross score decade decades century
    centuries fortnight fortnights or between versus vs log ln sin cos tan negative positive fraction ratio degrees
    thousandth thousandths hundredth hundredths tenth tenths ppm ppb am pm bc ad bce noon midnight
    factorial base binary hex previous next another nor neither either isn't wasn't aren't
    kein keine nicht etwa fast ungefähr mindestens höchstens halb halbe hälfte doppelt oder bis von minus hoch wurzel prozent paar
    pas environ presque moins plus demi moitié double ou racine pourcent non casi menos más mitad doble o raíz circa quasi
    meno più metà
    """.split()
)
_BEFORE = frozenset(
    "the a an is are exactly just only equals total of le la les el los il der die das es sind ist est son".split()
)


@dataclass(frozen=True, slots=True)
class _Amount:
    """One number of a text, and what stands around it.

    Attributes:
        readings: What it may be: `1,234` is 1234, or 1.234 where a comma divides.
        unit: A known unit behind it, or a sign before it.
        noun: The one other word behind it.
        words: Other words around it.
        written: The digits, as they stand there.
    """

    readings: tuple[Fraction, ...]
    unit: MeasureUnit | None = None
    noun: str = ""
    words: int = 0
    written: str = ""
    percent: bool = False
    part: bool = False
    """A number word in a sentence of another language than English: it may be part of a longer number ("dua belas")."""


def compare_values(first: str, second: str) -> bool | None:
    """Whether two short texts say the same value. Symmetric; never raises; linear in the length of the texts.

    Args:
        first: For example the words that a judge copied out of a response.
        second: For example the reference.

    Returns:
        True: the same value. False: two different values, as numbers, as amounts of one unit or as letters of options. None: no
        program can tell (there is no value in one of them, or more than one, or a word that may change it).

    Example:
        >>> compare_values("42 apples", "42"), compare_values("She has 41 apples.", "42"), compare_values("none", "42")
        (True, False, None)
        >>> compare_values("$5", "5 cents"), compare_values("1 h", "60 min"), compare_values("3 or 4", "4")
        (False, None, None)
    """
    if second.strip() and agrees(first, second):
        return True
    if len(first) > MAX_TEXT or len(second) > MAX_TEXT or not first.strip() or not second.strip():
        return None
    if LISTED.search(first) or LISTED.search(second):
        return None
    if case_differs(first, second):  # `10 MW`, `10 mW`; but `5 M` may be millions, or metres
        return False if same_but_prefix(first, second) and normalise(first) == normalise(second) else None
    one, other = normalise(first), normalise(second)
    if (said := same_side(one, other)) is not None or one in YES | NO:
        return said
    names = _NAMED.match(one), _NAMED.match(other)
    if names[0] and names[1] and names[0][0][0] != names[1][0][0]:  # x = 3, y = 3
        return None
    value = _compare(_NAMED.sub("", one), _NAMED.sub("", other))
    return None if value and kept_apart(first, second) else value


def _compare(mine: str, theirs: str) -> bool | None:
    """Options, formulas and amounts of two normalised texts."""
    if (clocks := (_CLOCK.fullmatch(mine), _CLOCK.fullmatch(theirs)))[0] and clocks[1]:
        return _compare_clocks(clocks[0], clocks[1])
    degrees = _DEGREES.search(mine), _DEGREES.search(theirs)
    if degrees[0] and degrees[1] and degrees[0][1] != degrees[1][1]:
        return None
    options = _OPTION.fullmatch(mine), _OPTION.fullmatch(theirs)
    if options[0] and options[1]:
        return (options[0][1] or options[0][2]) == (options[1][1] or options[1][2])
    formulas = _formula(mine), _formula(theirs)
    if formulas[0] is not None and formulas[1] is not None:
        if formulas[0] != formulas[1] and _may_be_grouped(mine, theirs):
            return None
        return _compare_formulas(formulas[0], formulas[1], mine, theirs)
    amounts = _amount(mine), _amount(theirs)
    return _compare_amounts(amounts[0], amounts[1]) if amounts[0] is not None and amounts[1] is not None else None


_DEGREES = re.compile(r"(?:°|degrees?) ?([cfk])")  # of temperature
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


def _compare_clocks(first: re.Match[str], second: re.Match[str]) -> bool | None:
    """Two times of the day; the same time in the other half of the day, and the same ratio, may be meant."""
    (hour, minute), (other, past) = ((int(part) for part in clock.groups()) for clock in (first, second))
    if (hour, minute) == (other, past):
        return True
    half_a_day = minute == past and (hour - other) % 12 == 0
    return None if half_a_day or hour * past == other * minute else False


def has_value(text: str) -> bool:
    """Whether a short text is one value that `compare_values` reads: a number, an amount, or a formula of numbers.

    Example:
        >>> has_value("42 apples"), has_value("\\\\sqrt{2}"), has_value("Paris"), has_value("3 or 4")
        (True, True, False, False)
    """
    plain = _NAMED.sub("", normalise(text)) if len(text) <= MAX_TEXT and not LISTED.search(text) else ""
    return bool(plain) and (_formula(plain) is not None or _amount(plain) is not None)


def _formula(text: str) -> Value | None:
    """The exact value of a text that is a number or a formula of numbers, roots and pi."""
    if any(sign in text for sign in "$€£%"):
        return None
    value = number(text)
    if value is not None:
        return {(): value} if value else {}
    formula = None if dashed(text) else exact(text)
    if formula is None or any(name[0] not in "√πi" for monomial in formula for name, _ in monomial):
        return None
    return formula


def _compare_formulas(first: Value, second: Value, mine: str, theirs: str) -> bool | None:
    """Equal sums of products are equal; others differ, where roots are reduced and neither may be the other one rounded."""
    if first == second:
        return True
    if any(
        name[0] == "√" and int(name[1:]) >= _REDUCED for value in (first, second) for monomial in value for name, _ in monomial
    ):
        return None
    if any(name == "i" for value in (first, second) for monomial in value for name, _ in monomial):
        return False
    return None if _rounded(_decimal(first), _decimal(second), _places(mine), _places(theirs)) else False


def _may_be_grouped(mine: str, theirs: str) -> bool:
    """Whether two different numbers are one where a point or comma groups digits: `1.000` and `1000`."""
    if not (_NUMBER.fullmatch(mine) and _NUMBER.fullmatch(theirs)):
        return False
    return bool(set(_readings(mine)) & set(_readings(theirs)))


def _decimal(value: Value) -> Fraction:
    """A decimal value near an exact one, good to some 15 digits."""
    total = Fraction(0)
    for monomial, factor in value.items():
        size = 1.0
        for name, power in monomial:
            size *= (math.pi if name == "π" else math.sqrt(int(name[1:]))) ** power
        total += factor * Fraction(size)
    return total


def _rounded(first: Fraction, second: Fraction, mine: int | None, theirs: int | None) -> bool:
    """Whether one may be the other one, rounded or cut off to the decimal places it is written with (None: it is no decimal)."""
    gap = abs(first - second)
    return any(
        places is not None
        and gap <= Fraction(1, 10**places)
        and (places > 0 or (value.denominator > 1 and gap * 200 < abs(value)))
        for places, value in ((mine, second), (theirs, first))
    )


def _places(text: str) -> int | None:
    found = _DECIMALS.fullmatch(text)
    return len(found[1] or "") if found else None


@lru_cache(maxsize=2048)
def _amount(text: str) -> _Amount | None:
    """The one number of a text, in digits or else in words; None where there is none, or more, or a word that may change it."""
    found = list(_NUMBER.finditer(text))
    if not found:
        return _spoken_amount(text)
    if len(found) > 1 or not (readings := _readings(found[0][0])):
        return None
    return _around(text[: found[0].start()], text[found[0].end() :], readings, found[0][0])


def _spoken_amount(text: str) -> _Amount | None:
    words = list(_WORD.finditer(text)) if len(text) <= MAX_TEXT and not any(c.isdigit() for c in text) else []
    counted = [i for i, word in enumerate(words) if _values(word[0])] or _run(text, words)
    if not counted or counted[-1] - counted[0] >= len(counted) + sum(w[0] == "and" for w in words):
        return None
    first, last, value = _longest(text, words, counted[0], counted[-1])
    if value is None or (value <= 1 and len(words) > len(counted)):  # "one of them", "the one"
        return None
    start, end = words[first].start(), words[last].end()
    found = _around(text[:start], text[end:], (Fraction(value),), str(value))
    english = all(part in _ENGLISH for part in re.findall(r"[^\W\d_]+", text[start:end]))
    return replace(found, part=True) if found and found.words and not english else found


_ENGLISH = frozenset(
    """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
    nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million billion trillion and
    """.split()
)


def _run(text: str, words: list[re.Match[str]]) -> list[int]:
    """Where a number of several words stands, none of which is one by itself ("hai mươi mốt"): the places of its words."""
    for length in (4, 3, 2) if len(words) <= _WORDS else ():
        for first in range(len(words) - length + 1):
            if spoken(text[words[first].start() : words[first + length - 1].end()]) is not None:
                return list(range(first, first + length))
    return []


def _longest(text: str, words: list[re.Match[str]], first: int, last: int) -> tuple[int, int, int | None]:
    """The longest run of words that is a number and holds the words from `first` to `last`: "vingt et un", "dua belas"."""
    runs = [(a, b) for a in range(max(0, first - 3), first + 1) for b in range(last, min(len(words), last + 4))]
    for a, b in sorted(runs, key=lambda run: run[0] - run[1]):
        value = spoken(text[words[a].start() : words[b].end()])
        if value is not None:
            return a, b, value
    return first, last, None


def changes_number(word: str) -> bool:
    """Whether a word beside a number may change it: `million`, `half`, `not`, another number."""
    folded = fold(word)
    return folded in _CHANGES or folded in SCALES or _values(word)


def _values(word: str) -> bool:
    return all(part in VALUES for part in fold(word).split("-"))


def _around(before: str, after: str, readings: tuple[Fraction, ...], written: str) -> _Amount | None:
    sign = _SIGN_BEFORE.search(before)
    unit = UNITS.get(sign[1]) if sign else None
    before = before[: sign.start()] if sign else before
    tail = _TAIL.match(after)
    percent = bool(tail and tail[1] in _PERCENT)
    if tail and (percent or tail[1] in UNITS):
        unit = unit if percent or unit else UNITS[tail[1]]
        after = after[tail.end() :]
    if after.lstrip()[:1] in ("'", '"', "\u2032", "\u2033"):  # feet, inches, minutes
        return None
    if _SIGNS.search(before) or _SIGNS.search(after) or any(c.isdigit() or c in "$€£%" for c in before + after):
        return None
    words = [w for w in _WORD.findall(before) if fold(w) not in _BEFORE], _WORD.findall(after)
    if any(changes_number(w) for side in words for w in side):
        return None
    if len(words[0]) + len(words[1]) > _WORDS:
        return None
    if unit is not None and not unit.kind:
        words = words[0], [unit.name, *words[1]]
        unit = None
    noun = words[1][0] if len(words[1]) == 1 and not words[0] else ""
    return _Amount(readings, unit, noun, len(words[0]) + len(words[1]), written, percent)


def _readings(written: str) -> tuple[Fraction, ...]:
    """What digits with commas and points may be: `1,234` has two readings, `1000,99` one, `1,2,3` none."""
    top, _, bottom = written.partition("/")
    sign = -1 if top.startswith("-") else 1
    parts = re.split(r"[,.]", top.lstrip("+-"))
    marks = re.findall(r"[,.]", top)
    grouped = bool(marks) and 0 < len(parts[0]) <= 3 and parts[0] != "0" and all(len(part) == 3 for part in parts[1:])
    found = set()
    if len(marks) <= 1:
        found.add(".".join(part or "0" for part in parts))
    if grouped and len(set(marks)) == 1:
        found.add("".join(parts))
    if len(marks) > 1 and len(set(marks[:-1])) == 1 and marks[-1] != marks[0] and all(len(part) == 3 for part in parts[1:-1]):
        found.add("".join(parts[:-1]) + "." + parts[-1])
    if bottom and int(bottom) == 0:
        return ()
    return tuple(sorted(sign * Fraction(each) / (int(bottom) if bottom else 1) for each in found))


def _compare_amounts(first: _Amount, second: _Amount) -> bool | None:
    if first.part or second.part:
        return None
    same = bool(set(first.readings) & set(second.readings))
    if first.unit is not None and second.unit is not None and not first.percent and not second.percent:
        return _compare_units(first, second, same)
    if _may_convert(first, second) or _may_convert(second, first):
        return None
    if same:
        sure = len(first.readings) == len(second.readings) == 1 and first.percent == second.percent
        bare = all(a.words == 0 or a.noun for a in (first, second)) and (first.unit is None) + (second.unit is None) >= 1
        nouns = {a.noun for a in (first, second)} - {""}
        return True if sure and bare and len(nouns) + (first.unit is not None) + (second.unit is not None) <= 1 else None
    if (first.unit or second.unit) and (first.noun or second.noun):
        return None
    return None if _may_change(first, second) else False


def _compare_units(first: _Amount, second: _Amount, same: bool) -> bool | None:
    one, other = first.unit, second.unit
    if one is None or other is None:
        return None
    if one.kind != other.kind:
        return None if {one.kind, other.kind} == {"time", "months"} else False
    if one == other:
        if same:
            return True if not first.words and not second.words and len(first.readings) == len(second.readings) == 1 else None
        return None if first.noun != second.noun or _may_change(first, second) else False  # °C, °F
    sizes = {a * one.size for a in first.readings}, {b * other.size for b in second.readings}
    near = any(abs(a - b) * 50 <= abs(a) for a in sizes[0] for b in sizes[1])  # 2 %: inches are rounded to centimetres
    return None if near else False


def _may_convert(first: _Amount, second: _Amount) -> bool:
    """Whether the second number, which has no unit, may be the first amount in another unit (`1 day`, `24`), or a percentage."""
    if first.percent and not second.percent:
        return any(a == b * 100 or a == b for a in first.readings for b in second.readings)
    if first.unit is None or second.unit is not None:
        return False
    sizes = {unit.size for unit in UNITS.values() if unit.kind == first.unit.kind} - {first.unit.size}
    return any(a * first.unit.size == b * size for a in first.readings for b in second.readings for size in sizes)


def _may_change(first: _Amount, second: _Amount) -> bool:
    """Whether words that nobody here knows may make the numbers equal ("5 Millionen", "la moitié de 84"), or rounding does."""
    for a in first.readings:
        for b in second.readings:
            if _rounded(a, b, _written_places(a, first.written), _written_places(b, second.written)):
                return True
            words = max(first.words, second.words)
            if words and a and b and (ratio := max(abs(a / b), abs(b / a))).denominator == 1:
                scale = str(ratio.numerator).rstrip("0") == "1" and ratio >= 10
                if scale or (words > 1 and ratio in (1, 2, 3, 4, 12, 20)):
                    return True
    return False


def _written_places(reading: Fraction, written: str) -> int | None:
    if "/" in written:
        return None
    return 0 if reading.denominator == 1 else len(re.split("[,.]", written)[-1])
