"""SkyRL: the step of an environment (`skyrl_gym` `BaseTextEnv`) whose reward is the judge's.

What its own code does (SkyRL 0.4, `skyrl_gym`, `train/generators/skyrl_gym_generator.py`):

- `step(action)` is a plain method that gives a dict of `observations`, `reward`, `done`, `metadata`, called in a pool of
  `max_env_workers` threads (32): that is how many judgements run at once. With 0 it runs on the event loop and blocks the run;
  with `generator.batched` one judgement follows the other.
- Nothing reads `metadata`. What is logged, as `environment/...`, is the mean of what `get_metrics` gives at the end.
- An exception leaves the agent loop, None is a type error, NaN is not guarded: no reward is an exception, or a declared constant.
- An environment sees one trajectory. What needs siblings cannot work here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from judge.adapters.chat_markup import bare
from judge.adapters.convert import prompt_of
from judge.adapters.served import door_for, reference_in, wait_for


def judged_step(
    action: str,
    prompt: str | Sequence[Mapping[str, Any]],
    extras: Mapping[str, Any] | None = None,
    *,
    config: Any = None,
    server: str | None = None,
    name: str = "judge",
    on_no_verdict: str | None = None,
    constant: float | None = None,
) -> dict[str, Any]:
    """What `step` gives back at the end of an episode: done, with the reward of the policy's last text.

    Args:
        action: That text.
        prompt: What the environment's `init` got, copied there: the generator may go on writing into its list.
        extras: What its `__init__` got: the data set's row. The reference is `reward_spec.ground_truth`, else a known column;
            `context`, `principle` and `rubric` reach the judge, too.
        config, server: None: JUDGE_CONFIG, or JUDGE_SERVER.
        on_no_verdict: `raise` or `constant`; None: what the run file says.

    Returns:
        `metadata` holds the figures `judge/...`, finite numbers, for the environment's `get_metrics`.

    Raises:
        NoVerdictError: There is no reward.
        SettingsError, DataError: The settings or the row cannot work.

    Example:
        >>> def step(self, action: str) -> dict[str, Any]:  # of a class of yours
        ...     return judged_step(action, self.prompt, self.extras)
    """
    door = door_for("skyrl", config, server, name=name, on_no_verdict=on_no_verdict, constant=constant)
    row = extras or {}
    spec = row.get("reward_spec")
    known = spec.get("ground_truth") if isinstance(spec, Mapping) else None
    sample = door.sample(prompt_of(prompt, name), bare(action), reference_in(row) if known is None else known, row)
    score, reward = wait_for(door.score(sample))
    return {"observations": [], "reward": score, "done": True, "metadata": door.figures(score, reward)}
