"""Agreement, discrimination and calibration as functions of weights (`WeightedMetric`), so that each gets its bootstrap interval.

All take arrays over observations (one response, or one comparison, with its label), NaN for missing; an observation that lacks
what a figure needs does not count in it. Chance-corrected figures are NaN where only one class is left: there is nothing to
agree about.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from judge.arrays import Floats
from judge.bench.measures import Difference, WeightedMetric

BINS = 10  # of equal width, of the expected calibration error


def _floats(values: ArrayLike) -> Floats:
    return np.asarray(values, dtype=np.float64)


def cohen_kappa(a: ArrayLike, b: ArrayLike, *, weighted: str = "") -> WeightedMetric:
    """Agreement of two raters beyond chance (Cohen 1960); `weighted: quadratic` for ordered classes (Cohen 1968).

    kappa = 1 - sum(w o) / sum(w e), o the observed and e the expected shares of each cell, w its disagreement.

    Example:
        >>> cohen_kappa([1, 1, 0, 0, 1], [1, 0, 0, 0, 1])(np.ones(5)).__round__(4)
        0.6154
    """
    x, y = _floats(a), _floats(b)
    known = ~(np.isnan(x) | np.isnan(y))
    classes = np.unique(np.concatenate([x[known], y[known]])) if known.any() else np.zeros(0)
    size = len(classes)
    cells = np.searchsorted(classes, x[known]) * size + np.searchsorted(classes, y[known])
    apart: Floats = np.abs(classes[:, None] - classes[None, :])
    cost = apart**2 if weighted == "quadratic" else (apart > 0).astype(np.float64)

    def metric(weights: Floats) -> float:
        total = float(weights[known].sum()) if size else 0.0
        if not total:
            return math.nan
        table = np.bincount(cells, weights=weights[known], minlength=size * size).reshape(size, size) / total
        expected = float((cost * np.outer(table.sum(axis=1), table.sum(axis=0))).sum())
        return 1 - float((cost * table).sum()) / expected if expected > 0 else math.nan

    return metric


def fleiss_kappa(ratings: ArrayLike) -> WeightedMetric:
    """Agreement of several raters beyond chance (Fleiss 1971), over items that all of them rated.

    Args:
        ratings: Shape (items, raters).

    Example:
        >>> fleiss_kappa([[1, 1, 1], [0, 0, 1], [0, 0, 0], [1, 1, 0]])(np.ones(4)).__round__(4)
        0.3333
    """
    table = np.atleast_2d(_floats(ratings))
    known = ~np.isnan(table).any(axis=1)
    classes = np.unique(table[known])
    counts = np.stack([(table == c).sum(axis=1) for c in classes], axis=1) if len(classes) else np.zeros((len(table), 0))
    raters = table.shape[1]
    agreed = ((counts**2).sum(axis=1) - raters) / (raters * (raters - 1)) if raters > 1 else np.full(len(table), np.nan)

    def metric(weights: Floats) -> float:
        w = weights * known
        total = float(w.sum())
        if not total or raters < 2:
            return math.nan
        shares = (w @ counts) / (total * raters)
        chance = float((shares**2).sum())
        return (float(w @ np.nan_to_num(agreed)) / total - chance) / (1 - chance) if chance < 1 else math.nan

    return metric


def krippendorff_alpha(ratings: ArrayLike, *, level: str = "nominal") -> WeightedMetric:
    """Krippendorff's alpha, 1 - observed / expected disagreement, for any number of raters and missing ratings (`nominal`,
    `interval`).

    Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability". A resampled unit counts as often as it is drawn.

    Args:
        ratings: Shape (units, raters); NaN for missing. A unit with fewer than two ratings does not count.

    Example:
        >>> krippendorff_alpha([[1, 1], [0, 0], [0, 1], [1, 1]])(np.ones(4)).__round__(4)
        0.5333
    """
    table = np.atleast_2d(_floats(ratings))
    present = ~np.isnan(table)
    many = present.sum(axis=1)
    usable = many > 1
    values = np.where(present, table, 0.0)
    if level == "interval":
        sums, squares = values.sum(axis=1), (values**2).sum(axis=1)
        own = np.where(usable, 2 * (many * squares - sums**2) / np.maximum(many - 1, 1), 0.0)
    else:
        classes = np.unique(table[present])
        counts = (
            np.stack([((table == c) & present).sum(axis=1) for c in classes], axis=1)
            if len(classes)
            else np.zeros((len(table), 0))
        )
        own = np.where(usable, (many**2 - (counts**2).sum(axis=1)) / np.maximum(many - 1, 1), 0.0)

    def metric(weights: Floats) -> float:
        w = weights * usable
        total = float(w @ many)
        if total < 2:
            return math.nan
        observed = float(w @ own) / total
        if level == "interval":
            first, second = float(w @ values.sum(axis=1)), float(w @ (values**2).sum(axis=1))
            expected = 2 * (total * second - first**2) / (total * (total - 1))
        else:
            expected = (total**2 - float(((w @ counts) ** 2).sum())) / (total * (total - 1))
        return 1 - observed / expected if expected > 0 else math.nan

    return metric


# ---- scores against yes and no -------------------------------------------------------------------------------------------


def roc_auc(scores: ArrayLike, labels: ArrayLike) -> WeightedMetric:
    """Chance that a right response scores above a wrong one, ties half (the area under the ROC curve).

    Example:
        >>> roc_auc([0.9, 0.5, 0.5, 0.1], [1, 1, 0, 0])(np.ones(4))
        0.875
    """
    order, starts, s, y = _sorted(scores, labels)

    def metric(weights: Floats) -> float:
        w = weights[order]
        up, down = np.add.reduceat(w * y, starts) if len(s) else s, np.add.reduceat(w * (1 - y), starts) if len(s) else s
        positive, negative = float(up.sum()), float(down.sum())
        if not positive or not negative:
            return math.nan
        below = np.concatenate([[0.0], np.cumsum(down)[:-1]])
        return float((up * (below + down / 2)).sum()) / (positive * negative)

    return metric


def average_precision(scores: ArrayLike, labels: ArrayLike) -> WeightedMetric:
    """Mean precision over the right responses, taken from the highest score down (the area under the precision-recall steps).

    Equal scores enter together, as in scikit-learn's `average_precision_score`.

    Example:
        >>> average_precision([0.9, 0.8, 0.1], [1, 0, 1])(np.ones(3)).__round__(4)
        0.8333
    """
    order, starts, s, y = _sorted(scores, labels)

    def metric(weights: Floats) -> float:
        if not len(s):
            return math.nan
        w = weights[order]
        up, all_ = np.add.reduceat(w * y, starts)[::-1], np.add.reduceat(w, starts)[::-1]
        positive = float(up.sum())
        if not positive:
            return math.nan
        seen = np.cumsum(all_)
        precision = np.divide(np.cumsum(up), seen, out=np.zeros_like(seen), where=seen > 0)
        return float((precision * up).sum()) / positive

    return metric


def _sorted(scores: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats, Floats]:
    """(places in ascending order of score, starts of equal scores, scores, labels) of what has both."""
    s, y = _floats(scores), _floats(labels)
    known = np.flatnonzero(~(np.isnan(s) | np.isnan(y)))
    order = known[np.argsort(s[known], kind="stable")]
    sorted_s = s[order]
    starts = np.flatnonzero(np.concatenate([[True], np.diff(sorted_s) > 1e-12])) if len(order) else np.zeros(0, dtype=np.intp)
    return order, starts, sorted_s, y[order]


def calibration_error(scores: ArrayLike, labels: ArrayLike, *, bins: int = BINS) -> WeightedMetric:
    """Expected calibration error over bins of equal width (Guo et al. 2017, arXiv:1706.04599), as `judge.reward.objectives` has
    it.

    Example:
        >>> calibration_error([0.9, 0.9, 0.9, 0.1], [1, 1, 0, 0])(np.ones(4)).__round__(3)
        0.2
    """
    s, y = _floats(scores), _floats(labels)
    known = ~(np.isnan(s) | np.isnan(y))
    s, y = s[known], y[known]
    place = np.clip(np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], s, side="right"), 0, bins - 1)

    def metric(weights: Floats) -> float:
        w = weights[known]
        total = float(w.sum())
        if not total:
            return math.nan
        gap = np.bincount(place, weights=w * (s - y), minlength=bins)
        return float(np.abs(gap).sum()) / total

    return metric


def brier_score(scores: ArrayLike, labels: ArrayLike) -> WeightedMetric:
    """Mean squared difference of score and label (Brier 1950), in [0, 1]; 0.25 for always saying 0.5.

    Example:
        >>> brier_score([1, 0.5], [1, 0])(np.ones(2))
        0.125
    """
    s, y = _floats(scores), _floats(labels)
    known = ~(np.isnan(s) | np.isnan(y))
    squared = np.where(known, (s - y) ** 2, 0.0)

    def metric(weights: Floats) -> float:
        total = float(weights @ known)
        return float(weights @ squared) / total if total else math.nan

    return metric


def curve_points(scores: ArrayLike, labels: ArrayLike, *, most: int = 50) -> list[dict[str, float]]:
    """Points of the ROC and precision-recall curves, from the highest threshold down; at most so many."""
    order, starts, s, y = _sorted(scores, labels)
    positive, negative = float(y.sum()), float(len(y) - y.sum())
    if not len(order) or not positive or not negative:
        return []
    up = np.add.reduceat(y, starts)[::-1].cumsum()
    all_ = np.diff(np.append(starts, len(y)))[::-1].cumsum()
    thresholds = s[starts][::-1]
    chosen = np.unique(np.linspace(0, len(up) - 1, min(most, len(up))).round().astype(int))
    return [
        {
            "threshold": float(thresholds[i]),
            "true_positive_rate": float(up[i]) / positive,
            "false_positive_rate": float(all_[i] - up[i]) / negative,
            "precision": float(up[i] / all_[i]),
        }
        for i in chosen
    ]


# ---- effects ---------------------------------------------------------------------------------------------------------------


def slope(feature: ArrayLike, outcome: ArrayLike) -> WeightedMetric:
    """Change of the outcome for one standard deviation of the feature (least squares); NaN where the feature never varies.

    Example:
        >>> slope([1, 2, 3], [0.0, 0.5, 1.0])(np.ones(3)).__round__(4)  # 0.5 for each unit, and one deviation is 0.8165
        0.4082
    """
    x, y = _floats(feature), _floats(outcome)
    known = ~(np.isnan(x) | np.isnan(y))
    x, y = x[known], y[known]
    unit = float(x.std()) if x.size else 0.0

    def metric(weights: Floats) -> float:
        w = weights[known]
        total = float(w.sum())
        if not total or unit < 1e-12:
            return math.nan
        dx, dy = x - float(w @ x) / total, y - float(w @ y) / total
        spread = float(w @ dx**2)
        return unit * float(w @ (dx * dy)) / spread if spread > 1e-12 else math.nan

    return metric


def difference(first: WeightedMetric, second: WeightedMetric) -> WeightedMetric:
    """One figure less another, over the same draws."""
    return Difference(first, second)


def shared_errors(first: Sequence[float], second: Sequence[float]) -> WeightedMetric:
    """Correlation of two judges' errors (phi of wrong and right): 1 they fail on the same items, 0 independently of each other.

    Args:
        first, second: 1 where the judge is wrong, 0 where it is right, NaN without a verdict.
    """
    from judge.bench.measures import correlation  # noqa: PLC0415  # imports scipy where it is wanted

    return correlation(first, second, "pearson")
