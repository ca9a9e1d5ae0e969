"""Which responses of a group to train on, when outcome and steps were judged apart; which criteria a step is judged by."""

from __future__ import annotations

import math
from collections.abc import Mapping

TOP = ""  # the parent of the coarsest criteria


def select_criteria(
    parents: Mapping[str, str], relevance: Mapping[str, float | None], *, least: float = 0.5, most: int = 5
) -> tuple[str, ...]:
    """Walk down from the coarse criteria and keep the finest that a step is about.

    DG-PRM (Yin et al. 2025, "Dynamic and Generalizable Process Reward Modeling", arXiv:2507.17849): a reward tree holds the
    criteria, and each step is scored on those selected for it. The rule of selection was not available to us. Ours: a
    criterion is reached when it and all above it are relevant, and stands for itself where none below it is reached.
    `dominating_pairs` then orders steps that were scored on several criteria.

    Args:
        parents: Criterion -> the one above it; "" at the top.
        relevance: Criterion -> how much the step is about it, in [0, 1], from a judge or an embedding; absent: not reached.
        least: A criterion below this is not reached.
        most: Criteria kept: the most relevant, ties by name.

    Raises:
        ValueError: A parent that is no criterion, or a circle.

    Example:
        >>> tree = {"logic": "", "sums": "", "units": "sums", "carry": "sums"}
        >>> select_criteria(tree, {"logic": 0.2, "sums": 0.9, "units": 0.7, "carry": 0.1})
        ('units',)
        >>> select_criteria(tree, {"logic": 0.6, "sums": 0.9, "units": 0.3})
        ('sums', 'logic')
    """
    reached = {name for name in parents if all(_about(relevance.get(above), least) for above in _line(name, parents))}
    finest = reached - {parents[name] for name in reached}
    return tuple(sorted(finest, key=lambda name: (-float(relevance[name] or 0), name))[:most])


def _about(value: float | None, least: float) -> bool:
    return value is not None and not math.isnan(value) and value >= least


def _line(name: str, parents: Mapping[str, str]) -> list[str]:
    """A criterion and all above it."""
    line: list[str] = []
    while name != TOP:
        if name not in parents or name in line:
            raise ValueError(f"`{name}` is {'its own ancestor' if name in line else 'no criterion of the tree'}")
        line.append(name)
        name = parents[name]
    return line
