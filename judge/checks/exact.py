"""Exact values of short formulas: fractions, roots, pi, i and letters, as sums of products with rational factors.

Decimal comparison would call 3.14159 and pi the same, and a computer algebra system needs a time limit for hostile input. This
reader knows less, answers in microseconds, and says None for anything it does not know: products of letters without a
sign (`ab` would equal `ba`, and `dog` equal `god`), functions, division by sums.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

MAX_CHARS = 200
_MAX_TERMS = 40
_MAX_POWER = 40
_MAX_BITS = 1200  # of a numerator or denominator
_TOKEN = re.compile(r"\s{0,50}(\d{1,60}(?:\.\d{1,60})?|\.\d{1,60}|\\[A-Za-z]{1,12}|[A-Za-zπ∞√]|\*\*|[-+*/^()\[\]{}])")

_WORD = re.compile(r"(?<![A-Za-z\\])(?!\\|sqrt)[A-Za-z]{3,}")

Monomial = tuple[tuple[str, int], ...]
"""Letters and roots with their powers: `(("√5", 1), ("π", 2))`."""

Value = dict[Monomial, Fraction]
"""A sum of monomials, each with its rational factor. No zero factors."""


class _Unknown(ValueError):
    """Not a formula this reader knows."""


@lru_cache(maxsize=2048)
def exact(text: str) -> Value | None:
    """The exact value of a formula in LaTeX or plain notation; None for anything else.

    Example:
        >>> exact("\\\\frac{\\\\sqrt{8}}{2}") == exact("sqrt(2)"), exact("2(x+1)") == exact("2x + 2"), exact("dog")
        (True, True, None)
    """
    if not text or len(text) > MAX_CHARS or _WORD.search(text):
        return None
    found, at = [], 0
    text = text.replace("sqrt", "\\sqrt").replace("\\\\sqrt", "\\sqrt").rstrip()
    if re.search(r"(?<![A-Za-z\\])pi(?![A-Za-z])", text):
        text = re.sub(r"(?<![A-Za-z\\])pi(?![A-Za-z])", "π", text)
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            return None
        found.append(match[1])
        at = match.end()
    try:
        reader = _Reader(found)
        value = reader.sum(0)
    except (_Unknown, ZeroDivisionError):
        return None
    return value if reader.at == len(found) else None


class _Reader:
    """Recursive descent over the tokens of one formula."""

    def __init__(self, found: list[str]) -> None:
        self.found = found
        self.at = 0

    def peek(self) -> str:
        return self.found[self.at] if self.at < len(self.found) else ""

    def take(self, *wanted: str) -> str:
        token = self.peek()
        if not token or (wanted and token not in wanted):
            raise _Unknown(token)
        self.at += 1
        return token

    def sum(self, depth: int) -> Value:
        if depth > 12:
            raise _Unknown("too deep")
        value: Value = {}
        sign = self.take() if self.peek() in ("+", "-") else "+"
        while True:
            value = _plus(value, self.product(depth), -1 if sign == "-" else 1)
            if self.peek() not in ("+", "-"):
                return value
            sign = self.take()

    def product(self, depth: int) -> Value:
        value, divided, last = self.power(depth), False, self.found[self.at - 1]
        while token := self.peek():
            if token in ("*", "\\cdot", "\\times"):
                self.take()
                value = _times(value, self.power(depth))
            elif token in ("/", "\\div"):
                self.take()
                value, divided = _over(value, self.power(depth)), True
            elif token in ("+", "-", ")", "]", "}"):
                return value
            elif divided or not _joins(last, token):  # 1/2x, ab and f(x) may mean two things
                raise _Unknown(token)
            elif token == "\\frac" and last.isdigit():  # 1\frac{1}{2} is a mixed number
                value = _plus(value, self.power(depth), 1)
            else:
                value = _times(value, self.power(depth))
            last = self.found[self.at - 1]
        return value

    def power(self, depth: int) -> Value:
        base = self.atom(depth)
        if self.peek() not in ("^", "**"):
            return base
        self.take()
        braced = self.peek() in ("{", "(")
        if braced:
            self.take()
        sign = -1 if self.peek() == "-" and self.take() else 1
        digits = self.take()
        if not digits.isdigit() or len(digits) > 3 or int(digits) > (_MAX_POWER if len(base) == 1 else 6):
            raise _Unknown(digits)
        if braced:
            self.take("}", ")")
        value: Value = {(): Fraction(1)}
        for _ in range(int(digits)):
            value = _times(value, base)
        return _over({(): Fraction(1)}, value) if sign < 0 else value

    def atom(self, depth: int) -> Value:
        token = self.take()
        if token in ("(", "{", "["):
            value = self.sum(depth + 1)
            self.take({"(": ")", "{": "}", "[": "]"}[token])
            return value
        if token[0].isdigit() or token[0] == ".":
            return _plus({}, {(): Fraction(token)}, 1)
        if token in ("\\frac", "\\dfrac", "\\tfrac"):
            return _over(self.argument(depth), self.argument(depth))
        if token in ("\\sqrt", "√"):
            return _root(self.argument(depth) if self.peek() != "(" else self.atom(depth))
        if token == "\\pi":
            return {(("π", 1),): Fraction(1)}
        if token.isalpha():
            return {((token, 1),): Fraction(1)}
        raise _Unknown(token)

    def argument(self, depth: int) -> Value:
        """`{...}`, or one digit or letter: `\\frac12`."""
        token = self.peek()
        if token == "{":
            return self.atom(depth)
        if token.isdigit() and len(token) > 1:
            self.found[self.at] = token[1:]
            return {(): Fraction(token[0])} if token[0] != "0" else {}
        if (token.isdigit() or token.isalpha()) and len(token) == 1:
            return self.atom(depth)
        raise _Unknown(token)


def _joins(last: str, token: str) -> bool:
    """Whether two neighbours are a product without a sign: `2x`, `2\\sqrt{3}`, `3(x+1)`, `(x+1)(x-1)`."""
    starts = token in ("(", "\\sqrt", "√", "\\pi", "\\frac", "\\dfrac") or (token.isalpha() and len(token) == 1)
    return starts and (
        last[-1:].isdigit() or (last in (")", "}") and token in ("(", "\\sqrt", "\\pi", "π")) or (last == "}" and token == "i")
    )


def _plus(a: Value, b: Value, sign: int) -> Value:
    total = dict(a)
    for monomial, factor in b.items():
        total[monomial] = total.get(monomial, Fraction(0)) + sign * factor
    if len(total) > _MAX_TERMS:
        raise _Unknown("too many terms")
    return {m: f for m, f in total.items() if f}


def _times(a: Value, b: Value) -> Value:
    if len(a) * len(b) > _MAX_TERMS * 2:
        raise _Unknown("too many terms")
    total: Value = {}
    for first, x in a.items():
        for second, y in b.items():
            factor, monomial = _join(first, second)
            if (x * y).numerator.bit_length() > _MAX_BITS:
                raise _Unknown("too large")
            total[monomial] = total.get(monomial, Fraction(0)) + x * y * factor
    if len(total) > _MAX_TERMS:
        raise _Unknown("too many terms")
    return {m: f for m, f in total.items() if f}


def _join(first: Monomial, second: Monomial) -> tuple[Fraction, Monomial]:
    """The product of two monomials: `√5 * √5` is a factor of 5, `i * i` one of -1."""
    powers: dict[str, int] = dict(first)
    for name, power in second:
        powers[name] = powers.get(name, 0) + power
    factor = Fraction(1)
    under = 1
    for name in [n for n in powers if n[0] == "√"]:
        power = powers.pop(name)
        factor *= Fraction(int(name[1:])) ** (power // 2)
        under *= int(name[1:]) if power % 2 else 1
    if under > 1:
        outer, inner = _square(under)
        factor *= outer
        if inner > 1:
            powers[f"√{inner}"] = 1
    if "i" in powers:
        power = powers.pop("i") % 4
        factor *= -1 if power >= 2 else 1
        if power % 2:
            powers["i"] = 1
    return factor, tuple(sorted((n, p) for n, p in powers.items() if p))


def _over(a: Value, b: Value) -> Value:
    """Division by one monomial; by a sum, only where it is the same sum."""
    if not b:
        raise ZeroDivisionError
    if len(b) != 1:
        raise _Unknown("division by a sum")
    ((monomial, factor),) = b.items()
    inverse: Value = {(): 1 / factor}
    for name, power in monomial:
        if name[0] == "√":
            inverse = _times(inverse, {((name, 1),): Fraction(1, int(name[1:]))})
        elif name == "i":
            inverse = _times(inverse, {(("i", 1),): Fraction(-1)})
        else:
            inverse = _times(inverse, {((name, -power),): Fraction(1)})
    return _times(a, inverse)


def _root(value: Value) -> Value:
    """Square root of a rational number."""
    if not value:
        return {}
    if list(value) != [()]:
        raise _Unknown("root of a formula")
    number = value[()]
    if number.numerator.bit_length() > 40 or number.denominator.bit_length() > 20:
        raise _Unknown("too large")
    outer, inner = _square(abs(number.numerator) * number.denominator)
    factor = Fraction(outer, number.denominator)
    root: Value = {((f"√{inner}", 1),): factor} if inner > 1 else {(): factor}
    return _times(root, {(("i", 1),): Fraction(1)}) if number < 0 else root


def _square(number: int) -> tuple[int, int]:
    """(a, b) with `number = a * a * b`, for factors up to 1,000."""
    outer, step = 1, 2
    while step * step <= number and step <= 1000:
        if number % (step * step) == 0:
            number //= step * step
            outer *= step
        else:
            step += 1
    root = int(number**0.5)
    return (outer * root, 1) if root * root == number else (outer, number)
