"""TRL's GRPO, RLOO and AsyncGRPO trainers (and Unsloth, Axolotl, which patch or pin them): one reward function.

What their own code does, seen by running it (TRL 1.16):

- A call holds this process's share of a generation batch: maybe half a group. So groups are formed over all processes.
- None in a row takes it out of the group's mean and gives it advantage 0; with a second reward function that does score it,
  None is silently a 0. So there is one function, and components go to the logs.
- An exception ends the training, on every rank. A judge that fails on a row is None there, never an exception.
- Metrics are named after `__name__`; Axolotl wants two named parameters; AsyncGRPO pickles the function into another process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from judge.adapters.convert import reference_column, sample_of
from judge.adapters.gather import Row, judge_groups
from judge.adapters.projection import check_policy, siblings
from judge.engine.protocol import Engine
from judge.errors import DataError, NoVerdictError, SettingsError
from judge.pipeline.facade import Judge
from judge.pipeline.shaping import LENGTHS
from judge.reward.absent import apply_policy
from judge.settings import RunSettings
from judge.types import Reward, Sample

_TRAINER_FIELDS = frozenset(
    {"completion_ids", "trainer_state", "log_extra", "log_metric", "environments", "prompt", "completion"}
)


class JudgeReward:
    """A reward function for TRL: `GRPOTrainer(reward_funcs=JudgeReward("judge.yaml", num_generations=8), ...)`.

    Args:
        config: Run settings: a YAML file, a mapping, or `RunSettings`.
        num_generations: Completions a prompt, as in the trainer (the call does not tell). Needed where a reward depends on its
            siblings (`group`, most steps of `reward.shape`, `impute_group_mean`); then an incomplete group is an error
            instead of a silent half-truth.
        reference: Column of the reference answer; None: the first of `reference`, `answer`, `solution`... that is there.
        name: Of the metrics: `rewards/<name>/mean`.
        on_no_verdict: `exclude` (None: advantage 0, siblings untouched), `impute_group_mean`, `constant`, `raise`.
        constant: For `constant`.
        engine: Used instead of the one in the settings.
        framework: `trl`, `trl-async`, `unsloth`, `axolotl`: which contract the policy is checked against.

    Raises:
        SettingsError, RecipeError, RubricError: With file and line, when it is made, not in the first step.

    Example:
        >>> from judge.engine.scripted import ScriptedEngine
        >>> engine = ScriptedEngine({"It is Paris": "VERDICT: CORRECT", "It is Rome": "VERDICT: INCORRECT"})
        >>> reward = JudgeReward({"recipe": "verifier"}, engine=engine)
        >>> reward(prompts=["Capital of France?"] * 2, completions=["It is Paris.", "It is Rome."], answer=["Paris", "Paris"])
        [1.0, 0.0]
        >>> reward.close()
    """

    def __init__(
        self,
        config: str | Path | Mapping[str, Any] | RunSettings,
        *,
        num_generations: int | None = None,
        reference: str | None = None,
        name: str = "judge",
        on_no_verdict: str | None = None,
        constant: float | None = None,
        engine: Engine | None = None,
        overrides: Sequence[str] = (),
        framework: str = "trl",
    ) -> None:
        self.__name__ = name
        self._policy = check_policy(framework, on_no_verdict, constant)
        self._constant = constant
        self._framework = framework
        self._reference = reference
        self.num_generations = num_generations
        self.judge = Judge.from_config(config, engine=engine, overrides=overrides, trainer=True)
        plan = self.judge.plan  # the same names in every step, whatever a step holds
        self._components = (
            tuple(c.id for c in plan.rubric.criteria) if plan.rubric and plan.recipe.spec.mode == "checklist" else ()
        )
        why = siblings(plan.settings, self._policy)
        self._whole = bool(why)
        if self._whole and num_generations is None:
            raise SettingsError(
                f"{name}: {why} needs whole groups: JudgeReward(..., num_generations=8), with the number from the trainer"
            )

    def __call__(self, prompts: Sequence[Any], completions: Sequence[Any], **kwargs: Any) -> list[float | None]:
        """Rewards of the completions, in their order. Called by the trainer."""
        started = time.monotonic()
        rows = self._rows(prompts, completions, kwargs)
        step = _step(kwargs)
        if self._whole:

            def judge(groups: list[list[Sample]]) -> list[list[Reward]]:
                flat = [replace(s, id=f"{g}.{k}", group=str(g)) for g, group in enumerate(groups) for k, s in enumerate(group)]
                rewards = iter(self.judge.score(flat, step=step))
                return [self._imputed([next(rewards) for _ in group]) for group in groups]

            rewards = judge_groups(rows, judge, self.num_generations)
        else:
            rewards = self.judge.score([row.sample for row in rows], step=step)
        return self._values(rewards, kwargs, time.monotonic() - started)

    def _imputed(self, group: list[Reward]) -> list[Reward]:
        if self._policy != "impute_group_mean":
            return group
        return apply_policy(group, "group_mean")

    def _rows(self, prompts: Sequence[Any], completions: Sequence[Any], columns: Mapping[str, Any]) -> list[Row]:
        """The call's rows as samples; every group has one name, also when the same prompt stands twice in the batch."""
        if len(prompts) != len(completions):
            raise DataError(f"{self.__name__}: {len(prompts)} prompts and {len(completions)} completions")
        passed = {k: v for k, v in columns.items() if k not in _TRAINER_FIELDS}
        column = reference_column(passed, self._reference)
        references = passed[column] if column is not None else [None] * len(prompts)
        triples = enumerate(zip(prompts, completions, references, strict=True))
        samples = [sample_of(p, c, r, identity=str(i), where=f"{self.__name__}: row {i}") for i, (p, c, r) in triples]
        extra = [name for name in (self.judge.plan.settings.reward.baselines,) if name]
        for name in extra:
            if name not in passed:
                raise DataError(f"{self.__name__}: `reward.baselines` names the column `{name}`, which the trainer does not pass")
        ids = columns.get("completion_ids")
        carried = [
            {name: passed[name][i] for name in extra} | ({LENGTHS: len(ids[i])} if ids is not None else {})
            for i in range(len(samples))
        ]
        samples = [replace(sample, metadata=found) for sample, found in zip(samples, carried, strict=True)]
        return [Row(s.group, s) for s in samples]

    def _values(self, rewards: Sequence[Reward], kwargs: Mapping[str, Any], seconds: float) -> list[float | None]:
        absent = [r for r in rewards if r.trained is None]
        if absent and self._policy == "raise":
            why = _why(absent[0]).removeprefix("no reward: ")
            raise NoVerdictError(
                f"{self.__name__}: {len(absent)} of {len(rewards)} completions have no reward (the first: {why})"
            )
        self._log(rewards, kwargs, seconds)
        return [self._constant if r.trained is None and self._policy == "constant" else r.trained for r in rewards]

    def _log(self, rewards: Sequence[Reward], kwargs: Mapping[str, Any], seconds: float) -> None:
        """Scalars and one text column, where the trainer offers it; a metric has the same names in every step."""
        metric: Callable[[str, float], None] | None = kwargs.get("log_metric")
        if metric is not None and rewards:
            name = self.__name__
            metric(f"{name}/no_verdict", sum(r.failure is not None for r in rewards) / len(rewards))
            judged = [r.value for r in rewards if r.value is not None]
            metric(f"{name}/raw", sum(judged) / len(judged) if judged else float("nan"))
            metric(f"{name}/calls", sum(r.judge_calls for r in rewards) / len(rewards))
            metric(f"{name}/seconds", seconds)
            metric(f"{name}/gated", sum(r.value is not None and not r.calls for r in rewards) / len(rewards))
            for component in self._components:
                found = [v for r in rewards if (v := r.components.get(component)) is not None]
                metric(f"{name}/{component}", sum(found) / len(found) if found else float("nan"))
            for figure, value in (self.judge.watch.monitor.scalars() if self.judge.watch else {}).items():
                metric(f"{name}/{figure}", value)
        extra: Callable[[str, list[str]], None] | None = kwargs.get("log_extra")
        if extra is not None:
            extra(f"{self.__name__}_why", [_why(r) for r in rewards])

    def close(self) -> None:
        """Free the engine."""
        self.judge.close()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__


