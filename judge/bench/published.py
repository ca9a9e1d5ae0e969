"""The published figure of each set, from what a judge said of its items: one builder for each way in which figures are made.

A builder gives named metrics, the headline first. Where a publication counts a failed or a tied verdict in some way, so does its
builder; `judge bench` prints the plain accuracy of all items and of those with a verdict beside it in any case.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from judge.arrays import Floats
from judge.bench.measures import (
    WeightedMetric,
    correlation,
    harmonic,
    macro_f1,
    matches,
    mean_credit,
    mean_measure,
    sectioned,
)
from judge.bench.spec import SetKind, SetSpec
from judge.bench.units import JudgedItem, Preference, compared

Judgements = Sequence[JudgedItem]
Metrics = dict[str, WeightedMetric]
THRESHOLD = 0.5  # from here on a reward says right, or met


@dataclass(frozen=True)
class SetMetric:
    """One way to make figures: for which kind of set, from what it is taken, and the builder."""

    kind: SetKind
    source: str
    build: Callable[[SetSpec, Judgements], Metrics]


def credits(judged: Judgements, one: Callable[[JudgedItem], float]) -> Floats:
    """One number an item."""
    return np.array([one(j) for j in judged], dtype=np.float64)


def by_section(spec: SetSpec, judged: Judgements, values: Floats) -> Metrics:
    """The mean credit of each section that is there."""
    subsets = [j.item.subset for j in judged]
    return {
        name: sectioned(values, subsets, {name: patterns}, spec.weights or None)
        for name, patterns in spec.sections.items()
        if any(matches(s, patterns) for s in subsets)
    }


def _agrees(decision: Preference, gold: float) -> float:
    return float(decision is not None and decision == gold)


# ---- two responses -----------------------------------------------------------------------------------------------------


def pair_accuracy(judged: JudgedItem) -> float:
    """1 where the preferred response is the labelled one; a tie or no verdict earns nothing. Label ties do not count."""
    gold = judged.item.gold[0]
    return math.nan if gold == 0 else _agrees(judged.beats(0, 1), gold)


def _pairs(spec: SetSpec, judged: Judgements) -> Metrics:
    values = credits(judged, pair_accuracy)
    return {"accuracy": mean_credit(values), **by_section(spec, judged, values)}


def _mean_of_subsets(spec: SetSpec, judged: Judgements) -> Metrics:
    values = credits(judged, pair_accuracy)
    subsets = [j.item.subset for j in judged]
    parts = {name: sectioned(values, subsets, {name: (name,)}) for name in dict.fromkeys(subsets)}
    return {"mean of subsets": mean_measure(list(parts.values())), "accuracy": mean_credit(values)}


def _mean_of_sections(spec: SetSpec, judged: Judgements) -> Metrics:
    values = credits(judged, pair_accuracy)
    sections = by_section(spec, judged, values)
    return {"score": mean_measure(list(sections.values())) if sections else mean_credit(values), **sections}


def _both_orders(spec: SetSpec, judged: Judgements) -> Metrics:
    """Mean of both orders, as for a judge that is asked in one order drawn at random; no decision is wrong."""
    values = credits(judged, lambda j: math.nan if j.item.gold[0] == 0 else _over_views(j, lambda v: _agrees(v, j.item.gold[0])))
    return {
        "accuracy": mean_credit(values),
        "right in both": mean_credit(credits(judged, lambda j: float(all(v == j.item.gold[0] for v in j.views())))),
    }


def _llmbar(spec: SetSpec, judged: Judgements) -> Metrics:
    """Mean accuracy of the two orders; an unreadable verdict is wrong. Agreement: the same verdict in both, readable or not."""
    values = credits(judged, lambda j: math.nan if j.item.gold[0] == 0 else _over_views(j, lambda v: _agrees(v, j.item.gold[0])))
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


def _judgebench(spec: SetSpec, judged: Judgements) -> Metrics:
    values = credits(judged, lambda j: float(judgebench_score(j.views(), j.item.gold[0]) > 0))
    return {
        "accuracy": mean_credit(values),
        **by_section(spec, judged, values),
        "inconsistent": mean_credit(credits(judged, lambda j: float(len(set(j.views())) > 1))),
    }


def _pandalm(spec: SetSpec, judged: Judgements) -> Metrics:
    """Accuracy; precision, recall and F1 over first, second and tie, unweighted. The label is what most of three people say."""
    gold = credits(judged, lambda j: j.item.gold[0])
    said = credits(judged, lambda j: math.nan if (d := j.beats(0, 1)) is None else float(d))
    return {
        "accuracy": mean_credit(credits(judged, lambda j: _agrees(j.beats(0, 1), j.item.gold[0]))),
        "precision": macro_f1(said, gold, (1, -1, 0), which="precision"),
        "recall": macro_f1(said, gold, (1, -1, 0), which="recall"),
        "F1": macro_f1(said, gold, (1, -1, 0)),
    }


def _autoj(spec: SetSpec, judged: Judgements) -> Metrics:
    """Agreement: both orders say the same, and it is the label (ties included). Consistency: both orders say the same."""

    def consistent(j: JudgedItem) -> bool:
        return len(set(j.views())) == 1 and None not in j.views()

    return {
        "agreement": mean_credit(credits(judged, lambda j: float(consistent(j) and j.views()[0] == j.item.gold[0]))),
        "consistency": mean_credit(credits(judged, lambda j: float(consistent(j)))),
    }


def _rewardbench(spec: SetSpec, judged: Judgements) -> Metrics:
    """Chosen above rejected. No decision of a judge of pairs earns 0.5 (generative runner), equal scores earn 0 (the other)."""

    def credit(j: JudgedItem) -> float:
        if not j.duels:
            return _agrees(j.beats(0, 1), j.item.gold[0])
        return _over_views(j, lambda v: 0.5 if not v else _agrees(v, j.item.gold[0]))

    values = credits(judged, credit)
    subsets = [j.item.subset for j in judged]
    known = any(matches(s, patterns) for s in subsets for patterns in spec.sections.values())
    total = sectioned(values, subsets, spec.sections, spec.weights or None) if known else mean_credit(values)
    return {"score": total, **by_section(spec, judged, values)}


def _rewardbench_languages(spec: SetSpec, judged: Judgements) -> Metrics:
    """RewardBench's score within each language (the subset is `language/source`), and the mean of the languages."""
    values = credits(judged, pair_accuracy)
    languages = dict.fromkeys(j.item.subset.partition("/")[0] for j in judged)
    parts: Metrics = {}
    for language in languages:
        own = [j.item.subset.partition("/")[0] == language for j in judged]
        sources = [j.item.subset.partition("/")[2] for j in judged]
        parts[language] = sectioned(np.where(own, values, np.nan), sources, spec.sections, spec.weights or None)
    return {"score": mean_measure(list(parts.values())), **parts}


