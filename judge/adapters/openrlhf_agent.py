"""OpenRLHF: this file is what `--train.agent_func_path` points at. It judges all responses to a prompt together.

What its own code does (OpenRLHF 0.11.2, `utils/agent.py`, `trainer/ray/vllm_engine.py`, `ppo_utils/samples_generator.py`):

- It executes the file under the name `agent_module` and makes its `AgentExecutor` without arguments, while the rollout actor
  starts: what is wrong with the run file is said there, and the run ends.
- `RolloutRayActor.generate_responses` is one task for one prompt. It calls `execute` for each of its samples, and only then
  awaits them. So the calls of a task, up to where it first waits, are one group: no size is needed, evaluation may have another,
  and an equal prompt, or one that stands in for a filtered one, has a task of its own.
- What is raised in `execute` ends the run, with its reason; a generation that fails does, too. In `reward_func` it is swallowed.
- A reward is a number, or the run ends elsewhere: no response and no group can be left out, save by dynamic filtering, which
  drops a group whose mean of `scores` is not within its range, as NaN never is, and rolls out the next prompt.
- Estimators that compare with the group (`group_norm`, `rloo`, `dr_grpo`, `reinforce_baseline`) make of equal rewards no
  advantage, whatever their number.

So a missing reward becomes the mean of its group. A group without any gets the run file's `no_verdict_constant`
throughout, and NaN as `scores`.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any

from judge.adapters._shared.failure_policy import needs_group
from judge.adapters._shared.lazy import base_of
from judge.adapters._shared.process_judge import ProcessJudge, config_of, shared
from judge.adapters._shared.score_group import group_numbers
from judge.adapters.openrlhf import sample_of, to_openrlhf
from judge.conversation import response_after
from judge.errors import SettingsError
from judge.pipeline.shaping import LENGTHS
from judge.shape import alone
from judge.types import Sample

FRAMEWORK = "openrlhf-agent"

logger = logging.getLogger("judge.openrlhf")

Output = dict[str, Any]  # what OpenRLHF calls a response: texts, tokens, reward
ExecuteArguments = Mapping[str, Any]  # what it passes to `execute`

_Base: Any = base_of("openrlhf.utils.agent.SingleTurnAgentExecutor")


class AgentExecutor(_Base):  # type: ignore[misc]  # known only where OpenRLHF is
    """Rolls out as OpenRLHF's own executor does, and judges the responses to one prompt by one call.

    Raises:
        SettingsError: OpenRLHF is not installed, JUDGE_CONFIG names no run file, or what it says is not supported there.
    """

    def __init__(self) -> None:
        if _Base is object:
            raise SettingsError("OpenRLHF is not installed here")
        super().__init__()
        self._judge = shared(ProcessJudge, FRAMEWORK, config_of(None))
        self._joining: dict[Any, tuple[list[ExecuteArguments], asyncio.Task[list[Output]]]] = {}  # by the task that asks

    def execute(self, **call: Any) -> Coroutine[Any, Any, Output]:
        """One response to a prompt; see `SingleTurnAgentExecutor.execute`.

        No coroutine function: a call has to be known of before the first response is awaited.
        """
        asks = asyncio.current_task()
        if asks not in self._joining:
            calls: list[ExecuteArguments] = []
            self._joining[asks] = calls, asyncio.create_task(self._group(asks, calls))
        calls, group = self._joining[asks]
        calls.append(call)
        return _member(group, len(calls) - 1)

    async def _group(self, asks: Any, calls: Sequence[ExecuteArguments]) -> list[Output]:
        del self._joining[asks]  # a task starts when the one that asks waits: all calls are there
        self._check(len(calls))
        generate = super().execute
        outputs = await asyncio.gather(*(generate(**call) for call in calls))
        found = await group_numbers(self._judge, [self._sample(o, c) for o, c in zip(outputs, calls, strict=True)])
        lost = [f"{reward.failure.reason}: {reward.failure.detail}" for _, reward in found if reward.failure is not None]
        empty = len(lost) == len(found)
        if empty:
            logger.warning("a group of %d has no reward at all, and gets equal ones: %s", len(found), lost[0])
        for output, (score, reward) in zip(outputs, found, strict=True):
            told = to_openrlhf(self._judge, score, reward)
            if empty:  # equal, so that nothing is learned from it
                told.update(rewards=self._judge.constant, scores=math.nan)
            output.update(reward=told["rewards"], scores=told["scores"], extra_logs=told["extra_logs"])
        return outputs

    def _check(self, size: int) -> None:
        settings = self._judge.plan.settings
        if size < 2 and not (settings.group is None and alone(settings.reward.shape)):
            raise SettingsError(
                f"{needs_group(settings, '')} needs whole groups, and this prompt has one response: set"
                " `--rollout.n_samples_per_prompt` and `--eval.n_samples_per_prompt` to 2 or more"
            )

    def _sample(self, output: Output, call: ExecuteArguments) -> Sample:
        """By its tokens: a text would have to be searched for its prompt."""
        [(start, end)] = output["action_ranges"]
        response = response_after(call["hf_tokenizer"].decode(output["observation_tokens"][start:end], skip_special_tokens=False))
        sample = sample_of(self._judge, call["prompt"], response, call["label"])
        return replace(sample, metadata={**sample.metadata, LENGTHS: end - start})


async def _member(group: asyncio.Task[list[Output]], index: int) -> Output:
    return (await group)[index]
