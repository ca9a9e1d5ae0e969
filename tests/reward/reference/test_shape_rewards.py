"""Steps that look at rewards alone, one by one or in their group, against plain loops."""

from __future__ import annotations

import hashlib
import math
from statistics import NormalDist

import pytest

from tests.reward.reference.rows import BATCHES, REFERENCES, Row, members, run

Rewards = list[float | None]


def logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def centres(rows: list[Row], number: int, spec: dict) -> list[float]:
    """The reference rewards of one row."""
    if "reference" in spec:
        return [spec["reference"]]
    if spec.get("centre") == "group_mean":
        mates = [r.reward for r in rows if r.group == rows[number].group and r.reward is not None]
        return [sum(mates) / len(mates)]
    return list(REFERENCES[rows[number].group])


def par(rows: list[Row], spec: dict) -> Rewards:
    """Sigmoid of the reward less each reference, averaged: `calculate_relative_sigmoid` in PAR's `trainers/reward_shaper.py`
    (PorUna-byte/PAR), with its `sigmoid_k` as scale."""
    out: Rewards = []
    for number, row in enumerate(rows):
        if row.reward is None:
            out.append(None)
            continue
        total, others = 0.0, centres(rows, number, spec)
        for reference in others:
            total += logistic(spec.get("scale", 1.0) * (row.reward - reference))
        out.append(total / len(others))
    return out


def lsc(rows: list[Row], spec: dict) -> Rewards:
    """log sigmoid(r - 85 % quantile of a normal fit): the same file, `reward_lsc` and `calculate_percentile` (without its 1e-5;
    its standard deviation is the sample's, `ddof` 1). The paper (arXiv:2402.00742, section 3) was not to be had."""
    out: Rewards = []
    for number, row in enumerate(rows):
        if row.reward is None:
            out.append(None)
            continue
        others = centres(rows, number, spec)
        mean, squares = sum(others) / len(others), 0.0
        for reference in others:
            squares += (reference - mean) ** 2
        std = 0.0 if len(others) == 1 else math.sqrt(squares / (len(others) - spec.get("ddof", 0)))
        quantile = mean + std * NormalDist().inv_cdf(spec.get("quantile", 0.85))
        out.append(math.log(logistic(spec.get("scale", 1.0) * (row.reward - quantile))))
    return out


def contrastive(rows: list[Row], spec: dict) -> Rewards:
    """Mean of the differences to the references: `calculate_centered` of the same file, which is arXiv:2403.07708's reward."""
    out: Rewards = []
    for number, row in enumerate(rows):
        others = centres(rows, number, spec) if row.reward is not None else []
        out.append(sum(row.reward - other for other in others) / len(others) if row.reward is not None else None)
    return out


def clip(rows: list[Row], spec: dict) -> Rewards:
    """School definition."""
    return [None if r.reward is None else sorted((spec["low"], r.reward, spec["high"]))[1] for r in rows]


def quantise(rows: list[Row], spec: dict) -> Rewards:
    """The project's own: the nearest of the multiples around the reward, the even one of two as near."""
    out: Rewards = []
    for row in rows:
        if row.reward is None:
            out.append(None)
            continue
        parts = 2 ** spec.get("bits", 6)
        below = math.floor(row.reward * parts)
        left, right = row.reward - below / parts, (below + 1) / parts - row.reward
        best = below if left < right or (left == right and below % 2 == 0) else below + 1
        out.append(best / parts)
    return out


def top_stretch(rows: list[Row], spec: dict) -> Rewards:
    """The project's own line; Rubicon (arXiv:2508.12790) gives no formula."""
    knee, share = spec.get("knee", 0.75), spec.get("share", 0.5)
    out: Rewards = []
    for row in rows:
        if row.reward is None:
            out.append(None)
        elif row.reward <= knee:
            out.append(row.reward / knee * (1 - share))
        else:
            out.append(1 - share + (row.reward - knee) / (1 - knee) * share)
    return out


def each_group(rows: list[Row], spec: dict, one: object) -> Rewards:
    out: Rewards = [None] * len(rows)
    for numbers in members(rows, spec.get("over", "group")):
        values = [float(rows[n].reward or 0) for n in numbers]
        for number, value in zip(numbers, one(values, spec), strict=True):  # type: ignore[operator]
            out[number] = value
    return out


def minmax(values: list[float], spec: dict) -> list[float]:
    """(r - min) / (max - min): `minmax` of PAR's `RunningStats`, over the group at hand in place of all that was seen."""
    low, high = min(values), max(values)
    return [spec.get("flat", 0.5) if low == high else (v - low) / (high - low) for v in values]


def z(values: list[float], spec: dict) -> list[float]:
    """GRPO's advantage (arXiv:2402.03300, section 4.1.2), with the project's floor."""
    mean = math.fsum(values) / len(values)
    std = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / len(values))
    if max(values) == min(values):
        return [0.0] * len(values)
    return [(v - mean) / max(std, spec.get("floor", 0.0)) for v in values]


