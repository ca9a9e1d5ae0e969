"""Axolotl, and `trl grpo --reward_funcs`: a reward function that a configuration names by its dotted path.

    trl: {reward_funcs: ["judge.adapters.axolotl.reward"]}

What their own code does (Axolotl 0.21 on TRL 1.14):

- `get_reward_func` wants at least two named parameters, so a bare `**kwargs` is refused.
- Nothing else can be passed. So the run file comes from JUDGE_CONFIG, and the completions a prompt, where rewards depend on
  group members, from JUDGE_NUM_GENERATIONS (the same number as `trl.num_generations`).
- The plain trainer computes advantages as TRL does: None is left out. The asynchronous one (`async_prefetch`,
  `use_data_producer`) and the context-parallel one sum rewards on their own, where None is 0, as if the response were the worst.
  So there a missing reward becomes the mean of its group, which needs JUDGE_NUM_GENERATIONS; see `none_is_zero`.
- Worker processes (`reward_num_workers`) get the function by its name, whole groups, and none of `trainer_state`, `log_extra`,
  `log_metric`; the context-parallel trainer passes no `completion_ids` besides. An exception in a worker makes the main process
  of that rank score everything again, which the other ranks do not join: groups are judged there as the workers would have.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

from judge.adapters._shared.gather import alone
from judge.adapters._shared.process_judge import config_of, shared
from judge.adapters.trl import JudgeReward
from judge.errors import SettingsError

SIZE_VARIABLE = "JUDGE_NUM_GENERATIONS"


def reward(prompts: Sequence[Any], completions: Sequence[Any], **kwargs: Any) -> list[float | None]:
    """Rewards of the completions, in their order; None: no reward, where the caller leaves it out of the group.

    Raises:
        SettingsError: JUDGE_CONFIG names no run file, or rewards depend on the group and JUDGE_NUM_GENERATIONS is not set.
    """
    size = group_size()
    framework = "axolotl-async" if none_is_zero(kwargs) else "axolotl"
    try:
        made = shared(JudgeReward, config_of(None), num_generations=size, framework=framework)
    except SettingsError as error:
        if size is None:
            error.add_note(f"Axolotl passes no group size: set {SIZE_VARIABLE} to its `trl.num_generations`")
        raise
    with alone() if after_workers(kwargs) else nullcontext():
        return made(prompts, completions, **kwargs)


reward.__name__ = "judge"  # metrics are called `rewards/judge/mean`; pickling goes by `__qualname__`


def none_is_zero(kwargs: Mapping[str, Any]) -> bool:
    """Whether the caller is code of Axolotl's that reads None as 0, told by what it passes.

    TRL's own calling code passes its trainer's `_log_metric`; workers and the context-parallel trainer pass none. The
    asynchronous trainer calls through TRL's code too, when it has no workers, and is known by its way to collect from them.

    Example:
        >>> none_is_zero({}), none_is_zero({"log_metric": print})
        (True, False)
    """
    metric = kwargs.get("log_metric")
    return metric is None or hasattr(getattr(metric, "__self__", None), "_collect_reward_workers")


def after_workers(kwargs: Mapping[str, Any]) -> bool:
    """Whether this call of a training step is in the place of worker processes, one of which failed.

    Example:
        >>> after_workers({"log_metric": print})
        False
    """
    trainer: Any = getattr(kwargs.get("log_metric"), "__self__", None)
    return getattr(trainer, "_reward_workers", None) is not None and bool(trainer.model.training)


def group_size() -> int | None:
    """Completions a prompt, from the environment.

    Raises:
        SettingsError: It is no number.
    """
    text = os.environ.get(SIZE_VARIABLE, "")
    if text and not (text.isascii() and text.isdigit() and int(text[:9]) > 0):
        raise SettingsError(f"{SIZE_VARIABLE}={text}: completions a prompt, a number from 1 on")
    return int(text) if text else None
