"""Leave out judges that disagree with all the others.

A judge is compared with the consensus of its peers *without itself*: measured against a mean that it is part of, a bad judge
in a small panel agrees with its own shadow. A judge that is alone is not always wrong, so the report says who was left out
and by how much, and a panel is never filtered below two judges.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from judge.arrays import Bools, Floats, floats, spearman
from judge.reward.ensemble.fold import fold_judges

LEAST = 3  # responses in common before a judge can be called different


@dataclass(frozen=True, slots=True)
class PeerReport:
    """Which judges stay.

    Attributes:
        kept: One a judge.
        agreement: Correlation with the leave-one-out consensus when the judge was last looked at, in [-1, 1]; NaN where
            there was nothing to correlate.
        removed: Rows of the judges left out, in the order they went.
    """

    kept: Bools
    agreement: Floats
    removed: tuple[int, ...]


def filter_peers(scores: ArrayLike, *, least: float = 0.2, keep: int = 2) -> PeerReport:
    """Remove the judge that agrees least with its peers, again and again, until all agree at least `least`.

    The consensus is the median of the other judges, agreement is Spearman's rank correlation with it, over responses that
    both scored. Ours, after the leave-one-out reading of peer review among judges (PRD, Li et al. 2023, arXiv:2307.02762).

    Args:
        scores: Shape (judges, responses), 1 best; NaN for absent.
        least: In [-1, 1].
        keep: Judges that stay in any case, at least 2.

    Returns:
        A judge with fewer than three responses in common with its peers, or whose scores do not vary, cannot be shown to
        differ: it stays, with agreement NaN. Judges that agree equally little go together, or all stay where fewer than `keep`
        would be left: their order in the table says nothing about them.

    Raises:
        ValueError: `keep` is below 2.

    Example:
        >>> panel = [[0.1, 0.5, 0.9, 0.4], [0.2, 0.6, 0.8, 0.3], [0.9, 0.4, 0.1, 0.6], [0.1, 0.4, 0.7, 0.3]]
        >>> filter_peers(panel).removed
        (2,)
    """
    table = floats(scores, 2, "scores")
    if keep < 2:
        raise ValueError("keep must be at least 2: one judge has no peers")
    kept = np.ones(len(table), dtype=np.bool_)
    agreement = np.full(len(table), np.nan)
    removed: list[int] = []
    while kept.sum() > 1:
        for judge in np.flatnonzero(kept):
            others = kept.copy()
            others[judge] = False
            agreement[judge] = spearman(table[judge], fold_judges(table[others], "median", quorum=0.0), LEAST)
        known = np.flatnonzero(kept & ~np.isnan(agreement))
        if not known.size or agreement[known].min() >= least:
            break
        worst = known[agreement[known] <= agreement[known].min() + 1e-12]
        if kept.sum() - len(worst) < keep:
            break
        kept[worst] = False
        removed.extend(int(judge) for judge in worst)
    return PeerReport(kept, agreement, tuple(removed))