# ---- several responses ---------------------------------------------------------------------------------------------------


def best_accuracy(judged: JudgedItem) -> float:
    """1 where a better response is above every worse one: what best-of-n would have picked is right, whatever breaks its ties."""
    good = [i for i, g in enumerate(judged.item.gold) if g]
    bad = [i for i, g in enumerate(judged.item.gold) if not g]
    return float(any(all(judged.beats(a, b) == 1 for b in bad) for a in good))


def is_decided(judged: JudgedItem) -> bool:
    """Whether every better response was compared with every worse one."""
    gold = judged.item.gold
    return all(judged.beats(a, b) is not None for a, b in product(range(len(gold)), repeat=2) if gold[a] and not gold[b])


def shared_top(judged: JudgedItem) -> float:
    """RewardBench 2: 1 / k where the right answer is among k answers that share the top; without a verdict, chance."""
    gold, size = judged.item.gold, len(judged.item.gold)
    good = next(i for i, g in enumerate(gold) if g)
    if judged.duels:
        against = [judged.beats(good, b) for b in range(size) if not gold[b]]
        if None in against:
            return 1 / size
        return 0.0 if -1 in against else 1 / (1 + against.count(0))
    if any(r is None for r in judged.rewards):
        return 1 / size
    top = [i for i in range(size) if compared(judged.rewards[i], max(r for r in judged.rewards if r is not None)) == 0]
    return 1 / len(top) if good in top else 0.0


