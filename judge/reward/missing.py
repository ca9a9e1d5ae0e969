"""What a response without a reward becomes, by the run's declared policy; the reason always stays."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from judge.errors import NoVerdictError
from judge.types import Flag, Reason, Reward


def group_means(rewards: Iterable[tuple[str, float | None]]) -> dict[str, float]:
    """Mean reward of each group over the responses that have one; groups without any are left out."""
    sums: dict[str, list[float]] = {}
    for group, value in rewards:
        if value is not None:
            sums.setdefault(group, []).append(value)
    return {group: math.fsum(values) / len(values) for group, values in sums.items()}


def apply_policy(rewards: Sequence[Reward], policy: str, constant: float | None = None) -> list[Reward]:
    """Apply `on_no_verdict`, after the shaping chain. What it puts in place of a missing reward is a last stage, flagged
    `imputed`; `raw_reward` stays as it was: None without a verdict, a number where a step of the chain left no reward.

    A sample that could not be judged at all (`invalid`) gets nothing: that is a fault of the data and no failed judgement.

    Args:
        policy: `drop` (stays None), `group_mean` (mean of the group's other rewards, as they are after shaping; None when there
            is none), `constant` (on the scale that rewards have after shaping), or `raise`.

    Raises:
        NoVerdictError: Policy `raise`, naming the first sample and its reason.
    """
    missing = [r for r in rewards if r.reward is None]
    if not missing or policy == "drop":
        return list(rewards)
    if policy == "raise":
        count = f"{len(missing)} of {len(rewards)} responses have no reward; the first is " if len(rewards) > 1 else "no reward: "
        raise NoVerdictError(f"{count}{_described(missing[0])}; `on_no_verdict: raise` stops here")
    if policy == "constant":
        return [_imputed(reward, policy, constant) for reward in rewards]
    means = group_means((r.group, r.reward) for r in rewards)
    return [_imputed(reward, policy, means.get(reward.group)) for reward in rewards]


def _described(reward: Reward) -> str:
    """Which response has no reward, and why."""
    step = next((name for name, value in reward.stages if value is None), "")
    left = f"step `{step}` of `reward.shape` left none" if step else "unknown"
    why = f"{reward.failure.reason}: {reward.failure.detail}" if reward.failure else left
    return f"sample `{reward.sample_id}` ({why.removesuffix(': ')})"


def _imputed(reward: Reward, policy: str, value: float | None) -> Reward:
    if value is None or reward.reward is not None:
        return reward
    if reward.failure is not None and reward.failure.reason is Reason.INVALID:
        return reward
    flags = (*reward.flags, Flag("imputed", f"{policy}: {value:g}"))
    return replace(reward, flags=flags, stages=(*reward.stages, (policy, value)))
