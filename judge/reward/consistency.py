"""Agreement with oneself as confidence: over versions of a judge, over wordings of a question, and without any label.

- A ranking that another version of the same judge would turn round is no label to train hard on.
- A question reworded should get the same answer, so the answers to one wording can be rewarded by those to another. That is
  harder to satisfy by collapse than agreement within one wording, and still no proof that the answer is right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from judge.arrays import Floats, floats, mean_of, unit, variance_of

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
        return _spearman(a, b)
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


def cross_view_rewards(answers: Sequence[Sequence[Hashable | None]]) -> list[Floats]:
    """Reward the answers to each wording of a question by the majority of the answers to the *other* wordings.

    Co-Reward (Zhang et al. 2025, "Self-supervised Reinforcement Learning for LLM Reasoning via Contrastive Agreement",
    arXiv:2508.00410), there with two wordings. Ours for more: the votes of all other wordings are added, each wording as one.
    Ours too: where two answers lead there is no pseudo-label; the authors' code takes the one that was drawn first.

    Args:
        answers: For each wording, the final answer of each rollout in one spelling; None, or text of
            white space only, is no answer, and never the pseudo-label.

    Returns:
        For each wording, shape (rollouts,): 1 for the pseudo-label, 0 for another answer and for none. NaN for a wording whose
        others have no pseudo-label.

    Example:
        >>> cross_view_rewards([["4", "4", "5"], ["4", "5", "5"]])
        [array([0., 0., 1.]), array([1., 0., 0.])]
        >>> cross_view_rewards([["4", None, "4"], ["", "", "4"]])
        [array([1., 0., 1.]), array([0., 0., 1.])]
    """
    shares = [_shares(view) for view in answers]
    rewards = []
    for number, view in enumerate(answers):
        votes: Counter[Hashable] = Counter()
        for other, share in enumerate(shares):
            if other != number:
                votes.update(share)
        top = votes.most_common(2)
        label = None if not top or (len(top) > 1 and abs(top[0][1] - top[1][1]) < 1e-12) else top[0][0]
        paid = [np.nan if label is None else float(answer == label) for answer in view]
        rewards.append(np.array(paid, dtype=np.float64))
    return rewards


def view_confidence(scores: ArrayLike) -> Floats:
    """How little a judge's score of a response moves when the question (or rubric) is reworded: 1 - 2 * standard deviation.

    Ours, after the paraphrase tests of reWordBench (arXiv:2503.11751); scores in [0, 1] have a deviation of at most 1/2.

    Args:
        scores: Shape (wordings, responses), in [0, 1]; NaN for absent.

    Returns:
        Shape (responses,), in [0, 1]; NaN with fewer than two scores.

    Example:
        >>> view_confidence([[0.9, 1.0, 0.5], [0.9, 0.0, np.nan]])
        array([ 1.,  0., nan])
    """
    table = unit(scores, 2, "scores")
    count = (~np.isnan(table)).sum(axis=0)
    deviation = np.sqrt(variance_of(table, 0))
    return np.asarray(np.where(count > 1, np.clip(1 - 2 * deviation, 0, 1), np.nan), dtype=np.float64)


def fuse_similar(rewards: ArrayLike, similar: ArrayLike, similarity: ArrayLike, *, weight: float = 0.5) -> Floats:
    """Pull each reward towards the rewards of similar examples, so that near-equal prompts are judged alike.

    RewardFusion (Shen et al. 2023, "The Trickle-down Impact of Reward (In-)consistency on RLHF", arXiv:2309.16155): extrapolation
    over similar examples when a response is scored. The formula was not available to us; the similarity-weighted mean is ours.

    Args:
        rewards: Shape (responses,); NaN for absent.
        similar: Rewards of each response's neighbours, shape (responses, neighbours); NaN where there is none.
        similarity: Of each neighbour, same shape, in [0, 1].
        weight: Share of the neighbours' mean, in [0, 1].

    Returns:
        (1 - weight) * reward + weight * mean, within the range of the rewards; the reward itself without a neighbour.

    Example:
        >>> fuse_similar([1.0, 0.5], [[0.0, 0.5], [np.nan, np.nan]], [[0.25, 0.75], [0.5, 0.5]])  # 0.5 + 0.5 * 0.375
        array([0.6875, 0.5   ])
    """
    own, others, near = floats(rewards, 1, "rewards"), floats(similar, 2, "similar"), unit(similarity, 2, "similarity")
    if others.shape != near.shape or len(own) != len(others) or not 0 <= weight <= 1:
        raise ValueError(f"{len(own)} rewards with neighbours {others.shape} and similarities {near.shape}; weight is {weight:g}")
    known = ~(np.isnan(others) | np.isnan(near))
    mass = np.where(known, near, 0.0).sum(axis=1)
    mean = np.where(known, near * others, 0.0).sum(axis=1) / np.where(mass > 0, mass, 1.0)
    return np.asarray(np.where(mass > 0, (1 - weight) * own + weight * mean, own), dtype=np.float64)


def add_metric(judged: ArrayLike, metric: ArrayLike, *, weight: float = 1.0) -> Floats:
    """A policy's score of its own output, plus a metric from outside.

    SSR-Zero (arXiv:2505.16637) judges translations by the policy itself; its stronger form adds a metric such as COMET.

    Args:
        judged: In [0, 1], shape (responses,); NaN for absent.
        metric: In [0, 1], same shape; NaN for absent.
        weight: Of the metric, at least 0.

    Returns:
        (judged + weight * metric) / (1 + weight), in [0, 1]; NaN where one of the two is absent.

    Example:
        >>> add_metric([1.0, 0.5], [0.5, np.nan])
        array([0.75,  nan])
    """
    own, other = unit(judged, name="judged"), unit(metric, name="metric")
    if own.shape != other.shape or weight < 0:
        raise ValueError("judged and metric must have one shape, and weight must not be negative")
    return np.asarray((own + weight * other) / (1 + weight), dtype=np.float64)


def _shares(view: Sequence[Hashable | None]) -> dict[Hashable, float]:
    counts = Counter(a for a in view if a is not None and str(a).strip())
    return {answer: n / counts.total() for answer, n in counts.items()}


def _spearman(a: Floats, b: Floats) -> float:
    from scipy.stats import rankdata  # noqa: PLC0415  # half a second that a judge at work need not pay

    x, y = rankdata(a), rankdata(b)
    x, y = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return float(np.clip((x @ y / scale + 1) / 2, 0, 1)) if scale > 0 else float("nan")
