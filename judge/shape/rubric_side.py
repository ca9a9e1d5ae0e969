"""Criteria -> reward, in ways a weighted mean cannot: what teaches counts more, one virtue saturates, two interact, one vetoes.

- `contrast` and `saturation` put a new reward in place of the fold; the static one stays in the trace and remains what is
  evaluated. Both are means over all weights, scores being 1 best, whichever denominator the fold has.
- A response that is 0 by a veto or a filter stays 0: a mean of its other criteria is no way around a veto.
- A criterion without a verdict is left out and the weights of the others are renormalised: a response has a reward here only
  when the rubric's partial policy gave it one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from judge.arrays import Floats
from judge.rubric.model import Frozen
from judge.shape.batch import Finite, RewardRange, Stage, StepKind, Stepped, UnitFloat, always, fails_lowest, sees_one, unit_only


class ContrastStep(Frozen):
    """Weighted mean of the criteria in which what separates the group's responses counts more; it replaces the reward.

    Attributes:
        criteria: Components; empty: all.
        weights: Importance, overriding what comes with the batch.
        categories: Criterion -> category. Weight moves within a category only; without categories there is one.
        balance: A category counts as its criteria together (`human`), or all count the same (`equal`).
        strength: 0: human weights alone; 1: the ratio of variances alone.
        low: Least factor on a human weight.
        high: Largest factor on a human weight.
        memory: Weight of the factors of earlier batches of the same prompt, in [0, 1).
    """

    kind: Literal["contrast"] = "contrast"
    criteria: tuple[str, ...] = ()
    weights: dict[str, Annotated[float, Field(gt=0, le=1e6)]] = Field(default_factory=dict)
    categories: dict[str, str] = Field(default_factory=dict)
    balance: Literal["human", "equal"] = "human"
    strength: UnitFloat = 0.5
    low: float = Field(default=0.25, gt=0, le=1)
    high: float = Field(default=4.0, ge=1, le=1000)
    memory: float = Field(default=0.0, ge=0, lt=1)


class SaturationStep(Frozen):
    """Weighted mean of the criteria, each with diminishing returns; it replaces the reward. `rate`: how fast they diminish.

    Attributes:
        rate: How early more of a criterion stops to count.
        criteria: Which criteria. Empty: all.
        weights: Criterion -> weight, over those of the rubric.
    """

    kind: Literal["saturation"] = "saturation"
    criteria: tuple[str, ...] = ()
    weights: dict[str, Annotated[float, Field(gt=0, le=1e6)]] = Field(default_factory=dict)
    rate: float = Field(default=2.0, gt=0, le=100)


class InteractionStep(Frozen):
    """Add `weight` x the two criteria together (negative: they count less together), cut to [0, 1].

    Attributes:
        pair: Two criteria.
        together: How the two are joined.
        weight: Of the part that is added; negative: the two count less together.
    """

    kind: Literal["interaction"] = "interaction"
    pair: tuple[str, str]
    weight: float = Field(default=0.1, ge=-1, le=1)
    together: Literal["product", "min"] = "product"


class VetoStep(Frozen):
    """Where one of the criteria is below `below`, the reward is `failed`.

    Attributes:
        below: Score under which a criterion vetoes.
        failed: Reward after a veto.
        criteria: Which criteria veto.
    """

    kind: Literal["veto"] = "veto"
    criteria: tuple[str, ...] = Field(min_length=1)
    below: UnitFloat = 0.5
    failed: Finite = 0.0


SMALL = 1e-12


def contrast_factors(variances: Sequence[float], *, strength: float = 0.5, low: float = 0.25, high: float = 4.0) -> Floats:
    """Factor on each criterion's weight within one category: 1 - strength + strength x variance / mean variance, in [low, high].

    POW3R (arXiv:2605.20164, policy-aware factors): variance of a criterion over a group's responses, relative to its category,
    blended with 1 (no change), smoothed over time and clipped. A criterion that all meet or none meets fades. Constants are ours.

    Example:
        >>> contrast_factors([0.25, 0.0])  # ratios 2 and 0
        array([1.5, 0.5])
    """
    spread = np.asarray(variances, dtype=np.float64)
    mean = math.fsum(spread) / len(spread)
    if mean <= SMALL:
        return np.ones(len(spread))
    return np.asarray(np.clip(1 - strength + strength * spread / mean, low, high), dtype=np.float64)


def contrast_weights(
    human: Mapping[str, float], factors: Mapping[str, float], categories: Mapping[str, str], *, equal: bool = False
) -> dict[str, float]:
    """Human weight x factor, renormalised so that each category keeps its mass (or all get the same); sums to 1.

    Example:
        >>> contrast_weights({"a": 1.0, "b": 1.0}, {"a": 1.5, "b": 0.5}, {})
        {'a': 0.75, 'b': 0.25}
    """
    members: dict[str, list[str]] = {}
    for name in human:
        members.setdefault(categories.get(name, ""), []).append(name)
    out: dict[str, float] = {}
    whole = math.fsum(human.values())
    for names in members.values():
        mass = 1 / len(members) if equal else math.fsum(human[n] for n in names) / whole
        total = math.fsum(human[n] * factors[n] for n in names)
        out |= {n: mass * human[n] * factors[n] / total for n in names}
    return {n: out[n] for n in human}


def saturate(scores: Floats, rate: float = 2.0) -> Floats:
    """(1 - exp(-rate x s)) / (1 - exp(-rate)): rises from 0 to 1, ever more slowly.

    Rubicon's saturation-aware aggregation (arXiv:2508.12790, reward design); the paper gives no formula, the curve is ours.

    Example:
        >>> saturate(np.array([0.0, 0.5, 1.0])).round(4)
        array([0.    , 0.7311, 1.    ])
    """
    return np.asarray(np.clip(-np.expm1(-rate * scores) / -np.expm1(-rate), 0.0, 1.0), dtype=np.float64)


def weighted(scores: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """Weighted mean of the scores there are; NaN when there is none.

    Example:
        >>> weighted({"a": 1.0, "b": 0.0, "c": math.nan}, {"a": 3.0, "b": 1.0, "c": 9.0})
        0.75
    """
    known = [name for name, score in scores.items() if not math.isnan(score)]
    total = math.fsum(weights[n] for n in known)
    return math.fsum(weights[n] * scores[n] for n in known) / total if known else math.nan


def interact(reward: float, a: float, b: float, weight: float = 0.1, together: str = "product") -> float:
    """reward + weight x (a x b, or min(a, b)), cut to [0, 1]: criteria that count more (or less) together.

    Rubicon's pairwise interaction modelling (same source; the form is ours).

    Example:
        >>> interact(0.5, 1.0, 0.5, weight=0.25)
        0.625
    """
    return min(1.0, max(0.0, reward + weight * (a * b if together == "product" else min(a, b))))


def veto(reward: float, scores: Sequence[float], below: float = 0.5, failed: float = 0.0) -> float:
    """`failed` when a critical score is below `below`; NaN when none is and one is missing: an unknown is not a pass.

    Rubicon's veto mechanism (same source).

    Example:
        >>> veto(0.9, [1.0, 0.25]), veto(0.9, [1.0, 1.0])
        (0.0, 0.9)
    """
    if any(s < below for s in scores):
        return failed
    return math.nan if any(map(math.isnan, scores)) else reward


def chosen(criteria: Sequence[str], stage: Stage) -> list[str]:
    """The named components, or all of them by name."""
    return list(criteria) or sorted(stage.batch.components)


def needs_components(step: Any) -> tuple[str, ...]:
    """What a step on components needs: the ones it names, or any."""
    return tuple(f"component {name}" for name in step.criteria) or ("components",)


def _human(step: Any, stage: Stage, names: Sequence[str], row: int) -> dict[str, float]:
    """What people wrote: the step's weights over those of the rubric by which this response was judged."""
    own = {n: float(column[row]) for n, column in stage.batch.importance.items()}
    return {n: float(step.weights.get(n, own.get(n, 1.0))) for n in names}


