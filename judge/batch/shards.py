"""A part of a data set for each of several machines: which rows a shard holds, decided by each machine alone.

- Every shard reads the whole data set and keeps its rows, so that a row has the same number and the same id in all of them.
- Rows that are compared or shaped together stay together: then shards are cut by a hash of the group. Else by position, in
  runs of neighbours, since neighbours often share a prompt that the engine has in its cache.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from judge.batch.read import BadRow
from judge.errors import InputError, SettingsError
from judge.pipeline.build import Plan
from judge.pipeline.finish import Finish
from judge.shape import across_groups, remembers
from judge.types import Sample

NEIGHBOURS = 16  # rows in a run that go to the same shard

SplitBy = Literal["row", "group"]


@dataclass(frozen=True, slots=True)
class Shard:
    """One of `count` parts.

    Attributes:
        index: From 0 to `count` - 1, as the tasks of a Slurm array are numbered.
        by: `row`: by position. `group`: by a hash of the group.

    Example:
        >>> [Shard(1, 2).holds(row, Sample.of("q", "a")) for row in (0, 15, 16, 31, 32)]
        [False, False, True, True, False]
    """

    index: int
    count: int
    by: SplitBy = "row"

    def holds(self, row: int, sample: Sample | BadRow) -> bool:
        """Whether the shard holds this row of the data (numbered from 0)."""
        if self.by == "row" or isinstance(sample, BadRow):
            return row // NEIGHBOURS % self.count == self.index
        return group_place(sample.group_key, self.count) == self.index

    def rows_of(self, total: int) -> int | None:
        """How many of `total` rows the shard holds; None where only the rows tell."""
        if self.by == "group":
            return None
        whole, rest = divmod(total, NEIGHBOURS * self.count)
        return whole * NEIGHBOURS + min(max(rest - self.index * NEIGHBOURS, 0), NEIGHBOURS)

    def plain(self) -> dict[str, Any]:
        """As `run.json` has it."""
        return {"index": self.index, "count": self.count, "by": self.by}

    def __str__(self) -> str:
        how = "rows by position" if self.by == "row" else "rows by a hash of their group, so that groups stay whole"
        return f"shard {self.index} of {self.count} ({how})"


def group_place(key: str, count: int) -> int:
    """Which of `count` parts a group belongs to; the same on every machine."""
    digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") % count


def parse_part(text: str) -> tuple[int, int]:
    """`2/8` -> (2, 8): part 2 of 8, numbered from 0. Raises `InputError`.

    Example:
        >>> parse_part("0/8")
        (0, 8)
    """
    index, _, count = text.strip().partition("/")
    if not all(part.isascii() and part.isdigit() and len(part) < 7 for part in (index, count)) or int(index) >= int(count):
        raise InputError(f"--shard {text}: must be I/N with I from 0 to N - 1, for example 0/8 for the first of eight")
    return int(index), int(count)


def parse_shard(text: str, plan: Plan) -> Shard:
    """`2/8` -> the shard, cut as the settings need it.

    Raises:
        InputError: Not a shard.
        SettingsError: Rewards of these settings depend on rows of other shards.
    """
    return Shard(*parse_part(text), splits_by(plan, "--shard"))


def splits_by(plan: Plan, option: str) -> SplitBy:
    """How the rows of a run may be split over machines.

    Raises:
        SettingsError: They may not, since a step of the chain looks at the whole run.
    """
    steps = plan.settings.reward.shape
    if whole := [*across_groups(steps), *remembers(steps)]:
        raise SettingsError(
            f"reward.shape ({whole[0]}): looks at rewards of the whole run, so its rows cannot be split with {option}; leave the"
            " step out here, and shape in the trainer"
        )
    return "group" if plan.settings.group is not None or not Finish(plan.settings, plan.rubric).alone else "row"


def shard_of(run: Mapping[str, Any]) -> Shard | None:
    """The shard that a `run.json` tells of."""
    told = run.get("shard")
    return None if not isinstance(told, Mapping) else Shard(told["index"], told["count"], told["by"])
