"""Float arrays with NaN for what is absent, and averages that neither warn about it nor count it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def floats(values: ArrayLike | Sequence[object], ndim: int, name: str = "values") -> Floats:
    """Copy into a float array; None becomes NaN.

    Raises:
        ValueError: Another number of dimensions, or an infinite value (which is neither a reward nor absent).

    Example:
        >>> floats([1, None], 1)
        array([ 1., nan])
    """
    array = np.array(values, dtype=np.float64)
    if array.ndim != ndim:
        raise ValueError(f"{name} has {array.ndim} dimensions, not {ndim}")
    if np.isinf(array).any():
        raise ValueError(f"{name} holds an infinite value; what is absent is NaN or None")
    return array


def unit(values: ArrayLike | Sequence[object], ndim: int = 1, name: str = "rewards") -> Floats:
    """The same, of values in [0, 1].

    Raises:
        ValueError: As `floats`, or a value outside [0, 1].
    """
    array = floats(values, ndim, name)
    if ((array < 0) | (array > 1)).any():
        raise ValueError(f"{name} must be in [0, 1]")
    return array


def shares(weights: ArrayLike | None, size: int, name: str = "weights") -> Floats:
    """Weights as shares that sum to 1; None: all equal.

    Raises:
        ValueError: Another size, a negative or absent weight, or nothing but zeros.
    """
    array = np.ones(size) if weights is None else floats(weights, 1, name)
    if array.shape != (size,) or not (array >= 0).all() or not array.sum() > 0:
        raise ValueError(f"{name} must be {size} numbers that are not negative, and not all 0")
    return np.asarray(array / array.sum(), dtype=np.float64)


def mean_of(values: Floats, axis: int) -> Floats:
    """Mean of what is present; NaN where nothing is."""
    present = ~np.isnan(values)
    count = present.sum(axis=axis)
    total = np.where(present, values, 0.0).sum(axis=axis)
    return np.asarray(np.where(count, total / np.maximum(count, 1), np.nan), dtype=np.float64)


def variance_of(values: Floats, axis: int) -> Floats:
    """Population variance of what is present; NaN where nothing is."""
    centre = np.expand_dims(mean_of(values, axis), axis)
    return mean_of(np.asarray((values - centre) ** 2, dtype=np.float64), axis)


def pearson(x: Floats, y: Floats, least: int = 3) -> float:
    """Pearson's correlation over the places where both are there, in [-1, 1].

    Args:
        least: With fewer places it is NaN, as where one side does not vary.

    Example:
        >>> pearson(np.array([1.0, 2.0, 3.0, np.nan]), np.array([2.0, 4.0, 6.0, 0.0]))
        1.0
    """
    both = np.isfinite(x) & np.isfinite(y)
    size = int(both.sum())
    if size < max(least, 2):
        return float("nan")
    a, b = x[both] - x[both].mean(), y[both] - y[both].mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(np.clip(a @ b / scale, -1, 1)) if scale > 1e-12 * size else float("nan")


def spearman(x: Floats, y: Floats, least: int = 3) -> float:
    """The same of the ranks, ties at their mean rank (Spearman's rho).

    Example:
        >>> round(spearman(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 3.0, 2.0, 9.0])), 3)
        0.8
    """
    both = np.isfinite(x) & np.isfinite(y)
    return pearson(ranks(x[both]), ranks(y[both]), least)


def ranks(values: Floats) -> Floats:
    """Rank of each value from 1 on, ties at their mean rank, as `scipy.stats.rankdata` has them.

    Loading that library takes half a second and 50 MiB, which the end of every run would pay.

    Example:
        >>> ranks(np.array([0.5, 0.1, 0.5, 0.9]))
        array([2.5, 1. , 2.5, 4. ])
    """
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - (count - 1) / 2)[place], dtype=np.float64)


def group_codes(groups: Sequence[object] | NDArray[np.generic] | None, size: int) -> NDArray[np.intp]:
    """Group labels -> 0, 1, ...; None: one group.

    Raises:
        ValueError: Another number of labels than rows.
    """
    if groups is None:
        return np.zeros(size, dtype=np.intp)
    if len(groups) != size:
        raise ValueError(f"{len(groups)} group labels for {size} rows")
    seen: dict[object, int] = {}
    return np.array([seen.setdefault(g, len(seen)) for g in groups], dtype=np.intp)