def _best(spec: SetSpec, judged: Judgements) -> Metrics:
    values = credits(judged, best_accuracy)
    pairs = credits(judged, _pair_share)
    ranks = credits(judged, _reciprocal_rank)
    return {
        "accuracy": mean_credit(values),
        "MRR": mean_credit(ranks),
        "pairs": mean_credit(pairs),
        **by_section(spec, judged, values),
    }


def _reciprocal_rank(judged: JudgedItem) -> float:
    """1 / rank of the best-placed better response; equal rewards and no verdict place it below."""
    gold = judged.item.gold
    good, bad = [i for i, g in enumerate(gold) if g], [i for i, g in enumerate(gold) if not g]
    return max(1 / (1 + sum(judged.beats(a, b) != 1 for b in bad)) for a in good)


def _pair_share(judged: JudgedItem) -> float:
    """Share of the (better, worse) pairs in which the better one is above."""
    gold = judged.item.gold
    won = [judged.beats(a, b) == 1 for a, b in product(range(len(gold)), repeat=2) if gold[a] and not gold[b]]
    return sum(won) / len(won) if won else math.nan


def _rewardbench2(spec: SetSpec, judged: Judgements) -> Metrics:
    """Mean over the subsets; the subset Ties by its own score."""
    plain = [j.item.subset.casefold() != "ties" for j in judged]
    values = np.where(plain, credits(judged, shared_top), np.nan)
    subsets = [j.item.subset for j in judged]
    names = [s for s in dict.fromkeys(subsets) if s.casefold() != "ties"]
    parts: Metrics = {name: sectioned(values, subsets, {name: (name,)}) for name in names}
    if not all(plain):
        parts |= {"Ties": ties_score(judged)}
    return {"score": mean_measure(list(parts.values())), **parts}


def ties_score(judged: Judgements) -> WeightedMetric:
    """RewardBench 2, subset Ties: 0.3 accuracy on tied + 0.3 on reference prompts + 0.2 + 0.2 for two margins + 0.01 for their
    size.

    A prompt is right where its worst correct answer is above the best wrong one. The margin between correct answers should be
    smaller than that gap, in the tied prompt, and than the smaller gap of the tied and the reference prompt (`ref:7`, `tied:7`
    in the id). An answer without a reward makes its prompt wrong.
    """
    stats: dict[str, dict[str, tuple[int, float, float, float]]] = {"ref": {}, "tied": {}}
    for place, j in enumerate(judged):
        kind, _, number = j.item.note.partition(":")
        if j.item.subset.casefold() == "ties" and kind in stats:
            stats[kind][number] = (place, *_margins(j))
    both = [(stats["ref"][n], stats["tied"][n]) for n in stats["ref"] if n in stats["tied"]]

    def measure(weights: Floats) -> float:
        right = [_weighed([(weights[p], a) for p, a, _, _ in stats[kind].values()]) for kind in ("tied", "ref")]
        parts = [(weights[t[0]] * weights[r[0]], r[3], t[2], t[3]) for r, t in both]
        own = _weighed([(w, float(gap > spread)) for w, _, spread, gap in parts])
        hard = _weighed([(w, float(min(ref, gap) > spread)) for w, ref, spread, gap in parts])
        size = _weighed([(w, _size(min(ref, gap), spread)) for w, ref, spread, gap in parts])
        return 0.3 * right[0] + 0.3 * right[1] + 0.2 * own + 0.2 * hard + 0.01 * size

    return measure


