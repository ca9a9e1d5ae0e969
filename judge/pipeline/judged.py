"""A judge of judgements: each vote becomes a sample of its own, and gets a grade (`votes.filter`)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean
from typing import Protocol

from judge.pipeline.calls import Asked
from judge.thinking import strip_thinking
from judge.types import Call, NoVerdict, Reward, Sample


class JudgesSample(Protocol):
    """What judges one sample."""

    async def judge(self, sample: Sample, *, filters: bool = True) -> tuple[Reward, ...]:
        """The rewards of its responses."""
        ...


async def graded_vote(meta: JudgesSample, sample: Sample, vote: Sequence[Asked]) -> tuple[float | None, list[tuple[Call, ...]]]:
    """What the judge of judgements makes of one vote (asked in one or more orders), and its calls, for each order.

    Returns:
        The mean grade, in [0, 1]; None where an order has no verdict, of the judge or of its judge.
    """
    found = await asyncio.gather(*(_graded(meta, sample, asked) for asked in vote))
    grades = [grade for grade, _ in found]
    known = [grade for grade in grades if grade is not None]
    return fmean(known) if known and len(known) == len(grades) else None, [calls for _, calls in found]


async def _graded(meta: JudgesSample, sample: Sample, asked: Asked) -> tuple[float | None, tuple[Call, ...]]:
    if isinstance(asked.outcome, NoVerdict) or not asked.calls:
        return None, ()
    [reward] = await meta.judge(judgement(sample, asked), filters=False)
    last = asked.calls[-1]
    return reward.raw_reward, tuple(replace(c, vote=last.vote, order=last.order, criteria=last.criteria) for c in reward.calls)


def judgement(sample: Sample, asked: Asked) -> Sample:
    """What a judge of judgements is shown: the prompt, the responses as documents in the order judged, the judge's words."""
    said = [strip_thinking(call.completion.text) or "" for call in asked.calls if not call.proof]
    shown = [sample.shown[i] for i in asked.calls[-1].order]
    return Sample(
        prompt=sample.prompt,
        responses=("\n\n".join(text.strip() for text in said if text.strip()),),
        context=tuple(shown),
        id=sample.id,
    )
