"""The monitor over a batch run: chunks of the data set are its batches, and each brings its canaries along.

Nothing waits for a chunk: samples and canaries stream through like any others, and a chunk is looked at when its last
reward is there. Canaries are judged and counted; they are in none of the run's tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from judge.batch.read import BadRow
from judge.monitor import Canaries, Mixed, Monitor
from judge.records import quick
from judge.settings import MonitorSettings
from judge.types import Reward, Sample

CHUNK = 256  # samples of the data set that make one batch of the monitor


@dataclass(slots=True)
class _Chunk:
    mixed: Mixed
    number: int
    rewards: dict[int, tuple[Reward, ...]] = field(default_factory=dict)  # place in `mixed.samples` -> rewards


@quick
@dataclass(frozen=True, slots=True)
class Fed:
    """One thing to judge. `row` is its row of the data set, None for a canary; `filters` False: past the intake filters."""

    row: int | None
    sample: Sample | BadRow
    filters: bool = True
    chunk: int = -1
    place: int = -1


class RunWatch:
    """Watches one run. Without settings it passes rows through."""

    def __init__(self, settings: MonitorSettings | None, seed: int = 0) -> None:
        self.monitor = Monitor(settings) if settings is not None else None
        self._canaries = Canaries(settings.canaries, seed) if settings is not None else None
        self._open: dict[int, _Chunk] = {}
        self._count = 0

    def feed(self, rows: Iterable[tuple[int, Sample | BadRow]]) -> Iterator[Fed]:
        """Rows of the data set, with their numbers, in order; each chunk followed by its canaries."""
        held: list[tuple[int, Sample]] = []
        for row, sample in rows:
            if isinstance(sample, BadRow) or self.monitor is None:
                yield Fed(row, sample)
                continue
            held.append((row, sample))
            if len(held) == CHUNK:
                yield from self._chunk(held)
                held = []
        if held:
            yield from self._chunk(held)

    def _chunk(self, held: list[tuple[int, Sample]]) -> Iterator[Fed]:
        assert self._canaries is not None and self.monitor is not None  # noqa: S101, PT018  # there is a monitor
        number, self._count = self._count, self._count + 1
        mixed = self._canaries.mix([s for _, s in held], number, self.monitor.focus())
        self._open[number] = _Chunk(mixed, number)
        rows: list[int | None] = [row for row, _ in held]
        rows += [None] * len(mixed.probes)
        for place, (row, sample) in enumerate(zip(rows, mixed.samples, strict=True)):
            yield Fed(row, sample, sample.id not in mixed.past_filters, number, place)

    def finished(self, fed: Fed, rewards: tuple[Reward, ...]) -> None:
        """Take in the rewards of one thing that was fed. Raises MonitorStop when its chunk is complete and an alarm stops."""
        chunk = self._open.get(fed.chunk)
        if chunk is None or self.monitor is None or self._canaries is None:
            return
        chunk.rewards[fed.place] = rewards
        if len(chunk.rewards) < len(chunk.mixed.samples):
            return
        del self._open[fed.chunk]
        flat = [reward for place in range(len(chunk.mixed.samples)) for reward in chunk.rewards[place]]
        honest, canaries = self._canaries.split(chunk.mixed, flat)
        samples = chunk.mixed.samples[: len(chunk.mixed.samples) - len(chunk.mixed.probes)]
        self.monitor.observe(samples, honest, step=chunk.number, canaries=canaries)

    def as_dict(self) -> dict[str, Any] | None:
        """The monitor's state for `run.json`."""
        return None if self.monitor is None else self.monitor.as_dict()
