"""Published figures of sets with labels of single responses: right or wrong, met or unmet, ratings, instructions and steps."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from judge.arrays import Floats
from judge.bench.credit import Judgements, Metrics, credits
from judge.bench.measures import (
    WeightedMetric,
    balanced_accuracy,
    correlation,
    harmonic,
    macro_f1,
    matches,
    mean_credit,
    mean_measure,
)
from judge.bench.spec import SetSpec
from judge.bench.units import JudgedItem, compared

THRESHOLD = 0.5  # from here on a reward says right, or met


@dataclass(frozen=True)
class Answers:
    """Single responses laid out one after the other: what was said (1, 0, NaN), the label, and the item of each."""

    said: Floats
    gold: Floats
    item: NDArray[np.intp]

    def weighed(self, metric: WeightedMetric) -> WeightedMetric:
        """A metric over responses as one over items."""
        return lambda weights: metric(np.asarray(weights[self.item], dtype=np.float64))


def said_yes(reward: float | None) -> float:
    """1 from half the scale on, 0 below, NaN without a reward."""
    return math.nan if reward is None else float(reward >= THRESHOLD)


def answers_of(judged: Judgements) -> Answers:
    """Every response with each label that it has (several people may have labelled one criterion)."""
    rows = [
        (place, said_yes(reward), label)
        for place, j in enumerate(judged)
        for reward, labels in zip(j.rewards, _labels(j), strict=True)
        for label in labels
    ]
    return Answers(
        np.array([r[1] for r in rows], dtype=np.float64),
        np.array([r[2] for r in rows], dtype=np.float64),
        np.array([r[0] for r in rows], dtype=np.intp),
    )


def _labels(judged: JudgedItem) -> list[tuple[float, ...]]:
    gold, count = judged.item.gold, len(judged.rewards)
    return [gold] if count == 1 else [(g,) for g in gold]


def right_metrics(spec: SetSpec, judged: Judgements) -> Metrics:
    """Accuracy over responses, F1 of the right ones, and the unweighted mean of both classes' F1."""
    a = answers_of(judged)
    hits = np.where(np.isnan(a.said), 0.0, (a.said == a.gold).astype(np.float64))
    sections = {}
    subsets = [judged[int(i)].item.subset for i in a.item]
    for name, patterns in spec.sections.items():
        inside = np.array([matches(s, patterns) for s in subsets], dtype=np.bool_)
        if inside.any():
            sections[name] = a.weighed(mean_credit(np.where(inside, hits, np.nan)))
    return {
        "accuracy": a.weighed(mean_credit(hits)),
        **sections,
        "F1": a.weighed(macro_f1(a.said, a.gold, (1,))),
        "macro F1": a.weighed(macro_f1(a.said, a.gold, (1, 0))),
        "balanced": a.weighed(balanced_accuracy(a.said, a.gold, (1, 0))),
    }


def right_above_wrong(spec: SetSpec, judged: Judgements) -> Metrics:
    """PPE correctness: share of the (right, wrong) pairs of one question in which the right answer is above (ties half), and
    what the top answer of all is worth, beside that of an answer drawn at random and of the best there is."""

    def pairs(j: JudgedItem) -> float:
        gold = j.item.gold
        won = [j.beats(a, b) for a, b in product(range(len(gold)), repeat=2) if gold[a] and not gold[b]]
        return sum(1.0 if w == 1 else 0.5 if w == 0 else 0.0 for w in won) / len(won) if won else math.nan

    def top(j: JudgedItem) -> float:
        known = [(r, g) for r, g in zip(j.rewards, j.item.gold, strict=True) if r is not None]
        most = max((r for r, _ in known), default=0.0)
        best = [g for r, g in known if compared(r, most) == 0]
        return sum(best) / len(best) if best else 0.0

    return {
        "pairs": mean_credit(credits(judged, pairs)),
        "best of all": mean_credit(credits(judged, top)),
        "drawn at random": mean_credit(credits(judged, lambda j: sum(j.item.gold) / len(j.item.gold))),
        "at most": mean_credit(credits(judged, lambda j: max(j.item.gold))),
        **right_metrics(spec, judged),
    }


