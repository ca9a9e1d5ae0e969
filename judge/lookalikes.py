"""Look-alike characters -> the plain ones, position by position.

Shared by quoting and parsing: what a reader of verdicts takes for a colon or a bracket, quoting must take for one too.
"""

from __future__ import annotations

import re
import unicodedata

FOLD: dict[int, str] = {
    **{code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)},  # full-width forms
    **dict.fromkeys((0x0B, 0x0C, 0x1C, 0x1D, 0x1E, 0x85, 0x2028, 0x2029), "\n"),
    **dict.fromkeys((0xA0, 0x3000, 0x202F, 0x205F, *range(0x2000, 0x200B)), " "),
    **dict.fromkeys((0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF, 0xAD, 0x200E, 0x200F, *range(0x202A, 0x202F)), " "),
    0x2212: "-",
}
_ASCII = "\r\x0b\x0c\x1c\x1d\x1e"
_FOLDED = re.compile("[" + "".join(map(chr, sorted(FOLD))) + "\r]")


def fold(text: str) -> str:
    """Make look-alike characters plain (full-width forms, odd spaces and line ends), one for one: positions stay.

    Example:
        >>> fold("ＶＥＲＤＩＣＴ：４")
        'VERDICT:4'
    """
    if not (any(map(text.__contains__, _ASCII)) if text.isascii() else _FOLDED.search(text)):
        return text
    text = text.replace("\r\n", " \n").replace("\r", "\n")
    return text.translate(FOLD)


def composed(text: str) -> str:
    """Letters and their accents as one character each (Unicode form NFC): keyboards and models write either.

    Example:
        >>> composed("re\u0301ussi") == "r\u00e9ussi"
        True
    """
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def spellings(word: str) -> tuple[str, ...]:
    """A word with its accents in both Unicode forms, for patterns; one form where they are equal."""
    return (word,) if word.isascii() else tuple(dict.fromkeys(unicodedata.normalize(form, word) for form in ("NFC", "NFD")))
