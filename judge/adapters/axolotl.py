"""Axolotl, and `trl grpo --reward_funcs`: a reward function that a configuration names by its dotted path.

    trl: {reward_funcs: ["judge.adapters.axolotl.reward"]}

What their own code does (Axolotl 0.21 on TRL 1.14):

- `get_reward_func` wants at least two named parameters, so a bare `**kwargs` is refused.
- Nothing else can be passed. So the run file comes from JUDGE_CONFIG, and the completions a prompt, where rewards depend on
  siblings, from JUDGE_NUM_GENERATIONS (the same number as `trl.num_generations`).
- Worker processes (`reward_num_workers`) get the function by its name, whole groups, and none of `trainer_state`, `log_extra`,
  `log_metric`; the sequence-parallel trainer passes no `completion_ids`. An exception in a worker makes the main process score
  everything again.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from judge.adapters.door import config_of, shared
from judge.adapters.trl import JudgeReward
from judge.errors import SettingsError

SIZE_VARIABLE = "JUDGE_NUM_GENERATIONS"


def reward(prompts: Sequence[Any], completions: Sequence[Any], **kwargs: Any) -> list[float | None]:
    """Rewards of the completions, in their order; None: no reward, which TRL leaves out of the group.

    Raises:
        SettingsError: JUDGE_CONFIG names no run file, or rewards depend on siblings and JUDGE_NUM_GENERATIONS is not set.
    """
    made = shared(JudgeReward, config_of(None), num_generations=group_size(), framework="axolotl")
    return made(prompts, completions, **kwargs)


reward.__name__ = "judge"  # metrics are called `rewards/judge/mean`; pickling goes by `__qualname__`


def group_size() -> int | None:
    """Completions a prompt, from the environment.

    Raises:
        SettingsError: It is no number.
    """
    text = os.environ.get(SIZE_VARIABLE, "")
    if text and not (text.isascii() and text.isdigit() and int(text[:9]) > 0):
        raise SettingsError(f"{SIZE_VARIABLE}={text}: completions a prompt, a number from 1 on")
    return int(text) if text else None
