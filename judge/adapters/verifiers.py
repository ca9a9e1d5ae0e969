"""verifiers (and prime-rl, which trains on its environments): one function for 0.4, and rubrics for 0.3.

What its own code does:

- 0.4 (`verifiers.v1`): a reward is an `async def` whose arguments are given by name from `task` and `trace`; `trace.reward` is
  the sum of all rewards, so criteria go to the metrics. An exception makes the trace an errored one, and prime-rl leaves
  those out of the group: raising is the way to say "no reward". NaN would make the trace's reward NaN.
- But a trace whose scoring is cut off by `timeout.scoring` counts as fine, with a reward of 0.0. So the adapter gives up, and
  raises, a little before.
- 0.3 (`verifiers.Rubric`): arguments are given by name; plural names (`prompts`, `completions`) make it a function of a whole
  group; every exception becomes 0.0. So a missing reward gets the mean of its group, which only the group form sees. A
  rollout that failed is scored like any other, with nothing in it; a row without an answer has the answer "".

    --env.taskset.task.rewards.judge.fn judge.adapters.verifiers:reward     # 0.4; the run file is named by JUDGE_CONFIG
    env = vf.SingleTurnEnv(dataset=data, rubric=judge_rubric("judge.yaml"))     # 0.3
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

from judge.adapters._shared.failure_policy import policy_of
from judge.adapters._shared.metrics import why
from judge.adapters._shared.process_judge import ProcessJudge, config_of, shared
from judge.adapters._shared.sample import messages_as_mappings, question_of, samples_of, shows_question
from judge.engine.protocol import Engine
from judge.errors import NoVerdictError, SettingsError
from judge.pipeline.judge import Judge
from judge.reference import reference_in
from judge.reward.missing import apply_policy
from judge.types import Message, NoVerdict, Reason, Reward

GroupFunction = Callable[..., Coroutine[Any, Any, list[float]]]

SPARE = 0.05  # of `timeout.scoring`: for what is left to do after the judge gave up


async def reward(task: Any, trace: Any) -> float:
    """The reward of one trace (verifiers 0.4), by the run file that JUDGE_CONFIG names.

    The question is the task's prompt, the response the trace's last reply, the reference the task's field `reference`, `answer`,
    `solution`... Figures are recorded as metrics `judge/...`.

    Raises:
        NoVerdictError: There is no reward: the trace counts as errored, and trainers leave it out.
    """
    return await score_trace(shared(ProcessJudge, "verifiers", config_of(None)), task, trace)


async def score_trace(judge: ProcessJudge, task: Any, trace: Any) -> float:
    """The same with a judge of your own, for an `@vf.reward` method: `return await score_trace(self.judge, task, trace)`."""
    # A method passes the task, a plugged function gets its data, which may have a field `data` of its own.
    data = task if hasattr(type(task), "model_fields") else getattr(task, "data", task)
    row = _fields(data)
    system, known = row.get("system_prompt"), reference_in(row)
    asked = question_of(row, "prompt", needed=shows_question(judge.plan), where=judge.name, holder="the task")
    if system and row.get("prompt") is not None:
        asked = (Message("system", system), *((Message("user", asked),) if isinstance(asked, str) else asked))
    sample = judge.sample(asked, trace.last_reply, known, row)
    try:
        async with asyncio.timeout(_seconds_left(trace, row)):
            score, found = await judge.score(sample)
    except TimeoutError as late:
        found = Reward(sample.id, 0, None, NoVerdict(Reason.TIMEOUT, "`timeout.scoring` of verifiers is over"))
        if judge.constant is None:
            raise NoVerdictError(f"{judge.name}: {why(found)}") from late
        score = judge.constant
    trace.record_metrics(judge.metrics(score, found))
    return score


def _seconds_left(trace: Any, row: Mapping[str, Any]) -> float | None:
    """Until verifiers ends the scoring of a live rollout, less what is spared; None: it never does, or scored it before."""
    limit, span = trace.agent.config.timeout.scoring, trace.timing.scoring
    if limit is None:
        limit = getattr(row.get("timeout"), "scoring", None)
    if limit is None or not span.start or span.end:
        return None
    left: float = span.start + (1 - SPARE) * limit - time.time()
    return max(0.0, left)


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
        on_no_verdict: `impute_group_mean` or `constant`; None: what the run file says, else the mean of its group. A group
            without any reward raises, which verifiers logs and turns into the same 0.0 for all of them.

    Raises:
        SettingsError: Another policy.
    """
    judge = Judge.from_config(config_of(config), engine=engine, overrides=overrides)
    plan = judge.plan
    steps = plan.recipe.spec.steps
    by_turn = steps is not None and steps.split == "turns"
    policy, filler = policy_of("verifiers-v0", plan.settings, on_no_verdict, constant)

    async def judged(
        prompts: Sequence[Any], completions: Sequence[Any], answers: Sequence[Any], states: Sequence[Any], infos: Sequence[Any]
    ) -> list[float]:
        """Rewards of one group."""
        rows = [i for i, state in enumerate(states) if not _error_of(state)]
        shown, infos = [states[i] for i in rows], [infos[i] for i in rows]
        columns = {"answer": [answers[i] for i in rows], **_rows(shown, infos)}
        asked, said = [_asked(prompts[i]) for i in rows], [completions[i] for i in rows]
        samples = samples_of(plan, asked, said, columns, where=name, reference=reference)
        samples = [replace(s, group="0") for s in samples]
        scored = await judge.session.score(samples, watched=False)
        rewards = _with_failed(states, dict(zip(rows, scored, strict=True)))
        for state, each in zip(states, rewards, strict=True):
            if isinstance(state, dict):
                state[f"{name}_why"] = why(each)  # before the policy, which hides why one has none
                if by_turn:
                    _pay_turns(state.get("trajectory") or (), each)
        if policy == "impute_group_mean":
            rewards = apply_policy(rewards, "group_mean")
        return [_number(r, filler, name) for r in rewards]

    judged.__name__ = name
    judged.judge = judge  # type: ignore[attr-defined]  # so that it can be closed
    return judged


