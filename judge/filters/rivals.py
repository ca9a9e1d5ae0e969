"""Does a response leave open which of several values is its answer?

A judge that was told the reference copies the right one out of any list of guesses, so the copied words alone prove nothing:
"17 or 18 or 19" would be right for three references, and the numbers from 0 to 300 for three hundred. A value counts where the
response gives it outside such a list, or comes back to it at the end: "The options were 41, 42 and 43. It is 42."
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

from judge.filters.evasive import folded
from judge.filters.reference import ReferenceAnswers, tokens
from judge.filters.shotgun import ALTERNATIVE, BULLET, HEDGING, JOIN, shotgun
from judge.filters.surface import MARKUP, ResponseView
from judge.numerals import VALUES, fold, spoken

Same = Callable[[str, str], bool | None]
"""(words, reference) -> the same value, another one (False), or a program cannot tell (None)."""

MANY = 12  # different values that make a text an enumeration
_SHARE = 0.6  # of its words that are values
_READ = 200_000  # characters at each end of a response
_ITEMS = 4_000  # values that are compared with the reference, the last of a text
_NAME = 200  # characters of a reference that is a name
_GAP = 80  # characters between two neighbours of a list
_NUMBER = r"(?<![\w.^])(?<!\d:)[-\u2212]?(?:(?:\d+\s)?\d+\s?/\s?\d+(?![\w/])|(?:\d{1,3}(?:,\d{3}){1,4}(?![,\d])|(?<!,)\d+,\d{1,2}(?![,\d])|\d+)(?:\.\d+)?%?(?!:\d)(?![\w^/]))"
_OPTION = re.compile(r"(?<![\w'\u2019.\\])(?:A(?!\s[a-z]{2,}(?<!\bor)(?<!\band)(?<!\bis)(?<!\bthen))|[B-HJ])(?![\w'\u2019])")
_VALUE = re.compile(
    rf"{_NUMBER}|\b(?:{'|'.join(sorted((w for w in VALUES if len(w) > 2 and w.isascii() and w.isalpha()), key=len, reverse=True))})\b",
    re.IGNORECASE,
)
_FRACTION = re.compile(r"\\[dtc]?frac\s?\{(\d{1,20})\}\s?\{(\d{1,20})\}")
_YES = frozenset(map(fold, "yes true correct ja oui si sí sim да 是 はい 네 예 نعم हाँ evet tak".split()))
_NO = frozenset(map(fold, "no false incorrect nein non não нет 不是 いいえ 아니오 아니요 لا नहीं hayır nie".split()))
_TRUTH = re.compile(r"\b(?:yes|no|true|false)\b", re.IGNORECASE)
_CLAUSE = re.compile(r"([.!?;:,\n/|\u2014]|\bor\b|\band\b|\boder\b|\bou\b|\bet\b|\bund\b)")
_CORRECTS = re.compile(r"\b(?:wait|actually|correction|rather|sorry|so|thus|hence|therefore|final(?:ly)?)\b", re.IGNORECASE)
_NOT = re.compile(r"\b[Nn]o[,:]|\bnot\b")
_SOFT = re.compile(
    r"\b(?:then|again|to|about|around|approximately|roughly|else|alternatively|from|through|either|any|even|hard|of|a)\b"
)
_OPERATOR = re.compile(r"[=+*^<>\\\u00d7\u00f7\u2248]")
_MARK = re.compile(r"\\f?boxed|####")
_CALLED = re.compile(
    r"(?:answer|result|solution|antwort|respuesta|réponse|resposta|risposta|ответ|答案|答え|정답|cevap|odpowiedź|antwoord|jawaban)"
    r"[^\w\n]{0,9}(?:(?:is|are|ist|lautet|est|es|é|è|to|jest)\b|[は是은])?[^\w\n-]{0,9}$",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W_]+")


class _Item(NamedTuple):
    text: str
    start: int
    end: int


def left_open(view: ResponseView, same: Same) -> str | None:
    """Why the answer that a response gives is no answer: it stands among others, and nothing chooses it. None when something does.

    What it stops: lists of numbers, options, yes and no, of any length; ranges; guesses one behind the other, two boxes or two
    "answer is" that differ. What it does not stop: guesses spread over prose ("The first count gives 17. The second gives 18."), nor
    lists where the reference is a list or holds several answers. Cost: no request; linear in at most 400,000 characters.

    Args:
        view: A response with a reference; without one, or with a list as reference, nothing is left open.
        same: Decides whether two short texts say the same value, by rule.
    """
    reference = view.reference
    if reference is None or not reference.single or (len(reference.answers) > 1 and reference.kind == "text"):
        return None
    text = _readable(view)
    if reference.kind == "truth":
        many = _enumerated(text, [*_items(text, "number"), *_items(text, "option"), *_items(text, "truth")])
        return _both(text) or shotgun(view) or (f"{many} values at once" if many else None)
    if reference.kind == "text":
        return _named_beside(text, reference)
    items = _items(text, reference.kind)
    lists = _lists(text, items)
    right = _right(items, reference, same)
    if (called := [run for run in lists if _called(text, run[0])]) and right.issuperset(item for run in called for item in run):
        return None
    if (many := _enumerated(text, items)) and not (items[-1] in right and _comes_to(text, items[-1])):
        return f"{many} values, and none is called the answer"
    if not right and any(
        len(run) > 1 and not _scaled(run) and _fills(text, run) and _others(run, reference, same) for run in lists
    ):
        return "several values, and none is the reference"
    if not right or (len(called) > 1 and not (_CORRECTS.search(text) or _NOT.search(text))):
        return shotgun(view) or (f"{len(called)} final answers" if right.intersection(run[0] for run in called) else None)
    if any(item in right for run in lists if not _rivals(text, run, right, view) for item in run):
        return None
    run = next(run for run in reversed(lists) if not right.isdisjoint(run))
    if run[-1] in right and len(right.intersection(run)) > 1:  # it comes back to the value
        return None
    return f"{len({fold(item.text) for item in run})} values at once, and none is chosen"


def _readable(view: ResponseView) -> str:
    """Visible text of one width, with fractions as `1/2`, without markup and the marks of lists."""
    text = view.text if len(view.text) <= 2 * _READ else f"{view.text[:_READ]}\n{view.text[-_READ:]}"
    text = _MARK.sub(" answer: ", _FRACTION.sub(r" \1/\2 ", text.replace("{,}", ",")))
    return MARKUP.sub(" ", BULLET.sub("", unicodedata.normalize("NFKC", text)))


def _items(text: str, kind: str) -> list[_Item]:
    """Values of the kind that a reference is, where they stand."""
    pattern = {"option": _OPTION, "truth": _TRUTH}.get(kind, _VALUE)
    found = [_Item(m.group().strip(), m.start(), m.end()) for m in pattern.finditer(text)]
    return found[-_ITEMS:] if kind in ("option", "truth") else _compounds(text, found)[-_ITEMS:]


def _compounds(text: str, found: list[_Item]) -> list[_Item]:
    """Number words that make one number (`forty-two`, `two hundred and five`) as one item."""
    out: list[_Item] = []
    for item in found:
        if (
            out
            and not (item.text[-1].isdigit() or out[-1].text[-1].isdigit())
            and text[out[-1].end : item.start].strip(" -") in ("", "and")
        ):
            whole = text[out[-1].start : item.end]
            if spoken(whole) is not None:
                out[-1] = _Item(whole, out[-1].start, item.end)
                continue
        out.append(item)
    return out


def _lists(text: str, items: list[_Item]) -> list[list[_Item]]:
    """Items in runs of neighbours, between which stands nothing but joiners and words of hedging; "the answer is" begins another."""
    lists: list[list[_Item]] = [items[:1]] if items else []
    for before, item in pairwise(items):
        if _joined(text[before.end : item.start]) and not _called(text, item):
            lists[-1].append(item)
        else:
            lists.append([item])
    return lists


def _joined(gap: str) -> bool:
    if len(gap) > _GAP or _OPERATOR.search(gap):
        return False
    return not any(map(str.isalnum, _without_hedges(gap)))


def _without_hedges(text: str) -> str:
    return JOIN.sub(" ", _SOFT.sub(" ", HEDGING.sub(" ", folded(text))))


def _right(items: list[_Item], reference: ReferenceAnswers, same: Same) -> set[_Item]:
    """The items that say what the reference says."""
    known: dict[str, bool] = {}
    for item in items:
        if item.text not in known:
            known[item.text] = any(same(item.text, part) for part in reference.parts)
    return {item for item in items if known[item.text]}


def _rivals(text: str, run: list[_Item], right: set[_Item], view: ResponseView) -> bool:
    """Whether a run is a list of guesses: two values where they are alternatives or all of the text, else three."""
    others = {fold(item.text) for item in run if item not in right}
    if not others:
        return False
    between = folded(text[max(0, run[0].start - 30) : run[-1].end])
    if ALTERNATIVE.search(between) or re.search(r"\?.|\b(?:maybe|perhaps|possibly|either|could|might|between)\b", between):
        return True
    told = others - {fold(w) for w in _WORD.findall(view.prompt[:20_000])}
    if len(told) >= 2:
        return True
    return _fills(text, run)


_SCALES = re.compile(
    r"\b(?:dozen|score|hundred|thousand|million|billion|trillion|half|hundert|tausend|cent|mille|mil|cien|tusen|сто|тысяч)",
    re.IGNORECASE,
)


def _scaled(run: list[_Item]) -> bool:
    """Whether a number word multiplies the number before it: `1.5 million`, `two dozen`."""
    return any(_SCALES.search(item.text) for item in run)


def _fills(text: str, run: list[_Item]) -> bool:
    """Whether a text has nothing beside a run of values."""
    rest = text[: run[0].start] + " " + text[run[-1].end :]
    return len(rest) <= 400 and not any(map(str.isalnum, _without_hedges(rest)))


def _others(run: list[_Item], reference: ReferenceAnswers, same: Same) -> bool:
    return all(same(item.text, part) is False for item in run[:MANY] for part in reference.parts)


def _enumerated(text: str, items: list[_Item]) -> int:
    """How many values a text has that consists mostly of values; 0 for any other text."""
    different = len({item.text for item in items})
    return different if different >= MANY and len(items) >= _SHARE * sum(1 for _ in _WORD.finditer(text)) else 0


def _called(text: str, item: _Item) -> bool:
    """Whether a value is called the answer, or stands in a box."""
    return bool(_CALLED.search(text[max(0, item.start - 40) : item.start]))


def _comes_to(text: str, item: _Item) -> bool:
    """Whether a value is what a sum comes to."""
    return text[max(0, item.start - 20) : item.start].rstrip(" $").endswith("=")


def _both(text: str) -> str | None:
    """Yes and no, each as a clause of its own, and nothing that takes one back."""
    if len(text) > 2_000:
        text = text[-2_000:]
    found: list[tuple[str, str]] = []
    parts = _CLAUSE.split(folded(text))
    for clause, mark in zip(parts[::2], [*parts[1::2], ""], strict=False):
        bare = [w for w in _WORD.findall(HEDGING.sub(" ", clause)) if w not in ("then", "again")]
        for word in bare if set(bare) <= _YES | _NO else ():
            found.append(("yes" if word in _YES else "no", mark))
    if any(mark != "?" for _, mark in found):
        found = [each for each in found if each[1] != "?"]
    if len({each for each, _ in found}) < 2 or _CORRECTS.search(text):
        return None
    return "yes and no at once"


_OR = re.compile(ALTERNATIVE.pattern.replace(r"|\bof\b", ""))  # Dutch for "or": "the capital of France", "of course"
_JOINED = re.compile(JOIN.pattern.replace(r"|\bof\b", ""))


def _named_beside(text: str, reference: ReferenceAnswers) -> str | None:
    """Several names joined by "or", one a line, or in a list of four; one of them, as a whole, is the reference."""
    if len(text) > 1_000 or len(reference.text) > _NAME:
        return None
    lines = [folded(line) for line in text.split("\n") if line.strip()]
    said = " . ".join(lines)
    least = (
        2
        if _OR.search(said)
        or re.search(r"\b(?:maybe|perhaps|possibly|might be|could be)\b.*\b(?:maybe|perhaps|possibly|might be|could be)\b", said)
        else 3
        if len(lines) > 2
        else 4
    )
    parts = [part for piece in re.split(r"[.!?](?:\s|$)", said) for part in _JOINED.split(HEDGING.sub(" ", piece))]
    names = [name for part in parts if (name := tokens(part))]
    if len(names) == 1 and len(names[0]) > least and all(word[:1].isupper() for word in text.split()):  # names without commas
        names = [(word,) for word in names[0]]
    different = set(names)
    if len(different) < least or any(len(name) > 4 for name in different) or not different & set(reference.alternatives):
        return None
    if names[-1] in reference.alternatives and names.count(names[-1]) > 1:
        return None
    return f"{len(different)} names at once"
