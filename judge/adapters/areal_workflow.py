"""AReaL: a rollout workflow with the judge's rewards, `workflow="judge.adapters.areal_workflow.JudgeWorkflow"`.

What its own code does (AReaL 1.0.4, `infra/remote_inf_engine.py`, `infra/workflow_executor.py`, `trainer/ppo/actor.py`):

- An episode is a dict of tensors, shape (responses, tokens), or None: rejected, and another prompt is rolled out in its place.
  An exception is logged and rejects it, too, so nothing raised in an episode ends a run.
- Of a prompt the trainer asks for `gconfig.n_samples` episodes, each without the others, and trains on those that are not None.
  Rewards are normalised in slices of `reward_norm.group_size` over the whole batch: a group that has lost a member shifts all
  later ones, and what is left over at the end is divided by `eps` alone. So this workflow rolls out the group itself, as one
  episode that is whole or None.
- It can log metrics, which a `reward_fn` cannot, and nothing limits how long it takes.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

from judge.adapters._shared.failure_policy import needs_group
from judge.adapters._shared.lazy import base_of
from judge.adapters._shared.metrics import why
from judge.adapters._shared.process_judge import ProcessJudge
from judge.adapters._shared.remote_judge import RemoteJudge
from judge.adapters._shared.sample import question_of
from judge.adapters._shared.score_group import judge_for, score_group
from judge.conversation import response_after
from judge.errors import SettingsError
from judge.pipeline.shaping import LENGTHS
from judge.reference import reference_in
from judge.types import Reward, Sample

FRAMEWORK = "areal-workflow"

logger = logging.getLogger("judge.areal")

_Base: Any = base_of("areal.api.workflow_api.RolloutWorkflow")


class JudgeWorkflow(_Base):  # type: ignore[misc]  # known only where AReaL is
    """One prompt -> `group_size` responses with their rewards, or None where a response has none.

    Args:
        gconfig: AReaL's generation settings; `n_samples` has to be 1.
        tokenizer: Of the policy, or its path.
        group_size: Responses to a prompt; what needs whole groups needs more than 1.
        config: Run settings. None: JUDGE_CONFIG names them.
        server: URL of `judge serve`. None: JUDGE_SERVER.
        name: Prefix of the metrics.
        on_no_verdict: `exclude` (the whole group), `impute_group_mean` or `constant`; None: what the run file says.
        constant: For `constant`.
        enable_thinking: For the chat template.

    Raises:
        SettingsError: Another policy; groups are needed and there are none; AReaL would make groups, too, or is not installed.
    """

    def __init__(
        self,
        gconfig: Any,
        tokenizer: Any,
        group_size: int = 1,
        config: Any = None,
        server: str | None = None,
        *,
        name: str = "judge",
        on_no_verdict: str | None = None,
        constant: float | None = None,
        enable_thinking: bool = False,
    ) -> None:
        if _Base is object:
            raise SettingsError("AReaL is not installed here")
        if gconfig.n_samples != 1:
            raise SettingsError(
                f"{name}: with `gconfig.n_samples: {gconfig.n_samples}` AReaL would run this workflow that often for each prompt,"
                f" every time without the others: leave it at 1, and pass `group_size={gconfig.n_samples}` to the workflow"
            )
        self.tokenizer = _areal("utils.hf_utils.load_hf_tokenizer")(tokenizer) if isinstance(tokenizer, str) else tokenizer
        self.gconfig = gconfig.new_with_stop_and_pad_token_ids(self.tokenizer)
        self.group_size, self.enable_thinking, self.name = group_size, enable_thinking, name
        self._named = (config, server, {"name": name, "on_no_verdict": on_no_verdict, "constant": constant})
        self._check(self._own_judge())  # here an error ends the run, in an episode it would only be logged

    async def arun_episode(self, engine: Any, data: Mapping[str, Any]) -> dict[str, Any] | None:
        """Roll out and judge one prompt.

        Args:
            engine: AReaL's inference engine.
            data: A row: `messages`, which the policy is asked; the reference by its known names, `question` (what the judge is
                shown instead), `context`, `principle`, `rubric`.
        """
        judge = self._own_judge()
        responses = await self._rolled_out(engine, data)
        found = await score_group(judge, [self._sample(judge, response, data) for response in responses])
        lacking = next((reward for value, reward in found if value is None), None)
        self._log(judge, found, kept=lacking is None)
        if lacking is not None:
            logger.warning("%s: a group of %d is left out: %s", self.name, len(found), why(lacking))
            return None
        rows = [
            _tensors(response, float(value)) for response, (value, _) in zip(responses, found, strict=True) if value is not None
        ]
        batch: dict[str, Any] = _areal("utils.data.concat_padded_tensors")(rows)
        return batch

    def _own_judge(self) -> ProcessJudge | RemoteJudge:
        """This process's: a workflow may be sent to another one."""
        config, server, options = self._named
        return judge_for(FRAMEWORK, config, server, **options)

    def _check(self, judge: ProcessJudge | RemoteJudge) -> None:
        cause = needs_group(judge.plan.settings, judge.policy) if isinstance(judge, ProcessJudge) else ""
        if judge.policy == "impute_group_mean":
            cause = cause or "`impute_group_mean`"
        if cause and self.group_size < 2:
            raise SettingsError(f"{self.name}: {cause} needs whole groups, and `group_size` is {self.group_size}")

    async def _rolled_out(self, engine: Any, data: Mapping[str, Any]) -> list[Any]:
        ids = _areal("utils.hf_utils.apply_chat_template")(
            self.tokenizer, data["messages"], tokenize=True, add_generation_prompt=True, enable_thinking=self.enable_thinking
        )
        request = _areal("api.io_struct.ModelRequest")
        return await asyncio.gather(
            *(
                engine.agenerate(
                    request(
                        rid=uuid.uuid4().hex, input_ids=list(ids), gconfig=self.gconfig.new(n_samples=1), tokenizer=self.tokenizer
                    )
                )
                for _ in range(self.group_size)
            )
        )

    def _sample(self, judge: ProcessJudge | RemoteJudge, response: Any, data: Mapping[str, Any]) -> Sample:
        asked = question_of(data, None, needed=judge.needs_question, where=judge.name, holder="the row")
        text = response_after(self.tokenizer.decode(response.output_tokens))
        sample = judge.sample(asked, text, reference_in(data), data)
        return replace(sample, metadata={**sample.metadata, LENGTHS: response.output_len})

    def _log(self, judge: ProcessJudge | RemoteJudge, found: Sequence[tuple[float | None, Reward]], *, kept: bool) -> None:
        """Of a group that is left out only how many rewards were missing: its rewards are not trained on."""
        scope = _areal("infra.workflow_context.stat_scope")()
        tracker = _areal("utils.stats_tracker.get")(scope)
        for value, reward in found:
            if kept and value is not None:
                tracker.scalar(reward=value, **judge.metrics(value, reward))
            else:
                tracker.scalar(**{f"{self.name}/missing": float(reward.failure is not None)})


def _tensors(response: Any, reward: float) -> dict[str, Any]:
    """One response as AReaL's actor takes it: a batch of 1, prompt first; logprobs and versions as the engine gave them."""
    torch = import_module("torch")
    before, after = response.input_len, response.output_len
    columns = {
        "input_ids": ([*response.input_tokens, *response.output_tokens], torch.int32),
        "loss_mask": ([0] * before + [1] * after, torch.int32),
        "logprobs": ([0.0] * before + list(response.output_logprobs), torch.float32),
        "versions": ([-1] * before + list(response.output_versions), torch.int32),
        "attention_mask": ([True] * (before + after), torch.bool),
        "rewards": (reward, torch.float32),
    }
    return {key: torch.tensor([values], dtype=kind) for key, (values, kind) in columns.items()}


def _areal(path: str) -> Any:
    """A name of AReaL's, imported where it is used."""
    module, _, name = path.rpartition(".")
    return getattr(import_module(f"areal.{module}"), name)
