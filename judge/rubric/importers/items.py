"""Lists of items under the names that public rubrics use -> one rubric, with weights, signs, kinds and tags kept.

RubricHub, verl's `reward_model.rubrics`, PRBench, ResearchRubrics, ProfBench, DR Tulu, AdvancedIF, autorubric, verifiers and
rewardkit criteria, promptfoo asserts, checklists and plain lists differ in what they call the text, the weight and the
kind. Those names are tables here; what no table knows is left out of the rubric and never guessed.

- An item that takes points off describes a fault: kind `pitfall`. With such items the total is divided by the positive
  points, as their sources do (HealthBench's arithmetic); without, by all weights.
- An item that is called a pitfall and has no sign describes the fault, or is turned round where it describes its absence.
- Weight 0 changes nothing: the item is dropped, and a note says so.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

from judge.errors import Problem, RubricError, did_you_mean
from judge.rubric.importers.record import Imported, build, identifier
from judge.rubric.importers.rules import check_of, describe, parameters
from judge.rubric.importers.scales import scale_of
from judge.rubric.model import CriterionKind
from judge.rubric.polarity import as_fault, read_polarity

TEXT = (
    "criterion", "requirement", "requirements", "criterion_description", "criteria_description", "rubric_item", "checklist_item",
    "expected_outcome", "ingredient", "statement", "question", "text", "content", "item", "rubric", "check",
)  # fmt: skip
_MORE = ("description", "explanation")
NAMES = ("title", "name", "short_name", "handle")
WEIGHT = ("points", "weight", "criterion_weight", "importance", "score_weight", "max_score", "max_points")
KIND = ("kind", "weight_class", "criterion_weight", "importance", "priority", "type", "category", "level", "severity", "label")
_TAGS = ("axis", "category", "criteria_category", "criterion_type", "dimension", "type", "topic", "aspect", "label", "section")
_MISSPELT = ("weight", "points")  # a weight that nobody reads would be 1
_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")

_KINDS: dict[str, CriterionKind] = {
    **dict.fromkeys(("hard rule", "hard", "constraint", "rule"), "hard_rule"),
    **dict.fromkeys(("principle", "soft"), "principle"),
    **dict.fromkeys(("essential", "critical", "critically important", "required", "must", "must have", "mandatory"), "essential"),
    **dict.fromkeys(("important", "major", "should have", "high"), "important"),
    **dict.fromkeys(("optional", "minor", "additional", "slightly important", "nice to have", "bonus", "low"), "optional"),
    **dict.fromkeys(
        ("pitfall", "negative", "penalty", "fault", "detrimental", "critically detrimental", "slightly detrimental"), "pitfall"
    ),
}
_WEIGHTS = {
    **{"critical": 4.0, "major": 3.0, "minor": 2.0, "additional": 1.0},  # ProfBench (arXiv 2510.18941)
    **{"essential": 1.0, "important": 0.7, "optional": 0.3, "pitfall": 0.9},  # RaR's predefined weights (arXiv 2507.17746)
    **{"high": 3.0, "medium": 2.0, "low": 1.0},
}
_PROMPTFOO = frozenset({"llm-rubric", "g-eval", "model-graded-closedqa", "factuality", "model-graded-factuality"})
_ASSERTS = {"contains": ("contains", False), "icontains": ("contains", True), "not-contains": ("excludes", False),
            "not-icontains": ("excludes", True)}  # fmt: skip


def looks_like(record: Any) -> bool:
    """A list of texts, or of mappings that each name a text as public rubrics do."""
    return isinstance(record, list) and bool(record) and all(_is_item(item) for item in record)


def _is_item(item: Any) -> bool:
    if isinstance(item, str):
        return bool(item.strip())
    if not isinstance(item, Mapping) or item.keys() & {"score1_description", "orig_score1_description", "sub_tasks", "role"}:
        return False
    return any(isinstance(item.get(key), str) and item[key].strip() for key in (*TEXT, *_MORE, *NAMES)) or _is_assert(item)


def _is_assert(item: Mapping[str, Any]) -> bool:
    return isinstance(item.get("type"), str) and ("value" in item or item["type"] == "is-json")


def from_items(record: Any, *, where: str = "record", name: str = "") -> Imported:
    """Import one list of items.

    Raises:
        RubricError: An item without text, a weight that is no number, levels that fit no scale, or a program as an assert.

    Example:
        >>> found = from_items([{"requirement": "States X.", "weight": 10.0}, {"requirement": "Claims Y.", "weight": -15.0}])
        >>> [(c.points, c.kind) for c in found.rubric.criteria], found.rubric.effective_denominator
        ([(10.0, 'important'), (-15.0, 'pitfall')], 'positive_points')
    """
    if not looks_like(record):
        raise RubricError(
            Problem(where, "a list of criteria has texts, or mappings with `criterion`, `requirement`, `description`...")
        )
    names = _ids(record)
    notes: list[str] = []
    read = []
    for index, item in enumerate(record):
        at = f"{where}: item {index + 1}"
        one = {"text": item.strip()} if isinstance(item, str) else _read(item, at, names[index], notes)
        if one.get("weight") == 0:
            notes.append(f"{names[index]} dropped: its weight is 0")
            continue
        read.append({"id": names[index], **one})
    if not read:
        raise RubricError(Problem(where, "every item has weight 0"))
    _importance(read, notes, points=any(isinstance(item, Mapping) and _amount_key(item) == "points" for item in record))
    return Imported(build({"name": name or "rubric", "criteria": read}, where), {}, tuple(notes))


def _ids(items: list[Any]) -> list[str]:
    """The items' own names where all have one and no two the same, else c1, c2, ..."""
    for key in ("id", "name"):
        own = [item.get(key) if isinstance(item, Mapping) else None for item in items]
        if all(isinstance(n, str) and _IDENTIFIER.fullmatch(n) for n in own) and len(set(own)) == len(own):
            return [str(n) for n in own]
    return [f"c{index}" for index in range(1, len(items) + 1)]


