"""ART: a judge of whole trajectory groups, where RULER would stand.

    groups = await art.gather_trajectory_groups(..., after_each=judge_group("judge.yaml"))

What its own code does (openpipe-art 0.5.23, `rewards/ruler.py`, `gather.py`):

- `after_each` is awaited with a group and gives it back, or None: the group is then left out. That is the default for ART, and
  happens here when a response has no reward and the run file says nothing else.
- RULER puts its score into `reward`, and the earlier one into `metrics["independent_reward"]`. So does this. Metrics are
  `judge/...`, the judge's account is a log line of the trajectory.
- While a trajectory is open in a context, chat requests made there are recorded into it and trained on, whoever asks. So the
  judge asks from an empty context.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import Context
from typing import Any

from judge.adapters._shared.metrics import why
from judge.adapters._shared.process_judge import ProcessJudge
from judge.adapters._shared.remote_judge import RemoteJudge
from judge.adapters._shared.sample import completion_of, messages_as_mappings, prompt_of
from judge.adapters._shared.score_group import judge_for, score_group
from judge.errors import DataError
from judge.reference import reference_in
from judge.types import Sample

logger = logging.getLogger("judge.art")


def judge_group(
    config: Any = None,
    *,
    server: str | None = None,
    name: str = "judge",
    on_no_verdict: str | None = None,
    constant: float | None = None,
) -> Callable[[Any], Awaitable[Any]]:
    """A function for `after_each`.

    Args:
        config: Run settings; None: JUDGE_CONFIG, where no server is named.
        server: URL of `judge serve`; None: JUDGE_SERVER, where no run settings are named.
        name: Prefix of the metrics.
        on_no_verdict: `exclude` (the group is left out), `impute_group_mean`, `constant`, `raise`; None: what the run file says.

    Raises:
        SettingsError: Here, and not at the first group.
    """
    judge = judge_for("art", config, server, name=name, on_no_verdict=on_no_verdict, constant=constant)

    async def judged(group: Any) -> Any:
        """The group with its rewards, or None."""
        return await asyncio.create_task(score_trajectories(judge, group), context=Context())

    return judged


async def score_trajectories(judge: ProcessJudge | RemoteJudge, group: Any) -> Any:
    """Set the rewards of one group's trajectories, all of them or none; gives the group, or None when it is to be left out.

    The question is what stands before the first assistant message; the rest is the response. The reference and `context`,
    `principle`, `rubric` are read from the metadata of the trajectory, then of the group.

    Raises:
        NoVerdictError: A response has no reward, and the policy is `raise`.
        DataError: A trajectory has no reply, or additional histories.
    """
    trajectories = list(group.trajectories)
    found = await score_group(judge, [_sample(judge, each, group) for each in trajectories])
    values = [value for value, _ in found if value is not None]
    if len(values) < len(found):
        lacking = [why(reward) for value, reward in found if value is None]
        logger.warning("a group of %d is left out: %d without a reward; %s", len(found), len(lacking), lacking[0])
        return None
    for each, value, (_, reward) in zip(trajectories, values, found, strict=True):
        each.metrics.setdefault("independent_reward", each.reward)
        each.metrics.update(judge.metrics(value, reward))
        each.reward = value
        each.logs.append(f"{judge.name}: {why(reward)}")
    return group


def _sample(judge: ProcessJudge | RemoteJudge, trajectory: Any, group: Any) -> Sample:
    if getattr(trajectory, "additional_histories", None):
        raise DataError(
            f"{judge.name}: a trajectory with additional histories is no one conversation, and cannot be judged as one"
        )
    messages: Sequence[Mapping[str, Any]] = messages_as_mappings(trajectory.messages())
    first = next((i for i, m in enumerate(messages) if m.get("role") == "assistant"), None)
    if not first:
        raise DataError(f"{judge.name}: a trajectory needs a question and a reply, and has {len(messages)} messages")
    row = {**(getattr(group, "metadata", None) or {}), **trajectory.metadata}
    asked = prompt_of(messages[:first], judge.name)
    return judge.sample(asked, completion_of(messages[first:], judge.name), reference_in(row), row)
