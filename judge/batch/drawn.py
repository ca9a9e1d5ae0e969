"""Which rows of a data set a plan looks at, and which of them are judged together."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from judge.batch.read import BadRow
from judge.pipeline.group import competing
from judge.types import Sample

MOST_READ = 50_000  # rows that the sample is drawn from


@dataclass
class UnreadRows:
    """Rows that are no samples, counted on their way.

    Attributes:
        first: Where the first one stands, and why it is none.
    """

    count: int = 0
    first: str = ""

    def counted(self, rows: Iterable[Sample | BadRow]) -> Iterator[Sample | BadRow]:
        """The same rows."""
        for row in rows:
            if isinstance(row, BadRow):
                self.count += 1
                self.first = self.first or row.problem
            yield row


def draw(rows: Iterable[Sample | BadRow], count: int, seed: int, *, groups: bool = False) -> tuple[list[Sample | BadRow], int]:
    """Some rows at random (in their order), and how many were read: at most `MOST_READ`.

    Args:
        groups: Draw whole groups (the rows of one prompt) until there are `count` rows and two groups.

    Example:
        >>> drawn, read = draw([Sample.of("q", str(i), id=str(i)) for i in range(100)], 3, seed=0)
        >>> len(drawn), read
        (3, 100)
        >>> pairs = [Sample.of(f"q{i // 4}", str(i), id=str(i)) for i in range(100)]
        >>> len(draw(pairs, 6, seed=0, groups=True)[0])
        8
    """
    if groups:
        return _draw_groups(rows, count, seed)
    rng, kept, read = random.Random(seed), list[tuple[int, Sample | BadRow]](), 0
    for row in rows:
        if read == MOST_READ:
            break
        read += 1
        if len(kept) < count:
            kept.append((read, row))
        elif (place := rng.randrange(read)) < count:
            kept[place] = (read, row)
    return [row for _, row in sorted(kept, key=lambda pair: pair[0])], read


def _draw_groups(rows: Iterable[Sample | BadRow], count: int, seed: int) -> tuple[list[Sample | BadRow], int]:
    """Each group gets a random number when it begins; those with the lowest are kept, and one let go never comes back."""
    rng, lots, read, held = random.Random(seed), dict[object, float](), 0, 0
    kept: dict[object, list[tuple[int, Sample | BadRow]]] = {}
    for row in rows:
        if read == MOST_READ:
            break
        read += 1
        key: object = row.group_key if isinstance(row, Sample) and len(row.responses) == 1 else read
        if key not in lots:
            lots[key] = rng.random()
            kept[key] = []
        if key not in kept:
            continue
        kept[key].append((read, row))
        held += 1
        while len(kept) > 2:
            last = max(kept, key=lots.__getitem__)
            if held - len(kept[last]) < count:
                break
            held -= len(kept.pop(last))
    return [row for _, row in sorted((each for group in kept.values() for each in group), key=lambda pair: pair[0])], read


def units(drawn: Sequence[Sample | BadRow], *, groups: bool) -> list[list[int]]:
    """Positions of the rows that are judged together.

    Example:
        >>> rows = [Sample.of("q", "a"), Sample.of("r", "b"), Sample.of("q", "c")]
        >>> units(rows, groups=True), units(rows, groups=False)
        ([[0, 2], [1]], [[0], [1], [2]])
    """
    if not groups:
        return [[place] for place in range(len(drawn))]
    sound = [place for place, row in enumerate(drawn) if isinstance(row, Sample)]
    found = competing([row for row in drawn if isinstance(row, Sample)])
    bad = [[place] for place, row in enumerate(drawn) if not isinstance(row, Sample)]
    return sorted([*([sound[k] for k in unit] for unit in found), *bad])
