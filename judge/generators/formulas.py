"""Which items say as much as all of them, and how much each should weigh.

- Choice by coding rate: Auto-Rubric (arXiv:2510.17314, "Query-agnostic rubrics"), after maximal coding rate reduction (Yu et al.
  2020, arXiv:2006.08558). Ours: items are taken one at a time (the released code takes them in batches), and the vectors come
  from a small local encoder.
- Whitened weights: RRD (arXiv:2602.05125, "Whitened uniform weights"): w is proportional to S^(-1/2) 1, with S the covariance of
  the criteria's verdicts over responses; no labels are needed. The error of a weighted vote is at most exp(-D^2 / 2V), D = w'm
  and V = w'Sw, so criteria that say the same should not each have a full vote.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from judge.arrays import Floats

EPSILON = 0.1  # distortion allowed; the released code's
LEAST_GAIN = 0.002
PATIENCE = 2  # increments below the least gain, one after the other, that end it
DIMENSIONS = 100
ENERGY = 0.95


def coding_rate(vectors: Floats, epsilon: float = EPSILON) -> float:
    """Nats needed to code the vectors up to `epsilon`: the sum of log(1 + s^2 / (epsilon^2 n)) over their singular values.

    Args:
        vectors: Of length 1, shape (n, dimensions).

    Example:
        >>> round(coding_rate(np.eye(2)), 3)  # nothing in common: 2 log(1 + 1 / (0.01 x 2)) = 2 log 51
        7.864
        >>> round(coding_rate(np.array([[1.0, 0.0], [1.0, 0.0]])), 3)  # the same twice: log(1 + 2 / (0.01 x 2)) = log 101
        4.615
    """
    if not len(vectors):
        return 0.0
    gram = vectors @ vectors.T if len(vectors) <= vectors.shape[1] else vectors.T @ vectors
    return float(np.linalg.slogdet(np.eye(len(gram)) + gram / (epsilon**2 * len(vectors)))[1])


def choose(
    vectors: Floats, most: int, *, epsilon: float = EPSILON, least_gain: float = LEAST_GAIN, patience: int = PATIENCE
) -> list[int]:
    """Positions of the chosen vectors, in the order in which they were taken; equal gains go by position.

    Args:
        vectors: Shape (n, dimensions), of length 1.
        most: Most vectors chosen.
        least_gain: In nats, over the best rate so far. After `patience` in a row that gain less it ends, without them.

    Example:
        >>> choose(np.array([[1.0, 0, 0], [1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]]), 3)
        [0, 2, 3]
    """
    chosen: list[int] = []
    best, length = 0.0, 0  # of the rate so far, and of the choice that has it: what repeats lowers the rate
    while len(chosen) < min(most, len(vectors)) and len(chosen) - length < patience:
        chosen.append(_next(vectors, chosen, epsilon))
        rate = coding_rate(vectors[chosen], epsilon)
        if rate - best >= least_gain:
            best, length = rate, len(chosen)
    return chosen[:length]


def _next(vectors: Floats, chosen: Sequence[int], epsilon: float) -> int:
    """The vector that adds most: det(I + cG') = det(I + cG) (1 + c x.x - c^2 g'(I + cG)^-1 g), g: products with those chosen."""
    scale = 1.0 / (epsilon**2 * (len(chosen) + 1))
    own = np.einsum("ij,ij->i", vectors, vectors)
    gain = 1.0 + scale * own
    if chosen:
        taken = vectors[list(chosen)]
        across = taken @ vectors.T
        inner = np.eye(len(chosen)) + scale * (taken @ taken.T)
        gain -= scale**2 * np.einsum("ij,ij->j", across, np.linalg.solve(inner, across))
        gain[list(chosen)] = -np.inf
    return int(np.argmax(np.round(gain, 9)))


def reduced(vectors: Floats, dimensions: int = DIMENSIONS, energy: float = ENERGY) -> Floats:
    """Vectors in their principal directions, with length 1: at most `dimensions`, and as many as hold `energy` of it."""
    if len(vectors) <= 2:  # two points have one direction, and would become opposites
        return vectors
    centred = vectors - vectors.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    held = np.cumsum(sizes**2) / max(float((sizes**2).sum()), 1e-300)
    count = min(dimensions, int(np.searchsorted(held, energy)) + 1)
    out = left[:, :count] * sizes[:count]
    norms = np.linalg.norm(out, axis=1, keepdims=True)
    return np.asarray(out / np.where(norms > 0, norms, 1.0), dtype=np.float64)


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