def _read(item: Mapping[str, Any], where: str, name: str, notes: list[str]) -> dict[str, Any]:
    """One item as fields of a criterion; `weight` may still be negative."""
    if _is_assert(item) and (item["type"] in _PROMPTFOO or not _text_of(item)[0]):
        return _assert(item, where)
    text, title = _text_of(item)
    one: dict[str, Any] = {"text": text}
    if title and title != text:
        one["title"] = title
    weight = _weight(item, where)
    scale = item["scale"] if "scale" in item and isinstance(item["scale"], dict | str) else scale_of(item, where)
    if scale is not None:
        one["scale"] = scale
        if str(item.get("type", "")).casefold() in ("likert", "ordinal", "numeric") and _amount_key(item) == "points":
            weight = _number(item.get("weight"))
    if weight is not None:
        one["weight"] = weight
    if (kind := _kind(item)) is not None:
        one["kind"] = kind
    if item.get("veto") is True:
        one["veto"] = True
    tags = _tags(item)
    rule = _rule(item)
    if rule is not None:
        function, args = rule
        check = check_of(function, args)
        tags.append(f"rule:{function}")
        if check is None:
            notes.append(f"{name}: no check does the rule `{function}`; the judge is asked")
        else:
            one |= check
        if ":" in text and " " not in text.strip():  # some sets repeat the rule's name as the text
            one["text"] = describe(function, args)
    if tags:
        one["tags"] = list(dict.fromkeys(tags))
    return one


def _text_of(item: Mapping[str, Any]) -> tuple[str, str]:
    """(text, title) of one item."""

    def first(keys: tuple[str, ...]) -> str:
        return next((str(item[k]).strip() for k in keys if isinstance(item.get(k), str) and item[k].strip()), "")

    main, more, title = first(TEXT), first(_MORE), first(NAMES)
    return text_with_more(main, more) or title, title


def text_with_more(main: str, more: str) -> str:
    """The text of a criterion that is stated in two fields, or in one of them: "Brevity." and "Two sentences."."""
    return f"{main.rstrip('.:')}: {more}" if main and more and more != main else main or more


def _assert(item: Mapping[str, Any], where: str) -> dict[str, Any]:
    """One assert of promptfoo. Code stays where it is: a rubric of a data set may not bring any."""
    kind, value = item["type"], item.get("value")
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    weight = _number(item.get("weight"))
    extra = {"weight": weight} if weight is not None else {}
    if isinstance(value, str) and kind in _ASSERTS:
        check, ignore_case = _ASSERTS[kind]
        words = "contains" if check == "contains" else "does not contain"
        args = {"text": value, "ignore_case": ignore_case}
        return {"text": f"The response {words} “{value}”.", "kind": "hard_rule", "check": check, "args": args, **extra}
    if kind == "is-json":
        return {"text": "The response is valid JSON.", "kind": "hard_rule", "check": "valid_json", **extra}
    if kind in _PROMPTFOO and isinstance(value, str):
        return {"text": value.strip(), **extra}
    raise RubricError(Problem(where, f"no check does the assert `{kind}`; leave it out, or write it as `llm-rubric` in words"))


