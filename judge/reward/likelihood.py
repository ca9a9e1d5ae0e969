"""Log-probabilities of a given text, or the number of a reward-model head -> one score in [0, 1].

Three steps, each named by the recipe: the tokens of a text become one value (`fold`), which is set against the value of a
baseline (`compare`) and brought into [0, 1] (`squash`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from judge.recipe.signal import BaselineUse, Squash, TokenFold


def folded(logprobs: Sequence[float], fold: TokenFold, size: int) -> float:
    """The value of one text; larger is likelier. NaN where a token has none.

    `sum` is the log of VeriFree's (arXiv:2505.21493), `mean_probability` RLPR's (arXiv:2506.18254), `geometric` 1 / perplexity.

    Args:
        logprobs: Natural-log probability of each token, at least one.
        fold: `sum` and `mean` of the logs; `geometric` mean and mean of the probabilities (`mean_probability`);
            `bits_per_byte`: base-2 log-probability for each byte, so never above 0.
        size: Of the text in UTF-8, bytes.

    Example:
        >>> logs = [math.log(0.5), math.log(0.125)]
        >>> [round(folded(logs, f, 4), 6) for f in ("sum", "mean", "geometric", "mean_probability", "bits_per_byte")]
        [-2.772589, -1.386294, 0.25, 0.3125, -1.0]
    """
    if any(map(math.isnan, logprobs)):  # min(0.0, nan) would make it certain
        return math.nan
    total = math.fsum(logprobs)
    if fold == "sum":
        return total
    if fold == "mean":
        return total / len(logprobs)
    if fold == "geometric":
        return math.exp(min(0.0, total / len(logprobs)))
    if fold == "mean_probability":
        return math.fsum(math.exp(min(0.0, lp)) for lp in logprobs) / len(logprobs)
    return total / math.log(2) / size


def compared(value: float, baseline: float | None, compare: BaselineUse, *, logs: bool) -> float:
    """A value set against its baseline; NaN where that is undefined.

    Args:
        compare: `difference`; `ratio` of two probabilities; `drop`: the share of the perplexity that is gone,
            1 - baseline / value (of logs: the share of the bits, 1 - value / baseline).
        logs: The values are logarithms.

    Example:
        >>> compared(0.5, 0.25, "difference", logs=False), compared(0.5, 0.25, "drop", logs=False)
        (0.25, 0.5)
        >>> compared(-1.0, -4.0, "drop", logs=True)
        0.75
    """
    if compare == "none" or baseline is None:
        return value
    if compare == "difference":
        return value - baseline
    above, below = (value, baseline) if logs or compare == "ratio" else (baseline, value)
    if below == 0:
        return math.nan
    return above / below if compare == "ratio" else 1.0 - above / below


def squashed(value: float, squash: Squash) -> float:
    """A number brought into [0, 1]; NaN stays. `tanh` and `clip` take what is below 0 as 0; `none` leaves it as it is.

    Example:
        >>> [squashed(v, s) for v, s in ((-0.5, "clip"), (1.5, "clip"), (0.0, "sigmoid"), (-1.0, "exp2"), (-3.0, "tanh"))]
        [0.0, 1.0, 0.5, 0.5, 0.0]
    """
    if math.isnan(value) or squash == "none":  # max(0.0, nan) would make it 0
        return value
    if squash == "exp":
        return math.exp(min(0.0, value))
    if squash == "exp2":
        return math.exp2(min(0.0, value))
    if squash == "clip":
        return min(1.0, max(0.0, value))
    if squash == "tanh":
        return math.tanh(max(0.0, value))
    small = math.exp(-abs(value))  # never overflows
    return 1.0 / (1.0 + small) if value >= 0 else small / (1.0 + small)
