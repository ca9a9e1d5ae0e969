"""Does a reward of 0.8 mean right in eight cases of ten?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from judge.arrays import Floats, floats


@dataclass(frozen=True, slots=True)
class Bin:
    """Rewards of about one size.

    Attributes:
        low: Lower end, in [0, 1].
        high: Upper end.
        count: Rewards in it.
        confidence: Their mean.
        accuracy: Share that was right.
    """

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far rewards are from probabilities. NaN where nothing was measured.

    Attributes:
        ece: Expected calibration error: mean over the rewards of |confidence - accuracy| of their bin, in [0, 1].
        brier: Mean squared difference of reward and label, in [0, 1].
        base_rate: Share of good labels.
        bins: The reliability table, without empty bins.
        count: Labelled rewards.
        absent: Rewards or labels left out.
    """

    ece: float
    brier: float
    base_rate: float
    bins: tuple[Bin, ...]
    count: int
    absent: int


def calibration(
    confidence: ArrayLike, labels: ArrayLike, *, bins: int = 10, binning: Literal["width", "mass"] = "width"
) -> Calibration:
    """Compare rewards (or a judge's confidence) with labels.

    ECE as in Guo et al. 2017, "On Calibration of Modern Neural Networks", section 2, arXiv:1706.04599; MORE
    (arXiv:2312.07401) makes it a measure of reward models. The score of Brier 1950.

    Args:
        confidence: In [0, 1], shape (responses,); NaN for absent.
        labels: 1 right, 0 wrong, shares allowed, same shape; NaN where unknown.
        bins: At least 1.
        binning: Bins of equal width, or of equal numbers of rewards (less noisy where rewards crowd).

    Raises:
        ValueError: Shapes differ, or a value is outside [0, 1].

    Example:
        >>> found = calibration([0.9, 0.9, 0.9, 0.1], [1, 1, 0, 0])
        >>> round(found.ece, 3), round(found.brier, 3)  # 3/4 * |0.9 - 2/3| + 1/4 * |0.1 - 0|
        (0.2, 0.21)
    """
    values, truth = floats(confidence, 1, "confidence"), floats(labels, 1, "labels")
    if values.shape != truth.shape or bins < 1:
        raise ValueError("confidence and labels must have one shape, and there must be a bin")
    known = ~(np.isnan(values) | np.isnan(truth))
    absent = int((~known).sum())
    values, truth = values[known], truth[known]
    if ((values < 0) | (values > 1) | (truth < 0) | (truth > 1)).any():
        raise ValueError("confidence and labels must be in [0, 1]")
    if not values.size:
        nan = float("nan")
        return Calibration(nan, nan, nan, (), 0, absent)
    edges = np.linspace(0, 1, bins + 1) if binning == "width" else _quantiles(values, bins)
    place = np.clip(np.searchsorted(edges[1:-1], values, side="right"), 0, bins - 1)
    table = []
    for number in range(bins):
        inside = place == number
        if inside.any():
            mean, right = float(values[inside].mean()), float(truth[inside].mean())
            table.append(Bin(float(edges[number]), float(edges[number + 1]), int(inside.sum()), mean, right))
    ece = sum(b.count * abs(b.confidence - b.accuracy) for b in table) / len(values)
    brier = float(((values - truth) ** 2).mean())
    return Calibration(float(ece), brier, float(truth.mean()), tuple(table), len(values), absent)


def _quantiles(values: Floats, parts: int) -> Floats:
    """Ends of equally filled bins. Places are counted in whole numbers: 0.7 x 10 a hair above 7 would move a value down a bin."""
    places = np.arange(parts + 1) * (len(values) - 1) / parts
    return np.asarray(np.interp(places, np.arange(len(values)), np.sort(values)), dtype=np.float64)