def healthbench_meta(spec: SetSpec, judged: Judgements) -> Metrics:
    """HealthBench meta-evaluation: the judge against each physician's label, F1 of met and of unmet, and their mean."""
    plain = right_metrics(spec, judged)
    return {"macro F1": plain["macro F1"], "accuracy": plain["accuracy"], "balanced": plain["balanced"]}


def balanced_first(spec: SetSpec, judged: Judgements) -> Metrics:
    """The figures of `right_metrics` with balanced accuracy (mean recall of yes and no) in front."""
    plain = right_metrics(spec, judged)
    return {"balanced": plain.pop("balanced"), **plain}


def rating_metrics(spec: SetSpec, judged: Judgements) -> Metrics:
    """Correlations over all items; the headline is Spearman's. Then the mean over subsets (aspects) of the same."""
    gold = credits(judged, lambda j: j.item.gold[0])
    said = credits(judged, lambda j: math.nan if j.rewards[0] is None else j.rewards[0])
    out = {kind: correlation(said, gold, kind) for kind in ("spearman", "pearson", "kendall")}
    subsets = np.array([j.item.subset for j in judged], dtype=object)
    names = list(dict.fromkeys(subsets))
    if len(names) > 1:
        parts = {n: correlation(np.where(subsets == n, said, np.nan), gold, "spearman") for n in names}
        out = {"spearman, mean of subsets": mean_measure(list(parts.values())), **out}
    return out


def pearson_first(spec: SetSpec, judged: Judgements) -> Metrics:
    """The figures of `rating_metrics` with Pearson's r in front."""
    plain = rating_metrics(spec, judged)
    return {"pearson": plain.pop("pearson"), **plain}


def sample_level(spec: SetSpec, judged: Judgements) -> Metrics:
    """SummEval: the correlation among the responses to one question, then the mean over questions (Kendall's first)."""
    groups: dict[str, list[int]] = defaultdict(list)
    for place, j in enumerate(judged):
        groups[f"{j.item.subset}\0{j.item.cluster}"].append(place)
    gold = credits(judged, lambda j: j.item.gold[0])
    said = credits(judged, lambda j: math.nan if j.rewards[0] is None else j.rewards[0])
    out: Metrics = {}
    for kind in ("kendall", "spearman", "pearson"):
        values = np.full(len(judged), np.nan)
        for places in groups.values():
            values[places[0]] = correlation(said[places], gold[places], kind)(np.ones(len(places)))
        out[kind] = mean_credit(values)
    return out


def contrast_metrics(spec: SetSpec, judged: Judgements) -> Metrics:
    """Contrast Instructions: of two alike instructions, each with its answer, (response) its own answer is above the other one
    under each of both, (instruction) each answer is worth more under its own one."""

    def response(j: JudgedItem) -> float:
        own = [compared(j.rewards[0], j.rewards[1]) == 1, compared(*(j.swapped[::-1] or (None, None))) == 1]
        return sum(own) / 2

    def instruction(j: JudgedItem) -> float:
        if not j.swapped:
            return 0.0
        return (float(compared(j.rewards[0], j.swapped[0]) == 1) + float(compared(j.swapped[1], j.rewards[1]) == 1)) / 2

    return {"response": mean_credit(credits(judged, response)), "instruction": mean_credit(credits(judged, instruction))}


def processbench(spec: SetSpec, judged: Judgements) -> Metrics:
    """F1: harmonic mean of the accuracy on solutions with an error (the labelled index) and without; mean over the parts."""
    hits = credits(judged, lambda j: float(j.rewards[0] is not None and j.rewards[0] == j.item.gold[0]))
    gold = credits(judged, lambda j: j.item.gold[0])
    subsets = [j.item.subset for j in judged]

    def f1(inside: NDArray[np.bool_]) -> tuple[WeightedMetric, WeightedMetric, WeightedMetric]:
        wrong = mean_credit(np.where(inside & (gold >= 0), hits, np.nan))
        clean = mean_credit(np.where(inside & (gold < 0), hits, np.nan))
        return harmonic(wrong, clean), wrong, clean

    whole = f1(np.ones(len(judged), dtype=np.bool_))
    parts = {
        name: f1(np.array([matches(s, patterns) for s in subsets]))[0]
        for name, patterns in spec.sections.items()
        if any(matches(s, patterns) for s in subsets)
    }
    total = mean_measure(list(parts.values())) if parts else whole[0]
    return {"F1": total, **parts, "with an error": whole[1], "without": whole[2]}
