"""The process that compares formulas with the library math-verify for `judge.checks.formulas`; it imports nothing of the project.

A formula out of a response is hostile: `9**9**9**9` never ends, and `10^10^10` takes all memory. So this process has a limit on
its memory and, for each pair, one on processor time: a soft one that gives the pair up, and a hard one that ends the process.

One JSON line in, `{"reference": ..., "answers": [...]}`; one line out: `same`, `different` or `unknown`. `ready` comes first.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
from collections.abc import Callable
from typing import Any

MEMORY = 1 << 30  # bytes of address space; the library needs 0.2 GiB
SOFT_S, HARD_S = 1.0, 3  # seconds of processor time for one pair
_APART = 0.005  # relative; numbers nearer than this may be rounded, and are not called different


class _TooLong(BaseException):
    """The soft limit was reached; no `except Exception` of a library may swallow it."""


def _give_up(*_: object) -> None:
    raise _TooLong


def main() -> None:
    """Answer pairs until standard input ends."""
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY if hard == resource.RLIM_INFINITY else min(MEMORY, hard), hard))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends this process
    signal.signal(signal.SIGPROF, _give_up)
    compare = _comparer()
    _say("ready")
    for line in sys.stdin:
        pair = json.loads(line)
        used = resource.getrusage(resource.RUSAGE_SELF)
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + HARD_S, hard))
        try:
            signal.setitimer(signal.ITIMER_PROF, SOFT_S, SOFT_S)
            found = compare(pair["reference"], pair["answers"])
        except (_TooLong, Exception):  # noqa: BLE001  # whatever the library stumbles over, the pair is not compared
            found = "unknown"
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        _say(found)


def _say(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


def _comparer() -> Callable[[str, list[str]], str]:
    """The comparison; a function of its own, since the library takes most of a second to import."""
    from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse, verify  # noqa: PLC0415

    forms = [LatexExtractionConfig(boxed_match_priority=0), ExprExtractionConfig()]

    def read(text: str) -> list[Any]:
        return [each for each in parse(text, forms, parsing_timeout=None) if not isinstance(each, str)]

    def compare(reference: str, answers: list[str]) -> str:
        """The first of the forms in which an answer is given that the library can read decides."""
        gold = read(reference)
        found = next((each for each in map(read, answers) if each), None) if gold else None
        if found is None:
            return "unknown"
        if verify(gold, found, timeout_seconds=None):
            return "unknown" if _same_letters(gold[0], found[0]) else "same"
        return "different" if differ(gold[0], found[0]) else "unknown"

    return compare


def _same_letters(first: Any, second: Any) -> bool:
    """Whether two products of three or more letters are equal only because factors may change places: `dog` and `god`."""
    from sympy import Mul  # noqa: PLC0415

    letters = [isinstance(e, Mul) and len(e.args) > 2 and all(a.is_Symbol for a in e.args) for e in (first, second)]
    return all(letters) and str(first) != str(second)


def differ(first: Any, second: Any) -> bool:
    """Whether two parsed answers are different for certain: numbers, formulas of the same letters, lists or sets of them."""
    from sympy import Eq, FiniteSet, Interval, Set, Tuple  # noqa: PLC0415

    first, second = (e.rhs if isinstance(e, Eq) and e.lhs.is_Symbol else e for e in (first, second))
    kinds = _kind(first), _kind(second)
    if "" in kinds:
        return False
    if kinds[0] != kinds[1]:
        return not any(e.is_Symbol or (isinstance(e, FiniteSet) and len(e) == 1) for e in (first, second))
    if kinds[0] == "scalar":
        return _formulas_differ(first, second)
    if kinds[0] == "matrix":
        one, other = first.doit(), second.doit()
        return one.shape != other.shape or any(map(differ, one, other))
    if isinstance(first, Interval) and isinstance(second, Interval):
        open_ends = first.left_open != second.left_open or first.right_open != second.right_open
        return open_ends or differ(first.start, second.start) or differ(first.end, second.end)
    if isinstance(first, (FiniteSet, Tuple)) and isinstance(second, (FiniteSet, Tuple)):
        return _lists_differ(list(first), list(second))
    if isinstance(first, Set) and isinstance(second, Set):
        return first.symmetric_difference(second).is_empty is False
    interval, pair = (first, second) if isinstance(first, Interval) else (second, first)
    if not isinstance(interval, Interval) or not isinstance(pair, Tuple):
        return False
    return len(pair) != 2 or differ(interval.start, pair[0]) or differ(interval.end, pair[1])  # `(1,2)` is read as an interval


def _kind(found: Any) -> str:
    from sympy import Expr, MatrixBase, MatrixExpr, Set, Tuple  # noqa: PLC0415

    if isinstance(found, (MatrixBase, MatrixExpr)):
        return "matrix"
    return "set" if isinstance(found, (Set, Tuple)) else "scalar" if isinstance(found, Expr) else ""


def _lists_differ(first: list[Any], second: list[Any]) -> bool:
    if len(first) != len(second) or not all(e.is_number for e in (*first, *second)):
        return len(first) != len(second)
    return any(map(differ, sorted(first, key=_value), sorted(second, key=_value)))


def _formulas_differ(first: Any, second: Any) -> bool:
    """At one point, where the letters of one are among those of the other; `x` for a number may be a word or a name."""
    from sympy import Rational  # noqa: PLC0415

    letters = first.free_symbols | second.free_symbols
    if letters not in (first.free_symbols, second.free_symbols) or (first.is_Symbol != second.is_Symbol):
        return False
    point = {letter: Rational(7 + 4 * i, 5) for i, letter in enumerate(sorted(letters, key=str))}
    one, other = (complex(*_value(e.subs(point))) for e in (first, second))
    return abs(one - other) > _APART * max(abs(one), abs(other))


def _value(number: Any) -> tuple[float, float]:
    value = complex(number.evalf(15))
    return value.real, value.imag


if __name__ == "__main__":
    main()
