"""Several judges of one response, or of one group of responses -> one reward, and how far the judges can be trusted."""

from __future__ import annotations

from judge.reward.ensemble.agreement import Agreement, agreement_report, krippendorff_alpha
from judge.reward.ensemble.fold import (
    fit_judge_weights,
    fold_judges,
    fold_panel,
    weighted_mean,
)
from judge.reward.ensemble.peers import PeerReport, filter_peers
from judge.reward.ensemble.vote import guided_vote

__all__ = [
    "Agreement",
    "PeerReport",
    "agreement_report",
    "filter_peers",
    "fit_judge_weights",
    "fold_judges",
    "fold_panel",
    "guided_vote",
    "krippendorff_alpha",
    "weighted_mean",
]
