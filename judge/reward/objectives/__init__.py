"""Rewards with several objectives: pairs that none turns round, where one stops helping, and a check against labels."""

from __future__ import annotations

from judge.reward.objectives.calibration import Bin, Calibration, calibration
from judge.reward.objectives.pareto import dominance, dominating_pairs
from judge.reward.objectives.proxy import ProxyPoint, proxy_point

__all__ = [
    "Bin",
    "Calibration",
    "ProxyPoint",
    "calibration",
    "dominance",
    "dominating_pairs",
    "proxy_point",
]
