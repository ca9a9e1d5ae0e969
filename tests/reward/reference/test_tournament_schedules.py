"""Whole tournaments against plain loops: ArenaRL's repository, brackets, Swiss, lists."""

from __future__ import annotations

import asyncio
import itertools
import math
import random
from collections.abc import Callable

import numpy as np
import pytest

from judge.reward.tournament import Comparison, play, play_lists
from judge.reward.tournament.play import draw
from judge.settings.group import GroupSettings
from tests.reward.reference.test_tournament_ranks import loop_rank, matrix, newton_free_bradley_terry

NAN = math.nan
Win = Callable[[int, int], float]
SIZES = [2, 3, 4, 5, 6, 7, 8, 9, 12, 16]


def judge(n: int, seed: int, values: list[float]) -> Win:
    """A win for each pair of positions; NaN among the values is a comparison without a verdict."""
    random_ = random.Random(f"{n}:{seed}")
    table = matrix(n, {pair: random_.choice(values) for pair in itertools.combinations(range(n), 2)})
    return lambda i, j: table[i][j]


def played(n: int, win: Win, **fields: object):
    """The project's tournament; positions are texts of their own."""

    async def compare(i: int, j: int) -> Comparison:
        return Comparison(None if math.isnan(win(i, j)) else win(i, j))

    return asyncio.run(play([f"text {k}" for k in range(n)], compare, GroupSettings.model_validate(fields), seed=1))


def in_drawn_order(n: int, win: Win, reward: Callable[[int, Win], list[float]]) -> list[float]:
    """A second implementation, on the players in the order in which the project draws them; rewards by position."""
    order = [positions[0] for positions in draw([f"text {k}" for k in range(n)], 1)]
    found = reward(n, lambda a, b: win(order[a], order[b]))
    out = [NAN] * n
    for player, position in enumerate(order):
        out[position] = found[player]
    return out


# ---- ArenaRL's repository: Alibaba-NLP/qqr 944a2e2, qqr/reward_models/arena ----------------------------------------
# Before it standardises the rewards. A win stands for a score of its judge, which grades both responses.


def arena_round_robin(n: int, win: Win) -> list[float]:
    """round_robin.py: a point or half a one for each pair, ranks by min."""
    points = [0.0] * n
    for i, j in itertools.combinations(range(n), 2):
        one, other = win(i, j), win(j, i)
        points[i] += 1.0 if one > other else 0.5 if one == other else 0.0
        points[j] += 1.0 if other > one else 0.5 if one == other else 0.0
    return loop_rank(points, "best")


def arena_anchor(n: int, win: Win) -> list[float]:
    """anchor.py: everyone's score against the first, whose own is the mean of its scores."""
    others = [win(k, 0) for k in range(1, n)]
    anchor = sum(win(0, k) for k in range(1, n)) / (n - 1)
    return loop_rank([anchor, *others], "best")


def arena_single_elimination(n: int, win: Win) -> list[float]:
    """single_elimination.py: a pass against the first player, a bracket without its empty places, byes for who is left."""
    scores: dict[int, list[float]] = {k: [] for k in range(n)}
    for k in range(1, n):
        scores[k].append(win(k, 0))
    scores[0].append(sum(win(0, k) for k in range(1, n)) / (n - 1))

    def average(player: int) -> float:
        return round(sum(scores[player]) / len(scores[player]), 9)

    by_seed = sorted(range(n), key=average, reverse=True)
    numbers, size = [0], 1
    while size < n:
        size *= 2
        numbers = [each for number in numbers for each in (number, size - 1 - number)]
    active = [by_seed[number] for number in numbers if number < n]
    eliminated = []
    while len(active) > 1:
        standing, losers, matches = [], [], []
        for at in range(0, len(active), 2):
            if at + 1 < len(active):
                matches.append((active[at], active[at + 1]))
            else:
                standing.append(active[at])
        for one, two in matches:
            scores[one].append(win(one, two))
            scores[two].append(win(two, one))
            keep, drop = (one, two) if win(one, two) >= win(two, one) else (two, one)
            standing.append(keep)
            losers.append(drop)
        eliminated.append(losers)
        active = standing
    ranked = list(active)
    for losers in reversed(eliminated):
        ranked += sorted(losers, key=average, reverse=True)
    rewards = [0.0] * n
    for rank, player in enumerate(ranked):
        rewards[player] = 1.0 - rank / (n - 1)
    return rewards


