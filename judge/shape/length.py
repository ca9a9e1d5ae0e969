"""Length counts only where the answer is right: a plain length penalty makes a policy short before it makes it correct."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from judge.arrays import Floats
from judge.rubric.model import Frozen
from judge.shape.batch import (
    Finite,
    RewardRange,
    Stage,
    StepKind,
    Stepped,
    Tokens,
    UnitFloat,
    Weight,
    always,
    mean_std,
    not_negative,
    sees_batch,
    sees_one,
    sigmoid,
)


class _Outcome(Frozen):
    """A step that depends on which responses are correct: as told, or by the reward that enters the chain.

    Attributes:
        pass_at: From this reward on a response counts as correct; None: correctness is given with the batch.
    """

    pass_at: Finite | None = None


class CrfStep(_Outcome):
    """Conciseness pays only together with a correct outcome: base x (1 + weight x (conciseness + difficulty)).

    Attributes:
        conciseness: Component with the conciseness score, in [0, 1].
        base: `others`: the reward by the other criteria, since conciseness is one of the rubric and would be paid for a wrong
            answer too; `reward`: what enters the step, where conciseness is no part of it.
        difficulty: Add exp(share correct in the group).
        weight: Of the conciseness.
    """

    kind: Literal["crf"] = "crf"
    conciseness: str = "conciseness"
    base: Literal["others", "reward"] = "others"
    weight: Weight = 0.2
    difficulty: bool = False


class GrpoLambdaStep(_Outcome):
    """Length counts only in the groups that are mostly correct.

    Attributes:
        top: Share of the batch's groups, most correct first, in which length counts.
        least: Share of correct responses that such a group must have.
        weight: Largest share of the reward that length can take.
    """

    kind: Literal["grpo_lambda"] = "grpo_lambda"
    top: float = Field(default=0.2, gt=0, le=1)
    least: UnitFloat = 0.5
    weight: UnitFloat = 0.2


class LaserStep(_Outcome):
    """Correct responses of at most `target` tokens earn `bonus`.

    Attributes:
        target: Most tokens for the bonus.
        bonus: What a short correct response earns more.
    """

    kind: Literal["laser"] = "laser"
    target: Tokens
    bonus: Weight = 0.5


class LaserDStep(_Outcome):
    """Laser with a target that follows the group's difficulty and the lengths seen so far.

    Attributes:
        lower: Shortest target, tokens.
        upper: Longest target, tokens; used until lengths have been seen.
        interval: Targets are `lower`, `lower + interval`, ... `upper`.
        memory: Weight of the earlier batches when a new one comes, in [0, 1].
        bonus: What a short correct response earns more.
    """

    kind: Literal["laser_d"] = "laser_d"
    lower: Tokens = 1024
    upper: Tokens = 16384
    interval: Tokens = 1024
    bonus: Weight = 0.5
    memory: UnitFloat = 0.9

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.lower > self.upper:
            raise ValueError(f"`lower` ({self.lower}) is at most `upper` ({self.upper})")
        if (self.upper - self.lower) // self.interval > 10_000:
            raise ValueError("at most 10000 targets between `lower` and `upper`")
        return self


class OverlongStep(Frozen):
    """Lose up to `weight` in the last `cache` tokens before `limit`, and all of it beyond.

    Attributes:
        limit: Tokens from which on all of `weight` is lost.
        cache: Tokens before `limit` over which the penalty grows.
        weight: Largest penalty.
    """

    kind: Literal["overlong"] = "overlong"
    limit: Tokens
    cache: Tokens
    weight: Weight = 1.0

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.cache > self.limit:
            raise ValueError(f"`cache` ({self.cache}) is at most `limit` ({self.limit})")
        return self


LEVELS = ("easy", "medium", "hard")


def crf(reward: float, conciseness: float, share_correct: float | None = None, weight: float = 0.2) -> float:
    """reward x (1 + weight x (conciseness + difficulty)): conciseness pays nothing for a wrong answer, whose reward is 0.

    "Efficient Reasoning via Reward Model" (arXiv:2511.09158, conciseness reward function); difficulty is exp(share correct). The
    paper anneals its coefficient, which is `weight` here. Formula as reported by readers of the paper, not checked against it.

    Args:
        reward: Without conciseness; of a wrong answer 0.

    Example:
        >>> crf(1.0, 0.5), crf(0.0, 1.0)
        (1.1, 0.0)
    """
    difficulty = 0.0 if share_correct is None else math.exp(share_correct)
    return reward * (1.0 + weight * (conciseness + difficulty))


def length_factor(lengths: Floats, correct: Floats, weight: float = 0.2) -> Floats:
    """1 - weight x sigmoid((length - mean) / std) for correct responses, mean and std over the correct ones; 1 for the others.

    GRPO-lambda, "Stable Reinforcement Learning for Efficient Reasoning" (arXiv:2505.18086, section 3), in (0, 1].

    Example:
        >>> length_factor(np.array([100.0, 300.0, 900.0]), np.array([1.0, 1.0, 0.0])).round(4)  # sigmoid(-1), sigmoid(1)
        array([0.9462, 0.8538, 1.    ])
    """
    out = np.ones(len(lengths))
    right = correct == 1
    if right.any():
        mean, std = mean_std(lengths[right])
        away = (lengths[right] - mean) / std if std > 0 else np.zeros(int(right.sum()))
        out[right] = 1 - weight * sigmoid(np.asarray(away, dtype=np.float64))
    return out


def top_groups(shares: Mapping[str, float], top: float = 0.2, least: float = 0.5) -> set[str]:
    """Groups in which length counts: the most correct `top` share of the batch (at least one), with at least `least` correct.

    GRPO-lambda's batch-wise selection (same section). Ours: `least`, since in a small batch the best group may be all wrong, and
    groups as correct as the last one selected are selected too, so that no name decides.

    Example:
        >>> sorted(top_groups({"a": 1.0, "b": 0.75, "c": 0.25}, top=0.5))
        ['a', 'b']
    """
    if not shares:
        return set()
    ordered = sorted(shares.values(), reverse=True)
    bar = max(least, ordered[max(1, math.ceil(top * len(ordered))) - 1])
    return {name for name, share in shares.items() if share >= bar}


def overlong(length: float, limit: int, cache: int) -> float:
    """0 up to limit - cache, then down linearly to -1 at `limit`, and -1 beyond. Lengths in tokens.

    DAPO (arXiv:2503.14476, equation 13, soft overlong punishment).

    Example:
        >>> overlong(70, 100, 20), overlong(90, 100, 20), overlong(101, 100, 20)
        (0.0, -0.5, -1.0)
    """
    over = (length - (limit - cache)) / cache
    return 0.0 if over <= 0 else -min(1.0, over)


def target_length(counts: Sequence[float], targets: Sequence[int], expected: int) -> int:
    """Shortest target within which at least one correct answer is expected of a group; the longest when there is none.

    LASER-D (arXiv:2505.15612, section 4.2, expected correct responses): floor(coverage x expected) >= 1, where coverage is the
    share of the responses seen at this difficulty, right or wrong, that are at most so long (`_choose_target_length` and
    `_count_accuracy_bands_metrics` in the authors' code).

    Args:
        counts: Responses seen, by the shortest target they fit; one more entry for longer ones.
        targets: Ascending, tokens.
        expected: Correct responses that a group of this difficulty has at least.

    Example:
        >>> target_length([3, 1, 0], [1024, 2048], expected=2), target_length([0, 0, 0], [1024, 2048], expected=2)
        (1024, 2048)
    """
    total, seen = math.fsum(counts), 0.0
    for target, count in zip(targets, counts, strict=False):
        seen += count
        if total > 0 and math.floor(seen / total * expected + 1e-9) >= 1:
            return target
    return targets[-1]


def correctness(step: Any, stage: Stage, rewards: Floats | None = None) -> Floats:
    """1, 0 or NaN by row: as given, or by a reward (the one that enters the chain). A vetoed response is not correct."""
    if step.pass_at is None:
        return np.where(stage.present, stage.batch.correct, np.nan)  # type: ignore[arg-type]  # the chain was checked
    values = stage.batch.values if rewards is None else rewards
    right = np.where(np.isnan(values), np.nan, (values >= step.pass_at).astype(np.float64))
    return np.where(stage.vetoed & ~np.isnan(values), 0.0, right)


def _known(stage: Stage, *columns: Floats) -> tuple[Floats, tuple[str, ...]]:
    """The values, absent where a column is: an unknown length is not 0. A vetoed response needs none of them to be the worst."""
    missing = stage.present & ~stage.vetoed & np.any([np.isnan(c) for c in columns], axis=0)
    count = int(missing.sum())
    note = (f"{count} response(s) lack what this step needs: no reward there",) if count else ()
    return np.where(missing, np.nan, stage.values), note


def _share(correct: Floats) -> float:
    return math.fsum(correct) / len(correct)


def _crf(step: CrfStep, stage: Stage) -> Stepped:
    concise = np.where(stage.vetoed, 0.0, stage.batch.components[step.conciseness])
    base = stage.values if step.base == "reward" else np.where(stage.vetoed, 0.0, stage.batch.without[step.conciseness])
    right = correctness(step, stage, base) if step.difficulty else np.zeros(len(base))
    values, notes = _known(stage, concise, base, right)
    out = np.full(len(values), np.nan)
    for _, rows in Stage(stage.batch, values, stage.seed, {}).groups():
        share = _share(right[rows]) if step.difficulty else None
        out[rows] = [crf(float(base[r]), float(concise[r]), share, step.weight) for r in rows]
    return Stepped(out, notes)


def _grpo_lambda(step: GrpoLambdaStep, stage: Stage) -> Stepped:
    lengths, right = _lengths(stage), correctness(step, stage)
    values, notes = _known(stage, lengths, right)
    groups = dict(Stage(stage.batch, values, stage.seed, {}).groups())
    chosen = top_groups({name: _share(right[rows]) for name, rows in groups.items()}, step.top, step.least)
    out = values.copy()
    for name in chosen:
        rows = groups[name]
        out[rows] = values[rows] * length_factor(lengths[rows], right[rows], step.weight)
    return Stepped(out, (*notes, f"length counts in {len(chosen)} of {len(groups)} group(s)"))


def _laser(step: LaserStep, stage: Stage) -> Stepped:
    """r + bonus where correct and at most `target` tokens (LASER, arXiv:2505.15612, section 4.1; bonus 0.5 there)."""
    lengths, right = _lengths(stage), correctness(step, stage)
    values, notes = _known(stage, lengths, right)
    return Stepped(values + step.bonus * ((right == 1) & (lengths <= step.target)), notes)


def _laser_d(step: LaserDStep, stage: Stage) -> Stepped:
    lengths, right = _lengths(stage), correctness(step, stage)
    values, notes = _known(stage, lengths, right)
    targets = [*range(step.lower, step.upper, step.interval), step.upper]
    seen = {level: list(stage.state.get(level, [0.0] * (len(targets) + 1))) for level in LEVELS}
    fresh = {level: [step.memory * c for c in counts] for level, counts in seen.items()}
    out, used = values.copy(), {}
    for _, rows in Stage(stage.batch, values, stage.seed, {}).groups():
        share = _share(right[rows])
        level = _level(share)
        expected = {"easy": len(rows) * 2 // 3, "medium": len(rows) // 3, "hard": 1}[level]
        used[level] = target = target_length(seen[level], targets, expected)
        out[rows] += step.bonus * ((right[rows] == 1) & (lengths[rows] <= target))
        for length in lengths[rows][~np.isnan(lengths[rows])]:
            fresh[_band(share)][int(np.searchsorted(targets, length))] += 1.0
    told = ", ".join(f"{level} {used[level]}" for level in LEVELS if level in used)
    return Stepped(out, (*notes, f"targets in tokens: {told}") if told else notes, fresh)


def _level(share: float) -> str:
    """Difficulty by which a group gets its target, in thirds of its share of correct responses, as LASER-D's code has it."""
    return "easy" if share >= 2 / 3 else "medium" if share >= 1 / 3 else "hard"


def _band(share: float) -> str:
    """Difficulty to which its lengths are counted: the same thirds, whose upper ends belong to the harder one there."""
    return "hard" if share <= 1 / 3 else "medium" if share <= 2 / 3 else "easy"


def _overlong(step: OverlongStep, stage: Stage) -> Stepped:
    lengths = _lengths(stage)
    values, notes = _known(stage, lengths)
    penalty = np.array([0.0 if math.isnan(n) else overlong(float(n), step.limit, step.cache) for n in lengths])
    return Stepped(values + step.weight * penalty, notes)


def _lengths(stage: Stage) -> Floats:
    return stage.batch.lengths if stage.batch.lengths is not None else np.full(len(stage.values), np.nan)


def _needs(step: Any) -> tuple[str, ...]:
    return ("lengths",) if step.pass_at is not None else ("lengths", "correct")


def _crf_needs(step: CrfStep) -> tuple[str, ...]:
    judged = ("correct",) if step.difficulty and step.pass_at is None else ()
    others = (f"without {step.conciseness}",) if step.base == "others" else ()
    return (f"component {step.conciseness}", *others, *judged)


def _crf_span(step: CrfStep, span: RewardRange) -> RewardRange:
    low, high = (0.0, 1.0) if step.base == "others" else span
    return low, high * (1 + step.weight * (1 + (math.e if step.difficulty else 0.0)))


def _crf_objects(step: CrfStep, span: RewardRange) -> str:
    return "" if step.base == "others" else not_negative(step, span)


def _bonus(step: Any, span: RewardRange) -> RewardRange:
    return span[0], span[1] + step.bonus


KINDS: dict[str, StepKind] = {
    "crf": StepKind(
        _crf,
        always("row"),
        _crf_needs,
        _crf_span,
        _crf_objects,
        replaces=lambda s: bool(s.base == "others"),
        sees=lambda s: "group" if s.difficulty else "one",
    ),
    "grpo_lambda": StepKind(
        _grpo_lambda,
        always("row"),
        _needs,
        lambda s, span: (span[0] * (1 - s.weight), span[1]),
        not_negative,
        sees=sees_batch,
    ),
    "laser": StepKind(_laser, always("row"), _needs, _bonus, sees=sees_one),
    "laser_d": StepKind(_laser_d, always("row"), _needs, _bonus, sees=sees_batch, remembers=lambda s: True),
    "overlong": StepKind(
        _overlong, always("row"), lambda s: ("lengths",), lambda s, span: (span[0] - s.weight, span[1]), sees=sees_one
    ),
}
