"""Rewards -> what a trainer logs: the same names for every sample, and finite numbers only.

verl and OpenRLHF take the names from the first sample of a batch and look them up in all others: one sample with other names
is a KeyError, or a column lost without a word. NaN in a column that a trainer batch_metrics, or trains on, poisons the rest.
"""

from __future__ import annotations

from collections.abc import Sequence

from judge.pipeline.build import Plan
from judge.types import Reward


def components_of(plan: Plan) -> tuple[str, ...]:
    """Names of the components that every reward of this plan has: the criteria of the run's rubric, asked one by one."""
    return tuple(c.id for c in plan.rubric.criteria) if plan.rubric and plan.recipe.spec.mode == "checklist" else ()


def metric_names(components: Sequence[str], name: str) -> tuple[str, ...]:
    """The keys of `metrics_of`, in order.

    Example:
        >>> metric_names(["right"], "judge")
        ('judge/raw', 'judge/no_verdict', 'judge/unjudged', 'judge/gated', 'judge/calls', 'judge/right')
    """
    return tuple(f"{name}/{part}" for part in ("raw", "no_verdict", "unjudged", "gated", "calls", *components))


def metrics_of(reward: Reward, score: float, components: Sequence[str], name: str) -> dict[str, float]:
    """One sample's figures.

    Args:
        score: What the trainer gets. It stands in for a reward or a criterion without a verdict, which `no_verdict` and
            `unjudged` count: so it moves no mean away from the rewards trained on.

    Returns:
        `raw`: the judge's reward in [0, 1]; `no_verdict`: 1 without a verdict, else 0; `unjudged`: criteria without one;
        `gated`: 1 when a filter decided; `calls`: requests to the judge; then each criterion, in [0, 1], 1 best.

    Example:
        >>> metrics_of(Reward("a", 0, 0.5, components={"right": None}), 0.5, ["right"], "j")
        {'j/raw': 0.5, 'j/no_verdict': 0.0, 'j/unjudged': 1.0, 'j/gated': 1.0, 'j/calls': 0.0, 'j/right': 0.5}
    """
    raw = score if reward.value is None else reward.value
    found = [reward.components.get(c) for c in components]
    values = (
        raw,
        float(reward.failure is not None),
        float(sum(v is None for v in found)),
        float(is_filtered(reward)),
        float(reward.judge_calls),
        *(raw if v is None else v for v in found),
    )
    return dict(zip(metric_names(components, name), values, strict=True))


def batch_metrics(rewards: Sequence[Reward], components: Sequence[str], name: str) -> dict[str, float]:
    """Means over a batch, each over those that have a value; a figure that no reward has is left out.

    Example:
        >>> batch_metrics([Reward("a", 0, 0.5), Reward("b", 0, None)], (), "j")["j/raw"]
        0.5
    """
    if not rewards:
        return {}
    columns: dict[str, Sequence[float | None]] = {
        "raw": [r.value for r in rewards],
        "no_verdict": [float(r.failure is not None) for r in rewards],
        "gated": [float(is_filtered(r)) for r in rewards],
        "calls": [float(r.judge_calls) for r in rewards],
        **{c: [r.components.get(c) for r in rewards] for c in components},
    }
    known = {part: [v for v in column if v is not None] for part, column in columns.items()}
    return {f"{name}/{part}": sum(values) / len(values) for part, values in known.items() if values}


def is_filtered(reward: Reward) -> bool:
    """Whether the reward was decided without the judge."""
    return reward.value is not None and not reward.calls


def why(reward: Reward) -> str:
    """One line on where a reward came from, or why there is none.

    Example:
        >>> from judge.types import NoVerdict, Reason
        >>> why(Reward("a", 0, None, NoVerdict(Reason.TIMEOUT, "after 120 s")))
        'no reward: timeout: after 120 s'
    """
    if reward.value is None and reward.failure is not None:
        return f"no reward: {reward.failure.reason}: {reward.failure.detail}"
    if reward.stages:
        chain = " -> ".join(f"{name} {'absent' if value is None else format(value, '.4g')}" for name, value in reward.stages)
        return f"{reward.explanation}; {chain}"
    return reward.explanation
