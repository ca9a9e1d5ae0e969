"""OpenRLHF: this file is what `--reward.remote_url` points at. Whole groups are seen by `judge.adapters.openrlhf_agent`.

What its own code does (OpenRLHF 0.11.2, `utils/agent.py`, `trainer/ppo_utils/samples_generator.py`):

- It executes the file under the name `reward_func` and calls `reward_func(queries, prompts, labels)` with lists of length 1
  in worker threads, so calls overlap. A coroutine is not awaited.
- Any exception in a call becomes one INFO line and a reward of None, and the run ends later, elsewhere. So the configuration is
  checked when the file is executed; a missing verdict is a declared constant with `judge/missing` 1; and an engine that
  cannot work at all is logged as an error before it is raised.
- The keys of `extra_logs` are taken from the first sample: all have the same ones.
- Of the data set only `label` arrives. A JSON object there may bring `question`, `answer`, `context`, `principle`, `rubric`.

The run file is named by the environment variable JUDGE_CONFIG (an absolute path, set for the whole Ray job), and says
`on_no_verdict: constant` with a `no_verdict_constant`: OpenRLHF has no way to leave a response out.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from judge.adapters._shared.process_judge import ProcessJudge, config_of, shared
from judge.adapters._shared.sample import QUESTION_KEYS, label_answer, label_fields, question_of
from judge.conversation import messages_in, response_in
from judge.errors import DataError, JudgeError
from judge.loops import run as run_loop
from judge.types import Conversation, Reward, Sample

logger = logging.getLogger("judge.openrlhf")

LOADED_AS = "reward_func"  # the name under which OpenRLHF executes this file


def reward_func(queries: Sequence[str], prompts: Sequence[str], labels: Sequence[Any], **kwargs: Any) -> dict[str, Any]:
    """Rewards of responses, as OpenRLHF wants them.

    Args:
        queries: Prompt and response as one text, special tokens included.
        prompts: The prompts as the policy read them, chat markup included.
        labels: Reference answers, or JSON objects.

    Returns:
        `rewards`: what is trained on; `scores`: the judge's own, in [0, 1], for dynamic filtering; `extra_logs`: the keys of
        `judge.adapters._shared.metrics.metric_names`. Tensors of shape (responses,).

    Raises:
        EngineError, DataError: Logged first, since OpenRLHF keeps the reason to itself.
    """
    import torch  # noqa: PLC0415  # OpenRLHF has it; reading a run file needs none

    try:
        told = run_loop(_score(queries, prompts, labels))
    except JudgeError as cause:
        logger.error("no reward for OpenRLHF, and the run will end: %s", cause)
        raise
    logs = [each["extra_logs"] for each in told]
    return {
        "rewards": torch.tensor([each["rewards"] for each in told]),
        "scores": torch.tensor([each["scores"] for each in told]),
        "extra_logs": {key: torch.tensor([each[key] for each in logs]) for key in logs[0]} if logs else {},
    }


def sample_of(judge: ProcessJudge, prompt: str, response: str | Conversation, label: Any) -> Sample:
    """One response as a sample. The question is the label's where it brings one, else the prompt without its chat markup.

    Raises:
        DataError, RubricError: Naming the field.
    """
    fields = label_fields(label)
    asked: Any = messages_in(prompt)
    if any(fields.get(key) is not None for key in QUESTION_KEYS):
        asked = question_of(fields, None, needed=judge.needs_question, where=judge.name, holder="label")
    return judge.sample(asked, response, label_answer(label), fields)


def to_openrlhf(judge: ProcessJudge, score: float, reward: Reward) -> dict[str, Any]:
    """What OpenRLHF is told of one response, as `reward_func` says, in plain numbers."""
    own = score if reward.raw_reward is None else reward.raw_reward
    return {"rewards": score, "scores": own, "extra_logs": judge.metrics(score, reward)}


async def _score(queries: Sequence[str], prompts: Sequence[str], labels: Sequence[Any]) -> list[dict[str, Any]]:
    judge = _judge()
    samples = []
    for row, (query, prompt, label) in enumerate(zip(queries, prompts, labels, strict=True)):
        response = response_in(query, prompt)
        if response is None:
            raise DataError(f"row {row}: the text does not contain its prompt, so the response cannot be told from it")
        samples.append(sample_of(judge, prompt, response, label))
    return [to_openrlhf(judge, *each) for each in await asyncio.gather(*map(judge.score, samples))]


def _judge() -> ProcessJudge:
    return shared(ProcessJudge, "openrlhf", config_of(None))


if __name__ == LOADED_AS:
    _judge()  # a wrong run file ends the run here, where it is still said why
