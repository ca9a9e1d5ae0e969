"""The rows of a run: numbered, each under an id of its own, those of the run's shard; and what came of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from judge.batch.parts import RowsUnderWay, TableParts
from judge.batch.progress import ProgressLine
from judge.batch.read import BadRow
from judge.batch.seen import SeenNames
from judge.batch.shards import Shard
from judge.batch.store import Store
from judge.errors import NoVerdictError
from judge.types import Flag, Reward, Sample

NumberedRow = tuple[int, Sample | BadRow]
"""A row of the data and its number, from 0."""


class NumberedRows:
    """The rows of a data set with their numbers, each under an id of its own.

    Args:
        shard: Give only its rows. None: all.

    Attributes:
        renamed: Rows under way that had the id of an earlier row, by their new one.
    """

    def __init__(self, samples: Iterable[Sample | BadRow], shard: Shard | None = None) -> None:
        self._samples = samples
        self._shard = shard
        self._seen = SeenNames()
        self._next: dict[str, int] = {}  # number to try for the next row of this id
        self._first, self._count = "", 0  # of those that were renamed
        self.renamed: set[str] = set()
        self._read = 0
        self._whole = False

    def __iter__(self) -> Iterator[NumberedRow]:
        for row, sample in enumerate(self._samples):
            self._read = row + 1
            own = self._own(sample)
            if self._shard is None or self._shard.holds(row, own):
                if own is not sample:
                    self.renamed.add(own.id)
                yield row, own
        self._whole = True

    def _own(self, sample: Sample | BadRow) -> Sample | BadRow:
        """The same row under a name that no earlier one has."""
        if self._seen.new(sample.id):
            return sample
        number = self._next.get(sample.id, 2)
        while not self._seen.new(f"{sample.id}#{number}"):
            number += 1
        self._next[sample.id] = number + 1
        if isinstance(sample, BadRow):
            return sample
        self._count += 1
        self._first = min(filter(None, (self._first, name := f"{sample.id}#{number}")))
        return replace(sample, id=name)

    @property
    def rows(self) -> int | None:
        """Rows of the whole data set; None as long as it was not read to its end."""
        return self._read if self._whole else None

    @property
    def notes(self) -> list[str]:
        """What `run.json` says about the ids."""
        if not self._count:
            return []
        return [renamed_note(self._count, self._first)]


def renamed_note(count: int, first: str) -> str:
    """What a run says about rows that had the id of an earlier one."""
    return f"{count} rows have the id of an earlier row; they are called `{first}` and so on"


class RunRows:
    """The rows of a run on their way to the store.

    Args:
        renamed: Ids of rows that had the id of an earlier row.
        max_failures: Rows without a reward after which the run stops. None: no limit.
        parts: Told up to where all rows are in the store. None: nobody wants to know.

    Attributes:
        failed: Rows so far in which a response has no verdict.
    """

    def __init__(
        self,
        rows: Iterable[NumberedRow],
        renamed: set[str],
        store: Store,
        progress: ProgressLine,
        max_failures: int | None,
        parts: TableParts | None = None,
    ) -> None:
        self._rows = rows
        self._renamed = renamed
        self._store = store
        self.progress = progress
        self._most = max_failures
        self._parts = parts
        self._under_way = RowsUnderWay()
        self.failed = 0

    def __iter__(self) -> Iterator[NumberedRow]:
        for each in self._rows:
            if self._parts is not None:
                self._under_way.begin(each[0])
            yield each

    def flagged(self, sample: Sample, rewards: tuple[Reward, ...]) -> tuple[Reward, ...]:
        """The rewards, flagged where the row had to be renamed."""
        if sample.id not in self._renamed:
            return rewards
        self._renamed.discard(sample.id)
        flag = Flag("duplicate_id", f"an earlier row has the id `{sample.id.rpartition('#')[0]}`")
        return tuple(replace(reward, flags=(*reward.flags, flag)) for reward in rewards)

    def enter(
        self, row: int, rewards: tuple[Reward, ...], finished: tuple[Reward, ...] | None = None, sample: Sample | None = None
    ) -> None:
        """Enter what came of one row: `rewards` as judged, `finished` as they go into the tables.

        Raises:
            NoVerdictError: Too many rows have no reward.
        """
        self._store.add(row, rewards if finished is None else finished, sample)
        if self._parts is not None:
            self._parts.reached(self._under_way.end(row))
        self.progress.add(rewards)
        failure = next((reward.failure for reward in rewards if reward.failure is not None), None)
        self.failed += failure is not None
        if self._most is not None and self.failed > self._most:
            said = f"{failure.reason}: {failure.detail}" if failure and failure.detail else str(failure and failure.reason)
            raise NoVerdictError(f"{self.failed:,} rows have no reward, and at most {self._most:,} may fail; the last: {said}")
