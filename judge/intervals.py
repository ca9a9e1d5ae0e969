"""The interval of a rate: one formula for reports, the monitor and the correction of noise."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple


class Interval(NamedTuple):
    """Lower and upper end, in the unit of what was measured. NaN, NaN: nothing was measured."""

    low: float
    high: float


NOTHING = Interval(math.nan, math.nan)


def wilson(successes: float, trials: float, level: float = 0.95) -> Interval:
    """Interval of a rate from independent trials, honest at 0 and at 1 as well.

    Wilson (1927), "Probable inference, the law of succession, and statistical inference".

    Args:
        successes: In [0, trials]; like `trials` rounded to a whole number (a count that forgets is none).
        trials: 0 gives NaN, NaN.
        level: Confidence, in (0, 1).

    Raises:
        ValueError: The counts are impossible.

    Example:
        >>> wilson(0, 300).high.__round__(4)
        0.0126
    """
    successes, trials = round(successes), round(trials)
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes in {trials} trials")
    if trials == 0:
        return NOTHING
    z = normal_quantile(level)
    p, squared = successes / trials, z * z
    centre = (p + squared / (2 * trials)) / (1 + squared / trials)
    half = z / (1 + squared / trials) * math.sqrt(p * (1 - p) / trials + squared / (4 * trials * trials))
    return Interval(0.0 if successes == 0 else max(0.0, centre - half), 1.0 if successes == trials else min(1.0, centre + half))


def normal_quantile(level: float) -> float:
    """How many standard deviations to each side hold `level` of a normal distribution, without loading SciPy (half a second).

    Example:
        >>> f"{normal_quantile(0.95):.3f}"
        '1.960'
    """
    return NormalDist().inv_cdf((1 + level) / 2)
