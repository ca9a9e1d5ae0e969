"""Rewards of a group -> preference pairs, for trainers that learn from a better and a worse response (DPO and its kin).

- A pair of equal rewards teaches the order of the file. So under `ties="drop"` position decides nothing at all.
- A response that occurs twice with two rewards could be preferred to another and that other to it: two texts make one pair.
- A response without a reward lost nothing: it is in no pair.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from judge.batch.select.model import PLACES, ScoredResponse, grouped, has_reward, may_be_chosen, ranked
from judge.reward.consistency import best_and_worst
from judge.reward.objectives import dominating_pairs

Strategy = Literal["best_worst", "best_each", "all", "adjacent", "dominating"]
PairTies = Literal["drop", "keep"]
NoPair = Literal["no_reward", "one_reward", "tied", "no_contrast", "below_margin"]


@dataclass(frozen=True, slots=True)
class PreferencePair:
    """Two responses to one prompt; `chosen` earned at least as much."""

    chosen: ScoredResponse
    rejected: ScoredResponse

    @property
    def margin(self) -> float:
        """Reward of the chosen less that of the rejected; 0 for a tie that was kept."""
        return round(self.chosen.level - self.rejected.level, PLACES)


@dataclass(frozen=True, slots=True)
class Pairing:
    """What `preference_pairs` found.

    Attributes:
        groups: Number of groups looked at.
        left_out: Names of the groups without a pair: `no_reward`, `one_reward` (fewer than two), `tied` (the places the
            strategy needs are shared), `no_contrast` (the texts are the same, or the better one was stopped by a filter, too),
            `below_margin`.
    """

    pairs: tuple[PreferencePair, ...]
    groups: int
    left_out: Mapping[NoPair, tuple[str, ...]] = field(default_factory=dict)


def preference_pairs(
    candidates: Iterable[ScoredResponse],
    *,
    strategy: Strategy = "best_worst",
    min_margin: float = 0.0,
    ties: PairTies = "drop",
    max_pairs: int | None = None,
    filtered: bool = True,
) -> Pairing:
    """Make preference pairs within each group.

    `best_worst` is the pair of Self-Rewarding Language Models (arXiv:2401.10020); `all` is every comparison of the group, as
    in InstructGPT (arXiv:2203.02155, section 3.5).

    Args:
        candidates: In any order.
        strategy: `best_worst` (one pair), `best_each` (the best against each other), `all` (every two), `adjacent`
            (neighbours in the ranking), `dominating` (every two of which one is at least as good in all criteria and better in
            one, so that no weighting of the criteria could turn them round; DG-PRM, arXiv:2507.17849).
        min_margin: Least difference of the rewards, inclusive.
        ties: `drop`: no pair of equal rewards, and position never decides: `best_worst` wants a single best and a single worst
            response, `best_each` pairs each of several best, `adjacent` each response with each of the next level.
            `keep`: the earlier of two equals counts as better, with margin 0.
        max_pairs: Most pairs of a group, largest margins first. None: no limit.
        filtered: Whether a response that a filter stopped may be rejected. It is never chosen.

    Raises:
        ValueError: `min_margin` negative or not finite, or `max_pairs` below 1.

    Example:
        >>> drawn = [ScoredResponse("q", "?", text, reward) for text, reward in [("a", 0.5), ("b", 1.0), ("c", 0.0), ("d", None)]]
        >>> [(p.chosen.response, p.rejected.response, p.margin) for p in preference_pairs(drawn).pairs]
        [('b', 'c', 1.0)]
        >>> [p.chosen.response + p.rejected.response for p in preference_pairs(drawn, strategy="all").pairs]
        ['bc', 'ac', 'ba']
    """
    if not 0 <= min_margin < float("inf") or (max_pairs is not None and max_pairs < 1):
        raise ValueError("min_margin must be finite and not negative, max_pairs at least 1 or None")
    pairs: list[PreferencePair] = []
    left_out: dict[NoPair, list[str]] = {}
    groups = grouped(candidates)
    for name, members in groups.items():
        found = _pairs(members, strategy, round(min_margin, PLACES), ties, filtered)
        if isinstance(found, str):
            left_out.setdefault(found, []).append(name)
        else:
            pairs += found[:max_pairs]
    return Pairing(tuple(pairs), len(groups), {why: tuple(names) for why, names in left_out.items()})


@dataclass(frozen=True, slots=True)
class PairHint:
    """Other options that keep more groups.

    Attributes:
        options: As on the command line.
        groups, pairs: What they come to.
    """

    options: str
    groups: int
    pairs: int


def pair_hint(
    candidates: Iterable[ScoredResponse],
    made: Pairing,
    *,
    strategy: Strategy,
    min_margin: float,
    ties: PairTies,
    max_pairs: int | None,
    filtered: bool,
) -> PairHint | None:
    """The options that give pairs in the most groups, where that are more than now; None where nothing keeps more.

    Other strategies come first, then a margin of 0, and `ties="keep"` last, since position then decides. Of those with as many
    groups the one with the fewest pairs is named.

    Example:
        >>> drawn = [ScoredResponse("q", "?", text, reward) for text, reward in [("a", 1.0), ("b", 1.0), ("c", 0.0), ("d", 0.0)]]
        >>> given = {"strategy": "best_worst", "min_margin": 0.0, "ties": "drop", "max_pairs": None, "filtered": True}
        >>> pair_hint(drawn, preference_pairs(drawn), **given)
        PairHint(options='--strategy best_each', groups=1, pairs=4)
    """
    hints = PairHints(strategy=strategy, min_margin=min_margin, ties=ties, max_pairs=max_pairs, filtered=filtered)
    for members in grouped(candidates).values():
        hints.add(members)
    return hints.best(len({p.chosen.group for p in made.pairs}))


class PairHints:
    """`pair_hint` over groups that come one by one."""

    def __init__(self, *, strategy: Strategy, min_margin: float, ties: PairTies, max_pairs: int | None, filtered: bool) -> None:
        self._most = max_pairs
        self._filtered = filtered
        self._counts: dict[str, list[int]] = {}
        self._options: list[tuple[str, PairTies, float, Strategy]] = []
        others: tuple[Strategy, ...] = (strategy, "best_each", "adjacent", "all")
        for other_ties in dict.fromkeys((ties, "keep")):
            for margin in dict.fromkeys((min_margin, 0.0)):
                for name in dict.fromkeys(others):
                    words = [f"--strategy {name}"] if name != strategy else []
                    words += [f"--min-margin {margin:g}"] if margin != min_margin else []
                    words += [f"--ties {other_ties}"] if other_ties != ties else []
                    self._options.append((" ".join(words), other_ties, round(margin, PLACES), name))
                    self._counts[" ".join(words)] = [0, 0]

    def add(self, members: Sequence[ScoredResponse]) -> None:
        """Take in one group, its members in the order of the data."""
        known = _eligible(members, self._filtered)
        apart = len({c.response for c in known}) == len(known)
        for words, ties, margin, strategy in self._options:
            pairs = _count(known, strategy, margin, ties, self._most, apart=apart)
            self._counts[words][0] += pairs > 0
            self._counts[words][1] += pairs

    def best(self, now: int) -> PairHint | None:
        """The hint, where `now` groups have pairs."""
        best: PairHint | None = None
        for words, (groups, pairs) in self._counts.items():
            if groups > now and (best is None or groups > best.groups):
                best = PairHint(words, groups, pairs)
        return best


def _pairs(
    members: list[ScoredResponse], strategy: Strategy, min_margin: float, ties: PairTies, filtered: bool
) -> list[PreferencePair] | NoPair:
    """Pairs of one group, largest margin first; or why there are none."""
    known = _eligible(members, filtered)
    if len(known) < 2:
        return "one_reward" if any(map(has_reward, members)) else "no_reward"
    made = [PreferencePair(a, b) for a, b in _STRATEGIES[strategy](known, ties == "keep")]
    if not made:
        return "tied"
    contrasts = [p for p in made if may_be_chosen(p.chosen) and p.chosen.response != p.rejected.response]
    if not contrasts:
        return "no_contrast"
    wide = [p for p in contrasts if p.margin >= min_margin]
    return _once(wide) if wide else "below_margin"


def _eligible(members: Iterable[ScoredResponse], filtered: bool) -> list[ScoredResponse]:
    """Those that may be in a pair, best first."""
    return ranked(c for c in members if has_reward(c) and (filtered or not c.vetoed))


def _count(
    known: list[ScoredResponse], strategy: Strategy, min_margin: float, ties: PairTies, most: int | None, *, apart: bool
) -> int:
    """How many pairs `_pairs` would give, without making or sorting them: of a large group there are very many.

    Args:
        apart: Whether no two texts are the same.
    """
    if len(known) < 2:
        return 0
    texts = (
        (a.response, b.response)
        for a, b in _STRATEGIES[strategy](known, ties == "keep")
        if not a.vetoed and a.response != b.response and (not min_margin or round(a.level - b.level, PLACES) >= min_margin)
    )
    return sum(1 for _ in itertools.islice(texts if apart else set(map(frozenset, texts)), most))


def _once(pairs: list[PreferencePair]) -> list[PreferencePair]:
    """Each two texts in one pair, the one with the largest margin."""
    found: dict[frozenset[str], PreferencePair] = {}
    for pair in sorted(pairs, key=lambda p: (-p.margin, p.chosen.place, p.rejected.place)):
        found.setdefault(frozenset((pair.chosen.response, pair.rejected.response)), pair)
    return list(found.values())


_Two = tuple[ScoredResponse, ScoredResponse]


def _best_worst(known: list[ScoredResponse], keep: bool) -> Iterator[_Two]:
    if keep:
        yield known[0], known[-1]
        return
    pair = best_and_worst([c.level for c in known])
    if pair is not None:
        yield known[pair.best], known[pair.worst]


def _best_each(known: list[ScoredResponse], keep: bool) -> Iterator[_Two]:
    if keep:
        yield from ((known[0], other) for other in known[1:])
        return
    top = known[0].level
    yield from itertools.product([c for c in known if c.level == top], [c for c in known if c.level < top])


def _all(known: list[ScoredResponse], keep: bool) -> Iterator[_Two]:
    if keep:
        yield from itertools.combinations(known, 2)
        return
    for upper, lower in itertools.combinations(_levels(known), 2):
        yield from itertools.product(upper, lower)


def _adjacent(known: list[ScoredResponse], keep: bool) -> Iterator[_Two]:
    if keep:
        yield from itertools.pairwise(known)
        return
    for upper, lower in itertools.pairwise(_levels(known)):
        yield from itertools.product(upper, lower)


def _levels(known: list[ScoredResponse]) -> list[list[ScoredResponse]]:
    """Those with equal rewards together, best first."""
    return [list(members) for _, members in itertools.groupby(known, key=lambda c: c.level)]


def _dominating(known: list[ScoredResponse], keep: bool) -> Iterator[_Two]:
    names = sorted(set().union(*(c.components for c in known)))
    table = [[math.nan if (score := c.components.get(n)) is None else score for n in names] for c in known]
    if names:
        yield from ((known[a], known[b]) for a, b in dominating_pairs(table) if known[a].level >= known[b].level)


_STRATEGIES: dict[Strategy, Callable[[list[ScoredResponse], bool], Iterator[_Two]]] = {
    "best_worst": _best_worst,
    "best_each": _best_each,
    "all": _all,
    "adjacent": _adjacent,
    "dominating": _dominating,
}
