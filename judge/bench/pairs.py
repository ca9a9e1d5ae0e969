"""Published figures of sets that say which of two responses is better."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from judge.arrays import Floats
from judge.bench.credit import Judgements, Metrics, agrees, by_section, credits
from judge.bench.measures import macro_f1, matches, mean_credit, mean_measure, sectioned
from judge.bench.spec import SetSpec
from judge.bench.units import JudgedItem, Preference


def pair_accuracy(judged: JudgedItem) -> float:
    """1 where the preferred response is the labelled one; a tie or no verdict earns nothing. Label ties do not count."""
    gold = judged.item.gold[0]
    return math.nan if gold == 0 else agrees(judged.beats(0, 1), gold)


def pair_metrics(spec: SetSpec, judged: Judgements) -> Metrics:
    """Plain accuracy, and that of each section."""
    values = credits(judged, pair_accuracy)
    return {"accuracy": mean_credit(values), **by_section(spec, judged, values)}


def mean_of_subsets(spec: SetSpec, judged: Judgements) -> Metrics:
    """Plain accuracy of each subset, averaged without regard to their sizes."""
    values = credits(judged, pair_accuracy)
    subsets = [j.item.subset for j in judged]
    parts = {name: sectioned(values, subsets, {name: (name,)}) for name in dict.fromkeys(subsets)}
    return {"mean of subsets": mean_measure(list(parts.values())), "accuracy": mean_credit(values)}


def mean_of_sections(spec: SetSpec, judged: Judgements) -> Metrics:
    """Plain accuracy of each section, averaged; all items where none of the sections is there."""
    values = credits(judged, pair_accuracy)
    sections = by_section(spec, judged, values)
    return {"score": mean_measure(list(sections.values())) if sections else mean_credit(values), **sections}


def both_orders(spec: SetSpec, judged: Judgements) -> Metrics:
    """Mean of both orders, as for a judge that is asked in one order drawn at random; no decision is wrong."""
    values = credits(judged, lambda j: math.nan if j.item.gold[0] == 0 else _over_views(j, lambda v: agrees(v, j.item.gold[0])))
    return {
        "accuracy": mean_credit(values),
        "right in both": mean_credit(credits(judged, lambda j: float(all(v == j.item.gold[0] for v in j.views())))),
    }


def llmbar(spec: SetSpec, judged: Judgements) -> Metrics:
    """Mean accuracy of the two orders; an unreadable verdict is wrong. Agreement: the same verdict in both, readable or not."""
    values = credits(judged, lambda j: math.nan if j.item.gold[0] == 0 else _over_views(j, lambda v: agrees(v, j.item.gold[0])))
    sections = by_section(spec, judged, values)
    hard = [sections[name] for name in ("Neighbor", "GPTInst", "GPTOut", "Manual") if name in sections]
    more = {"Adversarial": mean_measure(hard)} if hard else {}
    both = credits(judged, lambda j: float(all(v == j.item.gold[0] for v in j.views())))
    return {
        "accuracy": mean_measure(list(sections.values())) if sections else mean_credit(values),
        **sections,
        **more,
        "agreement": mean_credit(credits(judged, lambda j: float(len(set(j.views())) == 1))),
        "right in both": mean_credit(both),
    }


def _over_views(judged: JudgedItem, one: Callable[[Preference], float]) -> float:
    views = judged.views()
    return sum(map(one, views)) / len(views)


def judgebench_score(views: Sequence[Preference], gold: float) -> int:
    """JudgeBench, `compute_final_metrics`: +1 for each order that names the label, -1 for each that names the other answer.

    A tie and a missing verdict count 0. The pair is right where the sum is above 0.

    Example:
        >>> judgebench_score((1, 0), 1), judgebench_score((1, -1), 1), judgebench_score((None, -1), 1)
        (1, 0, -1)
    """
    return sum(1 if v == gold else -1 if v == -gold else 0 for v in views if v is not None)


def judgebench(spec: SetSpec, judged: Judgements) -> Metrics:
    """Pairs with a score above 0 over both orders (`judgebench_score`), by source; and the share that contradicts itself."""
    values = credits(judged, lambda j: float(judgebench_score(j.views(), j.item.gold[0]) > 0))
    return {
        "accuracy": mean_credit(values),
        **by_section(spec, judged, values),
        "inconsistent": mean_credit(credits(judged, lambda j: float(len(set(j.views())) > 1))),
    }


def pandalm(spec: SetSpec, judged: Judgements) -> Metrics:
    """Accuracy; precision, recall and F1 over first, second and tie, unweighted. The label is what most of three people say."""
    gold = credits(judged, lambda j: j.item.gold[0])
    said = credits(judged, lambda j: math.nan if (d := j.beats(0, 1)) is None else float(d))
    return {
        "accuracy": mean_credit(credits(judged, lambda j: agrees(j.beats(0, 1), j.item.gold[0]))),
        "precision": macro_f1(said, gold, (1, -1, 0), which="precision"),
        "recall": macro_f1(said, gold, (1, -1, 0), which="recall"),
        "F1": macro_f1(said, gold, (1, -1, 0)),
    }


def auto_j(spec: SetSpec, judged: Judgements) -> Metrics:
    """Agreement: both orders say the same, and it is the label (ties included). Consistency: both orders say the same."""

    def consistent(j: JudgedItem) -> bool:
        return len(set(j.views())) == 1 and None not in j.views()

    return {
        "agreement": mean_credit(credits(judged, lambda j: float(consistent(j) and j.views()[0] == j.item.gold[0]))),
        "consistency": mean_credit(credits(judged, lambda j: float(consistent(j)))),
    }


def rewardbench(spec: SetSpec, judged: Judgements) -> Metrics:
    """Chosen above rejected. No decision of a judge of pairs earns 0.5 (generative runner), equal scores earn 0 (the other)."""

    def credit(j: JudgedItem) -> float:
        if not j.duels:
            return agrees(j.beats(0, 1), j.item.gold[0])
        return _over_views(j, lambda v: 0.5 if not v else agrees(v, j.item.gold[0]))

    values = credits(judged, credit)
    subsets = [j.item.subset for j in judged]
    known = any(matches(s, patterns) for s in subsets for patterns in spec.sections.values())
    total = sectioned(values, subsets, spec.sections, spec.weights or None) if known else mean_credit(values)
    return {"score": total, **by_section(spec, judged, values)}


def rewardbench_languages(spec: SetSpec, judged: Judgements) -> Metrics:
    """RewardBench's score within each language (the subset is `language/source`), and the mean of the languages."""
    values = credits(judged, pair_accuracy)
    languages = dict.fromkeys(j.item.subset.partition("/")[0] for j in judged)
    parts: Metrics = {}
    for language in languages:
        own = [j.item.subset.partition("/")[0] == language for j in judged]
        sources = [j.item.subset.partition("/")[2] for j in judged]
        parts[language] = sectioned(np.where(own, values, np.nan), sources, spec.sections, spec.weights or None)
    return {"score": mean_measure(list(parts.values())), "same in two languages": mean_credit(_same_elsewhere(judged)), **parts}


def _same_elsewhere(judged: Judgements) -> Floats:
    """Of each item, the share of its translations on which the judge says the same (no verdict is not); NaN where it has none."""
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place, j in enumerate(judged):
        groups[j.item.subset.partition("/")[2], j.item.note].append(place)
    out = np.full(len(judged), np.nan)
    for places in groups.values():
        said = [judged[p].beats(0, 1) for p in places]
        for p, own in zip(places, said, strict=True):
            others = len(places) - 1
            out[p] = (sum(s == own for s in said) - 1) / others if others and own is not None else 0.0 if others else np.nan
    return out
