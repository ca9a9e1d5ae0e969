"""Weights that count what several criteria share only once.

RRD (arXiv:2602.05125, "Whitened uniform weights"): w is proportional to S^(-1/2) 1, with S the covariance of the criteria's
verdicts over responses; no labels are needed. The error of a weighted vote is at most exp(-D^2 / 2V), D = w'm and V = w'Sw, so
criteria that say the same should not each have a full vote.
"""

from __future__ import annotations

import numpy as np

from judge.arrays import Floats

RIDGE = 0.05  # added to each variance (at most 0.25 for yes or no): with few responses the covariance has no inverse


def whitened_weights(verdicts: Floats, *, ridge: float = RIDGE) -> Floats:
    """Weights of criteria out of their verdicts, with mean 1.

    Ours: `ridge` is added to the covariance, since a row has few responses; population covariance; weights that come out below 0
    (a criterion that others say better) are 0.

    Args:
        verdicts: Scores in [0, 1], shape (responses, criteria); no NaN.
        ridge: Above 0.

    Returns:
        Shape (criteria,), each at least 0, with mean 1.

    Raises:
        ValueError: Fewer than two responses.

    Example:
        >>> votes = np.array([[1, 1, 1], [1, 1, 0], [0, 0, 1], [0, 0, 0]], dtype=float)  # the first two are one criterion
        >>> whitened_weights(votes).round(3)
        array([0.894, 0.894, 1.211])
    """
    if len(verdicts) < 2:
        raise ValueError("a covariance needs two responses")
    centred = verdicts - verdicts.mean(axis=0)
    covariance = centred.T @ centred / len(verdicts)
    values, vectors = np.linalg.eigh(covariance + ridge * np.eye(verdicts.shape[1]))
    weights = np.clip(vectors @ (vectors.T.sum(axis=1) / np.sqrt(values)), 0.0, None)
    return np.asarray(weights / weights.mean(), dtype=np.float64)
