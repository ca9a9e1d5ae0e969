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
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from judge.adapters._shared.failure_policy import check_batch, needs_group, policy_of
from judge.adapters._shared.gather import GatheredRow, judge_groups, several
from judge.adapters._shared.metrics import BatchMetrics, components_of, why
from judge.adapters._shared.sample import samples_of
from judge.engine.protocol import Engine
from judge.errors import DataError, NoVerdictError, SettingsError
from judge.monitor import Alarm
from judge.pipeline.judge import Judge
from judge.reward.missing import apply_policy
from judge.settings import RunSettings
from judge.shape import needs
from judge.types import Reward, Sample

_TRAINER_FIELDS = frozenset(
    {"completion_ids", "trainer_state", "log_extra", "log_metric", "environments", "prompt", "completion"}
)


@dataclass(frozen=True)
class _Heard:
    """A completion's reward before shaping and policy, the rewards of its baselines, and whether the engine was down."""

    reward: Reward
    references: Mapping[str, float]
    down: bool


class JudgeReward:
    """A reward function for TRL: `GRPOTrainer(reward_funcs=JudgeReward("judge.yaml", num_generations=8), ...)`.

    Args:
        config: Run settings: a YAML file, a mapping, or `RunSettings`.
        num_generations: Completions a prompt, as in the trainer (the call does not tell). Needed where a reward depends on its
            group members (`group`, most steps of `reward.shape`, `impute_group_mean`); then an incomplete group is an error
            instead of a silent half-truth.
        reference: Column of the reference answer; None: the first of `reference`, `answer`, `solution`... that is there.
        name: Of the metrics: `rewards/<name>/mean`.
        on_no_verdict: `exclude` (None: advantage 0, group members untouched), `impute_group_mean`, `constant`, `raise`.
        constant: For `constant`.
        engine: Used instead of the one in the settings.
        framework: `trl`, `trl-async`, `unsloth`, `axolotl`: which contract the policy is checked against.
        on_alarm: Called with each alarm of the monitor, in place of the function that `monitor.on_alarm` names. A reward that
            is sent to a process needs one that pickles.

    Raises:
        SettingsError, RecipeError, RubricError: With file and line, when it is made, not in the first step.

    Example:
        >>> from judge.engine.scripted import ScriptedEngine
        >>> right = "RESPONSE SAYS: Paris\\nVERDICT: CORRECT"
        >>> engine = ScriptedEngine({"It is Paris": right, "It is Rome": "VERDICT: INCORRECT"})
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
        on_alarm: Callable[[Alarm], object] | None = None,
    ) -> None:
        self.__name__ = name
        self._framework = framework
        self._reference = reference
        self.num_generations = num_generations
        self.judge = Judge.from_config(config, engine=engine, overrides=overrides, on_alarm=on_alarm)
        settings = self.judge.plan.settings
        check_batch(framework, settings, name)
        self._policy, self._constant = policy_of(framework, settings, on_no_verdict, constant)
        self._metrics = BatchMetrics(name, components_of(self.judge.plan))
        cause = needs_group(settings, self._policy)
        self._whole = bool(cause)
        if self._whole and num_generations is None:
            raise SettingsError(
                f"{name}: {cause} needs whole groups: JudgeReward(..., num_generations=8), with the number from the trainer"
            )

    def __call__(self, prompts: Sequence[Any], completions: Sequence[Any], **kwargs: Any) -> list[float | None]:
        """Rewards of the completions, in their order. Called by the trainer."""
        started = time.monotonic()
        rows = self._rows(prompts, completions, kwargs)
        step = _step(kwargs)
        if self._whole:
            rewards = judge_groups(
                rows,
                lambda groups: self._heard(groups, step),
                self.num_generations,
                lambda groups, heard: self._finished(groups, heard, step),
            )
        else:
            rewards = self.judge.score([row.sample for row in rows], step=step)
        return self._values(rewards, kwargs, time.monotonic() - started)

    def _heard(self, groups: Sequence[Sequence[Sample]], step: int | None) -> list[list[_Heard]]:
        """What the judge says to the groups of this process, with the baseline rewards that go with them."""
        flat = _named(groups)
        heard = self.judge.session.heard_now(flat, step)
        known = self.judge.finish.shaping.known
        each = iter([_Heard(r, known(s), heard.down) for s, r in zip(flat, heard.rewards, strict=True)])
        return [[next(each) for _ in group] for group in groups]

    def _finished(
        self, groups: Sequence[Sequence[Sample]], heard: Sequence[Sequence[_Heard]], step: int | None
    ) -> list[list[Reward]]:
        """The rewards of all groups of the step after shaping and policy: the same on every process."""
        flat = _named(groups)
        all_ = [
            replace(h, reward=replace(h.reward, sample_id=s.id, group=s.group))
            for s, h in zip(flat, chain.from_iterable(heard), strict=True)
        ]
        for each in all_:
            self.judge.finish.shaping.references.update(each.references)
        up = [(s, h.reward) for s, h in zip(flat, all_, strict=True) if not h.down]
        done = iter(self.judge.session.finish_now([s for s, _ in up], [r for _, r in up], step))
        rewards = iter([h.reward if h.down else next(done) for h in all_])
        return [self._imputed([next(rewards) for _ in group]) for group in groups]

    def _imputed(self, group: list[Reward]) -> list[Reward]:
        if self._policy != "impute_group_mean":
            return group
        return apply_policy(group, "group_mean")

    def _rows(self, prompts: Sequence[Any], completions: Sequence[Any], columns: Mapping[str, Any]) -> list[GatheredRow]:
        """The call's rows as samples; every group has one name, also when the same prompt stands twice in the batch."""
        ids = columns.get("completion_ids")
        if ids is None and self._whole and "lengths" in needs(self.judge.plan.settings.reward.shape) and several():
            raise DataError(  # a process that judges no group has no tokenizer to count with
                f"{self.__name__}: a step of `reward.shape` needs lengths, and the trainer passes no `completion_ids`: with"
                " several processes nobody counts them"
            )
        samples = samples_of(
            self.judge.plan,
            prompts,
            completions,
            {k: v for k, v in columns.items() if k not in _TRAINER_FIELDS},
            where=self.__name__,
            reference=self._reference,
            lengths=None if ids is None else [len(each) for each in ids],
        )
        return [GatheredRow(s.group_key, s) for s in samples]

    def _values(self, rewards: Sequence[Reward], kwargs: Mapping[str, Any], seconds: float) -> list[float | None]:
        absent = [r for r in rewards if r.reward is None]
        if absent and self._policy == "raise":
            reason = why(absent[0]).removeprefix("no reward: ")
            raise NoVerdictError(
                f"{self.__name__}: {len(absent)} of {len(rewards)} completions have no reward (the first: {reason})"
            )
        values = [self._constant if r.reward is None else r.reward for r in rewards]
        self._log(rewards, values, kwargs, seconds)
        return values

    def _log(self, rewards: Sequence[Reward], values: Sequence[float | None], kwargs: Mapping[str, Any], seconds: float) -> None:
        """Scalars and one text column, where the trainer offers it. What no row of this process has is left out: one NaN would
        make the mean over all processes NaN."""
        metric: Callable[[str, float], None] | None = kwargs.get("log_metric")
        if metric is not None and rewards:
            watched = self._metrics.watched(self.judge.watch.monitor.scalars()) if self.judge.watch else {}
            rubrics = self.judge.session.rubrics
            changing = self._metrics.changing(rubrics.scalars()) if rubrics is not None else {}
            for name, value in (self._metrics.of(rewards, values, seconds) | watched | changing).items():
                metric(name, value)
        extra: Callable[[str, list[str]], None] | None = kwargs.get("log_extra")
        if extra is not None:
            extra(f"{self.__name__}_why", [why(r) for r in rewards])

    def close(self) -> None:
        """Free the engine."""
        self.judge.close()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__


