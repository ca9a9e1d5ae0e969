"""Votes and criteria against plain loops."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest

from judge.reward.fold import decided, fold_criteria, fold_votes, spread, strict_completion
from judge.reward.missing import apply_policy, group_means
from judge.rubric.model import Rubric
from judge.types import NoVerdict, Reason, Reward

SEEDS = range(20)
VOTES: list[list[float | None]] = [
    [],
    [None],
    [1.0],
    [0.0, None],
    [0.5, 0.5],
    [1.0, 0.0],
    [1.0, 1.0, 0.0, 0.0, 0.5],
    [0.25, 0.75, None, None],
    [1.0] * 25,
]


def some_votes(seed: int) -> list[list[float | None]]:
    draw = random.Random(seed)
    return [[draw.choice([None, 0.0, 0.25, 0.5, 1.0, draw.random()]) for _ in range(draw.randint(1, 9))] for _ in range(40)]


def votes_folded(votes: list[float | None], how: str, quorum: float) -> float | None:
    """Mean, median and most common value are school definitions; no source beside them."""
    valid = sorted(v for v in votes if v is not None)
    if len(valid) == 0 or len(valid) / len(votes) < quorum:
        return None
    middle = len(valid) // 2
    if how == "mean":
        return sum(valid) / len(valid)
    if how == "median":
        return valid[middle] if len(valid) % 2 else (valid[middle - 1] + valid[middle]) / 2
    often = Counter(valid)
    most = [v for v in often if often[v] == max(often.values())]
    return most[0] if len(most) == 1 else None


@pytest.mark.parametrize("how", ["mean", "median", "majority"])
@pytest.mark.parametrize("quorum", [0.1, 0.5, 1.0])
def test_votes(how, quorum, same):
    for votes in [*VOTES, *(v for seed in SEEDS for v in some_votes(seed))]:
        same(fold_votes(votes, how, quorum), votes_folded(votes, how, quorum), (votes, how, quorum))


# ---- criteria ----------------------------------------------------------------------------------------------------

PLAIN = {"a": {"weight": 3.0}, "b": {}, "fault": {"kind": "pitfall", "weight": 2.0}}
POINTS = {"a": {"points": 10.0}, "b": {"points": 4.0}, "fault": {"points": -8.0}}
VETOED = {"a": {"weight": 3.0}, "b": {"veto": True}, "fault": {"kind": "pitfall", "veto": True}}
SCORES: list[dict[str, float | None]] = [
    {"a": 1.0, "b": 1.0, "fault": 1.0},
    {"a": 0.0, "b": 0.0, "fault": 0.0},
    {"a": 0.5, "b": 0.5, "fault": 0.5},
    {"a": None, "b": None, "fault": None},
    {"a": None, "b": 1.0, "fault": 1.0},
    {"a": 1.0, "b": None, "fault": 0.0},
    {"a": float("nan"), "b": 1.0, "fault": 1.0},
    {},
    {"b": 0.49},
]


def some_scores(seed: int) -> dict[str, float | None]:
    draw = random.Random(seed)
    return {name: draw.choice([None, 0.0, 0.5, 1.0, draw.random(), draw.random()]) for name in PLAIN}


def present(score: float | None) -> bool:
    return score is not None and score == score  # NaN equals nothing


def criteria_folded(scores: dict[str, float | None], spec: dict[str, dict], fold: str, over: str, least: float) -> float | None:
    """RaR (arXiv:2507.17746, explicit aggregation): sum of w x s over sum of w. HealthBench (`calculate_score` in
    openai/simple-evals healthbench_eval.py): points of what is met over positive points, clipped here for each response.
    The others are the project's own."""
    size, fault, known = {}, {}, {}
    for name, fields in spec.items():
        points = fields.get("points")
        size[name] = abs(points) if points is not None else fields.get("weight", 1.0)
        fault[name] = points < 0 if points is not None else fields.get("kind") == "pitfall"
        if present(scores.get(name)):
            known[name] = float(scores[name] or 0.0)
    for name, fields in spec.items():
        if fields.get("veto") and name in known and known[name] < 0.5:
            return 0.0
    missing = [name for name in spec if name not in known]
    covered = sum(size[name] for name in known) / sum(size.values())
    if not known or any(spec[name].get("veto") for name in missing) or (missing and covered < least):
        return None
    if fold == "all_pass":
        return 1.0 if all(score >= 0.5 for score in known.values()) else 0.0
    if fold == "min":
        return min(known.values())
    if fold == "harmonic_mean":
        if not all(known.values()):
            return 0.0
        return sum(size[name] for name in known) / sum(size[name] / score for name, score in known.items())
    if over == "all_weights":
        return sum(size[name] * score for name, score in known.items()) / sum(size[name] for name in known)
    gained = possible = 0.0
    for name, score in known.items():
        there = 1 - score if fault[name] else score  # the fault is there when its criterion is scored 0
        gained += -size[name] * there if fault[name] else size[name] * there
        possible += 0.0 if fault[name] else size[name]
    return max(0.0, min(1.0, gained / possible)) if possible else None


