"""A small sample of the server's own to try a judge on, and whether its engine answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from judge.pipeline.build import Plan
from judge.pipeline.selftest import sample_for
from judge.rubric.model import Criterion, Rubric
from judge.types import Reward, Sample

_RUBRIC = Rubric(name="probe", criteria=(Criterion(id="answers", text="The response answers the question."),))


def probe_for(plan: Plan) -> Sample:
    """A small sample that has all this plan's recipe can ask for."""
    sample = sample_for(plan.recipe)
    if plan.settings.group is not None and len(sample.responses) == 1:
        sample = replace(sample, responses=(*sample.responses, "It is 5."))
    needs_rubric = plan.rubric is None and plan.recipe.spec.mode == "checklist"
    return replace(sample, id="probe", context=("2 + 2 = 4.",), steps=(), rubric=_RUBRIC if needs_rubric else None)


def engine_answered(rewards: Sequence[Reward]) -> bool | None:
    """Whether the engine gave any whole reply for these; None when it was not asked."""
    fresh = [call for reward in rewards for call in reward.calls if not call.cached]
    if not fresh:
        return None
    return any(call.completion.finish_reason not in ("error", "timeout") for call in fresh)
