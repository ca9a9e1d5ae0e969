"""The published figure beside ours: recorded judges on LLMBar and JudgeBench, by the code that `judge bench` runs.

The records are a half or less of the items that the publications count, so ours has an interval and theirs must lie in it. The
table of docs/bench.md is this one. That both count alike, to the digit, is shown in test_recorded.py on the same records.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cache

import pytest

from judge.bench.run import BenchOptions, measured
from judge.bench.spec import shipped_sets
from judge.bench.units import Duel, JudgedItem
from tests.bench.bench_harness import item
from tests.bench.test_recorded import FOLDER, as_judged, lines

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the recorded outputs are not on this machine")

# Mean of the four adversarial subsets, accuracy and agreement of the orders, in percent: `statistics.json` of each evaluator in
# the authors' repository (princeton-nlp/LLMBar, commit 900616bff90b), over all 319 pairs.
LLMBAR = {
    ("llmbar_gpt4", "Vanilla"): (80.8, 91.0),
    ("llmbar_gpt4", "CoT"): (76.7, 87.6),
    ("llmbar_gpt4", "Swap_CoT"): (80.2, 96.8),
    ("llmbar_gpt4", "Metrics_Reference"): (82.8, 88.2),
    ("llmbar_palm2", "Vanilla"): (65.2, 72.2),
    ("llmbar_palm2", "CoT"): (55.1, 39.6),
    ("llmbar_palm2", "Swap_CoT"): (59.5, 81.3),
    ("llmbar_palm2", "Metrics_Reference"): (69.6, 74.2),
    ("llmbar_chatgpt", "Vanilla"): (30.6, 61.3),
    ("llmbar_chatgpt", "CoT"): (33.2, 53.0),
    ("llmbar_chatgpt", "Swap_CoT"): (32.8, 70.6),
    ("llmbar_chatgpt", "Metrics_Reference"): (39.0, 49.6),
    ("llmbar_llama2", "Vanilla"): (37.1, 72.0),
    ("llmbar_llama2", "CoT"): (39.1, 50.9),
    ("llmbar_llama2", "Swap_CoT"): (35.3, 71.2),
    ("llmbar_llama2", "Metrics_Reference"): (43.4, 64.3),
}
# Accuracy in percent over all 350 pairs of GPT-4o answers (arXiv:2410.12784), and what the recorded half comes to.
JUDGEBENCH = {
    "Skywork/Skywork-Reward-Gemma-2-27B": (64.29, 69.32),
    "Skywork/Skywork-Reward-Llama-3.1-8B": (None, 66.48),
    "internlm/internlm2-20b-reward": (None, 69.32),
    "internlm/internlm2-7b-reward": (None, 63.07),
    "Ray2333/GRM-Gemma-2B-rewardmodel-ft": (None, 66.48),
    "o1-mini-2024-09-12": (None, 68.18),
    "claude-3-haiku-20240307": (None, 32.58),  # on the pairs of Claude 3.5 Sonnet
}


def adversarial(row):
    last = row["results"][-1]
    side = {"1": 1, "2": -1}
    views = tuple(side.get(last[f"swap = {swapped}"]["winner"]) for swapped in (False, True))
    labelled = item([side[str(row["label"])]], 2, row["subset"].rpartition("/")[2], name=row["item"])
    return JudgedItem(labelled, (None, None), {(0, 1): Duel(None, views)})


@cache
def llmbar(file, strategy):
    rows = [row for row in lines(f"{file}.jsonl") if row["strategy"] == strategy and row["subset"] != "Natural"]
    found = measured(shipped_sets()["llmbar"], [adversarial(row) for row in rows], BenchOptions(draws=500))
    return {figure.name: figure for figure in found.published}


@pytest.mark.parametrize(("file", "strategy"), LLMBAR)
def test_llmbar_beside_ours(file, strategy):
    """Published accuracy and order agreement lie within three standard errors of ours."""
    figures = llmbar(file, strategy)
    for name, theirs in zip(("Adversarial", "agreement"), LLMBAR[file, strategy], strict=True):
        ours = figures[name]
        error = (ours.interval.high - ours.interval.low) / (2 * 1.96)
        assert 100 * ours.value == pytest.approx(theirs, abs=3 * 100 * error), name


def test_most_published_figures_lie_in_our_interval():
    """95 % intervals are what they say: at most 2 of 32 published figures lie outside (31 of 32 do not)."""
    outside = [
        (key, name)
        for key, theirs in LLMBAR.items()
        for name, figure in zip(("Adversarial", "agreement"), theirs, strict=True)
        if not llmbar(*key)[name].interval.low <= figure / 100 <= llmbar(*key)[name].interval.high
    ]
    assert len(outside) <= 2, outside


def test_judgebench_beside_ours():
    """The figures of the table, and the published one within our interval."""
    by_judge = defaultdict(list)
    for row in lines("judgebench_arena_hard.jsonl") + lines("judgebench_reward_model.jsonl"):
        by_judge[next(j["judge_model"] for j in row["judgments"] if j)].append(as_judged(row))
    assert by_judge.keys() == JUDGEBENCH.keys()
    for judge, (theirs, recorded) in JUDGEBENCH.items():
        ours = measured(shipped_sets()["judgebench"], by_judge[judge], BenchOptions(draws=500)).published[0]
        assert 100 * ours.value == pytest.approx(recorded, abs=0.01), judge
        assert theirs is None or ours.interval.low <= theirs / 100 <= ours.interval.high, judge
