"""Judges that rank the responses of one group -> rewards, by rules of social choice.

Votes compare only what one judge said about two responses, so judges that use different parts of the scale weigh the same.
Every rule here leaves out what a judge did not judge, and never counts it as a lost comparison.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from judge.arrays import Floats, floats, mean_of, shares


def majority_vote(labels: ArrayLike) -> Floats:
    """The most common label of each response.

    Args:
        labels: Shape (judges, responses): discrete scores, NaN for absent.

    Returns:
        Shape (responses,); NaN when nobody voted or two labels are equally common: a tie is no verdict.

    Example:
        >>> majority_vote([[1, 1], [1, 0], [0, np.nan]])
        array([ 1., nan])
    """
    table = floats(labels, 2, "labels")
    result = np.full(table.shape[1], np.nan)
    for column in range(table.shape[1]):
        votes = table[:, column]
        values, counts = np.unique(votes[~np.isnan(votes)], return_counts=True)
        winners = values[counts == counts.max()] if counts.size else values
        if len(winners) == 1:
            result[column] = winners[0]
    return result


def preference_matrix(scores: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """Share of the judges that put one response above another; a tie counts half for both.

    Args:
        scores: Shape (judges, responses), higher is better; NaN for absent.
        weights: One a judge, not negative; None: equal.

    Returns:
        Shape (responses, responses): row over column, in [0, 1]; NaN on the diagonal and where no judge scored both.

    Example:
        >>> preference_matrix([[0.9, 0.1], [0.8, 0.2], [0.1, 0.7], [0.5, 0.5]])
        array([[  nan, 0.625],
               [0.375,   nan]])
    """
    table = floats(scores, 2, "scores")
    weight = shares(weights, len(table)) if len(table) else np.zeros(0)
    differ = table[:, :, None] - table[:, None, :]
    known = ~np.isnan(differ)
    won = np.where(known, (np.sign(np.nan_to_num(differ)) + 1) / 2, 0.0)
    mass = np.einsum("j,jab->ab", weight, known.astype(np.float64))
    share = np.einsum("j,jab->ab", weight, won) / np.where(mass > 0, mass, 1.0)
    share = np.where(mass > 0, np.clip(share, 0.0, 1.0), np.nan)
    np.fill_diagonal(share, np.nan)
    return np.asarray(share, dtype=np.float64)


def borda(scores: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """Mean share of the other responses that a judge ranks below this one; ties count half.

    Borda's count, divided by what each judge could give, so that judges with gaps weigh the same.

    Args:
        scores: Shape (judges, responses), higher is better; NaN for absent.
        weights: One a judge, not negative; None: equal.

    Returns:
        Shape (responses,), in [0, 1]; NaN for a response that no judge compared with another.

    Example:
        >>> borda([[0.9, 0.5, 0.1], [0.2, 0.3, 0.1]])  # first: (2/2 + 1/2) / 2
        array([0.75, 0.75, 0.  ])
    """
    table = floats(scores, 2, "scores")
    weight = shares(weights, len(table)) if len(table) else np.zeros(0)
    result = np.full(table.shape, np.nan)
    for judge, row in enumerate(table):
        present = ~np.isnan(row)
        if present.sum() > 1 and weight[judge] > 0:
            values = row[present]
            below = (values[:, None] > values).sum(axis=1) + ((values[:, None] == values).sum(axis=1) - 1) / 2
            result[judge, present] = below / (len(values) - 1)
    known = ~np.isnan(result)
    mass = np.where(known, weight[:, None], 0.0).sum(axis=0)
    total = np.where(known, result * weight[:, None], 0.0).sum(axis=0)
    return np.asarray(np.where(mass > 0, np.clip(total / np.where(mass > 0, mass, 1.0), 0, 1), np.nan), dtype=np.float64)


def copeland(scores: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """Share of the other responses that this one beats by a majority of the judges; a drawn pair counts half.

    Copeland's rule; a response that beats all others (a Condorcet winner) gets 1, whatever the others' order.

    Args:
        scores: Shape (judges, responses), higher is better; NaN for absent.
        weights: One a judge, not negative; None: equal.

    Returns:
        Shape (responses,), in [0, 1]; NaN for a response that no judge compared with another.

    Example:
        >>> copeland([[0.9, 0.5, 0.1], [0.9, 0.1, 0.5], [0.0, 0.6, 0.7]])
        array([1. , 0. , 0.5])
    """
    share = preference_matrix(scores, weights)
    share = np.where(np.isclose(share, 0.5, rtol=0, atol=1e-12), 0.5, share)
    return mean_of(np.asarray((np.sign(share - 0.5) + 1) / 2, dtype=np.float64), 1)


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
