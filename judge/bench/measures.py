"""Figures of a judged set as functions of weights, so that one bootstrap serves all of them.

A `WeightedMetric` takes how often each item counts (shape (items,), ones for the figure itself) and gives the figure. Credits
are numbers in [0, 1] an item earns; NaN: it does not count there. NaN comes out where nothing counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from judge.arrays import Floats, pearson, spearman
from judge.intervals import NOTHING, Interval, wilson

WeightedMetric = Callable[[Floats], float]


class Figure(NamedTuple):
    """One figure of a judge on a set. `value` and its interval are in the unit of the measure; `items` is how many count."""

    name: str
    value: float
    interval: Interval
    items: int


class MeanCredit:
    """Mean of the credits of the items that count, each between two bounds."""

    def __init__(self, values: Floats, low: float = -math.inf, high: float = math.inf) -> None:
        self.values, self.low, self.high = values, low, high
        self._known = ~np.isnan(values)
        self._filled = np.where(self._known, values, 0.0)

    def __call__(self, weights: Floats) -> float:
        """The mean; NaN where nothing counts."""
        total = float(weights @ self._known)
        return float(weights @ self._filled) / total if total else math.nan

    def alike(self, codes: NDArray[np.intp], level: float) -> Interval | None:
        """The interval where every draw of the bootstrap gives the same mean; None where the bounds are not known.

        All of n clusters are alike; by Wilson's interval for 0 of n a share u of others may still differ, at most as far as
        the bounds. For a rate of 0 or 1 that is Wilson's own interval.
        """
        mean = self(np.ones(len(codes)))
        if not -math.inf < self.low <= mean <= self.high < math.inf:
            return None
        share = wilson(0, len(np.unique(codes[self._known])), level).high
        return Interval(mean - share * (mean - self.low), mean + share * (self.high - mean))


class Difference:
    """One figure less another, over the same draws."""

    def __init__(self, first: WeightedMetric, second: WeightedMetric) -> None:
        self.first, self.second = first, second

    def __call__(self, weights: Floats) -> float:
        """The first less the second."""
        return self.first(weights) - self.second(weights)

    def alike(self, codes: NDArray[np.intp], level: float) -> Interval | None:
        """As of the mean of the items' own differences; None where the two are no means over the same items."""
        a, b = self.first, self.second
        if not isinstance(a, MeanCredit) or not isinstance(b, MeanCredit) or (np.isnan(a.values) != np.isnan(b.values)).any():
            return None
        return MeanCredit(a.values - b.values, a.low - b.high, a.high - b.low).alike(codes, level)


def mean_credit(credits: ArrayLike, low: float = 0.0) -> MeanCredit:
    """Mean of the credits of the items that count, in [low, 1].

    Example:
        >>> mean_credit([1, 0, math.nan, 1])(np.ones(4)).__round__(3)
        0.667
    """
    return MeanCredit(np.asarray(credits, dtype=np.float64), low, 1.0)


def mean_of(values: ArrayLike) -> MeanCredit:
    """Mean of numbers without bounds (calls, tokens, errors) over the items that count.

    Example:
        >>> mean_of([3, 5, math.nan])(np.ones(3))
        4.0
    """
    return MeanCredit(np.asarray(values, dtype=np.float64))


def sectioned(
    credits: ArrayLike, subsets: Sequence[str], sections: Mapping[str, Sequence[str]], counts: Mapping[str, float] | None = None
) -> WeightedMetric:
    """Mean over sections of the mean over their items, or of their subsets weighted by given counts (RewardBench).

    A section of which nothing is there is left out.

    Args:
        subsets: Of each item.
        sections: Name -> patterns of its subsets.
        counts: Weight of a subset in its section; None: its number of items.

    Example:
        >>> credits, subsets = [1, 0, 1, 1], ["a", "a", "b", "c"]
        >>> sectioned(credits, subsets, {"first": ["a", "b"], "second": ["c"]})(np.ones(4)).__round__(4)
        0.8333
        >>> sectioned(credits, subsets, {"first": ["a", "b"]}, {"a": 3, "b": 1})(np.ones(4))
        0.625
    """
    parts = [_section(np.asarray(credits, dtype=np.float64), subsets, patterns, counts) for patterns in sections.values()]

    def measure(weights: Floats) -> float:
        found = [value for part in parts if not math.isnan(value := part(weights))]
        return sum(found) / len(found) if found else math.nan

    return measure


def _section(
    credits: Floats, subsets: Sequence[str], patterns: Sequence[str], counts: Mapping[str, float] | None
) -> WeightedMetric:
    inside = [name for name in dict.fromkeys(subsets) if matches(name, patterns)]
    if counts is None:
        return mean_credit(np.where(np.isin(np.asarray(subsets, dtype=object), inside), credits, np.nan))
    means = [
        (counts.get(name, 1.0), mean_credit(np.where(np.asarray(subsets, dtype=object) == name, credits, np.nan)))
        for name in inside
    ]

    def measure(weights: Floats) -> float:
        found = [(n, value) for n, mean in means if not math.isnan(value := mean(weights))]
        total = sum(n for n, _ in found)
        return sum(n * value for n, value in found) / total if total else math.nan

    return measure


def matches(subset: str, patterns: Sequence[str]) -> bool:
    """Whether a subset is meant by one of some patterns."""
    return any(fnmatchcase(subset, pattern) for pattern in patterns)


