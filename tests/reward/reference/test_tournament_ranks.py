"""Win matrix -> rewards, against plain loops: ranks, win rates, strengths, the order of two presentations, cycles."""

from __future__ import annotations

import itertools
import math
import random

import numpy as np
import pytest

from judge.reward.tournament import linear_rank, settle, strengths, win_probability, win_rate
from judge.reward.tournament.ranking import ELO_PERIODS, components, expected_win_rate, triples

NAN = math.nan
SEEDS = range(25)
Wins = list[list[float]]


def matrix(n: int, pairs: dict[tuple[int, int], float]) -> Wins:
    wins = [[NAN] * n for _ in range(n)]
    for (i, j), win in pairs.items():
        wins[i][j], wins[j][i] = win, 1 - win
    return wins


def some_wins(seed: int) -> Wins:
    """A group of 1 to 8: complete, with gaps, or nearly empty; wins, ties and margins."""
    draw = random.Random(seed)
    n, gaps = draw.randint(1, 8), draw.choice([0.0, 0.3, 0.8])
    values = draw.choice([[0.0, 1.0], [0.0, 0.5, 1.0], [0.5], [0.1, 0.25, 0.5, 0.9, 1.0]])
    return matrix(n, {p: draw.choice(values) for p in itertools.combinations(range(n), 2) if draw.random() >= gaps})


EDGES: list[Wins] = [
    matrix(1, {}),
    matrix(2, {}),
    matrix(2, {(0, 1): 1.0}),
    matrix(3, {(0, 1): 0.5, (0, 2): 0.5, (1, 2): 0.5}),
    matrix(3, {(0, 1): 1.0, (1, 2): 1.0, (2, 0): 1.0}),
    matrix(4, {(0, 1): 1.0, (2, 3): 0.0}),
    matrix(5, {(0, k): 1.0 for k in range(1, 5)}),
]
ALL = [*EDGES, *map(some_wins, SEEDS)]


def loop_win_rate(wins: Wins) -> list[float]:
    """Wins over comparisons (Pref-GRPO, arXiv:2508.20751; CodeGoat24/Pref-GRPO adds them in a double loop over pairs, with 0.5
    for a reply it cannot read, which is left out here)."""
    rates = []
    for row in wins:
        had = [w for w in row if not math.isnan(w)]
        rates.append(sum(had) / len(had) if had else NAN)
    return rates


def loop_rank(scores: list[float], ties: str) -> list[float]:
    """`mean`: ArenaRL's Swiss (Alibaba-NLP/qqr 944a2e2, swiss.py): the rewards of the ranks that equal ones take, averaged.
    `best`: its anchor.py and round_robin.py, pandas' rank(method="min", ascending=False), then (max - r) / (max - 1)."""
    known = [s for s in scores if not math.isnan(s)]
    n = len(known)
    out = []
    for score in scores:
        above, equal = sum(s > score + 5e-10 for s in known), sum(abs(s - score) <= 5e-10 for s in known)
        if math.isnan(score):
            out.append(NAN)
        elif ties == "mean":
            taken = range(above, above + equal)
            out.append(sum((n - 1 - k) / (n - 1) for k in taken) / equal if n > 1 else 0.5)
        else:
            last = 1 + max(sum(s > t + 5e-10 for s in known) for t in known)
            out.append((last - (above + 1)) / (last - 1) if last > 1 else 0.5)
    return out


def newton_free_bradley_terry(wins: Wins, pseudo: float) -> list[float]:
    """Bradley and Terry's maximum likelihood by the MM updates of Hunter 2004 ("MM algorithms for generalized Bradley-Terry
    models", section 2): p_i = W_i / sum_j n_ij / (p_i + p_j); with an imaginary player that drew `pseudo` games with each."""
    n = len(wins)
    won = [sum(w for w in row if not math.isnan(w)) + pseudo / 2 for row in wins] + [n * pseudo / 2]
    games = [[0.0 if math.isnan(w) else 1.0 for w in row] + [pseudo] for row in wins] + [[pseudo] * n + [0.0]]
    p = [1.0] * (n + 1)
    for _ in range(20_000):
        new = []
        for i in range(n + 1):
            weight = sum(games[i][j] / (p[i] + p[j]) for j in range(n + 1) if j != i)
            new.append(won[i] / weight if weight else 1.0)
        scale = sum(new) / (n + 1)
        new = [x / scale for x in new]
        done = max(abs(a - b) for a, b in zip(p, new, strict=True)) < 1e-13
        p = new
        if done:
            break
    return [math.log(x) for x in p[:n]]


