"""Votes on one group of responses, of which a meta-judge chooses those that count."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from judge.arrays import Floats, floats, mean_of


def guided_vote(scores: ArrayLike, meta: ArrayLike, keep: int) -> Floats:
    """Average only the votes that a meta-judge trusts most.

    DeepSeek-GRM (Liu et al. 2025, "Inference-Time Scaling for Generalist Reward Modeling",
    arXiv:2504.02495): k sampled judgements, of which the `keep` best by the meta reward model are added up. Ours: the
    mean instead of the sum, so that the number of votes does not change the reward's scale; ties of the meta-judge at the
    border are all kept.

    Args:
        scores: Shape (votes, responses); NaN for absent.
        meta: The meta-judge's score of each vote, shape (votes,); a vote without one is never kept.
        keep: At least 1.

    Returns:
        Shape (responses,); NaN where no kept vote has a score.

    Raises:
        ValueError: Shapes disagree, or `keep` is below 1.

    Example:
        >>> guided_vote([[0.8, 0.2], [0.6, 0.4], [0.0, 1.0]], meta=[0.9, 0.8, 0.1], keep=2)
        array([0.7, 0.3])
    """
    table, trust = floats(scores, 2, "scores"), floats(meta, 1, "meta")
    if len(table) != len(trust):
        raise ValueError(f"{len(trust)} meta scores for {len(table)} votes")
    kept = kept_votes(trust, keep)
    return mean_of(table[list(kept)], 0) if kept else np.full(table.shape[1], np.nan)


def kept_votes(meta: ArrayLike, keep: int) -> tuple[int, ...]:
    """The votes that a meta-judge grades highest, in order; ties at the border are all kept.

    Args:
        meta: Shape (votes,); NaN for a vote without a grade, which is never kept.
        keep: At least 1.

    Example:
        >>> kept_votes([0.9, 0.1, np.nan, 0.9, 0.5], 1)
        (0, 3)
    """
    trust = floats(meta, 1, "meta")
    if keep < 1:
        raise ValueError(f"keep is {keep}; at least 1 vote is kept")
    known = np.sort(trust[~np.isnan(trust)])[::-1]
    if not known.size:
        return ()
    return tuple(int(i) for i in np.flatnonzero(trust >= known[min(keep, known.size) - 1]))
