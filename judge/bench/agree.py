"""How far a run agrees with its labels: figures with intervals for all, for each criterion and each subset, and two judges'
shared errors.

Beside each accuracy stand the base rate and the judge that always gives one answer, since 0.9 is nothing where nine of ten are
right.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from judge.arrays import Floats
from judge.bench.agreement import (
    average_precision,
    brier_score,
    calibration_error,
    cohen_kappa,
    curve_points,
    difference,
    fleiss_kappa,
    krippendorff_alpha,
    roc_auc,
    shared_errors,
    slope,
)
from judge.bench.labelled import LabelKind, LabelledRun, Observations
from judge.bench.measures import Figure, WeightedMetric, balanced_accuracy, correlation, figures, macro_f1, mean_credit, mean_of
from judge.bench.record import number
from judge.errors import InputError
from judge.reward.objectives.calibration import Calibration, calibration

LEAST = 5  # labels a subset needs to have figures of its own


@dataclass(frozen=True)
class AgreePart:
    """Figures of one part: of the whole run, of a criterion, or of a subset.

    Attributes:
        labels: How many observations have a label; `failed` of them have no verdict.
        base: Share of each label, the most common first.
        always: Accuracy of the judge that always gives the most common label; None for numbers.
        figures: Agreement, discrimination and calibration.
        effects: Length, format and position: see `judge agree --help`.
        reliability: Of yes-and-no labels: rewards by size beside how often they were right.
        curve: Points of the ROC and precision-recall curves.
    """

    name: str
    kind: LabelKind
    labels: int
    failed: int
    base: Mapping[str, float]
    always: float | None
    figures: list[Figure]
    effects: list[Figure]
    reliability: Calibration | None = None
    curve: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True)
class AgreeOptions:
    """How it is counted.

    Attributes:
        threshold: Least reward that says yes.
        scale: Ends of the labels' scale; None: the least and the largest label of the run, or of the criterion.
    """

    threshold: float = 0.5
    scale: tuple[float, float] | None = None
    draws: int = 1000
    seed: int = 0


@dataclass(frozen=True)
class AgreeReport:
    """A run, part by part, and another judge beside it."""

    run: str
    model: str
    recipe: str
    parts: list[AgreePart]
    subsets: list[AgreePart]
    beside: list[JudgesBeside] = field(default_factory=list)


@dataclass(frozen=True)
class JudgesBeside:
    """Two judges on the same labelled responses.

    Attributes:
        labels: How many both have judged.
        figures: `agree` (they say the same), `kappa` between them, `difference` of their accuracies, `errors together` (phi).
        wrong: Wrong of the first alone, of the second alone, of both; and of both if they failed independently.
    """

    first: str
    second: str
    labels: int
    figures: list[Figure]
    wrong: tuple[int, int, int, float]


def agree_report(runs: Sequence[LabelledRun], options: AgreeOptions) -> AgreeReport:
    """The report of the first run, with each further one beside it.

    Raises:
        InputError: A further run shares no labelled response with the first; or the labels are one number, or outside the
            scale.
    """
    first = runs[0]
    criteria = [agree_part(name, one, options) for name, one in first.criteria.items() if len(one.labelled)]
    options = replace(options, scale=_whole_scale(first, options))
    parts = [agree_part("all", first.whole, options, first.orders)] if first.whole is not None else []
    facts = first.facts
    return AgreeReport(
        str(first.folder),
        str(facts.get("model", "")),
        str((facts.get("recipe") or {}).get("name", "")),
        parts + criteria,
        _subsets(first.whole, options) if first.whole is not None else [],
        [_beside(first, other, options) for other in runs[1:]],
    )


def _whole_scale(run: LabelledRun, options: AgreeOptions) -> tuple[float, float] | None:
    """One scale for the run, its subsets and the judges beside it."""
    if run.whole is None or run.whole.kind != "number":
        return options.scale
    low, high = _scale(run.whole.labelled, options)
    if low == high:
        raise InputError(f"{run.folder}: every label is {low:g}; say on which scale with --scale, such as --scale 1,5")
    return low, high


def _subsets(whole: Observations, options: AgreeOptions) -> list[AgreePart]:
    known = whole.labelled
    names = sorted(set(known.subsets))
    parts = []
    for name in names if len(names) > 1 else ():
        inside = known.picked(np.array([s == name for s in known.subsets], dtype=np.bool_))
        if len(inside) >= LEAST:
            parts.append(agree_part(name, inside, options))
    return parts


def agree_part(
    name: str, observations: Observations, options: AgreeOptions, orders: Mapping[int, tuple[float, float]] | None = None
) -> AgreePart:
    """The figures of some observations; `orders` as in `LabelledRun`."""
    known = observations.labelled
    build = {"yes_no": _yes_no, "number": _numbers, "better": _better}[known.kind]
    metrics = build(known, options) | _both_orders(known, orders or {})
    effects = _effects(known, options)
    found = figures({**metrics, **effects}, known.clusters, draws=options.draws, seed=options.seed)
    base, always = _base(known)
    yes_no = known.kind == "yes_no"
    return AgreePart(
        name=name,
        kind=known.kind,
        labels=len(known),
        failed=int(np.isnan(known.scores).sum()),
        base=base,
        always=always,
        figures=[f for f in found if f.name in metrics],
        effects=[f for f in found if f.name in effects and not math.isnan(f.value)],
        reliability=calibration(known.scores, known.labels) if yes_no and len(known) else None,
        curve=curve_points(known.scores, known.labels) if yes_no else [],
    )


def _base(known: Observations) -> tuple[dict[str, float], float | None]:
    if known.kind == "number" or not len(known):
        return ({"mean label": float(known.labels.mean())} if len(known) else {}), None
    words = {"yes_no": {1.0: "yes", 0.0: "no"}, "better": {1.0: "first", -1.0: "second", 0.0: "tie"}}[known.kind]
    values, counts = np.unique(known.labels, return_counts=True)
    shares = {words.get(float(v), f"{v:g}"): int(n) / len(known) for v, n in zip(values, counts, strict=True)}
    return dict(sorted(shares.items(), key=lambda x: -x[1])), float(counts.max() / len(known))


# ---- what is counted -----------------------------------------------------------------------------------------------------


def said_of(known: Observations, options: AgreeOptions) -> Floats:
    """What the judge said in the labels' own words: yes or no by the threshold; a preference; a number on the labels' scale."""
    if known.kind == "yes_no":
        return np.where(np.isnan(known.scores), np.nan, (known.scores >= options.threshold).astype(np.float64))
    if known.kind == "better":
        return known.scores
    low, high = _scale(known, options)
    return low + known.scores * (high - low) if low < high else np.full(len(known), np.nan)  # one number is no scale


def _scale(known: Observations, options: AgreeOptions) -> tuple[float, float]:
    ends = (float(known.labels.min()), float(known.labels.max())) if len(known) else None
    if options.scale is None:
        return ends or (0.0, 1.0)
    low, high = options.scale
    if ends is not None and not low <= ends[0] <= ends[1] <= high:
        raise InputError(f"labels reach from {ends[0]:g} to {ends[1]:g}, and the scale is {low:g},{high:g}; see --scale")
    return options.scale


def wrong_of(known: Observations, options: AgreeOptions) -> Floats:
    """1 where the judge is wrong, 0 where it is right, NaN without a verdict."""
    said = said_of(known, options)
    if known.kind == "number":
        low, high = _scale(known, options)
        return np.where(np.isnan(said), np.nan, np.abs(said - known.labels) / ((high - low) or 1.0))
    return np.where(np.isnan(said), np.nan, (said != known.labels).astype(np.float64))


def _accuracy(known: Observations, options: AgreeOptions) -> dict[str, WeightedMetric]:
    wrong = wrong_of(known, options)
    return {"accuracy": mean_credit(np.where(np.isnan(wrong), 0.0, 1 - wrong)), "accuracy, parsed": mean_credit(1 - wrong)}


def _people(known: Observations, said: Floats, level: str) -> dict[str, WeightedMetric]:
    """Krippendorff's alpha of judge and label; of the people among themselves where there are several, with Fleiss' kappa."""
    out = {"Krippendorff alpha": krippendorff_alpha(np.column_stack([said, known.labels]), level=level)}
    if known.people is not None:
        out["alpha, people"] = krippendorff_alpha(known.people, level=level)
        out["alpha, people and judge"] = krippendorff_alpha(np.column_stack([known.people, said]), level=level)
        if level == "nominal":
            out["Fleiss kappa, people"] = fleiss_kappa(known.people)
    return out


def _yes_no(known: Observations, options: AgreeOptions) -> dict[str, WeightedMetric]:
    said = said_of(known, options)
    return {
        **_accuracy(known, options),
        "balanced accuracy": balanced_accuracy(said, known.labels, (1, 0)),
        "F1 of yes": macro_f1(said, known.labels, (1,)),
        "Cohen kappa": cohen_kappa(said, known.labels),
        **_people(known, said, "nominal"),
        "ROC AUC": roc_auc(known.scores, known.labels),
        "average precision": average_precision(known.scores, known.labels),
        "Kendall tau": correlation(known.scores, known.labels, "kendall"),
        "Spearman rho": correlation(known.scores, known.labels, "spearman"),
        "ECE": calibration_error(known.scores, known.labels),
        "Brier": brier_score(known.scores, known.labels),
    }


def _better(known: Observations, options: AgreeOptions) -> dict[str, WeightedMetric]:
    decided = np.where(known.labels == 0, np.nan, known.scores)
    right = np.where(np.isnan(decided), np.nan, (decided == known.labels).astype(np.float64))
    return {
        **_accuracy(known, options),
        "accuracy, label ties left out": mean_credit(np.where(known.labels == 0, np.nan, np.where(np.isnan(right), 0.0, right))),
        "F1, three classes": macro_f1(known.scores, known.labels, (1, -1, 0)),
        "Cohen kappa": cohen_kappa(known.scores, known.labels),
        **_people(known, known.scores, "nominal"),
        "ties of the judge": mean_credit(np.where(np.isnan(known.scores), np.nan, (known.scores == 0).astype(np.float64))),
    }


def _both_orders(known: Observations, orders: Mapping[int, tuple[float, float]]) -> dict[str, WeightedMetric]:
    """Of comparisons asked in both orders: how often both say the same, and how often the response shown first is preferred."""
    seen = [orders.get(row, (math.nan, math.nan)) for row, _ in known.keys]
    if known.kind != "better" or all(math.isnan(a) and math.isnan(b) for a, b in seen):
        return {}
    same = [math.nan if math.isnan(a) or math.isnan(b) else float(a == b) for a, b in seen]
    shown = [[v for v in (a, -b) if v and not math.isnan(v)] for a, b in seen]
    first = [sum(v > 0 for v in votes) / len(votes) if votes else math.nan for votes in shown]
    return {"orders agree": mean_credit(same), "shown first preferred": mean_credit(first)}


def _numbers(known: Observations, options: AgreeOptions) -> dict[str, WeightedMetric]:
    said = said_of(known, options)
    levels = np.unique(known.labels)
    whole = len(levels) <= 11 and bool((levels == levels.round()).all())
    exact: dict[str, WeightedMetric] = {}
    if whole and np.diff(_scale(known, options))[0] > 0:
        rounded = np.where(np.isnan(said), np.nan, np.floor(said + 0.5))
        exact = {
            "exact": mean_credit(np.where(np.isnan(rounded), 0.0, (rounded == known.labels).astype(np.float64))),
            "quadratic kappa": cohen_kappa(rounded, known.labels, weighted="quadratic"),
        }
    off = np.abs(said - known.labels)
    return {
        "Spearman rho": correlation(known.scores, known.labels, "spearman"),
        "Kendall tau": correlation(known.scores, known.labels, "kendall"),
        "Pearson r": correlation(known.scores, known.labels, "pearson"),
        "mean absolute error": mean_of(off),
        "bias": mean_of(said - known.labels),
        **exact,
        **_people(known, said, "interval"),
    }


def _effects(known: Observations, options: AgreeOptions) -> dict[str, WeightedMetric]:
    """What the judge favours beyond what the labels do: longer, formatted, and first responses. 0 is no effect."""
    said = said_of(known, options)
    low, high = _scale(known, options) if known.kind == "number" else (-1.0, 1.0) if known.kind == "better" else (0.0, 1.0)
    over = (said - known.labels) / ((high - low) or 1.0)
    longer = np.sign(known.lengths) if known.kind == "better" else np.log1p(np.abs(known.lengths))
    out = {"length": slope(longer, over)}
    if len(np.unique(known.formatted)) > 1:
        marked = known.formatted > 0
        plain = known.formatted < 0 if known.kind == "better" else ~marked
        gap = difference(mean_of(np.where(marked, over, np.nan)), mean_of(np.where(plain, over, np.nan)))
        out["format"] = gap
    if known.kind == "better":
        out["first place"] = mean_of(over)
    elif len(np.unique(known.places)) > 1:
        out["place in the row"] = slope(known.places, over)
    return out


# ---- two judges --------------------------------------------------------------------------------------------------------------


def _beside(first: LabelledRun, second: LabelledRun, options: AgreeOptions) -> JudgesBeside:
    one, two = _common(first, second)
    a, b = said_of(one, options), said_of(two, options)
    wrong = wrong_of(one, options), wrong_of(two, options)
    both = ~(np.isnan(wrong[0]) | np.isnan(wrong[1]))
    gap = difference(mean_credit(np.where(both, 1 - wrong[0], np.nan)), mean_credit(np.where(both, 1 - wrong[1], np.nan)))
    metrics: dict[str, WeightedMetric] = {
        "difference": gap,
        "agree": mean_credit(np.where(both, (a == b).astype(np.float64), np.nan)),
        "kappa": cohen_kappa(a, b),
        "errors together": shared_errors(wrong[0].tolist(), wrong[1].tolist()),
    }
    x, y = wrong[0][both] > 0.5, wrong[1][both] > 0.5
    counts = int((x & ~y).sum()), int((y & ~x).sum()), int((x & y).sum())
    independent = float(x.sum() * y.sum() / len(x)) if len(x) else math.nan
    found = figures(metrics, one.clusters, draws=options.draws, seed=options.seed)
    return JudgesBeside(str(first.folder), str(second.folder), int(both.sum()), found, (*counts, independent))


def _common(first: LabelledRun, second: LabelledRun) -> tuple[Observations, Observations]:
    if first.whole is None or second.whole is None or first.whole.kind != second.whole.kind:
        raise InputError(
            f"{second.folder}: its labels are not of the kind that {first.folder} has; two judges of the same labels are compared"
        )
    one, two = first.whole.labelled, second.whole.labelled
    at = {(name, key[1]): i for i, (name, key) in enumerate(zip(two.ids, two.keys, strict=True))}
    pairs = [(i, at[name, key[1]]) for i, (name, key) in enumerate(zip(one.ids, one.keys, strict=True)) if (name, key[1]) in at]
    if not pairs:
        raise InputError(f"{second.folder}: no labelled response of {first.folder} is in it (compared by id)")
    return one.picked([i for i, _ in pairs]), two.picked([j for _, j in pairs])


def agree_record(report: AgreeReport) -> dict[str, Any]:
    """The report as plain values."""

    def figure(f: Figure) -> dict[str, Any]:
        low = number(f.interval.low)
        return {"name": f.name, "value": number(f.value), "interval": None if low is None else [low, f.interval.high]}

    def part(p: AgreePart) -> dict[str, Any]:
        bins = p.reliability.bins if p.reliability is not None else ()
        return {
            "name": p.name,
            "kind": p.kind,
            "labels": p.labels,
            "failed": p.failed,
            "base_rate": dict(p.base),
            "always_one_answer": p.always,
            "figures": [figure(f) for f in p.figures],
            "effects": [figure(f) for f in p.effects],
            "reliability": [
                {"low": b.low, "high": b.high, "count": b.count, "reward": b.confidence, "right": b.accuracy} for b in bins
            ],
            "curve": p.curve,
        }

    return {
        "run": report.run,
        "model": report.model,
        "recipe": report.recipe,
        "parts": [part(p) for p in report.parts],
        "subsets": [part(p) for p in report.subsets],
        "beside": [
            {
                "runs": [b.first, b.second],
                "labels": b.labels,
                "figures": [figure(f) for f in b.figures],
                "wrong_first": b.wrong[0],
                "wrong_second": b.wrong[1],
                "wrong_both": b.wrong[2],
                "wrong_both_if_independent": number(b.wrong[3]),
            }
            for b in report.beside
        ],
    }
