"""Agreement with oneself, against plain loops."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter

import pytest

from judge.reward.consistency import best_and_worst, ranking_consistency, snapshot_consistency
from judge.shape.beside import add_metric
from judge.shape.views import cross_view_rewards, fuse_similar

NAN = math.nan


def gap(value: float) -> bool:
    return math.isnan(value)


def two_rankings(seed: int) -> tuple[list[float], list[float]]:
    draw = random.Random(seed)
    values = [NAN, 0.0, 0.5, 1.0] if seed % 2 else [draw.random() for _ in range(9)]
    n = draw.randint(0, 7)
    return [draw.choice(values) for _ in range(n)], [draw.choice(values) for _ in range(n)]


EDGES = [([], []), ([1.0], [1.0]), ([1.0, 0.0], [NAN, 0.0]), ([0.5] * 3, [0.1, 0.2, 0.3]), ([0.5] * 3, [0.5] * 3)]
PAIRS = [*EDGES, *map(two_rankings, range(200))]


def placed(values: list[float]) -> list[float]:
    return [sum(v < x for v in values) + (sum(v == x for v in values) + 1) / 2 for x in values]


def cream(first: list[float], second: list[float], measure: str) -> float:
    """CREAM (arXiv:2410.12735; Raibows/CREAM ea95c33, cal_consistency.py): (tau + 1) / 2, (rho + 1) / 2, or the same first and
    last. There ties go by position, and a prompt with a missing score is skipped; here ties count half and gaps are left out."""
    both = [(a, b) for a, b in zip(first, second, strict=True) if not gap(a) and not gap(b)]
    if len(both) < 2:
        return NAN
    x, y = [a for a, _ in both], [b for _, b in both]
    if measure == "kendall":
        agree = 0.0
        for i, j in itertools.combinations(range(len(x)), 2):
            product = (x[i] - x[j]) * (y[i] - y[j])
            agree += 1.0 if product > 0 else 0.0 if product < 0 else 0.5
        return agree / math.comb(len(x), 2)
    if measure == "spearman":
        a, b = placed(x), placed(y)
        middle = (len(a) + 1) / 2
        below = math.sqrt(sum((v - middle) ** 2 for v in a) * sum((v - middle) ** 2 for v in b))
        return ((sum((v - middle) * (w - middle) for v, w in zip(a, b, strict=True)) / below) + 1) / 2 if below else NAN
    if any(values.count(end(values)) > 1 for values in (x, y) for end in (max, min)):
        return NAN
    return float(x.index(max(x)) == y.index(max(y)) and x.index(min(x)) == y.index(min(y)))


@pytest.mark.parametrize("measure", ["kendall", "spearman", "top"])
def test_rankings(measure: str, same):
    for first, second in PAIRS:
        same(ranking_consistency(first, second, measure), cream(first, second, measure), (first, second))
    each = [cream(first, second, measure) for first, second in PAIRS]
    known = [c for c in each if not gap(c)]
    mean = sum(known) / len(known)
    found = snapshot_consistency([a for a, _ in PAIRS], [b for _, b in PAIRS], measure=measure)
    same(found, [NAN if gap(c) else mean for c in each])
    same(snapshot_consistency([a for a, _ in PAIRS], [b for _, b in PAIRS], measure=measure, whole_set=False), each)


def test_without_ties_it_is_the_published_tau(same):
    """On permutations nothing is ours: concordant minus discordant pairs over all pairs, scaled to [0, 1]."""
    for order in itertools.permutations(range(5)):
        score = sum(1 if order[i] < order[j] else -1 for i, j in itertools.combinations(range(5), 2))
        same(ranking_consistency(range(5), order), (score / 10 + 1) / 2, order)


def test_best_and_worst(same):
    """Highest against lowest score, equal ones dropped (Yuan et al., arXiv:2401.10020, section 2.3; no official code)."""
    for values, _ in PAIRS:
        for least in (0.0, 0.4):
            known = [(v, at) for at, v in enumerate(values) if not gap(v)]
            found = best_and_worst(values, least)
            scores = [v for v, _ in known]
            shared = any(scores.count(end(scores)) > 1 for end in (max, min)) if known else True
            if shared or max(scores) - min(scores) <= least:
                same([found], [None], values)
                continue
            assert found is not None
            same([found.best, found.worst, found.margin], [max(known)[1], min(known)[1], max(scores) - min(scores)], values)


def co_reward(views: list[list[str | None]]) -> list[list[float]]:
    """Two wordings (resistzzz/Co-Reward 0653c59, reward_manager/co_reward.py): the most common answer of the other wording, empty
    ones left out, is the pseudo-label; 1 for it, 0 for all else. It takes the first of equally common ones; here there is none
    then, and with more wordings each adds its shares."""
    out = []
    for number, view in enumerate(views):
        votes: Counter[str] = Counter()
        for other, answers in enumerate(views):
            given = [a for a in answers if a is not None and a.strip() != ""]
            if other != number:
                for answer in given:
                    votes[answer] += 1 / len(given)
        most = [a for a in votes if abs(votes[a] - max(votes.values())) < 1e-12]
        out.append([(1.0 if answer == most[0] else 0.0) if len(most) == 1 else NAN for answer in view])
    return out


def test_wordings(same):
    draw = random.Random(1)
    cases: list[list[list[str | None]]] = [
        [["4"], ["4"]],
        [["4", None], ["", " "]],
        [["4"]],
        [[], ["4"]],
        [["4", None], ["", "4"]],
    ]
    for _ in range(300):
        drawn = [[draw.choice(["4", "5", "6", "", None]) for _ in range(draw.randint(1, 5))] for _ in range(3)]
        cases.append(drawn[: draw.randint(2, 3)])
    for views in cases:
        same(cross_view_rewards(views), co_reward(views), views)


def official(ours: list[str | None], theirs: list[str | None]) -> list[float]:
    """The same file to the letter, where no two answers lead together: 0.0 for everyone without a pseudo-label."""
    given = [a for a in theirs if a is not None and a.strip() != ""]
    label = Counter(given).most_common(1)[0][0] if given else ""
    return [1.0 if a == label and label != "" else 0.0 for a in ours]


def test_two_wordings_with_a_clear_majority_are_the_official_reward(same):
    draw = random.Random(12)
    for _ in range(300):
        ours, theirs = ([draw.choice(["4", "4", "4", "5", "", None]) for _ in range(5)] for _ in range(2))
        top = Counter(a for a in theirs if a).most_common(2)
        if top and (len(top) == 1 or top[0][1] > top[1][1]):
            same(cross_view_rewards([ours, theirs])[0], official(ours, theirs), (ours, theirs))


def test_similar_examples(same):
    """The similarity-weighted mean of the neighbours. The project's own: RewardFusion (arXiv:2309.16155) could not be read."""
    for seed in range(80):
        draw = random.Random(seed)
        rewards = [draw.choice([NAN, draw.random()]) for _ in range(3)]
        near, similar = ([[draw.choice([NAN, 0.0, draw.random()]) for _ in range(3)] for _ in range(3)] for _ in range(2))
        wanted = []
        for own, values, weights in zip(rewards, similar, near, strict=True):
            had = [(v, w) for v, w in zip(values, weights, strict=True) if not gap(v) and not gap(w) and w > 0]
            mass = sum(w for _, w in had)
            wanted.append(0.7 * own + 0.3 * sum(v * w for v, w in had) / mass if had else own)
        same(fuse_similar(rewards, similar, near, weight=0.3), wanted, (rewards, similar, near))


def test_a_metric_added(same):
    """SSR-Zero (arXiv:2505.16637; the repository holds no code): self-judgement plus a metric, here divided by the weights."""
    for seed in range(60):
        draw = random.Random(seed)
        own, metric = ([draw.choice([NAN, 0.0, 1.0, draw.random()]) for _ in range(4)] for _ in range(2))
        weight = draw.choice([0.0, 0.5, 3.0])
        wanted = [NAN if gap(a) or gap(b) else (a + weight * b) / (1 + weight) for a, b in zip(own, metric, strict=True)]
        same(add_metric(own, metric, weight=weight), wanted, (own, metric))
