"""What `judge calibrate` does: compares the maps, fits one, finds the threshold, and says what the labels are worth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from judge.bench.calibrate import (
    Method,
    MethodMetrics,
    SureThreshold,
    best_method,
    compare_methods,
    falls,
    fitted,
    folds_of,
    least_labels,
    out_of_fold,
    sure_threshold,
)
from judge.bench.labelled import LabelledRun, Observations
from judge.bench.measures import Figure
from judge.bench.ppi import PoweredMean, ask_next, powered_mean
from judge.errors import DataError, InputError, OutputError, Problem
from judge.report.text import percent
from judge.settings.calibration import CalibrationFile
from judge.shape.calibrated import calibrated

LEAST = 20  # labels


@dataclass(frozen=True)
class CalibrateOptions:
    """How it is calibrated.

    Attributes:
        method: One map, or `auto`.
        error: Share of wrong answers to promise among those that stay; None: no threshold.
        confidence: Of the promise.
        width: Width of the interval that is wanted of the mean label; None: not asked.
        following: How many rows to name for labelling.
    """

    method: str = "auto"
    error: float | None = None
    confidence: float = 0.95
    width: float | None = None
    following: int = 0
    draws: int = 1000
    seed: int = 0


@dataclass(frozen=True)
class CalibrateReport:
    """What came of it.

    Attributes:
        compared: The raw rewards, then each method, on prompts that it has not seen.
        threshold: Of the promise; None where none was asked for or none holds.
        mean: The true mean label over all judged rows.
        following: Ids of the rows to label next.
    """

    run: str
    labels: int
    unlabelled: int
    no_verdict: int
    method: Method
    compared: list[MethodMetrics]
    file: CalibrationFile
    threshold: SureThreshold | None
    mean: PoweredMean
    options: CalibrateOptions
    following: list[str] = field(default_factory=list)

    @property
    def promised(self) -> bool:
        """Whether the promise that was asked for can be given."""
        return self.options.error is None or self.threshold is not None

    @property
    def inverted(self) -> bool:
        """Whether the judge grades the right answers below the wrong ones: the whole interval of its ROC AUC is below 0.5."""
        return next(f for f in self.compared[0].figures if f.name == "ROC AUC").interval.high < 0.5


def calibrate_report(run: LabelledRun, options: CalibrateOptions) -> CalibrateReport:
    """Calibrate the rewards of a run by its labels.

    Raises:
        InputError: The labels are no yes and no of single responses.
        DataError: Too few of them, or all alike.
    """
    whole = run.whole
    if whole is None or whole.kind != "yes_no":
        kinds = {"better": "name the better of two responses", "number": "are numbers"}
        found = "are of single criteria" if whole is None else kinds[whole.kind]
        raise InputError(f"{run.folder}: the labels {found}; a calibration needs yes or no for each response")
    known = ~np.isnan(whole.scores) & ~np.isnan(whole.labels)
    used = whole.picked(known)
    if len(used) < LEAST or len(np.unique(used.labels)) < 2:
        what = f"{len(used)} labelled responses with a verdict" if len(used) < LEAST else "labels that are all alike"
        raise DataError(Problem(str(run.folder), f"{what}; a calibration needs at least {LEAST}, right and wrong ones"))
    compared = compare_methods(used.scores, used.labels, used.clusters, draws=options.draws, seed=options.seed)
    method = _method(options.method, compared, used)
    made, threshold = _made(run, used, method, options)
    return CalibrateReport(
        run=str(run.folder),
        labels=len(used),
        unlabelled=int(np.isnan(whole.labels).sum()),
        no_verdict=int(np.isnan(whole.scores).sum()),
        method=method,
        compared=compared,
        file=made,
        threshold=threshold,
        mean=_mean(whole, method, options),
        options=options,
        following=_following(whole, made, options.following),
    )


def _method(name: str, compared: Sequence[MethodMetrics], used: Observations) -> Method:
    if name == "auto":  # a map that pays a higher reward less is taken by name only
        rising = [c for c in compared if c.method == "raw" or not falls(fitted(c.method, used.scores, used.labels))]  # type: ignore[arg-type]  # one of METHODS
        return best_method(rising)
    known = [c.method for c in compared if c.method != "raw"]
    if name not in known:
        why = "; there are over 20 different rewards" if name == "levels" else ""
        raise InputError(f"--method {name}: cannot be used here{why}; possible: auto, {', '.join(known)}")
    return name  # type: ignore[return-value]  # one of METHODS


def _made(
    run: LabelledRun, used: Observations, method: Method, options: CalibrateOptions
) -> tuple[CalibrationFile, SureThreshold | None]:
    """The map of all labels; with a promise, of half of them, and the threshold from the other half."""
    threshold = None
    fit = used
    if options.error is not None:
        half = folds_of(used.clusters, 2, options.seed + 1)
        fit, test = used.picked(half == 0), used.picked(half == 1)
        if min(len(fit), len(test)) < 2 or len(np.unique(fit.labels)) < 2:
            raise DataError(
                Problem(str(run.folder), "too few prompts to halve; a threshold needs labels that the map has not seen")
            )
    step = fitted(method, fit.scores, fit.labels)
    if options.error is not None:
        chances = calibrated(test.scores, step)
        threshold = sure_threshold(
            chances, test.labels, error=options.error, confidence=options.confidence, clusters=test.clusters
        )
    facts = run.facts
    made = {
        "run": str(run.folder),
        "labels": len(used),
        "model": facts.get("model"),
        "recipe": (facts.get("recipe") or {}).get("name"),
        "rubric": (facts.get("rubric") or {}).get("name"),
    }
    return (
        CalibrationFile(
            method=method,
            map=step,
            unsure=threshold.step if threshold is not None else None,
            error=options.error if threshold is not None else None,
            confidence=options.confidence if threshold is not None else None,
            made={k: v for k, v in made.items() if v is not None},
        ),
        threshold,
    )


def _mean(whole: Observations, method: Method, options: CalibrateOptions) -> PoweredMean:
    """Prediction-powered mean, the judge calibrated on labels of other prompts, so that the correction is honest."""
    judged = whole.picked(~np.isnan(whole.scores))
    known = ~np.isnan(judged.labels)
    chances = np.full(len(judged), np.nan)
    labelled = judged.picked(known)
    chances[known] = out_of_fold(method, labelled.scores, labelled.labels, folds_of(labelled.clusters, 5, options.seed))
    chances[~known] = calibrated(judged.scores[~known], fitted(method, labelled.scores, labelled.labels))
    usable = ~np.isnan(chances)
    return powered_mean(judged.labels[usable], chances[usable], [c for c, u in zip(judged.clusters, usable, strict=True) if u])


def _following(whole: Observations, made: CalibrationFile, count: int) -> list[str]:
    if not count:
        return []
    places = ask_next(calibrated(whole.scores, made.map), whole.labels, whole.spread)
    many = any(key[1] for key in whole.keys)
    return [f"{whole.ids[i]}[{whole.keys[i][1]}]" if many else whole.ids[i] for i in places[:count]]


def write_calibration(report: CalibrateReport, path: Path) -> None:
    """The file that `calibration: FILE` reads. Raises `OutputError`."""
    text = yaml.safe_dump(report.file.model_dump(mode="json", exclude_none=True), sort_keys=False, allow_unicode=True, width=120)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as why:
        raise OutputError(f"{path}: cannot be written: {why.strerror}") from None


# ---- for a reader ------------------------------------------------------------------------------------------------------------


def calibrate_record(report: CalibrateReport) -> dict[str, Any]:
    """The report as plain values."""
    mean, options = report.mean, report.options
    return {
        "run": report.run,
        "labels": report.labels,
        "unlabelled": report.unlabelled,
        "no_verdict": report.no_verdict,
        "method": report.method,
        "inverted": report.inverted,
        "map_falls": falls(report.file.map),
        "compared": {c.method: {f.name: _record(f) for f in c.figures} for c in report.compared},
        "calibration": report.file.model_dump(mode="json", exclude_none=True),
        "threshold": _threshold(report),
        "mean_label": {
            "estimate": _finite(mean.estimate),
            "interval": _pair(mean.interval),
            "labels_alone": _finite(mean.plain),
            "labels_alone_interval": _pair(mean.plain_interval),
            "judge_alone": _finite(mean.judge),
            "power": mean.power,
            "worth_labels": _finite(mean.worth),
        },
        "labels_for_width": None
        if options.width is None
        else {
            "width": options.width,
            "with_judge": _finite(mean.labels_for(options.width)),
            "labels_alone": mean.plain_labels_for(options.width),
        },
        "label_next": report.following,
    }


def _threshold(report: CalibrateReport) -> Mapping[str, Any] | None:
    t = report.threshold
    return None if t is None else {"certainty": t.least, "kept": t.kept, "tested": t.tested, "wrong": t.wrong}


def _record(f: Figure) -> dict[str, Any]:
    return {"value": _finite(f.value), "interval": _pair(f.interval)}


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _pair(interval: tuple[float, float]) -> list[float] | None:
    return None if math.isnan(interval[0]) else [float(interval[0]), float(interval[1])]


def print_calibrate(report: CalibrateReport, console: Console | None = None) -> None:
    """Print a report on standard output, in 80 columns."""
    console = console or Console(width=80, highlight=False, soft_wrap=False)
    console.print(
        Text(
            f"{report.run}: {report.labels:,} labels, {report.unlabelled:,} rows without one, {report.no_verdict:,} no verdict",
            style="bold",
        )
    )
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for place, name in enumerate(("rewards", *(f.name for f in report.compared[0].figures))):
        table.add_column(name, justify="left" if place == 0 else "right", no_wrap=True)
    for each in report.compared:
        table.add_row(each.method + (" *" if each.method == report.method else ""), *map(_cell, each.figures))
    console.print(table)
    console.print(Text("* used; each map is measured on prompts that it has not seen", style="dim"))
    for line in _lines(report):
        console.print(Text(line))


def _cell(f: Figure) -> str:
    if math.isnan(f.value):
        return "–"
    ends = "" if math.isnan(f.interval.low) else f" [{f.interval.low:.3f}, {f.interval.high:.3f}]"
    return f"{f.value:.3f}{ends}"


def _lines(report: CalibrateReport) -> list[str]:
    mean, options = report.mean, report.options
    out = _warnings(report)
    if options.error is not None:
        out.append(_promise(report, percent(options.error, 0)))
    out.append(
        f"true share of right answers: {mean.estimate:.3f} {_ends(mean.interval)}; from the labels alone {mean.plain:.3f}"
        f" {_ends(mean.plain_interval)}; the judge's word {mean.judge:.3f}"
    )
    if mean.unlabelled and math.isfinite(mean.worth):
        out.append(f"the judge is worth {mean.worth - mean.labelled:,.0f} labels beside the {mean.labelled:,} there are")
    if options.width is not None:
        need = mean.labels_for(options.width)
        said = f"{need:,.0f}" if math.isfinite(need) else "more unlabelled rows first"
        plain = mean.plain_labels_for(options.width)
        out.append(f"for an interval of width {options.width:g}: labels needed {said} ({plain:,.0f} without the judge)")
    if report.following:
        out.append("label next: " + ", ".join(report.following))
    elif options.following:
        out.append("label next: none, every row has a label")
    return out


def _warnings(report: CalibrateReport) -> list[str]:
    if report.inverted:
        return ["WARNING: the judge grades wrong answers above right ones (ROC AUC of raw below 0.5); no map mends that"]
    if falls(report.file.map):
        return [f"WARNING: the map `{report.method}` falls: some rewards come out lower than smaller ones; isotonic never does"]
    return []


def _promise(report: CalibrateReport, share: str) -> str:
    t, options = report.threshold, report.options
    if t is None:
        least = least_labels(options.error or 0.0, options.confidence)
        return (
            f"no threshold keeps the wrong answers below {share}: at least {least} labels of sure answers are needed, and a judge"
            " that is right there"
        )
    ends = f"at least {t.least:.3f} or at most {1 - t.least:.3f}"
    tested = f"{t.wrong} wrong of {round(t.kept * t.tested)} tested"
    return (
        f"with {percent(options.confidence, 0)} confidence at most {share} are wrong where the chance is {ends}:"
        f" {percent(t.kept)} stay ({tested}), the rest get no reward"
    )


def _ends(interval: tuple[float, float]) -> str:
    return "" if math.isnan(interval[0]) else f"[{interval[0]:.3f}, {interval[1]:.3f}]"
