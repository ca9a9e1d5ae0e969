"""Which criteria say the same: pairs by meaning, with the differences that no vector sees looked for in the words.

A small encoder puts "names the dose" beside "does not name the dose", and "the capital of France" beside "the capital of
Spain". So two criteria are the same only where they count in the same direction, negate alike, hold the same numbers and
names, and differ in no word that turns the meaning (`judge.rubric.opposites`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from judge.arrays import Floats
from judge.rubric.model import Criterion
from judge.rubric.opposites import contrary
from judge.rubric.polarity import without_subject

Alike = Callable[[Sequence[str]], Floats]
"""Texts -> how alike each two of them are, shape (texts, texts), 1 for the same meaning; see `judge.similarity.alike_texts`."""

SAME = 0.85  # likeness from which two criteria are one; measured on published rubrics in docs/rubrics.md
NEARLY = 0.5  # likeness from which two texts are worth a look at their words
_NUMBER = re.compile(r"\d++(?:[.,]\d++)*+")
_NAME = re.compile(r"(?<=[\w,;:()“”\"'] )[A-Z]\w+|\b[A-Z]{2,}\b")
_COUNTED = "two three four five six seven eight nine ten eleven twelve".split()
_COUNT = re.compile(rf"\b(?:{'|'.join(_COUNTED)})\b", re.I)
_IN_QUOTES = re.compile(r"[\"“]([^\"“”]{1,60})[\"”]")
_NOT = re.compile(
    r"\b(?:not?(?! (?:more|fewer|less|longer|shorter) than\b)|never|none|nothing|without|avoids?|avoiding"
    r"|cannot|fails?|omits?|lacks?|neither|nor|excludes?|refrains?|declines?"
    r"|refuses?|hardly|rarely|seldom|barely|scarcely|devoid|absen(?:t|ce)|free (?:of|from)|zero)\b|n't\b",
    re.I,
)


def likeness(criteria: Sequence[Criterion], alike: Alike, nearly: float = NEARLY) -> Floats:
    """How alike each two criteria are, shape (criteria, criteria); 0 where they cannot be one whatever their meaning.

    Args:
        nearly: Likeness from which the words of two are looked at for one that turns the meaning.

    Example:
        >>> from judge.similarity import alike_texts
        >>> texts = ("Names the dose.", "The response names the dose.", "Does not name the dose.")
        >>> same = likeness([Criterion(id=f"c{i}", text=t) for i, t in enumerate(texts)], alike_texts("hashing"))
        >>> [round(float(v), 3) for v in same[0]]
        [1.0, 1.0, 0.0]
    """
    if not criteria:
        return np.zeros((0, 0))
    matrix = np.array(alike([without_subject(c.text) for c in criteria]), dtype=np.float64)
    numbers: dict[tuple[object, ...], int] = {}
    kind = np.array([numbers.setdefault(marks(c.text, c.negative, c.check, c.args), len(numbers)) for c in criteria])
    for i in range(len(criteria)):
        apart = kind[:i] != kind[i]
        near = np.flatnonzero(~apart & (matrix[i, :i] >= nearly)).tolist()
        apart[[j for j in near if contrary(criteria[i].text, criteria[j].text)]] = True
        matrix[i, :i][apart] = matrix[:i, i][apart] = 0.0
    np.fill_diagonal(matrix, 1.0)
    return matrix


def marks(text: str, negative: bool, check: str = "llm", args: Mapping[str, Any] | None = None) -> tuple[object, ...]:
    """What two criteria that are one have in common: direction, negation, numbers and names, program.

    Example:
        >>> marks("Names the dose.", False) == marks("Does not name the dose.", False)
        False
    """
    program = (check, repr(sorted((args or {}).items()))) if check != "llm" else ()
    return negative, len(_NOT.findall(text)) % 2, names_and_numbers(text), program


def names_and_numbers(text: str) -> frozenset[str]:
    """What makes a criterion one of a series: its numbers, what it quotes, and its words with a capital inside a sentence.

    Example:
        >>> sorted(names_and_numbers("Names the 2 rivers of Spain."))
        ['2', 'Spain']
    """
    numbers = frozenset(_NUMBER.findall(text)) | {str(_COUNTED.index(w.lower()) + 2) for w in _COUNT.findall(text)}
    return numbers | frozenset(_NAME.findall(text)) | frozenset(_IN_QUOTES.findall(text))


def groups_of(matrix: Floats, least: float = SAME) -> list[list[int]]:
    """Items that say the same, each in one group, in the order of their first member.

    An item joins the group whose every member is at least `least` alike to it: a chain of small steps does not make one group.

    Example:
        >>> groups_of(np.array([[1, 0.9, 0.1], [0.9, 1, 0.8], [0.1, 0.8, 1]]), 0.7)
        [[0, 1], [2]]
    """
    groups: list[list[int]] = []
    own = np.zeros(len(matrix), dtype=np.intp)  # the group of each item so far
    for item in range(len(matrix)):
        near, counts = np.unique(own[:item][matrix[item, :item] >= least], return_counts=True)
        whole = [k for k, count in zip(near.tolist(), counts.tolist(), strict=True) if count == len(groups[k])]
        fitting = [(float(matrix[item, groups[k]].mean()), -k) for k in whole]
        own[item] = -max(fitting)[1] if fitting else len(groups)
        if fitting:
            groups[own[item]].append(item)
        else:
            groups.append([item])
    return groups


def matched(old: Sequence[Criterion], new: Sequence[Criterion], alike: Alike, least: float) -> list[tuple[int, int, float]]:
    """Each criterion of one list with the one of another that says the same: (place, place, likeness), most alike in total.

    Equal texts are paired first, then equal ids whose texts are alike, then by meaning (an assignment of greatest total
    likeness; Kuhn 1955, "The Hungarian method").
    """
    pairs = _equal(old, new)
    left = [i for i in range(len(old)) if i not in {a for a, _, _ in pairs}]
    right = [j for j in range(len(new)) if j not in {b for _, b, _ in pairs}]
    if not left or not right:
        return sorted(pairs)
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415  # half a second that `judge --help` need not pay

    matrix = np.array(alike([without_subject(c.text) for c in [*(old[i] for i in left), *(new[j] for j in right)]]))
    scores = matrix[: len(left), len(left) :] + np.array([[0.3 * (old[i].id == new[j].id) for j in right] for i in left])
    for a, b in zip(*linear_sum_assignment(-scores), strict=True):
        if scores[a, b] >= least:
            pairs.append((left[a], right[b], float(matrix[a, len(left) + b])))
    return sorted(pairs)


def _equal(old: Sequence[Criterion], new: Sequence[Criterion]) -> list[tuple[int, int, float]]:
    free: dict[str, list[int]] = {}
    for j, c in enumerate(new):
        free.setdefault(c.text, []).append(j)
    pairs = []
    for i, c in enumerate(old):
        if places := free.get(c.text):
            same = next((j for j in places if new[j].id == c.id), places[0])
            places.remove(same)
            pairs.append((i, same, 1.0))
    return pairs
