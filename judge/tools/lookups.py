"""Dates, and the documents of a sample: tools that read and compute, and run nothing."""

from __future__ import annotations

import calendar
import math
import re
from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta

PASSAGE = 600  # characters of a passage
_DATE = r"(\d{4})-(\d{1,2})-(\d{1,2})"
_SHIFT = re.compile(rf"{_DATE}\s*([+-])\s*(\d{{1,6}})\s*(day|week|month|year)s?", re.IGNORECASE)
_BETWEEN = re.compile(rf"{_DATE}\D{{0,40}}?{_DATE}")
_ONE = re.compile(_DATE)
_WORD = re.compile(r"\w+")
_PARAGRAPH = re.compile(r"\n[ \t]*\n\s*")


def dates(question: str) -> str:
    """What a calendar says: `2024-02-28 + 30 days`, `2024-01-01 to 2024-03-01`, `2024-02-29`.

    Example:
        >>> dates("2024-02-28 + 2 days")
        '2024-03-01 (Friday)'
        >>> dates("days from 2024-01-01 to 2024-03-01")
        '60 days'
        >>> dates("Which weekday is 2024-02-29?")
        '2024-02-29 is a Thursday; day 60 of a leap year'
    """
    if found := _SHIFT.search(question):
        start = _date(*found.groups()[:3])
        count = int(found[5]) * (-1 if found[4] == "-" else 1)
        try:
            day = _shifted(start, count, found[6].lower())
        except OverflowError:
            raise ValueError("that is outside the calendar, which has the years 1 to 9999") from None
        return f"{day.isoformat()} ({day:%A})"
    if found := _BETWEEN.search(question):
        first, second = _date(*found.groups()[:3]), _date(*found.groups()[3:])
        days = (second - first).days
        return f"{days} day{'s' * (abs(days) != 1)}"
    if found := _ONE.search(question):
        day = _date(*found.groups())
        year = "a leap year" if calendar.isleap(day.year) else "a year"
        return f"{day.isoformat()} is a {day:%A}; day {day.timetuple().tm_yday} of {year}"
    raise ValueError("write dates as 2024-02-29: one date, two dates, or a date with + or - so many days, weeks, months or years")


def _date(year: str, month: str, day: str) -> date:
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        raise ValueError(f"there is no date {year}-{month}-{day}") from None


def _shifted(start: date, count: int, unit: str) -> date:
    if unit in ("day", "week"):
        return start + timedelta(days=count * (7 if unit == "week" else 1))
    months = start.year * 12 + start.month - 1 + count * (12 if unit == "year" else 1)
    year, month = divmod(months, 12)
    if not 1 <= year <= 9999:
        raise OverflowError
    return date(year, month + 1, min(start.day, calendar.monthrange(year, month + 1)[1]))


def passages(question: str, documents: Sequence[str], most: int = 3) -> str:
    """The passages of some documents that share most with a question, each with its document's number (BM25).

    Example:
        >>> passages("Who wrote Faust?", ["Goethe wrote Faust.", "Water boils at 100 degrees."])
        '[document 1] Goethe wrote Faust.'
    """
    pieces = [(number, piece) for number, text in enumerate(documents, 1) for piece in _pieces(text)]
    words = [Counter(_WORD.findall(piece.casefold())) for _, piece in pieces]
    asked = set(_WORD.findall(question.casefold()))
    if not pieces or not asked:
        return "(nothing found)"
    mean = sum(map(Counter.total, words)) / len(words)
    rare = {w: math.log(1 + (len(words) - n + 0.5) / (n + 0.5)) for w in asked if (n := sum(w in c for c in words))}

    def score(counts: Counter[str]) -> float:
        length = 0.25 + 0.75 * counts.total() / mean
        return sum(rare[w] * counts[w] * 2.5 / (counts[w] + 1.5 * length) for w in rare if counts[w])

    ranked = sorted(((score(c), -place) for place, c in enumerate(words)), reverse=True)[:most]
    found = [pieces[-place] for value, place in ranked if value > 0]
    return "\n".join(f"[document {number}] {piece}" for number, piece in found) or "(nothing found)"


def _pieces(text: str) -> list[str]:
    """Paragraphs, long ones cut at sentences."""
    out: list[str] = []
    for paragraph in _PARAGRAPH.split(text.strip()):
        rest = paragraph.strip()
        while len(rest) > PASSAGE:
            at = max(rest.rfind(mark, 0, PASSAGE) for mark in (". ", "! ", "? ", "\n", " "))
            cut = at + 1 if at > PASSAGE // 4 else PASSAGE
            out.append(rest[:cut].strip())
            rest = rest[cut:].strip()
        out.append(rest)
    return [piece for piece in out if piece]
