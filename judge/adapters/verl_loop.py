"""verl: an agent loop whose responses can be paid by step, at the last token of each step.

What its own code does (verl 0.9.1, `experimental/agent_loop/agent_loop.py`, `trainer/ppo/v1/agent_loop_tq.py`): the reward comes
from the reward manager after the loop has ended, is written into the loop's output, and `AgentLoopOutput.as_dict` puts it at the
last token of `rm_scores`. A loop may return an output of its own class, so one that knows `PaidByStep` is all that is needed.
"""

from __future__ import annotations

from typing import Any

from judge.adapters._shared.lazy import base_of
from judge.adapters.verl_steps import PaidByStep, place

_Output: Any = base_of("verl.experimental.agent_loop.agent_loop.AgentLoopOutput")
_Loop: Any = base_of("verl.experimental.agent_loop.single_turn_agent_loop.SingleTurnAgentLoop")


class StepOutput(_Output):  # type: ignore[misc]  # known only where verl is
    """`AgentLoopOutput` whose `rm_scores` pay each step at its last token, where the reward says what steps are paid."""

    def as_dict(self) -> dict[str, Any]:
        """As verl's own, with the row of `rm_scores` put in."""
        own: Any = self
        score = own.reward_score
        own.reward_score = None if score is None else float(score)  # pydantic warns of a number that is more than one
        made: dict[str, Any] = super().as_dict()
        if isinstance(score, PaidByStep) and len(score.tokens) == len(made["rm_scores"]):
            made["rm_scores"] = place(made["rm_scores"].unsqueeze(0), [score])[0]
        own.reward_score = score
        return made


def judged_output(output: Any) -> Any:
    """What an agent loop of your own returns: `return judged_output(AgentLoopOutput(...))`."""
    return StepOutput.model_construct(output.model_fields_set, **output.__dict__)


class JudgeAgentLoop(_Loop):  # type: ignore[misc]  # known only where verl is
    """verl's single-turn agent loop, whose responses can be paid by step.

    In the file that `actor_rollout_ref.rollout.agent.agent_loop_config_path` names:
    `[{name: judge_steps, _target_: judge.adapters.verl_loop.JudgeAgentLoop}]`, with `...agent.default_agent_loop=judge_steps`.
    """

    async def run(self, sampling_params: dict[str, Any], **row: Any) -> Any:
        """One response."""
        return judged_output(await super().run(sampling_params, **row))
