"""Rewards with several objectives -> one number a response, and what "several" does to group normalisation.

- Adding raw rewards and normalising the sum lets the objective with the widest spread decide, and makes different
  combinations equal: (1, 0) and (0, 1) get one advantage. Normalising each objective first keeps them apart.
- A row that lacks an objective is absent as a whole, and takes no part in the statistics of its group: a reward with a term
  missing is on another scale than its group members'.
- All functions take shape (responses, objectives); group labels say which responses compete.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from judge.arrays import Bools, Floats, floats, group_codes
from judge.errors import did_you_mean
from judge.rubric.model import Frozen
from judge.shape.batch import Finite, OrderKept, RewardRange, Sees, Stage, StepKind, Stepped, UnitFloat, mean_std

Groups = Sequence[object] | NDArray[np.generic] | None
Ddof = Literal[0, 1]
"""Of a standard deviation: 0 population, as in the papers' formulas; 1 sample, as `torch.std` has it."""
EPSILON = 1e-8  # a spread at or below this is no spread


class ObjectivesStep(Frozen):
    """Several criteria as one reward, in place of the rubric's fold.

    Attributes:
        weights: Criterion -> weight; below 0 it is a penalty.
        join: `sum`; `log_sigmoid`: sum of weight x log sigmoid(scale x (score - reference)), a soft "and"; `normalised`: each
            criterion is standardised in its group, then weighted and added.
        reference: Of `log_sigmoid`: score of a passable response, for all or by criterion.
        scale: Of `log_sigmoid`.
        caps: Criterion -> score above which more of it no longer counts.
        across_batch: Of `normalised`: standardise the sum over the batch.
    """

    kind: Literal["objectives"] = "objectives"
    weights: dict[str, Finite] = Field(min_length=1, max_length=256)
    join: Literal["sum", "log_sigmoid", "normalised"] = "sum"
    reference: UnitFloat | dict[str, UnitFloat] | None = None
    scale: float = Field(default=8.0, gt=0, le=1000)
    caps: dict[str, UnitFloat] = Field(default_factory=dict)
    across_batch: bool = True

    @model_validator(mode="after")
    def _sound(self) -> Self:
        for place in ("caps", "reference"):
            given = getattr(self, place)
            for name in given if isinstance(given, dict) else ():
                if name not in self.weights:
                    raise ValueError(f"`{place}` names `{name}`, which has no weight{did_you_mean(name, self.weights)}")
        if not any(self.weights.values()):
            raise ValueError("all `weights` are 0")
        if (self.reference is not None) != (self.join == "log_sigmoid"):
            raise ValueError("`join: log_sigmoid` and `reference` go together")
        if isinstance(self.reference, dict) and (missing := next((n for n in self.weights if n not in self.reference), None)):
            raise ValueError(f"`reference` has no score for `{missing}`")
        if "scale" in self.model_fields_set and self.join != "log_sigmoid":
            raise ValueError("`scale` is for `join: log_sigmoid`")
        if not self.across_batch and self.join != "normalised":
            raise ValueError("`across_batch` is for `join: normalised`")
        return self


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
    return weighted_sum(table, weight, weight != 0)


def weighted_sum(table: Floats, weight: Floats, used: Bools) -> Floats:
    """Sum of the used columns times their weights, row by row and the same to the last bit in any order of the rows."""
    total = np.zeros(len(table))
    for column in np.flatnonzero(used):
        total = total + weight[column] * table[:, column]
    return total


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
    total = weighted_sum(normalise_groups(table[rows], codes, ddof=ddof, epsilon=epsilon), weight, weight != 0)
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