class AsyncJudgeReward(JudgeReward):
    """The same, awaited by the trainer together with its other asynchronous reward functions.

    It cannot form groups over several processes (collectives need one thread and one order), so what depends on the group
    is refused here; use `JudgeReward`.
    """

    def __init__(self, config: str | Path | Mapping[str, Any] | RunSettings, **options: Any) -> None:
        super().__init__(config, **options)
        if self._whole:
            cause = needs_group(self.judge.plan.settings, self._policy)
            raise SettingsError(
                f"{cause} needs whole groups, which an asynchronous reward cannot form over processes: use JudgeReward"
            )

    async def __call__(self, prompts: Sequence[Any], completions: Sequence[Any], **kwargs: Any) -> list[float | None]:  # type: ignore[override]  # trainers tell the two apart by this
        """Rewards of the completions, in their order. Awaited by the trainer."""
        started = time.monotonic()
        rows = self._rows(prompts, completions, kwargs)
        samples = [row.sample for row in rows]
        rewards = await self.judge.ascore(samples, step=_step(kwargs))
        return self._values(rewards, kwargs, time.monotonic() - started)


def _named(groups: Sequence[Sequence[Sample]]) -> list[Sample]:
    """The samples of groups, each under its place."""
    return [replace(s, id=f"{g}.{k}", group=str(g)) for g, group in enumerate(groups) for k, s in enumerate(group)]


def _step(kwargs: Mapping[str, Any]) -> int | None:
    state = kwargs.get("trainer_state")
    return None if state is None else int(state.global_step)
