"""What makes a judge a good teacher besides being right.

A reward that is right and nearly constant within a prompt teaches nothing (Chen et al. 2024, "The Accuracy Paradox in RLHF",
arXiv:2410.06554; Razin et al. 2025, "What Makes a Reward Model a Good Teacher?", arXiv:2503.15477): so the spread of rewards
within a prompt, the share of tied pairs, and what best-of-n picks stand beside accuracy. Two rewards are compared by a distance
that knows neither their scale nor their offset.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from judge.bench.spec import SetSpec
from judge.bench.units import JudgedItem

CURVE = (1, 2, 4, 8, 16, 32)


@dataclass(frozen=True)
class TeacherMetrics:
    """Over the groups (the responses of one prompt) with at least two rewards.

    Attributes:
        groups: How many there are.
        spread: Mean standard deviation of the rewards of a group, in the unit of the reward.
        silent: Share of the groups whose rewards are all equal: no gradient comes from them.
        ties: Share of the pairs of a group with equal rewards.
        curve: n -> mean label of the response that the reward would pick of n (ties split evenly); the group's own size at most.
        ceiling: n -> the same with a perfect judge.
    """

    groups: int
    spread: float
    silent: float
    ties: float
    curve: Mapping[int, float]
    ceiling: Mapping[int, float]

    def as_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "groups": self.groups,
            "spread": self.spread,
            "silent": self.silent,
            "ties": self.ties,
            "best_of_n": {str(n): v for n, v in self.curve.items()},
            "best_of_n_ceiling": {str(n): v for n, v in self.ceiling.items()},
        }


def teacher_metrics(spec: SetSpec, judged: Sequence[JudgedItem]) -> TeacherMetrics | None:
    """The figures of a judge of single responses; None where no prompt has two rewards."""
    groups = [] if spec.kind in ("steps", "contrast") else groups_of(judged)
    if not groups:
        return None
    rewards = [np.array([r for r, _ in g]) for g in groups]
    pairs = [(np.abs(np.subtract.outer(r, r))[np.triu_indices(len(r), 1)] < 1e-9) for r in rewards]
    least = min(len(g) for g in groups)
    sizes = [n for n in CURVE if n <= least] or [1]
    return TeacherMetrics(
        groups=len(groups),
        spread=float(np.mean([r.std() for r in rewards])),
        silent=float(np.mean([np.ptp(r) < 1e-9 for r in rewards])),
        ties=float(np.concatenate(pairs).mean()),
        curve={n: _mean_of(groups, n, by_label=False) for n in sizes},
        ceiling={n: _mean_of(groups, n, by_label=True) for n in sizes},
    )


def groups_of(judged: Sequence[JudgedItem]) -> list[list[tuple[float, float]]]:
    """(reward, label) of the responses of each prompt; labels of pairs are 1 and 0, and of a tie 0.5."""
    found: dict[str, list[tuple[float, float]]] = {}
    for j in judged:
        labels = _labels(j)
        if labels is None:
            continue
        for reward, label in zip(j.rewards, labels, strict=True):
            if reward is not None:
                found.setdefault(f"{j.item.subset}\0{j.item.cluster}", []).append((reward, label))
    return [group for group in found.values() if len(group) > 1]


def _labels(judged: JudgedItem) -> tuple[float, ...] | None:
    gold, count = judged.item.gold, len(judged.rewards)
    if len(gold) == count:
        return gold
    if len(gold) == 1 and count == 2:
        return ((1 + gold[0]) / 2, (1 - gold[0]) / 2)
    return (sum(gold) / len(gold),) if gold and count == 1 else None


def _mean_of(groups: Sequence[Sequence[tuple[float, float]]], n: int, *, by_label: bool) -> float:
    return float(
        np.mean([picked([label if by_label else reward for reward, label in g], [label for _, label in g], n) for g in groups])
    )


def picked(rewards: ArrayLike, labels: ArrayLike, n: int) -> float:
    """Expected label of the response that the largest reward picks among n that are drawn without replacement.

    Exact, over all sets of n: with the rewards sorted, the i-th is the largest of C(i - 1, n - 1) of the C(N, n) sets.
    Responses with equal rewards share what their places earn.

    Args:
        rewards: Shape (N,).
        labels: How good each response is, shape (N,).
        n: 1 to N.

    Example:
        >>> picked([0.1, 0.5, 0.9], [0, 1, 0], 2).__round__(4)  # the sets pick 1, 0 and 0
        0.3333
        >>> picked([0.5, 0.5], [0, 1], 2)
        0.5
    """
    r, y = np.asarray(rewards, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    order = np.argsort(r, kind="stable")
    size = len(r)
    share = np.array([math.comb(i, n - 1) / math.comb(size, n) for i in range(size)])
    sorted_r, sorted_y = r[order], y[order].copy()
    start = 0
    for end in range(1, size + 1):  # equal rewards: whichever of them is picked is drawn
        if end == size or sorted_r[end] - sorted_r[start] > 1e-9:
            sorted_y[start:end] = sorted_y[start:end].mean()
            start = end
    return float(share @ sorted_y)


def reward_distance(first: ArrayLike, second: ArrayLike, groups: Sequence[object]) -> float:
    """Distance of two rewards of the same responses in [0, 1]: 0 they order and space them alike, 1 they say the opposite.

    After STARC (Skalse et al. 2023, arXiv:2309.15257): each reward is made canonical, so that what trains nothing is gone (here
    its mean within a prompt, which a group baseline takes off), divided by its norm, and half the norm of the difference is the
    distance.

    Args:
        first, second: Shape (responses,); NaN for missing, which leaves the response out.
        groups: The prompt of each response.

    Returns:
        NaN where one of them does not vary within any prompt.

    Example:
        >>> a = [0.0, 1.0, 0.2, 0.4]
        >>> reward_distance(a, [10 * x + 3 for x in a], "aabb"), reward_distance(a, [-x for x in a], "aabb")
        (0.0, 1.0)
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    known = ~(np.isnan(a) | np.isnan(b))
    a, b = a[known], b[known]
    names = np.array([str(g) for g in groups], dtype=object)[known]
    for name in set(names):
        inside = names == name
        a[inside] -= a[inside].mean()
        b[inside] -= b[inside].mean()
    length = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    if min(length) < 1e-12:
        return math.nan
    return round(float(np.linalg.norm(a / length[0] - b / length[1])) / 2, 12)