def rank(values: list[float], spec: dict) -> list[float]:
    """Share of the others that are beaten, a tie counting half: linear ranks with ties averaged (ArenaRL, arXiv:2601.06487)."""
    out = []
    for one, value in enumerate(values):
        beaten = 0.0
        for other, rival in enumerate(values):
            if one != other:
                beaten += 1.0 if value > rival else 0.5 if value == rival else 0.0
        out.append(beaten / (len(values) - 1) if len(values) > 1 else 0.5)
    return out


def quantile(values: list[float], spec: dict) -> list[float]:
    """Quark's quantiles (arXiv:2205.13636, section 2: the pool, sorted, in equal parts), by the middle of one's ties.
    Written from a description of the paper; its code was not to be had."""
    buckets = spec.get("buckets", 5)
    out = []
    for value in values:
        below, same = sum(v < value for v in values), sum(v == value for v in values)
        middle = (below + same / 2) / len(values)  # in (0, 1)
        bucket = 0
        while bucket < buckets - 1 and middle >= (bucket + 1) / buckets:
            bucket += 1
        out.append(bucket / (buckets - 1))
    return out


def std_floor(values: list[float], spec: dict) -> list[float]:
    """The project's own."""
    mean = math.fsum(values) / len(values)
    std = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / len(values))
    return [mean] * len(values) if std < spec["floor"] else values


def dither(rows: list[Row], spec: dict) -> Rewards:
    """ReDit (arXiv:2506.18631, section 4; only its abstract and reports of it were to be had): mean 0, uniform or normal.
    Which noise is the project's own: a hash of seed, prompt and text, as 52 bits."""
    out: Rewards = []
    for row in rows:
        if row.reward is None:
            out.append(None)
            continue
        digest = hashlib.blake2b(f"0\0{row.group}\0{row.text}".encode(), digest_size=8).hexdigest()
        share = (int(digest[:13], 16) + 0.5) / 16**13
        width = spec.get("width", 0.05)
        out.append(
            row.reward + (NormalDist(0, width).inv_cdf(share) if spec.get("noise") == "gauss" else width * (2 * share - 1))
        )
    return out


CASES = [
    (par, {"kind": "par"}),
    (par, {"kind": "par", "scale": 8.0, "reference": 0.5}),
    (par, {"kind": "par", "scale": 40.0, "centre": "group_mean"}),
    (lsc, {"kind": "lsc"}),
    (lsc, {"kind": "lsc", "ddof": 1, "quantile": 0.6, "scale": 8.0}),
    (lsc, {"kind": "lsc", "reference": 0.25}),
    (lsc, {"kind": "lsc", "centre": "group_mean", "ddof": 1}),
    (contrastive, {"kind": "contrastive"}),
    (contrastive, {"kind": "contrastive", "reference": -0.5}),
    (contrastive, {"kind": "contrastive", "centre": "group_mean"}),
    (clip, {"kind": "clip", "low": 0.2, "high": 0.7}),
    (clip, {"kind": "clip", "low": 0.5, "high": 0.5}),
    (quantise, {"kind": "quantise"}),
    (quantise, {"kind": "quantise", "bits": 1}),
    (quantise, {"kind": "quantise", "bits": 20}),
    (top_stretch, {"kind": "top_stretch"}),
    (top_stretch, {"kind": "top_stretch", "knee": 0.25, "share": 0.9}),
    (dither, {"kind": "dither"}),
    (dither, {"kind": "dither", "noise": "gauss", "width": 0.3}),
]
GROUPED = [
    (minmax, {"kind": "minmax"}),
    (minmax, {"kind": "minmax", "over": "batch", "flat": 0.0}),
    (z, {"kind": "z"}),
    (z, {"kind": "z", "floor": 0.3}),
    (z, {"kind": "z", "over": "batch"}),
    (rank, {"kind": "rank"}),
    (rank, {"kind": "rank", "over": "batch"}),
    (quantile, {"kind": "quantile", "over": "group"}),
    (quantile, {"kind": "quantile", "over": "batch", "buckets": 3}),
    (quantile, {"kind": "quantile", "over": "group", "buckets": 7}),
    (std_floor, {"kind": "std_floor", "floor": 0.2}),
]


def named(cases: list) -> list:
    return [pytest.param(second, spec, id="-".join(str(v) for v in spec.values())) for second, spec in cases]


@pytest.mark.parametrize(("second", "spec"), named(CASES))
def test_one_by_one(second, spec, same):
    for rows in BATCHES:
        same(run(rows, spec).optional(), second(rows, spec), (spec, rows))


@pytest.mark.parametrize(("second", "spec"), named(GROUPED))
def test_in_a_group(second, spec, same):
    for rows in BATCHES:
        same(run(rows, spec).optional(), each_group(rows, spec, second), (spec, rows))
