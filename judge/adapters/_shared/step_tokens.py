"""What the steps of a response are paid -> rewards of its tokens, for trainers that take them within a response.

Each step is paid at its last token, as PURE (arXiv:2504.15275) and critics of spans (DRLC, arXiv:2401.07382) do: whatever the
policy discounts by, what stands behind a step has no part in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from judge.recipe.steps import Span
from judge.reward.process import token_rewards, token_spans
from judge.types import Reward

Decode = Callable[[Sequence[int]], str]
_BLOCK = 64  # tokens whose prefix is decoded once


def token_credit(reward: Reward, words: str, ids: Sequence[int], decode: Decode) -> list[float] | None:
    """A reward for each token of a response that is paid by step; else None, and the whole reward belongs to its last token.

    Args:
        words: The policy's own words, as they were judged.
        ids: Tokens of the response.
        decode: Tokens -> their text, special tokens left out.

    Returns:
        As many numbers as tokens; their sum is what the steps are paid. None where the shaping does not pay by step, where a step
        does not stand in the response word for word, or where the tokens say something else than the words.

    Example:
        >>> paid = Reward("a", 0, 0.5, spans=((0, 2), (3, 5)), step_rewards=(0.0, 0.5))
        >>> token_credit(paid, "ab cd", [0, 1, 2], lambda ids: "".join(("ab", " c", "d")[k] for k in ids))
        [0.0, 0.0, 0.5]
    """
    pay = [r for r in reward.step_rewards if r is not None]
    places = [Span(*span) for span in reward.spans if span is not None]
    if not pay or not len(pay) == len(places) == len(reward.step_rewards) == len(reward.spans):
        return None
    shift = decode(ids).find(words)
    if shift < 0 or not words:
        return None
    ends = _ends(ids, decode)
    offsets = list(zip([0, *ends], ends, strict=False))
    spans = token_spans([Span(s.start + shift, s.stop + shift) for s in places], offsets)
    if any(span is None for span in spans):
        return None
    return [float(value) for value in token_rewards(np.array(pay), spans, len(ids))]


def _ends(ids: Sequence[int], decode: Decode) -> list[int]:
    """Where each token ends in the text of all, in characters.

    Tokens that hold a part of a character, or a space that only counts within a text, cannot be decoded one by one: then the
    prefixes are, in blocks, so that a long response costs little more than its length.
    """
    whole, alone = decode(ids), [decode([token]) for token in ids]
    if "".join(alone) == whole:
        return list(np.cumsum([len(text) for text in alone]).tolist())
    ends: list[int] = []
    for first in range(0, len(ids), _BLOCK):
        before = len(decode(ids[:first])) if first else 0
        behind = ids[max(0, first - 1) : first]  # a token beside it keeps what a first token would lose
        skipped = len(decode(behind)) if behind else 0
        ends += [
            before + len(decode([*behind, *ids[first : k + 1]])) - skipped for k in range(first, min(first + _BLOCK, len(ids)))
        ]
    return [min(max(end, 0), len(whole)) for end in np.maximum.accumulate(ends).tolist()]
