"""What is hard counts more: hard tests within a reward, and hard prompts against easy ones."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from judge.arrays import Floats
from judge.rubric.model import Frozen
from judge.shape.batch import OrderKept, RewardRange, Stage, StepKind, Stepped, UnitFloat, mean_std, sigmoid
from judge.shape.rubric_side import chosen, needs_components


class VerpoStep(Frozen):
    """Mix in a weighted share of the criteria passed, where what few of the group pass counts more.

    Attributes:
        criteria: Components that are the tests; empty: `test_1`, `test_2`... of a program that runs tests, else all.
        power: Weight of a criterion is (1 - its pass rate in the group) to this power.
        equalise: Divide the weight by the number of criteria with the same pass rate, so that many easy ones are no majority.
        mix: Share of the dense reward; the rest is the reward as it was.
    """

    kind: Literal["verpo"] = "verpo"
    criteria: tuple[str, ...] = ()
    power: float = Field(default=1.0, gt=0, le=10)
    equalise: bool = False
    mix: UnitFloat = 0.5


class GrpoSStep(Frozen):
    """Scale distances from the group's mean by difficulty.

    Attributes:
        similarity: Component that says how close a response is to a demonstration, in [0, 1]; None: not used.
        responsiveness: Scale by how the reward gaps to the references lie, outliers left out.
        outlier: Squared distance of a gap from the mean gap above which it is left out.
    """

    kind: Literal["grpo_s"] = "grpo_s"
    similarity: str | None = None
    responsiveness: bool = True
    outlier: float = Field(default=0.25, gt=0, le=1e6)

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if self.similarity is None and not self.responsiveness:
            raise ValueError("without `similarity` and without `responsiveness` this step changes nothing")
        return self


def hardness_weights(pass_rates: Sequence[float], power: float = 1.0, *, equalise: bool = False) -> Floats:
    """(1 - pass rate)^power: tests that few responses pass count most, and those that all pass count nothing.

    VeRPO (arXiv:2601.03525): difficulty weight of each unit test from the group's execution statistics. The abstract fixes the
    idea; this form of the weight is a reader's and ours. `equalise` divides by the number of tests with that very pass rate,
    against the majority of easy tests ("cardinality bias" there).

    Example:
        >>> hardness_weights([1.0, 0.5, 0.25])
        array([0.  , 0.5 , 0.75])
    """
    rates = np.asarray(pass_rates, dtype=np.float64)
    weights = (1 - rates) ** power
    if equalise:
        count = Counter(rates.tolist())
        weights = weights / np.array([count[r] for r in rates.tolist()])
    return np.asarray(weights, dtype=np.float64)


def dense_reward(scores: Floats, weights: Floats) -> float:
    """Weighted share of the tests passed, in [0, 1]; their plain mean when no test has weight. NaN scores are left out.

    Example:
        >>> dense_reward(np.array([1.0, 1.0, 0.0]), np.array([0.0, 0.5, 0.75]))
        0.4
    """
    known = ~np.isnan(scores)
    if not known.any():
        return math.nan
    kept, weight = scores[known], weights[known]
    total = math.fsum(weight)
    return math.fsum(kept * weight) / total if total > 0 else math.fsum(kept) / len(kept)


def data_hardness(similarity: Floats) -> Floats:
    """sigmoid(d) / sigmoid(mean d), d = 1 - similarity to a demonstration: above 1 where a response is further off than most.

    GRPO-S in DR-IRL (arXiv:2503.18991, section 3.3, data hardness).

    Example:
        >>> data_hardness(np.array([1.0, 0.0])).round(4)  # sigmoid(0), sigmoid(1) over sigmoid(1/2)
        array([0.8033, 1.1745])
    """
    away = 1 - similarity
    mean = math.fsum(away) / len(away)
    return np.asarray(sigmoid(away) / sigmoid(np.array([mean])), dtype=np.float64)


def responsiveness(gaps: Floats, outlier: float = 0.25) -> float:
    """sigmoid(mean gap without outliers) / sigmoid(mean gap), gap = reward - reward of the demonstration.

    GRPO-S (same section, model responsiveness): gaps whose squared distance from the mean exceeds `outlier` are left out.

    Example:
        >>> round(responsiveness(np.array([0.0, 0.0, 0.0, 1.0])), 4)  # 0.5 / sigmoid(1/4)
        0.8894
    """
    mean = mean_std(gaps)[0]
    kept = gaps[(gaps - mean) ** 2 <= outlier]
    centre = mean_std(kept)[0] if kept.size else mean
    top, bottom = sigmoid(np.array([centre, mean]))
    return float(top / bottom) if bottom > 0 else 1.0


def _verpo(step: VerpoStep, stage: Stage) -> Stepped:
    names, out = chosen(step.criteria, stage), stage.values.copy()
    tests = [name for name in names if name.startswith("test_") and name.removeprefix("test_").isdecimal()]
    names = names if step.criteria else tests or names  # of a program that runs tests: those, and not what they come to
    for _, rows in stage.groups():
        table = np.array([stage.batch.components[name][rows] for name in names])  # (criteria, responses)
        asked = ~np.isnan(table).all(axis=1)
        rates = [math.fsum(line[~np.isnan(line)] >= 0.5) / (~np.isnan(line)).sum() for line in table[asked]]
        weights = hardness_weights(rates, step.power, equalise=step.equalise)
        dense = np.array([dense_reward(column, weights) for column in table[asked].T])
        dense[stage.vetoed[rows]] = 0.0
        out[rows] = (1 - step.mix) * stage.values[rows] + step.mix * dense
    return Stepped(out)


def _grpo_s(step: GrpoSStep, stage: Stage) -> Stepped:
    """mean + hardness x responsiveness x (r - mean). Of use where the trainer does not divide by the group's deviation."""
    out, without = np.full(len(stage.values), np.nan), 0
    similarity = np.zeros(len(stage.values)) if step.similarity is None else stage.batch.components[step.similarity]
    similarity = np.where(stage.vetoed & np.isnan(similarity), 0.0, similarity)
    for name, rows in Stage(stage.batch, stage.values + 0 * similarity, stage.seed, {}).groups():
        values = stage.values[rows]
        mean, factor = mean_std(values)[0], np.ones(len(rows))
        if step.similarity is not None:
            factor = data_hardness(similarity[rows])
        if step.responsiveness:
            references = (stage.batch.references or {}).get(name)
            if not references:
                without += 1
                continue
            factor = factor * responsiveness(values - math.fsum(references) / len(references), step.outlier)
        out[rows] = mean + factor * (values - mean)
    return Stepped(out, (f"{without} group(s) have no reference rewards: no reward there",) if without else ())


def _grpo_s_needs(step: GrpoSStep) -> tuple[str, ...]:
    similar = (f"component {step.similarity}",) if step.similarity else ()
    return (*similar, "references") if step.responsiveness else similar


def _grpo_s_order(step: GrpoSStep) -> OrderKept:
    return "group" if step.similarity is None else "none"


def _mixed(step: Any, span: RewardRange) -> RewardRange:
    if step.mix == 1:
        return 0.0, 1.0
    return (1 - step.mix) * span[0], (1 - step.mix) * span[1] + step.mix


KINDS: dict[str, StepKind] = {
    "verpo": StepKind(_verpo, lambda s: "row", needs_components, _mixed, replaces=lambda s: bool(s.mix == 1)),
    "grpo_s": StepKind(_grpo_s, _grpo_s_order, _grpo_s_needs, lambda s, span: (-math.inf, math.inf)),
}
