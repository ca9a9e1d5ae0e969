"""The true mean from few labels and many judgements: prediction-powered inference, and how many more labels a wanted interval
takes.

Angelopoulos et al. 2023, "Prediction-Powered Inference" (arXiv:2301.09633), with the power tuning of "PPI++" (arXiv:2311.01453,
section 6): the judge's mean over everything, corrected by its mean error over the labelled; the better the judge, the shorter the
interval, and with a useless judge (lambda 0) it is the labels' own. Clusters (prompts) are summed first, so that responses of
one prompt are not counted as independent.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from judge.arrays import Floats
from judge.intervals import NOTHING, Interval, normal_quantile


@dataclass(frozen=True)
class PoweredMean:
    """The mean label of everything that was judged, with and without the judge's help.

    Attributes:
        estimate, interval: Prediction-powered.
        plain, plain_interval: From the labels alone.
        judge: The judge's own mean over everything: what is estimated where it is taken at its word.
        power: How far the judge is trusted (lambda), 0 not at all.
        labelled, unlabelled: Counts.
        worth: Labels that the judge's help is worth: with so many, the labels alone would be as exact.
        moments: Of one labelled row: variance of the label, covariance with the judgement, variance of the judgement; and
            variance of the judge's mean over the rows without a label.
    """

    estimate: float
    interval: Interval
    plain: float
    plain_interval: Interval
    judge: float
    power: float
    labelled: int
    unlabelled: int
    worth: float
    moments: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    level: float = 0.95

    def labels_for(self, width: float) -> float:
        """Labels needed in all for an interval of this width (in the unit of the label), beside the unlabelled rows there are."""
        goal, most = (width / 2 / normal_quantile(self.level)) ** 2, self.plain_labels_for(width)
        least, enough = 1.0, most
        while least < enough:
            middle = math.floor((least + enough) / 2)
            if self._variance_with(middle) <= goal:
                enough = middle
            else:
                least = middle + 1
        return enough

    def _variance_with(self, labels: float) -> float:
        """Variance of the estimate with so many labels and the lambda that suits them, which the judge can only make smaller."""
        own, shared, spread, other = self.moments
        trusted = (shared / labels) / (spread / labels + other) if spread / labels + other > 0 else 0.0
        trusted = min(max(trusted, 0.0), 1.0)
        return (own - 2 * trusted * shared + trusted**2 * spread) / labels + trusted**2 * other

    def plain_labels_for(self, width: float) -> float:
        """The same without the judge."""
        half = width / 2 / normal_quantile(self.level)
        spread = (self.plain_interval.high - self.plain_interval.low) / 2 / normal_quantile(self.level)
        return math.ceil(self.labelled * (spread / half) ** 2)


def powered_mean(
    labels: ArrayLike, judged: ArrayLike, clusters: Sequence[Hashable] | None = None, *, level: float = 0.95
) -> PoweredMean:
    """Estimate the mean label over all rows.

    Args:
        labels: Shape (rows,); NaN where there is none.
        judged: What the judge says of each row, in the label's unit; no NaN (leave such rows out).
        clusters: What rows of one prompt share; None: each row by itself.

    Raises:
        ValueError: Shapes differ, or a judgement is missing.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> truth = rng.integers(0, 2, 2000).astype(float)
        >>> judged = np.where(rng.random(2000) < 0.9, truth, 1 - truth)
        >>> few = np.where(np.arange(2000) < 100, truth, np.nan)
        >>> found = powered_mean(few, judged)
        >>> (found.interval.high - found.interval.low) < (found.plain_interval.high - found.plain_interval.low)
        True
    """
    y, f = np.asarray(labels, dtype=np.float64), np.asarray(judged, dtype=np.float64)
    names: Sequence[Hashable] = range(len(y)) if clusters is None else clusters
    if y.shape != f.shape or len(names) != len(y) or np.isnan(f).any():
        raise ValueError("labels, judgements and clusters have one length, and every row has a judgement")
    known = ~np.isnan(y)
    n, rest = int(known.sum()), int((~known).sum())
    own, other = [c for c, k in zip(names, known, strict=True) if k], [c for c, k in zip(names, known, strict=True) if not k]
    if n < 2:
        return PoweredMean(
            math.nan, NOTHING, math.nan, NOTHING, float(f.mean()) if f.size else math.nan, 0.0, n, rest, 0.0, level=level
        )
    a, b, z = y[known], f[known], f[~known]
    plain = float(a.mean())
    power = _power(a, b, z, own, other) if rest > 1 else 0.0
    estimate = power * float(z.mean()) + float((a - power * b).mean()) if rest else plain
    noise = power**2 * _variance(z, other) if rest > 1 else 0.0
    variance, plain_variance = _variance(a - power * b, own) + noise, _variance(a, own)
    return PoweredMean(
        estimate=estimate,
        interval=_around(estimate, variance, level),
        plain=plain,
        plain_interval=_around(plain, plain_variance, level),
        judge=float(f.mean()),
        power=power,
        labelled=n,
        unlabelled=rest,
        worth=n * plain_variance / variance if variance > 0 else math.inf,
        moments=(
            n * _variance(a, own),
            n * _covariance(a, b, own),
            n * _variance(b, own),
            _variance(z, other) if rest > 1 else 0.0,
        ),
        level=level,
    )


def _power(a: Floats, b: Floats, z: Floats, own: Sequence[Hashable], other: Sequence[Hashable]) -> float:
    """lambda that makes the variance least, cut to [0, 1]: Cov(label, judgement) / ((1 + n / N) Var(judgement)), by clusters."""
    spread = _variance(b, own) + _variance(z, other)
    return float(np.clip(_covariance(a, b, own) / spread, 0, 1)) if spread > 1e-15 else 0.0


def _covariance(a: Floats, b: Floats, clusters: Sequence[Hashable]) -> float:
    """Covariance of two means of the same clustered rows."""
    return (_variance(a + b, clusters) - _variance(a - b, clusters)) / 4


def _variance(values: Floats, clusters: Sequence[Hashable]) -> float:
    """Variance of the mean of clustered values: of the sums of the clusters' deviations."""
    numbers = {c: i for i, c in enumerate(dict.fromkeys(clusters))}
    codes = np.fromiter((numbers[c] for c in clusters), dtype=np.intp, count=len(values))
    sums = np.bincount(codes, weights=values - values.mean(), minlength=len(numbers))
    groups = len(numbers)
    return float((sums**2).sum()) / len(values) ** 2 * groups / (groups - 1) if groups > 1 else math.inf