PUBLISHED = {"round_robin": arena_round_robin, "anchor": arena_anchor, "single_elimination": arena_single_elimination}


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("schedule", PUBLISHED)
@pytest.mark.parametrize(
    "values", [[0.0, 1.0], [0.0, 0.5, 1.0], [0.1, 0.3, 0.45, 0.5, 0.62, 0.8, 1.0]], ids=["wins", "ties", "margins"]
)
def test_arena_as_published(schedule: str, n: int, values: list[float], same):
    """Byes, ranks and ties of the repository, with `published: true`."""
    for seed in range(6):
        win = judge(n, seed, values)
        wanted = in_drawn_order(n, win, PUBLISHED[schedule])
        same(played(n, win, schedule=schedule, published=True).rewards, wanted, (schedule, n, seed))


# ---- brackets -----------------------------------------------------------------------------------------------------


def seed_lines(size: int) -> list[int]:
    """Standard seeding: the best meets the last, and each half again; two at a time."""
    if size == 1:
        return [0]
    half = seed_lines(size // 2)
    return [seed for one in half for seed in (one, size - 1 - one)]


class Played:
    """What was asked in a bracket, and what remained open."""

    def __init__(self, win: Win) -> None:
        self.win, self.met, self.open = win, {}, 0

    def match(self, one: int, two: int) -> tuple[int, int]:
        one, two = min(one, two), max(one, two)  # seeds are the drawn order here
        heard = {p for pair, w in self.met.items() for p in pair if not math.isnan(w)}
        win = self.met.setdefault((one, two), self.win(one, two))
        self.open += math.isnan(win) or win == 0.5
        silent = math.isnan(win) and one not in heard and two in heard
        return (two, one) if silent or win < 0.5 else (one, two)

    def rewards(self, n: int, places: list[float]) -> list[float]:
        wins = matrix(n, self.met)
        known = [k for k in range(n) if any(not math.isnan(w) for w in wins[k])]
        part = [[wins[a][b] for b in known] for a in known]
        if self.open:
            scores = [round(s, 5) for s in newton_free_bradley_terry(part, 0.5)]
        else:
            means = [[w for w in row if not math.isnan(w)] for row in part]
            scores = [places[k] + 0.4 * sum(m) / len(m) for k, m in zip(known, means, strict=True)]
        ranked = dict(zip(known, loop_rank(scores, "mean"), strict=True))
        return [ranked.get(k, NAN) for k in range(n)]


def single(n: int, win: Win) -> list[float]:
    """Seeded single elimination: places by the round, then by mean wins. No source for the byes: the project's own rule."""
    size = 1
    while size < n:
        size *= 2
    level = [k if k < n else None for k in seed_lines(size)]
    kept, places, number = Played(win), [0.0] * n, 0
    while len(level) > 1:
        following = []
        for one, two in zip(level[::2], level[1::2], strict=True):
            if one is None or two is None:
                following.append(two if one is None else one)
            else:
                winner, loser = kept.match(one, two)
                places[loser] = number
                following.append(winner)
        level, number = following, number + 1
    places[level[0]] = number
    return kept.rewards(n, places)


def double(n: int, win: Win) -> list[float]:
    """Two defeats and out, in a fixed bracket with crossed drops: the project's own (the repository draws pairs anew)."""
    size = 1
    while size < n:
        size *= 2
    kept, places, number = Played(win), [0.0] * n, 0

    def fight(one: int | None, two: int | None, at: float | None) -> tuple[int | None, int | None]:
        if one is None or two is None:
            return (two if one is None else one), None
        winner, loser = kept.match(one, two)
        if at is not None:
            places[loser] = at
        return winner, loser

    upper = [k if k < n else None for k in seed_lines(size)]
    lower: list[int | None] = []
    while len(upper) > 1:
        results = [fight(a, b, None) for a, b in zip(upper[::2], upper[1::2], strict=True)]
        upper, dropped = [w for w, _ in results], [loser for _, loser in results]
        if lower:
            lower = [fight(a, b, number)[0] for a, b in zip(lower, reversed(dropped), strict=True)]
            number += 1
        else:
            lower = dropped
        if len(lower) > 1:
            lower = [fight(a, b, number)[0] for a, b in zip(lower[::2], lower[1::2], strict=True)]
            number += 1
    champion = fight(upper[0], lower[0], number)[0] if lower else upper[0]
    places[champion] = number + 1
    return kept.rewards(n, places)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize(("schedule", "second"), [("single_elimination", single), ("double_elimination", double)])
@pytest.mark.parametrize("values", [[0.0, 1.0], [0.2, 0.9, 1.0], [0.5], [0.0, 0.5, 1.0], [0.0, 1.0, NAN]], ids=str)
def test_brackets(schedule: str, second, n: int, values: list[float], same):
    """Places where every match has a winner; the Bradley-Terry order of what was played where one has none."""
    for seed in range(3):
        win = judge(n, seed, values)
        rest = {"consolation": 0} if schedule == "single_elimination" else {}
        found = played(n, win, schedule=schedule, seeding="drawn", ranking="places", **rest).rewards
        same(found, in_drawn_order(n, win, second), (schedule, n, seed, values))


# ---- Swiss, lists -------------------------------------------------------------------------------------------------


def swiss(n: int, win: Win) -> list[float]:
    """Swiss rounds (qqr, swiss.py: points, no rematch, Buchholz), with the project's means in place of sums and no point for
    sitting out; the repository shuffles equal ones anew each round, here the drawn order decides."""
    points, games, sat = [0.0] * n, [0] * n, [0] * n
    foes: list[set[int]] = [set() for _ in range(n)]
    met: dict[tuple[int, int], float] = {}
    lost = [0] * n

    def rate(k: int) -> float:
        return points[k] / games[k] if games[k] else 0.5

    def meet(pairs: list[tuple[int, int]]) -> None:
        for one, two in pairs:
            foes[one].add(two)
            foes[two].add(one)
            met[one, two] = win(one, two)
            if math.isnan(met[one, two]):
                lost[one] += 1
                lost[two] += 1
                continue
            points[one] += met[one, two]
            points[two] += 1 - met[one, two]
            games[one] += 1
            games[two] += 1

    for _ in range(math.ceil(math.log2(n))):
        table = sorted(range(n), key=lambda k: (-round(rate(k), 9), k))
        if n % 2:
            rests = next(k for k in reversed(table) if sat[k] == min(sat))
            sat[rests] += 1
            table.remove(rests)
        pairs = []
        while table:
            one = table.pop(0)
            two = next((k for k in table if k not in foes[one]), None)
            if two is not None:
                table.remove(two)
                pairs.append((one, two))
        meet(pairs)
    failed = sum(lost)
    if failed:
        able = [k for k in range(n) if games[k]]
        rated, owed, extra = {k: rate(k) for k in able}, dict(enumerate(lost)), []
        for one in sorted(able, key=lambda k: (-round(rated[k], 9), k)):
            for two in sorted(
                (k for k in able if k != one), key=lambda k: (owed[k] < 1, abs(round(rated[k] - rated[one], 9)), k)
            ):
                if owed[one] > 0 and two not in foes[one] and {one, two} not in map(set, extra):
                    extra.append((one, two))
                    owed[one] -= 1
                    owed[two] -= 1
        meet(extra)
    wins = matrix(n, met)
    known = [k for k in range(n) if games[k]]
    if failed:
        scores = [round(s, 5) for s in newton_free_bradley_terry([[wins[a][b] for b in known] for a in known], 0.5)]
    else:
        scores = [rate(k) + 1e-5 * sum(rate(f) for f in foes[k]) / games[k] for k in known]
    ranked = dict(zip(known, loop_rank(scores, "mean"), strict=True))
    return [ranked.get(k, NAN) for k in range(n)]


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("values", [[0.0, 1.0], [0.5], [0.0, 0.5, 1.0], [0.2, 0.6, 0.9], [0.0, 1.0, NAN]], ids=str)
def test_swiss(n: int, values: list[float], same):
    for seed in range(4):
        win = judge(n, seed, values)
        found = played(n, win, schedule="swiss", seeding="drawn", ranking="places").rewards
        same(found, in_drawn_order(n, win, swiss), (n, seed, values))


@pytest.mark.parametrize("n", [1, 2, 5, 9, 12])
def test_lists(n: int, same):
    """A list is a comparison of each pair in it. The project's own schedule: the matrix is made again from what was shown."""
    for seed in range(4):
        draw_ = random.Random(f"{n}:{seed}")
        asked: list[tuple[list[int], list[float | None]]] = []

        async def arrange(shown, asked=asked, draw_=draw_):
            scores = [draw_.choice([None, 0.2, 0.5, 0.9]) for _ in shown]
            asked.append((list(shown), scores))
            return scores

        settings = GroupSettings(schedule="listwise", window=4, shuffles=3, ranking="win_rate")
        found = asyncio.run(play_lists([f"text {k}" for k in range(n)], arrange, settings, seed=seed))
        had: dict[tuple[int, int], list[float]] = {}
        for shown, scores in asked:
            for (i, a), (j, b) in itertools.permutations(zip(shown, scores, strict=True), 2):
                if a is not None and b is not None:
                    had.setdefault((i, j), []).append(1.0 if a > b else 0.5 if a == b else 0.0)
        wanted = []
        for i in range(n):
            means = [sum(had[i, j]) / len(had[i, j]) for j in range(n) if (i, j) in had]
            wanted.append(sum(means) / len(means) if means else NAN)
        same(found.rewards, wanted, (n, seed))
        assert np.nanmax(found.counts) <= 3
