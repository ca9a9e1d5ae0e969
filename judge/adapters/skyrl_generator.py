"""SkyRL: a generator that judges trajectories group by group, for environments that end with `judge.adapters.skyrl.judged_step`.

What its own code does (SkyRL 0.4: `train/generators/skyrl_gym_generator.py`, `train/trainer.py`, `utils/ppo_utils.py`):

- `generate` gets a batch with `TrajectoryID(instance_id, repetition_id)` and runs an `agent_loop` a trajectory, all at once. One
  that waits holds no thread and no replica. So whichever ends a group judges it, and other groups go on meanwhile.
- Rewards that an agent loop gives back go through all that follows: metrics, `zero_reward_on_non_stop`, overlong filtering.
- As many rows have to come back as were sent, and advantages count masked rows: a response cannot be left out. One with the
  mean of its group leaves the group's mean where it was, and a loss mask of zeros takes it out of the loss.
- Where batches are put together (fully asynchronous training, evaluation) a figure is summed unless its name says `mean`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from judge.adapters._shared.failure_policy import needs_group
from judge.adapters._shared.lazy import base_of
from judge.adapters._shared.process_judge import ProcessJudge
from judge.adapters._shared.score_group import group_numbers, judge_for
from judge.adapters._shared.step_tokens import token_credit
from judge.adapters.skyrl import SLOT, Slot, sample_of
from judge.errors import SettingsError
from judge.pipeline.shaping import LENGTHS
from judge.types import Reward, Sample

FRAMEWORK = "skyrl-generator"

logger = logging.getLogger("judge.skyrl")

_Base: Any = base_of("skyrl.train.generators.skyrl_gym_generator.SkyRLGymGenerator")


@dataclass(eq=False)
class _Group:
    """The trajectories of one prompt, in the order of the batch."""

    judged: asyncio.Future[None]
    places: list[_Place] = field(default_factory=list)

    def place(self) -> _Place:
        """One more."""
        self.places.append(_Place(self))
        return self.places[-1]


class _Place(Slot):
    """One trajectory of a group, and what its agent loop gave."""

    def __init__(self, group: _Group) -> None:
        super().__init__()
        self.group = group
        self.output: Any = None


class JudgeGenerator(_Base):  # type: ignore[misc]  # known only where SkyRL is
    """`SkyRLGymGenerator`, whose trajectories are judged as soon as all of their group have ended.

    Args:
        arguments: Those of `SkyRLGymGenerator`.
        more: Its named ones.
        config: Run settings. None: JUDGE_CONFIG names them.
        server: URL of `judge serve`. None: JUDGE_SERVER.
        name: Prefix of the metrics.
        on_no_verdict: `impute_group_mean` (and out of the loss), `constant` or `raise`; None: what the run file says.
        constant: For `constant`.

    Raises:
        SettingsError: Another policy; `generator.batched`; SkyRL is not installed.
    """

    def __init__(
        self,
        *arguments: Any,
        config: Any = None,
        server: str | None = None,
        name: str = "judge",
        on_no_verdict: str | None = None,
        constant: float | None = None,
        **more: Any,
    ) -> None:
        if _Base is object:
            raise SettingsError("SkyRL is not installed here")
        super().__init__(*arguments, **more)
        if self.batched:
            raise SettingsError(f"{name}: `generator.batched` steps one environment after the other: set it to false")
        self._judge = judge_for(FRAMEWORK, config, server, name=name, on_no_verdict=on_no_verdict, constant=constant)

    async def generate(self, input_batch: Mapping[str, Any], disable_tqdm: bool = False) -> Any:
        """Roll out and judge one batch; a trajectory without an id is a group of its own.

        Raises:
            NoVerdictError: By the policy; and with `impute_group_mean` where no response of a group has a reward.
            SettingsError: The settings compare group members, and there are none.
        """
        rows = input_batch["env_extras"]
        ids = input_batch.get("trajectory_ids")
        keys = range(len(rows)) if ids is None else [each.instance_id for each in ids]
        loop = asyncio.get_running_loop()
        groups = {key: _Group(loop.create_future()) for key in keys}
        places = [groups[key].place() for key in keys]
        self._check(min((len(group.places) for group in groups.values()), default=0))
        # In copies: evaluation writes the rows that it sent to a file.
        extras = [{**row, SLOT: place} for row, place in zip(rows, places, strict=True)]
        try:
            output = await super().generate({**input_batch, "env_extras": extras}, disable_tqdm=disable_tqdm)
        finally:
            for group in groups.values():  # after an error nobody else ends their waiting
                group.judged.cancel()
        if not any(place.said for place in places):
            logger.warning("%s: nothing is judged: no environment gave `judged_step` the `extras` it got", self._judge.name)
        return output

    async def agent_loop(self, prompt: Any, env_class: str, env_extras: dict[str, Any], *arguments: Any, **more: Any) -> Any:
        """One trajectory, with its reward as one of its group."""
        output = await super().agent_loop(prompt, env_class, env_extras, *arguments, **more)
        place: _Place = env_extras[SLOT]
        place.output, group = output, place.group
        if all(each.output is not None for each in group.places) and not group.judged.done():
            await self._judge_group(group)
            if not group.judged.done():
                group.judged.set_result(None)
        await asyncio.shield(group.judged)
        return output

    def _check(self, smallest: int) -> None:
        if smallest > 1 or not isinstance(self._judge, ProcessJudge):
            return
        settings = self._judge.plan.settings.model_copy(update={"on_no_verdict": "drop"})  # most need no mean
        if cause := needs_group(settings, ""):
            raise SettingsError(
                f"{self._judge.name}: {cause} needs whole groups, and there is one trajectory of a prompt: raise"
                " `generator.n_samples_per_prompt`, and for evaluation `generator.eval_n_samples_per_prompt`"
            )

    async def _judge_group(self, group: _Group) -> None:
        """Those whose environment asked for it: another kind of environment has rewards of its own, and a conversation that grew
        too long ends before its last step."""
        asked = [place for place in group.places if place.said]
        samples = [self._sample(place) for place in asked]
        found = await group_numbers(self._judge, samples)
        for place, sample, (score, reward) in zip(asked, samples, found, strict=True):
            self._fill(_steps(place.output), score, reward, sample.texts[0])

    def _sample(self, place: _Place) -> Sample:
        if len(place.said) > 1:
            raise SettingsError(
                f"{self._judge.name}: `judged_step` was called at several steps of a trajectory: only at the last"
            )
        sample = sample_of(self._judge, place.said[0])
        written = sum(sum(step.loss_mask) for step in _steps(place.output))
        return replace(sample, metadata={**sample.metadata, LENGTHS: written})

    def _fill(self, steps: list[Any], score: float, reward: Reward, words: str) -> None:
        """At the last token, where the environment's own reward of the last step is; or each step's pay at its last token."""
        last = steps[-1]
        credit = self._credit(steps, reward, words)
        if credit is not None:
            last.reward = [own + paid for own, paid in zip(last.reward, credit, strict=True)]
        elif isinstance(last.reward, list):
            last.reward[-1] += score
        else:  # with a chat template of the run's own
            last.reward += score
        metrics = {f"{key}_mean": value for key, value in self._judge.metrics(score, reward).items()}
        last.env_metrics = {**last.env_metrics, **metrics}
        if self._judge.policy == "impute_group_mean" and reward.failure is not None:
            cause = f"{reward.failure.reason}: {reward.failure.detail}"
            logger.warning("%s: a response is out of the loss: no reward: %s", self._judge.name, cause)
            for step in steps:
                step.loss_mask = [0] * len(step.loss_mask)

    def _credit(self, steps: list[Any], reward: Reward, words: str) -> list[float] | None:
        """A reward for each token, of a trajectory of one turn whose shaping pays by step."""
        last = steps[-1]
        if len(steps) > 1 or not reward.step_rewards or not isinstance(last.reward, list):
            return None
        if len(last.reward) != len(last.response_ids):
            return None
        return token_credit(reward, words, last.response_ids, lambda ids: self.tokenizer.decode(ids, skip_special_tokens=True))


def _steps(output: Any) -> list[Any]:
    """The parts of a trajectory: several in step-wise training."""
    steps: list[Any] = getattr(output, "step_outputs", None) or [output]
    return steps
