"""A few "this one is better" labels -> non-negative weights: what judges' weights and users' profiles are both fitted with.

A few labels fit many weights equally well, so the fit is pulled towards equal weights, and it reports how far the weights
could still be from what the labels say.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from judge.arrays import Floats, floats

DRAWS = 2000  # of the approximate posterior, for intervals


@dataclass(frozen=True, slots=True)
class Weights:
    """Fitted shares.

    Attributes:
        share: One a column, shape (columns,), not negative, sums to 1.
        low: Lower end of the interval of each share, in [0, 1].
        high: Upper end.
        sharpness: How strongly a difference of 1 in the weighted mean decides a comparison (log odds), at least 0.
        used: Comparisons that were fitted.
        dropped: Comparisons left out, because a value was absent.
        accuracy: Share of the fitted comparisons that the weights order rightly (a tie counts half), in [0, 1]; NaN
            without any. It is measured on the very labels of the fit, and so too high.
    """

    share: Floats
    low: Floats
    high: Floats
    sharpness: float
    used: int
    dropped: int
    accuracy: float

    def apply(self, values: ArrayLike) -> Floats:
        """Weighted mean of each row.

        Args:
            values: Shape (rows, columns); NaN for absent.

        Returns:
            Shape (rows,), within the range of the row; NaN where a column that has weight is absent.
        """
        table = floats(values, 2, "values")
        if table.shape[1] != len(self.share):
            raise ValueError(f"{table.shape[1]} columns for {len(self.share)} weights")
        return np.asarray(table[:, self.share > 0] @ self.share[self.share > 0], dtype=np.float64)


def fit_weights(
    better: ArrayLike,
    worse: ArrayLike,
    outcomes: ArrayLike | None = None,
    *,
    strength: float = 1.0,
    level: float = 0.9,
    seed: int = 0,
) -> Weights:
    """Fit shares to comparisons of two responses.

    P(first beats second) = sigmoid(v . (first - second)) with v >= 0, the logistic (Bradley-Terry) model. The fit
    minimises the negative log likelihood + strength / 2 * |v - 1|^2, so without labels all shares are equal. Shares are
    v / sum(v). Intervals are quantiles of draws from the Laplace approximation at the optimum, negative draws set to 0.

    Args:
        better: Values of the response that was preferred, shape (comparisons, columns); NaN for absent.
        worse: Values of the other, same shape.
        outcomes: How much the first was preferred, in [0, 1], shape (comparisons,); 0.5 is a tie. None: all 1.
        strength: Of the pull towards equal weights, above 0; about as much as that many decided comparisons.
        level: Of the intervals, in (0, 1).
        seed: Of the draws.

    Raises:
        ValueError: Shapes disagree, no columns, or an argument is out of range.

    Example:
        >>> fit = fit_weights([[1.0, 0.0]] * 20, [[0.0, 1.0]] * 20)  # the first column always decides
        >>> bool(fit.share[0] > 0.9), fit.used, fit.accuracy
        (True, 20, 1.0)
        >>> fit_weights(np.zeros((0, 2)), np.zeros((0, 2))).share
        array([0.5, 0.5])
    """
    first, second = floats(better, 2, "better"), floats(worse, 2, "worse")
    wins = np.ones(len(first)) if outcomes is None else floats(outcomes, 1, "outcomes")
    if first.shape != second.shape or wins.shape != (len(first),) or not first.shape[1]:
        raise ValueError(f"shapes {first.shape}, {second.shape} and {wins.shape} do not describe the same comparisons")
    if not strength > 0 or not 0 < level < 1 or (wins < 0).any() or (wins > 1).any():
        raise ValueError("strength must be above 0, level in (0, 1) and outcomes in [0, 1]")
    known = ~(np.isnan(first - second).any(axis=1) | np.isnan(wins))
    gaps, wins = (first - second)[known], wins[known]
    raw = _optimum(gaps, wins, strength)
    low, high = _interval(raw, gaps, strength, level, seed)
    margin = gaps @ _normalised(raw)
    right = np.where(margin > 1e-12, wins, np.where(margin < -1e-12, 1 - wins, 0.5))
    return Weights(
        _normalised(raw),
        low,
        high,
        float(raw.sum()),
        len(gaps),
        int((~known).sum()),
        float(right.mean()) if len(gaps) else np.nan,
    )


def _optimum(gaps: Floats, wins: Floats, strength: float) -> Floats:
    from scipy.optimize import minimize  # noqa: PLC0415  # half a second that a judge at work need not pay

    def loss(raw: Floats) -> tuple[float, Floats]:
        margin = gaps @ raw
        chance = 1 / (1 + np.exp(-np.clip(margin, -500, 500)))
        value = np.sum(np.logaddexp(0, margin) - wins * margin) + strength / 2 * np.sum((raw - 1) ** 2)
        return float(value), np.asarray(gaps.T @ (chance - wins) + strength * (raw - 1), dtype=np.float64)

    start = np.ones(gaps.shape[1])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(start))
    return np.asarray(found.x, dtype=np.float64)


def _interval(raw: Floats, gaps: Floats, strength: float, level: float, seed: int) -> tuple[Floats, Floats]:
    chance = 1 / (1 + np.exp(-np.clip(gaps @ raw, -500, 500)))
    curvature = (gaps * (chance * (1 - chance))[:, None]).T @ gaps + strength * np.eye(len(raw))
    draws = np.random.default_rng(seed).multivariate_normal(raw, np.linalg.inv(curvature), size=DRAWS, method="cholesky")
    share = np.array([_normalised(np.maximum(d, 0.0)) for d in draws])
    point = _normalised(raw)
    low, high = np.quantile(share, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return np.minimum(low, point), np.maximum(high, point)


def _normalised(raw: Floats) -> Floats:
    total = raw.sum()
    return np.asarray(raw / total if total > 0 else np.full(len(raw), 1 / len(raw)), dtype=np.float64)
