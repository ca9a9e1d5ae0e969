"""Step scores -> what each step is paid in training.

Summed step rewards pay for writing many good-looking steps. Everything here bounds the sum: by the worst step, by
differences that cancel, or by the outcome (Clip and Delta, arXiv:2410.15115: `judge.shape.scalar.step_returns`).
Shape (steps,) throughout, one response at a time. An absent step makes absent what depends on it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from judge.arrays import Floats, floats, unit


def min_returns(steps: ArrayLike) -> Floats:
    """Value of each step: the least reward from there on (PURE, arXiv:2504.15275), in place of the sum.

    Returns:
        Same shape, never falling along the text; NaN up to and including the last absent step.

    Example:
        >>> min_returns([0.9, 0.2, 0.8, np.nan, 0.7])
        array([nan, nan, nan, nan, 0.7])
        >>> min_returns([0.9, 0.2, 0.8])
        array([0.2, 0.2, 0.8])
    """
    scores = floats(steps, 1, "steps")
    return np.asarray(np.minimum.accumulate(scores[::-1])[::-1], dtype=np.float64)


def information_gain(answer_chance: ArrayLike, outcome: float | None = None) -> Floats:
    """How much each turn raised the probability of the reference answer; the last turn is paid the outcome.

    IGPO (Wang et al. 2025, "Information Gain-based Policy Optimization", arXiv:2510.14967): r_t = p_t - p_(t-1) before the
    last turn, with p the length-normalised probability of the reference answer after turn t.

    Args:
        answer_chance: Before the first turn and after each turn but the answer, shape (turns,), in [0, 1]; NaN for absent.
        outcome: Reward of the final answer; None when absent.

    Returns:
        Shape (turns,): the gains, then the outcome.

    Example:
        >>> information_gain([0.125, 0.5, 0.25], outcome=1.0)
        array([ 0.375, -0.25 ,  1.   ])
    """
    chance = unit(answer_chance, name="answer_chance")
    return np.append(np.diff(chance), np.nan if outcome is None else float(outcome))


def sequence_chance(logprobs: ArrayLike) -> float:
    """Probability of a given text, length-normalised: exp of the mean log-probability of its tokens.

    What IGPO takes as p of the reference answer. `chances_after` asks an engine for it.

    Args:
        logprobs: Natural log, shape (tokens,), not above 0; NaN for absent.

    Returns:
        In [0, 1]; NaN without tokens or when one is absent.

    Example:
        >>> round(sequence_chance(np.log([0.5, 0.125])), 6)
        0.25
    """
    tokens = np.array(logprobs, dtype=np.float64)  # not `floats`: a forbidden token is -inf
    if tokens.ndim != 1 or (tokens > 0).any():
        raise ValueError("logprobs must be one row of numbers not above 0")
    return float(np.exp(tokens.mean())) if tokens.size else float("nan")


def rollout_value(verdicts: ArrayLike, outcome: float | None) -> float:
    """Value of a solution whose steps a tool has checked: (sum_i v_i (N - i) / N + outcome) / N.

    GroundedPRM (Zhang et al. 2025, arXiv:2510.14942), where each simulated step is judged with a tool's result as evidence;
    i counts from 0, so earlier steps weigh more, and the final answer weighs as much as the first.

    Args:
        verdicts: Of the steps before the final answer: 1 right, -1 wrong, shape (N,); NaN for absent.
        outcome: 1 or -1 for the final answer; None when absent.

    Returns:
        The outcome itself without a step before it, as in the authors' code. NaN when a verdict or the outcome is absent.

    Example:
        >>> rollout_value([1, 1], outcome=-1)  # (1 + 1/2 - 1) / 2
        0.25
    """
    signs = floats(verdicts, 1, "verdicts")
    if (np.abs(signs) > 1).any() or (outcome is not None and abs(outcome) > 1):
        raise ValueError("verdicts and outcome must be in [-1, 1]")
    if outcome is None:
        return float("nan")
    if not signs.size:
        return float(outcome)
    share = np.arange(len(signs), 0, -1) / len(signs)
    return float((signs @ share + outcome) / len(signs))


def critique_f1(matches: ArrayLike) -> float:
    """How well a judge's critique covers a person's: F1 over their points.

    RM-NLHF (Wang et al. 2026, "Reward Modeling from Natural Language Human Feedback", arXiv:2601.07349) rewards a judge in
    training by the similarity of the core arguments. Ours: the similarity is F1, and which points match is for the
    caller (a judge, or a program) to say.

    Args:
        matches: Shape (judge's points, person's points): how far two points say the same, in [0, 1]; NaN for absent.

    Returns:
        In [0, 1]: harmonic mean of the mean best match of the judge's points and that of the person's. 0 when one side has
        no points; NaN when a match is absent or both have none.

    Example:
        >>> critique_f1([[1, 0, 0], [0, 0, 0]])  # precision 1/2, recall 1/3
        0.4
    """
    table = unit(matches, 2, "matches")
    if table.shape == (0, 0) or np.isnan(table).any():
        return float("nan")
    if not table.size:
        return 0.0
    precision, recall = float(table.max(axis=1).mean()), float(table.max(axis=0).mean())
    return 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0
