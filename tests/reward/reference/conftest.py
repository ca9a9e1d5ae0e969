"""Counts the numbers that were compared, and shows the count at the end of `pytest tests/reward/reference`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

COUNTED = "comparisons"


@pytest.fixture
def compared(request: pytest.FixtureRequest) -> Iterator[Callable[..., None]]:
    """`compared(n)`: n numbers were compared (`compared()`: one). For checks that `same` cannot make."""
    total = 0

    def count(n: int = 1) -> None:
        nonlocal total
        total += n

    yield count
    request.node.user_properties.append((COUNTED, total))  # reaches the report of the teardown, from a worker of xdist too


@pytest.fixture
def same(compared: Callable[..., None]) -> Callable[..., None]:
    """`same(got, wanted, case="")`: equal number by number (a missing one, NaN or None, equals only a missing one), and counted.

    Numbers may differ by 1e-9, absolute or relative to the larger one; texts, booleans and mappings are compared too.
    """

    def check(got: Any, wanted: Any, case: object = "") -> None:
        left, right = list(_leaves(got)), list(_leaves(wanted))
        assert len(left) == len(right), f"{case}: got {got!r}, wanted {wanted!r}"
        for one, other in zip(left, right, strict=True):
            assert _equal(one, other), f"{case}: got {got!r}, wanted {wanted!r}"
        compared(len(left))

    return check


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for key in sorted(value, key=str):
            yield str(key)
            yield from _leaves(value[key])
    elif isinstance(value, Iterable) and not isinstance(value, str):
        for each in value:
            yield from _leaves(each)
    else:
        yield value


def _equal(one: Any, other: Any) -> bool:
    if _missing(one) or _missing(other):
        return _missing(one) and _missing(other)
    if isinstance(one, str) or isinstance(other, str):
        return bool(one == other)
    return math.isclose(float(one), float(other), rel_tol=1e-9, abs_tol=1e-9)


def _missing(value: Any) -> bool:
    return value is None or (not isinstance(value, str) and math.isnan(float(value)))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The number of comparisons, where tests of this folder ran."""
    counts = [
        int(number)
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", "") == "teardown"
        for name, number in report.user_properties
        if name == COUNTED
    ]
    if counts:
        terminalreporter.write_sep("=", f"{sum(counts):,} comparisons with second implementations, in {len(counts)} tests")