def walked_eigen(wins: Wins, pseudo: float) -> list[float]:
    """Luce spectral ranking (Maystre and Grossglauser 2015, section 3): with equal strengths a walker goes from loser to winner
    at the rate of the wins; the logarithm of where it is in the end, by Gauss-Seidel on the balance of each place."""
    n = len(wins)
    rate = [[0.0] * (n + 1) for _ in range(n + 1)]
    for i in range(n):
        for j in range(n):
            if i != j and not math.isnan(wins[i][j]):
                rate[j][i] += wins[i][j]
        rate[n][i] += pseudo / 2
        rate[i][n] += pseudo / 2
    at = [1.0 / (n + 1)] * (n + 1)
    for _ in range(5_000):
        before = list(at)
        for i in range(n + 1):
            leaves = sum(rate[i])
            at[i] = sum(at[j] * rate[j][i] for j in range(n + 1)) / leaves if leaves else at[i]
        total = sum(at)
        at = [x / total for x in at]
        if max(abs(a - b) for a, b in zip(before, at, strict=True)) < 1e-15:
            break
    return [math.log(x) for x in at[:n]]


def periods_of_elo(wins: Wins) -> list[float]:
    """Elo's expected score 1 / (1 + 10^((R_j - R_i) / 400)) and update, all games of a period at once, 200 points for a mean
    surprise of 1. The periods are the project's own: no source beside them."""
    n = len(wins)
    ratings = [0.0] * n
    for _ in range(ELO_PERIODS):
        surprise = []
        for i in range(n):
            games = [j for j in range(n) if not math.isnan(wins[i][j])]
            gap = [wins[i][j] - 1 / (1 + 10 ** ((ratings[j] - ratings[i]) / 400)) for j in games]
            surprise.append(sum(gap) / len(gap) if gap else 0.0)
        ratings = [r + 200 * s for r, s in zip(ratings, surprise, strict=True)]
    return [r * math.log(10) / 400 for r in ratings]


def centred(values: list[float]) -> list[float]:
    return [v - sum(values) / len(values) for v in values]


@pytest.mark.parametrize("wins", ALL)
def test_win_rates(wins: Wins, same):
    same(win_rate(np.array(wins)), loop_win_rate(wins))


@pytest.mark.parametrize("ties", ["mean", "best"])
def test_ranks(ties: str, same):
    draw = random.Random(5)
    groups = [[0.9, 0.5, 0.5, 0.1], [0.5] * 4, [1.0], [NAN, 0.2], [NAN], [], [0.3, 0.3, 0.7, 0.7, NAN]]
    groups += [[draw.choice([NAN, 0.0, 0.5, 1.0, draw.random()]) for _ in range(draw.randint(1, 9))] for _ in range(200)]
    for scores in groups:
        same(linear_rank(np.array(scores, dtype=float), ties), loop_rank(scores, ties), (scores, ties))


def test_published_ranks_worked(same):
    """The rewards of the repository for one anchor and three others: ranks 1, 2, 2, 4 of which the last is 0."""
    same(linear_rank(np.array([0.9, 0.5, 0.5, 0.1]), "best"), [1, 2 / 3, 2 / 3, 0])
    same(linear_rank(np.array([0.9, 0.5, 0.5, 0.1])), [1, 0.5, 0.5, 0])


