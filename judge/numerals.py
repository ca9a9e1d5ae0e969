"""Number words of some twenty languages and their values. Known to the filters (is a value named?) and to the matcher (which?).

Words that mean something else in another language of the table are left out (Danish `fire`, `to`; Turkish `on`; Spanish
`once`): a wrong value pays for a wrong answer, a missing word only sends a right one to the judge.
"""

from __future__ import annotations

import unicodedata

from judge.words import entries, numbers


def fold(word: str) -> str:
    """Lower case, without Latin and Greek accents: `Sólución` and `solucion` are one word.

    Example:
        >>> fold("Lösung"), fold("ΛΎΣΗ"), fold("समाधान")
        ('losung', 'λυση', 'समाधान')
    """
    word = word.casefold()
    if word.isascii():
        return word
    bare = "".join(c for c in unicodedata.normalize("NFD", word) if not "\u0300" <= c <= "\u036f")
    return unicodedata.normalize("NFC", bare)


SCALES = numbers("scales")
_OTHERWISE = frozenset(entries("no numbers"))  # other words elsewhere
VALUES = {w: n for word, n in (numbers("numbers") | SCALES).items() if (w := fold(word)) not in _OTHERWISE}
"""Folded word -> value."""


def spoken(text: str) -> int | None:
    """The value of a text that is a number in words: one word of any language, or English compounds below a million.

    Example:
        >>> spoken("Forty-two"), spoken("zwölf"), spoken("two hundred and five"), spoken("two apples")
        (42, 12, 205, None)
    """
    words = [w for w in fold(text).replace("-", " ").split() if w != "and"]
    if not words or len(words) > 12 or any(w not in VALUES for w in words):
        return None
    if len(words) == 1:
        return VALUES[words[0]]
    return _compound([VALUES[w] for w in words], words)


def _compound(values: list[int], words: list[str]) -> int | None:
    """Tens + units, and multiples of a hundred and up; None where the words make no one number (`two three`)."""
    total, part, last = 0, 0, 10**13
    for value, word in zip(values, words, strict=True):
        if word in SCALES and word != "hundred":
            if not part or value >= last:
                return None
            total, part, last = total + part * value, 0, value
        elif word == "hundred":
            if not 0 < part < 100:
                return None
            part *= 100
        elif part == 0 or (part % 100 == 0 and value < 100) or (part % 100 >= 20 and part % 10 == 0 and 0 < value < 10):
            part += value
        else:
            return None
    return total + part
