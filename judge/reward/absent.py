"""What a response without a reward becomes, by the run's declared policy; the reason always stays."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from judge.errors import NoVerdictError
from judge.types import Flag, Reward


def group_means(rewards: Iterable[tuple[str, float | None]]) -> dict[str, float]:
    """Mean reward of each group over the responses that have one; groups without any are left out."""
    sums: dict[str, list[float]] = {}
    for group, value in rewards:
        if value is not None:
            sums.setdefault(group, []).append(value)
    return {group: math.fsum(values) / len(values) for group, values in sums.items()}


def apply_policy(rewards: Sequence[Reward], policy: str, constant: float | None = None) -> list[Reward]:
    """Apply `on_no_verdict`. An imputed value is flagged `imputed`, and its `failure` is kept.

    Args:
        policy: `drop` (stays None), `group_mean` (mean of the group's other rewards; None when there is none), `constant`, or
            `raise`. After a shaping chain `group_mean` also takes the mean of what the chain made of the others.

    Raises:
        NoVerdictError: Policy `raise`, naming the first sample and its reason.
    """
    absent = [r for r in rewards if r.value is None]
    if not absent or policy == "drop":
        return list(rewards)
    if policy == "raise":
        first = absent[0]
        why = f"{first.failure.reason}: {first.failure.detail}" if first.failure else "unknown"
        raise NoVerdictError(
            f"{len(absent)} of {len(rewards)} responses have no reward; the first is sample `{first.sample_id}` ({why})"
        )
    means = group_means((r.group or r.sample_id, r.value) for r in rewards) if policy == "group_mean" else {}
    shaped = group_means((r.group or r.sample_id, r.trained) for r in rewards if r.stages) if policy == "group_mean" else {}
    out = []
    for reward in rewards:
        name = reward.group or reward.sample_id
        value = constant if policy == "constant" else means.get(name)
        if reward.value is not None or value is None:
            out.append(reward)
            continue
        flags = (*reward.flags, Flag("imputed", f"{policy}: {value:g}"))
        last = [(step, shaped.get(name)) for step, _ in reward.stages[-1:]]
        out.append(replace(reward, value=value, flags=flags, stages=(*reward.stages[:-1], *last)))
    return out