def _margins(judged: JudgedItem) -> tuple[float, float, float]:
    """(right or not, spread of the correct answers, gap from the worst correct one to the best wrong one)."""
    good = [r for r, g in zip(judged.rewards, judged.item.gold, strict=True) if g]
    bad = [r for r, g in zip(judged.rewards, judged.item.gold, strict=True) if not g]
    if None in good or None in bad:
        return 0.0, math.inf, -math.inf
    low, high, wrong = min(good), max(good), max(bad)  # type: ignore[type-var]  # none is None
    return float(low > wrong), high - low, low - wrong  # type: ignore[operator]  # as above


def _weighed(parts: Sequence[tuple[float, float]]) -> float:
    total = sum(w for w, _ in parts)
    return float(sum(w * value for w, value in parts) / total) if total else 0.0


def _size(gap: float, spread: float) -> float:
    """tanh(gap / spread - 1), 0 where that is 0 / 0."""
    if spread == 0:
        return 0.0 if gap == 0 else math.copysign(1.0, gap)
    return 0.0 if math.isinf(spread) else math.tanh(gap / spread - 1)


def style_matrix(judged: JudgedItem) -> Floats:
    """RM-Bench: cell (i, j) is 1 where the chosen answer in style i is above the rejected one in style j; equal is not above."""
    good = [i for i, g in enumerate(judged.item.gold) if g]
    bad = [i for i, g in enumerate(judged.item.gold) if not g]
    return np.array([[float(judged.beats(a, b) == 1) for b in bad] for a in good])


def _rm_bench(spec: SetSpec, judged: Judgements) -> Metrics:
    """Hard: the rejected answer is in the fancier style; normal: both in the same; easy: the chosen one is. Mean over domains."""
    cells = [style_matrix(j) for j in judged]
    above = [m[np.triu_indices(len(m), 1)].mean() for m in cells]
    below = [m[np.tril_indices(len(m), -1)].mean() for m in cells]
    diagonal = [np.diag(m).mean() for m in cells]
    each = {"hard": np.array(above), "normal": np.array(diagonal), "easy": np.array(below)}
    subsets = [j.item.subset for j in judged]
    domains = {n: p for n, p in spec.sections.items() if any(matches(s, p) for s in subsets)}
    if not domains:
        domains = {name: (name,) for name in dict.fromkeys(subsets)}
    levels = {
        name: mean_measure([_domain(values, subsets, patterns) for patterns in domains.values()]) for name, values in each.items()
    }
    whole = {
        domain: mean_measure([_domain(values, subsets, patterns) for values in each.values()])
        for domain, patterns in domains.items()
    }
    return {"score": mean_measure(list(whole.values())), **levels, **whole}


def _domain(values: Floats, subsets: Sequence[str], patterns: Sequence[str]) -> WeightedMetric:
    """A domain is the mean of its parts (safety: refuse and response), whatever their sizes."""
    inside = [name for name in dict.fromkeys(subsets) if matches(name, patterns)]
    return mean_measure([sectioned(values, subsets, {name: (name,)}) for name in inside])


# ---- single responses ------------------------------------------------------------------------------------------------------


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


def _right(spec: SetSpec, judged: Judgements) -> Metrics:
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
        "balanced": a.weighed(macro_f1(a.said, a.gold, (1, 0), which="recall")),
    }


def _right_above_wrong(spec: SetSpec, judged: Judgements) -> Metrics:
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
        **_right(spec, judged),
    }


def _healthbench(spec: SetSpec, judged: Judgements) -> Metrics:
    """HealthBench meta-evaluation: the judge against each physician's label, F1 of met and of unmet, and their mean."""
    plain = _right(spec, judged)
    return {"macro F1": plain["macro F1"], "accuracy": plain["accuracy"], "balanced": plain["balanced"]}


def _macro_first(spec: SetSpec, judged: Judgements) -> Metrics:
    plain = _right(spec, judged)
    return {"balanced": plain.pop("balanced"), **plain}


