"""What a run's panel is worth: do its judges agree, and where the data have labels, do they err together?

Judges that err together are one judge ("Helping or Herding?", arXiv:2312.09244): agreement alone does not tell, labels do.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from itertools import chain, islice, product
from typing import Any

import numpy as np

from judge.arrays import Floats
from judge.batch.store import Store
from judge.labels import truth_of
from judge.reward.ensemble import Agreement, agreement_report, filter_peers, fit_judge_weights

_LEAST = 2  # responses that two judges gave a reward, below which nothing is said
_LEAST_PAIRS, _MOST_PAIRS = 8, 4000  # of a right and a wrong response to one prompt, to fit weights
_SHOWN = 6  # pairs of judges in the summary


def panel_report(store: Store, judges: Sequence[str]) -> dict[str, Any]:
    """Agreement of a panel's judges over the responses of a run, as plain values; null where nothing can be said.

    Args:
        judges: Names of the panel's members, the run's own first.

    Returns:
        Empty where no response was judged by two of them. `labels` counts responses whose label says that they are right or
        wrong (`label` of a response: 1, 0, true, false; of a pair: the better one); only with some are there `errors`,
        `error_correlation`, `all_wrong` and `herding`.
    """
    scores: list[list[float]] = []
    labels: list[float] = []
    groups: list[str] = []
    rows = store.query(
        "SELECT r.components, r.response_index, s.kept, r.grp, r.many"
        " FROM (SELECT *, count(*) OVER (PARTITION BY row) AS many FROM rewards) r LEFT JOIN samples s ON s.row = r.row"
        " WHERE r.status != 'filtered' ORDER BY r.row, r.response_index"
    )
    for components, index, kept, group, many in rows:
        found = json.loads(components or "{}")
        own = [found.get(name) for name in judges]
        if sum(score is not None for score in own) >= _LEAST:
            scores.append([math.nan if score is None else score for score in own])
            truth = truth_of(json.loads(kept) if kept else {}, index, many)
            labels.append(math.nan if truth is None else truth)
            groups.append(group)
    if not scores:
        return {}
    known = int((~np.isnan(labels)).sum())
    report = agreement_report(np.array(scores).T, np.array(labels) if known else None)
    table = np.array(scores).T
    odd = [judges[k] for k in filter_peers(table).removed]
    return _plain(report, judges) | {
        "responses": len(scores),
        "labels": known,
        "odd": odd,
        "weights": _weights(table, np.array(labels), groups, judges),
    }


def _weights(scores: Floats, labels: Floats, groups: Sequence[str], judges: Sequence[str]) -> dict[str, float] | None:
    """What labelled pairs of right and wrong responses to one prompt say of the judges' weights; None with too few."""
    members: dict[str, tuple[list[int], list[int]]] = {}  # of each group: those that are right, and those that are wrong
    for k, (name, label) in enumerate(zip(groups, labels, strict=True)):
        if label in (0, 1):
            members.setdefault(name, ([], []))[int(label == 0)].append(k)
    in_order = (members[name] for name in dict.fromkeys(groups) if name in members)
    pairs = list(islice(chain.from_iterable(product(*both) for both in in_order), _MOST_PAIRS))
    if len(pairs) < _LEAST_PAIRS:
        return None
    right, wrong = zip(*pairs, strict=True)
    fitted = fit_judge_weights(scores[:, right], scores[:, wrong])
    return {name: round(float(share), 3) for name, share in zip(judges, fitted.share, strict=True)}


def _plain(report: Agreement, judges: Sequence[str]) -> dict[str, Any]:
    table = {"judges": list(judges), "agreement": report.agreement, "kappa": report.kappa, "alpha": report.alpha}
    table |= {"effective_judges": report.effective_judges}
    if not np.isnan(report.errors).all():
        table |= {"errors": report.errors, "error_correlation": report.error_correlation, "all_wrong": report.all_wrong}
        table |= {"expected_all_wrong": report.expected_all_wrong, "herding": report.herding}
    return {name: _value(value) for name, value in table.items()}


def _value(value: Any) -> Any:
    """Arrays as lists, NaN as None."""
    if isinstance(value, np.ndarray):
        return [_value(each) for each in value.tolist()]
    if isinstance(value, list):
        return [_value(each) for each in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def panel_lines(report: Mapping[str, Any]) -> list[str]:
    """The report in the summary of a run.

    Example:
        >>> lines = panel_lines({"judges": ["first", "other"], "agreement": [[1, 0.5], [0.5, 1]], "kappa": [[1, 0], [0, 1]],
        ...                      "alpha": 0.25, "effective_judges": 1.6, "responses": 4, "labels": 0, "odd": []})
        >>> print(*lines, sep="\\n")
        panel of 2 over 4 responses: worth 1.6 independent judges, alpha 0.25
          first and other decide alike on 50 %, kappa 0.00
          without labels nobody knows whether they err together (data: column `label`)
    """
    names = report["judges"]
    worth = "" if report["effective_judges"] is None else f": worth {report['effective_judges']:.1f} independent judges"
    alpha = "" if report["alpha"] is None else f", alpha {report['alpha']:.2f}"
    lines = [f"panel of {len(names)} over {report['responses']} responses{worth}{alpha}"]
    pairs = [(a, b) for a in range(len(names)) for b in range(a + 1, len(names))]
    for a, b in pairs[:_SHOWN]:
        alike, kappa = report["agreement"][a][b], report["kappa"][a][b]
        if alike is not None:
            more = "" if kappa is None else f", kappa {kappa:.2f}"
            lines.append(f"  {names[a]} and {names[b]} decide alike on {alike:.0%}{more}".replace("%", " %"))
    lines += [f"  {name} ranks unlike all the others" for name in report["odd"]]
    if "errors" not in report:
        return [*lines, "  without labels nobody knows whether they err together (data: column `label`)"]
    errors = ", ".join(f"{n} {e:.0%}" for n, e in zip(names, report["errors"], strict=True) if e is not None).replace("%", " %")
    together = ""
    if report["all_wrong"] is not None:
        together = f"; all wrong on {report['all_wrong']:.1%}".replace("%", " %")
        together += f", {report['herding']:.1f} times as often as independent judges" if report["herding"] is not None else ""
    lines.append(f"  wrong by {report['labels']} labels: {errors}{together}")
    if report.get("weights"):
        lines.append(f"  weights that the labels speak for: {', '.join(f'{n} {w:.2f}' for n, w in report['weights'].items())}")
    return lines
