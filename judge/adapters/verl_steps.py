"""verl: what single steps of a response are paid, as one number that carries those of the tokens.

What its own code does (verl 0.9.1, `experimental/reward_loop`):

- A reward manager's `reward_score` travels as it is to the worker that asked for it, where `judge.adapters.verl_loop` reads what
  it carries. Everybody else sees the reward of the whole response.
- Where a batch is scored at once, `assemble_rm_scores` is the reward manager's own.
- GRPO sums the tensor over the tokens; estimators that look at single tokens (GAE, REINFORCE++) see the steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from judge.adapters._shared.step_tokens import Decode, token_credit
from judge.types import Reward


class PaidByStep(float):
    """A reward that also says what each token of its response is paid.

    Attributes:
        tokens: One number a token; their sum is what the steps are paid, which need not be the reward.

    Example:
        >>> reward = PaidByStep(0.5, (0.0, 1.0, -0.5))
        >>> reward + 0.25, reward.tokens
        (0.75, (0.0, 1.0, -0.5))
    """

    tokens: tuple[float, ...]

    def __new__(cls, reward: float, tokens: Sequence[float]) -> PaidByStep:
        """Take the reward of the whole response, and that of each token."""
        made = super().__new__(cls, reward)
        made.tokens = tuple(tokens)
        return made

    def __reduce__(self) -> tuple[type[PaidByStep], tuple[float, tuple[float, ...]]]:
        """For the way between ray's workers."""
        return PaidByStep, (float(self), self.tokens)


def paid(score: float, reward: Reward, words: str, ids: Sequence[int], decode: Decode) -> float:
    """The score of a response with what its tokens are paid, where the shaping pays by step; else the score itself."""
    credit = token_credit(reward, words, ids, decode)
    return score if credit is None else PaidByStep(score, credit)


def place(scores: Any, values: Sequence[float]) -> Any:
    """The reward tensor of a batch, shape (responses, tokens), with the rows of those that are paid by step put in."""
    for row, value in enumerate(values):
        if isinstance(value, PaidByStep) and len(value.tokens) <= scores.shape[1]:
            scores[row] = 0
            scores[row, : len(value.tokens)] = scores.new_tensor(value.tokens)
    return scores
