"""A judge's distribution over grades -> expected reward and how sure it is: one judge as an ensemble of its own grades."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from judge.arrays import Floats, floats


def ordinal_reward(probabilities: ArrayLike, values: ArrayLike, *, min_mass: float = 0.5) -> tuple[Floats, Floats]:
    """Mean and variance of the grade that a judge would give.

    Ordinal probabilistic rewards (OPRM, arXiv:2602.12660): the reward is the expectation over the rating tokens, its
    variance says how unsure the judge is. The pair fits `shrink_by_variance`, or mean - k * sqrt(variance).
    Ours: the reported mass is renormalised, because an engine reports only its top tokens.

    Args:
        probabilities: Of each grade, shape (responses, grades), not negative; NaN counts as not reported.
        values: Reward of each grade, shape (grades,).
        min_mass: Least total probability reported, in (0, 1]; below it the reward is absent.

    Returns:
        Expected reward and its variance, both of shape (responses,); NaN when absent.

    Raises:
        ValueError: Shapes disagree, or a probability is negative.

    Example:
        >>> mean, variance = ordinal_reward([[0.5, 0.0, 0.5], [0.1, 0.2, np.nan]], [0.0, 0.5, 1.0])
        >>> mean, variance
        (array([0.5, nan]), array([0.25,  nan]))
    """
    chances, grades = floats(probabilities, 2, "probabilities"), floats(values, 1, "values")
    if chances.shape[1] != len(grades) or (chances < 0).any() or np.isnan(grades).any():
        raise ValueError(f"{chances.shape[1]} probabilities for {len(grades)} grades, or one of them is negative or NaN")
    if not 0 < min_mass <= 1:
        raise ValueError("min_mass must be in (0, 1]")
    chances = np.nan_to_num(chances, nan=0.0)
    mass = chances.sum(axis=1)
    known = mass >= min_mass
    chances = chances / np.where(known, mass, 1.0)[:, None]
    mean = chances @ grades
    variance = (chances * (grades[None, :] - mean[:, None]) ** 2).sum(axis=1)
    return (
        np.asarray(np.where(known, mean, np.nan), dtype=np.float64),
        np.asarray(np.where(known, variance, np.nan), dtype=np.float64),
    )
