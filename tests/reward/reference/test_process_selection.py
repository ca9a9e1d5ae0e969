"""Which responses and criteria count, and where a step is in the text, against plain loops."""

from __future__ import annotations

import itertools
import math
import random

import pytest

from judge.recipe.steps import Span
from judge.reward.process import token_rewards, token_spans
from judge.shape.process import consistent

NAN = math.nan


def prof(outcomes: list[float], process: list[float], keep: int) -> tuple[int, int, float]:
    """PROF (arXiv:2509.03403, algorithm 1; the repository that was at hand holds no code): of right ones those with the best
    steps stay, of wrong ones those with the worst, as even as can be. Every choice of `keep` responses is tried; an odd one
    comes from the larger side."""
    usable = [k for k, (o, p) in enumerate(zip(outcomes, process, strict=True)) if not math.isnan(o) and not math.isnan(p)]
    keep = min(keep, len(usable))
    side = 1 if 2 * sum(outcomes[k] >= 0.5 for k in usable) >= len(usable) else -1
    best = None
    for chosen in itertools.combinations(usable, keep):
        right = [k for k in chosen if outcomes[k] >= 0.5]
        wrong = [k for k in chosen if outcomes[k] < 0.5]
        score = sum(process[k] for k in right) - sum(process[k] for k in wrong)
        rank = (-abs(len(right) - len(wrong)), side * (len(right) - len(wrong)), score)
        best = rank if best is None or rank > best else best
    return best or (0, 0, 0.0)


@pytest.mark.parametrize("seed", range(60))
def test_prof(seed: int, same):
    draw = random.Random(seed)
    n = draw.randint(1, 7)
    outcomes = [draw.choice([0.0, 1.0, 1.0, NAN if draw.random() < 0.3 else 0.0]) for _ in range(n)]
    process = [draw.choice([draw.random(), 0.5, NAN if draw.random() < 0.3 else 0.5]) for _ in range(n)]
    for keep in range(n + 1):
        kept = [k for k, flag in enumerate(consistent(outcomes, process, keep)) if flag]
        right, wrong = [k for k in kept if outcomes[k] >= 0.5], [k for k in kept if outcomes[k] < 0.5]
        score = sum(process[k] for k in right) - sum(process[k] for k in wrong)
        even, _, wanted = prof(outcomes, process, keep)
        same([-abs(len(right) - len(wrong)), score], [even, wanted], (outcomes, process, keep))


def test_tokens_of_steps(same):
    """Each token to the step that it reaches into first, character by character."""
    draw = random.Random(4)
    for _ in range(300):
        cuts = sorted(draw.sample(range(1, 20), 5))
        offsets = [(a, b) for a, b in itertools.pairwise([0, *cuts, 20])]
        if draw.random() < 0.5:
            offsets.append((0, 0))
        edges = sorted(draw.sample(range(21), 6))
        spans = [Span(edges[0], edges[1]), None, Span(edges[2], edges[3]), Span(edges[4], edges[5])]
        owner = []
        for start, stop in offsets:
            inside = [n for c in range(start, stop) for n, span in enumerate(spans) if span and span.start <= c < span.stop]
            owner.append(inside[0] if inside else None)
        wanted = [([t for t, o in enumerate(owner) if o == n] or [None]) for n in range(4)]
        found = token_spans(spans, offsets)
        same([list(range(f.start, f.stop)) if f else [None] for f in found], wanted, (spans, offsets))


@pytest.mark.parametrize("spread", ["last", "all", "even"])
def test_rewards_on_tokens(spread: str, same):
    """PURE pays at the last token of a step; DRLC (arXiv:2401.07382) on the tokens of a span."""
    draw = random.Random(5)
    for _ in range(100):
        edges = sorted(draw.sample(range(15), 6))
        spans = [Span(edges[0], edges[1]), None, Span(edges[2], edges[3]), Span(edges[4], edges[5])]
        rewards = [draw.choice([NAN, draw.random()]) for _ in spans]
        wanted = [0.0] * 15
        for reward, span in zip(rewards, spans, strict=True):
            for token in range(span.start, span.stop) if span else ():
                if spread != "last" or token == span.stop - 1:
                    wanted[token] = reward / (span.stop - span.start) if spread == "even" else reward
        same(token_rewards(rewards, spans, 15, spread), wanted, (rewards, spans))