class AsyncJudgeReward(JudgeReward):
    """The same, awaited by the trainer together with its other asynchronous reward functions.

    It cannot form groups over several processes (collectives need one thread and one order), so what depends on siblings
    is refused here; use `JudgeReward`.
    """

    def __init__(self, config: str | Path | Mapping[str, Any] | RunSettings, **options: Any) -> None:
        super().__init__(config, **options)
        if self._whole:
            why = siblings(self.judge.plan.settings, self._policy)
            raise SettingsError(
                f"{why} needs whole groups, which an asynchronous reward cannot form over processes: use JudgeReward"
            )

    async def __call__(self, prompts: Sequence[Any], completions: Sequence[Any], **kwargs: Any) -> list[float | None]:  # type: ignore[override]  # trainers tell the two apart by this
        """Rewards of the completions, in their order. Awaited by the trainer."""
        started = time.monotonic()
        rows = self._rows(prompts, completions, kwargs)
        rewards = await self.judge.ascore([row.sample for row in rows], step=_step(kwargs))
        return self._values(rewards, kwargs, time.monotonic() - started)


def _step(kwargs: Mapping[str, Any]) -> int | None:
    state = kwargs.get("trainer_state")
    return None if state is None else int(state.global_step)


def _why(reward: Reward) -> str:
    if reward.value is None and reward.failure is not None:
        return f"no reward: {reward.failure.reason}: {reward.failure.detail}"
    if reward.stages:
        chain = " -> ".join(f"{name} {'absent' if value is None else format(value, '.4g')}" for name, value in reward.stages)
        return f"{reward.explanation}; {chain}"
    return reward.explanation
