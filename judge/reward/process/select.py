"""Which responses of a group to train on, when the outcome and the steps were judged apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from judge.arrays import Bools, floats


def consistent(outcomes: ArrayLike, process: ArrayLike, keep: int, *, threshold: float = 0.5) -> Bools:
    """Keep right answers with good steps and wrong answers with bad ones, as many of each as there are.

    PROF (Ye et al. 2025, "Beyond Correctness: Harmonizing Process and Outcome Rewards through RL Training",
    arXiv:2509.03403): process rewards select and are never paid, so they cannot be hacked. Of the right answers those with
    the lowest mean step reward go, of the wrong ones those with the highest, and how many go of each brings the two sides
    as near to equal as they come. Ours: ties go by position, and a response without an outcome or step reward is not
    kept, since nothing says that the two agree.

    Args:
        outcomes: Shape (responses,), of one group; right at or above `threshold`; NaN for absent.
        process: Mean step reward, same shape; NaN for absent.
        keep: Responses to keep, at least 0.

    Returns:
        Shape (responses,): `keep` times True, or fewer when fewer can be used.

    Raises:
        ValueError: Shapes differ, or `keep` is negative.

    Example:
        >>> consistent([1, 1, 1, 0], [0.9, 0.2, 0.6, 0.4], keep=2)
        array([ True, False, False,  True])
    """
    result, steps = floats(outcomes, 1, "outcomes"), floats(process, 1, "process")
    if result.shape != steps.shape or keep < 0:
        raise ValueError(f"{len(result)} outcomes and {len(steps)} step rewards; keep is {keep}")
    usable = ~(np.isnan(result) | np.isnan(steps))
    right = np.flatnonzero(usable & (result >= threshold))
    wrong = np.flatnonzero(usable & (result < threshold))
    right = right[np.argsort(-steps[right], kind="stable")]
    wrong = wrong[np.argsort(steps[wrong], kind="stable")]
    half = (keep + (len(right) >= len(wrong))) // 2
    of_right = min(len(right), max(half, keep - len(wrong)))
    kept = np.zeros(len(result), dtype=np.bool_)
    kept[right[:of_right]] = True
    kept[wrong[: min(len(wrong), keep - of_right)]] = True
    return kept
