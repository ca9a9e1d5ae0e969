"""Rewards of several judges on one response -> one reward."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from judge.settings import PanelFold


def fold_panel(values: Sequence[float | None], fold: PanelFold, *, k: float = 1.0, quorum: float = 0.5) -> float | None:
    """Fold the rewards of a panel.

    `min` is worst-case optimisation, which removes best-of-n over-optimisation (Coste et al. 2023, "Reward Model Ensembles
    Help Mitigate Overoptimization", section 3.2, arXiv:2310.02743). `lower_bound` pays for what the judges agree on: an
    answer that fools one of them loses by their disagreement.

    Args:
        values: One reward a judge, in [0, 1]; None where a judge has no verdict.
        k: Standard deviations (population) below the mean, for `lower_bound`.
        quorum: Least share of judges with a verdict.

    Returns:
        In [0, 1]; None below the quorum.

    Example:
        >>> fold_panel([1.0, 1.0, 0.0], "lower_bound"), fold_panel([1.0, None, None], "mean")
        (0.195..., None)
    """
    valid = [v for v in values if v is not None]
    if not valid or len(valid) < quorum * len(values):
        return None
    if fold == "min":
        return min(valid)
    if fold == "median":
        return statistics.median(valid)
    mean = statistics.fmean(valid)
    return mean if fold == "mean" else max(0.0, mean - k * statistics.pstdev(valid))
