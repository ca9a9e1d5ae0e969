"""Votes that stop before the last one: for certain, or with a stated chance that the full vote would have come out otherwise.

- `decided`: the rest cannot change the most common score (`judge.reward.fold.decided`).
- `sprt`: Wald's sequential probability ratio test between "the judge says it in 0.5 + margin of its votes" and "in 0.5 - margin".
- `beta`: the chance, under a uniform prior, that the votes still to come put another score level with the first or above it.

All three look at the two most common scores, so a scale of five is as good as one of two. What no rule decides goes to the end.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from judge.recipe.parts import Votes
from judge.reward.fold import SLACK


def sprt_lead(error: float, margin: float) -> int:
    """How many votes ahead the first score must be for Wald's test to end.

    Wald 1945, "Sequential Tests of Statistical Hypotheses" (Annals of Mathematical Statistics 16, section 3): with equal error
    rates on both sides the test ends once the likelihood ratio reaches (1 - error) / error. A vote for the first score
    multiplies it by (0.5 + margin) / (0.5 - margin), one for the second divides it by that: only their difference counts.

    Args:
        error: Chance to end on the wrong side where the judge leans by at least `margin`, in (0, 0.5).
        margin: In (0, 0.5).

    Example:
        >>> sprt_lead(0.02, 0.2), sprt_lead(0.05, 0.2), sprt_lead(0.02, 0.3)  # ln 49 / ln (0.7 / 0.3) = 4.59
        (5, 4, 3)
    """
    return math.ceil(math.log((1 - error) / error) / math.log((0.5 + margin) / (0.5 - margin)) - SLACK)


@lru_cache(maxsize=65536)
def overtaken(ahead: int, behind: int, rest: int) -> float:
    """Chance that a score with `behind` votes draws level with one that has `ahead`, or passes it, in `rest` votes more.

    The share of the second score among the votes for either has a uniform prior, so its votes among the rest are
    beta-binomial: C(rest, x) B(x + behind + 1, rest - x + ahead + 1) / B(behind + 1, ahead + 1). All votes to come are taken to
    fall on the two, which is the worst that can happen to the first.

    Returns:
        In [0, 1]. 0 where it cannot happen.

    Example:
        >>> overtaken(1, 0, 1)  # one vote each: x = 1 with (behind + 1) / (ahead + behind + 2) = 1 / 3
        0.333...
        >>> overtaken(3, 0, 2)
        0.0
    """
    least = math.ceil((rest + ahead - behind) / 2)  # behind + x >= ahead + rest - x
    before = _log_beta(behind + 1, ahead + 1)
    terms = (
        math.exp(_log_choose(rest, x) + _log_beta(x + behind + 1, rest - x + ahead + 1) - before) for x in range(least, rest + 1)
    )
    return min(1.0, math.fsum(terms))


def settled(scores: Sequence[float | None], votes: Votes) -> bool:
    """Whether the rule of `votes` ends the voting after these.

    Args:
        scores: Those so far, in [0, 1]; None for a vote without a verdict.

    Example:
        >>> four = [1.0] * 4
        >>> [settled(four, Votes(n=11, stop=rule)) for rule in ("decided", "sprt", "beta")]
        [False, False, True]
        >>> settled([*four, 1.0], Votes(n=11, stop="sprt"))
        True
    """
    found = Counter(s for s in scores if s is not None and not math.isnan(s)).most_common(2)
    return bool(found) and _ends(found[0][1], found[1][1] if len(found) > 1 else 0, votes.n - len(scores), votes)


def next_wave(scores: Sequence[float | None], votes: Votes) -> int:
    """The fewest further votes after which the voting could end: they are asked together, and none of them in vain.

    Returns:
        At least 1 as long as votes are left, 0 once it has ended.

    Example:
        >>> next_wave([], Votes(n=5, stop="decided")), next_wave([1.0, 1.0, 0.0], Votes(n=5, stop="decided"))
        (3, 1)
    """
    left = votes.n - len(scores)
    if left <= 0 or settled(scores, votes):
        return 0
    found = Counter(s for s in scores if s is not None and not math.isnan(s)).most_common(2)
    first, second = (found[0][1] if found else 0), (found[1][1] if len(found) > 1 else 0)
    return next((more for more in range(1, left) if _ends(first + more, second, left - more, votes)), left)


def _ends(first: int, second: int, rest: int, votes: Votes) -> bool:
    if first > second + rest:
        return True
    if votes.stop == "sprt":
        return first - second >= sprt_lead(votes.error, votes.margin)
    return votes.stop == "beta" and first > second and overtaken(first, second, rest) <= votes.error


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
