"""The published figure of each set, by name: which builder makes it, for which labels, and where it comes from.

A builder gives named metrics, the headline first. Where a publication counts a failed or a tied verdict in some way, so does its
builder; `judge bench` prints the plain accuracy of all items and of those with a verdict beside it in any case.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from judge.bench import pairs, several, single
from judge.bench.credit import Judgements, Metrics
from judge.bench.spec import SetKind, SetSpec


@dataclass(frozen=True)
class SetMetric:
    """One way to make figures: for which kind of set, from what it is taken, and the builder."""

    kind: SetKind
    source: str
    build: Callable[[SetSpec, Judgements], Metrics]


METRICS: Mapping[str, SetMetric] = {
    "pairs": SetMetric("pairs", "share of the pairs in which the labelled response is preferred", pairs.pair_metrics),
    "mean-of-subsets": SetMetric("pairs", "accuracy, the mean of the subsets", pairs.mean_of_subsets),
    "mean-of-sections": SetMetric("pairs", "accuracy, the mean of the sections", pairs.mean_of_sections),
    "both-orders": SetMetric("pairs", "accuracy, the mean of both orders", pairs.both_orders),
    "rewardbench-languages": SetMetric("pairs", "RewardBench's score in each language; their mean", pairs.rewardbench_languages),
    "llmbar": SetMetric("pairs", "LLMBar, evaluate.py: both orders, averaged; mean of the five subsets", pairs.llmbar),
    "judgebench": SetMetric("pairs", "JudgeBench, metrics.py: +1 and -1 over both orders", pairs.judgebench),
    "pandalm": SetMetric("pairs", "PandaLM: three classes, unweighted", pairs.pandalm),
    "auto-j": SetMetric("pairs", "Auto-J: both orders must agree", pairs.auto_j),
    "rewardbench": SetMetric("pairs", "RewardBench: mean of the sections, subsets weighted by their counts", pairs.rewardbench),
    "best": SetMetric("best", "a better response above all worse ones", several.best_metrics),
    "rewardbench2": SetMetric(
        "best", "RewardBench 2: one against three, shared top 1 / k; mean of the subsets", several.rewardbench2
    ),
    "rm-bench": SetMetric("styles", "RM-Bench: 3 x 3 styles; mean of the domains", several.rm_bench),
    "right": SetMetric("right", "accuracy over responses, F1 of the right ones", single.right_metrics),
    "right-above-wrong": SetMetric("right", "PPE: right answers above wrong ones of the same question", single.right_above_wrong),
    "right-balanced": SetMetric("right", "mean recall of right and wrong", single.balanced_first),
    "criteria": SetMetric("criteria", "accuracy over criteria", single.right_metrics),
    "criteria-balanced": SetMetric(
        "criteria", "mean recall of met and unmet criteria; then accuracy and F1", single.balanced_first
    ),
    "healthbench-meta": SetMetric(
        "criteria", "HealthBench meta-evaluation: F1 of met and unmet against each physician, averaged", single.healthbench_meta
    ),
    "ratings": SetMetric("ratings", "rank correlation over all items", single.rating_metrics),
    "ratings-pearson": SetMetric("ratings", "Pearson's r over all items, then rank correlations", single.pearson_first),
    "sample-level": SetMetric("ratings", "SummEval: correlation within a question, averaged", single.sample_level),
    "contrast": SetMetric("contrast", "Contrast Instructions: by response and by instruction", single.contrast_metrics),
    "processbench": SetMetric("steps", "ProcessBench: harmonic mean of both accuracies", single.processbench),
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
