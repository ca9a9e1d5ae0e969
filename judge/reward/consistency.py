"""Preference labels from a judge's own rewards, and how far to trust them: another version of the judge should rank alike.

A ranking that another version of the same judge would turn round is no label to train hard on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from judge.arrays import Floats, floats, mean_of, spearman

Measure = Literal["kendall", "spearman", "top"]


def ranking_consistency(first: ArrayLike, second: ArrayLike, measure: Measure = "kendall") -> float:
    """How far two judges (or two versions of one) rank the same responses alike.

    CREAM (Wang et al. 2024, "Consistency Regularized Self-Rewarding Language Models", arXiv:2410.12735): (tau + 1) / 2, the
    same with Spearman's correlation, or whether both put the same response first and the same last. Ours: a pair that is tied in
    one of the two rankings counts half, where the authors' code breaks ties by position.

    Args:
        first: Shape (responses,), higher is better; NaN for absent.
        second: Same shape.
        measure: `kendall`, `spearman` or `top`.

    Returns:
        In [0, 1]; 0.5 for unrelated rankings. NaN with fewer than two responses in common, for `spearman` where one side does
        not vary, and for `top` where a place is shared.

    Example:
        >>> ranking_consistency([0.9, 0.5, 0.1], [0.8, 0.1, 0.2])  # 2 of 3 pairs agree
        0.6666666666666666
    """
    a, b = floats(first, 1, "first"), floats(second, 1, "second")
    if a.shape != b.shape:
        raise ValueError(f"{len(a)} and {len(b)} responses")
    both = ~(np.isnan(a) | np.isnan(b))
    a, b = a[both], b[both]
    if len(a) < 2:
        return float("nan")
    if measure == "kendall":
        upper = np.triu_indices(len(a), 1)
        signs = np.sign(a[:, None] - a)[upper] * np.sign(b[:, None] - b)[upper]
        return float((signs.mean() + 1) / 2)
    if measure == "spearman":
        return (spearman(a, b, 2) + 1) / 2
    pairs = [best_and_worst(a), best_and_worst(b)]
    if pairs[0] is None or pairs[1] is None:
        return float("nan")
    return float((pairs[0].best, pairs[0].worst) == (pairs[1].best, pairs[1].worst))


def snapshot_consistency(
    current: Sequence[ArrayLike], previous: Sequence[ArrayLike], *, measure: Measure = "kendall", whole_set: bool = True
) -> Floats:
    """Confidence in the preference labels of each group, from the judge of this round and of the last.

    CREAM (arXiv:2410.12735) trains on C * loss(pair) + (1 - C) * loss(reversed pair): C is the soft label of "the pair is the
    right way round", label smoothing with 1 - C.

    Args:
        current: Scores of each group by the judge as it is, one array a group.
        previous: The same by the version before.
        measure: Of `ranking_consistency`.
        whole_set: One C for all groups, their mean (less noisy); otherwise one each.

    Returns:
        Shape (groups,), in [0, 1]; NaN for a group that has none of its own.

    Example:
        >>> snapshot_consistency([[1, 2, 3], [1, 2, 3]], [[1, 2, 3], [3, 2, 1]], whole_set=False)
        array([1., 0.])
        >>> snapshot_consistency([[1, 2, 3], [1, 2, 3]], [[1, 2, 3], [3, 2, 1]])
        array([0.5, 0.5])
    """
    each = np.array([ranking_consistency(a, b, measure) for a, b in zip(current, previous, strict=True)], dtype=np.float64)
    return np.asarray(np.where(np.isnan(each), np.nan, mean_of(each, 0)) if whole_set else each, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class BestAndWorst:
    """A preference pair of one group.

    Attributes:
        best: Row of the highest reward.
        worst: Row of the lowest.
        margin: Difference of the two, above 0.
    """

    best: int
    worst: int
    margin: float


def best_and_worst(rewards: ArrayLike, least: float = 0.0) -> BestAndWorst | None:
    """The pair that self-rewarding trains on: the best against the worst response of a prompt.

    Yuan et al. 2024, "Self-Rewarding Language Models", arXiv:2401.10020: pairs with equal scores are dropped. Ours: so is a
    group in which the first or the last place is shared, since position would decide.

    Args:
        rewards: Shape (responses,); NaN for absent.
        least: The margin must be above this.

    Example:
        >>> best_and_worst([0.5, 0.75, np.nan, 0.25]), best_and_worst([1.0, 1.0, 0.0])
        (BestAndWorst(best=1, worst=3, margin=0.5), None)
    """
    values = floats(rewards, 1, "rewards")
    known = values[~np.isnan(values)]
    if len(known) < 2 or (known == known.max()).sum() > 1 or (known == known.min()).sum() > 1:
        return None
    margin = float(known.max() - known.min())
    return BestAndWorst(int(np.nanargmax(values)), int(np.nanargmin(values)), margin) if margin > least else None
