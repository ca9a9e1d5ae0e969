"""Rewards compared with each other, within a group or over the batch, and noise for groups that are flat."""

from __future__ import annotations

import hashlib
import math
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from pydantic import Field

from judge.arrays import Floats, ranks
from judge.rubric.model import Frozen
from judge.shape.batch import OrderKept, Over, RewardRange, Sees, Stage, StepKind, Stepped, UnitFloat, always, mean_std


class MinmaxStep(Frozen):
    """(reward - lowest) / (highest - lowest); `flat` where all are equal.

    Attributes:
        over: Whose rewards are compared.
        flat: Reward of all where all are equal.
    """

    kind: Literal["minmax"] = "minmax"
    over: Over = "group"
    flat: UnitFloat = 0.5


class ZStep(Frozen):
    """(reward - mean) / standard deviation (population), which is not taken below `floor`.

    Attributes:
        over: Whose rewards are compared.
        floor: Least standard deviation that is divided by.
    """

    kind: Literal["z"] = "z"
    over: Over = "group"
    floor: float = Field(default=0.0, ge=0, le=1e6)


class RankStep(Frozen):
    """Rank as a share: worst 0, best 1, ties averaged, a response alone 0.5.

    Attributes:
        over: Whose rewards are compared.
    """

    kind: Literal["rank"] = "rank"
    over: Over = "group"


class QuantileStep(Frozen):
    """Which of `buckets` equally filled buckets a reward falls in: worst 0, best 1, ties share one.

    Attributes:
        over: Whose rewards are compared.
        buckets: Number of buckets.
    """

    kind: Literal["quantile"] = "quantile"
    over: Over = "batch"
    buckets: int = Field(default=5, ge=2, le=1000)


class StdFloorStep(Frozen):
    """Groups whose rewards differ less than `floor` (standard deviation) become equal: their differences are noise.

    Attributes:
        floor: Least standard deviation of a group that counts as different.
    """

    kind: Literal["std_floor"] = "std_floor"
    floor: float = Field(default=0.02, gt=0, le=1e6)


class DitherStep(Frozen):
    """Add zero-mean noise that follows from seed, prompt and text. `width`: half width (uniform) or standard deviation.

    Attributes:
        noise: Shape of the noise.
        width: Half width (uniform) or standard deviation (gauss).
    """

    kind: Literal["dither"] = "dither"
    noise: Literal["uniform", "gauss"] = "uniform"
    width: float = Field(default=0.05, gt=0, le=10)


def minmax(values: Floats, flat: float = 0.5) -> Floats:
    """(r - min) / (max - min), in [0, 1]; `flat` where all are equal.

    A baseline of PAR (arXiv:2502.18770, section 4), there over a running minimum and maximum. Ours: over the group or batch at
    hand, so that a reward does not depend on what was judged before it.

    Example:
        >>> minmax(np.array([0.25, 0.5, 0.75]))
        array([0. , 0.5, 1. ])
    """
    low, high = values.min(), values.max()
    return np.full(len(values), flat) if low == high else np.asarray((values - low) / (high - low), dtype=np.float64)


def z_score(values: Floats, floor: float = 0.0) -> Floats:
    """(r - mean) / max(std, floor), population standard deviation; 0 where all are equal. |z| <= sqrt(n - 1).

    The advantage of GRPO (arXiv:2402.03300, section 4.1.2). Ours: the floor, so that differences of 0.01 do not become 1.

    Example:
        >>> z_score(np.array([0.0, 1.0])), z_score(np.array([0.5, 0.75]), floor=0.5)
        (array([-1.,  1.]), array([-0.25,  0.25]))
    """
    away = values - mean_std(values)[0]
    largest = np.abs(away).max()
    if largest == 0:
        return np.zeros(len(values))
    away = away / largest  # of a tiny spread, the squares would vanish
    root = math.sqrt(math.fsum(away**2) / len(values))
    return np.asarray(away / root if largest * root >= floor else away * (largest / floor), dtype=np.float64)


def rank_share(values: Floats) -> Floats:
    """(rank - 1) / (n - 1), ties averaged: worst 0, best 1; a response alone 0.5.

    Rank -> reward as in ArenaRL (arXiv:2601.06487, ranking to reward).

    Example:
        >>> rank_share(np.array([0.1, 0.9, 0.9]))
        array([0.  , 0.75, 0.75])
    """
    if len(values) == 1:
        return np.array([0.5])
    return np.asarray((ranks(values) - 1) / (len(values) - 1), dtype=np.float64)


