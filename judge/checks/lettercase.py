"""Does letter case keep two short answers apart? `Co` is cobalt and `CO` a gas, `\\Gamma` is not `\\gamma`; "PARIS" is Paris.

Case may mean something in symbols: LaTeX commands, single letters, names of two letters, and mixed case. In a word it means
nothing, but for the few that are another word with a capital.
"""

from __future__ import annotations

import re

from judge.checks.phrases import NO, YES

_TOKEN = re.compile(r"\\[A-Za-z]{1,14}|[^\W\d_]{1,40}")
_PROSE = 3  # letters; a text with a word of that length is prose, where short words are no symbols
_NO_PROSE = frozenset("and or the answer option choice".split())
_MIXED = 6  # letters; longer names are written with capitals for their looks
_ANY_CASE = frozenset("am pm ad bc".split())
_OPTION = re.compile(r"(?:(?:option|choice) ?)?[(\[]?[a-j][)\].:]{0,2}", re.IGNORECASE)
_CAPITAL = frozenset(
    """
    aids alpine attic august bill bishop boxer can cancer catholic china chile cologne concord cuba dash dell dutch earth ford
    frank german gin god guinea guy hamlet ira job jobs jack japan java jersey lent lima lisp mark march mass may mercury mobile
    moor mosaic nancy natal nice orange pat phoenix pole polish pot python rainier reading ruby rust scone slough sol state
    swede swift tangier titanic turkey welsh who apple amazon
    """.split()
)
"""Words that are another word with a capital."""


def case_tells(first: str, second: str) -> bool:
    """Whether two texts have the same symbol or word in another letter case, and that may be another answer. Symmetric.

    Args:
        first: A short answer without what is written around it ("The answer is", markup).
        second: Another one.

    Example:
        >>> [case_tells(*pair) for pair in (("Co", "CO"), ("x^2", "X^2"), ("\\\\Gamma", "\\\\gamma"), ("polish", "Polish"))]
        [True, True, True, True]
        >>> [case_tells(*pair) for pair in (("PARIS", "Paris"), ("c", "C"), ("NO", "no"), ("A dog", "a dog"))]
        [False, False, False, False]
    """
    if first == second or (_OPTION.fullmatch(first) and _OPTION.fullmatch(second)):
        return False
    mine, theirs = set(_TOKEN.findall(first)), set(_TOKEN.findall(second))
    alone = len(mine) == len(theirs) == 1
    prose = any(_word(token) for token in mine | theirs)
    others = {token.casefold(): token for token in theirs - mine}
    return any(
        (other := others.get(token.casefold())) is not None and _differs(token, other, alone=alone, prose=prose)
        for token in mine - theirs
    )


def _word(token: str) -> bool:
    return len(token) >= _PROSE and token[0] != "\\" and token.casefold() not in _NO_PROSE


def _differs(one: str, other: str, *, alone: bool, prose: bool) -> bool:
    folded = one.casefold()
    if one[0] == "\\":
        return True
    if folded in YES or folded in NO or folded in _ANY_CASE:
        return False
    if len(one) < _PROSE:
        return not prose
    if not alone:
        return False
    plain = all(name.islower() or name.isupper() or name.istitle() for name in (one, other))
    return folded in _CAPITAL or (len(one) <= _MIXED and not plain)
