"""SkyRL: the step of an environment (`skyrl_gym` `BaseTextEnv`) whose reward is the judge's.

What its own code does (SkyRL 0.4, `skyrl_gym`, `train/generators/skyrl_gym_generator.py`):

- `step(action)` is a plain method that gives a dict of `observations`, `reward`, `done`, `metadata`, called in a pool of
  `max_env_workers` threads (32): that is how many judgements run at once. With 0 it runs on the event loop and blocks the run;
  with `generator.batched` one judgement follows the other.
- Nothing reads `metadata`. What is logged, as `environment/...`, is the mean of what `get_metrics` gives at the end.
- An exception leaves the agent loop, None is a type error, NaN is not guarded: no reward is an exception, or a declared constant.
- An environment sees one trajectory. What needs whole groups works under the generator of `judge.adapters.skyrl_generator` alone:
  there `judged_step` judges nothing, and leaves the text with the generator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from judge.adapters._shared.process_judge import ProcessJudge
from judge.adapters._shared.remote_judge import RemoteJudge
from judge.adapters._shared.sample import prompt_of
from judge.adapters._shared.score_group import judge_for, wait_for
from judge.conversation import response_after
from judge.errors import SettingsError
from judge.reference import reference_in
from judge.types import Message, Sample

SLOT = "judge_slot"  # the key of `extras` where a generator puts a `Slot`


@dataclass(frozen=True)
class PendingResponse:
    """What an environment wants judged."""

    prompt: str | tuple[Message, ...]
    action: str
    row: Mapping[str, Any]


@dataclass(eq=False)
class Slot:
    """Where `judged_step` leaves it, once, for a generator that judges whole groups."""

    said: list[PendingResponse] = field(default_factory=list)


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
            `context`, `principle` and `rubric` reach the judge, too. Under `JudgeGenerator` its slot is in there.
        config: Run settings. None: JUDGE_CONFIG names them. Under `JudgeGenerator` these and the policy are its own.
        server: URL of `judge serve`. None: JUDGE_SERVER.
        on_no_verdict: `raise` or `constant`; None: what the run file says.

    Returns:
        `metadata` holds the metrics `judge/...`, finite numbers, for the environment's `get_metrics`. Under `JudgeGenerator` it
        is empty and the reward 0.0: the generator adds both later.

    Raises:
        NoVerdictError: There is no reward.
        SettingsError, DataError: The settings or the row cannot work.

    Example:
        >>> def step(self, action: str) -> dict[str, Any]:  # of a class of yours
        ...     return judged_step(action, self.prompt, self.extras)
    """
    row = extras or {}
    said = PendingResponse(prompt_of(prompt, name), action, row)
    if isinstance(slot := row.get(SLOT), Slot):
        if any(each is not None for each in (config, server, on_no_verdict, constant)):
            raise SettingsError(
                f"{name}: the generator judges here: give `config`, `server`, `on_no_verdict` and `constant` to `JudgeGenerator`,"
                " and leave them out of `judged_step`"
            )
        slot.said.append(said)
        return {"observations": [], "reward": 0.0, "done": True, "metadata": {}}
    judge = judge_for("skyrl", config, server, name=name, on_no_verdict=on_no_verdict, constant=constant)
    score, reward = wait_for(judge.score(sample_of(judge, said)))
    return {"observations": [], "reward": score, "done": True, "metadata": judge.metrics(score, reward)}


def sample_of(judge: ProcessJudge | RemoteJudge, said: PendingResponse) -> Sample:
    """What the judge gets to see. Raises DataError, RubricError."""
    spec = said.row.get("reward_spec")
    known = spec.get("ground_truth") if isinstance(spec, Mapping) else None
    return judge.sample(said.prompt, response_after(said.action), reference_in(said.row) if known is None else known, said.row)
