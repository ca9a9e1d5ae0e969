"""Two versions of a rubric -> what changed: criteria added, removed, reworded, reweighted, and fields of the whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from judge.rubric.matching import Alike, matched
from judge.rubric.model import Criterion, Rubric

MATCH = 0.55  # likeness from which a criterion is a rewording of another and not a new one; an equal id adds 0.3
_PARTS = ("kind", "scale", "veto", "check", "args")


@dataclass(frozen=True, slots=True)
class ChangedCriterion:
    """A criterion that is in both versions.

    Attributes:
        likeness: Of the two texts, 1 for equal ones.
        share: Its share of the total importance in the old and the new version, in [0, 1].
        parts: Other fields that differ, by name.
    """

    old: Criterion
    new: Criterion
    likeness: float
    share: tuple[float, float]
    parts: tuple[str, ...] = ()

    @property
    def reworded(self) -> bool:
        """Whether its text changed."""
        return self.old.text != self.new.text

    @property
    def reweighted(self) -> bool:
        """Whether its weight or points changed, or the sign of what it counts."""
        return (self.old.importance, self.old.negative) != (self.new.importance, self.new.negative)


@dataclass(frozen=True, slots=True)
class RubricDiff:
    """What changed between two versions. `fields` are those of the rubric itself: (name, old value, new value)."""

    added: tuple[Criterion, ...]
    removed: tuple[Criterion, ...]
    kept: tuple[ChangedCriterion, ...]
    fields: tuple[tuple[str, Any, Any], ...] = ()

    @property
    def changed(self) -> tuple[ChangedCriterion, ...]:
        """Criteria of both versions in which something differs."""
        return tuple(c for c in self.kept if c.reworded or c.reweighted or c.parts)

    @property
    def same(self) -> bool:
        """Whether a judge and the fold would see no difference."""
        return not (self.added or self.removed or self.changed or self.fields)


def diff_rubrics(old: Rubric, new: Rubric, alike: Alike, least: float = MATCH) -> RubricDiff:
    """Match the criteria of two versions by meaning, and say what differs.

    Example:
        >>> from judge.similarity import alike_texts
        >>> old = Rubric.model_validate({"criteria": [{"id": "a", "text": "Names the dose."}, {"id": "b", "text": "Is short."}]})
        >>> new = Rubric.model_validate({"criteria": [{"id": "x", "text": "Names the dose.", "weight": 3}]})
        >>> found = diff_rubrics(old, new, alike_texts("hashing"))
        >>> [c.id for c in found.removed], [c.reweighted for c in found.changed]
        (['b'], [True])
    """
    pairs = matched(old.criteria, new.criteria, alike, least)
    seen_old, seen_new = {i for i, _, _ in pairs}, {j for _, j, _ in pairs}
    kept = tuple(_pair(old, new, i, j, alike_) for i, j, alike_ in pairs)
    return RubricDiff(
        tuple(c for j, c in enumerate(new.criteria) if j not in seen_new),
        tuple(c for i, c in enumerate(old.criteria) if i not in seen_old),
        kept,
        tuple(_fields(old, new)),
    )


def _pair(old: Rubric, new: Rubric, i: int, j: int, likeness: float) -> ChangedCriterion:
    a, b = old.criteria[i], new.criteria[j]
    parts = tuple(name for name in _PARTS if getattr(a, name) != getattr(b, name))
    return ChangedCriterion(a, b, likeness, (a.importance / _total(old), b.importance / _total(new)), parts)


def _total(rubric: Rubric) -> float:
    return sum(c.importance for c in rubric.criteria)


def _fields(old: Rubric, new: Rubric) -> Iterator[tuple[str, Any, Any]]:
    for name in ("fold", "effective_denominator", "partial", "scale"):
        a, b = getattr(old, name), getattr(new, name)
        if a != b:
            yield name.removeprefix("effective_"), a, b
