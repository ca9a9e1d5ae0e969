"""Which tokens a step is, and which of them its reward goes to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from judge.arrays import Floats, floats
from judge.recipe.steps import Span

Spread = Literal["last", "all", "even"]


def token_spans(spans: Sequence[Span | None], offsets: Sequence[tuple[int, int]]) -> tuple[Span | None, ...]:
    """Ranges of characters -> ranges of tokens.

    A token belongs to the step that its first character is in, so no token is paid twice; a token that only starts in the
    white space before a step belongs to the step if it reaches into it.

    Args:
        spans: Ranges of characters, in order, not overlapping.
        offsets: Characters of each token, as fast tokenizers report them (`return_offsets_mapping`), in order; empty
            ranges, as of special tokens, belong to no step.

    Returns:
        None for a step without a range or without a token.

    Example:
        >>> token_spans([Span(0, 5), Span(7, 12)], [(0, 1), (1, 5), (5, 9), (9, 12), (0, 0)])
        (Span(start=0, stop=2), Span(start=2, stop=4))
    """
    tokens: list[list[int]] = [[] for _ in spans]
    known = [(span, number) for number, span in enumerate(spans) if span is not None]
    current = 0
    for token, (start, stop) in enumerate(offsets):
        while start < stop and current < len(known) and known[current][0].stop <= start:
            current += 1
        if start < stop and current < len(known) and known[current][0].start < stop:
            tokens[known[current][1]].append(token)
    return tuple(Span(t[0], t[-1] + 1) if t else None for t in tokens)


def token_rewards(rewards: ArrayLike, spans: Sequence[Span | None], tokens: int, spread: Spread = "last") -> Floats:
    """Put each step's (or span's) reward on its tokens, for trainers that take dense rewards.

    DRLC/RELC (Cao et al. 2024, arXiv:2401.07382) pay for tokens and spans that a critic marked; PURE pays at the last token
    of a step.

    Args:
        rewards: Shape (steps,); NaN for absent.
        spans: Ranges of tokens, one a step.
        tokens: Tokens in the response.
        spread: On the `last` token, the same on `all`, or divided `even`ly among them.

    Returns:
        Shape (tokens,). 0 where no step says anything, since nothing is paid there; NaN where an absent reward would go. A
        step without a range is paid nowhere: count them before you rely on the sum.

    Raises:
        ValueError: Numbers of rewards and ranges differ, a range is outside the response, two overlap, or an unknown spread.

    Example:
        >>> token_rewards([0.5, np.nan], [Span(0, 2), Span(2, 4)], 5)
        array([0. , 0.5, 0. , nan, 0. ])
    """
    values = floats(rewards, 1, "rewards")
    if len(values) != len(spans):
        raise ValueError(f"{len(values)} rewards for {len(spans)} ranges")
    if spread not in get_args(Spread):
        raise ValueError(f"no spread `{spread}`; known: {', '.join(get_args(Spread))}")
    result = np.zeros(tokens)
    taken = np.zeros(tokens, dtype=np.bool_)
    for value, span in zip(values, spans, strict=True):
        if span is None:
            continue
        if not 0 <= span.start < span.stop <= tokens or taken[span.start : span.stop].any():
            raise ValueError(f"tokens {span.start} to {span.stop} are outside the {tokens} tokens, or in two steps")
        taken[span.start : span.stop] = True
        if spread == "last":
            result[span.stop - 1] = value
        else:
            result[span.start : span.stop] = value / (span.stop - span.start if spread == "even" else 1)
    return result