@pytest.mark.parametrize("pseudo", [0.1, 0.5, 2.0])
@pytest.mark.parametrize("how", ["bradley_terry", "eigen", "elo"])
def test_strengths(how: str, pseudo: float, compared):
    for wins in ALL:
        if how == "elo":
            wanted = periods_of_elo(wins)
        else:
            wanted = (newton_free_bradley_terry if how == "bradley_terry" else walked_eigen)(wins, pseudo)
        found = [float(s) for s in strengths(np.array(wins), how, pseudo)]
        if how != "elo":  # known up to a constant
            wanted, found = centred(wanted), centred(found)
        assert found == pytest.approx(wanted, abs=2e-4), (wins, how)
        compared(len(found))


def test_expected_win_rates(same):
    draw = random.Random(8)
    for n in (1, 2, 5):
        strength = [draw.gauss(0, 2) for _ in range(n)]
        wanted = [
            sum(1 / (1 + math.exp(b - a)) for j, b in enumerate(strength) if j != i) / (n - 1) if n > 1 else 0.5
            for i, a in enumerate(strength)
        ]
        same(expected_win_rate(np.array(strength)), wanted)


def test_two_orders_joined(same):
    """The mean of two log-odds, back to a chance. Pairwise-RL's text (arXiv:2504.04950) could not be read; this is the algebra:
    odds of o * b and o / b for a constant preference b give back o."""
    draw = random.Random(3)
    pairs = [(0.5, 0.5), (1.0, 1.0), (0.0, 1.0), (NAN, 0.4), (0.4, NAN), *((draw.random(), draw.random()) for _ in range(300))]
    for first, second in pairs:
        cut = [min(max(c, 1e-6), 1 - 1e-6) for c in (first, second)]
        odds = math.sqrt(cut[0] / (1 - cut[0]) * cut[1] / (1 - cut[1]))
        wanted = NAN if math.isnan(first) or math.isnan(second) else odds / (1 + odds)
        same(float(win_probability(np.array(first), np.array(second))), wanted, (first, second))
    for odds, bias in itertools.product([0.1, 1.0, 3.0], [0.2, 1.0, 7.0]):
        there, back = odds * bias / (1 + odds * bias), odds / bias / (1 + odds / bias)
        same(float(win_probability(np.array(there), np.array(back))), odds / (1 + odds), (odds, bias))


@pytest.mark.parametrize("wins", ALL)
def test_signs_against_a_reference(wins: Wins, same):
    """BRPO (Writing-Zero, arXiv:2506.00103; only notes could be read): +1 for a win against one drawn member, -1 for a loss."""
    for reference in range(len(wins)):
        if all(math.isnan(w) for w in wins[reference]):
            continue
        wanted = []
        for i, row in enumerate(wins):
            win = row[reference]
            if all(math.isnan(w) for w in row):
                wanted.append(NAN)
            elif i == reference:
                wanted.append(0.5)
            else:
                wanted.append(NAN if math.isnan(win) else 1.0 if win > 0.5 else 0.0 if win < 0.5 else 0.5)
        same(settle(np.array(wins), "sign", "strength", reference=reference), wanted, (wins, reference))


@pytest.mark.parametrize("wins", ALL)
def test_cycles(wins: Wins, same):
    """Every triple tried, and who reaches whom by walking from winner to loser."""
    n = len(wins)
    beats = [[not math.isnan(w) and w > 0.5 for w in row] for row in wins]
    found = [
        (i, j, k)
        for i, j, k in itertools.permutations(range(n), 3)
        if i < j and i < k and beats[i][j] and beats[j][k] and beats[k][i]
    ]
    count, listed = triples(np.array(wins))
    same([count, *sorted(listed)], [len(found), *sorted(found)])
    reach = [row[:] for row in beats]
    for via, a, b in itertools.product(range(n), repeat=3):
        reach[a][b] = reach[a][b] or (reach[a][via] and reach[via][b])
    sets = {tuple(b for b in range(n) if b == a or (reach[a][b] and reach[b][a])) for a in range(n)}
    same(sorted(components(np.array(wins))), sorted(s for s in sets if len(s) > 1))
