"""Whether a text says anything: what is left of it without grammar, announcing, and words as vague as `circumstances`."""

from __future__ import annotations

import re

from judge.filters.lexicon import LEXICON
from judge.filters.surface import words
from judge.numerals import fold
from judge.words import entries

_VAGUE = frozenset(map(fold, entries("vague")))
_VAGUE_PIECES = re.compile("|".join(map(re.escape, entries("vague pieces"))))
_UNSPACED = re.compile("[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")


def folded(text: str) -> str:
    """Folded, with straight apostrophes and single spaces."""
    return " ".join(fold(text.replace("\u2019", "'")).split())


def new_words(text: str) -> set[str]:
    """Words of a folded text that say something: no grammar, no announcing, nothing as vague as `circumstances`."""
    found = set[str]()
    for word in words(text):
        if _UNSPACED.search(word):
            found |= _new_pieces(word)
        elif not (LEXICON.is_grammar(word) or LEXICON.announces(word) or word in _VAGUE or len(word) < 2):
            found.add(word)
    return found


def _new_pieces(text: str) -> set[str]:
    """The same for scripts without spaces: what is left without known pieces, two characters for a word."""
    left = _VAGUE_PIECES.sub(" ", text)
    for piece in LEXICON.pieces:
        left = left.replace(piece, " ")
    return {part[at : at + 2] for part in left.split() for at in range(0, len(part) - 1, 2)}
