"""Several rubrics, or one with duplicates -> one in which each thing is said once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from judge import __version__
from judge.errors import RubricError
from judge.rubric.matching import SAME, Alike, groups_of, likeness
from judge.rubric.model import Criterion, Lineage, Rubric, content_hash

MOST_PARENTS = 200  # hashes named in the lineage; all of them are in its data hash
MOST_KEPT = 5000  # criteria of a rubric
MOST_TEXTS = 6000  # different criteria that are compared with each other: 36 million likenesses, 300 MB


SHARED = ("scale", "fold", "partial")


@dataclass(frozen=True, slots=True)
class MergedCriterion:
    """One criterion of the result, and what went into it.

    Attributes:
        members: (number of the rubric, criterion), the one whose words were kept first.
        likeness: Least likeness of the others to it.
        rubrics: How many of the rubrics say it.
    """

    criterion: Criterion
    members: tuple[tuple[int, Criterion], ...]
    likeness: float
    rubrics: int


@dataclass(frozen=True, slots=True)
class MergedRubric:
    """The result, criterion by criterion. `left_out` were cut off by the limit."""

    rubric: Rubric
    criteria: tuple[MergedCriterion, ...]
    left_out: tuple[MergedCriterion, ...] = ()


def merge_rubrics(
    rubrics: Sequence[Rubric], alike: Alike, *, least: float = SAME, most: int = MOST_KEPT, name: str = "merged"
) -> MergedRubric:
    """Join rubrics: criteria that say the same become one, with the words of the one most like the others.

    Its importance is the mean of its members' shares of their own rubrics, times how many rubrics say it: a criterion that many
    rubrics hold weighs more, and a rubric of many criteria no more than one of few. The largest comes to weight 10. One rubric
    alone keeps its numbers; those of its duplicates are averaged, so that nothing counts twice.

    Args:
        least: Likeness from which two criteria are one, in (0, 1].
        most: At most so many criteria: those that most rubrics hold, then the most important.

    Raises:
        RubricError: None was given, or there are more than 6,000 different criteria.
    """
    if not rubrics:
        raise RubricError("nothing to merge: give at least one rubric")
    flat = [(number, criterion) for number, rubric in enumerate(rubrics) for criterion in rubric.criteria]
    places: dict[tuple[object, ...], list[int]] = {}  # criteria with the same words are one, and compared once
    for place, (_, c) in enumerate(flat):
        places.setdefault((c.text, c.negative, c.check, repr(c.args)), []).append(place)
    same = list(places.values())
    if len(same) > MOST_TEXTS:
        raise RubricError(f"{len(same):,} different criteria; at most {MOST_TEXTS:,} are compared at once: merge fewer rubrics")
    matrix = likeness([flat[own[0]][1] for own in same], alike, least)
    counts = np.array([len(own) for own in same])
    alone = len(rubrics) == 1
    totals = [sum(c.importance for c in rubric.criteria) for rubric in rubrics]
    made: list[tuple[MergedCriterion, float]] = []
    for group in groups_of(matrix, least):
        central = {i: float(np.cumsum(matrix[i, group] * counts[group])[-1]) for i in group}  # summed in order: ties stay ties
        head = max(group, key=lambda i: (central[i], -i))
        members = tuple(flat[place] for i in (head, *(i for i in group if i != head)) for place in same[i])
        held = {number for number, _ in members}
        shares = [c.importance if alone else c.importance / totals[n] for n, c in members]
        weight = sum(shares) / len(shares) * (1 if alone else len(held))
        low = float(matrix[head, group].min())
        made.append((MergedCriterion(members[0][1], members, low, len(held)), weight))
    kept = _kept(made, most)
    if all(m.members[0][1].negative for m, _ in kept) and any(not m.members[0][1].negative for m, _ in made):
        raise RubricError(f"of {len(made)} criteria, the {most} kept are faults alone, which pay nothing; allow more")
    scale = 1.0 if alone else 10.0 / max(weight for _, weight in made)
    taken: set[str] = set()
    held_on = {id(m) for m, _ in kept}
    criteria = tuple(
        MergedCriterion(_criterion(m, weight * scale, rubrics[0], alone, taken), m.members, m.likeness, m.rubrics)
        for m, weight in kept
    )
    return MergedRubric(
        _rubric(rubrics, tuple(m.criterion for m in criteria), name),
        criteria,
        tuple(m for m, _ in made if id(m) not in held_on),
    )


def _kept(made: list[tuple[MergedCriterion, float]], most: int) -> list[tuple[MergedCriterion, float]]:
    """The `most` criteria that are held by most rubrics, in the order in which they came."""
    best = sorted(range(len(made)), key=lambda i: (-made[i][0].rubrics, -made[i][1], i))[:most]
    return [made[i] for i in sorted(best)]


def _criterion(merged: MergedCriterion, weight: float, first: Rubric, alone: bool, taken: set[str]) -> Criterion:
    head = merged.members[0][1]
    fields: dict[str, Any] = {n: getattr(head, n) for n in Criterion.model_fields if n not in ("weight", "points", "id", "kind")}
    fields["id"] = _free(head.id, taken)
    fields["veto"] = any(c.veto for _, c in merged.members)
    fields["kind"] = "pitfall" if head.negative else head.kind
    if alone and first.criteria[0].points is not None:
        fields["points"] = -weight if head.negative else weight
    elif not (alone and head.weight is None and weight == 1):
        fields["weight"] = round(weight, 4) or 0.0001
    return Criterion(**fields)


def _free(name: str, taken: set[str]) -> str:
    same, number = name, 2
    while same in taken:
        same, number = f"{name[:58]}-{number}", number + 1
    taken.add(same)
    return same


def unshared(rubrics: Sequence[Rubric]) -> list[str]:
    """Fields of the whole in which rubrics differ: what is merged of them has the default there."""
    return [field for field in SHARED if any(getattr(r, field) != getattr(rubrics[0], field) for r in rubrics)]


def _rubric(rubrics: Sequence[Rubric], criteria: tuple[Criterion, ...], name: str) -> Rubric:
    hashes = tuple(dict.fromkeys(rubric.hash for rubric in rubrics))
    lineage = Lineage(
        parents=hashes[:MOST_PARENTS], generator="merge", data_hash=content_hash(hashes), created_by=f"judge {__version__}"
    )
    if len(rubrics) == 1:
        same = criteria == rubrics[0].criteria
        return rubrics[0] if same else rubrics[0].changed(criteria=criteria, lineage=lineage)
    first = rubrics[0]
    shared: dict[str, Any] = {field: getattr(first, field) for field in SHARED if field not in unshared(rubrics)}
    return Rubric(name=name, criteria=criteria, lineage=lineage, **shared)
