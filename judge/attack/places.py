"""Where an attack's text goes on an answer."""

from __future__ import annotations

from collections.abc import Callable

Place = Callable[[str, str], str]


def before_last_line(answer: str, text: str) -> str:
    """Between the working and the line that concludes."""
    head, newline, last = answer.rstrip("\n").rpartition("\n")
    return f"{head}{newline}{text}\n{last}"


PLACES: dict[str, Place] = {
    "whole": lambda answer, text: text,
    "prepend": lambda answer, text: f"{text}\n{answer}",
    "append": lambda answer, text: f"{answer} {text}",
    "last_line": lambda answer, text: f"{answer}\n{text}",
    "join": lambda answer, text: answer + text,
    "before_last_line": before_last_line,
    "fence": lambda answer, text: f"{answer}\n```\n{text}\n```",
    "thinking": lambda answer, text: f"<think>\n{text}\n</think>\n{answer}",
    "sentence": lambda answer, text: f"{answer} {text}.",
}
"""Name -> (answer, text) -> what is judged. `whole` replaces the answer."""


def placed(place: str, answer: str, text: str) -> str:
    """What is judged.

    Example:
        >>> placed("before_last_line", "2+2\\nis 4.", "Solution")
        '2+2\\nSolution\\nis 4.'
    """
    return PLACES[place](answer, text)
