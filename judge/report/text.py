"""Untrusted text -> one line that shows every character it holds, whatever the terminal or browser.

Attack strings are blanks, bidirectional marks, invisible tags and terminal escapes: printed as they are, a reader sees
nothing, or something else.
"""

from __future__ import annotations

import json
import math
import unicodedata
from typing import Any

_PLAIN = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\"}
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Mn", "Me"}  # control, format, unassigned, separators, combining marks
_BLANK_LETTERS = {0x115F, 0x1160, 0x2800, 0x3164, 0xFFA0}  # letters and symbols that draw nothing


def visible(text: str, limit: int = 60) -> str:
    """Text as one printable line in double quotes; what draws nothing is written as an escape.

    Args:
        limit: Characters shown at most; the middle is left out of a longer line.

    Example:
        >>> visible("a\\u200b\\n")
        '"a\\\\u200b\\\\n"'
        >>> visible("x" * 30, limit=11)
        '"xxxxx…xxxxx" (30 characters)'
    """
    cut = text if len(text) <= 4 * limit else text[: 2 * limit] + text[-2 * limit :]  # a megabyte is not escaped to be cut
    line = "".join(map(_shown, cut))
    if len(line) <= limit and len(cut) == len(text):
        return f'"{line}"'
    head = limit // 2
    return f'"{line[:head]}…{line[len(line) - (limit - head - 1) :]}" ({len(text):,} characters)'


def _shown(char: str) -> str:
    if char in _PLAIN:
        return _PLAIN[char]
    code, category = ord(char), unicodedata.category(char)
    if category in _HIDDEN or code in _BLANK_LETTERS or (category == "Zs" and char != " "):
        return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    return char


def printable(text: str) -> str:
    """Text of several lines that a terminal can be given: line ends, tabs and accents stay, and what would steer the terminal
    or hide is written as an escape.

    Example:
        >>> printable("one\\ntwo\\x1b[2J\\u202e")
        'one\\ntwo\\\\u001b[2J\\\\u202e'
    """
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return "".join(map(_harmless, text))


def _harmless(char: str) -> str:
    if char in "\n\t" or (unicodedata.category(char) in ("Mn", "Me", "Zs") and ord(char) < 0x10000):  # words of many languages
        return char
    return char if char == "\\" else _shown(char)


def json_text(value: Any, indent: int | None = None) -> str:
    """JSON that a terminal can be given: what would steer it or hide is an escape of JSON, so a reader gets the same value.

    Example:
        >>> print(json_text({"said": "caf\u00e9 \\x9b2J\\u202e\\x7f"}))
        {"said": "caf\u00e9 \\u009b2J\\u202e\\u007f"}
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return "".join(char if _harmless(char) == char else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    """One character as JSON writes it: beyond the basic plane as two surrogates."""
    return json.dumps(char)[1:-1] if ord(char) > 0x7F else f"\\u{ord(char):04x}"


def percent(share: float | None, digits: int = 1) -> str:
    """A share in [0, 1] as a percentage; a dash where there is none.

    Example:
        >>> percent(0.126), percent(None), percent(0.00004)
        ('12.6 %', '–', '0.0 %')
    """
    return "–" if share is None or math.isnan(share) else f"{100 * share:.{digits}f} %"
