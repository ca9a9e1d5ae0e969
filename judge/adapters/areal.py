"""AReaL: `reward_fn="judge.adapters.areal.reward_fn"`, and the same awaited. The better way is `judge.adapters.areal_workflow`.

What its own code does (AReaL 1.0.4, `api/reward_api.py`):

- The function is called in a pool of worker processes: it has to be plain and found by name. Each worker has its own judge,
  named by JUDGE_CONFIG (a run file; no model can be loaded here) or JUDGE_SERVER (better, with several workers).
- A call that takes longer than 15 s is tried three times more and is then a reward of **0**. So this one gives up before, after
  `LIMIT_S`, and raises; exceptions are tried again and then raised.
- An exception ends the episode of the whole group; it is logged, and another prompt is rolled out in its place.
- None passes through, and fails later. A workflow may give None for an episode, but one that does so for a single response of a
  group spoils the batch: `judge.adapters.areal_workflow` says how, and does without.
- Texts keep their special tokens.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from judge.adapters._shared.sample import QUESTION_KEYS, question_of
from judge.adapters._shared.score_group import judge_for, wait_for
from judge.conversation import messages_in, response_after
from judge.errors import NoVerdictError
from judge.reference import reference_in

LIMIT_S = 13.0  # below AReaL's 15 s, whose end would be a 0


def reward_fn(
    prompt: str,
    completions: str,
    prompt_ids: Sequence[int] | None = None,
    completion_ids: Sequence[int] | None = None,
    **row: Any,
) -> float:
    """The reward of one completion.

    Args:
        prompt: Decoded, chat markup included; it is taken off.
        completions: One completion, decoded.
        row: The data set's other columns: the reference by its known names, `question` or `messages`, `context`, `principle`,
            `rubric`.

    Raises:
        NoVerdictError: There is no reward, or not within `LIMIT_S`.
        SettingsError, DataError: The settings or the row cannot work.
    """
    return wait_for(score(prompt, completions, row, limit_s=LIMIT_S))


async def score(prompt: str, completion: str, row: Mapping[str, Any], *, limit_s: float | None = None) -> float:
    """The same, awaited, for a workflow of your own. Let the error pass: AReaL then leaves out the whole group.

    Args:
        limit_s: Seconds; None: what the engine or the client allow.

    Raises:
        NoVerdictError: There is no reward, or not in time.
    """
    judge = judge_for("areal")
    asked: Any = messages_in(prompt)
    if any(row.get(key) is not None for key in QUESTION_KEYS):
        asked = question_of(row, None, needed=judge.needs_question, where=judge.name, holder="the row")
    sample = judge.sample(asked, response_after(completion), reference_in(row), row)
    try:
        async with asyncio.timeout(limit_s) as limit:
            value, _ = await judge.score(sample)
            return value
    except TimeoutError:
        if not limit.expired():
            raise
        raise NoVerdictError(f"{judge.name}: no reward within {limit_s:g} s") from None
