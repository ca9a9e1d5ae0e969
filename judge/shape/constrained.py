"""Thresholds on objectives, kept by weights that grow while a threshold is broken.

A fixed weight is a price that is right at one moment of training only. A Lagrange multiplier is a price that moves: the
state is a value, each batch gives the next state, and the chain keeps it (`reward.state`: in a file).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, model_validator

from judge.arrays import Floats, floats
from judge.rubric.model import Frozen
from judge.shape.batch import Finite, RewardRange, Stage, StepKind, Stepped, always, sees_batch
from judge.shape.objectives import weighted_sum

ConstraintKind = Literal["at_least", "at_most", "equal"]


class ConstraintSpec(Frozen):
    """What the mean of one component has to be: `at_least`, `at_most`, or `equal` to a number in [0, 1].

    Attributes:
        component: A criterion of the rubric.
        equal: Where more of it stops being useful: kept there from both sides.
        at_least: Least mean.
        at_most: Largest mean.
    """

    component: str
    at_least: float | None = Field(default=None, ge=0, le=1)
    at_most: float | None = Field(default=None, ge=0, le=1)
    equal: float | None = Field(default=None, ge=0, le=1)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(value is not None for value in (self.at_least, self.at_most, self.equal)) != 1:
            raise ValueError("give one of `at_least`, `at_most`, `equal`")
        return self

    def of(self, objective: int) -> Constraint:
        """The same as a constraint on a column."""
        for kind in ("at_least", "at_most", "equal"):
            if getattr(self, kind) is not None:
                return Constraint(objective, kind, getattr(self, kind))
        raise AssertionError("one of the three is given")


class ConstrainedStep(Frozen):
    """Add criteria to the reward with weights that grow from batch to batch while the criterion misses its threshold.

    Attributes:
        rate: What a weight moves by for each batch that misses its threshold by 1.
        limit: Largest weight.
        start: Weights at the first batch.
        constraints: Components and the means that they have to reach.
    """

    kind: Literal["constrained"] = "constrained"
    constraints: tuple[ConstraintSpec, ...] = Field(min_length=1, max_length=64)
    rate: float = Field(default=0.05, gt=0, le=1000)
    limit: float = Field(default=10.0, gt=0, le=1000)
    start: Finite = 0.0

    @model_validator(mode="after")
    def _sound(self) -> Self:
        names = [c.component for c in self.constraints]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"`{twice}` has two constraints; one component may have one")
        if not 0 <= self.start <= self.limit:
            raise ValueError(f"`start` ({self.start:g}) is in [0, limit]")
        return self


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
        table = self._table(rewards)
        means = {c.objective: _mean(table[:, c.objective]) for c in self.constraints}
        return np.array([(c.threshold - means[c.objective]) * (-1 if c.kind == "at_most" else 1) for c in self.constraints])

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
        return np.asarray(weighted_sum(table, weight, used) / scale, dtype=np.float64)

    def _bounded(self, constraint: Constraint, value: float) -> float:
        if constraint.kind == "equal":
            return float(np.clip(value, -min(1.0, self.limit), min(1.0, self.limit)))
        return float(np.clip(value, 0.0, self.limit))

    def _table(self, rewards: ArrayLike) -> Floats:
        table = floats(rewards, 2, "rewards")
        if any(c.objective >= table.shape[1] for c in self.constraints):
            raise ValueError(f"a constraint is on an objective beyond the {table.shape[1]} there are")
        return table


def _mean(values: Floats) -> float:
    """Of what is present, the same in any order; NaN where nothing is."""
    known = values[~np.isnan(values)]
    return math.fsum(known) / len(known) if len(known) else math.nan


def _constrained(step: ConstrainedStep, stage: Stage) -> Stepped:
    """The multipliers of the batches before pay for this one, and this one moves them."""
    names, kept = [c.component for c in step.constraints], stage.state.get("multipliers", {})
    constraints = tuple(spec.of(1 + place) for place, spec in enumerate(step.constraints))
    started = [min(step.start, 1.0) if c.kind == "equal" else step.start for c in constraints]
    values = tuple(float(kept.get(name, first)) for name, first in zip(names, started, strict=True))
    now = Multipliers(constraints, step.rate, step.limit, values, int(stage.state.get("updates", 0)))
    present = np.flatnonzero(stage.present)
    table = np.column_stack([stage.values, *(stage.batch.components[name] for name in names)])
    judged = table.copy()
    signs = np.array([-v if c.kind == "at_most" else v for c, v in zip(constraints, values, strict=True)])
    table[stage.vetoed, 1:] = np.where(signs < 0, 1.0, 0.0)  # turned away: as bad as can be
    out = np.full(len(stage.values), np.nan)
    out[present] = now.reward(table[present], [1.0, *(0.0 for _ in names)])
    after = now.update(judged[present]) if len(present) else now
    told = ", ".join(f"{name} {old:.3g} -> {new:.3g}" for name, old, new in zip(names, now.values, after.values, strict=True))
    state = {"multipliers": {**kept, **dict(zip(names, after.values, strict=True))}, "updates": after.updates}
    return Stepped(out, (f"multipliers: {told}",), state)


def _span(step: ConstrainedStep, span: RewardRange) -> RewardRange:
    most = {"at_least": step.limit, "at_most": step.limit, "equal": min(1.0, step.limit)}
    kinds = [spec.of(0).kind for spec in step.constraints]
    up = sum(most[kind] for kind in kinds if kind != "at_most")
    down = sum(most[kind] for kind in kinds if kind != "at_least")
    return min(span[0], (span[0] - down) / (1 + down)), max(span[1], (span[1] + up) / (1 + up))


def _needs(step: Any) -> tuple[str, ...]:
    return tuple(f"component {spec.component}" for spec in step.constraints)


KINDS: dict[str, StepKind] = {
    "constrained": StepKind(_constrained, always("row"), _needs, _span, sees=sees_batch, remembers=lambda s: True)
}
