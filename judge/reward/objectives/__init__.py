"""Rewards with several objectives: combining, constraining, weighting by user, and checking them against labels."""

from __future__ import annotations

from judge.reward.objectives.calibration import Bin, Calibration, calibration
from judge.reward.objectives.combine import (
    cap,
    combine,
    combine_then_normalise,
    dominance,
    dominating_pairs,
    log_sigmoid_sum,
    normalise_groups,
    normalise_then_combine,
    pareto_front,
)
from judge.reward.objectives.constrained import Constraint, Multipliers, ProxyPoint, proxy_point
from judge.reward.objectives.profile import Profile, fit_profile

__all__ = [
    "Bin",
    "Calibration",
    "Constraint",
    "Multipliers",
    "Profile",
    "ProxyPoint",
    "calibration",
    "cap",
    "combine",
    "combine_then_normalise",
    "dominance",
    "dominating_pairs",
    "fit_profile",
    "log_sigmoid_sum",
    "normalise_groups",
    "normalise_then_combine",
    "pareto_front",
    "proxy_point",
]
