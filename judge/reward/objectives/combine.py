"""Rewards with several objectives -> one number a response, and what "several" does to group normalisation.

- Adding raw rewards and normalising the sum lets the objective with the widest spread decide, and makes different
  combinations equal: (1, 0) and (0, 1) get one advantage. Normalising each objective first keeps them apart.
- A row that lacks an objective is absent as a whole, and takes no part in the statistics of its group: a reward with a term
  missing is on another scale than its group members'.
- All functions take shape (responses, objectives); group labels say which responses compete.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from judge.arrays import Bools, Floats, floats, group_codes

Groups = Sequence[object] | NDArray[np.generic] | None
Ddof = Literal[0, 1]
"""Of a standard deviation: 0 population, as in the papers' formulas; 1 sample, as `torch.std` has it."""
EPSILON = 1e-8  # a spread at or below this is no spread


def combine(rewards: ArrayLike, weights: ArrayLike) -> Floats:
    """Weighted sum.

    Args:
        rewards: Shape (responses, objectives); NaN for absent.
        weights: Shape (objectives,); an objective of weight 0 may be absent. Negative weights are penalties.

    Returns:
        Shape (responses,); NaN where an objective that has weight is absent.

    Example:
        >>> combine([[1.0, 0.5], [1.0, np.nan]], [1.0, -0.5])
        array([0.75,  nan])
    """
    table, weight = _checked(rewards, weights)
    return np.asarray(table[:, weight != 0] @ weight[weight != 0], dtype=np.float64)


def normalise_groups(rewards: ArrayLike, groups: Groups = None, *, ddof: Ddof = 0, epsilon: float = 0.0) -> Floats:
    """Each objective minus its group's mean, over its group's standard deviation.

    Args:
        rewards: Shape (responses, objectives); NaN for absent. Rows are not dropped here: each objective stands alone.
        groups: One label a row; None: one group.
        ddof: Population (0) or sample (1).
        epsilon: Added to the standard deviation, at least 0.

    Returns:
        Same shape. 0 where a group does not vary (there is nothing to prefer); NaN stays NaN.

    Example:
        >>> normalise_groups([[1.0, 5.0], [0.0, 5.0], [np.nan, 5.0]])
        array([[ 1.,  0.],
               [-1.,  0.],
               [nan,  0.]])
    """
    table = floats(rewards, 2, "rewards")
    codes = group_codes(groups, len(table))
    count = max(int(codes.max()) + 1, 1) if len(codes) else 1
    result = np.full(table.shape, np.nan)
    for column in range(table.shape[1]):
        known = ~np.isnan(table[:, column])
        result[known, column] = _standardised(table[known, column], codes[known], count, ddof, epsilon)
    return result


def normalise_then_combine(
    rewards: ArrayLike,
    weights: ArrayLike,
    groups: Groups = None,
    *,
    across_batch: bool = True,
    ddof: Ddof = 0,
    epsilon: float = 0.0,
) -> Floats:
    """Advantage of each response: every objective is normalised in its group, then weighted and added.

    GDPO (Liu et al. 2026, "Group reward-Decoupled Normalization Policy Optimization", arXiv:2601.05242): the sum is then
    normalised over the whole batch, so that its size does not grow with the number of objectives. The authors' code (NVlabs/GDPO,
    `trl-GDPO`) has the sample standard deviation plus 1e-4 in both places: `ddof=1, epsilon=1e-4`. Between groups of one size
    that is a constant factor. Their code counts an absent objective as 0; here its row is absent.

    Args:
        rewards: Shape (responses, objectives); NaN for absent.
        weights: Shape (objectives,).
        groups: One label a row; None: one group.
        across_batch: Whether to normalise over the batch at the end.
        ddof: Population (0) or sample (1) standard deviation, in both places.
        epsilon: Added to both standard deviations.

    Returns:
        Shape (responses,); NaN where an objective that has weight is absent.

    Example:
        >>> easy_and_hard = [[1.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]
        >>> normalise_then_combine(easy_and_hard, [1, 1], across_batch=False).round(3)
        array([-0.423, -0.423,  1.577, -0.732])
        >>> normalise_then_combine(easy_and_hard, [1, 1], across_batch=False, ddof=1, epsilon=1e-4).round(3)
        array([-0.366, -0.366,  1.366, -0.634])
    """
    table, weight = _checked(rewards, weights)
    rows = _complete(table, weight)
    result = np.full(len(table), np.nan)
    if not rows.any():
        return result
    codes = group_codes(groups, len(table))[rows]
    total = normalise_groups(table[rows][:, weight != 0], codes, ddof=ddof, epsilon=epsilon) @ weight[weight != 0]
    one = np.zeros(len(total), dtype=np.intp)
    result[rows] = _standardised(total, one, 1, ddof, epsilon) if across_batch else total
    return result


