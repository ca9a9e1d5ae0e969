"""The record that selecting works on, and what all selections agree about.

- A response without a reward was not judged bad: it is not judged at all, so it is neither chosen nor rejected.
- A response that a filter stopped before the judge saw it has a reward (0), and may lose a comparison; it is never chosen,
  also where nothing better is there.
- Rewards are averages of averages: 0.7 is spelt 0.7000000000000001 as well. Equal to nine decimals is equal.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from judge.types import Message

PLACES = 9  # decimals to which rewards are compared


@dataclass(frozen=True, slots=True)
class ScoredResponse:
    """One response, what it answers, and what it earned.

    Attributes:
        group: The prompt it competes under; candidates with one name compete.
        reward: Finite; None when there is none. Higher is better.
        vetoed: A filter gave the reward, because there was nothing to judge.
        id: Of its sample.
        row: Of the data set, from 0. With `response_index` it orders candidates that are equal.
        components: Criterion (or judge of a panel) -> its score, in [0, 1]; None where it has no verdict.
    """

    group: str
    prompt: str | tuple[Message, ...]
    response: str
    reward: float | None
    vetoed: bool = False
    id: str = ""
    row: int = 0
    response_index: int = 0
    components: Mapping[str, float | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.reward is not None and not math.isfinite(self.reward):
            raise ValueError(f"the reward of `{self.id or self.group}` is {self.reward}; what is absent is None")

    @property
    def level(self) -> float:
        """The reward as it is compared. Raises `ValueError` without one."""
        if self.reward is None:
            raise ValueError(f"`{self.id or self.group}` has no reward")
        return round(self.reward, PLACES)

    @property
    def place(self) -> tuple[int, int, str, str]:
        """Where it stands in the data, whatever order it arrives in."""
        return (self.row, self.response_index, self.id, self.response)


def has_reward(candidate: ScoredResponse) -> bool:
    """Whether anything is known about it."""
    return candidate.reward is not None


def may_be_chosen(candidate: ScoredResponse) -> bool:
    """Whether it was judged at all, by a judge or a program."""
    return candidate.reward is not None and not candidate.vetoed


def grouped(candidates: Iterable[ScoredResponse]) -> dict[str, list[ScoredResponse]]:
    """Candidates by group, everything in the order of the data.

    Example:
        >>> found = grouped([ScoredResponse("b", "?", "x", 0.5, row=2), ScoredResponse("a", "?", "y", None, row=1)])
        >>> list(found)
        ['a', 'b']
    """
    groups: dict[str, list[ScoredResponse]] = {}
    for candidate in sorted(candidates, key=lambda c: c.place):
        groups.setdefault(candidate.group, []).append(candidate)
    return groups


def ranked(candidates: Iterable[ScoredResponse], *, shortest: bool = False) -> list[ScoredResponse]:
    """Best first. Among equals a vetoed response is last, and with `shortest` the shorter text is first, then the earlier one."""
    return sorted(candidates, key=lambda c: (-c.level, c.vetoed, len(c.response) if shortest else 0, c.place))
