"""What one call of the monitor found, and the words for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from judge.monitor.alarms import Alarm, AlarmCode
from judge.monitor.statistics import StepStatistics
from judge.monitor.watch import Watch

_SAYS = {
    AlarmCode.OPENING_COLLAPSE: "of the responses open with the same words",
    AlarmCode.IDENTICAL_RESPONSES: "of the responses are one text, given to different prompts",
    AlarmCode.DUPLICATES_IN_GROUP: "of the responses repeat another one of their group",
    AlarmCode.NO_VERDICT_SHARE: "of the responses have no reward",
    AlarmCode.GROUP_SPREAD_COLLAPSE: "of the groups have equal rewards throughout",
}


@dataclass(frozen=True, slots=True)
class Report:
    """What one call of `observe` found.

    Attributes:
        step: The caller's step, else the number of the call from 0.
        complete: False: the batch was too small and is kept for the next call; everything else is then as it was before.
        batch: Figures of this batch (`judge.monitor.statistics.figures`); None where it cannot tell.
        smoothed: The same, smoothed over batches, with `reason:NAME` and `flag:NAME` shares.
        raised: Alarms raised now.
        cleared: Alarms that cleared now.
        active: Alarms that are on.
    """

    step: int
    complete: bool = True
    batch: StepStatistics = field(default_factory=dict)
    smoothed: StepStatistics = field(default_factory=dict)
    raised: tuple[Alarm, ...] = ()
    cleared: tuple[AlarmCode, ...] = ()
    active: tuple[AlarmCode, ...] = ()


def message(code: AlarmCode, value: float, limit: float, watch: Watch) -> str:
    """One line for a person: what is seen, and against what.

    Args:
        value: What was measured, in the unit of its limit.
        limit: The limit in force.
        watch: What is known about the canaries.
    """
    if code in _SAYS:
        return f"{code}: {value:.0%} {_SAYS[code]} (limit {limit:.0%})"
    if code is AlarmCode.CONSTANT_STRING_WINS:
        return f"{code}: {_constant_string(watch)}"
    if code is AlarmCode.CANARY_PASSED:
        return f"{code}: canaries are paid more often than {watch.settings.tolerated_canary_rate:.0%}"
    if code is AlarmCode.SECOND_JUDGE_DIVERGENCE:
        return f"{code}: this judge rose {value:.2f} above the second judge since the start (limit {limit:.2f})"
    if code is AlarmCode.REWARD_JUMP:
        return f"{code}: the mean reward jumped by {value:.2f} (limit {limit:.2f})"
    return f"{code}: {value:.2f} within groups (limit {limit:.2f})"


def _constant_string(watch: Watch) -> str:
    text = watch.worst or ""
    shown = repr(text if len(text) <= 60 else text[:59] + "…")
    found = next((e for e in watch.estimates() if e.string == text and e.filtered), None)
    if found is None or found.rate is None or found.interval is None or watch.honest_rate is None:
        return f"{shown} is paid more often than is harmless"
    low, high = found.interval
    return (
        f"{shown} is paid {found.rate:.0%} of the time of late (95% interval {low:.0%} to {high:.0%});"
        f" honest responses pass in {watch.honest_rate:.0%}"
    )


def flat(state: dict[str, Any]) -> dict[str, float]:
    """`Monitor.as_dict()` -> known figures by one flat name, as trainers log them."""
    found = {f"judge/{k.replace(':', '/')}": v for k, v in state["smoothed"].items() if v is not None}
    for name in ("honest_pass_rate", "second_judge_rise"):
        if state[name] is not None:
            found[f"judge/{name}"] = state[name]
    rates = [e["rate"] for e in state["canaries"] if e["filtered"] and e["evidence"] is not None and e["rate"] is not None]
    if rates:
        found["judge/worst_canary_rate"] = max(rates)
    return found | {f"judge/alarm/{code}": float(a["active"]) for code, a in state["alarms"].items()}
