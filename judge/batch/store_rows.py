"""A reward or a call -> the row of the journal that keeps it."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from judge.pipeline.cache import clean
from judge.types import Call, Flag, NoVerdict, Reward, Verdict


@lru_cache(maxsize=4096)
def _dumps(value: tuple[Any, ...]) -> str:
    """JSON of a tuple; most rows repeat the same few."""
    return json.dumps(value)


@lru_cache(maxsize=4096)
def _components(items: tuple[tuple[str, float | None], ...]) -> str:
    """JSON of a mapping; most rows repeat the same few."""
    return json.dumps(dict(items))


def _flags(reward: Reward) -> str:
    return _flag_list(reward.flags) if reward.flags else "[]"


@lru_cache(maxsize=4096)
def _flag_list(flags: tuple[Flag, ...]) -> str:
    return json.dumps([{"name": f.name, "detail": clean(f.detail), "where": clean(f.where)} for f in flags])


def _stages(reward: Reward) -> str | None:
    return json.dumps(reward.stages) if reward.stages else None


def reward_row(row: int, reward: Reward, response: str) -> tuple[Any, ...]:
    """The row of `rewards`, in the order of its columns."""
    u = reward.uncertainty
    return (
        row,
        reward.response_index,
        clean(reward.sample_id),
        clean(reward.group),
        reward.raw_reward,
        _status(reward, reward.calls),
        str(reward.failure.reason) if reward.failure else None,
        clean(reward.failure.detail) if reward.failure else None,
        _flags(reward),
        _components(tuple(reward.components.items())),
        u.spread,
        u.missing,
        u.expected,
        u.entropy,
        u.order_gap,
        u.variance,
        clean(reward.explanation),
        reward.judge_calls,
        sum([c.completion.prompt_tokens for c in reward.calls if not c.shared]),
        sum([c.completion.completion_tokens for c in reward.calls if not c.shared]),
        clean(response[:EXCERPT]),
        reward.reward,
        _stages(reward),
        _step_table(reward),
    )


def _step_table(reward: Reward) -> str | None:
    return json.dumps(table) if (table := reward.step_table) else None


def _status(reward: Reward, calls: tuple[Call, ...] | None) -> str | None:
    """`judged`, `filtered` (a filter decided), `imputed`, or `no_verdict`. Without its calls: None, where they would tell."""
    if reward.flags and any(f.name == "imputed" for f in reward.flags):
        return "imputed"
    if reward.raw_reward is None:
        return "no_verdict"
    if calls is None:
        return None
    decided = not reward.components or any(f.name == "win_by_default" for f in reward.flags)
    return "filtered" if not calls and decided else "judged"


def verdict_row(row: int, sample_id: str, call: Call) -> tuple[Any, ...]:
    """The row of `verdicts`, in the order of its columns."""
    verdict = call.outcome if isinstance(call.outcome, Verdict) else None
    failure = call.outcome if isinstance(call.outcome, NoVerdict) else None
    return (
        row,
        clean(sample_id),
        call.key,
        call.turn,
        _dumps(call.order),
        _dumps(call.criteria),
        call.vote,
        call.seed,
        json.dumps(verdict.value) if verdict else None,
        _dumps(verdict.scores) if verdict else None,
        str(failure.reason) if failure else None,
        clean(failure.detail) if failure else None,
        verdict.forced if verdict else False,
        call.cached,
    )


EXCERPT = 160  # characters of the response kept for the summary
