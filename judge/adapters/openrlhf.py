"""OpenRLHF: this file is what `--reward.remote_url` points at.

What its own code does (OpenRLHF 0.11.2, `utils/agent.py`, `trainer/ppo_utils/samples_generator.py`):

- It executes the file under the name `reward_func` and calls `reward_func(queries, prompts, labels)` with lists of length 1
  in worker threads, so calls overlap. A coroutine is not awaited.
- Any exception in a call becomes one INFO line and a reward of None, and the run ends later, elsewhere. So the configuration is
  checked when the file is executed; a missing verdict is a declared constant with `judge/no_verdict` 1; and an engine that
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

from judge.adapters.chat_markup import messages_in, response_in
from judge.adapters.convert import label_fields, label_reference
from judge.adapters.door import Door, config_of, shared
from judge.adapters.question import QUESTION_KEYS, question_of, shows_question
from judge.errors import DataError, JudgeError
from judge.types import Reward

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
        `judge.adapters.figures.figure_names`. Tensors of shape (responses,).

    Raises:
        EngineError, DataError: Logged first, since OpenRLHF keeps the reason to itself.
    """
    import torch  # noqa: PLC0415  # OpenRLHF has it; reading a run file needs none

    try:
        found = asyncio.run(_score(queries, prompts, labels))
    except JudgeError as cause:
        logger.error("no reward for OpenRLHF, and the run will end: %s", cause)
        raise
    door = _door()
    logs = [door.figures(score, reward) for score, reward in found]
    columns = {key: torch.tensor([each[key] for each in logs]) for key in logs[0]} if logs else {}
    return {
        "rewards": torch.tensor([score for score, _ in found]),
        "scores": torch.tensor([score if reward.value is None else reward.value for score, reward in found]),
        "extra_logs": columns,
    }


async def _score(queries: Sequence[str], prompts: Sequence[str], labels: Sequence[Any]) -> list[tuple[float, Reward]]:
    door = _door()
    samples = []
    for row, (query, prompt, label) in enumerate(zip(queries, prompts, labels, strict=True)):
        response = response_in(query, prompt)
        if response is None:
            raise DataError(f"row {row}: the text does not contain its prompt, so the response cannot be told from it")
        fields = label_fields(label)
        asked: Any = messages_in(prompt)
        if any(fields.get(key) is not None for key in QUESTION_KEYS):
            asked = question_of(fields, None, needed=shows_question(door.plan), where=door.name, holder="label")
        samples.append(door.sample(asked, response, fields or label_reference(label), fields))
    return list(await asyncio.gather(*map(door.score, samples)))


def _door() -> Door:
    return shared(Door, "openrlhf", config_of(None))


if __name__ == LOADED_AS:
    _door()  # a wrong run file ends the run here, where it is still said why
