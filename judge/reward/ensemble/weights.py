"""How much each judge counts, fitted from a few labelled comparisons."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from judge.arrays import Floats, floats, shares
from judge.reward.comparisons import Weights, fit_weights


def fit_judge_weights(
    better: ArrayLike, worse: ArrayLike, outcomes: ArrayLike | None = None, *, strength: float = 1.0, seed: int = 0
) -> Weights:
    """Weights of judges that sum to 1 and order labelled pairs best; `fit_weights` explains the fit.

    Args:
        better: Scores of the preferred response, shape (judges, comparisons): judges in rows, as everywhere here.
        worse: Scores of the other response, same shape.
        outcomes: How much the first was preferred, in [0, 1], shape (comparisons,); None: all 1.
        strength: Of the pull towards equal weights.
        seed: Of the intervals.

    Example:
        >>> good, coin = [0.9, 0.8, 0.9, 0.7], [0.2, 0.9, 0.1, 0.8]
        >>> fit = fit_judge_weights([good, coin], [coin, good], strength=0.1)
        >>> bool(fit.share[0] > fit.share[1])
        True
    """
    return fit_weights(floats(better, 2, "better").T, floats(worse, 2, "worse").T, outcomes, strength=strength, seed=seed)


def weighted_mean(scores: ArrayLike, weights: ArrayLike, *, quorum: float = 0.5) -> Floats:
    """Weighted mean over the judges that have a verdict.

    Args:
        scores: Shape (judges, responses); NaN for absent.
        weights: One a judge, not negative.
        quorum: Least share of the *weight* that has a verdict, in [0, 1].

    Returns:
        Shape (responses,), within the range of the response's scores; NaN below the quorum.

    Example:
        >>> weighted_mean([[1.0, 1.0, np.nan], [0.0, np.nan, 0.4]], [3, 1])
        array([0.75, 1.  ,  nan])
    """
    table = floats(scores, 2, "scores")
    weight = shares(weights, len(table))
    known = ~np.isnan(table)
    mass = np.where(known, weight[:, None], 0.0).sum(axis=0)
    total = np.where(known, table * weight[:, None], 0.0).sum(axis=0)
    return np.asarray(np.where((mass > 0) & (mass >= quorum), total / np.where(mass > 0, mass, 1.0), np.nan), dtype=np.float64)
