"""What a tournament is played on, and what it leaves.

- A comparison without a verdict is not a loss: its cell stays NaN, and the ranking works with what is there.
- No pair is asked twice: a bracket match that the seeding pass has already decided is not asked again.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from judge.arrays import Floats
from judge.reward.tournament.ranking import win_probability
from judge.settings.group import OrderJoin

Ints = npt.NDArray[np.int64]
IndexPair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Comparison:
    """How one response did against another.

    Attributes:
        win: Of the first over the second, in [0, 1]; 0.5 is a tie, None no verdict.
        calls: Judge calls it took.
        gap: |win in one order - win in the other|, where both were asked.
    """

    win: float | None
    calls: int = 1
    gap: float | None = None


Compare = Callable[[int, int], Awaitable[Comparison]]
Arrange = Callable[[Sequence[int]], Awaitable[Sequence[float | None]]]


@dataclass(frozen=True, slots=True, eq=False)
class Tournament:
    """A group of n responses after it has competed. Positions are those of the caller.

    Attributes:
        wins: Shape (n, n), of row over column, in [0, 1]; NaN where there is no verdict, and on the diagonal.
        counts: Shape (n, n), questions with a verdict for each pair. 0 with a number in `wins`: decided without a question
            (identical responses, wins by default).
        order: Positions, best first; those without a reward are left out.
        rewards: In [0, 1]; None for a response without any comparison.
        cycles: Triples a > b > c > a, at most 100 of them.
        cycle_count: How many there are.
        components: Sets of more than one response that all beat each other along some path.
        comparisons: Questions asked (listwise: calls).
        calls: Judge calls.
        unresolved: Pairs asked without a verdict.
        notes: What the budget left out, and other decisions, for a person.
    """

    wins: Floats
    counts: Ints
    order: tuple[int, ...]
    rewards: tuple[float | None, ...]
    cycles: tuple[tuple[int, int, int], ...] = ()
    cycle_count: int = 0
    components: tuple[tuple[int, ...], ...] = ()
    comparisons: int = 0
    calls: int = 0
    unresolved: tuple[IndexPair, ...] = ()
    notes: tuple[str, ...] = ()


class Table:
    """The win matrix while it is played on.

    Attributes:
        places: The schedule's own standing, shape (n,), higher is better; None when it has none.
        undecided: Matches of the schedule that were played on without a winner: ties of a bracket, matches without a verdict, and
            those that the budget left out. With any of them `places` are partly a draw.
        top: Share of each player in the best places, shape (n,), in [0, 1]; None where no schedule asks for that alone.
        reference: The one that all others were measured against, if there is one (`random_reference`).
    """

    def __init__(self, n: int, compare: Compare, limit: int | None = None) -> None:
        self.n = n
        self.wins: Floats = np.full((n, n), np.nan)
        self.counts: Ints = np.zeros((n, n), dtype=np.int64)
        self.asked: set[IndexPair] = set()
        self.unresolved: list[IndexPair] = []
        self.calls = 0
        self.places: Floats | None = None
        self.undecided = 0
        self.reference: int | None = None
        self.top: Floats | None = None
        self.notes: list[str] = []
        self._compare = compare
        self._limit = limit

    @property
    def left(self) -> float:
        """Comparisons that the budget still allows."""
        return math.inf if self._limit is None else self._limit - len(self.asked)

    def met(self, a: int, b: int) -> bool:
        """Whether this pair has been asked."""
        return (min(a, b), max(a, b)) in self.asked

    async def meet(self, a: int, b: int) -> float | None:
        """Win of `a` over `b`; asked only the first time. None without a verdict."""
        pair = (min(a, b), max(a, b))
        if pair not in self.asked:
            self.asked.add(pair)
            result = await self._compare(*pair)
            self.calls += result.calls
            if result.win is None:
                self.unresolved.append(pair)
            else:
                self.enter(*pair, result.win)
        win = self.wins[a, b]
        return None if np.isnan(win) else float(win)

    async def meet_all(self, pairs: Iterable[IndexPair]) -> None:
        """All these pairs at once."""
        await asyncio.gather(*(self.meet(a, b) for a, b in pairs))

    def enter(self, a: int, b: int, win: float) -> None:
        """Add one verdict; several for one pair are averaged."""
        if not 0 <= win <= 1:
            raise ValueError(f"a win is in [0, 1], not {win}")
        count = self.counts[a, b]
        mean = win if count == 0 else (self.wins[a, b] * count + win) / (count + 1)
        self.wins[a, b], self.wins[b, a] = mean, 1 - mean
        self.counts[a, b] = self.counts[b, a] = count + 1


def both_orders(compare: Compare, join: OrderJoin = "mean") -> Compare:
    """Ask (i, j) and (j, i) at once and join them, so that a judge that always prefers the first place says 0.5.

    `mean` averages the two wins, `log_odds` joins two chances by `win_probability`. One order alone would carry the position
    bias, so without both there is no verdict. Costs two questions a comparison.

    Example:
        >>> async def first_is_better(i: int, j: int) -> Comparison:
        ...     return Comparison(1.0)
        >>> asyncio.run(both_orders(first_is_better)(0, 1))
        Comparison(win=0.5, calls=2, gap=1.0)
    """

    async def ask(i: int, j: int) -> Comparison:
        there, back = await asyncio.gather(compare(i, j), compare(j, i))
        calls = there.calls + back.calls
        if there.win is None or back.win is None:
            return Comparison(None, calls)
        win = (there.win + 1 - back.win) / 2
        if join == "log_odds":
            win = float(win_probability(np.array(there.win), np.array(1 - back.win)))
        return Comparison(win, calls, abs(there.win + back.win - 1))

    return ask
