"""What a data set's label says about the responses of a row, in every public form. Judges never see it.

The label itself is kept as it is (`metadata["label"]`); what it comes to is `metadata["preferred"]`: `A`, `B` or `tie` of a
pair, the positions of the right ones of a list.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

Best = Literal["", "from 0", "from 1", "signed", "annotators", "1 or 0"]
"""How the numbers of a data set are meant (`judge.batch.layouts.RowLayout`)."""

_FIRST = frozenset(
    {"a", "a>b", "a>>b", "model_a", "response_a", "model_1", "response_1", "first", "chosen_a", "[[a]]", "output_1"}
)
_SECOND = frozenset(
    {"b", "b>a", "b>>a", "a<b", "a<<b", "model_b", "response_b", "model_2", "response_2", "second", "[[b]]", "output_2"}
)
_NAMES = ("model", "response", "output", "answer", "assistant", "completion", "option", "candidate", "system")
_FIRST |= {f"{name}_{end}" for name in _NAMES for end in ("a", "1")}
_SECOND |= {f"{name}_{end}" for name in _NAMES for end in ("b", "2")}
_APART = re.compile(r"[\s_-]+")
_TIE = frozenset({"tie", "a=b", "b=a", "same", "equal", "draw", "tie (bothbad)", "bothbad", "both_bad", "[[c]]", "c"})


def preferred(label: Any, count: int, best: Best = "") -> Any:
    """What a label comes to; None where it does not say.

    Args:
        count: Responses of the row.
        best: How the data set's numbers are meant; without it a number says nothing about a pair.

    Example:
        >>> [preferred(x, 2) for x in ("A>B", "model_b", "tie (bothbad)", 1)]
        ['A', 'B', 'tie', None]
        >>> preferred(-2, 2, "signed"), preferred(2, 2, "from 1"), preferred([1, 1, 0], 2, "annotators")
        ('A', 'B', 'A')
        >>> preferred([True, False, True], 3), preferred([0, 2], 3)
        ([0, 2], [0, 2])
    """
    if isinstance(label, str):
        word = label.strip().casefold()
        name = _APART.sub("_", word.strip(".'\"` "))
        side = "A" if {word, name} & _FIRST else "B" if {word, name} & _SECOND else "tie" if {word, name} & _TIE else None
        if side is not None and count == 2:
            return side
        number = _number(word)
        return None if number is None else preferred(number, count, best)
    if isinstance(label, list | tuple):
        return _of_list(list(label), count, best)
    if count != 2 or isinstance(label, bool) or not isinstance(label, int | float):
        return None
    if isinstance(label, float) and not math.isfinite(label):  # "inf", "1e999": no side
        return None
    return _side(label, best)


def truth_of(kept: Mapping[str, Any], index: int, count: int = 1) -> float | None:
    """What the label of a row says of one of its responses: 1 right (or the better one), 0 wrong; None where it says neither.

    Args:
        kept: `label` and `preferred`, as metadata of a sample has them.
        count: Responses of the row. One number for several of them says which is better, or nothing, and not that all are right.

    Example:
        >>> truth_of({"preferred": "B"}, 1), truth_of({"label": True}, 0), truth_of({"label": 0.7}, 0), truth_of({}, 0)
        (1.0, 1.0, None, None)
    """
    better, label = kept.get("preferred"), kept.get("label")
    if better in ("A", "B"):
        return float("AB".index(better) == index)
    if isinstance(better, list):
        return float(index in better)
    if isinstance(better, str) and better.strip().casefold() == "tie":  # the votes in `label` are of annotators, not of responses
        return None
    if isinstance(label, list) and index < len(label):
        label = label[index]
    elif count > 1:
        return None
    return float(label) if isinstance(label, bool) or label in (0, 1) else None


def truths_of(kept: Mapping[str, Any], count: int) -> tuple[float | None, ...]:
    """What the label of a row says of each of its responses, as `truth_of`; a `preferred` that was never worked out is.

    Example:
        >>> truths_of({"label": "a>b"}, 2), truths_of({"preferred": [0, 2]}, 3), truths_of({"label": "tie"}, 2)
        ((1.0, 0.0), (1.0, 0.0, 1.0), (None, None))
    """
    said, label = kept.get("preferred"), kept.get("label")
    better = preferred(label, count) if said is None else said.strip().upper() if isinstance(said, str) else said
    return tuple(truth_of({"preferred": better, "label": label}, index, count) for index in range(count))


def _side(number: float, best: Best) -> str | None:
    if best == "signed":
        return "A" if number < 0 else "B" if number > 0 else "tie"
    if best == "1 or 0":
        return "A" if number == 1 else "B"
    if best in ("from 0", "from 1", "annotators"):
        place = number - (best != "from 0")  # of 0 to 1: AlpacaEval writes 1.98 where the second is nearly sure to be better
        return "tie" if place == 0.5 or not 0 <= place <= 1 else "AB"[place > 0.5]
    return None


def _of_list(labels: list[Any], count: int, best: Best) -> Any:
    if best == "annotators":
        votes = Counter(side for one in labels if (side := preferred(one, 2, "annotators")) is not None)
        if not votes:
            return None
        (first, most), *rest = [*votes.most_common(2), ("tie", 0)]
        return "tie" if rest and rest[0][1] == most else first
    if len(labels) == count and all(isinstance(one, bool) for one in labels):
        return [place for place, right in enumerate(labels) if right]
    if all(isinstance(one, int) and not isinstance(one, bool) and 0 <= one < count for one in labels) and len(set(labels)) == len(
        labels
    ):
        return labels if len(labels) < count or count == 1 else None  # all positions are ranks or votes
    return None


def _number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None
