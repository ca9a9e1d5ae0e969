"""Arithmetic as people write it, read by a parser of its own: no expression becomes code.

Whole numbers and fractions are exact; anything with a root or a decimal function is a float. Numbers that would take long to
compute are refused, so a hostile expression costs nothing.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

MAX_CHARS = 500
MAX_BITS = 4_096  # of a whole number on the way
_NUMBER = r"(?:\d{1,3}(?:,\d{3})++(?!\d)|\d++)(?:\.\d+)?(?:[eE][+-]?\d{1,3})?|\.\d+"
_TOKEN = re.compile(rf"\s*(?:({_NUMBER})|([A-Za-z]+)|(\*\*|//|[-+*/^%!(),×÷·]))")
_SIGNS = {"of": "*", "×": "*", "·": "*", "÷": "/", "**": "^"}
_NAMES = {"pi": math.pi, "e": math.e}
CalculatorNumber = Fraction | float
_WAYS: dict[str, Callable[[Any, Any], CalculatorNumber]] = {
    "*": operator.mul,
    "/": operator.truediv,
    "//": lambda a, b: Fraction(a // b),
    "%": operator.mod,
}


class NoResult(ValueError):
    """The expression has no value, or is none."""


def calculate(expression: str) -> str:
    """The value of an arithmetic expression: + - * / // % ^ !, parentheses, percent, and the functions of a calculator.

    Raises:
        NoResult: It is no expression, or has no value.

    Example:
        >>> calculate("2 + 3 * 4"), calculate("1/3 + 1/2"), calculate("15% * 80"), calculate("sqrt(2)"), calculate("2^100")
        ('14', '5/6 (0.833333333333)', '12', '1.4142135623731', '1267650600228229401496703205376')
    """
    if len(expression) > MAX_CHARS:
        raise NoResult(f"an expression has at most {MAX_CHARS} characters")
    text = expression.strip().rstrip("=?").strip()
    reader = _Reader(_tokens(text))
    try:
        value = reader.total()
    except ZeroDivisionError:
        raise NoResult("division by zero") from None
    except (OverflowError, ValueError, TypeError) as why:
        raise NoResult(str(why) or "it has no value") from None
    except RecursionError:
        raise NoResult("too many parentheses") from None
    if reader.left:
        raise NoResult(f"`{reader.left[0]}` is not expected there")
    return _shown(value)


def _tokens(text: str) -> list[str]:
    out, at = [], 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise NoResult(f"`{text[at : at + 12].strip()}` is no arithmetic")
        number, name, sign = found.groups()
        out.append(
            number.replace(",", "") if number else _SIGNS.get(name.lower(), name.lower()) if name else _SIGNS.get(sign, sign)
        )
        at = found.end()
        if not text[at:].strip():
            break
    if not out:
        raise NoResult("there is nothing to calculate")
    return out


class _Reader:
    """Recursive descent: sums of products of signed powers."""

    def __init__(self, tokens: list[str]) -> None:
        self.left = tokens

    def _next(self, *wanted: str) -> str:
        return self.left.pop(0) if self.left and self.left[0] in wanted else ""

    def total(self) -> CalculatorNumber:
        value = self._product()
        while sign := self._next("+", "-"):
            other = self._product()
            value = _checked(value + other if sign == "+" else value - other)
        return value

    def _product(self) -> CalculatorNumber:
        value = self._signed()
        while True:
            if sign := self._next("*", "/", "//", "%"):
                if sign == "%" and (not self.left or self.left[0] in ("+", "-", "*", "/", ")", ",")):
                    value = value / 100  # a percent sign, not a remainder
                    continue
                other = self._signed()
                value = _checked(_WAYS[sign](value, other))
            elif self.left and self.left[0] == "(":  # 2(3 + 4)
                value = _checked(value * self._signed())
            else:
                return value

    def _signed(self) -> CalculatorNumber:
        if self._next("-"):
            return -self._signed()
        self._next("+")
        return self._power()

    def _power(self) -> CalculatorNumber:
        base = self._one()
        while self._next("!"):
            base = _factorial(base)
        if self._next("^"):
            return _power(base, self._signed())
        return base

    def _one(self) -> CalculatorNumber:
        if not self.left:
            raise NoResult("the expression ends too early")
        word = self.left.pop(0)
        if word == "(":
            value = self.total()
            if not self._next(")"):
                raise NoResult("a parenthesis is not closed")
            return value
        if word[0].isdigit() or word[0] == ".":
            return _checked(Fraction(word))
        if word in _NAMES:
            return _NAMES[word]
        if word not in _FUNCTIONS:
            raise NoResult(f"`{word}` is no number and no function; there are: {', '.join(sorted(_FUNCTIONS))}")
        return self._call(word)

    def _call(self, name: str) -> CalculatorNumber:
        if not self._next("("):
            raise NoResult(f"`{name}` is written `{name}(...)`")
        given = [self.total()]
        while self._next(","):
            given.append(self.total())
        least, most, function = _FUNCTIONS[name]
        if not self._next(")") or not least <= len(given) <= most:
            raise NoResult(f"`{name}` takes {least if least == most else f'{least} to {most}'} numbers in parentheses")
        return _checked(function(*given))


def _checked(value: CalculatorNumber) -> CalculatorNumber:
    if isinstance(value, Fraction):
        if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
            raise NoResult("the number is too large")
    elif not math.isfinite(value):
        raise NoResult("it has no finite value")
    return value


def _whole(value: CalculatorNumber) -> int:
    if value != int(value):
        raise NoResult(f"{float(value):g} is no whole number")
    return int(value)


def _factorial(value: CalculatorNumber) -> Fraction:
    if not 0 <= value <= 500:
        raise NoResult("a factorial is of a whole number from 0 to 500")
    return Fraction(math.factorial(_whole(value)))


def _root(value: CalculatorNumber) -> CalculatorNumber:
    if isinstance(value, Fraction) and value >= 0:
        top, bottom = math.isqrt(value.numerator), math.isqrt(value.denominator)
        if top * top == value.numerator and bottom * bottom == value.denominator:
            return Fraction(top, bottom)
    return math.sqrt(value)


def _power(base: CalculatorNumber, exponent: CalculatorNumber) -> CalculatorNumber:
    if isinstance(base, Fraction) and isinstance(exponent, Fraction) and exponent.denominator == 1:
        size = max(base.numerator.bit_length(), base.denominator.bit_length())
        if size * abs(exponent.numerator) > MAX_BITS and base not in (0, 1, -1):
            raise NoResult("the number is too large")
        return base**exponent.numerator
    value = float(base) ** float(exponent)
    if isinstance(value, complex):
        raise NoResult("it has no real value")
    return _checked(value)


_FUNCTIONS: dict[str, tuple[int, int, Callable[..., CalculatorNumber]]] = {
    "sqrt": (1, 1, _root),
    "abs": (1, 1, abs),
    "floor": (1, 1, lambda x: Fraction(math.floor(x))),
    "ceil": (1, 1, lambda x: Fraction(math.ceil(x))),
    "round": (1, 2, lambda x, n=Fraction(0): Fraction(round(Fraction(x), int(n)))),
    "min": (1, 64, min),
    "max": (1, 64, max),
    "gcd": (2, 2, lambda a, b: Fraction(math.gcd(_whole(a), _whole(b)))),
    "lcm": (2, 2, lambda a, b: Fraction(math.lcm(_whole(a), _whole(b)))),
    "factorial": (1, 1, _factorial),
    "log": (1, 2, lambda x, base=math.e: math.log(x, base)),
    "ln": (1, 1, math.log),
    "exp": (1, 1, math.exp),
    "sin": (1, 1, math.sin),
    "cos": (1, 1, math.cos),
    "tan": (1, 1, math.tan),
    "mod": (2, 2, lambda a, b: a % b),
}


def _shown(value: CalculatorNumber) -> str:
    if isinstance(value, float):
        return f"{value:.14g}"
    if value.denominator == 1:
        return str(value.numerator)
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    decimal = f"{float(value):.12g}"
    return decimal if rest == 1 and Fraction(decimal) == value else f"{value} ({decimal})"
