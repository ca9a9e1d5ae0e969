"""Where the judge contradicts itself: a > b > c > a."""

from __future__ import annotations

import numpy as np
import scipy

from judge.arrays import Floats

MOST = 100  # triples listed


def triples(wins: Floats) -> tuple[int, tuple[tuple[int, int, int], ...]]:
    """Count the 3-cycles of the majority relation (win above 0.5) and list the first hundred.

    There are trace(B^3) / 3 of them, where B[i, j] = 1 when i beats j (each cycle is found from each of its members).

    Example:
        >>> nan = float("nan")
        >>> triples(np.array([[nan, 1, 0], [0, nan, 1], [1, 0, nan]]))
        (1, ((0, 1, 2),))
    """
    beats = np.nan_to_num(wins, nan=0.0) > 0.5
    b = beats.astype(np.int64)
    count = int(np.trace(b @ b @ b)) // 3
    found: list[tuple[int, int, int]] = []
    for i in range(len(wins) if count else 0):
        for j in np.flatnonzero(beats[i, i + 1 :]) + i + 1:  # each cycle once: from its lowest member
            closing = np.flatnonzero(beats[j] & beats[:, i])
            found += [(i, int(j), int(k)) for k in closing if k > i]
        if len(found) >= MOST:
            break
    return count, tuple(found[:MOST])


def components(wins: Floats) -> tuple[tuple[int, ...], ...]:
    """Sets of responses that beat each other along some path (strongly connected, more than one member).

    Example:
        >>> nan = float("nan")
        >>> components(np.array([[nan, 1, 0, 1], [0, nan, 1, 1], [1, 0, nan, 1], [0, 0, 0, nan]]))
        ((0, 1, 2),)
    """
    if not len(wins):
        return ()
    beats = np.nan_to_num(wins, nan=0.0) > 0.5
    number, labels = scipy.sparse.csgraph.connected_components(beats, directed=True, connection="strong")
    sets = (tuple(int(i) for i in np.flatnonzero(labels == k)) for k in range(number))
    return tuple(sorted(s for s in sets if len(s) > 1))