def quantile_bucket(values: Floats, buckets: int = 5) -> Floats:
    """floor(buckets x (rank - 1/2) / n) / (buckets - 1): which equally filled bucket, worst 0, best 1.

    Quark's reward quantiles (arXiv:2205.13636, section 2), with the bucket as a number in place of a token. Ties share a bucket.

    Example:
        >>> quantile_bucket(np.array([0.1, 0.2, 0.8, 0.9]), buckets=2)
        array([0., 0., 1., 1.])
    """
    bucket = np.floor(buckets * (ranks(values) - 0.5) / len(values))
    return np.asarray(np.minimum(bucket, buckets - 1) / (buckets - 1), dtype=np.float64)


def noise(key: str, kind: str = "uniform", width: float = 0.05) -> float:
    """Zero-mean noise that follows from a text alone: uniform in [-width, width], or normal with that standard deviation.

    ReDit (arXiv:2506.18631, section 4): uniform with half width 0.05 was best, 0.5 harmful. Ours: it comes from the content, so
    equal responses of a group get equal noise, in any batch order.

    Example:
        >>> noise("a") == noise("a"), abs(noise("a")) <= 0.05
        (True, True)
    """
    digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    share = (int.from_bytes(digest, "big") // 2**12 + 0.5) / 2**52  # in (0, 1)
    return width * (2 * share - 1) if kind == "uniform" else width * NormalDist().inv_cdf(share)


def _over(compute: Any) -> Any:
    def run(step: Any, stage: Stage) -> Stepped:
        out = np.full(len(stage.values), np.nan)
        for _, rows in stage.groups(step.over):
            out[rows] = compute(step, stage.values[rows])
        return Stepped(out)

    return run


@_over
def _minmax(step: MinmaxStep, values: Floats) -> Floats:
    return minmax(values, step.flat)


@_over
def _z(step: ZStep, values: Floats) -> Floats:
    return z_score(values, step.floor)


@_over
def _rank(step: RankStep, values: Floats) -> Floats:
    return rank_share(values)


@_over
def _quantile(step: QuantileStep, values: Floats) -> Floats:
    return quantile_bucket(values, step.buckets)


def _std_floor(step: StdFloorStep, stage: Stage) -> Stepped:
    """Ours: a trainer that divides by the group's standard deviation turns differences of 0.001 into advantages of 1.

    "Understanding R1-Zero-Like Training" (arXiv:2503.20783, section 3.1) describes the bias of that division.
    """
    out, flat = stage.values.copy(), 0
    for _, rows in stage.groups():
        mean, std = mean_std(stage.values[rows])
        if 0 < std < step.floor:
            out[rows] = mean
            flat += 1
    return Stepped(out, (f"{flat} group(s) with a standard deviation below {step.floor:g} were made equal",) if flat else ())


def _dither(step: DitherStep, stage: Stage) -> Stepped:
    out = stage.values.copy()
    for row in np.flatnonzero(stage.present):
        text = (stage.batch.texts or ())[row]
        out[row] += noise(f"{stage.seed}\0{stage.key(row)}\0{text}", step.noise, step.width)
    return Stepped(out, (f"{step.noise} noise of width {step.width:g}, seed {stage.seed}",))


def _order(step: Any) -> OrderKept:
    return "global" if step.over == "batch" else "group"


def _dither_span(step: DitherStep, span: RewardRange) -> RewardRange:
    most = step.width if step.noise == "uniform" else step.width * NormalDist().inv_cdf(1 - 2**-53)
    return span[0] - most, span[1] + most


def _sees(step: Any) -> Sees:
    return "batch" if step.over == "batch" else "group"


def _unit(step: Any, span: RewardRange) -> RewardRange:
    return 0.0, 1.0


KINDS: dict[str, StepKind] = {
    "minmax": StepKind(_minmax, _order, span=_unit, sees=_sees),
    "z": StepKind(_z, _order, span=lambda step, span: (-math.inf, math.inf), sees=_sees),
    "rank": StepKind(_rank, _order, span=_unit, sees=_sees),
    "quantile": StepKind(_quantile, _order, span=_unit, sees=_sees),
    "std_floor": StepKind(_std_floor, always("group")),
    "dither": StepKind(_dither, always("none"), lambda step: ("texts",), _dither_span),
}
