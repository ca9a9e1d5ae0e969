"""slime: `--custom-rm-path judge.adapters.slime.custom_rm`, or `custom_group_rm` with `--group-rm`.

What its own code does (slime, August 2026: `rollout/rm_hub`, `rollout/sglang_rollout.py`, `ray/rollout.py`):

- Both are awaited: a plain function fails. Nothing but the sample arrives, so the judge is named by the environment: JUDGE_CONFIG
  (a run file) or JUDGE_SERVER (the URL of `judge serve`), for the whole Ray job.
- An exception ends the rollout, and None or NaN break the normalisation: no reward is an exception, or a declared constant.
- A group is judged at once with `--group-rm`. There a missing reward becomes the mean of its group, which leaves the group's
  mean where it was, and `remove_sample` takes the response out of the loss.
- A custom `generate` with tools gives one string, and `loss_mask`: 1 for the policy's tokens, 0 for what it was told. The judge
  is shown whose words are whose; the tokenizer is that of `--hf-checkpoint`.
- Scoring is outside the limit on generation: how many calls run at once is up to the run file's engine, or the server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import import_module
from typing import Any

from judge.adapters._shared.process_judge import ProcessJudge
from judge.adapters._shared.remote_judge import RemoteJudge
from judge.adapters._shared.sample import QUESTION_KEYS, prompt_of, question_of
from judge.adapters._shared.score_group import group_numbers, judge_for
from judge.conversation import messages_in, read_masked, response_after
from judge.errors import DataError, SettingsError
from judge.reference import reference_in
from judge.types import Conversation, Message, Sample


async def custom_rm(args: Any, sample: Any, **kwargs: Any) -> float:
    """The reward of one sample.

    Args:
        sample: A slime `Sample`: `prompt` (text with chat markup, or messages), `response`, `label` (the reference) and
            `metadata`, where `question` (or `problem`...), `context`, `principle` and `rubric` may stand.

    Raises:
        NoVerdictError: There is no reward, and no constant is declared.
        SettingsError, DataError: The settings or the sample cannot work.
    """
    if isinstance(sample, Sequence):
        raise SettingsError("slime passes a whole group (`--group-rm`): use judge.adapters.slime.custom_group_rm")
    judge = judge_for("slime")
    score, _ = await judge.score(_sample(judge, sample, args))
    return score


async def custom_group_rm(args: Any, samples: Sequence[Any], **kwargs: Any) -> list[float]:
    """The rewards of one group, in order. A response whose reward is its group's mean gets `remove_sample`.

    Raises:
        NoVerdictError: No response of the group has a reward.
        SettingsError, DataError: As `custom_rm`; and for the nested groups of fan-out rollouts.
    """
    if not isinstance(samples, Sequence):
        raise SettingsError("slime passes one sample: set `--group-rm`, or use judge.adapters.slime.custom_rm")
    if any(isinstance(each, Sequence) for each in samples):
        raise DataError(
            "a fan-out rollout passes lists of lists, whose responses answer different prompts: not judged as a group"
        )
    judge = judge_for("slime-group")
    found = await group_numbers(judge, [_sample(judge, each, args) for each in samples])
    for each, (_, reward) in zip(samples, found, strict=True):
        if judge.policy == "impute_group_mean" and reward.failure is not None:
            each.remove_sample = True
    return [score for score, _ in found]


def _sample(judge: ProcessJudge | RemoteJudge, given: Any, args: Any) -> Sample:
    row = given.metadata if isinstance(given.metadata, Mapping) else {}
    known = reference_in(row) if given.label is None else given.label
    return judge.sample(_asked(judge, given, row), _response(args, given), known, row)


def _response(args: Any, given: Any) -> str | Conversation:
    """What the policy said; of a rollout with tools also what it was told, where `loss_mask` says which is which."""
    mask = getattr(given, "loss_mask", None)
    older = getattr(args, "mask_offpolicy_in_partial_rollout", False)  # then 0 may be an earlier policy's words
    if not mask or older or all(mask) or not any(mask):  # all 0: a response that shall not be trained on, whoever wrote it
        return response_after(given.response)
    tokens = list(given.tokens)[-len(mask) :]
    return read_masked(tokens, mask, _tokenizer(args.hf_checkpoint).decode, "`loss_mask`")


@lru_cache(maxsize=4)
def _tokenizer(name: str) -> Any:
    return import_module("slime.utils.processing_utils").load_tokenizer(name, trust_remote_code=True)


def _asked(judge: ProcessJudge | RemoteJudge, given: Any, row: Mapping[str, Any]) -> str | tuple[Message, ...]:
    if any(row.get(key) is not None for key in QUESTION_KEYS):
        return question_of(row, None, needed=judge.needs_question, where=judge.name, holder="metadata")
    return messages_in(given.prompt) if isinstance(given.prompt, str) else prompt_of(given.prompt, judge.name)
