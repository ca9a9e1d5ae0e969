"""Rewards -> what clients get. `reward` is null exactly when there is none, and then `failure` says why; it is never a number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from judge.types import NoVerdict, Reason, Reward


class Out(BaseModel):
    """Base of answers."""

    model_config = ConfigDict(extra="forbid")


class FailureOut(Out):
    """Why there is no reward; `reason` is one of `judge.types.Reason`."""

    reason: str
    detail: str


class FlagOut(Out):
    """What a filter noticed."""

    name: str
    detail: str
    where: str


class UncertaintyOut(Out):
    """How sure the reward is, on its own scale; see `judge.types.Uncertainty`."""

    spread: float | None
    missing: float
    expected: float | None
    entropy: float | None
    order_gap: float | None


class CallOut(Out):
    """One judge call."""

    turn: str
    criteria: list[str]
    order: list[int]
    vote: int
    seed: int
    request_hash: str
    text: str
    finish_reason: str
    verdict: Any
    no_verdict: str | None


class RewardOut(Out):
    """What one response earned.

    Attributes:
        reward: What a trainer gets, after the shaping chain; null when there is none.
        value: The judge's own reward in [0, 1], before the chain.
    """

    response_index: int
    reward: float | None
    value: float | None
    failure: FailureOut | None
    components: dict[str, float | None]
    uncertainty: UncertaintyOut
    flags: list[FlagOut]
    explanation: str
    judge_calls: int
    tokens: int
    calls: list[CallOut] | None = None


class ResultOut(Out):
    """The rewards of one sample; `index` is its place in the request."""

    index: int
    id: str
    rewards: list[RewardOut]


class ScoreOut(Out):
    """Answer of `/v1/score`."""

    model: str
    recipe: str
    rubric: str | None
    no_reward: int
    results: list[ResultOut]


class RankOut(Out):
    """Answer of `/v1/rank`: `ranking` holds response indices, best first; `unranked` those without a reward."""

    model: str
    recipe: str
    rubric: str | None
    ranking: list[int]
    unranked: list[int]
    rewards: list[RewardOut]


class MemberOut(Out):
    """Answer to one member of a group: its own reward, and its place among the members (1 is best, ties share one)."""

    group: str
    index: int
    attempt: int
    size: int
    place: int | None
    result: RewardOut


def failure_of(reward: Reward) -> NoVerdict | None:
    """Why a response has nothing to train on; a reward that the shaping chain took away says so."""
    if reward.trained is not None:
        return None
    if reward.failure is not None:
        return reward.failure
    gone = next((name for name, value in reward.stages if value is None), "")
    return NoVerdict(Reason.DROPPED, f"step `{gone}` of the shaping chain left no reward" if gone else "no reward")


def reward_out(reward: Reward, *, index: int | None = None, detail: bool = False) -> dict[str, Any]:
    """One reward as plain values (the shape of `RewardOut`)."""
    failure, u = failure_of(reward), reward.uncertainty
    out: dict[str, Any] = {
        "response_index": reward.response_index if index is None else index,
        "reward": reward.trained,
        "value": reward.value,
        "failure": None if failure is None else {"reason": str(failure.reason), "detail": failure.detail},
        "components": dict(reward.components),
        "uncertainty": {
            "spread": u.spread, "missing": u.missing, "expected": u.expected, "entropy": u.entropy, "order_gap": u.order_gap,
        },
        "flags": [{"name": f.name, "detail": f.detail, "where": f.where} for f in reward.flags],
        "explanation": reward.explanation,
        "judge_calls": reward.judge_calls,
        "tokens": reward.tokens,
    }  # fmt: skip
    if detail:
        out["calls"] = [call.plain() for call in reward.calls]
    return out


def places(values: Sequence[float | None]) -> list[int | None]:
    """Place of each value, 1 for the highest; equal values share one, None has none.

    Example:
        >>> places([0.5, None, 1.0, 0.5])
        [2, None, 1, 2]
    """
    known = [v for v in values if v is not None]
    return [None if v is None else 1 + sum(other > v for other in known) for v in values]
