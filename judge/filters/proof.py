"""Is a positive verdict proved by the words that the judge copied from the response?

- Told to copy the answer, a small judge copies the reference: so a program looks whether the words stand in the response.
- Words that only announce, several answers at once, and another number than the reference prove nothing.
- What is not proved is no negative verdict either: the reward is missing, unless the judge itself says that there is no answer.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from judge.filters.blank import names_signs, placeholder, symbols_alone, trivial_response
from judge.filters.evasive import non_committal
from judge.filters.loop import asked_for
from judge.filters.opener import opener_only
from judge.filters.rivals import left_open
from judge.filters.shotgun import shotgun
from judge.filters.surface import ResponseView, words
from judge.filters.telling import tells_nothing
from judge.numerals import fold, readings

ProofState = Literal["proved", "none", "not_found", "says_nothing", "refuted"]
"""`none`: the judge says that there is no answer; `not_found`: it copied nothing, or other words than the response's; `says_nothing`:
the words stand there and are no answer; `refuted`: they are several answers, or another number than the reference."""

MAX_SPANS = 100  # parts of a response that a judge may choose among
_NOTHING = frozenset("none nothing null nan na undefined empty void unknown".split())
_GERMANIC = frozenset("wie wieviel wieviele hoeveel hur hvor mange manga".split())
_NAME = 3  # words; without a reference, a name or a title may be made of words that announce
_SHORT = 4  # words; an answer this short may be made of words that announce: "all of them", "Of course."
_SPAN = 200  # characters of one
_TAIL = 20_000  # characters at the end of a response from which they are taken
_MARKS = re.compile(
    r"\[u\+[0-9a-f]{4,6}\]|\\(?:boxed|text|mathrm|textbf|mathbf|left|right|displaystyle|[()\[\],;:! ])(?![A-Za-z])|[*_`#~$\\{}<>|\"'\u2018\u2019\u201c\u201d\u00ab\u00bb\u300c\u300d]"
)
_TOKEN = re.compile(
    r"(?<![\w.])[-\u2212]?\d++(?:[.,]\d++)*+|[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]"
    r"|[^\W\d\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]+|\d++(?:[.,]\d++)*+|[^\w\s]"
)
_GROUP = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_SENTENCE = re.compile(r"(?<=[.!?;])\s+|\n+|(?<=[\u3002\uff01\uff1f\uff1b\u0964\u061f])\s*")
_BOXED = re.compile(r"\\boxed\s?\{([^{}]{1,100}(?:\{[^{}]{0,60}\}[^{}]{0,60}){0,3})\}")
_ANSWER = re.compile(r"\b(?:answer|result|solution)\s{0,3}(?:is|:|=)\s{0,3}([^\n.]{1,100}(?:\.\d{1,20})?)", re.IGNORECASE)

CompareValues = Callable[[str, str], bool | None]
"""(words, reference) -> whether both say the same value, other values (False), or a program cannot tell (None)."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What copied words are worth. `detail` is for a person to read."""

    state: ProofState
    detail: str = ""


def stands_in(words: str, response: str) -> bool:
    """Whether words stand in a response one after the other; case, width, white space, markup and quotation marks aside. Linear.

    Example:
        >>> stands_in("the answer is 4", "So **the answer** is $4$."), stands_in("4", "It is 42."), stands_in("", "a")
        (True, False, False)
    """
    if _found(_tokens(words), response, words):
        return True
    if "," in words and _found(_tokens(_COMMA.sub(", ", words)), _COMMA.sub(", ", response), words):  # `[1, 2]`
        return True
    return _found(_tokens(words, spaced=True), response, words, spaced=True)


def _found(wanted: list[str], response: str, words: str, *, spaced: bool = False) -> bool:
    while wanted and not wanted[-1].isalnum() and len(wanted) > 1:  # a stop that the judge added
        wanted.pop()
    if not wanted:
        return bool(words.strip()) and words.strip() in response
    return f"\x00{chr(0).join(wanted)}\x00" in f"\x00{chr(0).join(_tokens(response, spaced=spaced))}\x00"