def _row(stage: Stage, names: Sequence[str], row: int) -> dict[str, float]:
    return {n: float(stage.batch.components[n][row]) for n in names}


def _variance(values: Floats) -> float:
    known = values[~np.isnan(values)]
    if known.size == 0:
        return 0.0
    mean = math.fsum(known) / len(known)
    return math.fsum((known - mean) ** 2) / len(known)


def _contrast(step: ContrastStep, stage: Stage) -> Stepped:
    out = np.where(stage.vetoed & stage.present, 0.0, np.nan)
    seen: dict[str, list[dict[str, float]]] = {}
    for _, rows in stage.groups():
        asked = [n for n in chosen(step.criteria, stage) if not np.isnan(stage.batch.components[n][rows]).all()]
        if not asked:
            continue
        factors, key = _factors(step, stage, asked, rows), min(map(stage.key, rows.tolist()))
        if step.memory and key in stage.state:
            old = stage.state[key]
            factors = {n: step.memory * old.get(n, 1.0) + (1 - step.memory) * f for n, f in factors.items()}
        seen.setdefault(key, []).append(factors)
        for row in rows[~stage.vetoed[rows]].tolist():
            human = _human(step, stage, asked, row)
            weights = contrast_weights(human, factors, step.categories, equal=step.balance == "equal")
            out[row] = weighted(_row(stage, asked, row), weights)
    return Stepped(out, (), {**stage.state, **_remembered(stage.state, seen)} if step.memory else {})


