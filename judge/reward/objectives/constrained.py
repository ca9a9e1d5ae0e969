"""Thresholds on objectives, kept by weights that grow while a threshold is broken.

A fixed weight is a price that is right at one moment of training only. A Lagrange multiplier is a price that moves: the
state is a value, each batch gives the next state, and the caller keeps it (in a checkpoint, say).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from judge.arrays import Floats, floats, mean_of

ConstraintKind = Literal["at_least", "at_most", "equal"]


@dataclass(frozen=True, slots=True)
class Constraint:
    """What the mean of one objective has to be.

    Attributes:
        objective: Column of the rewards.
        kind: `at_least`, `at_most`, or `equal`: at the point where the objective stops being a useful proxy.
        threshold: In the unit of the objective.
    """

    objective: int
    kind: ConstraintKind
    threshold: float


@dataclass(frozen=True, slots=True)
class Multipliers:
    """Lagrange multipliers of constraints, and how to use and move them.

    Moskovitz et al. 2023, "Confronting Reward Model Overoptimization with Constrained RLHF", arXiv:2310.04373: dual
    ascent, lambda <- lambda + rate * violation, beside the policy's own steps, with one-sided constraints (their mu-PPO) and
    equality (their xi-PPO, whose multipliers may be negative and stay in [-1, 1]). Ours: the combined reward is divided by
    1 + sum |lambda|, so that its scale does not drift as constraints tighten.

    Attributes:
        constraints: At most one an objective.
        rate: Step of a multiplier for a violation of 1, above 0.
        limit: Largest multiplier.
        values: The multipliers, one a constraint; empty means all 0. At least 0, or either sign for `equal`.
        updates: How many batches have been taken in.

    Example:
        >>> state = Multipliers((Constraint(1, "at_least", 0.8),), rate=0.5)
        >>> state = state.update([[1.0, 0.2], [0.5, 0.4]])  # the mean is 0.3, 0.5 too low
        >>> state.values, state.reward([[1.0, 0.2]], [1.0, 0.0])  # (1 + 0.25 * 0.2) / 1.25
        ((0.25,), array([0.84]))
    """

    constraints: tuple[Constraint, ...]
    rate: float = 0.05
    limit: float = 10.0
    values: tuple[float, ...] = ()
    updates: int = 0

    def __post_init__(self) -> None:
        columns = [c.objective for c in self.constraints]
        if len(set(columns)) < len(columns) or min(columns, default=0) < 0:
            raise ValueError("an objective may have one constraint, and its column must not be negative")
        if not self.rate > 0 or not self.limit > 0 or not np.isfinite([c.threshold for c in self.constraints]).all():
            raise ValueError("rate and limit must be above 0, thresholds finite")
        if not self.values:
            object.__setattr__(self, "values", (0.0,) * len(self.constraints))
        if len(self.values) != len(self.constraints):
            raise ValueError(f"{len(self.values)} multipliers for {len(self.constraints)} constraints")

    def violations(self, rewards: ArrayLike) -> Floats:
        """How far each constraint is from being met by the batch's mean.

        Returns:
            Shape (constraints,), positive where the multiplier has to grow; NaN where the objective is absent throughout.
        """
        mean = mean_of(self._table(rewards), 0)
        return np.array([(c.threshold - mean[c.objective]) * (-1 if c.kind == "at_most" else 1) for c in self.constraints])

    def update(self, rewards: ArrayLike) -> Multipliers:
        """The state after one batch; a constraint whose objective is absent throughout keeps its multiplier.

        Args:
            rewards: Shape (responses, objectives); NaN for absent.
        """
        steps = np.nan_to_num(self.rate * self.violations(rewards), nan=0.0)
        moved = [self._bounded(c, v + s) for c, v, s in zip(self.constraints, self.values, steps, strict=True)]
        return replace(self, values=tuple(moved), updates=self.updates + 1)

    def reward(self, rewards: ArrayLike, weights: ArrayLike) -> Floats:
        """Weighted sum of the objectives with the constraints' own weights added, divided by 1 + sum |lambda|.

        Args:
            rewards: Shape (responses, objectives); NaN for absent.
            weights: What is wanted without constraints, shape (objectives,).

        Returns:
            Shape (responses,); NaN where an objective that has weight or a constraint is absent.
        """
        table, weight = self._table(rewards), floats(weights, 1, "weights")
        if weight.shape != (table.shape[1],):
            raise ValueError(f"{len(weight)} weights for {table.shape[1]} objectives")
        used = weight != 0
        weight = weight.copy()
        for constraint, value in zip(self.constraints, self.values, strict=True):
            weight[constraint.objective] += -value if constraint.kind == "at_most" else value
            used[constraint.objective] = True
        scale = 1 + float(np.abs(self.values).sum())
        return np.asarray(table[:, used] @ weight[used] / scale, dtype=np.float64)

    def _bounded(self, constraint: Constraint, value: float) -> float:
        if constraint.kind == "equal":
            return float(np.clip(value, -min(1.0, self.limit), min(1.0, self.limit)))
        return float(np.clip(value, 0.0, self.limit))

    def _table(self, rewards: ArrayLike) -> Floats:
        table = floats(rewards, 2, "rewards")
        if any(c.objective >= table.shape[1] for c in self.constraints):
            raise ValueError(f"a constraint is on an objective beyond the {table.shape[1]} there are")
        return table


@dataclass(frozen=True, slots=True)
class ProxyPoint:
    """Where an objective stops being a proxy for what is wanted.

    Attributes:
        reward: Level of the objective at the best evaluation; NaN when nothing was measured.
        evaluation: The (smoothed) evaluation there.
        turned: Whether the evaluation was worse at higher rewards, so that this is a turning point and not just the
            highest reward seen.
    """

    reward: float
    evaluation: float
    turned: bool


def proxy_point(rewards: ArrayLike, evaluations: ArrayLike, *, window: int = 5) -> ProxyPoint:
    """Estimate from one training run where a reward stops helping.

    Moskovitz et al. 2023 (arXiv:2310.04373) read the point off runs that are evaluated as they train. Ours:
    checkpoints are sorted by the reward, and the evaluation is smoothed by a running median, so that one lucky checkpoint does
    not set a threshold.

    Args:
        rewards: Mean of the objective at each checkpoint, shape (checkpoints,); NaN for absent.
        evaluations: What is really wanted, measured apart from the reward, same shape, higher is better.
        window: Checkpoints in the running median, odd.

    Example:
        >>> proxy_point([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [1, 2, 3, 3, 2, 1], window=1)
        ProxyPoint(reward=0.3, evaluation=3.0, turned=True)
    """
    x, y = floats(rewards, 1, "rewards"), floats(evaluations, 1, "evaluations")
    if x.shape != y.shape or window < 1 or window % 2 == 0:
        raise ValueError("rewards and evaluations must have one shape, and window be odd")
    known = ~(np.isnan(x) | np.isnan(y))
    if not known.any():
        return ProxyPoint(float("nan"), float("nan"), False)
    order = np.argsort(x[known], kind="stable")
    x, y = x[known][order], y[known][order]
    half = window // 2
    smooth = np.array([np.median(y[max(0, i - half) : i + half + 1]) for i in range(len(y))])
    best = int(np.argmax(smooth))
    return ProxyPoint(float(x[best]), float(smooth[best]), bool((smooth[best:] < smooth[best]).any()))
