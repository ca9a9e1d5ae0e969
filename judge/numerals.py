"""Number words of some fifty languages and their values. Known to the filters (is a value named?) and to the matcher (which?).

Words that mean something else in another language of the table are left out (Danish `fire`, `to`; Turkish `on`; Spanish
`once`): a wrong value pays for a wrong answer, a missing word only sends a right one to the judge.
"""

from __future__ import annotations

import unicodedata
from functools import cache

from judge.words import entries, numbers, rows


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
    """The value of a text that is a number in words.

    One word of any language, zero to 120 in some fifty, English compounds below a million, Chinese numerals below 10^8.

    Example:
        >>> spoken("Forty-two"), spoken("zwölf"), spoken("two hundred and five"), spoken("quatre-vingt-dix"), spoken("二百五十")
        (42, 12, 205, 90, 250)
        >>> spoken("two apples") is spoken("two three") is None
        True
    """
    if len(text) > _LONGEST:
        return None
    written = _spaced(text.casefold())
    folded = fold(written)
    words = [w for w in folded.split() if w != "and"]
    value = None
    if words and len(words) <= 12 and all(w in VALUES for w in words):
        value = VALUES[words[0]] if len(words) == 1 else _compound([VALUES[w] for w in words], words)
    if value is None:
        value = _counting().get(written, _counting().get(folded))
    return _chinese(written) if value is None else value


def readings(text: str) -> frozenset[int]:
    """Every value that a text has as a number in words of some language, also where it is another word elsewhere.

    `once` is 11 in Spanish and `on` 10 in Turkish, so this says what a whole answer may mean, and never what it does.

    Example:
        >>> sorted(readings("once")), sorted(readings("Un seul")), sorted(readings("\u4e24\u4e2a")), sorted(readings("perhaps"))
        ([1, 11], [1], [2], [])
    """
    if len(text) > _LONGEST:
        return frozenset()
    written = _spaced(unicodedata.normalize("NFC", text.casefold()).strip(" .!\u3002"))
    found = set[int]()
    bare = " ".join(word for word in written.split() if fold(word) not in _ONLY) or written
    for form in {written, bare, fold(bare), bare.rstrip(_CLASSIFIERS)} - {""}:
        found |= _all_readings().get(form, set())
        if (value := spoken(form)) is not None:
            found.add(value)
    return frozenset(found)


_ONLY = frozenset(map(fold, entries("only this many")))
_CLASSIFIERS = "\u4e2a\u500b\u3064\u4eba\u679a\u672c\u53ea\u96bb\u6761\u689d\u6b21\u56de\uac1c\uba85"


@cache
def _all_readings() -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    tables = [(value, word) for language in rows("counting") for value, word in enumerate(language)]
    also = [
        (value, word) for language in rows("also") for value, words in enumerate(language) for word in words.split(",") if word
    ]
    for value, word in [*tables, *also]:
        for form in {written := _spaced(unicodedata.normalize("NFC", word.casefold())), fold(written)}:
            found.setdefault(form, set()).add(value)
    return found


_LONGEST = 120  # characters; the words of 999,999 are shorter


def _spaced(text: str) -> str:
    return " ".join(text.replace("-", " ").split())


@cache
def _counting() -> dict[str, int]:
    """The words of zero to 120 in many languages -> value, as written and without accents.

    Words of up to four plain letters are left out: they are words of other languages (Danish `fire`, Esperanto `ok`).
    """
    found = {}
    for language in rows("counting"):
        for value, words in enumerate(language):
            for word in {written := _spaced(unicodedata.normalize("NFC", words.casefold())), fold(written)}:
                if " " in word or not word.isascii() or len(word) > 4:
                    found[word] = value
    return {word: value for word, value in found.items() if word not in _OTHERWISE}


_DIGITS = {
    char: value
    for value, chars in enumerate(("零〇", "一", "二两兩", "三", "四", "五", "六", "七", "八", "九"))
    for char in chars
}
_TENS = {"十": 10, "百": 100, "千": 1000}


def _chinese(text: str) -> int | None:
    """Chinese and Japanese numerals: `两千零二十四`, `十二`, `三万`."""
    if not text or len(text) > 20 or any(c not in _DIGITS and c not in _TENS and c not in "万萬" for c in text):
        return None
    total = part = digit = 0
    last = 10_000
    for char in text:
        if char in _DIGITS:
            if digit:
                return None
            digit = _DIGITS[char]
        elif char in _TENS:
            if _TENS[char] >= last or (not digit and char != "十"):
                return None
            part, digit, last = part + (digit or 1) * _TENS[char], 0, _TENS[char]
        else:
            if total or not part + digit:
                return None
            total, part, digit, last = (part + digit) * 10_000, 0, 0, 10_000
    return total + part + digit


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
