"""Steps about the length of a response, most of them only where it is correct."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from judge.rubric.model import Frozen
from judge.settings.shape.units import Finite, Tokens, Unit, Weight


class _Outcome(Frozen):
    """A step that depends on which responses are correct: as told, or by the reward that enters the chain.

    Attributes:
        pass_at: From this reward on a response counts as correct; None: correctness is given with the batch.
    """

    pass_at: Finite | None = None


class CrfStep(_Outcome):
    """Conciseness pays only together with a correct outcome: reward x (1 + weight x (conciseness + difficulty)).

    Attributes:
        conciseness: Component with the conciseness score, in [0, 1].
        difficulty: Add exp(share correct in the group).
    """

    kind: Literal["crf"] = "crf"
    conciseness: str = "conciseness"
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
    least: Unit = 0.5
    weight: Unit = 0.2


class LaserStep(_Outcome):
    """Correct responses of at most `target` tokens earn `bonus`."""

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
    """

    kind: Literal["laser_d"] = "laser_d"
    lower: Tokens = 1024
    upper: Tokens = 16384
    interval: Tokens = 1024
    bonus: Weight = 0.5
    memory: Unit = 0.9

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.lower > self.upper:
            raise ValueError(f"`lower` ({self.lower}) is at most `upper` ({self.upper})")
        if (self.upper - self.lower) // self.interval > 10_000:
            raise ValueError("at most 10000 targets between `lower` and `upper`")
        return self


class OverlongStep(Frozen):
    """Lose up to `weight` in the last `cache` tokens before `limit`, and all of it beyond."""

    kind: Literal["overlong"] = "overlong"
    limit: Tokens
    cache: Tokens
    weight: Weight = 1.0

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.cache > self.limit:
            raise ValueError(f"`cache` ({self.cache}) is at most `limit` ({self.limit})")
        return self
