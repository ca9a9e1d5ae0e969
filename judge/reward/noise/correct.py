"""A judge's error rates, from probes with known answers, and rewards with the errors taken out on average.

- rho_0 is the chance that a wrong answer is accepted (false positive), rho_1 that a right one is refused (false negative).
- At rho_0 + rho_1 >= 1 the judge says nothing, or the opposite. Nothing can be corrected then, and corrections refuse.
- Correction is on average. It takes the bias out and puts variance in, and it assumes errors at random: a policy that
  has *found* what the judge accepts wrongly is not at random.
- Both corrections are affine in the reward. With one pair of rates for all, subtracting a group's mean and dividing by its
  deviation cancels them exactly. They matter where rates differ between rows (languages, criteria, judges), where rewards are
  used as they are, or beside other terms; forward weights are meant for after the advantages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from judge.arrays import Floats, unit
from judge.errors import InputError
from judge.intervals import wilson


class Rate(NamedTuple):
    """A share, with an interval. NaN when there were no trials.

    Attributes:
        value: In [0, 1].
        low: Lower end.
        high: Upper end.
        trials: What it was measured on.
    """

    value: float
    low: float
    high: float
    trials: int


@dataclass(frozen=True, slots=True)
class NoiseRates:
    """How often a judge errs.

    Attributes:
        false_positive: rho_0.
        false_negative: rho_1.
    """

    false_positive: Rate
    false_negative: Rate

    @property
    def informedness(self) -> float:
        """1 - rho_0 - rho_1 (Youden's index): the share of a reward difference that is left, in [-1, 1]; NaN if unknown."""
        return 1 - self.false_positive.value - self.false_negative.value

    @property
    def least_informedness(self) -> float:
        """The same at the upper ends of both intervals: what the probes do not rule out."""
        return 1 - self.false_positive.high - self.false_negative.high


def estimate_rates(
    *, wrong_accepted: int, wrong_probes: int, right_refused: int, right_probes: int, level: float = 0.95
) -> NoiseRates:
    """Error rates from probes (canaries) whose answer is known, with Wilson's intervals.

    Probes on which the judge gave no verdict belong in neither count.

    Args:
        wrong_accepted: Wrong or empty answers that were accepted.
        wrong_probes: Of how many.
        right_refused: Right answers that were refused.
        right_probes: Of how many.
        level: Of the intervals, in (0, 1).

    Raises:
        ValueError: Impossible counts.

    Example:
        >>> rates = estimate_rates(wrong_accepted=10, wrong_probes=100, right_refused=40, right_probes=200)
        >>> round(rates.informedness, 3), round(rates.false_positive.high, 3)
        (0.7, 0.174)
    """
    return NoiseRates(_rate(wrong_accepted, wrong_probes, level), _rate(right_refused, right_probes, level))


def backward(rewards: ArrayLike, false_positive: ArrayLike, false_negative: ArrayLike, *, least: float = 0.05) -> Floats:
    """(r - rho_0) / (1 - rho_0 - rho_1): its mean over the judge's errors is the true reward.

    The backward correction of Cai et al. 2025, "Reinforcement Learning with Verifiable yet Noisy Rewards under Imperfect
    Verifiers", arXiv:2510.00915.

    Args:
        rewards: Shape (responses,), in [0, 1]; NaN for absent.
        false_positive: rho_0, one number, or one a response.
        false_negative: rho_1, likewise.
        least: Least 1 - rho_0 - rho_1 that is corrected, above 0: variance grows with 1 / its square.

    Returns:
        Shape (responses,); outside [0, 1] in general.

    Raises:
        InputError: A rate is unknown or outside [0, 1], or the judge says too little to be corrected.

    Example:
        >>> backward([1.0, 0.0], 0.1, 0.2).round(3)  # (1 - 0.1) / 0.7 and (0 - 0.1) / 0.7
        array([ 1.286, -0.143])
    """
    values = unit(rewards)
    rho_0, rho_1 = _rates(false_positive, "false positive", values), _rates(false_negative, "false negative", values)
    left = 1 - rho_0 - rho_1
    if values.size and left.min() < max(least, 1e-9):
        worst = int(np.argmin(left))
        raise InputError(
            f"false positives {rho_0[worst]:.3g} + false negatives {rho_1[worst]:.3g} leave {left[worst]:.3g} of a reward"
            f" difference, less than {least:g}: the judge cannot be corrected; use a better judge or a stricter recipe"
        )
    return np.asarray((values - rho_0) / left, dtype=np.float64)


def forward_weights(rewards: ArrayLike, false_negative: ArrayLike, *, false_positive: ArrayLike | None = None) -> Floats:
    """Weight of each response's score-function term: rho_1 where accepted, rho_1 - 1 where refused.

    The forward correction of arXiv:2510.00915. The expected weight of a right answer is
    (1 - rho_1) rho_1 + rho_1 (rho_1 - 1) = 0, of a wrong one -(1 - rho_0 - rho_1): the clean update direction, scaled, from
    the false negative rate alone. Use it in place of an advantage, not before one is computed: group normalisation takes
    out constants. Ours: rewards between 0 and 1 get r - 1 + rho_1, the line through both.

    Args:
        rewards: Shape (responses,), in [0, 1]; NaN for absent.
        false_negative: rho_1, one number, or one a response.
        false_positive: rho_0, where known, for the check that the direction is right at all.

    Returns:
        Shape (responses,), in [-1, 1].

    Raises:
        InputError: A rate is unknown or outside [0, 1], or rho_0 + rho_1 >= 1: the weights would point the wrong way.

    Example:
        >>> forward_weights([1.0, 0.0, np.nan], 0.25)
        array([ 0.25, -0.75,   nan])
    """
    values = unit(rewards)
    rho_1 = _rates(false_negative, "false negative", values)
    rho_0 = np.zeros(len(values)) if false_positive is None else _rates(false_positive, "false positive", values)
    if values.size and (rho_0 + rho_1).max() >= 1:
        worst = int(np.argmax(rho_0 + rho_1))
        raise InputError(
            f"false positives {rho_0[worst]:.3g} + false negatives {rho_1[worst]:.3g} are 1 or more: the judge says nothing,"
            " or the opposite; use a better judge or a stricter recipe"
        )
    return np.asarray(values - 1 + rho_1, dtype=np.float64)


def true_rate(accepted: int, judged: int, rates: NoiseRates, *, level: float = 0.95) -> Rate:
    """What share of answers is right, when the judge accepted so many: the Rogan-Gladen estimate.

    (accepted / judged - rho_0) / (1 - rho_0 - rho_1), cut to [0, 1] (Rogan and Gladen 1978, "Estimating prevalence from
    the results of a screening test"). The interval counts the sampling error of all three rates (delta method, with one
    pseudo-trial of each outcome added to each count, so that a rate measured as 0 keeps its uncertainty).

    Raises:
        InputError: A rate is unknown, or rho_0 + rho_1 >= 1.
        ValueError: Impossible counts.

    Example:
        >>> rates = estimate_rates(wrong_accepted=10, wrong_probes=100, right_refused=40, right_probes=200)
        >>> share = true_rate(450, 1000, rates)  # (0.45 - 0.1) / 0.7
        >>> round(share.value, 3), share.low < 0.5 < share.high
        (0.5, True)
    """
    from scipy.special import ndtri  # noqa: PLC0415  # half a second that a judge at work need not pay

    _counts(accepted, judged)
    rho_0, rho_1, left = rates.false_positive, rates.false_negative, rates.informedness
    if not left > 0:
        raise InputError(f"1 - false positives - false negatives is {left:.3g}: nothing follows from what this judge accepts")
    if judged == 0:
        return Rate(float("nan"), float("nan"), float("nan"), 0)
    share = (accepted / judged - rho_0.value) / left
    slopes = (1 / left, (share - 1) / left, share / left)  # by accepted share, rho_0, rho_1
    variances = (
        _variance(accepted / judged, judged),
        _variance(rho_0.value, rho_0.trials),
        _variance(rho_1.value, rho_1.trials),
    )
    half = float(ndtri((1 + level) / 2)) * float(np.sqrt(sum(s * s * v for s, v in zip(slopes, variances, strict=True))))
    value = min(1.0, max(0.0, share))
    return Rate(value, max(0.0, min(value, share - half)), min(1.0, max(value, share + half)), judged)


def _variance(rate: float, trials: int) -> float:
    smooth = (rate * trials + 1) / (trials + 2)
    return smooth * (1 - smooth) / (trials + 2)


def _rate(count: int, trials: int, level: float) -> Rate:
    _counts(count, trials)
    if trials == 0:
        return Rate(float("nan"), float("nan"), float("nan"), 0)
    ends = wilson(count, trials, level)
    share = count / trials
    return Rate(share, min(share, ends.low), max(share, ends.high), trials)


def _counts(count: int, trials: int) -> None:
    if not 0 <= count <= trials:
        raise ValueError(f"{count} of {trials} is impossible")


def _rates(rate: ArrayLike, name: str, values: Floats) -> Floats:
    found = np.array(rate, dtype=np.float64)
    if np.isnan(found).any() or (found < 0).any() or (found > 1).any():
        raise InputError(
            f"the {name} rate is {found.tolist()}; it must be known and in [0, 1] (mix canaries into the batches to measure it)"
        )
    return np.asarray(np.broadcast_to(found, values.shape), dtype=np.float64)
