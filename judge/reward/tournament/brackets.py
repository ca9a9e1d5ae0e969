"""Knock-out tournaments. A match starts as soon as its two players are known: rounds do not wait for each other.

- Ties, matches without a verdict and matches beyond the budget: the better seed goes on, because somebody has to; but not a
  response that has had no verdict yet against one that has. The seeds may be a draw, so such matches are counted
  (`Table.undecided`), and then nobody is ranked by places.
- The group's size need not be a power of two: the best seeds then start in the second round.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from judge.arrays import Floats
from judge.reward.tournament.model import Table
from judge.reward.tournament.ranking import win_rate


def lines(size: int) -> list[int]:
    """Seeds in bracket order, so that the best two can only meet in the final. `size` is a power of two.

    Example:
        >>> lines(8)
        [0, 7, 3, 4, 1, 6, 2, 5]
    """
    out = [0]
    while len(out) < size:
        out = [seed for line in out for seed in (line, 2 * len(out) - 1 - line)]
    return out


@dataclass(slots=True)
class _Slot:
    """A place in a match: who stands there is known later; whether anyone will is known at once."""

    taken: bool
    task: asyncio.Task[tuple[int | None, int | None]] | None = None
    side: int = 0
    player: int | None = None

    async def get(self) -> int | None:
        """Who stands here."""
        return self.player if self.task is None else (await asyncio.shield(self.task))[self.side]


class _Bracket:
    """Matches in the order in which the budget is given out."""

    def __init__(self, table: Table, seeds: Sequence[int]) -> None:
        self.table = table
        self.rank = {player: rank for rank, player in enumerate(seeds)}
        self.progress: Floats = np.zeros(table.n)
        self.tasks: list[asyncio.Task[tuple[int | None, int | None]]] = []
        self.allowed = table.left
        self.cut = 0
        size = 1
        while size < len(seeds):
            size *= 2
        self.first = [_Slot(s < len(seeds), player=seeds[s] if s < len(seeds) else None) for s in lines(size)]

    def match(self, one: _Slot, two: _Slot, place: float | None) -> tuple[_Slot, _Slot]:
        """Plan a match; its winner's and loser's slots. `place` is what the loser has reached, None if it plays on."""
        if not (one.taken and two.taken):
            return (one if one.taken else two), _Slot(False)
        play = self.allowed >= 1
        self.allowed -= 1
        self.cut += not play
        task = asyncio.ensure_future(self._play(one, two, place, play))
        self.tasks.append(task)
        return _Slot(True, task, 0), _Slot(True, task, 1)

    async def _play(self, one: _Slot, two: _Slot, place: float | None, play: bool) -> tuple[int | None, int | None]:
        a, b = await asyncio.gather(one.get(), two.get())
        assert a is not None and b is not None  # noqa: S101, PT018  # both slots are taken
        a, b = sorted((a, b), key=self.rank.__getitem__)
        win = await self.table.meet(a, b) if play else None
        self.table.undecided += win is None or win == 0.5
        silent = win is None and np.isnan(self.table.wins[a]).all() and not np.isnan(self.table.wins[b]).all()
        winner, loser = (b, a) if silent or (win is not None and win < 0.5) else (a, b)
        if place is not None:
            self.progress[loser] = place
        return winner, loser

    async def finish(self, final: _Slot, place: float) -> None:
        """Play everything; the winner of the final has reached `place`."""
        try:
            await asyncio.gather(*self.tasks)
        finally:
            for task in self.tasks:
                task.cancel()
        champion = await final.get()
        if champion is not None:
            self.progress[champion] = place
        if self.cut:
            self.table.notes.append(f"budget: {self.cut} matches are not played, and the better seeds go on")
        within = np.nan_to_num(win_rate(self.table.wins), nan=0.5)
        self.table.places = self.progress + 0.4 * within  # below a round: it only orders those who left together


async def single_elimination(table: Table, seeds: Sequence[int]) -> None:
    """One defeat and out: n - 1 comparisons (ArenaRL, arXiv:2601.06487, seeded single elimination).

    Places: the round reached; among those who left in the same round the mean win over all their comparisons, those of the
    seeding pass included. Four seeds 0 > 1 > 2 > 3 without surprises: 0-3 and 1-2, then 0-1, so the places are
    0, 1, then 2 and 3 by their mean wins.

    Under a budget: the first rounds are played.

    Args:
        seeds: Players, best first.
    """
    bracket = _Bracket(table, seeds)
    level, place = bracket.first, 0.0
    while len(level) > 1:
        level = [bracket.match(a, b, place)[0] for a, b in zip(level[::2], level[1::2], strict=True)]
        place += 1
    await bracket.finish(level[0], place)


async def double_elimination(table: Table, seeds: Sequence[int]) -> None:
    """Two defeats and out: at most 2 n - 2 comparisons, one final (as in ArenaRL's repository).

    Ours: losers fall into a fixed bracket in crossed order, so that they meet again late; the original draws pairs anew.
    A final between two who have met is not asked again. Places and budget: as in `single_elimination`.
    """
    bracket = _Bracket(table, seeds)
    level = bracket.first
    below: list[_Slot] = []
    place = 0.0

    def pair_up(one: Sequence[_Slot], two: Sequence[_Slot], at: float) -> list[_Slot]:
        return [bracket.match(a, b, at)[0] for a, b in zip(one, two, strict=True)]

    while len(level) > 1:
        played = [bracket.match(a, b, None) for a, b in zip(level[::2], level[1::2], strict=True)]
        level, dropped = [w for w, _ in played], [loser for _, loser in played]
        if below:
            below = pair_up(below, dropped[::-1], place)
            place += 1
        else:
            below = dropped
        if len(below) > 1:
            below = pair_up(below[::2], below[1::2], place)
            place += 1
    final = bracket.match(level[0], below[0], place)[0] if below else level[0]
    await bracket.finish(final, place + 1)


async def published_elimination(table: Table) -> None:
    """ArenaRL's seeded single elimination as its repository plays it (Alibaba-NLP/qqr, `single_elimination.py`).

    A pass against the first player gives the seeds. The bracket loses its empty places and is paired in order; who is left over
    stands first in the next round, so not the best seeds have the byes. A tie is the first one's of its pair. Places: the
    champion, then who lost last, and within a round the mean of one's points, where the first player's pass is one point and a
    pair that meets again counts again; equal ones in bracket order, so that nobody shares a place.

    The repository's judge scores both responses, and points are scores; here they are wins. There a comparison that failed is a
    tie; here it is undecided.
    """
    points: list[list[float]] = [[] for _ in range(table.n)]
    await table.meet_all((0, p) for p in range(1, table.n))
    known = [p for p in range(1, table.n) if not np.isnan(table.wins[p, 0])]
    for p in known:
        points[p].append(float(table.wins[p, 0]))
    if known:
        points[0].append(fmean(float(table.wins[0, p]) for p in known))

    def strength(player: int) -> float:
        return -round(fmean(points[player]), 9) if points[player] else -0.5

    seeds = sorted(range(table.n), key=strength)
    size = 1
    while size < table.n:
        size *= 2
    level = [seeds[s] for s in lines(size) if s < table.n]
    gone: list[list[int]] = []
    while len(level) > 1:
        pairs = list(zip(level[::2], level[1::2], strict=False))
        wins = await asyncio.gather(*(table.meet(a, b) for a, b in pairs))
        level = level[-1:] if len(level) % 2 else []
        losers = []
        for (a, b), win in zip(pairs, wins, strict=True):
            if win is None:
                table.undecided += 1
            else:
                points[a].append(win)
                points[b].append(1 - win)
            first = win is None or win >= 0.5
            level.append(a if first else b)
            losers.append(b if first else a)
        gone.append(sorted(losers, key=strength))
    order = [*level, *(player for losers in reversed(gone) for player in losers)]
    places = np.zeros(table.n)
    places[order] = np.arange(table.n, 0, -1)
    table.places = places
