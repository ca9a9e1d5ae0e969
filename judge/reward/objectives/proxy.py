"""Where a reward stops being a proxy for what is wanted, read off one training run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from judge.arrays import floats


@dataclass(frozen=True, slots=True)
class ProxyPoint:
    """Where an objective stops being a proxy for what is wanted.

    Attributes:
        reward: Level of the objective at the best evaluation; NaN when nothing was measured.
        evaluation: The (smoothed) evaluation there.
        turned: Whether the evaluation was worse at higher rewards, so that this is a turning point and not just the
            highest reward seen.
    """

    reward: float
    evaluation: float
    turned: bool


def proxy_point(rewards: ArrayLike, evaluations: ArrayLike, *, window: int = 5) -> ProxyPoint:
    """Estimate from one training run where a reward stops helping.

    Moskovitz et al. 2023 (arXiv:2310.04373) read the point off runs that are evaluated as they train. Ours:
    checkpoints are sorted by the reward, and the evaluation is smoothed by a running median, so that one lucky checkpoint does
    not set a threshold.

    Args:
        rewards: Mean of the objective at each checkpoint, shape (checkpoints,); NaN for absent.
        evaluations: What is really wanted, measured apart from the reward, same shape, higher is better.
        window: Checkpoints in the running median, odd.

    Example:
        >>> proxy_point([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [1, 2, 3, 3, 2, 1], window=1)
        ProxyPoint(reward=0.3, evaluation=3.0, turned=True)
    """
    x, y = floats(rewards, 1, "rewards"), floats(evaluations, 1, "evaluations")
    if x.shape != y.shape or window < 1 or window % 2 == 0:
        raise ValueError("rewards and evaluations must have one shape, and window be odd")
    known = ~(np.isnan(x) | np.isnan(y))
    if not known.any():
        return ProxyPoint(float("nan"), float("nan"), False)
    order = np.argsort(x[known], kind="stable")
    x, y = x[known][order], y[known][order]
    half = window // 2
    smooth = np.array([np.median(y[max(0, i - half) : i + half + 1]) for i in range(len(y))])
    best = int(np.argmax(smooth))
    return ProxyPoint(float(x[best]), float(smooth[best]), bool((smooth[best:] < smooth[best]).any()))
