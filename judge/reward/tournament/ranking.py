"""Win matrix -> rewards in [0, 1], and where the judge contradicts itself (a > b > c > a).

- A schedule may leave most cells empty, so figures that ignore who the opponents were (win rate) suit full matrices only.
- Maximum likelihood is infinite for whoever won everything, and undefined between parts that never met. So every response
  also drew `pseudo_games` games against one imaginary response: all strengths are finite and comparable.
- Strengths live on the whole line. The reward is the expected win rate against the rest of the group, which for a full
  round robin, without pseudo-games, is the observed win rate itself.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import scipy

from judge.arrays import Floats
from judge.settings.group import GroupScale, RankingMethod

ELO_SCALE = 400 / np.log(10)  # rating points for each unit of log-odds
ELO_STEP = 200.0  # rating points for a mean surprise of 1
ELO_PERIODS = 30
SOLVED = 1e-6  # expected win rates nearer than this are equal: the solver stops at 1e-7


def win_rate(wins: Floats) -> Floats:
    """Mean win over the comparisons that have a verdict, shape (n,); NaN without any.

    r_i = sum_j w_ij / (number of j met): Pref-GRPO (arXiv:2508.20751, section 3.2). Ours: a comparison without a verdict is left
    out; the original counts it as half a win.

    Example:
        >>> nan = float("nan")
        >>> win_rate(np.array([[nan, 1, nan], [0, nan, 0.5], [nan, 0.5, nan]]))  # 1/1, (0 + 0.5)/2, 0.5/1
        array([1.  , 0.25, 0.5 ])
    """
    met = ~np.isnan(wins)
    played = met.sum(axis=1)
    total = np.where(met, wins, 0.0).sum(axis=1)
    return np.asarray(np.divide(total, played, out=np.full(len(wins), np.nan), where=played > 0))


def linear_rank(scores: Floats, ties: Literal["mean", "best"] = "mean", within: float = 1e-9) -> Floats:
    """1 for the best to 0 for the last; NaN stays. One alone has 0.5, and so have all where all are equal.

    r = 1 - (rank - 1) / (n - 1): ArenaRL (arXiv:2601.06487, section 3). Neighbours that differ by at most `within` are equal.

    - `mean`: equal scores share the mean of their ranks.
    - `best`: they share the best one, and the last rank that is taken is worth 0: (last - rank) / (last - 1), as in ArenaRL's
      repository for `anchor` and `round_robin` (where all are equal the code gives 0, before it standardises).

    Example:
        >>> linear_rank(np.array([0.9, 0.1, 0.5, 0.5]))
        array([1. , 0. , 0.5, 0.5])
        >>> linear_rank(np.array([0.9, 0.1, 0.5, 0.5]), "best").round(3)  # ranks 1, 4, 2, 2
        array([1.   , 0.   , 0.667, 0.667])
    """
    out = np.full(len(scores), np.nan)
    known = ~np.isnan(scores)
    if not known.any():
        return out
    values = scores[known]
    order = np.argsort(-values)
    level = np.empty(len(values))
    level[order] = np.cumsum(np.diff(-values[order], prepend=-values[order[0]]) > within)
    ranks = scipy.stats.rankdata(level, method="average" if ties == "mean" else "min")
    last = float(known.sum()) if ties == "mean" else ranks.max()
    out[known] = (last - ranks) / (last - 1) if last > 1 else 0.5
    return out


def strengths(wins: Floats, how: RankingMethod = "bradley_terry", pseudo_games: float = 0.5) -> Floats:
    """Log-odds strengths, shape (n,), finite for any matrix: P(i beats j) = 1 / (1 + exp(s_j - s_i)).

    - `bradley_terry`: maximum likelihood (Bradley and Terry 1952) by iterated Luce spectral ranking of `choix`.
    - `eigen`: its first step, the stationary distribution (an eigenvector) of the chain that walks from losers to winners
      (Maystre and Grossglauser 2015, section 3; for equal numbers of games it is Rank Centrality, Negahban et al. 2012).
    - `elo`: rating periods in which all games count at once, so that no order of games matters (ours; Elo is sequential):
      R_i += 200 mean_j(w_ij - 1 / (1 + 10^((R_j - R_i) / 400))), 30 periods. It is kept finite by the number of periods.

    Args:
        wins: Shape (n, n), in [0, 1], NaN where not played. Fractions count as parts of a win.
        pseudo_games: Drawn games against an imaginary response.

    Example:
        >>> nan = float("nan")
        >>> two = np.array([[nan, 1.0], [0.0, nan]])
        >>> first, second = strengths(two)  # wins expected = wins had: 0.88 + 0.5 x 0.73 = 1 + 0.25
        >>> f"{scipy.special.expit(first - second):.2f} {scipy.special.expit(first):.2f}"
        '0.88 0.73'
    """
    met = ~np.isnan(wins)
    won = np.where(met, wins, 0.0)
    if how == "elo":
        return _elo(won, met)
    from choix import ilsr_pairwise_dense, lsr_pairwise_dense  # noqa: PLC0415  # scipy's solvers, only where needed

    n = len(wins)
    games = np.zeros((n + 1, n + 1))
    games[:n, :n] = won
    games[n, :n] = games[:n, n] = pseudo_games / 2
    found = lsr_pairwise_dense(games) if how == "eigen" else ilsr_pairwise_dense(games, max_iter=10_000, tol=1e-7)
    return np.asarray(found[:n], dtype=np.float64)


def _elo(won: Floats, met: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Floats:
    ratings = np.zeros(len(won))
    played = np.maximum(met.sum(axis=1), 1)
    for _ in range(ELO_PERIODS):
        expected = scipy.special.expit((ratings[:, None] - ratings[None, :]) / ELO_SCALE)
        ratings = ratings + ELO_STEP * np.where(met, won - expected, 0.0).sum(axis=1) / played
    return np.asarray(ratings / ELO_SCALE)


def expected_win_rate(strength: Floats) -> Floats:
    """Mean probability of beating the rest of the group, in [0, 1], shape (n,); 0.5 for one alone.

    Example:
        >>> expected_win_rate(np.log([3.0, 1.0]))  # 3 / (3 + 1)
        array([0.75, 0.25])
    """
    n = len(strength)
    if n < 2:
        return np.full(n, 0.5)
    beats = scipy.special.expit(strength[:, None] - strength[None, :])
    return np.asarray((beats.sum(axis=1) - 0.5) / (n - 1))


def win_probability(shown_first: Floats, shown_second: Floats) -> Floats:
    """Chance of beating an anchor, of a judge asked in both orders: sigmoid of the mean of the two log-odds.

    Pairwise-RL (Xu et al. 2025, "A Unified Pairwise Framework for RLHF", arXiv:2504.04950) trains on the calibrated
    probability of beating an anchor response. Ours: the log-odds are averaged, which takes out a constant preference for the
    first place exactly; the mean of the two chances would be 0.61 in the example.

    Args:
        shown_first: Chance that the response wins when it is shown first, in [0, 1]; NaN for absent. What the judge's
            log-probabilities say (`Uncertainty.expected` of a pairwise recipe in one order), or a share of votes.
        shown_second: The same when it is shown second.

    Returns:
        Same shape, in (0, 1); NaN where one order is absent. Chances are cut to [1e-6, 1 - 1e-6].

    Raises:
        ValueError: Shapes differ, or a chance is outside [0, 1].

    Example:
        >>> sigmoid = scipy.special.expit
        >>> win_probability(sigmoid(np.array([1.0 + 2.0])), sigmoid(np.array([1.0 - 2.0]))).round(4)  # sigmoid(1), bias 2
        array([0.7311])
    """
    both = np.stack([np.asarray(shown_first, dtype=np.float64), np.asarray(shown_second, dtype=np.float64)])
    if ((both < 0) | (both > 1)).any():
        raise ValueError(f"chances must be in [0, 1], and one is {both[(both < 0) | (both > 1)][0]:g}")
    both = np.clip(both, 1e-6, 1 - 1e-6)
    return np.asarray(scipy.special.expit((np.log(both) - np.log1p(-both)).mean(axis=0)), dtype=np.float64)


def against(wins: Floats, reference: int) -> Floats:
    """BRPO's outcome against the in-group reference, from -1 / +1 to 0 / 1; a tie, and the reference itself, 0.5.

    Writing-Zero (arXiv:2506.00103, section on BRPO): +1 for a win and -1 for a loss are used directly as advantages.
    r = (1 + sign(w - 0.5)) / 2, so that 2 r - 1 is the published figure.

    Example:
        >>> nan = float("nan")
        >>> against(np.array([[nan, 0.9, nan], [0.1, nan, 0.5], [nan, 0.5, nan]]), 1)
        array([1. , 0.5, 0.5])
    """
    out = (1 + np.sign(np.round(wins[:, reference] - 0.5, 9))) / 2
    out[reference] = 0.5
    return np.asarray(out)


def settle(
    wins: Floats,
    ranking: RankingMethod,
    scale: GroupScale,
    *,
    places: Floats | None = None,
    reference: int | None = None,
    pseudo_games: float = 0.5,
) -> Floats:
    """Rewards in [0, 1], shape (n,); NaN for a row without any comparison.

    Args:
        places: The schedule's own standing, for `places`; the win rate where it has none.
        reference: For `sign`; without one, the mean over everyone met of 1 for a win, 0.5 for a tie, 0 for a loss.
    """
    seen = ~np.isnan(wins).all(axis=1) if len(wins) else np.zeros(0, dtype=bool)
    out = np.full(len(wins), np.nan)
    if not seen.any():
        return out
    part = wins[np.ix_(seen, seen)]
    if ranking == "sign" and reference is not None:
        scores = against(wins, reference)[seen]
    elif ranking == "sign":
        scores = win_rate((1 + np.sign(np.round(part - 0.5, 9))) / 2)
    elif ranking == "places" and places is not None:
        scores = places[seen]
        scale = "rank" if scale == "strength" else scale  # a place is no figure in [0, 1]
    elif ranking in ("win_rate", "places"):
        scores = win_rate(part)
    else:
        scores = expected_win_rate(strengths(part, ranking, pseudo_games))
    if scale != "strength":
        fitted = ranking in ("bradley_terry", "elo", "eigen")  # equal strengths come out equal to about 1e-7
        scores = linear_rank(scores, "mean" if scale == "rank" else "best", SOLVED if fitted else 1e-9)
    out[seen] = scores
    return out


MOST = 100  # triples listed


def triples(wins: Floats) -> tuple[int, tuple[tuple[int, int, int], ...]]:
    """Count the 3-cycles of the majority relation (win above 0.5) and list the first hundred.

    There are trace(B^3) / 3 of them, where B[i, j] = 1 when i beats j (each cycle is found from each of its members).

    Example:
        >>> nan = float("nan")
        >>> triples(np.array([[nan, 1, 0], [0, nan, 1], [1, 0, nan]]))
        (1, ((0, 1, 2),))
    """
    beats = np.nan_to_num(wins, nan=0.0) > 0.5
    b = beats.astype(np.int64)
    count = int(np.trace(b @ b @ b)) // 3
    found: list[tuple[int, int, int]] = []
    for i in range(len(wins) if count else 0):
        for j in np.flatnonzero(beats[i, i + 1 :]) + i + 1:  # each cycle once: from its lowest member
            closing = np.flatnonzero(beats[j] & beats[:, i])
            found += [(i, int(j), int(k)) for k in closing if k > i]
        if len(found) >= MOST:
            break
    return count, tuple(found[:MOST])


def components(wins: Floats) -> tuple[tuple[int, ...], ...]:
    """Sets of responses that beat each other along some path (strongly connected, more than one member).

    Example:
        >>> nan = float("nan")
        >>> components(np.array([[nan, 1, 0, 1], [0, nan, 1, 1], [1, 0, nan, 1], [0, 0, 0, nan]]))
        ((0, 1, 2),)
    """
    if not len(wins):
        return ()
    beats = np.nan_to_num(wins, nan=0.0) > 0.5
    number, labels = scipy.sparse.csgraph.connected_components(beats, directed=True, connection="strong")
    sets = (tuple(int(i) for i in np.flatnonzero(labels == k)) for k in range(number))
    return tuple(sorted(s for s in sets if len(s) > 1))
