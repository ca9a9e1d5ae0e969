"""Rewards from what other examples say: the answers to another wording of the question, and the rewards of similar examples.

A question reworded should get the same answer, so the answers to one wording can be rewarded by those to another. That is
harder to satisfy by collapse than agreement within one wording, and still no proof that the answer is right.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from judge.arrays import Floats, floats, unit
from judge.rubric.model import Frozen
from judge.shape.batch import RewardRange, Stage, StepKind, Stepped, UnitFloat, always, sees_batch
from judge.shape.text import words

_BLOCK = 512  # rows that are compared with all others at once


class CoRewardStep(Frozen):
    """Pay each answer by the majority of the answers to the *other* wordings of its question, in place of the judge's reward.

    Attributes:
        question: Column of the data that names the question; its wordings are the prompts that share the name.
    """

    kind: Literal["co_reward"] = "co_reward"
    question: str


class FuseStep(Frozen):
    """Pull each reward towards the rewards of similar examples of the batch.

    Attributes:
        least: Examples below this similarity (cosine of the words of prompt and response) are no neighbours.
        weight: Share of the neighbours' mean.
    """

    kind: Literal["fuse"] = "fuse"
    least: UnitFloat = 0.8
    weight: UnitFloat = 0.5


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
        votes: dict[Hashable, Fraction] = {}
        for other, share in enumerate(shares):
            if other != number:
                votes = {answer: votes.get(answer, Fraction(0)) + share.get(answer, 0) for answer in votes.keys() | share.keys()}
        most = max(votes.values(), default=None)
        leading = [answer for answer, votes_of in votes.items() if votes_of == most]
        label = leading[0] if len(leading) == 1 else None
        rewards.append(np.array([np.nan if label is None else float(answer == label) for answer in view], dtype=np.float64))
    return rewards


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
        (1 - weight) * reward + weight * mean, within the range of the rewards; the reward itself without a neighbour. The same,
        to the last bit, in any order of the neighbours.

    Example:
        >>> fuse_similar([1.0, 0.5], [[0.0, 0.5], [np.nan, np.nan]], [[0.25, 0.75], [0.5, 0.5]])  # 0.5 + 0.5 * 0.375
        array([0.6875, 0.5   ])
    """
    own, others, near = floats(rewards, 1, "rewards"), floats(similar, 2, "similar"), unit(similarity, 2, "similarity")
    if others.shape != near.shape or len(own) != len(others) or not 0 <= weight <= 1:
        raise ValueError(f"{len(own)} rewards with neighbours {others.shape} and similarities {near.shape}; weight is {weight:g}")
    out = own.copy()
    for row in range(len(own)):
        known = ~(np.isnan(others[row]) | np.isnan(near[row])) & (near[row] > 0)
        mass = math.fsum(near[row][known])
        if mass > 0:
            out[row] = (1 - weight) * own[row] + weight * (math.fsum(near[row][known] * others[row][known]) / mass)
    return out


def similarities(texts: Sequence[str], first: int, stop: int) -> NDArray[np.float64]:
    """Cosine of the word counts of `texts[first:stop]` with all texts, shape (stop - first, texts), in [0, 1].

    Example:
        >>> similarities(["the cat sat", "the cat ran", ""], 0, 1).round(3)
        array([[1.   , 0.667, 0.   ]])
    """
    from scipy.sparse import csr_matrix  # noqa: PLC0415  # half a second that a judge at work need not pay

    counts = [Counter(words(text)) for text in texts]
    place = {word: k for k, word in enumerate(sorted(set().union(*counts)))}
    rows = np.repeat(np.arange(len(counts)), [len(c) for c in counts])
    columns = np.fromiter((place[w] for c in counts for w in c), dtype=np.intp, count=len(rows))
    table = csr_matrix(
        (np.fromiter((n for c in counts for n in c.values()), dtype=np.float64, count=len(rows)), (rows, columns)),
        shape=(len(counts), max(len(place), 1)),
    )
    sizes = np.array([sum(n * n for n in c.values()) for c in counts], dtype=np.float64)
    products = np.asarray((table[first:stop] @ table.T).todense(), dtype=np.float64)  # of whole numbers: exact
    scale = np.sqrt(np.outer(sizes[first:stop], sizes))
    return np.asarray(np.minimum(products / np.where(scale > 0, scale, 1.0), 1.0), dtype=np.float64)


def _shares(view: Sequence[Hashable | None]) -> dict[Hashable, Fraction]:
    counts = Counter(a for a in view if a is not None and str(a).strip())
    return {answer: Fraction(n, counts.total()) for answer, n in counts.items()}


def _co_reward(step: CoRewardStep, stage: Stage) -> Stepped:
    out = np.full(len(stage.values), np.nan)
    questions: dict[str, dict[str, list[int]]] = {}
    for row in np.flatnonzero(stage.present).tolist():
        name = str((stage.batch.metadata or ())[row].get(step.question))
        questions.setdefault(name, {}).setdefault(stage.batch.groups[row], []).append(row)
    without, alone = 0, 0
    for views in questions.values():
        alone += len(views) == 1
        answers = [[(stage.batch.answers or ())[row] for row in rows] for rows in views.values()]
        for rows, paid in zip(views.values(), cross_view_rewards(answers), strict=True):
            out[rows] = paid
            without += bool(np.isnan(paid).all())
    out = np.where(stage.vetoed & stage.present, 0.0, out)
    notes = [f"{alone} question(s) have one wording in this batch: no reward there"] if alone else []
    if without > alone:
        notes.append(f"{without - alone} wording(s) whose other wordings agree on no answer: no reward there")
    return Stepped(out, tuple(notes))


def _fuse(step: FuseStep, stage: Stage) -> Stepped:
    out, present = stage.values.copy(), np.flatnonzero(stage.present)
    texts = [f"{(stage.batch.prompts or ())[row]} {(stage.batch.texts or ())[row]}" for row in present]
    pulled = 0
    for first in range(0, len(present), _BLOCK):
        rows = present[first : first + _BLOCK]
        near = similarities(texts, first, first + len(rows))
        near[np.arange(len(rows)), np.arange(first, first + len(rows))] = 0.0
        near[near < step.least] = 0.0
        others = np.broadcast_to(stage.values[present], near.shape)
        out[rows] = fuse_similar(stage.values[rows], others, near, weight=step.weight)
        pulled += int((near > 0).any(axis=1).sum())
    out = np.where(stage.vetoed, np.fmin(out, stage.values), out)
    return Stepped(out, (f"{pulled} of {len(present)} response(s) have similar examples in this batch",))


def _unit(step: CoRewardStep, span: RewardRange) -> RewardRange:
    return 0.0, 1.0


KINDS: dict[str, StepKind] = {
    "co_reward": StepKind(
        _co_reward,
        always("row"),
        lambda s: ("answers", f"column {s.question}"),
        _unit,
        replaces=lambda s: True,
        sees=sees_batch,
    ),
    "fuse": StepKind(_fuse, always("row"), lambda s: ("prompts", "texts"), sees=sees_batch),
}
