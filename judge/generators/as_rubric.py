"""Listed items -> a rubric with its lineage, and items as templates see them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from judge import __version__
from judge.errors import RubricError
from judge.generators.model import Generator, ItemSpec
from judge.generators.parse_items import ListedItem
from judge.generators.rows import Drop, SourceRow, Unwritten, data_hash_of
from judge.generators.tags import plain
from judge.rubric.model import Criterion, Lineage, Rubric


def grounded(item: ListedItem, prompt: str) -> ListedItem:
    """An item whose program is given what the prompt does not say is left to a judge: the model made the value up."""
    if item.check == "llm" or not item.args:
        return item
    said = str(next(iter(item.args.values())))
    there = said in words_and_numbers(prompt) if said.isdigit() else said.casefold() in prompt.casefold()
    return item if there else replace(item, check="llm", args={})


def words_and_numbers(text: str) -> frozenset[str]:
    """The words of a text, numbers without separators of thousands."""
    return frozenset(text.replace(",", "").translate(_APART).split())


def item_views(items: Iterable[ListedItem], spec: ItemSpec) -> list[dict[str, Any]]:
    """Items as templates see them. Their texts were neutralised when they were read."""
    tags = {tag.kind: name for name, tag in reversed(spec.tags.items())}
    return [
        {
            "number": number,
            "text": item.text,
            "title": item.title,
            "tag": tags.get(item.kind, item.kind.replace("_", " ")),
            "weight": _short(item.weight),
            "points": _short(item.points),
        }
        for number, item in enumerate(items, 1)
    ]


def _short(number: float | None) -> float | int | None:
    """A whole number as one."""
    return int(number) if number is not None and number.is_integer() else number


def rubric_of(
    items: Sequence[ListedItem],
    generator: Generator,
    model: str,
    *,
    row: SourceRow | None = None,
    weights: Sequence[float] = (),
    scores: Mapping[str, float] | None = None,
    parents: tuple[str, ...] = (),
    data_hash: str = "",
    given: Rubric | None = None,
) -> Rubric:
    """Items -> rubric, with its lineage.

    Args:
        weights: One for each item, in place of its own.
        given: A rubric that the items are added to; they take points where it has points.

    Raises:
        Unwritten: All of its points are negative.
    """
    spec = generator.spec.items
    counts: dict[str, int] = {}
    criteria: list[Criterion | dict[str, Any]] = list(given.criteria) if given else []
    taken = {criterion.id for criterion in given.criteria} if given else set()
    if given:
        said = {plain(criterion.text) for criterion in given.criteria}
        items = [_pointed(item, given) for item in items if plain(item.text) not in said]
    for place, item in enumerate(items):
        name = ""
        while not name or name in taken:
            counts[item.kind] = counts.get(item.kind, 0) + 1
            name = f"{_PREFIX.get(item.kind, item.kind)}-{counts[item.kind]}"
        criteria.append(_criterion(name, replace(item, weight=weights[place]) if weights else item, spec))
    source = f"{generator.spec.name} {generator.hash}, model {model}" + (f", row {row.id}" if row else "")
    lineage = Lineage(
        parents=parents or ((given.hash,) if given else ()),
        generator=generator.method,
        model=model,
        prompt_hash=generator.template_hash,
        data_hash=data_hash or (data_hash_of(row.sample) if row and row.sample else ""),
        scores=dict(scores or {}),
        created_by=f"judge {__version__}",
    )
    try:
        if given:
            return given.changed(criteria=tuple(criteria), lineage=lineage)
        name = "generated" if row else generator.method
        return Rubric(name=name, source=source, criteria=tuple(criteria), lineage=lineage)  # type: ignore[arg-type]  # validated as one
    except RubricError as why:
        raise Unwritten(str(Drop.NO_POSITIVE_POINTS), str(why)) from None


def _pointed(item: ListedItem, given: Rubric) -> ListedItem:
    """An item in the currency of the rubric it is added to: points of the median size, where that one has points."""
    if given.criteria[0].points is None:
        return item
    size = sorted(c.importance for c in given.criteria)[len(given.criteria) // 2]
    return replace(item, weight=None, points=-size if item.kind == "pitfall" else size)


def _criterion(name: str, item: ListedItem, spec: ItemSpec) -> dict[str, Any]:
    fields: dict[str, Any] = {"id": name, "text": item.text, "kind": item.kind}
    if item.title:
        fields["title"] = item.title
    if item.weight is not None:
        fields["weight"] = item.weight
    if item.points is not None:
        fields["points"] = item.points
    if item.check != "llm":
        fields |= {"check": item.check, "args": dict(item.args)}
    elif spec.levels is not None:
        fields["scale"] = {"min": int(spec.levels.min), "max": int(spec.levels.max), "anchors": dict(item.levels)}
    elif spec.scale != "binary":
        fields["scale"] = spec.scale
    return fields


_PREFIX = {"hard_rule": "rule"}
_APART = str.maketrans(dict.fromkeys("()[]{}.;:!?\"'/-–—", " "))
