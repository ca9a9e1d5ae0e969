"""How well each schedule recovers a hidden order of quality, and what it costs.

    python benchmarks/tournaments.py [--seeds 500] [--sizes 8 16 32 64] [--judges graded coin] [--json]

Qualities are standard normal. A judge sees d = sharpness x (quality difference) + position bias, in both orders, averaged:

- `graded` states a margin: 1 / (1 + exp(-(d + logistic noise))). ArenaRL's judge scores both responses, so it is of this kind.
- `coin` states a winner only: Bradley-Terry, P(win) = 1 / (1 + exp(-d)). With both orders a win is 0, 0.5 or 1.

Printed: Spearman's and Kendall's (tau-b) correlation of rewards and qualities, mean over the seeds (a group whose rewards are
all equal counts 0, as there is nothing to learn from it), comparisons, and both correlations as shares of round robin's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import kendalltau, spearmanr

from judge.reward.tournament import Comparison, play, play_lists
from judge.settings.group import GroupSettings

BIAS = 0.5  # log-odds towards the response shown first
SHARPNESS = 2.0  # log-odds for one standard deviation of quality
WINDOW = 8

BRACKET: dict[str, Any] = {"schedule": "single_elimination"}
SCHEDULES: dict[str, dict[str, Any]] = {
    "round robin": {"schedule": "round_robin"},
    "seeded bracket, as published": {**BRACKET, "published": True},
    "seeded bracket, places": {**BRACKET, "consolation": 0, "ranking": "places"},
    "seeded bracket, Bradley-Terry": {**BRACKET, "consolation": 0},
    "seeded bracket, 4 anchors": {**BRACKET, "consolation": 0, "anchors": 4},
    "seeded bracket + 4 consolation": {**BRACKET, "consolation": 4},
    "seeded bracket + 6 consolation": {**BRACKET, "consolation": 6},
    "seeded bracket + 8 consolation": {**BRACKET, "consolation": 8},
    "seeded bracket + 12 consolation": {**BRACKET, "consolation": 12},
    "double elimination": {"schedule": "double_elimination", "seeding": "drawn"},
    "swiss, log2 n rounds": {"schedule": "swiss"},
    "anchor": {"schedule": "anchor"},
    "random reference": {"schedule": "random_reference"},
    "round robin cut to 4 n": {"schedule": "round_robin", "max_comparisons": 0, "ranking": "bradley_terry"},
    "listwise, windows of 8": {"schedule": "listwise", "shuffles": 4, "window": WINDOW},
}


@dataclass
class Judge:
    """A noisy judge of hidden qualities; the noise of a pair depends on the pair and the seed alone."""

    quality: np.ndarray[Any, Any]
    kind: str
    sharpness: float
    seed: int

    def __post_init__(self) -> None:
        n = len(self.quality)
        noise = np.random.default_rng([self.seed, n, 1]).uniform(1e-12, 1 - 1e-12, (n, n))
        self.noise = np.log(noise) - np.log1p(-noise)  # logistic: d + noise > 0 has probability 1 / (1 + exp(-d))

    def once(self, i: int, j: int) -> float:
        """Win of the first shown over the second, in one order."""
        d = self.sharpness * (self.quality[i] - self.quality[j]) + BIAS + self.noise[i, j]
        return float(d > 0) if self.kind == "coin" else 1 / (1 + math.exp(-d))

    async def compare(self, i: int, j: int) -> Comparison:
        """Both orders, averaged."""
        return Comparison((self.once(i, j) + 1 - self.once(j, i)) / 2, 2)

    async def arrange(self, shown: Sequence[int]) -> list[float | None]:
        """One list: quality with noise, and a bonus for the first places."""
        bonus = [BIAS * (1 - k / len(shown)) for k in range(len(shown))]
        return [self.sharpness * self.quality[i] + b + self.noise[i, shown[0]] for i, b in zip(shown, bonus, strict=True)]


def correlate(kind: str, fields: dict[str, Any], n: int, seed: int, sharpness: float) -> tuple[float, float, float]:
    """Spearman, Kendall and comparisons of one group."""
    judge = Judge(np.random.default_rng([seed, n, 0]).standard_normal(n), kind, sharpness, seed)
    limit = {"max_comparisons": 4 * n} if fields.get("max_comparisons") == 0 else {}
    settings = GroupSettings(**{**fields, **limit})
    keys = [f"{seed}:{k}" for k in range(n)]
    if settings.schedule == "listwise":
        played = asyncio.run(play_lists(keys, judge.arrange, settings, seed=seed))
    else:
        played = asyncio.run(play(keys, judge.compare, settings, seed=seed))
    rewards = np.array(played.rewards, dtype=float)
    if np.ptp(rewards) == 0:
        return 0.0, 0.0, played.comparisons
    return spearmanr(rewards, judge.quality)[0], kendalltau(rewards, judge.quality)[0], played.comparisons


def measure(judges: Sequence[str], sizes: Sequence[int], seeds: int, sharpness: float, only: str) -> list[dict[str, Any]]:
    """One row for each judge, schedule and size."""
    rows: list[dict[str, Any]] = []
    for kind in judges:
        base: dict[int, tuple[float, float]] = {}
        for name, fields in SCHEDULES.items():
            if only and only not in name and name != "round robin":
                continue
            for n in sizes:
                got = np.mean([correlate(kind, fields, n, seed, sharpness) for seed in range(seeds)], axis=0)
                spearman, kendall, comparisons = (float(x) for x in got)
                base.setdefault(n, (spearman, kendall))
                row = {"judge": kind, "schedule": name, "n": n, "comparisons": comparisons, "per_response": comparisons / n}
                share = {"spearman_share": spearman / base[n][0], "kendall_share": kendall / base[n][1]}
                rows.append({**row, "spearman": spearman, "kendall": kendall, **share})
    return rows


def show(rows: Sequence[dict[str, Any]], sizes: Sequence[int]) -> None:
    """One line a schedule: comparisons, Spearman / Kendall, and their shares of round robin's."""
    for kind in dict.fromkeys(r["judge"] for r in rows):
        print(f"\njudge: {kind}; each cell: comparisons  Spearman Kendall (share of round robin's)")
        print(f"{'':34}" + "".join(f"{f'n = {n}':>35}" for n in sizes))
        for name in dict.fromkeys(r["schedule"] for r in rows if r["judge"] == kind):
            cells = [r for r in rows if r["judge"] == kind and r["schedule"] == name]
            text = []
            for r in cells:
                shares = f"({r['spearman_share']:4.0%} {r['kendall_share']:4.0%})"
                text.append(f"{r['comparisons']:7.0f}  {r['spearman']:.3f} {r['kendall']:.3f} {shares}")
            print(f"{name:34}" + "".join(f"{t:>35}" for t in text))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Rank correlation and cost of each schedule on hidden qualities.")
    parser.add_argument("--seeds", type=int, default=500, help="groups of each size")
    parser.add_argument("--sizes", type=int, nargs="+", default=[8, 16, 32, 64], help="responses in a group")
    parser.add_argument("--judges", nargs="+", choices=["graded", "coin"], default=["graded", "coin"])
    parser.add_argument("--sharpness", type=float, default=SHARPNESS, help="log-odds for one standard deviation of quality")
    parser.add_argument("--only", default="", help="schedules whose name holds this, besides round robin")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    given = parser.parse_args()
    start = time.perf_counter()
    rows = measure(given.judges, given.sizes, given.seeds, given.sharpness, given.only)
    if given.json:
        json.dump({"seeds": given.seeds, "sharpness": given.sharpness, "bias": BIAS, "rows": rows}, sys.stdout, indent=1)
        print()
        return
    show(rows, given.sizes)
    print(f"\n{given.seeds} groups a cell, sharpness {given.sharpness:g}, bias {BIAS:g}, {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
