"""Rewards of single steps: folding them, and the tokens that a step's reward goes to. What is paid by step is `judge.shape`."""

from __future__ import annotations

from judge.reward.process.fold import NO_ERROR, StepFold, first_error, fold_steps
from judge.reward.process.spans import token_rewards, token_spans

__all__ = ["NO_ERROR", "StepFold", "first_error", "fold_steps", "token_rewards", "token_spans"]
