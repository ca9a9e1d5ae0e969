"""Which response is better than which in every criterion: pairs that no weighting of the criteria could turn round."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from judge.arrays import Bools, floats


def dominance(rewards: ArrayLike) -> Bools:
    """Which response is at least as good in every objective and better in one.

    DG-PRM (arXiv:2507.17849) takes such pairs as chosen and rejected steps, since no weighting of the criteria could order
    them the other way.

    Args:
        rewards: Shape (responses, objectives), higher is better; NaN for absent.

    Returns:
        Shape (responses, responses): row dominates column. A response with an absent objective dominates nobody and is
        dominated by nobody.

    Example:
        >>> dominance([[1.0, 1.0], [1.0, 0.0], [0.0, 2.0]])
        array([[False,  True, False],
               [False, False, False],
               [False, False, False]])
    """
    table = floats(rewards, 2, "rewards")
    known = ~np.isnan(table).any(axis=1)
    at_least = np.all(table[:, None, :] >= table[None, :, :], axis=2)
    better = np.any(table[:, None, :] > table[None, :, :], axis=2)
    return np.asarray(at_least & better & np.logical_and.outer(known, known), dtype=np.bool_)


def dominating_pairs(rewards: ArrayLike) -> list[tuple[int, int]]:
    """All (better, worse) pairs, as row numbers in order.

    Example:
        >>> dominating_pairs([[1.0, 1.0], [1.0, 0.0], [0.0, 2.0]])
        [(0, 1)]
    """
    return [(int(a), int(b)) for a, b in np.argwhere(dominance(rewards))]