def _tokens(text: str, *, spaced: bool = False) -> list[str]:
    """Folded words, numbers and signs; LaTeX as signs; scripts without spaces character by character.

    Args:
        spaced: A space between groups of three digits divides thousands.
    """
    if "\\" in text:
        text = _FRAC.sub(r" \1/\2 ", _ROOT.sub(" \u221a\\1 ", _COMMAND.sub(lambda m: _SIGNS.get(m[1], m[0]), text)))
    text = unicodedata.normalize("NFKC", text.replace("{,}", ",")).casefold().replace("\u2212", "-").replace("\u2044", "/")
    text = _GROUP.sub("", _MARKS.sub(" ", text.replace("\u03c0", " \u03c0 ").replace("^", " ")))
    text = _HYPHEN.sub(" ", _INITIALS.sub(lambda m: m[0].replace(".", ""), text))
    return _TOKEN.findall(_THOUSANDS.sub("", text) if spaced else text)


_FRAC = re.compile(r"\\[dtc]?frac\s?\{([^{}]{1,60})\}\s?\{([^{}]{1,60})\}")
_ROOT = re.compile(r"\\sqrt\s?\{([^{}]{1,60})\}")
_COMMAND = re.compile(r"\\([A-Za-z]+)")
_SIGNS = {
    **{
        "leq": " \u2264 ",
        "le": " \u2264 ",
        "geq": " \u2265 ",
        "ge": " \u2265 ",
        "neq": " \u2260 ",
        "ne": " \u2260 ",
        "times": " \u00d7 ",
    },
    **{"cdot": " \u00b7 ", "pi": " \u03c0 ", "pm": " \u00b1 ", "infty": " \u221e ", "circ": " \u00b0 ", "approx": " \u2248 "},
}
_COMMA = re.compile(r",(?=\d)")
_HYPHEN = re.compile(r"(?<=[^\W\d_])-(?=[^\W\d_])")
_INITIALS = re.compile(r"(?<!\w)(?:[^\W\d_]\.){2,9}")
_THOUSANDS = re.compile(r"(?<=\d)\s(?=\d{3}(?!\d))")


def spans(response: str) -> tuple[str, ...]:
    """Parts of a response that may state its answer: what it boxes or calls its answer, then its lines and sentences, the last
    first. A judge that is asked for the words again chooses one of them.

    Example:
        >>> spans("We add. So the answer is 4.")
        ('4', 'So the answer is 4.', 'We add.')
    """
    tail = response[-_TAIL:]
    named = [found[1] for pattern in (_BOXED, _ANSWER) for found in reversed(list(pattern.finditer(tail)))]
    parts = [part for part in reversed(_SENTENCE.split(tail)) if len(part) <= _SPAN]
    found = (" ".join(part.split()) for part in (*named, *parts))
    return tuple(islice(dict.fromkeys(part for part in found if part), MAX_SPANS))


