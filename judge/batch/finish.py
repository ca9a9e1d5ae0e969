"""The rewards of a run from the judge to the tables: each at once where nothing else decides it, else after the last one.

A chain that looks at groups, or at the whole run, holds its samples until the end. Means of groups need no more than the
tables: groups in which a reward is missing are read back.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

from judge.batch.store import Store
from judge.pipeline.build import Plan
from judge.pipeline.deadline import Deadlines
from judge.pipeline.evaluate import evaluate_all
from judge.pipeline.finish import Finish
from judge.pipeline.opened import Opened
from judge.pipeline.shaping import CountTokens
from judge.reward.missing import apply_policy
from judge.types import Reason, Reward, Sample


class RunFinish:
    """`Finish` over one run.

    Attributes:
        count_tokens: Set when the engine is there.
    """

    def __init__(self, plan: Plan) -> None:
        self.count_tokens: CountTokens | None = None
        self._finish = Finish(plan.settings, plan.rubric)
        self._means = plan.settings.on_no_verdict == "group_mean"
        self._settings = plan.settings
        self._held: list[tuple[int, Sample, tuple[Reward, ...]]] = []

    def add(self, row: int, sample: Sample, rewards: tuple[Reward, ...]) -> tuple[Reward, ...]:
        """Take in the rewards of one sample; gives them as far as they are known now.

        Raises:
            DataError: The sample lacks what the chain needs: now, and not when all are judged.
            NoVerdictError: A reward is missing, and the settings say `raise`.
        """
        if not any(r.failure and r.failure.reason == Reason.INVALID for r in rewards):
            self._finish.shaping.check(sample, self.count_tokens)
        if self._finish.alone:
            return tuple(self._finish.apply([sample], rewards, count_tokens=self.count_tokens))
        if self._finish.shaping.steps:
            self._held.append((row, sample, tuple(replace(r, calls=()) for r in rewards)))
        return rewards

    @property
    def alone(self) -> bool:
        """Whether what `add` gives is the end of it, whatever other rows come to."""
        return self._finish.alone

    @property
    def notes(self) -> tuple[str, ...]:
        """What the steps said of the whole run; of a chain that shapes each response by itself, nothing."""
        return self._finish.shaping.notes if self._held else ()

    async def finish(self, store: Store, judges: Opened) -> None:
        """Judge the baseline responses, and enter what chain and policy make of the rewards that wait for others."""
        if self._held:
            await self._shape(store, judges)
        elif self._means:
            self._fill(store)

    async def _shape(self, store: Store, judges: Opened) -> None:
        self._held.sort(key=lambda held: held[0])
        samples = [sample for _, sample, _ in self._held]
        due = self._finish.shaping.due(samples)
        late = Deadlines.each(self._settings, judges.engines)
        found = await evaluate_all(judges.judging, due, in_flight=self._settings.max_in_flight, deadlines=late)
        self._finish.shaping.learn([reward for rewards in found for reward in rewards])
        rewards = [reward for _, _, each in self._held for reward in each]
        finished = self._finish.apply(samples, rewards, count_tokens=self.count_tokens)
        rows = [row for row, _, each in self._held for _ in each]
        store.finish(zip(rows, finished, strict=True))

    def _fill(self, store: Store) -> None:
        """Means of the groups in which a reward is missing."""
        for _, members in groupby(store.incomplete_groups(), key=lambda member: member[1].group):
            rows, rewards = zip(*members, strict=True)
            filled = apply_policy(rewards, "group_mean")
            store.finish((row, new) for row, old, new in zip(rows, rewards, filled, strict=True) if new is not old)
