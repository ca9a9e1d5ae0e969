"""Which responses and criteria count, and where a step is in the text, against plain loops."""

from __future__ import annotations

import asyncio
import itertools
import math
import random
from statistics import fmean

import pytest

from judge.reward.process import (
    Span,
    chances_after,
    consistent,
    find_spans,
    select_criteria,
    split_spans,
    step_scores,
    token_rewards,
    token_spans,
)
from judge.types import Message

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


def test_criteria_of_a_step(same):
    """Down the tree as long as all above are relevant. The project's own rule: DG-PRM's (arXiv:2507.17849) could not be read."""
    draw = random.Random(1)
    for _ in range(200):
        names = [f"c{k}" for k in range(draw.randint(1, 7))]
        parents = {name: draw.choice(["", *names[:k]]) for k, name in enumerate(names)}
        relevance = {name: draw.choice([0.0, 0.4, 0.5, draw.random(), None]) for name in names if draw.random() < 0.9}

        def reached(name: str, parents=parents, relevance=relevance) -> bool:
            value = relevance.get(name)
            here = value is not None and value >= 0.5
            return here and (parents[name] == "" or reached(parents[name]))

        finest = [n for n in names if reached(n) and not any(reached(c) for c in names if parents[c] == n)]
        wanted = sorted(finest, key=lambda name: (-relevance[name], name))[:3]
        assert list(select_criteria(parents, relevance, most=3)) == wanted, (parents, relevance)
        same(len(wanted), len(wanted))


def test_steps_of_a_text(same):
    """Paragraphs, by reading one character after the other."""
    draw = random.Random(2)
    for _ in range(200):
        text = "".join(draw.choice(["a", "b ", "\n", "\n\n", " "]) for _ in range(12))
        wanted = []
        at = 0
        for part in text.split("\n\n"):
            inside = [k for k in range(at, at + len(part)) if not text[k].isspace()]
            if inside:
                wanted.append((inside[0], inside[-1] + 1))
            at += len(part) + 2
        same(split_spans(text), wanted, text)


def test_quoted_steps(same):
    draw = random.Random(3)
    for _ in range(300):
        text = "".join(draw.choice("ab") for _ in range(12))
        steps = ["".join(draw.choice("ab") for _ in range(draw.randint(0, 3))) for _ in range(4)]
        at, wanted = 0, []
        for step in steps:
            starts = [k for k in range(at, len(text)) if step and text[k : k + len(step)] == step]
            wanted.append((starts[0], starts[0] + len(step)) if starts else None)
            at = wanted[-1][1] if wanted[-1] else at
        assert [tuple(s) if s else None for s in find_spans(text, steps)] == wanted, (text, steps)
        same(len(wanted), 4)


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


def test_chances_after_what_was_written(same):
    """exp of the mean log-probability of the tokens of a text, those of what stood before it taken off (IGPO, P2S)."""
    draw = random.Random(6)
    words = {f"w{k}": -draw.random() * 3 for k in range(9)}

    async def score(messages, text: str) -> list[float]:
        return [words[word] for word in text.split()]

    cases = []
    for _ in range(60):
        written, text = (" ".join(draw.choice(list(words)) for _ in range(draw.randint(0, 4))) for _ in range(2))
        cases.append(((Message("user", "?"),), written + " " if written else "", text))
    wanted = [math.exp(fmean(words[w] for w in text.split())) if text else NAN for _, _, text in cases]
    same(asyncio.run(chances_after(score, cases)), wanted)


def test_scores_by_number(same):
    draw = random.Random(7)
    for n in (0, 1, 2, 12):
        scores = [draw.choice([None, draw.random()]) for _ in range(n)]
        shuffled = list(enumerate(scores, 1))
        draw.shuffle(shuffled)
        same(step_scores({f"step_{k}": s for k, s in shuffled}), [NAN if s is None else s for s in scores])
