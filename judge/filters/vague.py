"""Whether a text says anything: what is left of it without grammar, announcing, and words as vague as `circumstances`."""

from __future__ import annotations

import re

from judge.filters.lexicon import LEXICON
from judge.filters.surface import words
from judge.numerals import fold

_VAGUE = frozenset(
    fold(w)
    for w in """value values case cases context contexts situation situations circumstance circumstances condition conditions factor factors
    variable variables detail details specific specifics particular certain various several many different differing multiple number thing
    interpretation interpretations interpreted interpret interpreting meaning definition definitions assumption assumptions perspective perspectives view
    viewpoint person people individual individuals opinion opinions preference preferences personal needs look asks asking asked exact given scenario
    scenarios instance information info data available nature kind type time times overall everyone everybody someone anyone always says
    inconvenience confusion delay trouble mistake mistakes earlier previous request requests inquiry query assist assistance support helpful feel free provide
    provided regarding concern concerns further additional clarify clarification hope able beyond abilities ability capabilities expertise scope
    cause caused causing apologies apologise apologize apology sorry afraid unfortunately dear user hesitate contact reach else moment later again today
    umstand umstände umständen situation kontext fall zusammenhang faktoren situation contexte cas circonstances facteurs situación contexto caso
    circunstancias factores situação circunstâncias fatores situazione contesto circostanze fattori ситуации обстоятельств контекста условий случая
    факторов okoliczności sytuacji kontekstu omständigheterna situationen omstandigheden situatie""".split()
)
_VAGUE_PIECES = re.compile(
    "情况|情況|具体|具體|条件|條件|情境|语境|上下文|状况|狀況|因素|不便|给您|給您|带来|帶來|造成|状況|場合|条件|ご迷惑|おかけ|かけて|상황|경우|조건|불편|드려|합니다|입니다|สถานการณ์|กรณี|ความไม่สะดวก"
)
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
