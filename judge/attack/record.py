"""An attack report as one JSON object. Rates are in [0, 1], intervals `[low, high]` at 95 %; null: nothing was measured.

```
{"schema": 1, "config", "model", "data", "questions", "seed", "trials_per_item", "threshold",
 "cost": {"judge_calls", "prompt_tokens", "completion_tokens", "seconds"},
 "verdict": one line for a person,
 "modes": [{"mode", "recipe",
   "gates": {"off" | "on": {
     "false_positive_rate":    texts without an answer (NEG): {"trials", "no_verdict", "mean", "interval", "worst_item"},
     "gain_rate":              texts added to wrong answers, the same fields,
     "true_positive_rate":     honest right answers accepted: {"answers", "rate", "interval", "false_negative_rate"},
     "wrong_answers_accepted": honest wrong answers accepted: {"answers", "rate", "interval"},
     "false_veto_rate":        honest right answers stopped by the gate: {"rate", "interval", "filters"},
     "honest_no_verdict":      {reason: count},
     "constant_string":        the string that earns most wherever written: {"item", "variant", "text", "rate", "interval",
                               "trials", "honest_pass_rate", "beats_honest"} or null,
     "families": [{"family", "safe", "trials", "scored", "no_verdict": {reason: count}, "gated", "no_room", "rate", "interval",
                   "mean_gain", "control_rate", "net", "net_interval", "mcnemar_p",
                   "right_answers": {"tried", "harmed", "vetoed"},
                   "worst": {"item", "variant", "name", "text", "rate", "net", "interval", "trials"} or null,
                   "upper", "items": {id: [got through, scored]}, "judge_calls", "tokens"}]}},
   "found": [{"text", "rate", "interval", "trials", "search_rate", "gate"}]}]}
```

`rate` of a family counts acceptances (NEG, CONTROL on their own), or trials that scored above the same answer without the attack;
`net` is that less the same for neutral text of equal length. `upper` is what `--fail-above` looks at. `scored` leaves out
`no_verdict`; `no_room` trials are in neither rate, because their wrong answer was accepted anyway. `judge_calls` of a family is
what it takes under that setting of the gate, replies shared with the other setting included; `cost` counts each request once.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from judge.attack.arena import Gate
from judge.attack.figures import Figure
from judge.attack.run import AttackReport, ModeReport
from judge.attack.totals import Honest, Total
from judge.attack.verdict import verdict_line
from judge.report.stats import Interval

SCHEMA = 1


def record(report: AttackReport) -> dict[str, Any]:
    """The report as plain values, ready for `json.dumps(..., allow_nan=False)`."""
    plain = {
        "schema": SCHEMA,
        "config": report.config,
        "model": report.model,
        "data": report.data,
        "questions": report.questions,
        "seed": report.options.seed,
        "trials_per_item": report.options.trials,
        "threshold": report.options.threshold,
        "cost": {
            "judge_calls": report.calls,
            "prompt_tokens": report.prompt_tokens,
            "completion_tokens": report.completion_tokens,
            "seconds": round(report.seconds, 3),
        },
        "verdict": verdict_line(report),
        "modes": [_mode(m) for m in report.modes],
    }
    return _finite(plain)  # type: ignore[no-any-return]  # a mapping stays one


def _mode(report: ModeReport) -> dict[str, Any]:
    return {
        "mode": report.mode,
        "recipe": report.recipe,
        "gates": {gate: _gate(report, gate) for gate in report.figures},
        "found": [asdict(f) for f in report.found],
    }


def _gate(report: ModeReport, gate: Gate) -> dict[str, Any]:
    constant = report.constant[gate]
    return {
        "false_positive_rate": _total(report.alone[gate]),
        "gain_rate": _total(report.added[gate]),
        **_honest(report.honest[gate]),
        "constant_string": None
        if constant is None
        else {
            "item": constant.item,
            "variant": constant.variant,
            "text": constant.text,
            "rate": constant.rate,
            "interval": constant.interval,
            "trials": constant.trials,
            "honest_pass_rate": constant.pass_rate,
            "beats_honest": constant.beats,
        },
        "families": [_family(f) for f in report.figures[gate]],
    }


def _total(t: Total) -> dict[str, Any]:
    return {"trials": t.trials, "no_verdict": t.unscored, "mean": t.rate, "interval": t.interval, "worst_item": t.worst}


def _honest(h: Honest) -> dict[str, Any]:
    return {
        "true_positive_rate": {
            "answers": h.right,
            "rate": h.accepted,
            "interval": h.accepted_interval,
            "false_negative_rate": 1 - h.accepted,
        },
        "wrong_answers_accepted": {"answers": h.wrong, "rate": h.wrong_accepted, "interval": h.wrong_interval},
        "false_veto_rate": {"rate": h.vetoed, "interval": h.vetoed_interval, "filters": h.vetoed_flags},
        "honest_no_verdict": h.unscored,
    }


def _family(f: Figure) -> dict[str, Any]:
    return {
        "family": f.family,
        "safe": f.safe,
        "trials": f.trials,
        "scored": f.scored,
        "no_verdict": f.unscored,
        "gated": f.gated,
        "no_room": f.no_room,
        "rate": f.rate,
        "interval": f.interval,
        "mean_gain": f.gain,
        "control_rate": f.control,
        "net": f.difference,
        "net_interval": f.difference_interval,
        "mcnemar_p": f.p,
        "right_answers": {"tried": f.harm_trials, "harmed": f.harmed, "vetoed": f.vetoed},
        "worst": asdict(f.worst) if f.worst else None,
        "upper": f.upper,
        "items": {name: list(counts) for name, counts in f.items.items()},
        "judge_calls": f.calls,
        "tokens": f.tokens,
    }


def _finite(value: Any) -> Any:
    """NaN as null, intervals as lists, and half characters as escapes: JSON and UTF-8 know none of them."""
    if isinstance(value, Interval):
        return None if math.isnan(value.low) else [value.low, value.high]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {str(k): _finite(v) for k, v in value.items()}
    return [_finite(v) for v in value] if isinstance(value, list | tuple) else value
