"""Steps on criteria, against plain loops."""

from __future__ import annotations

import math

import pytest

from tests.reward.reference.rows import BATCHES, NAMES, REFERENCES, Row, members, run, seen

Rewards = list[float | None]


def logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def weighted_mean(row: Row, weights: dict[str, float], curve: object = None) -> float | None:
    """Over the criteria that have a score."""
    top = bottom = 0.0
    for name, weight in weights.items():
        score = row.scores.get(name)
        if score is not None:
            top += weight * (score if curve is None else curve(score))  # type: ignore[operator]
            bottom += weight
    return top / bottom if bottom else None


def importance(row: Row, name: str, spec: dict) -> float:
    return spec.get("weights", {}).get(name, row.weights.get(name, 1.0))


def contrast(batches: list[list[Row]], spec: dict) -> list[Rewards]:
    """POW3R (arXiv:2605.20164): weight x factor, renormalised in its category; the factor grows with the criterion's variance
    over the group. Only the abstract and a reader's note were to be had: the linear factor and its bounds are ours."""
    names = spec.get("criteria", NAMES)
    strength, low, high = spec.get("strength", 0.5), spec.get("low", 0.25), spec.get("high", 4.0)
    memory, past, found = spec.get("memory", 0.0), {}, []
    for batch in batches:
        rows, fresh = seen(batch), {}
        out: Rewards = [0.0 if r.vetoed and r.reward is not None else None for r in rows]
        for numbers in members(rows):
            group = [rows[n] for n in numbers]
            spread = {}
            for name in names:
                scores = [r.scores[name] for r in group if r.scores.get(name) is not None]
                if scores:
                    mean = sum(scores) / len(scores)
                    spread[name] = sum((s - mean) ** 2 for s in scores) / len(scores)
            factor = {}
            for name, own in spread.items():
                mates = [m for m in spread if spec.get("categories", {}).get(m, "") == spec.get("categories", {}).get(name, "")]
                mean = sum(spread[m] for m in mates) / len(mates)
                now = 1.0 if mean <= 1e-12 else min(high, max(low, 1 - strength + strength * own / mean))
                key = group[0].group
                factor[name] = memory * past[key].get(name, 1.0) + (1 - memory) * now if memory and key in past else now
            if spread:
                fresh[group[0].group] = factor
            categories = {spec.get("categories", {}).get(m, "") for m in spread}
            for n in numbers:
                if rows[n].vetoed or not spread:
                    continue
                weights = {}
                whole = sum(importance(rows[n], m, spec) for m in spread)
                for category in categories:
                    mates = [m for m in spread if spec.get("categories", {}).get(m, "") == category]
                    share = sum(importance(rows[n], m, spec) for m in mates) / whole
                    mass = 1 / len(categories) if spec.get("balance") == "equal" else share
                    total = sum(importance(rows[n], m, spec) * factor[m] for m in mates)
                    for m in mates:
                        weights[m] = mass * importance(rows[n], m, spec) * factor[m] / total
                out[n] = weighted_mean(rows[n], weights)
        past = {key: {**past.get(key, {}), **fresh.get(key, {})} for key in {*past, *fresh}}
        found.append(out)
    return found


def saturation(rows: list[Row], spec: dict) -> Rewards:
    """Diminishing returns on each criterion (Rubicon, arXiv:2508.12790, names the operator and gives no formula): the curve is
    the project's own, 1 - exp(-rate x s) scaled to reach 1."""
    rate = spec.get("rate", 2.0)

    def curve(score: float) -> float:
        return (1 - math.exp(-rate * score)) / (1 - math.exp(-rate))

    out: Rewards = []
    for row in seen(rows):
        weights = {name: importance(row, name, spec) for name in spec.get("criteria", NAMES)}
        out.append(None if row.reward is None else 0.0 if row.vetoed else weighted_mean(row, weights, curve))
    return out


def interaction(rows: list[Row], spec: dict) -> Rewards:
    """A term for two criteria together (Rubicon, as above): the product or the smaller one is the project's own."""
    out: Rewards = []
    for row in rows:
        a, b = (row.scores.get(name) for name in spec["pair"])
        if row.reward is None or row.vetoed:
            out.append(row.reward)
        elif a is None or b is None:
            out.append(None)
        else:
            both = (a if a < b else b) if spec.get("together") == "min" else a * b
            out.append(max(0.0, min(1.0, row.reward + spec["weight"] * both)))
    return out


def veto(rows: list[Row], spec: dict) -> Rewards:
    """A failed critical criterion cancels the reward (Rubicon, as above)."""
    out: Rewards = []
    for row in seen(rows):
        scores = [row.scores.get(name) for name in spec["criteria"]]
        value = row.reward
        if value is not None and any(s is not None and s < spec.get("below", 0.5) for s in scores):
            value = spec.get("failed", 0.0)
        elif any(s is None for s in scores) and not row.vetoed:
            value = None
        out.append(value)
    return out