def judge_rubric(config: Any = None, **options: Any) -> Any:
    """A `vf.Rubric` of verifiers 0.3 with the run's reward, closed with its environment; options as `judge_rewards`.

    Raises:
        SettingsError: This verifiers has no `Rubric` (0.4), or is not installed.
    """
    try:
        found = import_module("verifiers")
    except ImportError as cause:
        raise SettingsError("verifiers is not installed here") from cause
    if not hasattr(found, "Rubric"):
        raise SettingsError("this verifiers has no `Rubric`: use the function `judge.adapters.verifiers:reward`")
    function = judge_rewards(config, **options)

    class JudgeRubric(found.Rubric):  # type: ignore[name-defined,misc]  # of a module that need not be there
        """What verifiers calls at the end of an environment is found by its mark on a method."""

        @found.teardown  # type: ignore[untyped-decorator]
        async def close_judge(self) -> None:
            """Free the engine; without a thread, since this also runs when Python ends and takes no new ones."""
            function.judge.close()  # type: ignore[attr-defined]

    return JudgeRubric(funcs=[function])


def _pay_turns(turns: Sequence[Any], found: Reward) -> None:
    """What the shaping pays for each turn, as the reward of its `TrajectoryStep`; what the environment has paid stays.

    Where it does not pay by step, or not exactly these turns, verifiers gives all of them the reward of the rollout.
    """
    if found.step_rewards and len(found.step_rewards) == len(turns) and None not in found.step_rewards:
        for turn, paid in zip(turns, found.step_rewards, strict=True):
            if turn.get("reward") is None:
                turn["reward"] = paid


def _number(found: Reward, constant: float | None, name: str) -> float:
    value = found.reward if found.reward is not None else constant
    if value is None:
        raise NoVerdictError(f"{name}: no response of the group has a reward ({why(found)})")
    return value


def _error_of(state: Any) -> Any:
    return state.get("error") if isinstance(state, Mapping) else None


def _with_failed(states: Sequence[Any], scored: Mapping[int, Reward]) -> list[Reward]:
    """All rewards of a group: a rollout that failed in verifiers says nothing about its policy, so it has none."""
    steps = next((tuple((step, None) for step, _ in r.stages) for r in scored.values()), ())
    return [
        scored.get(row)
        or Reward(str(row), 0, None, NoVerdict(Reason.DROPPED, f"its rollout failed: {_error_of(s)!r}"), group="0", stages=steps)
        for row, s in enumerate(states)
    ]


def _asked(prompt: Any) -> Any:
    """0.3 makes a prompt that is text a list of one message in the role `text`."""
    messages = messages_as_mappings(prompt)
    alone = messages[0] if isinstance(messages, list) and len(messages) == 1 else None
    return alone.get("content") if isinstance(alone, Mapping) and alone.get("role") == "text" else messages


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
