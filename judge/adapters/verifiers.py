"""verifiers (and prime-rl, which trains on its environments): one function for 0.4, and rubrics for 0.3.

What its own code does:

- 0.4 (`verifiers.v1`): a reward is an `async def` whose arguments are given by name from `task` and `trace`; `trace.reward` is
  the sum of all rewards, so criteria go to the metrics. An exception makes the trace an errored one, and prime-rl leaves
  those out of the group: raising is the way to say "no reward". NaN would make the trace's reward NaN.
- 0.3 (`verifiers.Rubric`): arguments are given by name; plural names (`prompts`, `completions`) make it a function of a whole
  group; every exception becomes 0.0. So a missing reward gets the mean of its siblings, which only the group form sees.

    --env.taskset.task.rewards.judge.fn judge.adapters.verifiers:reward     # 0.4; the run file is named by JUDGE_CONFIG
    env = vf.SingleTurnEnv(dataset=data, rubric=judge_rubric("judge.yaml"))     # 0.3
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

from judge.adapters.columns import samples_of
from judge.adapters.convert import REFERENCE_COLUMNS, prompt_of
from judge.adapters.door import Door, config_of, shared
from judge.adapters.figures import why
from judge.adapters.projection import policy_of
from judge.adapters.question import question_of, shows_question
from judge.engine.protocol import Engine
from judge.errors import NoVerdictError, SettingsError
from judge.pipeline.facade import Judge
from judge.reward.absent import apply_policy
from judge.types import Reward

GroupFunction = Callable[..., Coroutine[Any, Any, list[float]]]


async def reward(task: Any, trace: Any) -> float:
    """The reward of one trace (verifiers 0.4), by the run file that JUDGE_CONFIG names.

    The question is the task's prompt, the response the trace's last reply, the reference the task's field `reference`, `answer`,
    `solution`... Figures are recorded as metrics `judge/...`.

    Raises:
        NoVerdictError: There is no reward: the trace counts as errored, and trainers leave it out.
    """
    return await score_trace(shared(Door, "verifiers", config_of(None)), task, trace)


async def score_trace(door: Door, task: Any, trace: Any) -> float:
    """The same with a judge of your own, for an `@vf.reward` method: `return await score_trace(self.door, task, trace)`."""
    data = getattr(task, "data", task)  # a method gets the task, a plugged function its data
    row = _fields(data)
    system, known = row.get("system_prompt"), next((row[n] for n in REFERENCE_COLUMNS if row.get(n) is not None), None)
    asked = question_of(row, "prompt", needed=shows_question(door.plan), where=door.name, holder="the task")
    if isinstance(asked, str) and system and row.get("prompt") is not None:
        asked = prompt_of([{"role": "system", "content": system}, {"role": "user", "content": asked}], door.name)
    score, found = await door.score(door.sample(asked, trace.last_reply, known, row))
    trace.record_metrics(door.figures(score, found))
    return score


def judge_rewards(
    config: Any = None,
    *,
    name: str = "judge",
    reference: str | None = None,
    on_no_verdict: str | None = None,
    constant: float | None = None,
    overrides: Sequence[str] = (),
    engine: Engine | None = None,
) -> GroupFunction:
    """A group reward function for verifiers 0.3: `vf.Rubric(funcs=[judge_rewards("judge.yaml")])`.

    Args:
        config: Run settings; None: the file that JUDGE_CONFIG names.
        name: Of the metric.
        reference: Column of the data set's row with the reference; None: `answer`, as verifiers passes it.
        on_no_verdict: `impute_group_mean` or `constant`; None: what the run file says, else the mean of the siblings. A group
            without any reward raises, which verifiers logs and turns into the same 0.0 for all of them.

    Raises:
        SettingsError: Another policy.
    """
    judge = Judge.from_config(config_of(config), engine=engine, overrides=overrides, trainer=True)
    plan = judge.plan
    policy, filler = policy_of("verifiers-v0", plan.settings, on_no_verdict, constant)

    async def judged(
        prompts: Sequence[Any], completions: Sequence[Any], answers: Sequence[Any], states: Sequence[Any], infos: Sequence[Any]
    ) -> list[float]:
        """Rewards of one group."""
        columns = {"answer": answers, **_rows(states, infos)}
        samples = samples_of(plan, prompts, completions, columns, where=name, reference=reference)
        rewards = await judge.ascore([replace(s, group="0") for s in samples], watched=False)
        if policy == "impute_group_mean":
            rewards = apply_policy(rewards, "group_mean")
        for state, each in zip(states, rewards, strict=True):
            if isinstance(state, dict):
                state[f"{name}_why"] = why(each)
        return [_number(r, filler, name) for r in rewards]

    judged.__name__ = name
    judged.judge = judge  # type: ignore[attr-defined]  # so that it can be closed
    return judged


def judge_rubric(config: Any = None, **options: Any) -> Any:
    """A `vf.Rubric` of verifiers 0.3 with the run's reward; options as `judge_rewards`.

    Raises:
        SettingsError: This verifiers has no `Rubric` (0.4), or is not installed.
    """
    try:
        found = import_module("verifiers")
    except ImportError as cause:
        raise SettingsError("verifiers is not installed here") from cause
    if not hasattr(found, "Rubric"):
        raise SettingsError("this verifiers has no `Rubric`: use the function `judge.adapters.verifiers:reward`")
    return found.Rubric(funcs=[judge_rewards(config, **options)])


def _number(found: Reward, constant: float | None, name: str) -> float:
    value = found.trained if found.trained is not None else constant
    if value is None:
        raise NoVerdictError(f"{name}: no response of the group has a reward ({why(found)})")
    return value


def _fields(data: Any) -> Mapping[str, Any]:
    """Fields of a task: of a mapping, or of a model with its extra ones."""
    if isinstance(data, Mapping):
        return data
    declared = {n: getattr(data, n) for n in getattr(type(data), "model_fields", None) or vars(data)}
    return {**declared, **(getattr(data, "model_extra", None) or {})}


def _rows(states: Sequence[Any], infos: Sequence[Any]) -> dict[str, list[Any]]:
    """Columns of the data set's rows, which verifiers keeps in `state["input"]`, and those of `info`."""
    merged = [
        {**(s.get("input") or {}), **(i if isinstance(i, Mapping) else {})} if isinstance(s, Mapping) else {}
        for s, i in zip(states, infos, strict=True)
    ]
    kept = {n for row in merged for n in row} - {"prompt", "answer", "info", "task"}
    return {n: [row.get(n) for row in merged] for n in sorted(kept)}
