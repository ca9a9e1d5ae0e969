"""Batches on their way through the judge, with the monitor's canaries mixed in and taken out again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from judge.monitor import Alarm, Canaries, Monitor, Report
from judge.settings import MonitorSettings
from judge.types import Reward, Sample


class JudgeAll(Protocol):
    """Samples -> one reward a response, in order; those named are judged past the intake filters."""

    def __call__(self, samples: Sequence[Sample], past_filters: frozenset[str] = ..., /) -> Awaitable[list[Reward]]:
        """Judge them."""
        ...


class BatchWatch:
    """One monitor and its canaries over a stream of batches. Pickles with its history."""

    def __init__(self, settings: MonitorSettings, seed: int = 0, on_alarm: Callable[[Alarm], object] | None = None) -> None:
        self.monitor = Monitor(settings, on_alarm=on_alarm)
        self.canaries = Canaries(settings.canaries, seed)
        self._batches = 0

    async def batch(self, samples: Sequence[Sample], judge_all: JudgeAll, step: int | None = None) -> list[Reward]:
        """Judge one batch and look at it.

        Returns:
            The rewards of `samples`, as they would be without canaries.

        Raises:
            MonitorStop: An alarm whose action is `stop`.
        """
        number = self._batches if step is None else step
        self._batches += 1
        mixed = self.canaries.mix(samples, number, self.monitor.focus())
        rewards, canaries = self.canaries.split(mixed, await judge_all(mixed.samples, mixed.past_filters))
        self.monitor.observe(samples, rewards, step=number, canaries=canaries)
        for more in self.canaries.rounds(samples, number, self.monitor.focus):  # a suspect is settled within its step
            _, found = self.canaries.split(more, await judge_all(more.samples, more.past_filters))
            self.monitor.confirm(found)
        return rewards

    @property
    def last(self) -> Report:
        """What the monitor found in the latest batch."""
        return self.monitor.last