def log_sigmoid_sum(rewards: ArrayLike, reference: ArrayLike, *, weights: ArrayLike | None = None, scale: float = 1.0) -> Floats:
    """Sum over the objectives of weight * log sigmoid(scale * (r - reference)): near the log of "all are good enough".

    Wang et al. 2024, "Transforming and Combining Rewards for Aligning Large Language Models",
    arXiv:2402.00742. What is already good gains little more, so no objective can be traded for another that is failing.
    Ours: `weights`, and `scale`, because rewards in [0, 1] are no log-odds.

    Args:
        rewards: Shape (responses, objectives); NaN for absent.
        reference: Reward of a passable response in each objective, shape (objectives,).
        weights: Shape (objectives,); None: all 1.

    Returns:
        Shape (responses,); with positive weights not above 0, and it rises with every objective. NaN where one is absent.

    Example:
        >>> log_sigmoid_sum([[0.0, 0.0], [4.0, -4.0]], [0.0, 0.0]).round(3)  # the same sum, but one of them is failing
        array([-1.386, -4.036])
    """
    table, zero = _checked(rewards, reference)
    weight = np.ones(len(zero)) if weights is None else _checked(table, weights)[1]
    rows = ~np.isnan(table).any(axis=1)  # `logaddexp` warns of NaN
    result = np.full(len(table), np.nan)
    result[rows] = weighted_sum(-np.logaddexp(0, scale * (zero - table[rows])), weight, weight != 0)
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
    out = np.zeros(len(values))
    for code in range(count):
        members = np.flatnonzero(codes == code)
        if not len(members):
            continue
        own = values[members]
        mean, std = mean_std(own)
        spread = std * math.sqrt(len(own) / max(len(own) - ddof, 1))
        if spread > EPSILON * max(1.0, float(np.abs(own).max())):
            out[members] = (own - mean) / (spread + epsilon)
    return out


def _objectives(step: ObjectivesStep, stage: Stage) -> Stepped:
    names = sorted(step.weights)
    weights = np.array([step.weights[name] for name in names])
    present = np.flatnonzero(stage.present)
    table = np.column_stack([stage.batch.components[name] for name in names])
    table[stage.vetoed] = np.where(weights < 0, 1.0, 0.0)  # turned away: as bad as can be
    table = cap(table[present], [step.caps.get(name, math.nan) for name in names])
    out = np.full(len(stage.values), np.nan)
    if step.join == "log_sigmoid":
        zero = step.reference if isinstance(step.reference, dict) else dict.fromkeys(names, step.reference or 0.0)
        out[present] = log_sigmoid_sum(table, [zero[name] for name in names], weights=weights, scale=step.scale)
    elif step.join == "sum":
        out[present] = combine(table, weights)
    elif len(present):
        groups = [stage.batch.groups[row] for row in present]
        out[present] = normalise_then_combine(table, weights, groups, across_batch=step.across_batch)
    lost = int((np.isnan(out) & stage.present).sum())
    return Stepped(out, (f"{lost} response(s) lack the score of an objective: no reward there",) if lost else ())


def _span(step: ObjectivesStep, span: RewardRange) -> RewardRange:
    if step.join == "normalised":
        return -math.inf, math.inf
    names = sorted(step.weights)
    ends = np.array([[0.0] * len(names), [step.caps.get(name, 1.0) for name in names]])
    weights = np.array([step.weights[name] for name in names])
    if step.join == "log_sigmoid":
        zero = step.reference if isinstance(step.reference, dict) else dict.fromkeys(names, step.reference or 0.0)
        ends = -np.logaddexp(0, step.scale * (np.array([zero[name] for name in names]) - ends))
    terms = np.sort(ends * weights, axis=0)
    return float(terms[0].sum()), float(terms[1].sum())


def _sees(step: ObjectivesStep) -> Sees:
    return "one" if step.join != "normalised" else "batch" if step.across_batch else "group"


def _order(step: Any) -> OrderKept:
    return "none" if step.join == "normalised" else "row"


KINDS: dict[str, StepKind] = {
    "objectives": StepKind(
        _objectives,
        _order,
        lambda s: tuple(f"component {name}" for name, weight in s.weights.items() if weight),
        _span,
        replaces=lambda s: True,
        sees=_sees,
    ),
}