def verpo(rows: list[Row], spec: dict) -> Rewards:
    """VeRPO (arXiv:2601.03525): dense reward of the tests passed, weighted by difficulty in the group. Only the abstract was to
    be had: 1 - pass rate, and dividing by the tests as easy as this one, are a reader's and the project's own."""
    rows = seen(rows)
    out: Rewards = [None] * len(rows)
    for numbers in members(rows):
        weights: dict[str, float] = {}
        rates: dict[str, float] = {}
        for name in spec.get("criteria", NAMES):
            scores = [rows[n].scores.get(name) for n in numbers]
            asked = [s for s in scores if s is not None]
            if asked:
                rates[name] = sum(s >= 0.5 for s in asked) / len(asked)
        for name, rate in rates.items():
            weights[name] = (1 - rate) ** spec.get("power", 1.0)
            if spec.get("equalise"):
                weights[name] /= sum(other == rate for other in rates.values())
        for n in numbers:
            told = {name: weights[name] for name in rates if rows[n].scores.get(name) is not None}
            if sum(told.values()) == 0:
                told = dict.fromkeys(told, 1.0)
            dense = 0.0 if rows[n].vetoed else weighted_mean(rows[n], told)
            mix = spec.get("mix", 0.5)
            out[n] = None if dense is None else (1 - mix) * (rows[n].reward or 0) + mix * dense
    return out


def grpo_s(rows: list[Row], spec: dict) -> Rewards:
    """mean + data hardness x model responsiveness x (r - mean): DR-IRL (arXiv:2503.18991, section 3.3). The paper was not to be
    had: written from reports of its formulas."""
    rows = seen(rows)
    name = spec.get("similarity")
    out: Rewards = [None] * len(rows)
    near = [(0.0 if r.vetoed and r.scores.get(name) is None else r.scores.get(name)) if name else 1.0 for r in rows]
    for group in members(rows):
        numbers = [n for n in group if near[n] is not None]
        if not numbers:
            continue
        rewards = [rows[n].reward or 0.0 for n in numbers]
        mean = sum(rewards) / len(rewards)
        scale = 1.0
        if spec.get("responsiveness", True):
            base = REFERENCES[rows[numbers[0]].group]
            gaps = [r - sum(base) / len(base) for r in rewards]
            middle = sum(gaps) / len(gaps)
            kept = [g for g in gaps if (g - middle) ** 2 <= spec.get("outlier", 0.25)]
            scale = logistic(sum(kept) / len(kept) if kept else middle) / logistic(middle)
        away = [1 - (near[n] or 0.0) for n in numbers]
        for n, reward, distance in zip(numbers, rewards, away, strict=True):
            hard = logistic(distance) / logistic(sum(away) / len(away)) if name else 1.0
            out[n] = mean + hard * scale * (reward - mean)
    return out


CASES = [
    (saturation, {"kind": "saturation"}),
    (saturation, {"kind": "saturation", "rate": 0.1, "criteria": ["a", "b"], "weights": {"a": 5.0}}),
    (interaction, {"kind": "interaction", "pair": ["a", "b"], "weight": 0.3}),
    (interaction, {"kind": "interaction", "pair": ["a", "c"], "weight": -0.7, "together": "min"}),
    (veto, {"kind": "veto", "criteria": ["a"]}),
    (veto, {"kind": "veto", "criteria": ["b", "c"], "below": 0.3, "failed": -1.0}),
    (verpo, {"kind": "verpo"}),
    (verpo, {"kind": "verpo", "power": 2.0, "equalise": True, "mix": 1.0}),
    (verpo, {"kind": "verpo", "criteria": ["a", "b"], "mix": 0.25}),
    (grpo_s, {"kind": "grpo_s"}),
    (grpo_s, {"kind": "grpo_s", "similarity": "a", "outlier": 0.05}),
    (grpo_s, {"kind": "grpo_s", "similarity": "b", "responsiveness": False}),
]
CONTRASTS = [
    {"kind": "contrast"},
    {"kind": "contrast", "strength": 1.0, "low": 0.5, "high": 1.5},
    {"kind": "contrast", "strength": 0.0},
    {"kind": "contrast", "criteria": ["a", "b"], "weights": {"a": 3.0}, "memory": 0.5},
    {"kind": "contrast", "categories": {"a": "x"}, "balance": "equal"},
    {"kind": "contrast", "categories": {"a": "x", "c": "y"}, "memory": 0.9},
    {"kind": "contrast", "categories": {"a": "x", "c": "y"}, "balance": "equal"},
]


@pytest.mark.parametrize(("second", "spec"), [pytest.param(f, s, id="-".join(str(v) for v in s.values())) for f, s in CASES])
def test_steps(second, spec, same):
    for rows in BATCHES:
        same(run(rows, spec).optional(), second(rows, spec), (spec, rows))


@pytest.mark.parametrize("spec", [pytest.param(s, id="-".join(str(v) for v in s.values())) for s in CONTRASTS])
def test_contrast_over_a_run(spec, same):
    """Each batch goes by its own groups and what is remembered of the same prompts."""
    for start in range(0, len(BATCHES), 8):
        state = None
        for rows, values in zip(BATCHES[start : start + 8], contrast(BATCHES[start : start + 8], spec), strict=True):
            shaped = run(rows, spec, state=state)
            state = shaped.state
            same(shaped.optional(), values, (spec, rows))
