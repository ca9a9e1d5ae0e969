"""Eleven recorded judges of TriviaQA answers beside a human verdict: what a panel of them is worth, and what more votes buy.

The figures stand in docs/measured.md; each is computed a second time here, by hand.
"""

from __future__ import annotations

import json
from itertools import combinations

import numpy as np
import pytest

from judge.reward.ensemble import agreement_report
from tests.bench.bench_harness import SHARED

FILE = SHARED / "triviaqa_judge_votes" / "v1.jsonl"
pytestmark = pytest.mark.skipif(not FILE.is_file(), reason="the votes are not on this machine")


@pytest.fixture(scope="module")
def panel():
    """(names, votes of shape (judges, answers) with NaN where a judge said nothing, human verdicts)."""
    rows = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]
    names = list(rows[0]["votes"])
    votes = np.array([[np.nan if row["votes"].get(n) is None else float(row["votes"][n]) for row in rows] for n in names])
    return names, votes, np.array([float(row["human"]) for row in rows])


def test_error_of_each_judge(panel):
    """The report's error rates are the shares counted by hand, and the best judge is the one of the publication's kind."""
    names, votes, human = panel
    report = agreement_report(votes, human)
    for name, said, error in zip(names, votes, report.errors, strict=True):
        wrong = [v != h for v, h in zip(said, human, strict=True) if not np.isnan(v)]
        assert error == pytest.approx(sum(wrong) / len(wrong)), name
    assert names[int(report.errors.argmin())] == "Llama3-70B"
    assert 1 - report.errors.min() == pytest.approx(0.905, abs=0.001)


def test_judges_share_their_errors(panel):
    """Eleven judges are worth four: errors correlate, so the panel errs far more often than independent judges would."""
    names, votes, human = panel
    report = agreement_report(votes, human)
    whole = ~np.isnan(votes).any(axis=0)
    wrong = (votes != human).astype(float)
    by_hand = [
        np.corrcoef(*(wrong[k][~np.isnan(votes[[a, b]]).any(axis=0)] for k in (a, b)))[0, 1]
        for a, b in combinations(range(len(names)), 2)
    ]
    mean = float(np.mean(by_hand))
    assert report.effective_judges == pytest.approx(11 / (1 + 10 * mean))
    assert report.effective_judges == pytest.approx(3.7, abs=0.1)
    most_wrong = (wrong[:, whole].sum(axis=0) > 5).mean()
    rates = wrong[:, whole].mean(axis=1)
    drawn = np.random.default_rng(0).random((20_000, 11)) < rates  # the same judges, if they erred independently
    assert most_wrong > 10 * (drawn.sum(axis=1) > 5).mean()


def test_a_panel_beats_its_members_and_votes_stop_paying(panel):
    """Majority of all eleven: above every member. Each two further votes buy less than the two before."""
    _, votes, human = panel
    votes, human = votes[:, ~np.isnan(votes).any(axis=0)], human[~np.isnan(votes).any(axis=0)]
    rng = np.random.default_rng(0)
    accuracy = []
    for size in (1, 3, 5, 7, 9, 11):
        drawn = [rng.choice(11, size, replace=False) for _ in range(200)]
        accuracy.append(np.mean([((votes[d].mean(axis=0) >= 0.5) == (human >= 0.5)).mean() for d in drawn]))
    gains = np.diff(accuracy)
    assert accuracy[-1] == pytest.approx(0.925, abs=0.001)
    assert accuracy[-1] > (votes == human).mean(axis=1).max()
    assert (gains > 0).all()
    assert (np.diff(gains) < 0).all()
