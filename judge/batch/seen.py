"""What came before, in little memory: a filter that says "certainly not", and names that are compared exactly.

A Python set of a million keys takes 100 MB and more; here a million take 8 MB, and the filter has one size for all runs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BITS = 26  # of the filter: 2**26 bits are 8 MiB, and a million keys give one false alarm in a thousand
RECENT = 1 << 16  # names held as a set before they are sorted into an array


class MaybeSeen:
    """A Bloom filter with two probes (Bloom 1970, "Space/time trade-offs in hash coding with allowable errors").

    `key in filter` is False only for keys that were never added, so a look-up of what is new costs no query.

    Example:
        >>> keys = MaybeSeen()
        >>> keys.add("a")
        >>> "a" in keys, "b" in keys
        (True, False)
    """

    def __init__(self, bits: int = BITS) -> None:
        self._bytes = bytearray(1 << (bits - 3))
        self._mask = (1 << bits) - 1
        self._shift = bits

    def add(self, key: str) -> None:
        """Remember a key."""
        first, second = self._places(key)
        self._bytes[first >> 3] |= 1 << (first & 7)
        self._bytes[second >> 3] |= 1 << (second & 7)

    def __contains__(self, key: str) -> bool:
        first, second = self._places(key)
        return bool(self._bytes[first >> 3] >> (first & 7) & 1 and self._bytes[second >> 3] >> (second & 7) & 1)

    def _places(self, key: str) -> tuple[int, int]:
        value = hash(key)
        return value & self._mask, (value >> self._shift) & self._mask


class SeenNames:
    """Which names came before, by 64 bits of each: in 10 million names two different ones are taken for the same with a
    chance of 3 in a million.

    Example:
        >>> names = SeenNames()
        >>> names.new("a"), names.new("b"), names.new("a")
        (True, True, False)
    """

    def __init__(self, recent: int = RECENT) -> None:
        self._filter = MaybeSeen()
        self._most = recent
        self._recent: set[int] = set()
        self._sorted: list[NDArray[np.int64]] = []  # the longest first

    def new(self, name: str) -> bool:
        """Whether this name comes for the first time; from now on it does not."""
        value = hash(name)
        if name in self._filter and (value in self._recent or any(_holds(part, value) for part in self._sorted)):
            return False
        self._filter.add(name)
        self._recent.add(value)
        if len(self._recent) >= self._most:
            self._settle()
        return True

    def _settle(self) -> None:
        """Sort the recent ones away; arrays of like length become one, so that there are few."""
        part = np.fromiter(self._recent, np.int64, len(self._recent))
        self._recent = set()
        while self._sorted and len(self._sorted[-1]) <= len(part):
            part = np.concatenate([self._sorted.pop(), part])
        part.sort()
        self._sorted.append(part)


def _holds(part: NDArray[np.int64], value: int) -> bool:
    place = int(np.searchsorted(part, value))
    return place < len(part) and int(part[place]) == value
