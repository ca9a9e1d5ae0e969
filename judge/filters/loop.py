"""Degenerate repetition: one unit over and over, as the whole response or as its tail."""

from __future__ import annotations

import re
from itertools import pairwise

from judge.filters.surface import ResponseView

_MIN_CHARS = 60  # a shorter repetition may be an answer: `1111`, `ha ha ha`
_MIN_TIMES = 6
_NAMED = 2  # characters of a unit that a prompt may name
_REPEAT = re.compile(
    r"\b(?:repeat|\d+ times|(?:hundred|dozen|twenty|thirty|fifty|sixty) times|lyrics|chorus|\d+\s\S{1,3}['\u2019]s"
    r"|\d+ (?:dash|dashes|dots|stars|asterisks|hyphens|letters|copies))\b",
    re.IGNORECASE,
)
_HEAD = re.compile(r"[^\d]{8,24}")
_UNIT = 20_000  # characters; no longer unit is looked for
_TAIL = 4_000  # characters in which a looping tail is looked for


def loop(view: ResponseView) -> str | None:
    """The whole response is one unit repeated at least six times.

    Stops: `asdf qwer zxcv` thirty times, a sentence or an opener in a loop, one letter a million times, also with a counter in it.
    Does not stop: repetition with other words in it; texts under 60 characters; a loop that agrees with the reference. Cost: no request; a
    few plain searches (3 ms a megabyte).
    """
    unit = _period(view.text)
    if unit is None and len(view.text) <= _UNIT:
        unit = _counted(view.text)
    if unit is None or asked_for(unit, view.prompt):
        return None
    return f"\u201c{' '.join(unit.split())[:30]}\u201d over and over"


def asked_for(unit: str, prompt: str) -> bool:
    """Whether the prompt names the unit: the task may be to repeat it."""
    if len(prompt) <= _UNIT and _REPEAT.search(prompt):
        return True
    bare = " ".join(unit.split()).casefold().strip(" .,!?'\"")
    return len(bare) >= _NAMED and bare in " ".join(prompt.split()).casefold()


def loop_tail(view: ResponseView) -> str | None:
    """A longer text that ends in a loop: what a policy writes when it cannot stop.

    Stops nothing: it flags. Does not see: loops of units over 400 characters. Cost: no request; the last 4,000 characters are read.
    """
    if len(view.text) < 4 * _MIN_CHARS:
        return None
    tail = view.text[-_TAIL:]
    key = tail[-24:]
    before = tail.rfind(key, 0, len(tail) - 1)
    period = len(tail) - 24 - before if before >= 0 else 0
    if not 0 < period <= 400 or not any(map(str.isalnum, key)):
        return None
    size = max(_MIN_TIMES * period, 4 * _MIN_CHARS)
    end = tail[-size:]
    return (
        f"ends in \u201c{' '.join(end[-period:].split())[:30]}\u201d over and over"
        if end[period:] == end[:-period] and len(end) == size
        else None
    )


def _period(text: str) -> str | None:
    """The unit of a text that is one unit repeated (the last may be cut), or None."""
    text = text.strip()
    size = len(text)
    if size < _MIN_CHARS:
        return None
    key, at = text[:12], 0
    for _ in range(40):
        at = text.find(key, at + 1, min(size // _MIN_TIMES, _UNIT) + 12)
        if at < 0:
            return None
        if text[at : at + 200] == text[:200] or size - at < 200:
            if text.startswith(text[at:]) or _blocks(text, at):
                return text[:at]
    return None


def _counted(text: str) -> str | None:
    """The unit of a text that repeats but for numbers that stay or count up by one: `Step 1: Step 2:`. A table is no loop."""
    head = _HEAD.search(text, 0, 400)  # without digits: comes again within the first sixth of a loop
    if head is None or text.find(head[0], head.end(), head.end() + len(text) // _MIN_TIMES + 40) < 0:
        return None
    if text.count(head[0]) < _MIN_TIMES - 1:  # in all copies, but perhaps the last, which may be cut
        return None
    unit = _period(re.sub(r"\d+", "0", text))
    if unit is None or not any(map(str.isalpha, unit)):
        return None
    numbers = [int(n[:18]) for n in re.findall(r"\d+", text)]
    columns = [numbers[k :: unit.count("0")] for k in range(unit.count("0"))]
    counts = all({b - a for a, b in pairwise(column)} in ({0}, {1}) for column in columns)
    return unit if counts else None


def _blocks(text: str, period: int) -> bool:
    """Whether a text repeats with a period, but for white space at its seams. The copies are compared one by one."""
    words = text.split()
    unit = text[:period].split()
    if not unit or len(words) < _MIN_TIMES * len(unit):
        return False
    times, rest = divmod(len(words), len(unit))
    return words[: times * len(unit)] == unit * times and (words[times * len(unit) :] == unit[:rest] or rest < len(unit))