def _rule(item: Mapping[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """(function, arguments) of an item that a program decides."""
    holder = item["tags"] if isinstance(item.get("tags"), Mapping) else item
    if str(holder.get("verifier", "")).casefold() not in ("rule", "code", "program", "function"):
        return None
    return str(holder.get("function") or "unnamed"), parameters(holder.get("parameters"))


def _tags(item: Mapping[str, Any]) -> list[str]:
    """The item's tags: a list as it is, a mapping and the fields that say what an item is about as `name:value`."""
    given = item.get("tags") or []
    out = []
    if isinstance(given, Mapping):
        out += [f"{k}:{v}" for k, v in given.items() if k not in ("function", "parameters") and isinstance(v, str) and v.strip()]
    elif isinstance(given, list):
        out += [tag for tag in given if isinstance(tag, str) and tag.strip()]
    about = {**(item["annotations"] if isinstance(item.get("annotations"), Mapping) else {}), **item}
    for key in _TAGS:
        for value in about[key] if isinstance(about.get(key), list) else [about.get(key)]:
            if isinstance(value, str) and value.strip() and _kind_named(value) is None:
                out.append(f"{key}:{value.strip()}")
    return out


def _kind(item: Mapping[str, Any]) -> CriterionKind | None:
    about = {**item, **(item["annotations"] if isinstance(item.get("annotations"), Mapping) else {})}
    words = (about[key] for key in KIND if isinstance(about.get(key), str))
    return next((kind for word in words if (kind := _kind_named(word)) is not None), None)


def is_kind(word: str) -> bool:
    """Whether a heading names a kind of criterion, such as `must have` or `pitfalls`."""
    return _kind_named(word) is not None


def _kind_named(word: str) -> CriterionKind | None:
    folded = " ".join(word.replace("_", " ").replace("-", " ").casefold().split())
    return _KINDS.get(folded) or _KINDS.get(folded.removesuffix("s"))


def _amount_key(item: Mapping[str, Any]) -> str | None:
    return next((key for key in WEIGHT if item.get(key) is not None), None)


def _weight(item: Mapping[str, Any], where: str) -> float | None:
    """Signed importance as the item has it: a number, a word, or one number among PRBench's six fields."""
    notes = item.get("annotations")
    if isinstance(notes, Mapping) and isinstance(notes.get("weight_class"), str):
        weight = _number(notes.get(f"{notes['weight_class'].strip().replace(' ', '_')}_weight"))
        if weight is not None:
            return -abs(weight) if "detrimental" in notes["weight_class"] else weight
    key = _amount_key(item)
    if key is None:
        near = next(
            (k for k in item if k not in (*_TAGS, *TEXT, *WEIGHT) and difflib.get_close_matches(k, _MISSPELT, 1, 0.8)), None
        )
        if near is not None:
            raise RubricError(Problem(where, f"no field `{near}`{did_you_mean(near, _MISSPELT)}"))
        return None
    value = item[key]
    weight = _WEIGHTS.get(value.strip().casefold()) if isinstance(value, str) else None
    weight = _number(value) if weight is None else weight
    if weight is None:
        raise RubricError(Problem(where, f"`{key}` should be a number, not {value!r:.60}"))
    return weight


def _number(value: Any) -> float | None:
    """A finite number, also as text (`"3"`, `"100/100"`)."""
    if isinstance(value, str):
        value = value.partition("/")[0].strip()
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < float("inf"):
        return None
    return float(value)


def _importance(read: list[dict[str, Any]], notes: list[str], *, points: bool) -> None:
    """Weights, or points where the source has points or takes some off; the kind follows the sign."""
    signed = any(one.get("weight", 1.0) < 0 for one in read)
    for one in read:
        if one.get("kind") == "pitfall" and one.get("weight", 1.0) > 0:
            _faulty(one, notes)
        if one.get("weight", 1.0) < 0:
            one["kind"] = "pitfall"
        elif one.get("kind") == "pitfall" and (signed or points):
            notes.append(f"{one['id']}: a pitfall with a positive weight; its points are taken off like those of the others")
            one["weight"] = -one.get("weight", 1.0)
            signed = True
    if (signed or points) and any(one.get("weight", 1.0) > 0 for one in read):
        for one in read:
            one["points"] = one.pop("weight", 1.0)
    else:
        for one in read:
            if "weight" in one:
                one["weight"] = abs(one["weight"])


def _faulty(one: dict[str, Any], notes: list[str]) -> None:
    """Make an item that is called a pitfall, and has no sign of its own, describe the fault where it describes its absence."""
    reading = read_polarity(one["text"])
    if reading.polarity == "virtue":
        before, one["text"] = one["text"], as_fault(reading)
        one["tags"] = [*one.get("tags", ()), "polarity:flipped"]
        notes.append(f"{one['id']}: describes good behaviour (rule `{reading.rule}`); {before!r} became {one['text']!r}")


def identified(record: Mapping[str, Any], fallback: str) -> str:
    """A name for the rubric of a record, from the record's own id."""
    own = next((record[k] for k in ("prompt_id", "task_id", "id", "name") if isinstance(record.get(k), str | int)), "")
    return identifier(str(own), fallback)
