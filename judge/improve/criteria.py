"""Labelled items that were judged -> what each criterion of the rubric did, every figure with its interval."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from judge.arrays import Floats, pearson
from judge.bench.measures import Figure, WeightedMetric, correlation, figures, mean_credit
from judge.improve.tried import TriedItem, criterion_scores
from judge.intervals import Interval
from judge.rubric.model import Rubric

SATURATED = 0.9  # share of responses that meet a criterion, from which it hardly tells them apart
REPEATED = 0.9  # correlation of two criteria's scores, from which they are one
OFTEN = 0.2  # share of responses without a verdict
SHARES = ("met", "decides", "missing")
MANY = 40  # criteria, up to which the correlation with the nearest other one has an interval in any case


@dataclass(frozen=True)
class CriterionProof:
    """What one criterion did.

    Attributes:
        discrimination: Mean score of preferred responses less that of the others, in [-1, 1]; of graded ones Spearman's rho.
        met: Share of the responses that it is best for (a pitfall: that do not have the fault).
        decides: Share of the pairs that it scores differently.
        missing: Share of the responses without a verdict.
        repeats: The earlier criterion that it is most correlated with, and how much.
        intervals: Of `met`, `decides`, `missing` and `repeats`; of the last one, beyond 40 criteria, only where the two are one.
        faults: What speaks against it: `reversed`, `saturated`, `never met`, `tells nothing`, `repeats ID`, `no verdict`.
    """

    id: str
    discrimination: Figure
    met: float
    decides: float
    missing: float
    repeats: tuple[str, float] = ("", math.nan)
    faults: tuple[str, ...] = ()
    intervals: Mapping[str, Interval] = field(default_factory=dict)


def criteria_of(
    rubric: Rubric, tried: Sequence[TriedItem], clusters: Sequence[str], kind: str, *, draws: int, seed: int
) -> tuple[CriterionProof, ...]:
    """Each criterion by itself; none where the recipe gives no scores of criteria.

    Args:
        kind: `pairs` or `ratings`.
        draws, seed: Of the bootstrap over the clusters.
    """
    names = [c.id for c in rubric.criteria]
    if not any(name in row for t in tried for row in t.components for name in names):
        return ()
    scores = criterion_scores(tried, names)
    gold = np.array([t.item.gold[0] for t in tried])
    nearest = [_nearest(k, names, scores) for k in range(len(names))]
    measures: dict[str, WeightedMetric] = {}
    for k in range(len(names)):
        parts = _measures(scores, k, gold, kind)
        other, value = nearest[k]
        if other >= 0 and (len(names) <= MANY or value >= REPEATED):
            parts["repeats"] = _together(scores[:, :, k], scores[:, :, other])
        measures |= {f"{k} {part}": measure for part, measure in parts.items()}
    found = {figure.name: figure for figure in figures(measures, clusters, draws=draws, seed=seed)}
    return tuple(_criterion(k, names, found, nearest[k]) for k in range(len(names)))


def _measures(scores: Floats, k: int, gold: Floats, kind: str) -> dict[str, WeightedMetric]:
    """What is counted of one criterion; of an item with two responses, the mean over those with a verdict."""
    own = scores[:, :, k]
    known = ~np.isnan(own)
    share = np.where(known, own >= 0.5, 0).sum(axis=1) / np.where(known.any(axis=1), known.sum(axis=1), np.nan)
    if kind == "pairs":
        gaps = own[:, 0] - own[:, 1]
        apart: WeightedMetric = mean_credit(np.where(gold == 0, np.nan, gold * gaps), low=-1.0)
    else:
        gaps = own[:, 0] - (float(own[known].mean()) if known.any() else 0.0)
        apart = correlation(own[:, 0], gold, "spearman")
    decides = np.where(np.isnan(gaps), np.nan, (gaps != 0).astype(np.float64))
    return {
        "apart": apart, "met": mean_credit(share), "decides": mean_credit(decides), "missing": mean_credit((~known).mean(axis=1)),
    }  # fmt: skip


def _together(one: Floats, other: Floats) -> WeightedMetric:
    """Correlation of two criteria over all responses, an item's responses drawn together."""
    measure = correlation(one.ravel(), other.ravel())
    return lambda weights: measure(np.repeat(weights, one.shape[1]))


def _criterion(k: int, names: Sequence[str], found: dict[str, Figure], nearest: tuple[int, float]) -> CriterionProof:
    apart = found[f"{k} apart"]._replace(name=names[k])
    met, decides, missing = (found[f"{k} {part}"].value for part in SHARES)
    repeats = (names[nearest[0]] if nearest[0] >= 0 else "", nearest[1])
    intervals = {part: found[name].interval for part in (*SHARES, "repeats") if (name := f"{k} {part}") in found}
    faults = [
        ("reversed", apart.interval.high < 0),
        ("saturated", met >= SATURATED),
        ("never met", met <= 1 - SATURATED),
        ("tells nothing", decides == 0),
        (f"repeats {repeats[0]}", nearest[1] >= REPEATED),
        ("no verdict", missing >= OFTEN),
    ]
    return CriterionProof(names[k], apart, met, decides, missing, repeats, tuple(w for w, so in faults if so), intervals)


def _nearest(k: int, names: Sequence[str], scores: Floats) -> tuple[int, float]:
    """Place of the earlier criterion whose scores go most with this one's, and how much; -1 where none varies."""
    best = (-1, math.nan)
    for j in range(k):
        value = pearson(scores[:, :, k].ravel(), scores[:, :, j].ravel())
        if not math.isnan(value) and not value <= best[1]:
            best = (j, value)
    return best
