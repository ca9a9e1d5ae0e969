"""Noise in rewards: measured on canaries, and corrected on average. What puts it in, and repairs labels, is `judge.shape`."""

from __future__ import annotations

from judge.reward.noise.correct import NoiseRates, Rate, backward, estimate_rates, forward_weights, true_rate

__all__ = ["NoiseRates", "Rate", "backward", "estimate_rates", "forward_weights", "true_rate"]
