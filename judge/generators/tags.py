"""The brackets behind an item, or in front of it: its kind, its number, or the program that checks it.

`[Hard Rule]`, `[Essential, 5]`, `[+7]`, `[Pitfall: -3]`, `[max_words: 100]`. Models bold them, put them in round brackets, or
end them with a full stop, write two (`[Pitfall] (weight: 4)`), a label (`**Pitfall:** ...`, `... - Pitfall (4)`) or the kinds of
another method; what is none of these belongs to the sentence. A kind that is not seen makes a fault a merit that is paid.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any

from judge.generators.model import ItemSpec, NumberSpec
from judge.rubric.model import CriterionKind

_LONGEST = 160  # characters of a bracket
_MARKS = " \t*_`.;"
_NUMBER = re.compile(r"[+−-]?\d{1,4}(?:\.\d{1,3})?(?=[ \t]{0,3}(?:points?|pts)?[ \t]{0,3}$)")
_ANY_NUMBER = re.compile(r"(?<![\w.])[+−-]?\d{1,4}(?:\.\d{1,3})?(?![\w.]\w)")
_AFTER = re.compile(
    r"(?<=[A-Za-z][\])])[*_`]{0,3}[ \t:,–—-]{1,4}(?:(?:weight|points?)[ \t:=]{1,3})?([+−-]?\d{1,4})(?:[ \t](?:points?|pts))?$"
)
_MIDDLE = re.compile(r"[ \t]{0,3}[\[(]([^\[\]()]{3,40})[\])][*_ \t]{0,4}[:–—-](?=[*_ \t])")
_APART = ("** ", " - ", " -- ", " – ", " — ", " | ", "{", "【")  # between a sentence and the kind behind it
_FAULTS = frozenset(("pitfall", "pitfalls", "pit fall", "fault", "penalty", "negative"))
_OTHER_KINDS = _FAULTS | frozenset(("essential", "important", "optional", "hard rule", "principle", "vital", "okay", "bonus"))
_NO_KIND = frozenset(("[none]", "[null]", "[n/a]"))
_ONE_WORD = re.compile(r"\[[A-Z][A-Za-z]{2,20}\]")
_NOISE = frozenset(("weight", "category", "kind", "type", "importance", "criteria", "criterion"))
_LABEL = 40  # characters
_GRAMMARS = 64  # whose brackets are at hand
_READERS: dict[int, tuple[ItemSpec, Callable[..., Tagged | None]]] = {}
_WORDS = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Tagged:
    """A bracket, read.

    Attributes:
        number: Weight or signed points as written, within bounds; None where there is none.
        check, args: The program, where one is named.
    """

    kind: CriterionKind | None = None
    number: float | None = None
    check: str = "llm"
    args: Mapping[str, Any] = field(default_factory=dict)


def split_tag(line: str, spec: ItemSpec) -> tuple[str, Tagged | None]:
    """An item's sentence, and the bracket behind it or in front of it (of two, each adds what the other lacks), or None.

    Example:
        >>> spec = ItemSpec(tags={"Essential": "essential"}, weights={"min": 1, "max": 5})
        >>> split_tag("The response is right (in full). **[Essential, 5]**", spec)
        ('The response is right (in full).', Tagged(kind='essential', number=5.0, check='llm', args={}))
        >>> split_tag("**[Essential, 5]:** The response is right.", spec)[0]
        'The response is right.'
        >>> split_tag("The response is right (in full).", spec)[1] is None
        True
    """
    sentence, tag = _all_behind(line, spec)
    rest, front = _in_front(sentence, spec)
    if front is None and (tag is None or (tag.kind is None and tag.check == "llm")):
        rest, front = _labelled(sentence, spec)
    if front is None or (tag is not None and (tag.check != "llm" or front.check != "llm")):
        return sentence, tag
    return rest, front if tag is None else _both(tag, front)


def _both(tag: Tagged, other: Tagged) -> Tagged:
    """Two brackets of one item: each adds what the other lacks, and what one calls a fault is one."""
    kind = "pitfall" if "pitfall" in (tag.kind, other.kind) else tag.kind or other.kind
    return Tagged(kind, other.number if tag.number is None else tag.number)


def _all_behind(line: str, spec: ItemSpec) -> tuple[str, Tagged | None]:
    """The bracket at the end, and one before it that says what it lacks."""
    end = line.rstrip(_MARKS)
    after = _AFTER.search(end, max(0, len(end) - _LABEL)) if end[-1:].isdigit() or end.endswith(("pts", "points")) else None
    if after:
        line = f"{line[: after.start()]} [{after.group(1)}]"
    sentence, tag = _behind(line, spec)
    if tag is None:
        return _behind_a_dash(line, spec)
    if tag.check != "llm":
        return sentence, tag
    if sentence.endswith(("]", ")")):
        bare, more = _behind(sentence, spec)
    else:
        bare, more = (sentence, None) if tag.kind or sentence.endswith(".") else _behind_a_dash(sentence, spec)
    if more is None or more.check != "llm" or (more.kind is None and (tag.number is not None or not _is_amount(sentence))):
        return sentence, tag
    return bare, _both(tag, more)


def _is_amount(sentence: str) -> bool:
    """Whether the bracket at the end can be nothing but a weight; "(1984)" belongs to the sentence."""
    inside = sentence[sentence.rfind("(") + 1 :].lower()
    said = inside.startswith(("+", "-", "−")) or any(word in inside for word in ("weight", "point", "pts"))
    return said or sentence.endswith("]")


def _behind_a_dash(line: str, spec: ItemSpec) -> tuple[str, Tagged | None]:
    """A kind behind a dash, in braces or behind a bold sentence: "... - Pitfall (4)"."""
    start, mark = max((line.rfind(mark, len(line) - _LABEL), mark) for mark in _APART)
    inside = line[start + len(mark) :].strip(_MARKS + "}】-–—") if start > 0 else ""
    found = _read(inside, spec, foreign=True) if inside[:1].isupper() else None
    return (line, None) if found is None or found.check != "llm" else (line[:start].rstrip(_MARKS[:-2] + "-–—"), found)


def _labelled(line: str, spec: ItemSpec) -> tuple[str, Tagged | None]:
    """A kind in front of a colon or a dash ("**Pitfall (4):** ..."), or in brackets behind a title ("Sources (Pitfall): ...")."""
    end = line.find(":", 0, _LABEL)
    if end < 0:
        end = max(line.find(" - ", 0, _LABEL), line.find(" – ", 0, _LABEL), line.find(" — ", 0, _LABEL))
    label = line[:end].strip(_MARKS) if end > 0 else ""
    found = _read(label, spec, foreign=True) if label[:1].isupper() else None
    if found is not None and found.check == "llm":
        return line[end + 1 :].lstrip(_MARKS + "-–—:"), found
    if "]" not in line and ")" not in line:
        return line, None
    middle = _MIDDLE.search(line, 1, 3 * _LABEL)
    found = _read(middle.group(1).strip(), spec, foreign=True) if middle else None
    if middle is None or found is None or found.kind is None:
        return line, None
    return f"{line[: middle.start()].rstrip(_MARKS)}: {line[middle.end() :].strip(_MARKS[:4])}", found


def _in_front(line: str, spec: ItemSpec) -> tuple[str, Tagged | None]:
    bare = line.lstrip(_MARKS)
    if not bare.startswith(("[", "(")):
        return line, None
    end = bare.find("]" if bare[0] == "[" else ")", 0, _LONGEST)
    found = _read(bare[1:end].strip(), spec, foreign=bare[0] == "[") if end > 0 else None
    if found is not None and bare[0] == "(" and found.kind is None:
        return line, None  # "(3) ..." may be another way to number
    return (line, None) if found is None else (bare[end + 1 :].lstrip(_MARKS + ":–—-"), found)


def _behind(line: str, spec: ItemSpec) -> tuple[str, Tagged | None]:
    bare = line.rstrip(_MARKS)
    if not bare.endswith(("]", ")")):
        return line, None
    start = bare.rfind("[" if bare[-1] == "]" else "(", max(0, len(bare) - _LONGEST))
    found = _read(bare[start + 1 : -1].strip(), spec, foreign=bare[-1] == "]") if start >= 0 else None
    if found is None and start >= 0 and spec.tags and _unknown(bare[:start].rstrip(" \t*_`"), bare[start:]):
        found = Tagged()
    return (line, None) if found is None else (bare[:start].rstrip(" \t*_`"), found)


def _unknown(sentence: str, bracket: str) -> bool:
    """Whether a bracket behind a sentence is a tag that nobody knows ("... a source. [Critical]"): no part of the sentence."""
    return bracket.lower() in _NO_KIND or (sentence.endswith((".", "!", "?")) and _ONE_WORD.fullmatch(bracket) is not None)


def ends_with_tag(line: str) -> bool:
    """Whether a line ends in a bracket of any kind: then the item does not go on in the next line."""
    bare = line.rstrip(_MARKS)
    return bare.endswith("]") or (bare.endswith(")") and len(bare) - bare.rfind("(") < 34)  # as long as a tag


def _read(inside: str, spec: ItemSpec, *, foreign: bool) -> Tagged | None:
    """What stands in a bracket, read once for each grammar (kept by identity): the items of a run share a few dozen brackets."""
    kept = _READERS.get(id(spec))
    if kept is None or kept[0] is not spec:
        if len(_READERS) >= _GRAMMARS:
            _READERS.clear()
        kept = _READERS[id(spec)] = (spec, lru_cache(maxsize=512)(partial(_meant, spec)))
    return kept[1](inside, foreign=foreign)


def _meant(spec: ItemSpec, inside: str, *, foreign: bool) -> Tagged | None:
    name, _, rest = inside.partition(":")
    check = name.strip().lower().removeprefix("check ").replace(" ", "_")
    if check in spec.checks:
        args = _args(check, rest.strip())
        return None if args is None else Tagged(check=check, args=args)
    found = _NUMBER.search(inside) if spec.weights or spec.points else None
    words = inside[: found.start()] if found else inside
    words = words.rstrip(" \t:,=").removesuffix("weight").rstrip(" \t:,")
    kind = _kinds(spec).get(plain(words)) if words else None
    if words and kind is None:
        return _loose(inside, spec) or (_foreign(inside, spec) if foreign else None)
    number = _within(float(found.group().replace("−", "-")), spec.points or spec.weights) if found else None
    year = found is not None and number is None and not foreign and inside.isdigit() and len(inside) == 4
    return None if kind is None and (found is None or year) else Tagged(kind, number)


def _loose(inside: str, spec: ItemSpec) -> Tagged | None:
    """A kind of the method, its number before it or in brackets, or a name before both: "4, Pitfall", "Category: Pitfall"."""
    name, value = _name_and_number(inside, spec)
    kind = _kinds(spec).get(name)
    return None if kind is None and (name or value is None) else Tagged(kind, value)


def _foreign(inside: str, spec: ItemSpec) -> Tagged | None:
    """A kind that other methods have, and a number with it: left in the sentence, a fault would be paid as good behaviour."""
    name, value = _name_and_number(inside, spec)
    if name not in _OTHER_KINDS:
        return None
    if name not in _FAULTS:
        return Tagged(number=value)
    return Tagged("pitfall", _within(-abs(value), spec.points) if value and spec.points else value)


def _name_and_number(inside: str, spec: ItemSpec) -> tuple[str, float | None]:
    """The words of a bracket without those that say nothing, and its number; of two numbers none is the weight."""
    numbers = _ANY_NUMBER.findall(inside)
    number = numbers[0] if len(numbers) == 1 else None
    noise = _NOISE | {"points", "pts"} if number else _NOISE
    name = " ".join(word for word in plain(_ANY_NUMBER.sub(" ", inside)).split() if word not in noise)
    return name, _within(float(number.replace("−", "-")), spec.points or spec.weights) if number else None


def _within(number: float, bounds: NumberSpec | None) -> float | None:
    return number if bounds is not None and bounds.min <= number <= bounds.max and number != 0 else None


def _args(check: str, text: str) -> dict[str, Any] | None:
    """Arguments of a check out of what stands behind its name; None where they are not what it takes."""
    if check == "valid_json":
        return {} if not text else None
    if check in ("max_words", "min_words"):
        return {"n": int(text)} if text.isascii() and text.isdigit() and len(text) < 7 else None  # a million
    bare = text.strip("\"'“”")
    return {"text": bare} if bare else None


@lru_cache(maxsize=64)
def _kinds_of(items: tuple[tuple[str, CriterionKind], ...]) -> dict[str, CriterionKind]:
    return {plain(name): kind for name, kind in items}


def _kinds(spec: ItemSpec) -> dict[str, CriterionKind]:
    return _kinds_of(tuple((name, tag.kind) for name, tag in spec.tags.items()))


@lru_cache(maxsize=4096)
def plain(text: str) -> str:
    """The words of a text in one spelling: equal items have equal ones."""
    return " ".join(_WORDS.findall(text.casefold()))


def default_weight(kind: CriterionKind, spec: ItemSpec) -> float | None:
    """The weight of an item of this kind that states none."""
    return next((tag.weight for tag in spec.tags.values() if tag.kind == kind), None)
