"""Answers of a judge server: one definition for the server, which documents them, and for the client, which checks them.

- A number is finite, a reason is one of `judge.types.Reason`, and nothing is converted: a bool or a string is no number.
- A reader ignores fields that it does not know, so that a newer server can add some; the document of a server lists all.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator

from judge.types import FinishReason, Reason


def _is_text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("should be text")
    return value


Text = Annotated[str, PlainValidator(_is_text, json_schema_input_type=str)]
"""Any text; pydantic's own check refuses half a surrogate pair, which a judge can write."""

KnownReason = Annotated[Reason, Field(strict=False)]
FiniteNumber = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]


class Out(BaseModel):
    """Base of answers."""

    model_config = ConfigDict(strict=True, extra="ignore", json_schema_extra={"additionalProperties": False})


class FailureOut(Out):
    """Why there is no reward."""

    reason: KnownReason
    detail: Text


class FlagOut(Out):
    """What a filter noticed."""

    name: Text
    detail: Text
    where: Text


class UncertaintyOut(Out):
    """How sure the reward is, on its own scale; see `judge.types.Uncertainty`."""

    spread: FiniteNumber | None
    missing: FiniteNumber
    expected: FiniteNumber | None
    entropy: FiniteNumber | None
    order_gap: FiniteNumber | None
    variance: FiniteNumber | None = None


class CallOut(Out):
    """One judge call."""

    turn: Text
    criteria: list[Text]
    order: list[int]
    vote: int
    seed: int
    request_hash: Text
    text: Text
    finish_reason: FinishReason
    verdict: Any
    no_verdict: KnownReason | None


class StepOut(Out):
    """One step of a response: its score, where it stands in the response's own words (characters), and what it is paid."""

    score: FiniteNumber | None
    start: Count | None
    stop: Count | None
    reward: FiniteNumber | None


class RewardOut(Out):
    """What one response earned.

    Attributes:
        reward: What a trainer gets, after the shaping chain; null when there is none, and then `failure` says why.
        raw_reward: What the verdicts came to, in [0, 1]; null when they came to nothing.
        steps: Of recipes that judge the steps of a response.
    """

    response_index: Count
    reward: FiniteNumber | None
    raw_reward: FiniteNumber | None
    failure: FailureOut | None
    components: dict[Text, FiniteNumber | None]
    uncertainty: UncertaintyOut
    flags: list[FlagOut]
    explanation: Text
    judge_calls: Count
    tokens: Count
    steps: list[StepOut] | None = None
    calls: list[CallOut] | None = None


class ResultOut(Out):
    """The rewards of one sample; `index` is its place in the request."""

    index: Count
    id: Text
    rewards: list[RewardOut]


class ScoreOut(Out):
    """Answer of `/v1/score`."""

    model: Text
    recipe: Text
    rubric: Text | None
    no_reward: Count
    results: list[ResultOut]


class RubricVersionOut(Out):
    """Answer of `/v1/rubric`: name (empty without versions) and hash of a version, all names, and the rubric itself."""

    version: Text
    hash: Text | None
    versions: list[Text]
    rubric: dict[str, Any] | None


class RankOut(Out):
    """Answer of `/v1/rank`: `ranking` holds response indices, best first; `unranked` those without a reward."""

    model: Text
    recipe: Text
    rubric: Text | None
    ranking: list[Count]
    unranked: list[Count]
    rewards: list[RewardOut]


class MemberOut(Out):
    """Answer to one member of a group: its own reward, and its place among the members (1 is best, ties share one)."""

    group: Text
    index: Count
    attempt: int
    size: Count
    place: Count | None
    result: RewardOut


class LineOut(Out):
    """Any line of a stream."""

    type: Literal["result", "done", "error"]


class StatusOut(Out):
    """Answer of `/livez` and `/readyz`."""

    status: Text
