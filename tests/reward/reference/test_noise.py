"""Noise put in, measured, taken out, and repaired at the label, against plain loops."""

from __future__ import annotations

import hashlib
import math
import random
from statistics import NormalDist

import pytest

from judge.shape.noise import draws, flip_rewards, lift_low_rewards, pattern_reward, random_rewards
from judge.shape.repair import LabelRepair, leader

NAN = math.nan


def some_rewards(seed: int) -> list[float]:
    draw = random.Random(seed)
    return [draw.choice([0.0, 1.0, 0.5, 0.49, draw.random(), draw.random(), NAN]) for _ in range(draw.randint(0, 10))]


REWARDS = [[], [NAN], [0.0], [1.0], [0.5] * 4, *map(some_rewards, range(150))]


def drawn(key: str, seed: int, purpose: str) -> float:
    """The project's own: 53 bits of a hash of the key, salted by purpose and seed."""
    salt = hashlib.blake2b(f"{purpose}\x1f{seed}".encode(), digest_size=32).digest()
    whole = int(hashlib.blake2b(key.encode(), digest_size=8, key=salt).hexdigest(), 16)
    return (whole // 2**11) / 2**53


@pytest.mark.parametrize("seed", [0, 7])
def test_draws(seed, same):
    keys = ["", "a", "b", "你好", "a" * 1000, *map(str, range(200))]
    same(draws(keys, seed, "p"), [drawn(key, seed, "p") for key in keys])


@pytest.mark.parametrize(("positive", "negative"), [(0.0, 0.0), (1.0, 1.0), (0.2, 0.7), (0.5, 0.0)])
def test_flips(positive, negative, same):
    """r becomes 1 - r at the rate of its side (arXiv:2505.22653 flips at one rate, arXiv:2510.00915 has two)."""
    for rewards in REWARDS:
        keys = [f"k{n}" for n in range(len(rewards))]
        wanted = []
        for key, reward in zip(keys, rewards, strict=True):
            rate = negative if reward >= 0.5 else positive
            wanted.append(1 - reward if drawn(key, 3, "flip") < rate else reward)
        same(flip_rewards(rewards, keys, false_positive=positive, false_negative=negative, seed=3), wanted, rewards)


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_random_control(rate, same):
    for rewards in REWARDS:
        keys = [f"k{n}" for n in range(len(rewards))]
        wanted = [
            reward if math.isnan(reward) else 1.0 if drawn(key, 0, "random") < rate else 0.0
            for key, reward in zip(keys, rewards, strict=True)
        ]
        same(random_rewards(rewards, keys, rate=rate), wanted, rewards)


TEXTS = [
    "", " \n", "wait", "Wait, let me check. wait.", "First, I need to add.\nLet me  check.", "thus " * 30, "let me check " * 20,
    " ".join(map(str, range(60))), "a b " * 15 + "wait", "WAIT" * 3,
]  # fmt: skip
PHRASES = ["wait", "let me check", "first, ", "thus", "WAIT"]


@pytest.mark.parametrize(("each", "most", "ngram"), [(0.05, 1.0, 20), (0.4, 0.5, 2), (0.1, 1.0, None), (0.0, 1.0, 3)])
def test_patterns(each, most, ngram, same):
    """`think_reward` and `calculate_ngram_repetition_ratio` in trestad/Noisy-Rewards-in-Learning-to-Reason
    (verl/verl/utils/reward_score/math_score.py), without its count of "user: " and with phrases of one's own."""
    for text in TEXTS:
        words = text.lower().split()
        plain, score = " ".join(words), 0.0
        for phrase in {p.lower().strip() for p in PHRASES}:
            score += each if phrase in plain else 0.0
        score = min(most, score)
        if ngram is not None and len(words) >= ngram:
            grams = [tuple(words[k : k + ngram]) for k in range(len(words) - ngram + 1)]
            repeated = sum(1 for gram in set(grams) if grams.count(gram) > 1)
            score -= repeated / len(grams)
        same(pattern_reward(text, PHRASES, each=each, most=most, ngram=ngram), max(0.0, score), text)


@pytest.mark.parametrize(("below", "strength"), [(0.5, 0.5), (1.0, 1.0), (0.0, 0.5), (0.3, 0.0)])
def test_lifting(below, strength, same):
    """The project's own form of the paper's calibration (arXiv:2505.22653): part of the gap to the bar is given back."""
    for seed, rewards in enumerate(REWARDS):
        draw = random.Random(seed)
        patterns = [draw.choice([NAN, 0.0, 1.0, draw.random()]) for _ in rewards]
        wanted = []
        for reward, pattern in zip(rewards, patterns, strict=True):
            gap = below - reward if reward < below else 0.0
            wanted.append(NAN if math.isnan(reward) else reward + (0.0 if math.isnan(pattern) else strength * pattern * gap))
        same(lift_low_rewards(rewards, patterns, below=below, strength=strength), wanted, rewards)


RATES = [(0.0, 0.0), (0.1, 0.2), (0.45, 0.45), (0.0, 0.9)]


def wilson(count: int, trials: int, level: float) -> tuple[float, float]:
    """Wilson 1927: the rates p with |count / trials - p| = z sqrt(p (1 - p) / trials), as the roots of that quadratic."""
    z, share = NormalDist().inv_cdf((1 + level) / 2), count / trials
    a, b, c = 1 + z * z / trials, -(2 * share + z * z / trials), share * share
    root = math.sqrt(max(0.0, b * b - 4 * a * c))
    return max(0.0, (-b - root) / (2 * a)), min(1.0, (-b + root) / (2 * a))


COUNTS = [(0, 0), (0, 1), (1, 1), (0, 50), (50, 50), (3, 20), (40, 200), (1, 1000)]


class Repairing:
    """OLR (arXiv:2604.03993; only its abstract was to be had): majority, slope of its share, stability. The window, least
    squares, the thresholds and that a repair lasts are the project's own."""

    def __init__(self, window: int, stable: float, share: float) -> None:
        self.window, self.stable, self.share = window, stable, share
        self.past: list[dict[str, float]] = []
        self.label: str | None = None

    def update(self, given: str, answers: list[str | None]) -> str:
        said = [a for a in answers if a is not None]
        force = self.label or given
        if not said:
            return force
        self.past.append({a: said.count(a) / len(said) for a in set(said)})
        recent = self.past[-self.window :]
        best = self.first(recent[-1])
        if best is None or len(recent) < self.window:
            return force
        rates = [shares.get(best, 0.0) for shares in recent]
        times = list(range(len(rates)))
        middle, mean = sum(times) / len(times), sum(rates) / len(rates)
        slope = sum((t - middle) * (r - mean) for t, r in zip(times, rates, strict=True)) / sum((t - middle) ** 2 for t in times)
        led = sum(self.first(shares) == best for shares in recent) / len(recent)
        if slope > 1e-12 and led >= self.stable and rates[-1] >= self.share:
            self.label = best
        return self.label or given

    @staticmethod
    def first(shares: dict[str, float]) -> str | None:
        top = [a for a in shares if shares[a] == max(shares.values())]
        return top[0] if len(top) == 1 else None


@pytest.mark.parametrize(("window", "stable", "share"), [(2, 0.5, 0.1), (4, 0.75, 0.5), (3, 1.0, 0.9)])
def test_repairs(window, stable, share, same):
    for seed in range(120):
        draw = random.Random(seed)
        state, second = LabelRepair(window=window, least_stability=stable, least_share=share), Repairing(window, stable, share)
        bias = 0.2
        for _ in range(14):
            bias = min(1.0, max(0.0, bias + draw.choice([-0.1, 0.1, 0.2])))
            answers = [draw.choice(["7", "7", "9"]) if draw.random() < bias else draw.choice(["8", None]) for _ in range(6)]
            state, repair = state.update("q", "8", answers)
            wanted = second.update("8", answers)
            same([repair.label, repair.changed], [wanted, wanted != "8"], (seed, answers))


def test_leader(same):
    for shares in ({}, {"a": 1.0}, {"a": 0.5, "b": 0.5}, {"a": 0.4, "b": 0.6}, {"a": 0.2, "b": 0.4, "c": 0.4}):
        same(leader(shares), Repairing.first(shares) if shares else None, shares)
