"""What some rows took -> what all will take: totals with their intervals, and the memory of the client."""

from __future__ import annotations

import math
import resource
from collections.abc import Sequence
from statistics import fmean, stdev

import numpy as np

from judge.batch.parts import PAGE_ROWS
from judge.batch.read import BadRow
from judge.intervals import Interval
from judge.pipeline.build import Plan
from judge.pipeline.finish import Finish
from judge.types import Sample

_DRAWS = 4000
_KEPT = 100  # bytes for each call that a run has made
_FLIGHT = 8 * 1024  # of a call in flight, beside its texts; this and the next fitted to runs of 40 to 3,000 rows, within 12 %
_TABLED = 4 * 1024  # of a call in the tables that are put together at once


def extrapolated(
    values: Sequence[float], rows: int, sizes: Sequence[int] = (), ends: tuple[float, float] | None = None
) -> tuple[float, Interval]:
    """A total over `rows`, from a figure of some of them drawn at random, with its 95 % interval.

    Cochran, "Sampling Techniques" (1977), sections 2.6 and 2.8: N times the mean, Student's t, finite population correction;
    for groups of unlike size the ratio to size (chapter 6): the sum of the figures over the sum of the sizes.

    Args:
        sizes: How many rows each figure is of, where groups were drawn. Empty: one.
        ends: The least and the most that a row can take, where few rows take far more than the others; then see `_bounded`.

    Example:
        >>> extrapolated([10.0, 12.0, 14.0], 3)  # all of them: nothing is left open
        (36.0, Interval(low=36.0, high=36.0))
        >>> total, (low, high) = extrapolated([10.0, 12.0, 14.0], 300)
        >>> round(total), round(low), round(high)
        (3600, 2117, 5083)
    """
    if not values:
        return 0.0, Interval(0.0, 0.0)
    if ends is not None and len(values) < rows and ends[0] < ends[1]:
        return math.fsum(values) / len(values) * rows, _bounded(values, rows, *ends)
    sure = 0.0 if sizes else math.fsum(values)  # the rows looked at take that for certain
    sizes = sizes or [1] * len(values)
    n, looked = len(values), sum(sizes)
    each = math.fsum(values) / looked
    total = each * rows
    if looked >= rows or n < 2:
        return total, Interval(total, total) if looked >= rows else Interval(0.0, math.inf)
    from scipy.special import stdtrit  # noqa: PLC0415  # half a second that other commands need not pay

    spread = stdev([value - each * size for value, size in zip(values, sizes, strict=True)]) * n / looked  # of one row's mean
    half = float(stdtrit(n - 1, 0.975)) * spread / math.sqrt(n) * math.sqrt(1 - looked / rows) * rows
    return total, Interval(max(sure, total - half), total + half)


def _bounded(values: Sequence[float], rows: int, least: float, most: float) -> Interval:
    """The interval of a total where one row of many may take the most, so that no normal law holds.

    Gaffke, "Three test statistics for a nonparametric one-sided hypothesis on the mean of a nonnegative variable" (2005): the
    figures under random weights, and one more at the end of what is possible; Clopper and Pearson's interval where there are two
    values. Ours: the rows that are left are drawn by these weights (Polya's urn; Lo, "A Bayesian bootstrap for a finite
    population", 1988), and those looked at are certain.
    """
    rng, rest = np.random.default_rng(0), rows - len(values)
    found = []
    for end in (least, most):
        weights = rng.dirichlet(np.ones(len(values) + 1), _DRAWS)
        found.append(rng.multinomial(rest, weights) @ np.array([*values, end], dtype=float))
    sure = math.fsum(values)
    return Interval(sure + float(np.quantile(found[0], 0.025)), sure + float(np.quantile(found[1], 0.975)))


def client_memory(plan: Plan, drawn: Sequence[Sample | BadRow], rows: int, calls: float) -> float:
    """About how many MiB the client takes at the most: this process after it has judged some rows, and what more of them add.

    What grows: calls in flight, the tables that are put together at once, the hashes of all calls, and rows that wait for others.

    Args:
        calls: Of a row.
    """
    sizes = [sum(map(len, row.texts)) + len(row.prompt_text) for row in drawn if isinstance(row, Sample)]
    text = fmean(sizes) if sizes else 0.0
    more = max(0, min(rows, plan.settings.max_in_flight) - len(drawn)) * calls * (_FLIGHT + 3 * text)
    more += max(0, min(rows, PAGE_ROWS) - len(drawn)) * calls * (_TABLED + text)
    more += rows * (calls * _KEPT + (0.0 if Finish(plan.settings, plan.rubric).alone else text))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 + more / 2**20
