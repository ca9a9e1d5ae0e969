"""Scores of the steps of one response -> one reward, and where the first error is.

- One array is one response: shape (steps,), in [0, 1], 1 best, NaN where the judge gave no verdict on a step.
- Which fold is used decides the outcome (Pan et al. 2023, "Let's Reinforce Step by Step", arXiv:2311.05821), so none is a
  default: a sum or mean pays for many easy steps, a minimum or product for none that is wrong.
- A step without a verdict might have been the worst. So it makes the fold absent, and is never skipped in silence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from judge.arrays import Floats, unit

StepFold = Literal["min", "product", "mean", "last", "max", "before_error"]
NO_ERROR = -1
_FOLDS: dict[str, Callable[[Floats], float]] = {
    "min": lambda s: float(s.min()),
    "product": lambda s: float(s.prod()),
    "mean": lambda s: float(s.mean()),
    "max": lambda s: float(s.max()),
    "last": lambda s: float(s[-1]),
}


def fold_steps(steps: ArrayLike, how: StepFold, *, threshold: float = 0.5) -> float:
    """Make one reward of the steps.

    Args:
        steps: Shape (steps,), in [0, 1].
        how: `min`, `product`, `mean`, `last`, `max`, or `before_error`: the share of the steps before the first error.
        threshold: For `before_error`: a step below it is an error.

    Returns:
        In [0, 1]. NaN without steps, and where an absent step could change the result (for `last`, only the last).

    Raises:
        ValueError: A score outside [0, 1], or an unknown fold.

    Example:
        >>> steps = [0.9, 0.8, 0.5]
        >>> [round(fold_steps(steps, how), 2) for how in ("min", "product", "mean", "last")]
        [0.5, 0.36, 0.73, 0.5]
        >>> fold_steps([0.9, np.nan, 0.5], "min")
        nan
    """
    scores = unit(steps, name="steps")
    if how == "before_error":
        first = first_error(scores, threshold)
        return float("nan") if first is None or not scores.size else (len(scores) if first == NO_ERROR else first) / len(scores)
    if not scores.size or (np.isnan(scores[-1]) if how == "last" else np.isnan(scores).any()):
        return float("nan")
    if how not in _FOLDS:
        raise ValueError(f"no fold `{how}`; known: {', '.join((*_FOLDS, 'before_error'))}")
    return _FOLDS[how](scores)


def first_error(steps: ArrayLike, threshold: float = 0.5) -> int | None:
    """Position of the first step below the threshold, from 0; -1 without an error, as ProcessBench (arXiv:2412.06559) has it.

    Returns:
        None where that cannot be told: a step without a verdict comes before any error.

    Example:
        >>> first_error([0.9, 0.2, 0.1]), first_error([0.9, 0.8]), first_error([0.9, np.nan, 0.1])
        (1, -1, None)
    """
    scores = unit(steps, name="steps")
    for position, score in enumerate(scores):
        if np.isnan(score):
            return None
        if score < threshold:
            return position
    return NO_ERROR
