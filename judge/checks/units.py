"""Units of measure that answers are given in: their names, what they measure, and how much of it.

Two amounts in units of one kind (`1 h`, `60 min`) can be compared; nothing else is known of a unit. Letter case counts where it
is a prefix or the unit itself (`mW` and `MW`, `m` and `M`).
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple


class MeasureUnit(NamedTuple):
    """What a unit measures, and how much of its kind's base unit it is; `kind` is empty for what is only counted."""

    name: str
    kind: str
    size: Fraction


_TABLE = """
money$ 1 $ dollar dollars usd
money$ 0.01 cents cent
money€ 1 € euro euros eur
money£ 1 £ pound-sterling gbp
angle 1 ° degree degrees deg
length 0.01 cm centimeter centimeters centimetre centimetres
length 1 m meter meters metre metres
length 1000 km kilometer kilometers kilometre kilometres
length 0.001 mm millimeter millimeters millimetre millimetres
length 0.0254 in inch inches
length 0.3048 ft foot feet
length 0.9144 yd yard yards
length 1609.344 mi mile miles
mass 1000 kg kilogram kilograms
mass 1 g gram grams
mass 0.001 mg milligram milligrams
mass 453.59237 lb lbs pounds pound
mass 28.349523125 oz ounce ounces
volume 1 l liter liters litre litres
volume 0.001 ml milliliter milliliters millilitre millilitres
time 1 s sec second seconds
time 60 min minute minutes
time 3600 h hr hrs hour hours
time 86400 day days
time 604800 week weeks
months 1 month months
months 12 year years
speed 1.609344 mph
speed 1 km/h kmh kph
speed 3.6 m/s
"""
_COUNTED = "unit units|people|students|apples"


def _read() -> dict[str, MeasureUnit]:
    found: dict[str, MeasureUnit] = {}
    for line in _TABLE.strip().splitlines():
        kind, size, *names = line.split()
        found |= {name: MeasureUnit(names[0], kind, Fraction(size)) for name in names}
    for group in _COUNTED.split("|"):
        found |= {name: MeasureUnit(group.split()[0], "", Fraction(1)) for name in group.split()}
    return found


UNITS = _read()
"""Name of a unit, in lower case -> the unit. An abbreviation, the singular and the plural are one unit."""

_BEHIND_NUMBER = re.compile(r"\d\s{0,3}(?:\\(?:text|mathrm)\{\s{0,3})?([A-Za-zµ]{1,4})(?![A-Za-z])")


def case_differs(first: str, second: str) -> bool:
    """Whether letter case keeps two texts, as written, from naming one unit: `10 MW` is a thousand million times `10 mW`.

    A single capital behind a number may be a unit or a million: it is no unit but itself.

    Example:
        >>> case_differs("10 MW", "10 mW"), case_differs("5 M", "5 m"), case_differs("5M", "5"), case_differs("5 KM", "5 km")
        (True, True, True, False)
    """
    mine, theirs = _BEHIND_NUMBER.search(first), _BEHIND_NUMBER.search(second)
    if not mine or not theirs:
        return any(found is not None and found[1] in _CAPITALS for found in (mine, theirs))
    if mine[1] == theirs[1] or mine[1].casefold() != theirs[1].casefold():
        return False
    return mine[1] not in "lL" if len(mine[1]) == 1 else same_but_prefix(first, second)


_CAPITALS = frozenset("BGHKMST")


def same_but_prefix(first: str, second: str) -> bool:
    """Whether the units of two texts are the same but for the case of their prefix: `10 MW`, `10 mW`.

    Example:
        >>> same_but_prefix("10 MW", "10 mW"), same_but_prefix("5 Min", "5 min")
        (True, False)
    """
    mine, theirs = _BEHIND_NUMBER.search(first), _BEHIND_NUMBER.search(second)
    if not mine or not theirs or len(mine[1]) < 2 or mine[1].casefold() != theirs[1].casefold():
        return False
    spelt = UNITS.get(mine[1].casefold())
    may_be = mine[1].casefold() != "pm" if spelt is None else spelt.name not in ("min", "mi", "month", "lb")
    return mine[1][0] != theirs[1][0] and mine[1][0].casefold() in "mpyz" and may_be
