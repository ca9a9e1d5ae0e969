"""Rewards of single steps: folding, credit, selection, and where a step is in the text."""

from __future__ import annotations

from judge.recipe.steps import Span
from judge.reward.process.ask import chances_after, numbered, step_sample, step_scores
from judge.reward.process.credit import critique_f1, information_gain, min_returns, rollout_value, sequence_chance
from judge.reward.process.fold import NO_ERROR, StepFold, both_directions, first_error, fold_steps
from judge.reward.process.select import select_criteria
from judge.reward.process.spans import find_spans, split_spans, token_rewards, token_spans
from judge.shape.process import Thought, consistent, merge_thoughts, min_form, mix_verifiable, renorm, thought_rewards

__all__ = [
    "NO_ERROR",
    "Span",
    "StepFold",
    "Thought",
    "both_directions",
    "chances_after",
    "consistent",
    "critique_f1",
    "find_spans",
    "first_error",
    "fold_steps",
    "information_gain",
    "merge_thoughts",
    "min_form",
    "min_returns",
    "mix_verifiable",
    "numbered",
    "renorm",
    "rollout_value",
    "select_criteria",
    "sequence_chance",
    "split_spans",
    "step_sample",
    "step_scores",
    "thought_rewards",
    "token_rewards",
    "token_spans",
]
