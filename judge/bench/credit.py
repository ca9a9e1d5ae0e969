"""What all builders of figures share: the judged items of a set, one number an item, and the mean of it in each section."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from judge.arrays import Floats
from judge.bench.measures import WeightedMetric, matches, sectioned
from judge.bench.spec import SetSpec
from judge.bench.units import JudgedItem, Preference

Judgements = Sequence[JudgedItem]
Metrics = dict[str, WeightedMetric]


def credits(judged: Judgements, one: Callable[[JudgedItem], float]) -> Floats:
    """One number an item."""
    return np.array([one(j) for j in judged], dtype=np.float64)


def by_section(spec: SetSpec, judged: Judgements, values: Floats) -> Metrics:
    """The mean credit of each section that is there."""
    subsets = [j.item.subset for j in judged]
    return {
        name: sectioned(values, subsets, {name: patterns}, spec.weights or None)
        for name, patterns in spec.sections.items()
        if any(matches(s, patterns) for s in subsets)
    }


def agrees(decision: Preference, gold: float) -> float:
    """1 where a preference is the labelled one; a tie is right where the label is one, no verdict never."""
    return float(decision is not None and decision == gold)