def combine_then_normalise(
    rewards: ArrayLike, weights: ArrayLike, groups: Groups = None, *, ddof: Ddof = 0, epsilon: float = 0.0
) -> Floats:
    """Advantage of each response as GRPO has it: the weighted sum, normalised in its group.

    Args:
        rewards: Shape (responses, objectives); NaN for absent.
        weights: Shape (objectives,).
        groups: One label a row; None: one group.
        ddof: Population (0) or sample (1, as TRL has it).
        epsilon: Added to the standard deviation (TRL: 1e-4).

    Returns:
        Shape (responses,); NaN where an objective that has weight is absent.

    Example:
        >>> combine_then_normalise([[1.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]], [1, 1]).round(3)
        array([-0.577, -0.577,  1.732, -0.577])
    """
    summed = combine(rewards, weights)[:, None]
    return np.asarray(normalise_groups(summed, groups, ddof=ddof, epsilon=epsilon)[:, 0], dtype=np.float64)


def log_sigmoid_sum(rewards: ArrayLike, reference: ArrayLike) -> Floats:
    """Sum over the objectives of log sigmoid(r - reference): close to the logarithm of "all are better than the reference".

    Wang et al. 2024, "Transforming and Combining Rewards for Aligning Large Language Models",
    arXiv:2402.00742. What is already good gains little more, so no objective can be traded for another that is failing.

    Args:
        rewards: Shape (responses, objectives), on a log-odds scale; NaN for absent.
        reference: Reward of a passable response in each objective, shape (objectives,).

    Returns:
        Shape (responses,), not above 0; it rises with every objective. NaN where one is absent.

    Example:
        >>> log_sigmoid_sum([[0.0, 0.0], [4.0, -4.0]], [0.0, 0.0]).round(3)  # the same sum, but one of them is failing
        array([-1.386, -4.036])
    """
    table, zero = _checked(rewards, reference)
    rows = ~np.isnan(table).any(axis=1)  # `logaddexp` warns of NaN
    result = np.full(len(table), np.nan)
    result[rows] = -np.logaddexp(0, zero - table[rows]).sum(axis=1)
    return result


def cap(rewards: ArrayLike, caps: ArrayLike) -> Floats:
    """Cut each objective at its usefulness: past the cap, more of it no longer means better.

    Moskovitz et al. 2023, "Confronting Reward Model Overoptimization with Constrained RLHF", arXiv:2310.04373, find such
    points; `proxy_point` estimates one. Theirs is a constraint on the policy (see `Multipliers`); a cap acts on every response.

    Args:
        rewards: Shape (responses, objectives); NaN for absent.
        caps: Shape (objectives,); NaN for an objective without one.

    Example:
        >>> cap([[0.9, 0.9]], [0.6, np.nan])
        array([[0.6, 0.9]])
    """
    table, limit = floats(rewards, 2, "rewards"), floats(caps, 1, "caps")
    if limit.shape != (table.shape[1],):
        raise ValueError(f"{len(limit)} caps for {table.shape[1]} objectives")
    return np.asarray(np.where(np.isnan(limit), table, np.minimum(table, limit)), dtype=np.float64)


def _checked(rewards: ArrayLike, row: ArrayLike) -> tuple[Floats, Floats]:
    table, values = floats(rewards, 2, "rewards"), floats(row, 1, "weights")
    if values.shape != (table.shape[1],) or np.isnan(values).any():
        raise ValueError(f"{table.shape[1]} objectives need as many numbers beside them, not {values}")
    return table, values


def _complete(table: Floats, weight: Floats) -> NDArray[np.bool_]:
    return np.asarray(~np.isnan(table[:, weight != 0]).any(axis=1), dtype=np.bool_)


def _standardised(values: Floats, codes: NDArray[np.intp], count: int, ddof: Ddof, epsilon: float) -> Floats:
    """(value - mean) / (standard deviation + epsilon) in each group; 0 where a group differs by no more than rounding does."""
    size = np.maximum(np.bincount(codes, minlength=count), 1)
    centred = values - (np.bincount(codes, weights=values, minlength=count) / size)[codes]
    squares = np.bincount(codes, weights=centred**2, minlength=count)
    spread = np.sqrt(squares / np.maximum(size - ddof, 1))[codes]
    largest = np.zeros(count)
    np.maximum.at(largest, codes, np.abs(values))
    flat = spread <= EPSILON * np.maximum(1.0, largest)[codes]
    return np.asarray(np.where(flat, 0.0, centred / np.where(flat, 1.0, spread + epsilon)), dtype=np.float64)


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


def pareto_front(rewards: ArrayLike) -> Bools:
    """Responses that nobody dominates.

    Args:
        rewards: Shape (responses, objectives), higher is better; NaN for absent.

    Returns:
        Shape (responses,); False for a response with an absent objective.

    Example:
        >>> pareto_front([[1.0, 1.0], [1.0, 0.0], [0.0, 2.0]])
        array([ True, False,  True])
    """
    table = floats(rewards, 2, "rewards")
    return np.asarray(~dominance(table).any(axis=0) & ~np.isnan(table).any(axis=1), dtype=np.bool_)


def dominating_pairs(rewards: ArrayLike) -> list[tuple[int, int]]:
    """All (better, worse) pairs, as row numbers in order.

    Example:
        >>> dominating_pairs([[1.0, 1.0], [1.0, 0.0], [0.0, 2.0]])
        [(0, 1)]
    """
    return [(int(a), int(b)) for a, b in np.argwhere(dominance(rewards))]
