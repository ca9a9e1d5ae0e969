"""The prompt, given back as the answer."""

from __future__ import annotations

import re

from judge.filters.lexicon import LEXICON
from judge.filters.surface import ResponseView

_SHARE = 0.6  # of the prompt that must come back
_MIN_WORDS = 8
_LEAD = 12  # words like "The question is:" that may stand before the echo


def prompt_copy(view: ResponseView) -> str | None:
    """The whole prompt, or its one question, and nothing else.

    Stops: a prompt of eight words or more (or a question of five) given back as it is; with a reference, the question that ends or
    begins it, too. Does not stop: a prompt given back with anything beside it, a sentence that the prompt sets off by a colon
    or quotation marks (a task may be to copy or mend it), a reference that is that text. Cost: no request; nothing unless the
    response is as long as the prompt or ends in a question mark.
    """
    text = view.visible if len(view.text) <= len(view.prompt) + 100 else ""
    asks = text.endswith(_ASKING)
    if not text or not (asks or 2 * len(text) > len(view.prompt)):
        return None
    said, told = _squashed(text), _squashed(view.prompt)
    least = _QUESTION if asks else _MIN_WORDS
    if _size(said) < least:
        return None
    if said == told:
        return "the prompt and nothing else"
    if not asks or view.reference is None or sum(told.count(mark) for mark in _ASKING) != 1:
        return None
    before, found, _ = told.partition(said)
    if not found or any(a.bare.endswith(_ASKING) for a in view.reference.answers):
        return None
    return "the question and nothing else" if not before or before.rstrip()[-1:] in _ENDS else None


_ASKING = ("?", "\uff1f", "\u061f")
_ENDS = frozenset(".!\u3002\uff01")
_WIDE = re.compile("[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]")


def _squashed(text: str) -> str:
    return " ".join(text.split()).casefold()


def _size(text: str) -> int:
    """Words; two signs of a script without spaces count as one."""
    return max(len(text.split()), len(_WIDE.findall(text)) // 2)


def prompt_echo(view: ResponseView) -> str | None:
    """The whole prompt, or most of it, word for word and little else; for a verifier also a question out of it.

    Stops: the question repeated, with or without a heading, from five words on. Does not stop: a paraphrase, or the question followed by an
    answer. A reference that makes up half of the response passes, and outside verifier recipes it only flags (tasks that
    copy or mend a text answer so). Cost: no request; nothing unless both begin alike, then linear in both.
    """
    prompt, text = view.prompt, view.text
    if view.verifying and not view.says_much and view.short and _asks_again(view):
        return "asks the question again"
    if not prompt or not 0.5 * len(prompt) < len(text) < 2 * len(prompt) + 200:
        return None
    if not _begin_alike(_words(text[:_BEGINNING]), _words(prompt[:_BEGINNING])):
        return None
    told = _words(prompt)
    said = _words(text)
    if len(told) < _MIN_WORDS or len(said) < _SHARE * len(told) or len(said) > len(told) + 2 * _LEAD:
        return None
    if not _shared(said, told) or _adds(said, told):
        return None
    if view.reference is not None and view.reference.held_by(text):
        if any(said[-len(a) :] == list(a) != told[-len(a) :] for a in view.reference.alternatives):
            return None  # the question turned into its answer
        longest = max((len(a) for a in view.reference.alternatives), default=0)
        if 2 * longest >= len(said):
            return None
    return "gives the prompt back"


def _asks_again(view: ResponseView) -> bool:
    """Whether a text is a question of the prompt, word for word, behind a label such as `Question:` at most."""
    said = _words(view.plain)
    start = next((i for i, w in enumerate(said[:3]) if w in _ASKS), None)
    if start is None or not all(LEXICON.announces(w) or LEXICON.is_grammar(w) for w in said[:start]):
        return False
    asked = said[start:]
    if len(asked) < _QUESTION or (view.reference is not None and view.reference.held_by(view.text)):
        return False
    if view.reference is None and not view.visible.endswith(_MARKS):
        return False  # "How to Win Friends and Influence People", out of a question that names two books
    return f" {' '.join(asked)} " in f" {' '.join(_words(view.prompt[-_READ:]))} "


_MARKS = ("?", "\uff1f")
_QUESTION, _READ = 5, 20_000  # words; characters of a prompt's end
_ASKS = frozenset(
    """who whom whose what which when where why how is are was were does do did can wer wen wessen was welche welcher welches wann wo warum wie wieviel qui que quoi quel quelle
    quels quelles quand où pourquoi comment combien quién quien quiénes qué cuál cual cuáles cuándo dónde cómo cuánto cuántos cuántas quem qual quais
    quando onde como quanto quantos quantas chi cosa quale quali dove perché come quanti quante wie wat welke wanneer waar hoe hoeveel hvem hvad hvilken vem vad vilken
    кто что какой какая какое какие когда где почему как сколько kto co jaki jaka jakie kiedy gdzie ile""".split()
)


def _adds(said: list[str], told: list[str]) -> bool:
    """Whether the response has a word that neither the prompt has nor belongs to announcing: then it may be the answer."""
    known = set(told)
    return any(word not in known and not LEXICON.is_grammar(word) and not LEXICON.announces(word) for word in said)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


_BEGINNING = 400  # characters that hold the words where an echo begins


def _begin_alike(said: list[str], told: list[str]) -> bool:
    """Whether four words in a row stand near the beginning of both."""
    starts = {tuple(told[at : at + 4]) for at in range(min(_LEAD, len(told)) + 1)}
    return any(tuple(said[at : at + 4]) in starts for at in range(min(_LEAD, len(said)) + 1))


def _shared(said: list[str], told: list[str]) -> bool:
    """Whether the two share one run of words that is most of the prompt, and little stands around it in the response."""
    for skip in range(min(_LEAD, len(said)) + 1):
        for start in range(min(_LEAD, len(told)) + 1):
            if said[skip : skip + 4] == told[start : start + 4]:
                run = _run(said[skip:], told[start:])
                if run >= _SHARE * len(told) and set(told).issuperset(said[skip + run :]):
                    return True
    return False


def _run(said: list[str], told: list[str]) -> int:
    return next((i for i, (a, b) in enumerate(zip(said, told, strict=False)) if a != b), min(len(said), len(told)))
