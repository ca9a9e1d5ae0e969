"""A rubric -> the same without some criteria, drawn anew: a policy cannot learn to please those alone that are always there."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

from judge.errors import RubricError
from judge.rubric.model import Rubric


def thinned(rubric: Rubric, share: float, key: str, *, keep: Collection[str] = (), least: int = 1) -> Rubric:
    """Leave out each criterion with probability `share`; vetoes, and those in `keep`, always stay, and `least` criteria.

    The draw follows from the key and the criterion's id alone, so the responses of one group, judged anywhere, lose the same.

    Args:
        share: In [0, 1).
        key: What the draw depends on, such as seed, step and group.
        keep: Ids that are needed elsewhere.

    Returns:
        The rubric itself where nothing is left out, or where what is left could not be folded.

    Example:
        >>> rubric = Rubric.model_validate({"criteria": [{"id": c, "text": f"Says {c}."} for c in "abcdefgh"]})
        >>> [len(thinned(rubric, 0.5, str(seed)).criteria) for seed in range(6)]
        [2, 2, 5, 4, 7, 2]
        >>> thinned(rubric, 0.5, "1") == thinned(rubric, 0.5, "1")
        True
    """
    if share <= 0 or len(rubric.criteria) <= least:
        return rubric
    drawn = {c.id: 1.0 if c.veto or c.id in keep else _uniform(key, c.id) for c in rubric.criteria}
    best = sorted(drawn.values())[-least]  # what the last of those that must stay has drawn
    left = tuple(c for c in rubric.criteria if drawn[c.id] >= min(share, best))
    if len(left) == len(rubric.criteria):
        return rubric
    try:
        return rubric.changed(criteria=left)
    except RubricError:  # faults alone have nothing to be divided by
        return rubric


def _uniform(key: str, name: str) -> float:
    digest = hashlib.blake2b(f"{key}\0{name}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
