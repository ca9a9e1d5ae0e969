"""Rewards of a group -> its best responses, and what drawing k of them would have earned.

- The reward that selects is the reward that is reported, so the mean after selection is partly luck of the judge (the
  larger the group, the more): measure what was selected with another judge.
- A response without a reward is not drawn in the estimate either. When judges fail more on hard or long responses, the
  estimate is about the easy ones.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from judge.arrays import floats
from judge.batch.select.model import PLACES, ScoredResponse, grouped, has_reward, may_be_chosen, ranked

Ties = Literal["first", "all", "drop", "shortest"]
LeftOut = Literal["no_reward", "vetoed", "below_min_reward", "tied"]


@dataclass(frozen=True, slots=True)
class Chosen:
    """A response that was kept.

    Attributes:
        rank: From 1, in its group.
        margin: Its reward less that of the next in the ranking; None when there is no next.
        group_size: Responses of the group.
        scored: Those of them that have a reward.
    """

    candidate: ScoredResponse
    rank: int
    margin: float | None
    group_size: int
    scored: int


@dataclass(frozen=True, slots=True)
class Selection:
    """What `best_of_n` kept, and what it left out.

    Attributes:
        groups: Number of groups looked at.
        left_out: Names of the groups nothing was kept of: `no_reward` (no response has one), `vetoed` (those that have one
            were stopped by a filter), `below_min_reward`, `tied` (under `ties="drop"`).
    """

    chosen: tuple[Chosen, ...]
    groups: int
    left_out: Mapping[LeftOut, tuple[str, ...]] = field(default_factory=dict)


def best_of_n(
    candidates: Iterable[ScoredResponse], *, keep: int | None = 1, min_reward: float | None = None, ties: Ties = "first"
) -> Selection:
    """Keep the best responses of each group.

    `keep=1` is best-of-n (Stiennon et al. 2020, "Learning to summarize from human feedback", arXiv:2009.01325);
    `keep=None` with `min_reward` is rejection sampling, all that are good enough (RFT, Yuan et al. 2023, arXiv:2308.01825);
    `keep=1` with `min_reward` is the best, if it is good enough (RAFT, Dong et al. 2023, arXiv:2304.06767, with a floor).

    Args:
        candidates: In any order.
        keep: Most responses of a group; None: no limit.
        min_reward: Least reward that is kept, inclusive.
        ties: Which of those equal in the last place to keep: the `first` in the data, `all` (then more than `keep`), none
            (`drop`), or the `shortest`.

    Raises:
        ValueError: `keep` below 1, or `min_reward` is not finite.

    Example:
        >>> asked = "q", "2+2?"
        >>> drawn = [ScoredResponse(*asked, "4", 1.0), ScoredResponse(*asked, "5", 0.25), ScoredResponse("p", "?", "-", None)]
        >>> found = best_of_n(drawn)
        >>> [(c.candidate.response, c.margin, c.scored) for c in found.chosen], dict(found.left_out)
        ([('4', 0.75, 2)], {'no_reward': ('p',)})
    """
    if (keep is not None and keep < 1) or (min_reward is not None and not math.isfinite(min_reward)):
        raise ValueError("keep must be at least 1 or None, and min_reward finite or None")
    chosen: list[Chosen] = []
    left_out: dict[LeftOut, list[str]] = {}
    groups = grouped(candidates)
    for name, members in groups.items():
        known = ranked(filter(has_reward, members), shortest=ties == "shortest")
        kept = _kept([c for c in known if may_be_chosen(c)], known, keep, min_reward, ties)
        if isinstance(kept, str):
            left_out.setdefault(kept, []).append(name)
            continue
        places = {id(c): place for place, c in enumerate(known)}  # `known.index` compares texts, in the square of the group
        chosen += [_chosen(places[id(c)], known, len(members)) for c in kept]
    return Selection(tuple(chosen), len(groups), {why: tuple(names) for why, names in left_out.items()})


def _kept(
    eligible: list[ScoredResponse], known: list[ScoredResponse], keep: int | None, min_reward: float | None, ties: Ties
) -> list[ScoredResponse] | LeftOut:
    if not eligible:
        return "vetoed" if known else "no_reward"
    if min_reward is not None:
        eligible = [c for c in eligible if c.level >= round(min_reward, PLACES)]
        if not eligible:
            return "below_min_reward"
    if keep is None or len(eligible) <= keep:
        return eligible
    last = eligible[keep - 1].level
    if eligible[keep].level < last or ties in ("first", "shortest"):
        return eligible[:keep]
    return [c for c in eligible if c.level >= last] if ties == "all" else [c for c in eligible if c.level > last] or "tied"


def _chosen(place: int, known: Sequence[ScoredResponse], size: int) -> Chosen:
    candidate = known[place]
    following = known[place + 1].level if place + 1 < len(known) else None
    margin = None if following is None else round(candidate.level - following, PLACES)
    return Chosen(candidate, place + 1, margin, size, len(known))


def expected_best_of(rewards: ArrayLike, k: int) -> float:
    """Mean of the best of k draws, from n draws that were judged, without bias.

    With the n rewards sorted, r_1 <= ... <= r_n, every set of k of them is as likely, and r_i is the best of C(i-1, k-1) sets:
    sum over i of C(i-1, k-1) / C(n, k) * r_i. For rewards 0 and 1 this is pass@k (Chen et al. 2021, "Evaluating Large
    Language Models Trained on Code", arXiv:2107.03374, section 2.1); for any reward, Hilton and Gao 2022, "Measuring
    Goodhart's law" (best-of-n). The best of the first k draws has the same mean and a larger variance.

    Args:
        rewards: Shape (n,); NaN or None for absent, which counts as not drawn.
        k: Draws, at least 1.

    Returns:
        Expected largest reward; NaN with fewer than k rewards, since nothing without bias can be said then.

    Raises:
        ValueError: `k` below 1, or an infinite reward.

    Example:
        >>> expected_best_of([0.0, 0.5, 1.0], 2)  # the sets have 0.5, 1 and 1 as their best
        0.8333333333333333
        >>> expected_best_of([0.0, 0.0, 0.0, 1.0], 2)  # pass@2 with 1 of 4 right
        0.5
    """
    if k < 1:
        raise ValueError(f"k is {k}, not at least 1")
    values = floats(rewards, 1, "rewards")
    values = np.sort(values[~np.isnan(values)])
    n = len(values)
    if n < k:
        return float("nan")
    shares = np.zeros(n)
    shares[n - 1] = k / n
    for i in range(n - 1, k - 1, -1):  # C(i-1, k-1) / C(i, k-1) = (i - k + 1) / i, without a number that overflows
        shares[i - 1] = shares[i] * (i - k + 1) / i
    return float(shares @ values)


@dataclass(frozen=True, slots=True)
class Expected:
    """Best of k draws, over groups.

    Attributes:
        mean: Of the groups' expected best reward.
        error: Standard error of that mean over groups; None with one group.
        chance: Mean probability that at least one of k draws reaches `min_reward`; None without one.
        groups: Groups with enough rewards for the largest k asked for; the same for each k, so that the figures compare.
    """

    k: int
    mean: float
    error: float | None
    chance: float | None
    groups: int


def estimate_best_of(
    candidates: Iterable[ScoredResponse], ks: Iterable[int], *, min_reward: float | None = None
) -> tuple[Expected, ...]:
    """What best-of-k would have earned, for each k, over the groups with rewards enough for all of them.

    Args:
        ks: Numbers of draws, each at least 1.
        min_reward: Report the chance of reaching it, too (pass@k with this threshold, inclusive).

    Returns:
        One a k, ascending; none when no group has that many rewards.

    Example:
        >>> drawn = [ScoredResponse("q", "?", str(i), r) for i, r in enumerate([0.0, 0.5, 1.0])]
        >>> [(e.k, e.mean, e.chance) for e in estimate_best_of(drawn, [1, 3], min_reward=1)]
        [(1, 0.5, 0.3333333333333333), (3, 1.0, 1.0)]
    """
    found = BestOfEstimate(ks, min_reward=min_reward)
    for members in grouped(candidates).values():
        found.add(members)
    return found.result()


class BestOfEstimate:
    """`estimate_best_of` over groups that come one by one; 16 bytes of each are kept for each number of draws."""

    def __init__(self, ks: Iterable[int], *, min_reward: float | None = None) -> None:
        self._least = None if min_reward is None else round(min_reward, PLACES)
        self._means = {k: array("d") for k in sorted(set(ks))}
        self._chances = {k: array("d") for k in self._means}

    def add(self, members: Iterable[ScoredResponse]) -> None:
        """Take in one group."""
        levels = [c.level for c in members if has_reward(c)]
        if not self._means or len(levels) < max(self._means):
            return
        for k, means in self._means.items():
            means.append(expected_best_of(levels, k))
            if self._least is not None:
                self._chances[k].append(expected_best_of([float(level >= self._least) for level in levels], k))

    def result(self) -> tuple[Expected, ...]:
        """One a number of draws, ascending; none when no group has that many rewards."""
        return tuple(self._expected(k) for k in self._means if self._means[k])

    def _expected(self, k: int) -> Expected:
        means = np.array(self._means[k])
        error = float(means.std(ddof=1) / math.sqrt(len(means))) if len(means) > 1 else None
        chance = float(np.mean(self._chances[k])) if self._least is not None else None
        return Expected(k, float(means.mean()), error, chance, len(means))
