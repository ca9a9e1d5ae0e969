"""What came before, in little memory: a filter that says "certainly not", and names that are compared exactly.

A Python set of a million keys takes 100 MB and more; here a million take 8 MB, and the filter has one size for all runs.
Most runs have few keys, and a set of those is quicker than a filter, whose bytes all have to be made first.
"""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
from numpy.typing import NDArray

BITS = 26  # of the filter: 2**26 bits are 8 MiB, and a million keys give one false alarm in a thousand
RECENT = 1 << 16  # keys held as a set before they become bits, names before they are sorted into an array


class MaybeSeen:
    """A Bloom filter with two probes (Bloom 1970, "Space/time trade-offs in hash coding with allowable errors").

    `key in filter` is False only for keys that were never added, so a look-up of what is new costs no query.

    Example:
        >>> keys = MaybeSeen()
        >>> keys.add("a")
        >>> "a" in keys, "b" in keys
        (True, False)
    """

    def __init__(self, bits: int = BITS, few: int = RECENT) -> None:
        self._bits = bits
        self._mask = (1 << bits) - 1
        self._most = few
        self._few: set[int] = set()  # until there are more than `few`
        self._bytes: bytearray | None = None

    def add(self, key: Hashable) -> None:
        """Remember a key."""
        value = hash(key)
        if self._bytes is not None:
            self._mark(self._bytes, value)
            return
        self._few.add(value)
        if len(self._few) > self._most:
            self._spread()

    def __contains__(self, key: Hashable) -> bool:
        value, marks = hash(key), self._bytes
        if marks is None:
            return value in self._few
        first, second = self._places(value)
        return bool(marks[first >> 3] >> (first & 7) & 1 and marks[second >> 3] >> (second & 7) & 1)

    def _spread(self) -> None:
        """Make bits of the set."""
        self._bytes = bytearray(1 << (self._bits - 3))
        for value in self._few:
            self._mark(self._bytes, value)
        self._few = set()

    def _mark(self, marks: bytearray, value: int) -> None:
        first, second = self._places(value)
        marks[first >> 3] |= 1 << (first & 7)
        marks[second >> 3] |= 1 << (second & 7)

    def _places(self, value: int) -> tuple[int, int]:
        return value & self._mask, (value >> self._bits) & self._mask


class SeenNames:
    """Which names came before, by 64 bits of each: in 10 million names two different ones are taken for the same with a
    chance of 3 in a million.

    Example:
        >>> names = SeenNames()
        >>> names.new("a"), names.new("b"), names.new("a")
        (True, True, False)
    """

    def __init__(self, recent: int = RECENT) -> None:
        self._filter = MaybeSeen(few=0)  # of those in `_sorted`
        self._most = recent
        self._recent: set[int] = set()
        self._sorted: list[NDArray[np.int64]] = []  # the longest first

    def new(self, name: str) -> bool:
        """Whether this name comes for the first time; from now on it does not."""
        value = hash(name)
        if value in self._recent or (value in self._filter and any(_holds(part, value) for part in self._sorted)):
            return False
        self._recent.add(value)
        if len(self._recent) >= self._most:
            self._settle()
        return True

    def _settle(self) -> None:
        """Sort the recent ones away; arrays of like length become one, so that there are few."""
        for value in self._recent:
            self._filter.add(value)
        part = np.fromiter(self._recent, np.int64, len(self._recent))
        self._recent = set()
        while self._sorted and len(self._sorted[-1]) <= len(part):
            part = np.concatenate([self._sorted.pop(), part])
        part.sort()
        self._sorted.append(part)


def _holds(part: NDArray[np.int64], value: int) -> bool:
    place = int(np.searchsorted(part, value))
    return place < len(part) and int(part[place]) == value
