"""Rubrics as Rewards (RaR) lists -> weighted rubrics whose pitfalls all describe the fault.

- An item is `title`, `description` and `weight`. The description begins with its category ("Essential Criteria:",
  ...); weights are 1 to 5, and -1 or -2 for pitfalls (arXiv 2507.17746, rubric-synthesis prompts).
- Its two corpora word pitfalls in opposite ways, one stating the fault and the other the good behaviour, and both give
  them negative weights, so that one of them takes points off good answers. Here the wording decides (rules in
  `judge.rubric.polarity`), the weight becomes its magnitude, and MET means that the fault is there.
- "Does not recommend X" cannot be read by itself. Then the title decides ("Avoid ..."), then the other pitfalls of the
  list, and failing those it is a fault, which is what its negative weight says.
- The total is divided by all weights: a fault that is absent earns its weight.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal

from judge.errors import Problem, RubricError
from judge.rubric.importers.record import Imported, build, number_of, text_of
from judge.rubric.model import CriterionKind
from judge.rubric.polarity import Polarity, PolarityReading, as_fault, read_polarity

_PREFIX = re.compile(r"^\W*(essential|important|optional|pitfall)\s+criteri(?:a|on)\W*:\W*\s*", re.I)
_KINDS: dict[str, CriterionKind] = {
    "essential": "essential",
    "important": "important",
    "optional": "optional",
    "pitfall": "pitfall",
}
_TITLE_VIRTUE = re.compile(r"^(?:avoid|no |not |never|without)", re.I)
_TITLE_FAULT = re.compile(r"^(?:miss|lack|omit|fail|ignor|neglect|overlook|absen|incorrect|wrong)", re.I)
_MAX_WEIGHT = 5

PitfallPolarity = Literal["auto", "fault", "virtue"]


def looks_like(record: Any) -> bool:
    """A list of `{title, description, weight}`, or a record that has one under `rubric`."""
    items = record.get("rubric") if isinstance(record, dict) else record
    first = items[0] if isinstance(items, list) and items else None
    if not isinstance(items, list) or not isinstance(first, dict) or not first.keys() >= {"description", "weight"}:
        return False
    return "title" in first or any(isinstance(i, dict) and _PREFIX.match(str(i.get("description"))) for i in items)


def from_rar(record: Any, *, where: str = "record", name: str = "", pitfall_polarity: PitfallPolarity = "auto") -> Imported:
    """Import one RaR record or its list of items. Ids are c1, c2, ...

    Args:
        record: The list, or a record that has it under `rubric`.
        where: What errors call it.
        name: Name of the rubric.
        pitfall_polarity: What the texts of pitfalls describe: `fault`, `virtue`, or `auto` to decide each by its
            wording. Every decision is in the notes.

    Raises:
        RubricError: An item without title, description or weight, or a weight that is 0 or beyond 5.

    Example:
        >>> items = [{"title": "Dose", "description": "Essential Criteria: Names the dose.", "weight": 5},
        ...          {"title": "Rest", "description": "Pitfall Criteria: Avoids prescribing rest.", "weight": -2}]
        >>> imported = from_rar(items)
        >>> imported.rubric.criteria[1].text, imported.rubric.criteria[1].weight
        ('Has this fault: prescribing rest.', 2.0)
    """
    if not looks_like(record):
        raise RubricError(Problem(where, "a RaR record has a list of {title, description, weight} under `rubric`"))
    items = record["rubric"] if isinstance(record, dict) else record
    read = [_read(item, f"c{i}", f"{where}: item {i}") for i, item in enumerate(items, 1)]
    others = _majority([read_polarity(one.text).polarity for one in read if one.kind == "pitfall"])
    notes: list[str] = []
    for one in read:
        notes += one.notes
        if one.kind == "pitfall":
            notes.append(_settle(one, pitfall_polarity, others))
    criteria = [
        {"id": one.id, "text": one.text, "title": one.title, "kind": one.kind, "weight": one.weight, "tags": one.tags}
        for one in read
    ]
    data = {
        "name": name or "rar",
        "source": "Rubrics as Rewards (arXiv 2507.17746)",
        "criteria": criteria,
        "denominator": "all_weights",
    }
    metadata = {key: value for key, value in record.items() if key != "rubric"} if isinstance(record, dict) else {}
    return Imported(build(data, where), metadata, tuple(notes))


@dataclass(slots=True)
class _Item:
    """One item while it is being read."""

    id: str
    title: str
    text: str
    kind: CriterionKind
    weight: float
    tags: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def _read(item: Any, name: str, where: str) -> _Item:
    """Take the category off the text, and the sign off the weight."""
    description, title = text_of(item, "description", where), item.get("title") or ""
    weight = number_of(item, "weight", where)
    if not 0 < abs(weight) <= _MAX_WEIGHT:
        raise RubricError(Problem(where, f"`weight` is {weight}; it runs from 1 to 5, or -1 to -5 for a pitfall"))
    if not isinstance(title, str):
        raise RubricError(Problem(where, "`title` should be text"))
    match = _PREFIX.match(description)
    text = description[match.end() :] if match else description
    if not text:
        raise RubricError(Problem(where, "the description says nothing after its category"))
    one = _Item(name, title, text, _KINDS[match[1].lower()] if match else _kind_of(weight), abs(weight))
    if match is None:
        one.notes.append(f"{name}: no category; taken as {one.kind} by its weight {weight}")
    if weight < 0 and one.kind != "pitfall":
        one.notes.append(f"{name}: {one.kind} with weight {weight}; taken as a pitfall, since meeting it lowers the score")
        one.kind = "pitfall"
    return one


def _kind_of(weight: float) -> CriterionKind:
    """Category of an item without one, by the anchors of the published medical prompt: 5, 3 to 4, 1 to 2."""
    if weight < 0:
        return "pitfall"
    return "essential" if weight >= 5 else "important" if weight >= 3 else "optional"


def _majority(polarities: list[Polarity]) -> Polarity:
    """How most pitfalls of a list are worded; `unclear` on a draw."""
    balance = polarities.count("fault") - polarities.count("virtue")
    return "fault" if balance > 0 else "virtue" if balance < 0 else "unclear"


def _settle(one: _Item, wanted: PitfallPolarity, others: Polarity) -> str:
    """Make a pitfall describe the fault; returns the note that says what was decided and why."""
    reading = read_polarity(one.text)
    polarity, how = (reading.polarity, f"rule `{reading.rule}`") if wanted == "auto" else (wanted, "as told")
    if polarity == "unclear":
        polarity, how = _by_company(one.title, others)
    if polarity == "fault":
        one.tags.append("polarity:fault")
        return f"{one.id}: describes the fault ({how}); kept"
    if reading.polarity == "fault":  # told that it is good behaviour, though its words cannot be turned round
        reading = PolarityReading("virtue", "told", f"the opposite of “{one.text}”")
    before, one.text = one.text, as_fault(reading)
    one.tags.append("polarity:flipped")
    return f"{one.id}: describes good behaviour ({how}); {before!r} became {one.text!r}"


def _by_company(title: str, others: Polarity) -> tuple[Polarity, str]:
    """Settle an unclear wording by its title, the rest of its list, or the sign of its weight."""
    if _TITLE_VIRTUE.match(title):
        return "virtue", "unclear by itself; its title says so"
    if _TITLE_FAULT.match(title):
        return "fault", "unclear by itself; its title says so"
    if others != "unclear":
        return others, "unclear by itself; worded as the other pitfalls of the list"
    return "fault", "unclear; check it, or pass `pitfall_polarity`"