def macro_f1(said: ArrayLike, gold: ArrayLike, classes: Sequence[float], *, which: str = "f1") -> WeightedMetric:
    """Unweighted mean over the classes of F1, precision or recall. An item without a verdict (NaN) misses its class.

    A class that is neither in the labels nor among the verdicts is left out, as scikit-learn does by default.

    Example:
        >>> macro_f1([1, 1, 0, math.nan], [1, 0, 0, 1], (0, 1))(np.ones(4)).__round__(4)
        0.5833
    """
    a, b = np.asarray(said, dtype=np.float64), np.asarray(gold, dtype=np.float64)
    masks = [((a == c) & (b == c), a == c, b == c) for c in classes]

    def measure(weights: Floats) -> float:
        scores = []
        for both, predicted, true in masks:
            hit, p, t = float(weights @ both), float(weights @ predicted), float(weights @ true)
            if p + t:
                precision, recall = hit / p if p else 0.0, hit / t if t else 0.0
                scores.append({"precision": precision, "recall": recall, "f1": 2 * hit / (p + t)}[which])
        return sum(scores) / len(scores) if scores else math.nan

    return measure


def balanced_accuracy(said: ArrayLike, gold: ArrayLike, classes: Sequence[float]) -> WeightedMetric:
    """Unweighted mean of the recall of the classes that have labels, as scikit-learn's `balanced_accuracy_score`; NaN without
    a label. An item without a verdict (NaN) misses its class.

    Example:
        >>> balanced_accuracy([1, 1, 0, math.nan], [1, 0, 0, 1], (0, 1))(np.ones(4))
        0.5
        >>> balanced_accuracy([1, 0, 1, 1], [1, 1, 1, 1], (0, 1))(np.ones(4))
        0.75
    """
    a, b = np.asarray(said, dtype=np.float64), np.asarray(gold, dtype=np.float64)
    return mean_measure([mean_credit(np.where(b == c, (a == c).astype(np.float64), np.nan)) for c in classes])


def harmonic(first: WeightedMetric, second: WeightedMetric) -> WeightedMetric:
    """Harmonic mean of two figures (F1 of ProcessBench); 0 where one of them is 0."""

    def measure(weights: Floats) -> float:
        a, b = first(weights), second(weights)
        return math.nan if math.isnan(a) or math.isnan(b) else 2 * a * b / (a + b) if a + b else 0.0

    return measure


def mean_measure(measures: Sequence[WeightedMetric]) -> WeightedMetric:
    """Unweighted mean of the figures that there are."""

    def measure(weights: Floats) -> float:
        found = [value for one in measures if not math.isnan(value := one(weights))]
        return sum(found) / len(found) if found else math.nan

    return measure


def correlation(a: ArrayLike, b: ArrayLike, kind: str = "pearson") -> WeightedMetric:
    """Pearson's r, Spearman's rho or Kendall's tau-b over the items that have both numbers; NaN where one of them never varies.

    Repeated items count as ties of each other.

    Example:
        >>> correlation([1, 2, 3, 4], [1, 3, 2, 4], "kendall")(np.ones(4)).__round__(3)
        0.667
    """
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    known = np.flatnonzero(~(np.isnan(x) | np.isnan(y)))
    function = {"pearson": pearson, "spearman": spearman, "kendall": _kendall}[kind]

    def measure(weights: Floats) -> float:
        chosen = np.repeat(known, weights[known].astype(np.intp))
        return function(x[chosen], y[chosen])

    return measure


def _kendall(x: Floats, y: Floats) -> float:
    from scipy import stats  # noqa: PLC0415  # half a second that `judge --help` need not pay

    if x.size < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return math.nan
    return float(stats.kendalltau(x, y)[0])


# ---- the interval ------------------------------------------------------------------------------------------------------


def figures(
    measures: Mapping[str, WeightedMetric],
    clusters: Sequence[Hashable],
    counted: Mapping[str, int] | None = None,
    *,
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> list[Figure]:
    """Every measure with its percentile interval, from one bootstrap that draws whole clusters with replacement.

    Where all clusters are alike the bootstrap has no width; means of credits and their differences then get `MeanCredit.alike`.

    Args:
        measures: Name -> measure.
        clusters: What items that stand or fall together share, shape (items,).
        counted: How many items count for a measure; all where it is not there.
    """
    size = len(clusters)
    ones = np.ones(size)
    if not size:
        return [Figure(name, math.nan, NOTHING, 0) for name in measures]
    codes = _codes(clusters)
    rng = np.random.default_rng(seed)
    drawn: dict[str, list[float]] = {name: [] for name in measures}
    number = int(codes.max()) + 1
    for _ in range(draws if number > 1 else 0):  # one question alone says nothing about others
        weights = np.bincount(rng.integers(number, size=number), minlength=number)[codes].astype(np.float64)
        for name, measure in measures.items():
            drawn[name].append(measure(weights))
    return [
        Figure(name, measure(ones), _interval(measure, drawn[name], codes, level), (counted or {}).get(name, size))
        for name, measure in measures.items()
    ]


def _codes(clusters: Sequence[Hashable]) -> NDArray[np.intp]:
    numbers = {label: i for i, label in enumerate(dict.fromkeys(clusters))}
    return np.fromiter((numbers[c] for c in clusters), dtype=np.intp, count=len(clusters))


def _interval(measure: WeightedMetric, drawn: Sequence[float], codes: NDArray[np.intp], level: float) -> Interval:
    found = _ends(drawn, level)
    if isinstance(measure, MeanCredit | Difference) and math.isclose(found.low, found.high, abs_tol=1e-12):
        return measure.alike(codes, level) or found
    return found


def _ends(values: Sequence[float], level: float) -> Interval:
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    if not known.size:
        return NOTHING
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))
