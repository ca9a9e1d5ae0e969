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
    if len(table) != len(trust) or keep < 1:
        raise ValueError(f"{len(trust)} meta scores for {len(table)} votes; keep is {keep}")
    known = np.sort(trust[~np.isnan(trust)])[::-1]
    if not known.size:
        return np.full(table.shape[1], np.nan)
    return mean_of(table[trust >= known[min(keep, known.size) - 1]], 0)
