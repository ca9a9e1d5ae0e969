"""Rewards and labels -> a map from reward to chance of being right, and the threshold from which few of them are wrong.

- Three maps: isotonic regression (pool adjacent violators), Platt's logistic curve on the log odds, and the smoothed share of
  right answers at each level of a coarse scale. `auto` takes the one with the least Brier score on prompts it has not seen.
- The threshold comes from labels that the map has not seen: they are halved by prompt. Levels are tested from the surest down,
  each by the exact binomial test, until one fails (fixed-sequence testing; Angelopoulos et al. 2021, "Learn then Test",
  arXiv:2110.01052, and selective prediction, Geifman and El-Yaniv 2017, arXiv:1705.08500). One response a prompt takes part in
  the tests, which are exact for independent ones.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from judge.arrays import Floats
from judge.bench.agreement import brier_score, calibration_error, roc_auc
from judge.bench.measures import Figure, figures
from judge.shape.calibrated import CalibrateStep, SureStep, calibrated, log_odds

Method = Literal["isotonic", "platt", "levels"]
METHODS: tuple[Method, ...] = ("isotonic", "platt", "levels")
FOLDS = 5
MOST_LEVELS = 20  # different rewards that `levels` takes
MOST_POINTS = 200  # of an isotonic map


def isotonic_map(rewards: ArrayLike, labels: ArrayLike) -> CalibrateStep:
    """Least squares among all maps that never fall (pool adjacent violators; Barlow et al. 1972), with straight lines between
    blocks.

    Example:
        >>> isotonic_map([0.1, 0.4, 0.4, 0.8, 0.9], [0, 1, 0, 0, 1]).points
        ((0.1, 0.0), (0.4, 0.3333333333333333), (0.8, 0.3333333333333333), (0.9, 1.0))
    """
    x, y = np.asarray(rewards, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    levels, codes = np.unique(x, return_inverse=True)
    counts = np.bincount(codes).astype(np.float64)
    means = np.bincount(codes, weights=y) / counts
    blocks: list[list[float]] = []  # mean, weight, first level, last level
    for i, (mean, count) in enumerate(zip(means, counts, strict=True)):
        blocks.append([float(mean), float(count), i, i])
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            last = blocks.pop()
            total = blocks[-1][1] + last[1]
            blocks[-1] = [(blocks[-1][0] * blocks[-1][1] + last[0] * last[1]) / total, total, blocks[-1][2], last[3]]
    ends = [(float(levels[int(i)]), min(max(mean, 0.0), 1.0)) for mean, _, first, last in blocks for i in sorted({first, last})]
    if len(ends) > MOST_POINTS:
        ends = [ends[i] for i in np.unique(np.linspace(0, len(ends) - 1, MOST_POINTS).round().astype(int))]
    return CalibrateStep(points=tuple(ends))


def levels_map(rewards: ArrayLike, labels: ArrayLike) -> CalibrateStep:
    """The share of right answers at each reward, one label of the base rate added: (right + base) / (count + 1).

    Example:
        >>> levels_map([0, 0, 1, 1], [0, 0, 1, 0]).points
        ((0.0, 0.08333333333333333), (1.0, 0.4166666666666667))
    """
    x, y = np.asarray(rewards, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    levels, codes = np.unique(x, return_inverse=True)
    counts, right = np.bincount(codes), np.bincount(codes, weights=y)
    shares = (right + y.mean()) / (counts + 1)
    return CalibrateStep(points=tuple((float(a), float(b)) for a, b in zip(levels, shares, strict=True)))


def platt_map(rewards: ArrayLike, labels: ArrayLike) -> CalibrateStep:
    """sigmoid(slope x log odds + offset) by maximum likelihood, with Platt's targets (n + 1) / (n + 2) and 1 / (n + 2) (Platt
    1999).

    Labels between 0 and 1 are mixed from both targets. A tiny ridge keeps the curve finite where rewards separate the labels.
    """
    z, y = log_odds(np.asarray(rewards, dtype=np.float64)), np.asarray(labels, dtype=np.float64)
    up, down = float(y.sum()), float((1 - y).sum())
    target = y * (up + 1) / (up + 2) + (1 - y) / (down + 2)
    design = np.column_stack([z, np.ones(len(z))])
    beta = np.zeros(2)
    for _ in range(100):
        p = 1 / (1 + np.exp(-np.clip(design @ beta, -500, 500)))
        gradient = design.T @ (p - target) + 1e-6 * beta
        hessian = (design * (p * (1 - p))[:, None]).T @ design + 1e-6 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        beta -= step / max(1.0, float(np.abs(step).max()))
        if float(np.abs(step).max()) < 1e-10:
            break
    slope, offset = (float(np.clip(b, -1e3, 1e3)) for b in beta)
    return CalibrateStep(slope=slope, offset=offset)


_FIT = {"isotonic": isotonic_map, "platt": platt_map, "levels": levels_map}


def fitted(method: Method, rewards: ArrayLike, labels: ArrayLike) -> CalibrateStep:
    """A map by its method."""
    return _FIT[method](rewards, labels)


def falls(step: CalibrateStep) -> bool:
    """Whether a higher reward can come out lower.

    Example:
        >>> falls(levels_map([0, 0, 1, 1], [1, 1, 1, 0])), falls(isotonic_map([0, 0, 1, 1], [1, 1, 1, 0]))
        (True, False)
    """
    if step.slope is not None:
        return step.slope < 0
    chances = [chance for _, chance in step.points]
    return any(b < a - 1e-9 for a, b in pairwise(chances))


@dataclass(frozen=True)
class MethodMetrics:
    """A method on prompts it has not seen (five parts by prompt, each judged by a map of the other four)."""

    method: str
    figures: list[Figure]

    def value(self, name: str) -> float:
        """One of its figures."""
        return next(f.value for f in self.figures if f.name == name)


def folds_of(clusters: Sequence[Hashable], parts: int, seed: int = 0) -> NDArray[np.intp]:
    """A part for each observation, by its prompt: the same in any order of the data."""

    def part(cluster: Hashable) -> int:
        digest = hashlib.blake2b(f"{seed}\0{cluster}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
        return int.from_bytes(digest, "big") % parts

    known = {c: part(c) for c in dict.fromkeys(clusters)}
    return np.array([known[c] for c in clusters], dtype=np.intp)


def out_of_fold(method: Method, rewards: Floats, labels: Floats, folds: NDArray[np.intp]) -> Floats:
    """The chance of each observation by a map that has not seen its prompt; NaN where the rest has no label of one kind."""
    out = np.full(len(rewards), np.nan)
    for part in np.unique(folds):
        inside = folds == part
        if (~inside).sum() >= 2:
            out[inside] = calibrated(rewards[inside], fitted(method, rewards[~inside], labels[~inside]))
    return out


def compare_methods(
    rewards: ArrayLike, labels: ArrayLike, clusters: Sequence[Hashable], *, draws: int = 1000, seed: int = 0
) -> list[MethodMetrics]:
    """Calibration error, Brier score and AUC of the raw rewards and of each method, the raw ones first.

    `levels` is left out where there are over 20 different rewards.
    """
    x, y = np.asarray(rewards, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    folds = folds_of(clusters, FOLDS, seed)
    tried: list[tuple[str, Floats]] = [("raw", x)]
    for method in METHODS:
        if method != "levels" or len(np.unique(x)) <= MOST_LEVELS:
            tried.append((method, out_of_fold(method, x, y, folds)))
    return [
        MethodMetrics(
            name,
            figures(
                {"ECE": calibration_error(p, y), "Brier": brier_score(p, y), "ROC AUC": roc_auc(p, y)},
                clusters,
                draws=draws,
                seed=seed,
            ),
        )
        for name, p in tried
    ]


def best_method(compared: Sequence[MethodMetrics]) -> Method:
    """The method with the least Brier score; equal ones: the first."""
    known = [c for c in compared if c.method in METHODS and not math.isnan(c.value("Brier"))]
    return min(known, key=lambda c: c.value("Brier")).method if known else "platt"  # type: ignore[return-value]  # one of METHODS


# ---- how sure is sure enough ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SureThreshold:
    """From which chance on few answers are wrong.

    Attributes:
        least: Least max(chance, 1 - chance) that stays.
        kept: Share of the tested responses that stay.
        tested: Responses that the test saw.
        wrong: Of those that stay.
    """

    least: float
    kept: float
    tested: int
    wrong: int

    @property
    def step(self) -> SureStep:
        """As a step of a run."""
        return SureStep(low=1 - self.least, high=self.least)


def sure_threshold(
    chances: ArrayLike,
    labels: ArrayLike,
    *,
    error: float,
    confidence: float = 0.95,
    clusters: Sequence[Hashable] | None = None,
) -> SureThreshold | None:
    """The least certainty at which, with this confidence, at most `error` of the answers that stay are wrong.

    A chance of 0.5 or more says right. Thresholds are tried from the surest down; the first whose upper bound on the error rate
    is above `error` ends it. No threshold passes: None.

    Args:
        chances: Calibrated on other labels than these, shape (responses,).
        clusters: What responses of one prompt share; None: each by itself, and the bound is exact.

    Example:
        >>> sure = sure_threshold([0.99] * 60 + [0.6] * 40, [1] * 80 + [0] * 20, error=0.05)
        >>> sure.least, sure.kept
        (0.99, 0.6)
    """
    p, y = np.asarray(chances, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    codes = np.unique(np.array([str(c) for c in clusters]), return_inverse=True)[1] if clusters is not None else np.arange(len(p))
    sure, wrong = np.maximum(p, 1 - p), ((p >= 0.5) != (y >= 0.5)).astype(np.float64)
    least_sample = _least_sample(error, confidence)
    found: SureThreshold | None = None
    for least in np.unique(sure)[::-1]:
        stay = sure >= least
        if len(np.unique(codes[stay])) < least_sample:
            continue  # so few prompts that they could not pass without a single error; the labels have no say in that
        if _upper_rate(wrong[stay], codes[stay], confidence) > error:
            break
        found = SureThreshold(float(least), float(stay.mean()), len(p), int(wrong[stay].sum()))
    return found


def _upper_rate(wrong: Floats, codes: NDArray[np.intp], confidence: float) -> float:
    """Upper bound of an error rate over clustered trials: Clopper and Pearson's for as many independent trials as these are
    worth.

    Korn and Graubard 1998, "Confidence intervals for proportions with small expected number of positive counts estimated from
    survey data": n / design effect, the design effect at least 1. Without an error each prompt is worth one trial.
    """
    from scipy.special import betaincinv  # noqa: PLC0415  # half a second that `judge --help` need not pay

    n, rate = len(wrong), float(wrong.mean())
    groups = len(np.unique(codes))
    worth = float(n)
    if groups < n:
        sums = np.bincount(codes, weights=wrong - rate)
        variance = float((sums**2).sum()) / n**2 * groups / (groups - 1)
        effect = variance / (rate * (1 - rate) / n) if 0 < rate < 1 else n / groups
        worth = n / max(1.0, effect)
    bad = rate * worth
    return float(betaincinv(bad + 1, worth - bad, confidence)) if worth > bad else 1.0


def _least_sample(error: float, confidence: float) -> int:
    """Responses without one error that are needed to promise an error: (1 - error)^n <= 1 - confidence."""
    return math.ceil(math.log(1 - confidence) / math.log(1 - error))


def least_labels(error: float, confidence: float) -> int:
    """Labels of sure and right answers without which no threshold can be promised; the test sees half of all labels.

    Example:
        >>> least_labels(0.05, 0.95)
        118
    """
    return 2 * _least_sample(error, confidence)
