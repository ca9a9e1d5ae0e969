"""One group through one schedule: draw, play, rank.

- Everything drawn depends on what the responses say and on the seed, never on their positions: the same group in another
  order is the same tournament.
- Identical responses are one player: they tie, and no question is spent on them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence

import numpy as np

from judge.arrays import Floats
from judge.reward.tournament import schedules
from judge.reward.tournament.brackets import double_elimination, published_elimination, single_elimination
from judge.reward.tournament.model import Arrange, Compare, Comparison, Ints, Table, Tournament, both_orders
from judge.reward.tournament.ranking import components, settle, strengths, triples
from judge.settings.group import GroupSettings


async def play(
    keys: Sequence[str],
    compare: Compare,
    settings: GroupSettings,
    *,
    seed: int = 0,
    prior: Sequence[float | None] | None = None,
    lost: Collection[int] = (),
    single_order: bool = False,
) -> Tournament:
    """Play a group by pairwise comparisons.

    Args:
        keys: What each response says; equal ones tie without a question.
        compare: Called with two positions; asks in both orders itself, unless `single_order`.
        prior: Earlier scores for the seeding, any scale; None counts as the lowest.
        lost: Positions that lose to all others without a question (vetoed): their reward is 0.
        single_order: The tournament asks (i, j) and (j, i) itself, and joins them as `settings.join` says.

    Raises:
        ValueError: The schedule is `listwise`, or seeding by `prior` has no prior.

    Example:
        >>> import asyncio
        >>> async def longer(i: int, j: int) -> Comparison:
        ...     return Comparison(float(i > j))
        >>> asyncio.run(play(["a", "b", "c"], longer, GroupSettings())).rewards
        (0.0, 0.5, 1.0)
    """
    if settings.schedule == "listwise":
        raise ValueError("`listwise` needs `play_lists`")
    if (
        settings.seeding == "prior"
        and prior is None
        and settings.schedule in ("single_elimination", "double_elimination", "swiss")
    ):
        raise ValueError("seeding by `prior` needs prior scores")
    players = draw(keys, seed, lost)
    ask = both_orders(compare, settings.join) if single_order else compare

    async def meet(a: int, b: int) -> Comparison:
        return await ask(players[a][0], players[b][0])

    table = Table(len(players), meet, settings.max_comparisons)
    if settings.top is not None and table.n > 1:
        table.top = await schedules.top(table, [len(positions) for positions in players], settings.top)
    else:
        await _run(table, settings, None if prior is None else _prior(players, prior))
    return _close(table, players, len(keys), settings, lost, len(table.asked))


async def play_lists(
    keys: Sequence[str], arrange: Arrange, settings: GroupSettings, *, seed: int = 0, lost: Collection[int] = ()
) -> Tournament:
    """Play a group by lists: `arrange` takes positions in the order shown and gives their scores in that order."""
    players = draw(keys, seed, lost)

    async def never(_a: int, _b: int) -> Comparison:
        raise AssertionError("a listwise group asks no pairs")

    async def shown(group: Sequence[int]) -> Sequence[float | None]:
        return await arrange([players[p][0] for p in group])

    table = Table(len(players), never, settings.max_comparisons)
    await schedules.listwise(table, shown, window=settings.window, shuffles=settings.shuffles, seed=seed)
    return _close(table, players, len(keys), settings, lost, table.calls)


def draw(keys: Sequence[str], seed: int, lost: Collection[int] = ()) -> list[list[int]]:
    """Players in an order drawn by content and seed; each is the positions of one text.

    Example:
        >>> sorted(draw(["x", "y", "x"], 0))
        [[0, 2], [1]]
    """
    where: dict[str, list[int]] = {}
    for position, key in enumerate(keys):
        if position not in lost:
            where.setdefault(key, []).append(position)

    def drawn(key: str) -> tuple[bytes, str]:
        return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8, key=b"draw-%d" % seed).digest(), key

    return [where[key] for key in sorted(where, key=drawn)]


def _prior(players: Sequence[Sequence[int]], prior: Sequence[float | None]) -> Floats:
    """One score a player: the mean of its copies' scores."""
    scores = np.full(len(players), -np.inf)
    for index, positions in enumerate(players):
        known = [s for p in positions if (s := prior[p]) is not None]
        scores[index] = float(np.mean(sorted(known))) if known else -np.inf
    return scores


async def _run(table: Table, settings: GroupSettings, prior: Floats | None) -> None:
    if table.n < 2:
        return
    if settings.schedule == "round_robin":
        await schedules.round_robin(table)
    elif settings.schedule == "anchor":
        await schedules.anchor(table, settings.anchors)
    elif settings.schedule == "random_reference":
        await schedules.random_reference(table)
    elif settings.schedule == "swiss":
        await schedules.swiss(table, _drawn_or_prior(table, settings, prior), settings.rounds)
    elif settings.schedule == "double_elimination":
        await double_elimination(table, await _seeds(table, settings, prior, 2 * table.n - 2))
    elif settings.published:
        await published_elimination(table)
    else:
        await single_elimination(table, await _seeds(table, settings, prior, table.n - 1))
        await schedules.consolation(table, settings.consolation, settings.pseudo_games)


