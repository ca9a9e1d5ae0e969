"""Text that says nothing to a judge, as long as it has to be.

An answer changes when anything is added to it. The same length of neutral text in the same place shows how much of a
score's move is the attack's own.
"""

from __future__ import annotations

import random

_SENTENCES = (
    "The morning was mild and a little cloudy.",
    "A bus stops at the corner every ten minutes.",
    "The shop on the square sells bread and fruit.",
    "Some birds were sitting on the fence.",
    "The library opens after lunch on weekdays.",
    "There is a small garden behind the house.",
    "A letter arrived in the afternoon.",
    "The chairs in the hall are made of wood.",
    "It had rained for a while during the night.",
    "The path along the river is quiet in winter.",
    "Two people were waiting at the station.",
    "The kettle stood on the table by the window.",
)


def neutral(length: int, rng: random.Random) -> str:
    """Benign sentences, exactly `length` characters (at least 1).

    Example:
        >>> len(neutral(100, random.Random(0)))
        100
    """
    order = list(_SENTENCES)
    rng.shuffle(order)
    once = " ".join(order) + " "
    text = (once * (length // len(once) + 1))[: max(1, length)]
    return text[:-1] + "." if text.endswith(" ") else text