# ---- ratings -----------------------------------------------------------------------------------------------------------------


def _ratings(spec: SetSpec, judged: Judgements) -> Metrics:
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


def _pearson_first(spec: SetSpec, judged: Judgements) -> Metrics:
    plain = _ratings(spec, judged)
    return {"pearson": plain.pop("pearson"), **plain}


def _sample_level(spec: SetSpec, judged: Judgements) -> Metrics:
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


# ---- other ---------------------------------------------------------------------------------------------------------------------


def _contrast(spec: SetSpec, judged: Judgements) -> Metrics:
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


def _processbench(spec: SetSpec, judged: Judgements) -> Metrics:
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


METRICS: Mapping[str, SetMetric] = {
    "pairs": SetMetric("pairs", "share of the pairs in which the labelled response is preferred", _pairs),
    "mean-of-subsets": SetMetric("pairs", "accuracy, the mean of the subsets", _mean_of_subsets),
    "mean-of-sections": SetMetric("pairs", "accuracy, the mean of the sections", _mean_of_sections),
    "both-orders": SetMetric("pairs", "accuracy, the mean of both orders", _both_orders),
    "rewardbench-languages": SetMetric("pairs", "RewardBench's score in each language; their mean", _rewardbench_languages),
    "llmbar": SetMetric("pairs", "LLMBar, evaluate.py: both orders, averaged; mean of the five subsets", _llmbar),
    "judgebench": SetMetric("pairs", "JudgeBench, metrics.py: +1 and -1 over both orders", _judgebench),
    "pandalm": SetMetric("pairs", "PandaLM: three classes, unweighted", _pandalm),
    "auto-j": SetMetric("pairs", "Auto-J, 5.1: both orders must agree", _autoj),
    "rewardbench": SetMetric("pairs", "RewardBench, 3.3: mean of the sections, subsets weighted by their counts", _rewardbench),
    "best": SetMetric("best", "a better response above all worse ones", _best),
    "rewardbench2": SetMetric(
        "best", "RewardBench 2, 4: one against three, shared top 1 / k; mean of the subsets", _rewardbench2
    ),
    "rm-bench": SetMetric("styles", "RM-Bench, 3.3: 3 x 3 styles; mean of the domains", _rm_bench),
    "right": SetMetric("right", "accuracy over responses, F1 of the right ones", _right),
    "right-above-wrong": SetMetric("right", "PPE, 4.2: right answers above wrong ones of the same question", _right_above_wrong),
    "right-balanced": SetMetric("right", "mean recall of right and wrong", _macro_first),
    "criteria": SetMetric("criteria", "accuracy over criteria", _right),
    "criteria-balanced": SetMetric("criteria", "mean recall of met and unmet criteria; then accuracy and F1", _macro_first),
    "healthbench-meta": SetMetric(
        "criteria", "HealthBench, 8: F1 of met and unmet against each physician, averaged", _healthbench
    ),
    "ratings": SetMetric("ratings", "rank correlation over all items", _ratings),
    "ratings-pearson": SetMetric("ratings", "Pearson's r over all items, then rank correlations", _pearson_first),
    "sample-level": SetMetric("ratings", "SummEval: correlation within a question, averaged", _sample_level),
    "contrast": SetMetric("contrast", "Contrast Instructions: by response and by instruction", _contrast),
    "processbench": SetMetric("steps", "ProcessBench, 3.3: harmonic mean of both accuracies", _processbench),
}
DEFAULTS: Mapping[SetKind, str] = {
    "pairs": "pairs",
    "best": "best",
    "styles": "rm-bench",
    "right": "right",
    "criteria": "criteria",
    "ratings": "ratings",
    "contrast": "contrast",
    "steps": "processbench",
}


def metric_of(spec: SetSpec) -> SetMetric:
    """The metric of a set."""
    return METRICS[spec.metric or DEFAULTS[spec.kind]]
