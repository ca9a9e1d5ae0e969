"""One batch of samples and rewards -> its figures. A response without a reward is counted, and is in no mean."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from judge.arrays import Floats, pearson, spearman
from judge.errors import InputError
from judge.monitor.features import (
    FORMAT_FEATURES,
    digest,
    format_counts,
    normalised,
    opening,
    top_share,
    within_groups,
)
from judge.types import Reward, Sample

LEAST_PROMPTS = 4  # fewer prompts say nothing about what is common to prompts
LEAST_CORRELATED = 8  # responses; fewer have no correlation
LEAST_WITH_FEATURE = 4  # one lucky emoji is no correlation

StepStatistics = Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class ResponseFeatures:
    """What is kept of one response: hashes and counts, never its text."""

    prompt: int
    text: int
    opening: int
    length: int  # characters
    format: tuple[int, ...]  # as FORMAT_FEATURES
    value: float | None
    reason: str  # why there is no value; empty where there is one
    flags: tuple[str, ...]


def rows(samples: Sequence[Sample], rewards: Sequence[Reward]) -> Iterator[ResponseFeatures]:
    """Pair responses with their rewards.

    Args:
        samples: The batch. Those of one group, or of one prompt where groups have no name, compete.
        rewards: One for each response, sample by sample, as `Judge.score` returns them.

    Raises:
        InputError: They do not belong together.
    """
    responses = [(sample, index) for sample in samples for index in range(len(sample.responses))]
    if len(responses) != len(rewards):
        raise InputError(f"the monitor got {len(rewards)} rewards for {len(responses)} responses; canaries are split off first")
    for position, ((sample, index), reward) in enumerate(zip(responses, rewards, strict=True)):
        if reward.response_index != index or (sample.id and reward.sample_id != sample.id):
            raise InputError(
                f"reward {position} is of `{reward.sample_id}`[{reward.response_index}], and response {position} is"
                f" `{sample.id}`[{index}]; pass rewards in the order of the samples"
            )
        yield _row(sample, index, reward)


def _row(sample: Sample, index: int, reward: Reward) -> ResponseFeatures:
    text = sample.texts[index]
    missing = reward.raw_reward is None
    return ResponseFeatures(
        prompt=digest(sample.group_key),
        text=digest(normalised(text)),
        opening=digest(opening(text)),
        length=len(text),
        format=format_counts(text),
        value=reward.raw_reward,
        reason=(str(reward.failure.reason) if reward.failure else "unknown") if missing else "",
        flags=tuple({flag.name for flag in reward.flags}),
    )


def figures(batch: Sequence[ResponseFeatures], pass_threshold: float) -> dict[str, float | None]:
    """All figures of one batch; None where the batch cannot tell.

    Args:
        batch: At least one row.
        pass_threshold: A reward at or above it is a pass.

    Returns:
        `responses` and `length_mean` (characters); the rest are shares, rewards in [0, 1] or correlations in [-1, 1].
    """
    valid = [row for row in batch if row.value is not None]
    values = np.array([row.value for row in valid], dtype=np.float64)
    found: dict[str, float | None] = {
        "responses": float(len(batch)),
        "length_mean": float(np.mean([row.length for row in batch])),
        "no_verdict_share": 1 - len(valid) / len(batch),
        "reward_mean": float(values.mean()) if valid else None,
        "reward_std": float(values.std()) if valid else None,
        "pass_rate": float((values >= pass_threshold).mean()) if valid else None,
    }
    return found | _repetition(batch) | _spread(valid, values) | _correlations(valid, values)


def shares(batch: Sequence[ResponseFeatures]) -> tuple[dict[str, float], dict[str, float]]:
    """Share of the responses for each reason of a missing reward, and for each flag."""
    reasons = Counter(row.reason for row in batch if row.reason)
    flags = Counter(flag for row in batch for flag in row.flags)
    return {k: n / len(batch) for k, n in reasons.items()}, {k: n / len(batch) for k, n in flags.items()}


def _repetition(batch: Sequence[ResponseFeatures]) -> dict[str, float | None]:
    prompts = {row.prompt for row in batch}
    several = len(prompts) >= LEAST_PROMPTS
    prompts_of = Counter(text for _, text in {(row.prompt, row.text) for row in batch})
    shared = [n for text, n in Counter(row.text for row in batch).items() if prompts_of[text] > 1]
    sizes = Counter(row.prompt for row in batch)
    distinct = Counter(prompt for prompt, _ in {(row.prompt, row.text) for row in batch})
    grouped = {prompt: n for prompt, n in sizes.items() if n > 1}
    total = sum(grouped.values())
    return {
        "opening_share": top_share([row.opening for row in batch]) if several else None,
        "identical_share": max(shared, default=0) / len(batch) if several else None,
        "duplicate_share": sum(n - distinct[prompt] for prompt, n in grouped.items()) / total if total else None,
    }


def _spread(valid: Sequence[ResponseFeatures], values: Floats) -> dict[str, float | None]:
    numbers = _numbers([row.prompt for row in valid])
    sizes = np.bincount(numbers) if valid else np.zeros(0, dtype=np.int64)
    many = sizes >= 2
    if not many.any():
        return {"group_std": None, "zero_spread_share": None}
    squares = np.bincount(numbers, weights=within_groups(values, numbers) ** 2)
    deviations = np.sqrt(squares[many] / sizes[many])
    return {"group_std": float(deviations.mean()), "zero_spread_share": float((deviations < 1e-9).mean())}


def _correlations(valid: Sequence[ResponseFeatures], values: Floats) -> dict[str, float | None]:
    """Within groups where there are any: between prompts, hard questions have long answers and low rewards."""
    numbers = _numbers([row.prompt for row in valid])
    lengths = np.array([row.length for row in valid], dtype=np.float64)
    counts = np.array([row.format for row in valid], dtype=np.float64).reshape(len(valid), len(FORMAT_FEATURES))
    if valid:
        grouped = np.bincount(numbers)[numbers] >= 2
        if grouped.any():
            values, lengths, counts = values[grouped], lengths[grouped], counts[grouped]
            numbers = _numbers(numbers[grouped].tolist())
            values, lengths = within_groups(values, numbers), within_groups(lengths, numbers)
    found: dict[str, float | None] = {"reward_length_correlation": _known(spearman(values, lengths, LEAST_CORRELATED))}
    for column, name in enumerate(FORMAT_FEATURES):
        has = int((counts[:, column] > 0).sum())
        enough = min(has, len(values) - has) >= LEAST_WITH_FEATURE or (has == len(values) and has >= LEAST_WITH_FEATURE)
        value = pearson(values, np.log1p(counts[:, column]), LEAST_CORRELATED) if enough else math.nan
        found[f"reward_{name}_correlation"] = _known(value)
    return found


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _numbers(keys: Sequence[Hashable]) -> NDArray[np.int64]:
    """Keys as numbers from 0 in order of appearance, shape (n,)."""
    seen: dict[Hashable, int] = {}
    return np.array([seen.setdefault(key, len(seen)) for key in keys], dtype=np.int64)
