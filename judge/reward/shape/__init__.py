"""Shaping: a declared chain of steps between the judge's reward and the trainer.

Rewards are in [0, 1] up to here: folds, panels, filters and second opinions rely on it. From the first step on each kind says
what range leaves it (`span_of`), and a step that cannot work on the range before it is refused. The raw values and those after
every step are kept.
"""

from judge.reward.shape.batch import Kind, Order, RewardBatch, Span, State
from judge.reward.shape.chain import (
    KINDS,
    Shaped,
    alone,
    as_optional,
    check_chain,
    for_trainer,
    needs,
    shape,
    span_of,
    step_names,
)

__all__ = [
    "KINDS",
    "Kind",
    "Order",
    "RewardBatch",
    "Shaped",
    "Span",
    "State",
    "alone",
    "as_optional",
    "check_chain",
    "for_trainer",
    "needs",
    "shape",
    "span_of",
    "step_names",
]
