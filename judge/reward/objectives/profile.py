"""A user's own weights of the criteria, from a few answers that they preferred."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from numpy.typing import ArrayLike

from judge.arrays import Floats
from judge.reward.comparisons import Weights, fit_weights


@dataclass(frozen=True, slots=True)
class Profile:
    """Weights with the names of the criteria.

    Attributes:
        criteria: Names, one a column.
        weights: The fit, with intervals.
    """

    criteria: tuple[str, ...]
    weights: Weights

    def shares(self) -> Mapping[str, float]:
        """Criterion -> share, in [0, 1]."""
        return {name: float(share) for name, share in zip(self.criteria, self.weights.share, strict=True)}

    def apply(self, rewards: ArrayLike) -> Floats:
        """Weighted mean of the criteria, shape (responses,); NaN where a criterion that has weight is absent."""
        return self.weights.apply(rewards)

    def undecided(self) -> tuple[str, ...]:
        """Criteria whose interval still holds the equal share: the labels do not say yet whether they matter more or less."""
        equal = 1 / len(self.criteria)
        ends = zip(self.criteria, self.weights.low, self.weights.high, strict=True)
        return tuple(name for name, low, high in ends if low <= equal <= high)


def fit_profile(
    criteria: Sequence[str],
    preferred: ArrayLike,
    other: ArrayLike,
    outcomes: ArrayLike | None = None,
    *,
    strength: float = 1.0,
    level: float = 0.9,
    seed: int = 0,
) -> Profile:
    """Fit one user's weights; `fit_weights` explains the model (logistic, non-negative, pulled towards equal weights).

    Args:
        criteria: Names of the columns.
        preferred: Criterion scores of the preferred response, shape (comparisons, criteria), in [0, 1]; NaN for absent.
        other: The same of the other response.
        outcomes: How much the first was preferred, in [0, 1]; None: all 1.
        strength: Of the pull towards equal weights, above 0.
        level: Of the intervals, in (0, 1).
        seed: Of the intervals.

    Raises:
        ValueError: Another number of names than columns, or what `fit_weights` refuses.

    Example:
        >>> short, long = [0.9, 0.2], [0.1, 0.9]
        >>> profile = fit_profile(["brevity", "depth"], [short] * 8, [long] * 8)
        >>> shares = profile.shares()
        >>> shares["brevity"] > shares["depth"], profile.weights.used
        (True, 8)
    """
    weights = fit_weights(preferred, other, outcomes, strength=strength, level=level, seed=seed)
    if len(criteria) != len(weights.share) or len(set(criteria)) < len(criteria):
        raise ValueError(f"{len(criteria)} different names are needed for {len(weights.share)} columns")
    return Profile(tuple(criteria), weights)