@pytest.mark.parametrize("spec", [PLAIN, POINTS, VETOED], ids=["weights", "points", "vetoes"])
@pytest.mark.parametrize("fold", ["weighted_mean", "all_pass", "min", "harmonic_mean"])
@pytest.mark.parametrize("over", ["all_weights", "positive_points"])
@pytest.mark.parametrize("least", [1.0, 0.5, 0.1])
def test_criteria(spec, fold, over, least, same):
    criteria = [{"id": name, "text": "x", **fields} for name, fields in spec.items()]
    rubric = Rubric.model_validate({"criteria": criteria, "fold": fold, "denominator": over, "partial": {"min_coverage": least}})
    for scores in [*SCORES, *map(some_scores, range(150))]:
        same(
            fold_criteria(scores, rubric).value,
            criteria_folded(scores, spec, fold, over, least),
            (scores, spec, fold, over, least),
        )


def completed(all_scores: list[dict[str, float | None]], required: tuple[str, ...]) -> float | None:
    """POW3R (arXiv:2605.20164) reports the share of responses with every required item met; what is open is the project's own."""
    met = told = 0
    for scores in all_scores:
        values = [scores.get(name) for name in (required or tuple(scores))]
        failed = sum(present(v) and float(v or 0) < 0.5 for v in values)
        unknown = sum(not present(v) for v in values)
        if failed or (values and not unknown):
            told += 1
            met += not failed
    return met / told if told else None


@pytest.mark.parametrize("required", [(), ("a",), ("a", "fault")])
def test_strict_completion(required, same):
    same(strict_completion([], required), completed([], required))
    for start in range(60):
        batch = [some_scores(1000 + start * 7 + k) for k in range(start % 7 + 1)]
        same(strict_completion(batch, required), completed(batch, required), batch)
    for scores in SCORES:
        same(strict_completion([scores], required), completed([scores], required), scores)


def test_decided_and_spread(compared, same):
    """Decided: whatever the votes that are still to come say, the leader stays alone in front. By trying them all."""
    for seed in SEEDS:
        for votes in some_votes(seed):
            valid = [v for v in votes if v is not None]
            mean = sum(valid) / len(valid) if valid else 0.0
            wanted = math.sqrt(sum((v - mean) ** 2 for v in valid) / len(valid)) if len(valid) > 1 else None
            same(spread(votes), wanted, votes)
            for more in range(4):
                counts = Counter(valid)
                leader = max(counts, key=lambda v: (counts[v], v), default=None)
                ahead = leader is not None and all(
                    counts[leader] > counts[rival] + more for rival in {*counts, -1.0} if rival != leader
                )
                assert decided(votes, len(votes) + more) == ahead, (votes, more)
                compared()


def test_group_means(same):
    for seed in SEEDS:
        draw = random.Random(seed)
        rows = [(draw.choice("xyz"), draw.choice([None, 0.0, 1.0, draw.random()])) for _ in range(draw.randint(0, 12))]
        wanted = {}
        for group in "xyz":
            values = [value for name, value in rows if name == group and value is not None]
            if values:
                wanted[group] = sum(values) / len(values)
        same(group_means(rows), wanted, rows)


@pytest.mark.parametrize("policy", ["drop", "group_mean", "constant"])
def test_policies(policy, same):
    """The project's own: what stands in for a missing reward after the chain; rows that could not be judged get nothing."""
    for seed in range(100):
        draw = random.Random(seed)
        rows, wanted = [], []
        for number in range(draw.randint(0, 10)):
            raw = draw.choice([None, 0.0, 0.5, draw.random()])
            bad = raw is None and draw.random() < 0.3
            shaped = draw.choice([None, 0.25, -1.0]) if raw is not None and draw.random() < 0.5 else raw
            failure = None if raw is not None else NoVerdict(Reason.INVALID if bad else Reason.TIMEOUT)
            stages = (("step", shaped),) if shaped != raw else ()
            rows.append((Reward(str(number), 0, raw, failure, group=draw.choice("xy"), stages=stages), shaped, bad))
        for reward, shaped, bad in rows:
            mates = [value for other, value, _ in rows if other.group == reward.group and value is not None]
            stands = {"drop": None, "group_mean": sum(mates) / len(mates) if mates else None, "constant": 0.75}[policy]
            wanted.append(shaped if shaped is not None or bad else stands)
        found = apply_policy([reward for reward, _, _ in rows], policy, 0.75)
        same([r.reward for r in found], wanted, rows)
        same([r.raw_reward for r in found], [r.raw_reward for r, _, _ in rows], rows)