def prove(copied: str | None, view: ResponseView, *, compare: CompareValues, none: str = "none") -> Proof:
    """Look whether copied words prove a positive verdict on a response.

    What it stops: a verdict on words that the response does not hold, or that announce, hedge, point elsewhere, list several
    answers, or are another number than the reference. What it does not stop: a wrong answer that the judge copies and calls
    right. Cost: no request; linear in the response.

    Args:
        copied: The words; None where the judge copied none.
        view: The response that they should come from.
        compare: Decides whether two short texts say the same value, by rule.
        none: What the judge writes where it finds no answer.
    """
    if copied is None or not copied.strip():
        return Proof("not_found", "the judge copied no words of the response")
    shown = f"\u201c{' '.join(copied.split())[:60]}\u201d"
    if _bare(copied) == _bare(none) and _bare(view.text[:200]) != _bare(none):
        return Proof("none", "the judge finds no answer in the response")
    if not stands_in(copied, view.text):
        return Proof("not_found", f"{shown} does not stand in the response")
    if (why := left_open(view, compare)) is not None:
        return Proof("refuted", f"{shown}: {why}")
    reference = view.reference
    same = [] if reference is None else [compare(copied, part) for part in reference.parts]
    spelled = _spelled(copied, view)
    if True in same or spelled:
        return Proof("proved", f"{shown} equals the reference")
    if spelled is False:
        return Proof("refuted", f"{shown}: another number than the reference")
    said = ResponseView(copied, view.prompt, reference, view.mode)
    if (why := shotgun(said)) is not None:
        return Proof("refuted", f"{shown}: {why}")
    if same and all(each is False for each in same):
        return Proof("refuted", f"{shown}: another value than the reference")
    if (why := _nothing_said(said, whole=_bare(copied) == _bare(view.text[: 2 * _SPAN]))) is not None:
        return Proof("says_nothing", f"{shown}: {why}")
    if len(said.words) == 1 and (why := _empty_around(copied, view)) is not None:
        return Proof("says_nothing", f"{shown}: {why}")
    return Proof("proved", shown)


def _spelled(copied: str, view: ResponseView) -> bool | None:
    """Whether words that are all of a response are the reference as a number in words of some language (`once`, `to`, `bir`).

    None where they are no number in words, or the reference is not written in digits alone.
    """
    reference = view.reference
    if reference is None or len(copied) > _SPAN or _bare(copied) != _bare(view.text[: 2 * _SPAN]):
        return None
    found = readings(copied) if all(answer.bare.isdecimal() for answer in reference.answers) else frozenset()
    if not found or (placeholder(view) and view.prompt_words.isdisjoint(_GERMANIC)):  # `null` is 0 to "Wie viele?"
        return None
    return any(str(value) == answer.bare for value in found for answer in reference.answers)


def _empty_around(word: str, view: ResponseView) -> str | None:
    """Why every sentence that holds a word says nothing: "correct" is an answer, and "The answer is correct." is none."""
    why = None
    for part in spans(view.text):
        if len(words(part)) > 1 and stands_in(word, part):
            why = _nothing_said(ResponseView(part, view.prompt, view.reference, view.mode))
            if why is None:
                return None
    return why


def _bare(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum())


def _nothing_said(said: ResponseView, *, whole: bool = True) -> str | None:
    """Why the words are no answer, whoever calls them one; None when they may be one."""
    reference = said.reference
    held = reference is not None and reference.kind == "text" and reference.held_by(said.text)
    if held:
        return None
    named = reference is None and len(said.words) <= _NAME and said.plain[-1:] not in (":", "\uff1a")  # may be a title
    if named and fold(said.plain.strip(" .")) in _NOTHING:  # "None" to "Any allergies?"
        return None
    sign = symbols_alone(said) or len(set(said.visible)) == 1 < len(said.visible)
    number = str(len(said.visible))
    counted = reference is not None and number in words(reference.text) and asked_for(said.visible[:1], said.prompt)
    if whole and sign and (names_signs(said) or counted):  # `~` where the reference is "tilde"
        return None
    nothing = tells_nothing(said, whole=whole)
    known = reference is not None and (said.verifying or reference.kind in ("number", "math"))
    if known and reference is not None and reference.kind != "text" and len(said.words) <= _SHORT:
        if nothing is None and reference.kind in ("truth", "option"):
            nothing = non_committal(said) if said.verifying else None
        limit = fold(said.plain) == "undefined" and ("infty" in reference.bare or "\u221e" in reference.bare)
        return nothing or (None if limit else placeholder(said))
    checks = (trivial_response, placeholder) if named else (trivial_response, placeholder, opener_only)
    found = next((why for check in checks if (why := check(said)) is not None), None)
    if found is None and said.verifying:
        found = non_committal(said)
    return found or nothing
