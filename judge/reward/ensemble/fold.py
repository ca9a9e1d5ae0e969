"""Rewards of several judges -> one reward a response.

- Averaging hides what ensembles are for: a response that fools one judge stands out by the judges' disagreement, so all
  folds but the mean and the median pay less where they disagree.
- Errors that all judges share pass every fold (Eisenstein et al. 2023, "Helping or Herding?", arXiv:2312.09244). See
  `agreement_report` for how many judges a panel is really worth.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from judge.arrays import Floats, floats, mean_of, shares, variance_of
from judge.reward.comparisons import Weights, fit_weights
from judge.settings import PanelFold

TRIM = 0.25  # share of the judges cut from each end
SLACK = 1e-9  # of a quorum: the shares of 5 equal judges of 6 sum to a little less than 5 / 6


def fold_panel(
    values: Sequence[float | None],
    fold: PanelFold,
    *,
    k: float = 1.0,
    quorum: float = 0.5,
    weights: Sequence[float] | None = None,
) -> float | None:
    """Fold the rewards of a panel on one response; `fold_judges` explains the folds.

    Args:
        values: One reward a judge, in [0, 1]; None where a judge has no verdict.
        k: How much disagreement costs, for `lower_bound`, `variance` and `nominal_min`.
        quorum: Least share of judges with a verdict; with `weights`, of their weight.
        weights: Of `mean`, one a judge; None: equal.

    Returns:
        In [0, 1]; None below the quorum.

    Example:
        >>> fold_panel([1.0, 1.0, 0.0], "lower_bound"), fold_panel([1.0, None, None], "mean")
        (0.195..., None)
    """
    if not values:
        return None
    table = np.array([values], dtype=np.float64).T
    if weights is not None:
        folded = float(weighted_mean(table, weights, quorum=quorum)[0])
    else:
        folded = float(fold_judges(table, fold, k=k, quorum=quorum, floor=0.0)[0])
    return None if np.isnan(folded) else folded


def fold_judges(
    scores: ArrayLike,
    fold: PanelFold = "lower_bound",
    *,
    k: float = 1.0,
    quorum: float = 0.5,
    nominal: int | None = None,
    floor: float | None = None,
) -> Floats:
    """Fold the rewards of several judges on several responses.

    - `mean`, `median`.
    - `min`: worst-case optimisation, WCO (Coste et al. 2023, "Reward Model Ensembles Help Mitigate Overoptimization",
      section 3.2, arXiv:2310.02743).
    - `variance`: mean - k * variance, uncertainty-weighted optimisation, UWO (same place).
    - `lower_bound`: mean - k * standard deviation; ours, in the unit of the reward.
    - `nominal_min`: (nominal + k * min) / (1 + k): the mix of nominal and worst reward of Yan et al. 2024,
      "Reward-Robust RLHF in LLMs", arXiv:2409.15360, with their lambda = 1 / (1 + k). Ours: without a nominal judge the
      mean takes its place.
    - `trimmed`: mean without a quarter of the judges at each end, at least one each once there are three.

    Variance and deviation are of the population, as in the authors' best-of-n code for UWO (tlc4418/llm_optimization); their PPO
    code takes the sample's, which is n / (n - 1) times as much.

    Args:
        scores: Shape (judges, responses), 1 best; NaN where a judge has no verdict.
        k: At least 0.
        quorum: Least share of judges with a verdict, in [0, 1].
        nominal: Row of the judge that `nominal_min` trusts.
        floor: Least reward that comes out.

    Returns:
        Shape (responses,), each between `floor` and the highest score of the response; NaN below the quorum. `nominal_min`
        is also absent where the nominal judge is.

    Raises:
        ValueError: Unknown fold, negative `k`.

    Example:
        >>> scores = [[0.9, 0.9, 0.9], [0.9, 0.1, np.nan]]
        >>> fold_judges(scores, "variance", k=0.5)  # the second: 0.5 - 0.5 * 0.16
        array([0.9 , 0.42, 0.9 ])
        >>> fold_judges(scores, "nominal_min")  # (0.5 + 0.1) / 2
        array([0.9, 0.3, 0.9])
    """
    table = floats(scores, 2, "scores")
    if k < 0:
        raise ValueError(f"k is {k:g}; it must not be negative")
    folded = _fold(table, fold, k, nominal)
    share = (~np.isnan(table)).mean(axis=0) if table.size else np.zeros(table.shape[1])
    folded = np.where((share > 0) & (share >= quorum - SLACK), folded, np.nan)
    return np.asarray(folded if floor is None else np.maximum(folded, floor), dtype=np.float64)


def _fold(table: Floats, fold: PanelFold, k: float, nominal: int | None) -> Floats:
    mean = mean_of(table, 0)
    ordered = np.sort(table, axis=0)  # NaN last
    count = (~np.isnan(table)).sum(axis=0)
    worst = _at(ordered, np.zeros_like(count))
    if fold == "mean":
        folded = mean
    elif fold == "min":
        folded = worst
    elif fold == "median":
        last = np.maximum(count - 1, 0)
        folded = (_at(ordered, last // 2) + _at(ordered, (last + 1) // 2)) / 2
    elif fold == "variance":
        folded = mean - k * variance_of(table, 0)
    elif fold == "lower_bound":
        folded = mean - k * np.sqrt(variance_of(table, 0))
    elif fold == "nominal_min":
        folded = ((mean if nominal is None else table[nominal]) + k * worst) / (1 + k)
    elif fold == "trimmed":
        cut = np.where(count >= 3, np.maximum(1, (TRIM * count).astype(int)), 0)
        rank = np.arange(len(table))[:, None]
        folded = mean_of(np.where((rank >= cut) & (rank < count - cut), ordered, np.nan), 0)
    else:
        raise ValueError(f"no fold `{fold}`")
    return np.asarray(folded, dtype=np.float64)


def _at(ordered: Floats, index: np.ndarray[tuple[int, ...], np.dtype[np.intp]]) -> Floats:
    """One element of each column; NaN without rows."""
    if not len(ordered):
        return np.full(ordered.shape[1], np.nan)
    return np.asarray(np.take_along_axis(ordered, index[None, :], axis=0)[0], dtype=np.float64)


def fit_judge_weights(
    better: ArrayLike, worse: ArrayLike, outcomes: ArrayLike | None = None, *, strength: float = 1.0, seed: int = 0
) -> Weights:
    """Weights of judges that sum to 1 and order labelled pairs best; `fit_weights` explains the fit.

    Args:
        better: Scores of the preferred response, shape (judges, comparisons): judges in rows, as everywhere here.
        worse: Scores of the other response, same shape.
        outcomes: How much the first was preferred, in [0, 1], shape (comparisons,); None: all 1.
        strength: Of the pull towards equal weights.
        seed: Of the intervals.

    Example:
        >>> good, coin = [0.9, 0.8, 0.9, 0.7], [0.2, 0.9, 0.1, 0.8]
        >>> fit = fit_judge_weights([good, coin], [coin, good], strength=0.1)
        >>> bool(fit.share[0] > fit.share[1])
        True
    """
    return fit_weights(floats(better, 2, "better").T, floats(worse, 2, "worse").T, outcomes, strength=strength, seed=seed)


def weighted_mean(scores: ArrayLike, weights: ArrayLike, *, quorum: float = 0.5) -> Floats:
    """Weighted mean over the judges that have a verdict.

    Args:
        scores: Shape (judges, responses); NaN for absent.
        weights: One a judge, not negative.
        quorum: Least share of the *weight* that has a verdict, in [0, 1].

    Returns:
        Shape (responses,), within the range of the response's scores; NaN below the quorum.

    Example:
        >>> weighted_mean([[1.0, 1.0, np.nan], [0.0, np.nan, 0.4]], [3, 1])
        array([0.75, 1.  ,  nan])
    """
    table = floats(scores, 2, "scores")
    weight = shares(weights, len(table))
    known = ~np.isnan(table)
    mass = np.where(known, weight[:, None], 0.0).sum(axis=0)
    total = np.where(known, table * weight[:, None], 0.0).sum(axis=0)
    enough = (mass > 0) & (mass >= quorum - SLACK)
    return np.asarray(np.where(enough, total / np.where(mass > 0, mass, 1.0), np.nan), dtype=np.float64)
