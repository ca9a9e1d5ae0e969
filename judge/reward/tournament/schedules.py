"""Who meets whom, without elimination. Players are 0 .. n - 1 in an order drawn by the seed from what they say, so
"the first" is a draw, and the same for the same group in any order."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from math import ceil, log2

import numpy as np

from judge.arrays import Floats
from judge.reward.tournament.model import Arrange, IndexPair, Ints, Table
from judge.reward.tournament.ranking import strengths


async def round_robin(table: Table) -> None:
    """Everyone meets everyone, all at once: n (n - 1) / 2 comparisons (Pref-GRPO, arXiv:2508.20751, section 3.2).

    Under a budget: rounds in which everyone plays at most once (circle method), until it is used up; so nobody plays two
    games more than another, but for the byes of an odd group.
    """
    pairs = circle(table.n)
    if table.left < len(pairs):
        table.notes.append(f"budget: {table.left:g} of {len(pairs)} pairs are compared")
        pairs = pairs[: int(table.left)]
    await table.meet_all(pairs)


async def top(table: Table, sizes: Sequence[int], k: int) -> Floats:
    """Everyone meets everyone, as long as it matters for who is among the best k: at most n (n - 1) / 2 comparisons.

    Those with the best prospects (the most wins that they may still end with) meet first, and waves of games wait for each
    other; nobody plays on who is settled: even the worst (best) outcome of the games to come, and of those without a verdict,
    leaves them among the best k (outside). Who is not settled after the last game is placed by half a win for each side of a
    game without a verdict, and a note says so.

    Args:
        sizes: Responses that say the same, for each player: they tie with each other, and take as many places.
        k: Places, at least 1.

    Returns:
        Shape (n,): 1 for those among the best k, 0 for the others; those who tie for the last places share them.
    """
    while pairs := _that_matter(table, sizes, k):
        await table.meet_all(pairs)
    total = table.n * (table.n - 1) // 2
    if len(table.asked) < total:
        table.notes.append(f"{total - len(table.asked)} of {total} pairs are not compared: the best {k} are settled without them")
    low, high = _bounds(table, sizes)
    done = _settled(low, high, sizes, k)
    silent = sum(not (done[a] and done[b]) for a, b in table.unresolved)
    if silent:
        table.notes.append(f"the best {k} are not certain: {silent} comparisons without a verdict count half for each side")
    low, high = _bounds(table, sizes, silent=0.5)
    counts = np.asarray(sizes)
    above = np.array([counts[low > high[p]].sum() for p in range(table.n)])  # certainly better
    level = np.array([counts[(high >= low[p]) & (low <= high[p])].sum() for p in range(table.n)])  # may be equal, itself included
    return np.asarray(np.clip((k - above) / level, 0.0, 1.0))


def _that_matter(table: Table, sizes: Sequence[int], k: int) -> list[IndexPair]:
    """The next games: those among the best prospects, or, where they have all met, all that these still have to play."""
    low, high = _bounds(table, sizes)
    done = _settled(low, high, sizes, k)
    unmet = {p: [q for q in range(table.n) if q != p and not table.met(p, q)] for p in range(table.n) if not done[p]}
    able = sorted((p for p, others in unmet.items() if others), key=lambda p: (-high[p], -low[p], p))
    if not able:
        return []
    leaders = [p for p in able if high[p] >= high[able[min(k, len(able)) - 1]]]
    pairs, busy = list[IndexPair](), set[int]()
    for p in leaders:
        rival = next((q for q in leaders if q in unmet[p] and q not in busy and p not in busy), None)
        if rival is not None:
            pairs.append((min(p, rival), max(p, rival)))
            busy |= {p, rival}
    return pairs or sorted({(min(p, q), max(p, q)) for p in leaders for q in unmet[p]})


def _bounds(table: Table, sizes: Sequence[int], *, silent: float | None = None) -> tuple[Floats, Floats]:
    """The fewest and the most wins that each player may end with.

    Args:
        silent: What a game without a verdict counts for each side, in [0, 1]; None: either side may have won it.
    """
    low, high = np.zeros(table.n), np.zeros(table.n)
    for a in range(table.n):
        for b in range(table.n):
            if a != b:
                win = table.wins[a, b]
                value = float(win) if not np.isnan(win) else silent if table.met(a, b) else None
                low[a] += sizes[b] * (0.0 if value is None else value)
                high[a] += sizes[b] * (1.0 if value is None else value)
        low[a] += 0.5 * (sizes[a] - 1)
        high[a] += 0.5 * (sizes[a] - 1)
    return np.round(low, 9), np.round(high, 9)


def _settled(low: Floats, high: Floats, sizes: Sequence[int], k: int) -> list[bool]:
    """Whether it is certain of each player that they are among the best k, or not."""
    counts = np.asarray(sizes)
    if k >= counts.sum():
        return [False] * len(low)
    rivals = [counts[high >= low[p]].sum() for p in range(len(low))]  # who may come level or higher, itself included
    better = [counts[low > high[p]].sum() for p in range(len(low))]
    return [bool(r <= k or b >= k) for r, b in zip(rivals, better, strict=True)]


def circle(n: int) -> list[IndexPair]:
    """All pairs of n players, ordered in rounds of disjoint pairs.

    Example:
        >>> circle(4)
        [(0, 3), (1, 2), (0, 2), (1, 3), (0, 1), (2, 3)]
    """
    ring: list[int | None] = [*range(n), *([None] if n % 2 else [])]
    out: list[IndexPair] = []
    for _ in range(len(ring) - 1):
        for a, b in zip(ring[: len(ring) // 2], reversed(ring), strict=False):
            if a is not None and b is not None:
                out.append((min(a, b), max(a, b)))
        ring = [ring[0], ring[-1], *ring[1:-1]]
    return out


async def anchor(table: Table, anchors: int = 1) -> None:
    """Everyone meets the drawn anchors, all at once: about anchors x n comparisons (ArenaRL, arXiv:2601.06487, anchor ranking).

    Under a budget: the rest of the group, in drawn order, is not compared and has no reward.
    """
    pairs = [(a, b) for a in range(min(anchors, table.n)) for b in range(a + 1, table.n)]
    if table.left < len(pairs):
        table.notes.append(f"budget: {table.left:g} of {len(pairs)} pairs are compared")
        pairs = pairs[: int(table.left)]
    await table.meet_all(pairs)


async def random_reference(table: Table) -> None:
    """Everyone meets one member drawn by the seed: n - 1 comparisons (BRPO, arXiv:2506.00103). Budget: as `anchor`."""
    table.reference = 0
    await anchor(table)


async def swiss(table: Table, seeds: Sequence[int], rounds: int | None = None) -> None:
    """Rounds in which those with equal points meet: rounds x n / 2 comparisons (ArenaRL's repository: win 1, tie 0.5).

    The points of a round decide the next, so rounds wait for each other. Nobody meets the same one twice; with an odd number of
    players the last of those who sat out least sits out. Places: mean points, then the opponents' (Buchholz). A comparison
    without a verdict gives nobody points; after the rounds, who lost one so meets the nearest one not met, so that a response
    that cannot be judged costs its opponents no comparison. Ours: the means, and nothing for sitting out; the repository adds
    up, gives a bye a point, and so ranks players that all tied by who had it.

    Under a budget: fewer rounds, and of the last one only the leading pairs.
    """
    n = table.n
    points, games, sat_out, failed = np.zeros(n), np.zeros(n), np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    seed_of = np.argsort(np.asarray(seeds))

    def rates() -> Floats:
        return np.asarray(np.where(games > 0, points / np.maximum(games, 1), 0.5))

    async def meet(pairs: Sequence[IndexPair]) -> None:
        await table.meet_all(pairs)
        for a, b in pairs:
            win = table.wins[a, b]
            if np.isnan(win):
                table.undecided += 1
                failed[[a, b]] += 1
            else:
                points[[a, b]] += win, 1 - win
                games[[a, b]] += 1

    for number in range(ceil(log2(n)) if rounds is None and n > 1 else rounds or 0):
        rate = rates()
        standing = sorted(range(n), key=lambda p: (-round(float(rate[p]), 9), seed_of[p]))
        if n % 2:
            last = min(reversed(standing), key=lambda p: sat_out[p])
            sat_out[last] += 1
            standing.remove(last)
        pairs = _neighbours(table, standing)
        if table.left < len(pairs):
            table.notes.append(f"budget: Swiss stops in round {number + 1}")
            table.undecided += len(pairs) - int(table.left)
            pairs = pairs[: int(table.left)]
        await meet(pairs)
    if failed.any():
        await meet(_made_up(table, rates(), games, failed))
    rate = rates()
    table.places = rate + 1e-5 * ((~np.isnan(table.wins)) @ rate) / np.maximum(games, 1)


def _made_up(table: Table, rate: Floats, games: Floats, failed: Ints) -> list[IndexPair]:
    """For each comparison that failed, one with the nearest player not met, where both can be judged at all."""
    able = [p for p in range(table.n) if games[p]]
    owed = {p: int(failed[p]) for p in able}
    pairs: list[IndexPair] = []
    for a in sorted(able, key=lambda p: (-round(float(rate[p]), 9), p)):
        near = sorted((p for p in able if p != a), key=lambda p: (owed[p] < 1, abs(round(float(rate[p] - rate[a]), 9)), p))
        for b in near:
            pair = (min(a, b), max(a, b))
            if owed[a] > 0 and not table.met(a, b) and pair not in pairs:
                pairs.append(pair)
                owed[a] -= 1
                owed[b] -= 1
    return pairs[: int(min(table.left, len(pairs)))]


async def consolation(table: Table, rounds: int, pseudo_games: float) -> None:
    """Rounds in which everyone meets the nearest one not met yet, by the Bradley-Terry strengths so far: rounds x n / 2.

    Ours: a bracket asks most about the top, and a group reward needs the middle and the bottom in order too.
    """
    for number in range(rounds):
        known = strengths(table.wins, "bradley_terry", pseudo_games)
        standing = sorted(range(table.n), key=lambda p: (-round(float(known[p]), 6), p))
        pairs = _neighbours(table, standing)
        if table.left < len(pairs):
            table.notes.append(f"budget: consolation stops in round {number + 1}")
            pairs = pairs[: int(table.left)]
        if not pairs:
            return
        await table.meet_all(pairs)


def _neighbours(table: Table, standing: Sequence[int]) -> list[IndexPair]:
    """Pair each, best first, with the next best one it has not met; who is left over has no pair."""
    free = list(standing)
    pairs: list[IndexPair] = []
    while free:
        a = free.pop(0)
        b = next((p for p in free if not table.met(a, p)), None)
        if b is not None:
            free.remove(b)
            pairs.append((a, b))
    return pairs


async def listwise(table: Table, arrange: Arrange, *, window: int, shuffles: int, seed: int) -> None:
    """Lists of at most `window` responses, each response in `shuffles` of them, all asked at once.

    Each shuffle is a drawn partition of the group into windows of nearly equal size, in drawn order, so that no place of
    the list favours anyone on average. A list with scores s counts as a comparison of each pair in it: 1, 0.5 or 0 by
    the sign of s_i - s_j. A response that the judge left out has no comparison from that list.

    Under a budget (of lists): the first shuffles are complete, the last one is cut.

    Args:
        arrange: Players in the order shown -> scores in that order, None where there is none.
    """
    lists = []
    for shuffle in range(shuffles):
        order = list(range(table.n))
        random.Random(f"{seed}:{shuffle}").shuffle(order)
        parts = max(1, ceil(table.n / window))
        lists += [order[k::parts] for k in range(parts)]
    if table.left < len(lists):
        table.notes.append(f"budget: {table.left:g} of {len(lists)} lists are asked")
        lists = lists[: int(table.left)]
    lists = [shown for shown in lists if len(shown) > 1]
    answers = await asyncio.gather(*(arrange(shown) for shown in lists))
    table.calls += len(lists)
    for shown, scores in zip(lists, answers, strict=True):
        for i, a in enumerate(shown):
            for b, first, second in ((shown[j], scores[i], scores[j]) for j in range(i + 1, len(shown))):
                if first is not None and second is not None:
                    table.enter(a, b, 0.5 if first == second else float(first > second))
                else:
                    table.unresolved.append((min(a, b), max(a, b)))
    table.unresolved[:] = sorted({p for p in table.unresolved if np.isnan(table.wins[p])})


def standing_of(scores: Floats) -> list[int]:
    """Players, best first; equal ones in drawn order.

    Example:
        >>> standing_of(np.array([0.1, 0.9, 0.9]))
        [1, 2, 0]
    """
    return sorted(range(len(scores)), key=lambda p: (-round(float(scores[p]), 9), p))
