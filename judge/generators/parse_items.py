"""A generator's reply -> rubric items, or why there are none.

- The model read hostile text, so its reply is as untrusted as that text: an item is one line, bounded, with control
  tokens, forged fences and hidden characters neutralised before it can reach a judge's prompt. Nothing is evaluated.
- Models forget tags, bold them and put them in round brackets; `forms` reads what else they write in place of numbered lines.
  A list that is empty or endless is not cut to size, because nobody knows which part was meant.
- Models copy the example lines of the prompt into their reply. Such a line is no criterion of the row: it is dropped, on record.
- A fault must be worded as a fault, since a judge says MET when it is there: "avoids X" is turned round, and on record.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any

from judge.generators.forms import MAX_TITLE_WORDS, Muddled, item_lines
from judge.generators.model import ItemSpec
from judge.generators.tags import Tagged, default_weight, plain, split_tag
from judge.render.quoting import neutralise
from judge.rubric.model import CriterionKind
from judge.rubric.polarity import as_fault, read_polarity
from judge.thinking import strip_thinking

_MARKUP = re.compile(r"\*\*|__|`")
_EVALUATION = re.compile(r"\bEVALUATION[*_`>]{0,4}[ \t]{0,3}[:>][ \t*_`\[(]{0,6}(YES|NO)\b", re.IGNORECASE)
_TITLE = 60  # characters of the longest title


class Unreadable(StrEnum):
    """Why a reply holds no rubric."""

    NO_ITEMS = "no_items"
    TOO_FEW_ITEMS = "too_few_items"
    TOO_MANY_ITEMS = "too_many_items"
    ITEM_TOO_LONG = "item_too_long"
    THINKING_ONLY = "thinking_only"


@dataclass(frozen=True, slots=True)
class ListedItem:
    """One requirement.

    Attributes:
        tagged: Whether its kind (and its weight, where one is asked for) was stated.
        weight, points: As in `judge.rubric.model.Criterion`; at most one of them.
        check, args: A program in place of a judge.
        levels: Level -> what it looks like.
        reworded: A fault that was worded as good behaviour, turned round.
    """

    text: str
    kind: CriterionKind
    tagged: bool = True
    title: str = ""
    weight: float | None = None
    points: float | None = None
    check: str = "llm"
    args: Mapping[str, Any] = field(default_factory=dict)
    levels: Mapping[int, str] = field(default_factory=dict)
    reworded: bool = False


@dataclass(frozen=True, slots=True)
class Items:
    """What was read: the items; those dropped (empty, a forbidden phrase, no points, copied); those merged as a repetition."""

    items: tuple[ListedItem, ...]
    dropped: tuple[str, ...] = ()
    merged: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NoItems:
    """Why there is no list. `detail` is for a person; `dropped` as in `Items`."""

    reason: Unreadable
    detail: str
    dropped: tuple[str, ...] = ()


def parse_items(text: str, spec: ItemSpec, copied: Callable[[ListedItem], bool] = lambda _: False) -> Items | NoItems:
    """Read a rubric from a reply. Never raises on model output.

    Args:
        copied: Whether an item is one of the prompt's own examples; such items are dropped.

    Example:
        >>> spec = ItemSpec(tags={"Hard Rule": "hard_rule"})
        >>> parse_items("Here it is:\\n1. The response has a title. [Hard Rule]\\n2) The response is clear.", spec).items[0].kind
        'hard_rule'
    """
    words = strip_thinking(text)
    if words is None:
        return NoItems(Unreadable.THINKING_ONLY, "the thinking never ends")
    try:
        lines = item_lines(words, spec)
    except Muddled as why:
        return NoItems(Unreadable.NO_ITEMS, str(why))
    if not lines:
        return NoItems(Unreadable.NO_ITEMS, "no numbered line")
    if len(lines) > 4 * spec.max:
        return NoItems(Unreadable.TOO_MANY_ITEMS, f"more than {4 * spec.max} items: the reply is a loop")
    found = _sift([_item(line, levels, spec) for line, levels in lines], spec, copied)
    wrong = list_problem(found, spec)
    return found if wrong is None else replace(wrong, dropped=found.dropped)


def parse_yes_no(text: str) -> bool | None:
    """Read `EVALUATION: YES` or `NO`; None where it states neither, or both.

    Example:
        >>> parse_yes_no("They say the same.\\nEVALUATION: YES"), parse_yes_no("Evaluation: **no**")
        (True, False)
        >>> parse_yes_no("EVALUATION: YES. EVALUATION: NO"), parse_yes_no("Yes.")
        (None, None)
    """
    words = strip_thinking(text)
    said = {word.upper() for word in _EVALUATION.findall(words or "")}
    return None if len(said) != 1 else said == {"YES"}


def join_items(lists: list[Items], spec: ItemSpec) -> Items:
    """Several lists as one: what is said twice is merged."""
    found = _sift([item for each in lists for item in each.items], spec)
    dropped = tuple(text for each in lists for text in each.dropped)
    return replace(found, dropped=dropped + found.dropped, merged=tuple(t for each in lists for t in each.merged) + found.merged)


def list_problem(found: Items, spec: ItemSpec) -> NoItems | None:
    """Why a list has the wrong size, or None."""
    longest = max((len(item.text) for item in found.items), default=0)
    if longest > spec.max_chars:
        return NoItems(Unreadable.ITEM_TOO_LONG, f"an item has {longest} characters; at most {spec.max_chars}")
    if len(found.items) < spec.min:
        why = "are empty, lack their points, hold a forbidden phrase or copy an example of the prompt"
        also = f" ({len(found.dropped)} more {why})" if found.dropped else ""
        return NoItems(Unreadable.TOO_FEW_ITEMS, f"{len(found.items)} item(s){also}; at least {spec.min}")
    if len(found.items) > spec.max:
        return NoItems(Unreadable.TOO_MANY_ITEMS, f"{len(found.items)} items; at most {spec.max}")
    return None


def _item(line: str, levels: dict[int, str], spec: ItemSpec) -> ListedItem:
    sentence, tag = split_tag(line, spec)
    tag = tag or Tagged()
    text = _clean(sentence)
    title, text = _titled(text) if spec.titles else ("", text)
    kind = tag.kind or ("pitfall" if spec.points and tag.number and tag.number < 0 else spec.untagged)
    stated = tag.check != "llm" or (tag.number is not None if spec.points or spec.weights else tag.kind is not None)
    points = tag.number if spec.points else None
    weight = None if spec.points else (tag.number if tag.number and tag.number > 0 else default_weight(kind, spec))
    negative = points < 0 if points is not None else kind == "pitfall"
    reading = read_polarity(text) if negative and text else None
    turned = reading is not None and reading.polarity == "virtue"
    return ListedItem(
        as_fault(reading) if reading is not None and turned else text,
        kind,
        stated,
        title,
        weight,
        points,
        tag.check,
        tag.args,
        _bounded(levels, spec),
        turned,
    )


def _bounded(levels: dict[int, str], spec: ItemSpec) -> dict[int, str]:
    if spec.levels is None:
        return {}
    low, high = spec.levels.min, spec.levels.max
    read = {level: _clean(text) for level, text in levels.items() if low <= level <= high}
    return {level: text[: spec.max_chars] for level, text in read.items() if text.strip(".…")}


def _clean(text: str) -> str:
    return neutralise(" ".join(_MARKUP.sub("", text).split())).strip(" -–—")


def _titled(text: str) -> tuple[str, str]:
    title, colon, rest = text.partition(":")
    short = colon and len(title) <= _TITLE and len(title.split()) <= MAX_TITLE_WORDS and rest.strip()
    if not short:
        return "", text
    return "" if title.strip().lower() == "title" else title.strip(), rest.strip()  # the word that the form shows in its place


def _sift(items: list[ListedItem], spec: ItemSpec, copied: Callable[[ListedItem], bool] = lambda _: False) -> Items:
    """Drop what is forbidden or copied, merge what is said twice (a hard rule stays one)."""
    kept: dict[str, ListedItem] = {}
    dropped: list[str] = []
    merged: list[str] = []
    forbidden = _forbidden(spec.forbid)
    for item in items:
        key = plain(item.text)
        if not key or (forbidden and forbidden(item.text)) or (spec.points and item.points is None) or copied(item):
            dropped.append(item.text)
        elif key in kept:
            merged.append(item.text)
            if item.tagged and (not kept[key].tagged or item.kind == "hard_rule"):
                kept[key] = item
        else:
            kept[key] = item
    return Items(tuple(kept.values()), tuple(dropped), tuple(merged))


@lru_cache(maxsize=64)
def _forbidden(phrases: tuple[str, ...]) -> Any:
    """Whether one of the phrases occurs as whole words; case counts only for words of one letter (Response A, but not a)."""
    if not phrases:
        return None
    words = ([re.escape(w) if len(w) == 1 else f"(?i:{re.escape(w)})" for w in phrase.split()] for phrase in phrases)
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(' '.join, words))})(?!\w)").search
