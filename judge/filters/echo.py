"""The prompt, given back as the answer."""

from __future__ import annotations

import re

from judge.filters.lexicon import LEXICON
from judge.filters.surface import Look

_SHARE = 0.6  # of the prompt that must come back
_MIN_WORDS = 8
_LEAD = 12  # words like "The question is:" that may stand before the echo


def prompt_echo(look: Look) -> str | None:
    """The whole prompt, or most of it, word for word and little else.

    Stops: the question repeated, with or without a heading. Does not stop: a paraphrase, or the question followed by an
    answer. A reference that makes up half of the response passes, and outside verifier recipes it only flags (tasks that
    copy or mend a text answer so). Cost: no request; nothing unless both begin alike, then linear in both.
    """
    prompt, text = look.prompt, look.text
    if not prompt or not 0.5 * len(prompt) < len(text) < 2 * len(prompt) + 200:
        return None
    told = _words(prompt)
    said = _words(text)
    if len(told) < _MIN_WORDS or len(said) < _SHARE * len(told) or len(said) > len(told) + 2 * _LEAD:
        return None
    if not _shared(said, told) or _adds(said, told):
        return None
    if look.reference is not None and look.reference.held_by(text):
        if any(said[-len(a) :] == list(a) != told[-len(a) :] for a in look.reference.alternatives):
            return None  # the question turned into its answer
        longest = max((len(a) for a in look.reference.alternatives), default=0)
        if 2 * longest >= len(said):
            return None
    return "gives the prompt back"


def _adds(said: list[str], told: list[str]) -> bool:
    """Whether the response has a word that neither the prompt has nor belongs to announcing: then it may be the answer."""
    known = set(told)
    return any(word not in known and not LEXICON.is_grammar(word) and not LEXICON.announces(word) for word in said)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


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
