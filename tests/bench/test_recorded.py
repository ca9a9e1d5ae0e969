"""Recorded outputs of real judges through our figures, with the publications' own programs written out again beside them.

The records are half of the published ones, so the numbers are those of this half; both implementations must give the same.
"""

from __future__ import annotations

import json
from collections import defaultdict

import numpy as np
import pytest

from judge.bench.published import METRICS
from judge.bench.spec import shipped_sets
from judge.bench.units import Duel, JudgedItem, compared
from tests.bench.bench_harness import SHARED, item

FOLDER = SHARED / "recorded_judge_outputs"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the recorded outputs are not on this machine")


def lines(name):
    return [json.loads(line) for line in (FOLDER / name).read_text(encoding="utf-8").splitlines()]


def flipped(decision):
    return {"A>B": "B>A", "B>A": "A>B"}.get(decision, decision)


def their_accuracy(rows):
    """JudgeBench: `compute_final_metrics` with both orders."""
    right = 0
    for row in rows:
        first, second = row["judgments"]
        said = [first["decision"] if first else None, flipped(second["decision"] if second else None)]
        right += sum((d == row["label"]) - (d == flipped(row["label"])) for d in said) > 0
    return 100 * right / len(rows)


def as_judged(row):
    side = {"A>B": 1, "B>A": -1, "A=B": 0}
    first, second = row["judgments"]
    views = (side.get(first["decision"]) if first else None, side.get(flipped(second["decision"])) if second else None)
    return JudgedItem(
        item([side[row["label"]]], 2, row["source"], name=row["pair_id"]), (None, None), {(0, 1): Duel(None, views)}
    )


def test_judgebench_of_recorded_judges():
    """Seven judges: equal to what the authors' program gives for the same records."""
    by_judge = defaultdict(list)
    for row in lines("judgebench_arena_hard.jsonl") + lines("judgebench_reward_model.jsonl"):
        by_judge[next(j["judge_model"] for j in row["judgments"] if j)].append(row)
    for judge, rows in by_judge.items():
        ours = 100 * METRICS["judgebench"].build(shipped_sets()["judgebench"], [as_judged(r) for r in rows])["accuracy"](
            np.ones(len(rows))
        )
        assert ours == pytest.approx(their_accuracy(rows)), judge


@pytest.mark.parametrize("file", ["llmbar_gpt4.jsonl", "llmbar_chatgpt.jsonl", "llmbar_palm2.jsonl", "llmbar_llama2.jsonl"])
def test_llmbar_of_recorded_judges(file):
    """Accuracy over both orders and agreement of every evaluator, subset by subset, as LLMBar's `statistics.json` has them."""
    groups = defaultdict(list)
    for row in lines(file):
        groups[row["evaluator"], row["strategy"], row["subset"]].append(row)
    for (_, strategy, subset), rows in groups.items():
        last = [(row["results"][-1], str(row["label"])) for row in rows]
        said = [(r["swap = False"]["winner"], r["swap = True"]["winner"], label) for r, label in last]
        theirs = {
            "correct_average": sum((a == g) + (b == g) for a, b, g in said) / 2 / len(said),
            "equal": sum(a == b for a, b, _ in said) / len(said),
            "correct_both": sum(a == g and b == g for a, b, g in said) / len(said),
        }
        side = {"1": 1, "2": -1}
        judged = [
            JudgedItem(item([side[g]], 2, subset), (None, None), {(0, 1): Duel(None, (side.get(a), side.get(b)))})
            for a, b, g in said
        ]
        metrics = METRICS["llmbar"].build(shipped_sets()["llmbar"], judged)
        ours = {name: metrics[name](np.ones(len(judged))) for name in ("accuracy", "agreement", "right in both")}
        assert ours["accuracy"] == pytest.approx(theirs["correct_average"]), (strategy, subset)
        assert ours["agreement"] == pytest.approx(theirs["equal"]), (strategy, subset)
        assert ours["right in both"] == pytest.approx(theirs["correct_both"]), (strategy, subset)


def test_reward_model_scores_need_no_order():
    """Recorded scores give the recorded decisions: a judge of single responses is the same in both orders."""
    for row in lines("judgebench_reward_model.jsonl")[:200]:
        first, second = row["judgments"]
        decided = {1: "A>B", -1: "B>A", 0: "A=B"}[compared(*first["scores"])]
        assert decided == first["decision"] == flipped(second["decision"])