def _around(value: float, variance: float, level: float) -> Interval:
    if not math.isfinite(variance):
        return NOTHING
    half = normal_quantile(level) * math.sqrt(max(variance, 0.0))
    return Interval(value - half, value + half)


def ask_next(judged: ArrayLike, labels: ArrayLike, spread: ArrayLike | None = None) -> list[int]:
    """Rows without a label, the one first whose label would say most: where the calibrated chance is nearest to a half.

    Active inference (Zrnic and Candes 2024, arXiv:2403.03208) labels where the judge is least sure. Equal chances: the more the
    judge's votes differ the earlier, then in the order of the data.

    Args:
        judged: Calibrated chances, shape (rows,); NaN (no verdict) comes first: nothing is known there.
        labels: NaN where there is none.
        spread: Standard deviation over the votes.

    Example:
        >>> ask_next([0.9, 0.5, 0.6, 0.5], [math.nan, 1, math.nan, math.nan])
        [3, 2, 0]
    """
    p, y = np.asarray(judged, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    wide = np.nan_to_num(
        np.zeros(len(p)) if spread is None or len(np.asarray(spread)) != len(p) else np.asarray(spread, dtype=np.float64)
    )
    sure = np.where(np.isnan(p), -1.0, np.abs(p - 0.5))
    return [int(i) for i in np.lexsort((np.arange(len(p)), -wide, sure)) if math.isnan(y[i])]
