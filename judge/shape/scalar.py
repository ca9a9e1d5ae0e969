"""Reward -> reward, response by response: centring, squashing, clipping, rounding, and the step rewards that cannot be farmed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from judge.arrays import Floats
from judge.rubric.model import Frozen
from judge.shape.batch import (
    Finite,
    OrderKept,
    RewardRange,
    Sees,
    Stage,
    StepKind,
    Stepped,
    UnitFloat,
    Weight,
    always,
    mean_std,
    sees_one,
    sigmoid,
    unit_only,
)

Refine = Literal["clip", "delta", "clip_delta"]


class _Centred(Frozen):
    """A step that needs a reference reward: a constant, the group's mean, or rewards of reference responses by group.

    Attributes:
        centre: What a reward is measured against: the rewards of baseline responses, or the mean of the group.
        reference: A number to measure against, in place of the rewards of baseline responses.
    """

    reference: Finite | None = None
    centre: Literal["references", "group_mean"] = "references"

    @model_validator(mode="after")
    def _one_centre(self) -> Self:
        if self.reference is not None and self.centre == "group_mean":
            raise ValueError("give `reference` or `centre: group_mean`, not both")
        return self


class ParStep(_Centred):
    """Mean of sigmoid(scale x (reward - reference)). `scale` 1 is for reward models; about 8 suits rewards in [0, 1].

    Attributes:
        scale: Steepness; 8 suits rewards in [0, 1].
    """

    kind: Literal["par"] = "par"
    scale: float = Field(default=1.0, gt=0, le=1000)


class LscStep(_Centred):
    """log sigmoid(scale x (reward - reference)), the reference being a high quantile of the reference rewards.

    Attributes:
        ddof: Of the standard deviation in the quantile: 0 population, 1 sample (as in PAR's code).
        quantile: Which quantile of the reference rewards is the reference.
        scale: Steepness.
    """

    kind: Literal["lsc"] = "lsc"
    scale: float = Field(default=1.0, gt=0, le=1000)
    quantile: float = Field(default=0.85, gt=0, lt=1)
    ddof: Literal[0, 1] = 0


class ContrastiveStep(_Centred):
    """Reward minus the mean reward of the baseline responses."""

    kind: Literal["contrastive"] = "contrastive"


class ClipStep(Frozen):
    """Cut rewards to [low, high].

    Attributes:
        low: Least reward.
        high: Largest reward.
    """

    kind: Literal["clip"] = "clip"
    low: Finite = 0.0
    high: Finite = 1.0

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"`low` ({self.low:g}) is at most `high` ({self.high:g})")
        return self


class StepsStep(Frozen):
    """Add the mean return of the solution steps, bounded however many there are. With Clip, steps of at least `eta` earn 0.

    Attributes:
        refine: What is summed: steps cut to at most 0 (`clip`), differences of neighbours (`delta`), or both.
        eta: A step at or above this earns 0 under `clip`.
        weight: Of the part that is added.
    """

    kind: Literal["steps"] = "steps"
    refine: Refine = "clip_delta"
    eta: UnitFloat = 0.9
    weight: Weight = 1.0


class QuantiseStep(Frozen):
    """Round to multiples of 2 to the power -bits (6: 1/64).

    Attributes:
        bits: Fractions kept: multiples of 2 to the power -bits.
    """

    kind: Literal["quantise"] = "quantise"
    bits: int = Field(default=6, ge=1, le=20)


class TopStretchStep(Frozen):
    """Rewards above `knee` get `share` of the range [0, 1], those below get the rest.

    Attributes:
        knee: The reward above which the range is stretched.
        share: Share of the range [0, 1] that goes to rewards above `knee`.
    """

    kind: Literal["top_stretch"] = "top_stretch"
    knee: float = Field(default=0.75, gt=0, lt=1)
    share: float = Field(default=0.5, gt=0, lt=1)


def par(values: Floats, references: Sequence[float], scale: float = 1.0) -> Floats:
    """Mean over references of sigmoid(scale x (r - reference)): bounded, steepest at the reference, in (0, 1).

    "Reward Shaping to Mitigate Reward Hacking in RLHF" (PAR, arXiv:2502.18770, section 3), where `scale` is 1 and one reference
    is enough. Ours: `scale`, because rewards in [0, 1] would use a tenth of the curve.

    Example:
        >>> par(np.array([0.5, 1.5]), [0.5]).round(4)
        array([0.5   , 0.7311])
    """
    shaped = np.stack([sigmoid(scale * (values - r)) for r in references])
    return np.asarray(shaped.mean(axis=0), dtype=np.float64)


def lsc(
    values: Floats, references: Sequence[float], scale: float = 1.0, quantile: float = 0.85, ddof: Literal[0, 1] = 0
) -> Floats:
    """log sigmoid(scale x (r - reference)) in (-inf, 0]: most slope for poor answers, and a sum over objectives is a soft "and".

    "Transforming and Combining Rewards for Aligning Large Language Models" (arXiv:2402.00742, section 3). The reference is the
    85 % quantile of the prompt's reference rewards under a normal fit; of a single reference, itself. PAR's code for it
    (`trainers/reward_shaper.py`) fits with the sample standard deviation (`ddof=1`), plus 1e-5.

    Example:
        >>> lsc(np.array([0.5, 0.5]), [0.5]).round(4)  # log(1/2)
        array([-0.6931, -0.6931])
    """
    mean, std = mean_std(np.array(references, dtype=np.float64))
    n = len(references)
    centre = mean + NormalDist().inv_cdf(quantile) * std * (math.sqrt(n / (n - ddof)) if n > 1 else 1.0)
    return np.asarray(-np.logaddexp(0.0, -scale * (values - centre)), dtype=np.float64)


def contrastive(values: Floats, references: Sequence[float]) -> Floats:
    """r - mean(baseline rewards): what was gained over the baseline, hard and easy prompts alike.

    "Improving RLHF Using Contrastive Rewards" (arXiv:2403.07708, section 3). Baselines are judged once and cached by the caller.

    Example:
        >>> contrastive(np.array([0.75]), [0.25, 0.75])
        array([0.25])
    """
    return np.asarray(values - math.fsum(references) / len(references), dtype=np.float64)


def clip_steps(scores: Sequence[float], eta: float = 0.9) -> tuple[float, ...]:
    """min(score - eta, 0) a step: good steps earn nothing, so repeating them earns nothing.

    "On Designing Effective RL Reward at Training Time for LLM Reasoning" (arXiv:2410.15115, section 4, Clip).

    Example:
        >>> clip_steps([1.0, 0.5], eta=0.75)
        (0.0, -0.25)
    """
    return tuple(min(s - eta, 0.0) for s in scores)


def delta_steps(scores: Sequence[float]) -> tuple[float, ...]:
    """score - next score a step; the last but one keeps its score and the last gets 0, since the outcome pays for it.

    Same paper, Delta: what is left to earn from step k on is the score of step k, however many steps follow.

    Example:
        >>> delta_steps([0.5, 0.75, 0.25])
        (-0.25, 0.75, 0.0)
    """
    last = len(scores) - 1
    return tuple(0.0 if k == last else s - (scores[k + 1] if k < last - 1 else 0.0) for k, s in enumerate(scores))


def step_returns(
    scores: Sequence[float], outcome: float = 0.0, *, refine: Refine = "clip_delta", eta: float = 0.9, weight: float = 1.0
) -> tuple[float, ...]:
    """The return of each step: the outcome, and weight x the refined scores from this step to the end.

    Same paper: PPO gives a refined score at the end of its step and the outcome at the end of the response,
    so a token is paid for what is still to come. With Delta that is the score of its own step, whatever follows; summed over
    the whole response only the first step's would be left. For trainers that take one number for each response, `kind: steps`
    gives the mean over the steps.

    Args:
        scores: Of the steps in order, in [0, 1]; NaN for a step without a verdict.
        outcome: Reward of the whole response.
        refine: `clip`, `delta`, or `clip_delta`: Clip first.

    Returns:
        One return a step; all NaN where a score is missing.

    Example:
        >>> step_returns([1.0, 0.5, 0.75], 1.0, refine="delta")  # the last step is paid by the outcome alone
        (2.0, 1.5, 1.0)
        >>> step_returns([1.0, 0.5, 0.5, 1.0], 1.0, eta=0.75)  # the bad steps are paid less, wherever they stand
        (1.0, 0.75, 0.75, 1.0)
    """
    refined: Sequence[float] = scores
    if refine != "delta":
        refined = clip_steps(refined, eta)
    if refine != "clip":
        refined = delta_steps(refined)
    if any(map(math.isnan, refined)):
        return (math.nan,) * len(scores)
    return tuple(outcome + weight * math.fsum(refined[k:]) for k in range(len(refined)))


def quantise(values: Floats, bits: int = 6) -> Floats:
    """Round to the nearest k / 2**bits, ties to even.

    Ours. Sums and squares of such numbers are exact in float32, so group statistics in a trainer leave no residue. One framework
    that computed the variance as E[x^2] - E[x]^2 gave a 7-to-1 group of scores 0.35 and 0.95 an advantage of 3692.7; scores on a
    1/100 grid do that in 43 % of such groups, on a 1/64 grid in none.

    Example:
        >>> quantise(np.array([0.35, 0.95]))
        array([0.34375 , 0.953125])
    """
    with np.errstate(over="ignore"):
        rounded = np.ldexp(np.rint(np.ldexp(values, bits)), -bits)
    exact = np.abs(values) >= 2.0 ** (52 - bits)  # so large that it is such a multiple already
    return np.asarray(np.where(exact, values, rounded), dtype=np.float64)


def top_stretch(values: Floats, knee: float = 0.75, share: float = 0.5) -> Floats:
    """Piecewise linear on [0, 1]: rewards above `knee` get `share` of the range.

    Rubicon's "targeted reward shaping" (arXiv:2508.12790, reward design), which gives no formula; the piecewise line is ours.

    Example:
        >>> top_stretch(np.array([0.75, 0.875, 1.0]))
        array([0.5 , 0.75, 1.  ])
    """
    return np.asarray(np.interp(values, [0.0, knee, 1.0], [0.0, 1.0 - share, 1.0]), dtype=np.float64)


def _centred(step: Any, stage: Stage) -> tuple[list[tuple[Any, Sequence[float]]], tuple[str, ...]]:
    """Rows of each group with their references, and a note on groups that have none (they become absent)."""
    pairs: list[tuple[Any, Sequence[float]]] = []
    without: list[str] = []
    for name, rows in stage.groups():
        if step.reference is not None:
            pairs.append((rows, (step.reference,)))
        elif step.centre == "group_mean":
            pairs.append((rows, (mean_std(stage.values[rows])[0],)))
        elif given := (stage.batch.references or {}).get(name):
            pairs.append((rows, given))
        else:
            without.append(name)
    note = f"{len(without)} group(s) have no reference rewards, the first is `{without[0]}`: no reward there" if without else ""
    return pairs, (note,) if note else ()


def _by_reference(step: Any, stage: Stage) -> Stepped:
    out = np.full(len(stage.values), np.nan)
    pairs, notes = _centred(step, stage)
    for rows, references in pairs:
        values = stage.values[rows]
        if isinstance(step, ParStep):
            out[rows] = par(values, references, step.scale)
        elif isinstance(step, LscStep):
            out[rows] = lsc(values, references, step.scale, step.quantile, step.ddof)
        else:
            out[rows] = contrastive(values, references)
    return Stepped(out, notes)


def _references(step: Any) -> tuple[str, ...]:
    return ("references",) if step.reference is None and step.centre == "references" else ()


def _order(step: Any) -> OrderKept:
    return "global" if step.reference is not None else "group"


def _contrastive_span(step: ContrastiveStep, span: RewardRange) -> RewardRange:
    if step.reference is not None:
        return span[0] - step.reference, span[1] - step.reference
    if step.centre == "group_mean":
        return span[0] - span[1], span[1] - span[0]
    return -math.inf, math.inf


def _steps(step: StepsStep, stage: Stage) -> Stepped:
    out = np.full(len(stage.values), np.nan)
    paid: list[tuple[float, ...]] = [()] * len(out)
    for row in np.flatnonzero(stage.present):
        scores = (stage.batch.steps or ())[row]
        returns = step_returns(scores, stage.values[row], refine=step.refine, eta=step.eta, weight=step.weight)
        mean = math.fsum(returns) / len(returns) if returns else stage.values[row]
        out[row] = np.fmin(mean, stage.values[row]) if stage.vetoed[row] else mean  # good steps are no way around a veto
        paid[row] = returns if not stage.vetoed[row] and not math.isnan(mean) else ()
    return Stepped(out, paid=tuple(paid))


def _steps_span(step: StepsStep, span: RewardRange) -> RewardRange:
    low = {"clip": -math.inf, "delta": 0.0, "clip_delta": -step.eta * step.weight}[step.refine]
    return span[0] + low, span[1] + (step.weight if step.refine == "delta" else 0.0)


def _clip(step: ClipStep, stage: Stage) -> Stepped:
    return Stepped(np.clip(stage.values, step.low, step.high))


def _grid(step: QuantiseStep, span: RewardRange) -> RewardRange:
    low, high = (quantise(np.array([v]), step.bits)[0] if math.isfinite(v) else v for v in span)
    return float(low), float(high)


def _quantise(step: QuantiseStep, stage: Stage) -> Stepped:
    return Stepped(quantise(stage.values, step.bits))


def _stretch(step: TopStretchStep, stage: Stage) -> Stepped:
    return Stepped(top_stretch(stage.values, step.knee, step.share))


def _against(step: Any) -> Sees:
    return "group" if step.centre == "group_mean" else "one"


KINDS: dict[str, StepKind] = {
    "par": StepKind(_by_reference, _order, _references, lambda step, span: (0.0, 1.0), sees=_against),
    "lsc": StepKind(_by_reference, _order, _references, lambda step, span: (-math.inf, 0.0), sees=_against),
    "contrastive": StepKind(_by_reference, _order, _references, _contrastive_span, sees=_against),
    "clip": StepKind(_clip, always("global"), span=lambda step, span: (step.low, step.high), sees=sees_one),
    "steps": StepKind(_steps, always("row"), lambda step: ("steps",), _steps_span, sees=sees_one),
    "quantise": StepKind(_quantise, always("global"), span=_grid, sees=sees_one),
    "top_stretch": StepKind(_stretch, always("global"), span=lambda step, span: (0.0, 1.0), objects=unit_only, sees=sees_one),
}