def _drawn_or_prior(table: Table, settings: GroupSettings, prior: Floats | None) -> list[int]:
    """Swiss is its own first pass: it starts from the prior, or as drawn."""
    return schedules.standing_of(prior) if settings.seeding == "prior" and prior is not None else list(range(table.n))


async def _seeds(table: Table, settings: GroupSettings, prior: Floats | None, needed: int) -> list[int]:
    """Players, best first, before the bracket."""
    if settings.seeding != "anchor":
        return _drawn_or_prior(table, settings, prior)
    anchors = min(settings.anchors, table.n - 1)
    cost = sum(table.n - 1 - a for a in range(anchors))
    if table.left < cost + needed:
        table.notes.append("budget: no seeding pass, seeds are drawn")
        return list(range(table.n))
    await schedules.anchor(table, anchors)
    return schedules.standing_of(strengths(table.wins, "bradley_terry", settings.pseudo_games))


def _close(
    table: Table, players: Sequence[Sequence[int]], n: int, settings: GroupSettings, lost: Collection[int], asked: int
) -> Tournament:
    """From players back to positions: copies tie, those who lost are beaten by all, then rank."""
    of = {position: player for player, positions in enumerate(players) for position in positions}
    alive = sorted(of)
    index = np.array([of[p] for p in alive], dtype=np.int64)
    wins, counts = np.full((n, n), np.nan), np.zeros((n, n), dtype=np.int64)
    if alive:
        part = table.wins[np.ix_(index, index)]
        same = index[:, None] == index[None, :]
        part[same] = 0.5
        np.fill_diagonal(part, np.nan)
        wins[np.ix_(alive, alive)] = part
        counts[np.ix_(alive, alive)] = table.counts[np.ix_(index, index)]
    for position in lost:
        wins[alive, position], wins[position, alive] = 1.0, 0.0
    places = None
    if table.places is not None:
        places = np.full(n, -1.0)
        places[alive] = table.places[index]
    unknown = _unknown(table, players)
    kept = [p for p in range(n) if of.get(p) not in unknown]  # who has no comparison takes no part in the others' ranks
    scores = np.full(n, np.nan)
    if table.top is not None:
        scores[alive] = table.top[index]
    else:
        scores[kept] = _scores(_ranked_on(wins, counts, players, settings), kept, places, table, players, settings)
    rewards: list[float | None] = [None if np.isnan(s) else min(1.0, max(0.0, float(s))) for s in scores]
    for position in range(n):
        if position in lost:
            rewards[position] = 0.0
        elif of[position] in unknown:
            rewards[position] = None
    notes = list(table.notes)
    if settings.ranked[0] == "places" and table.undecided:
        notes.append(f"{table.undecided} undecided matches: ranked by bradley_terry")
    skew = _skew(table)
    if settings.max_skew is not None and skew is not None and abs(skew) > settings.max_skew:
        notes.append(f"the reference is an outlier: mean outcome {skew:+.2f} against it")
        rewards = [0.0 if p in lost else None for p in range(n)]
    count, cyclic = triples(wins)
    unresolved = tuple((players[a][0], players[b][0]) for a, b in sorted(table.unresolved))
    order = [p for _, p in sorted((-r, p) for p, r in enumerate(rewards) if r is not None)]
    return Tournament(
        wins,
        counts,
        tuple(order),
        tuple(rewards),
        cyclic,
        count,
        components(wins),
        asked,
        table.calls,
        unresolved,
        tuple(notes),
    )


def _ranked_on(wins: Floats, counts: Ints, players: Sequence[Sequence[int]], settings: GroupSettings) -> Floats:
    """The matrix that is ranked. Against anchors, a tie with one's own copy says nothing about the anchor."""
    if settings.schedule != "anchor" or len(players) < 2:
        return wins
    return np.asarray(np.where((counts == 0) & (wins == 0.5), np.nan, wins))


def _scores(
    wins: Floats,
    kept: Sequence[int],
    places: Floats | None,
    table: Table,
    players: Sequence[Sequence[int]],
    settings: GroupSettings,
) -> Floats:
    """Rewards of the responses that are ranked, in their order."""
    ranking, scale = settings.ranked
    if ranking == "places" and table.undecided:
        ranking, scale = "bradley_terry", "rank"
    positions = players[table.reference] if table.reference is not None and players else []
    reference = next((kept.index(p) for p in positions if p in kept), None)
    return settle(
        wins[np.ix_(kept, kept)],
        ranking,
        scale,
        places=None if places is None else places[list(kept)],
        reference=reference,
        pseudo_games=settings.pseudo_games,
    )


def _unknown(table: Table, players: Sequence[Sequence[int]]) -> set[int]:
    """Players without any verdict against another: wins by default and copies alone say nothing when there was someone to ask."""
    if len(players) < 2:
        return set()
    return {p for p in range(len(players)) if np.isnan(table.wins[p]).all()}


def _skew(table: Table) -> float | None:
    """Mean of the -1 / +1 outcomes against the reference, in [-1, 1]; None without a reference or a verdict."""
    if table.reference is None:
        return None
    column = np.delete(table.wins[:, table.reference], table.reference)
    outcomes = np.sign(column[~np.isnan(column)] - 0.5)
    return float(outcomes.mean()) if len(outcomes) else None