def _remembered(state: Mapping[str, Any], seen: Mapping[str, Sequence[Mapping[str, float]]]) -> dict[str, dict[str, float]]:
    """Factors of each prompt after this batch; where it had several groups, their mean."""
    out = {}
    for key, found in seen.items():
        names = sorted({n for factors in found for n in factors})
        known = {n: [factors[n] for factors in found if n in factors] for n in names}
        out[key] = {**state.get(key, {}), **{n: math.fsum(values) / len(values) for n, values in known.items()}}
    return out


def _factors(step: ContrastStep, stage: Stage, names: Sequence[str], rows: Any) -> dict[str, float]:
    factors: dict[str, float] = {}
    for category in {step.categories.get(n, "") for n in names}:
        members = [n for n in names if step.categories.get(n, "") == category]
        spread = [_variance(stage.batch.components[n][rows]) for n in members]
        found = contrast_factors(spread, strength=step.strength, low=step.low, high=step.high)
        factors |= dict(zip(members, found.tolist(), strict=True))
    return factors


def _saturation(step: SaturationStep, stage: Stage) -> Stepped:
    names, out = chosen(step.criteria, stage), np.where(stage.vetoed & stage.present, 0.0, np.nan)
    curves = {n: saturate(stage.batch.components[n], step.rate) for n in names}
    for row in np.flatnonzero(stage.present & ~stage.vetoed).tolist():
        out[row] = weighted({n: float(curves[n][row]) for n in names}, _human(step, stage, names, row))
    return Stepped(out)


def _interaction(step: InteractionStep, stage: Stage) -> Stepped:
    out = stage.values.copy()
    for row in np.flatnonzero(stage.present & ~stage.vetoed).tolist():
        a, b = (float(stage.batch.components[n][row]) for n in step.pair)
        out[row] = math.nan if math.isnan(a) or math.isnan(b) else interact(out[row], a, b, step.weight, step.together)
    return Stepped(out)


def _veto(step: VetoStep, stage: Stage) -> Stepped:
    out = stage.values.copy()
    for row in np.flatnonzero(stage.present).tolist():
        found = veto(out[row], list(_row(stage, step.criteria, row).values()), step.below, step.failed)
        out[row] = out[row] if math.isnan(found) and stage.vetoed[row] else found
    return Stepped(out)


def _unit(step: Any, span: RewardRange) -> RewardRange:
    return 0.0, 1.0


KINDS: dict[str, StepKind] = {
    "contrast": StepKind(
        _contrast, always("row"), needs_components, _unit, replaces=lambda step: True, remembers=lambda s: bool(s.memory)
    ),
    "saturation": StepKind(_saturation, always("row"), needs_components, _unit, replaces=lambda step: True, sees=sees_one),
    "interaction": StepKind(
        _interaction, always("row"), lambda s: tuple(f"component {n}" for n in s.pair), _unit, unit_only, sees=sees_one
    ),
    "veto": StepKind(
        _veto, always("row"), needs_components, lambda s, span: (min(s.failed, span[0]), span[1]), fails_lowest, sees=sees_one
    ),
}
