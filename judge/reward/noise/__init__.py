"""Noise in rewards: injected, measured, corrected, and repaired at the label."""

from __future__ import annotations

from judge.reward.noise.correct import NoiseRates, Rate, backward, estimate_rates, forward_weights, true_rate
from judge.reward.noise.inject import draws, flip_rewards, lift_low_rewards, pattern_reward, random_rewards
from judge.reward.noise.repair import LabelRepair, Repair, leader

__all__ = [
    "LabelRepair",
    "NoiseRates",
    "Rate",
    "Repair",
    "backward",
    "draws",
    "estimate_rates",
    "flip_rewards",
    "forward_weights",
    "leader",
    "lift_low_rewards",
    "pattern_reward",
    "random_rewards",
    "true_rate",
]
