"""The brackets behind an item, or in front of it: its kind, its number, or the program that checks it.

`[Hard Rule]`, `[Essential, 5]`, `[+7]`, `[Pitfall: -3]`, `[max_words: 100]`. Models bold them, put them in round brackets, or
end them with a full stop, or write the kinds of another method (`[Pitfall]`); brackets that are none of these belong to the
sentence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from judge.generators.model import ItemSpec, NumberSpec
from judge.rubric.model import CriterionKind

_LONGEST = 160  # characters of a bracket
_MARKS = " \t*_`.;"
_NUMBER = re.compile(r"[+−-]?\d{1,4}(?:\.\d{1,3})?(?=[ \t]{0,3}(?:points?|pts)?[ \t]{0,3}$)")
_FAULTS = frozenset(("pitfall", "pitfalls", "fault", "penalty", "negative"))
_OTHER_KINDS = _FAULTS | frozenset(("essential", "important", "optional", "hard rule", "principle", "vital", "okay", "bonus"))
_NO_KIND = frozenset(("[none]", "[null]", "[n/a]"))
_ONE_WORD = re.compile(r"\[[A-Z][A-Za-z]{2,20}\]")
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
    sentence, tag = _behind(line, spec)
    rest, front = _in_front(sentence, spec)
    if front is None or (tag is not None and (tag.check != "llm" or front.check != "llm")):
        return sentence, tag
    if tag is None:
        return rest, front
    return rest, Tagged(tag.kind or front.kind, front.number if tag.number is None else tag.number)


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
        return _foreign(inside, spec) if foreign else None
    number = _within(float(found.group().replace("−", "-")), spec.points or spec.weights) if found else None
    return None if kind is None and found is None else Tagged(kind, number)


def _foreign(inside: str, spec: ItemSpec) -> Tagged | None:
    """A kind that other methods have, and a number with it: left in the sentence, a fault would be paid as good behaviour."""
    number = _NUMBER.search(inside)
    kind = plain(inside[: number.start()] if number else inside)
    if kind not in _OTHER_KINDS:
        return None
    value = _within(float(number.group().replace("−", "-")), spec.points or spec.weights) if number else None
    if kind not in _FAULTS:
        return Tagged(number=value)
    return Tagged("pitfall", _within(-abs(value), spec.points) if value and spec.points else value)


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
