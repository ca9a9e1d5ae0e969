"""Which responses of a group to train on, when outcome and steps were judged apart; which criteria a step is judged by."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from judge.arrays import Bools, floats


def consistent(outcomes: ArrayLike, process: ArrayLike, keep: int, *, threshold: float = 0.5) -> Bools:
    """Keep right answers with good steps and wrong answers with bad ones, as many of each as there are.

    PROF (Ye et al. 2025, "Beyond Correctness: Harmonizing Process and Outcome Rewards through RL Training",
    arXiv:2509.03403): process rewards select and are never paid, so they cannot be hacked. Of the right answers those with
    the lowest mean step reward go, of the wrong ones those with the highest, and how many go of each brings the two sides
    as near to equal as they come. Ours: ties go by position, and a response without an outcome or step reward is not
    kept, since nothing says that the two agree.

    Args:
        outcomes: Shape (responses,), of one group; right at or above `threshold`; NaN for absent.
        process: Mean step reward, same shape; NaN for absent.
        keep: Responses to keep, at least 0.

    Returns:
        Shape (responses,): `keep` times True, or fewer when fewer can be used.

    Raises:
        ValueError: Shapes differ, or `keep` is negative.

    Example:
        >>> consistent([1, 1, 1, 0], [0.9, 0.2, 0.6, 0.4], keep=2)
        array([ True, False, False,  True])
    """
    result, steps = floats(outcomes, 1, "outcomes"), floats(process, 1, "process")
    if result.shape != steps.shape or keep < 0:
        raise ValueError(f"{len(result)} outcomes and {len(steps)} step rewards; keep is {keep}")
    usable = ~(np.isnan(result) | np.isnan(steps))
    right = np.flatnonzero(usable & (result >= threshold))
    wrong = np.flatnonzero(usable & (result < threshold))
    right = right[np.argsort(-steps[right], kind="stable")]
    wrong = wrong[np.argsort(steps[wrong], kind="stable")]
    half = (keep + (len(right) >= len(wrong))) // 2
    of_right = min(len(right), max(half, keep - len(wrong)))
    kept = np.zeros(len(result), dtype=np.bool_)
    kept[right[:of_right]] = True
    kept[wrong[: min(len(wrong), keep - of_right)]] = True
    return kept


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
