"""How much a panel is worth: agreement of its judges, and where labels exist, the errors they share.

- Agreement is no merit by itself: judges of one pretraining agree when they are wrong as well, and an ensemble of them
  "herds" (Eisenstein et al. 2023, "Helping or Herding? Reward Model Ensembles Mitigate but do not Eliminate Reward Hacking",
  arXiv:2312.09244). Only labels tell the two apart.
- Raw agreement is high by chance when most answers are good. Kappa and alpha take chance out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from judge.arrays import Floats, floats, mean_of


@dataclass(frozen=True, slots=True)
class Agreement:
    """What is known of a panel. NaN: there was nothing to say.

    Attributes:
        agreement: Share of common items with the same decision, shape (judges, judges), in [0, 1].
        kappa: Cohen's kappa, same shape, in [-1, 1]; NaN where both judges always decide the same way.
        alpha: Krippendorff's alpha of the scores (interval scale), at most 1.
        effective_judges: What the panel is worth in independent judges: n / (1 + (n - 1) * r), r the mean correlation of
            errors where labels exist, else of scores (not below 0), in [1, n].
        errors: Share of each judge's decisions that are wrong, shape (judges,); NaN without labels.
        error_correlation: Correlation of being wrong (phi), shape (judges, judges); NaN without labels.
        all_wrong: Share of the items that all judges decided, and all wrongly.
        expected_all_wrong: The same if errors were independent: the product of the judges' error rates there.
        items: Items that all judges decided (and that have a label, where there are labels).
    """

    agreement: Floats
    kappa: Floats
    alpha: float
    effective_judges: float
    errors: Floats
    error_correlation: Floats
    all_wrong: float
    expected_all_wrong: float
    items: int

    @property
    def herding(self) -> float:
        """How many times more often all are wrong than independent judges would be; NaN where the latter never happens."""
        return self.all_wrong / self.expected_all_wrong if self.expected_all_wrong > 0 else float("nan")


def agreement_report(scores: ArrayLike, labels: ArrayLike | None = None, *, threshold: float = 0.5) -> Agreement:
    """Measure a panel.

    Args:
        scores: Shape (judges, items), in [0, 1]; NaN for absent. A decision is score >= `threshold`.
        labels: 1 for good, 0 for bad, shape (items,); NaN where unknown.
        threshold: In [0, 1].

    Raises:
        ValueError: Shapes disagree.

    Example:
        >>> scores = [[1, 1, 0, 0], [1, 1, 0, 0], [1, 0, 0, 1]]
        >>> report = agreement_report(scores, labels=[1, 0, 0, 1])
        >>> report.errors, float(report.error_correlation[0, 1]), round(report.effective_judges, 2)
        (array([0.5, 0.5, 0. ]), 1.0, 1.0)
    """
    table = floats(scores, 2, "scores")
    truth = np.full(table.shape[1], np.nan) if labels is None else floats(labels, 1, "labels")
    if truth.shape != (table.shape[1],):
        raise ValueError(f"{len(truth)} labels for {table.shape[1]} items")
    decided = np.where(np.isnan(table), np.nan, (table >= threshold).astype(np.float64))
    wrong = np.where(np.isnan(truth), np.nan, np.abs(decided - (truth >= threshold)))
    rates = mean_of(wrong, 1)
    related = _correlations(wrong)
    common = ~np.isnan(wrong if labels is not None else decided).any(axis=0)
    known = wrong[:, common] if labels is not None and common.any() and len(table) else None
    return Agreement(
        agreement=_pairs(decided, _same),
        kappa=_pairs(decided, _kappa),
        alpha=krippendorff_alpha(table),
        effective_judges=_effective(related if labels is not None else _correlations(table)),
        errors=rates,
        error_correlation=related,
        all_wrong=float(known.all(axis=0).mean()) if known is not None else np.nan,
        expected_all_wrong=float(known.mean(axis=1).prod()) if known is not None else np.nan,
        items=int(common.sum()) if len(table) else 0,
    )


def krippendorff_alpha(scores: ArrayLike) -> float:
    """Agreement of any number of judges with gaps, 1 - observed / expected disagreement (squared differences).

    Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", interval metric.

    Args:
        scores: Shape (judges, items); NaN for absent. Items with fewer than two scores take no part.

    Returns:
        1 when all agree, about 0 for chance, below 0 for systematic disagreement; NaN when no item has two scores or all
        scores are one number.

    Example:
        >>> round(krippendorff_alpha([[1, 2, 3, 3], [1, 2, 3, np.nan]]), 3), krippendorff_alpha([[1, 0], [0, 1]])
        (1.0, -0.5)
    """
    table = floats(scores, 2, "scores")
    table = table[:, (~np.isnan(table)).sum(axis=0) > 1]
    values = table[~np.isnan(table)]
    if not values.size:
        return float("nan")
    expected = 2 * values.size / (values.size - 1) * float(values.var())  # mean squared gap of two scores drawn at random
    if not expected > 0:
        return float("nan")
    within = 0.0
    for column in table.T:
        unit = column[~np.isnan(column)]
        within += 2 * unit.size**2 / (unit.size - 1) * float(unit.var())
    return float(1 - within / values.size / expected)


def _pairs(table: Floats, measure: Callable[[Floats, Floats], float]) -> Floats:
    size = len(table)
    result = np.full((size, size), np.nan)
    for a in range(size):
        for b in range(a, size):
            both = ~(np.isnan(table[a]) | np.isnan(table[b]))
            if both.any():
                result[a, b] = result[b, a] = measure(table[a][both], table[b][both])
    return result


def _same(x: Floats, y: Floats) -> float:
    return float((x == y).mean())


def _kappa(x: Floats, y: Floats) -> float:
    chance = x.mean() * y.mean() + (1 - x.mean()) * (1 - y.mean())
    return float((_same(x, y) - chance) / (1 - chance)) if chance < 1 - 1e-12 else float("nan")


def _correlations(table: Floats) -> Floats:
    return _pairs(table, _pearson)


def _pearson(x: Floats, y: Floats) -> float:
    x, y = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return float(np.clip(x @ y / scale, -1, 1)) if scale > 1e-12 else float("nan")


def _effective(related: Floats) -> float:
    size = len(related)
    pairs = related[np.triu_indices(size, 1)]
    pairs = pairs[~np.isnan(pairs)]
    if size < 2:
        return float(size) if size else float("nan")
    return float(size / (1 + (size - 1) * max(0.0, float(pairs.mean())))) if pairs.size else float("nan")
