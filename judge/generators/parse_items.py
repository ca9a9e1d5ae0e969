"""A generator's reply -> rubric items, or why there are none.

- The model read hostile text, so its reply is as untrusted as that text: an item is one line, bounded, with control
  tokens, forged fences and hidden characters neutralised before it can reach a judge's prompt. Nothing is evaluated.
- Models forget tags, bold them, put them in round brackets, or wrap a long item over two lines. All of that is read; a
  list that is empty or endless is not cut to size, because nobody knows which part was meant.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from judge.generators.model import ItemSpec
from judge.render.quoting import neutralise
from judge.rubric.model import CriterionKind
from judge.thinking import strip_thinking

_NUMBERED = re.compile(r"[ \t>*_#-]{0,8}\(?(\d{1,4})[.):]\)?[*_]{0,3}[ \t]{1,4}(?=\S)")
_BULLET = re.compile(r"[ \t]{0,8}[-*•][ \t]{1,4}(?=\S)")
_TAG = re.compile(r"[ \t]*[*_`]{0,3}[\[(]([A-Za-z][A-Za-z _-]{0,30})[\])][*_`]{0,3}[.;]?[*_`]{0,3}[ \t]*$")
_MARKUP = re.compile(r"\*\*|__|`")


class Unreadable(StrEnum):
    """Why a reply holds no rubric."""

    NO_ITEMS = "no_items"
    TOO_FEW_ITEMS = "too_few_items"
    TOO_MANY_ITEMS = "too_many_items"
    ITEM_TOO_LONG = "item_too_long"
    THINKING_ONLY = "thinking_only"


@dataclass(frozen=True, slots=True)
class ListedItem:
    """One requirement. `tagged` tells whether its kind was stated."""

    text: str
    kind: CriterionKind
    tagged: bool = True


@dataclass(frozen=True, slots=True)
class Items:
    """What was read: the items, and those dropped for a forbidden phrase (`dropped`) or as a repetition (`merged`)."""

    items: tuple[ListedItem, ...]
    dropped: tuple[str, ...] = ()
    merged: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NoItems:
    """Why there is no list. `detail` is for a person."""

    reason: Unreadable
    detail: str


def parse_items(text: str, spec: ItemSpec) -> Items | NoItems:
    """Read a rubric from a reply. Never raises on model output.

    Example:
        >>> spec = ItemSpec(tags={"Hard Rule": "hard_rule"})
        >>> parse_items("Here it is:\\n1. The response has a title. [Hard Rule]\\n2) The response is clear.", spec).items[0].kind
        'hard_rule'
    """
    words = strip_thinking(text)
    if words is None:
        return NoItems(Unreadable.THINKING_ONLY, "the thinking never ends")
    lines = _items(words)
    if not lines:
        return NoItems(Unreadable.NO_ITEMS, "no numbered line")
    if len(lines) > 4 * spec.max:
        return NoItems(Unreadable.TOO_MANY_ITEMS, f"more than {4 * spec.max} numbered lines: the reply is a loop")
    found = _sift([_item(line, spec) for line in lines], spec)
    return _wrong_size(found, spec) or found


def _wrong_size(found: Items, spec: ItemSpec) -> NoItems | None:
    longest = max((len(item.text) for item in found.items), default=0)
    if longest > spec.max_chars:
        return NoItems(Unreadable.ITEM_TOO_LONG, f"an item has {longest} characters; at most {spec.max_chars}")
    if len(found.items) < spec.min:
        also = f" ({len(found.dropped)} more are empty or hold a forbidden phrase)" if found.dropped else ""
        return NoItems(Unreadable.TOO_FEW_ITEMS, f"{len(found.items)} item(s){also}; at least {spec.min}")
    if len(found.items) > spec.max:
        return NoItems(Unreadable.TOO_MANY_ITEMS, f"{len(found.items)} items; at most {spec.max}")
    return None


def _items(text: str) -> list[str]:
    """The items as one line each: numbered ones, or bullets where nothing is numbered; wrapped lines joined."""
    start = _NUMBERED if any(_NUMBERED.match(line) for line in text.splitlines()) else _BULLET
    out: list[str] = []
    open_ = False
    for line in text.splitlines():
        found = start.match(line)
        if found:
            out.append(line[found.end() :].strip())
            open_ = _TAG.search(out[-1]) is None
        elif open_ and line.strip() and (line[:1] in " \t" or _TAG.fullmatch(line.strip())):
            out[-1] += " " + line.strip()
            open_ = _TAG.search(line) is None
        else:
            open_ = False
    return out


def _item(line: str, spec: ItemSpec) -> ListedItem:
    tags = {_plain(name): kind for name, kind in spec.tags.items()}
    found = _TAG.search(line)
    kind = tags.get(_plain(found.group(1))) if found else None
    text = line[: found.start()] if found and kind else line
    text = neutralise(" ".join(_MARKUP.sub("", text).split())).strip(" -–—")
    return ListedItem(text, kind or spec.untagged, kind is not None)


def _sift(items: list[ListedItem], spec: ItemSpec) -> Items:
    """Drop what is forbidden, merge what is said twice (a hard rule stays one)."""
    kept: dict[str, ListedItem] = {}
    dropped: list[str] = []
    merged: list[str] = []
    for item in items:
        key = _plain(item.text)
        if not key or any(_holds(item.text, phrase) for phrase in spec.forbid):
            dropped.append(item.text)
        elif key in kept:
            merged.append(item.text)
            if item.tagged and (not kept[key].tagged or item.kind == "hard_rule"):
                kept[key] = item
        else:
            kept[key] = item
    return Items(tuple(kept.values()), tuple(dropped), tuple(merged))


def _holds(text: str, phrase: str) -> bool:
    """Whether a phrase occurs as whole words; case counts only where the phrase has capitals."""
    case = re.NOFLAG if phrase != phrase.lower() else re.IGNORECASE
    return re.search(rf"(?<!\w){re.escape(phrase)}(?!\w)", text, case) is not None


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
