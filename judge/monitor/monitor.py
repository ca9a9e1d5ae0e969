"""A small object fed with every batch, which says when rewards stop meaning what they meant.

What it stops: training on after a constant string pays, after responses or openings have become one, after the judge has
broken or changed. What it does not stop: a policy that games the judge with ever new, varied text; for that, feed it
pairs of rewards with a second judge. Cost: no request of its own; about 0.2 ms a response of 2,000 characters; memory
does not grow with steps.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from judge.errors import InputError, MonitorStop
from judge.imported import imported
from judge.monitor.alarms import Alarm, AlarmCode, Switches
from judge.monitor.canaries import CanaryResult
from judge.monitor.features import FORMAT_FEATURES
from judge.monitor.report import Report, flat, message
from judge.monitor.smooth import Baseline, Smooth
from judge.monitor.statistics import ResponseFeatures, StepStatistics, figures, rows, shares
from judge.monitor.watch import Estimate, Watch
from judge.settings.monitor import MonitorSettings
from judge.types import Reward, Sample

__all__ = ["Monitor", "Report"]

RepeatedRewards = tuple[Reward, Reward]

_LOG = logging.getLogger(__name__)
_MAX_NAMES = 64  # flags and reasons followed by name
_JUMP_DEVIATIONS, _JUMP_BATCHES, _ALL = 5.0, 10, 0.99
_MOVING = {  # alarms whose limit is higher where a run starts high, and their figure
    AlarmCode.OPENING_COLLAPSE: "opening_share",
    AlarmCode.IDENTICAL_RESPONSES: "identical_share",
    AlarmCode.DUPLICATES_IN_GROUP: "duplicate_share",
}
_SMOOTHED = {
    AlarmCode.NO_VERDICT_SHARE: "no_verdict_share",
    AlarmCode.GROUP_SPREAD_COLLAPSE: "zero_spread_share",
    **_MOVING,
}


def _named(path: str | None) -> Callable[[Alarm], object] | None:
    """The function that the settings name."""
    if path is None:
        return None
    found = imported(path, lambda why: InputError(f"monitor.on_alarm: `{path}` {why}"))
    if not callable(found):
        raise InputError(f"monitor.on_alarm: `{path}` is a {type(found).__name__}, not a function (Alarm) -> None")
    return found  # type: ignore[no-any-return]  # its result is not looked at


class Monitor:
    """Watches a stream of batches. Safe to share between threads, and to pickle into a checkpoint.

    Args:
        settings: Limits and actions.
        on_alarm: Called with each alarm as it is raised, outside the lock, before `MonitorStop` is raised. Pickled with
            the monitor. None: the function that the settings name, if any.

    Raises:
        InputError: An action is `callback` and there is no function, or the one in the settings cannot be imported.

    Example:
        >>> monitor = Monitor(MonitorSettings(least_responses=2))
        >>> samples = [Sample.of("2 + 2?", "4", id="a"), Sample.of("3 + 3?", "6", id="b")]
        >>> report = monitor.observe(samples, [Reward("a", 0, 1.0), Reward("b", 0, None)])
        >>> report.batch["reward_mean"], report.batch["no_verdict_share"]
        (1.0, 0.5)
    """

    def __init__(self, settings: MonitorSettings | None = None, *, on_alarm: Callable[[Alarm], object] | None = None) -> None:
        self.settings = settings or MonitorSettings()
        self._on_alarm = on_alarm or _named(self.settings.on_alarm)
        if self._on_alarm is None and any(getattr(self.settings.alarms, code).action == "callback" for code in AlarmCode):
            raise InputError(
                "an alarm's action is `callback`, and there is no function to call: name it in `monitor.on_alarm`"
                " (package.module:name), or pass `on_alarm`"
            )
        self._lock = threading.Lock()
        self._calls = self._batches = self._responses = self._absent = 0
        self._rows: list[ResponseFeatures] = []
        self._smooth: dict[str, Smooth] = {}
        self._starts = {name: Baseline(self.settings.baseline_batches) for name in _MOVING.values()}
        self._gap_start = Baseline(self.settings.baseline_pairs)
        self._gap = Smooth(2 / (self.settings.baseline_pairs + 1))
        self._watch = Watch(self.settings)
        self._switches = Switches()
        self._last = Report(-1, complete=False)

    def observe(
        self,
        samples: Sequence[Sample],
        rewards: Sequence[Reward],
        *,
        step: int | None = None,
        canaries: Sequence[CanaryResult] = (),
        second: Sequence[RepeatedRewards] = (),
    ) -> Report:
        """Take in one batch.

        Args:
            samples: The honest batch.
            rewards: One for each response, in order, canaries split off.
            step: The trainer's step, for messages.
            canaries: What `Canaries.split` returned.
            second: For some responses, this judge's reward and a second judge's.

        Raises:
            MonitorStop: An alarm whose action is `stop` was raised now. The batch has been taken in.
            InputError: Samples and rewards do not belong together. Nothing has been taken in.
        """
        new = list(rows(samples, rewards))
        with self._lock:
            written = self._watch.written(samples, new, canaries)
            report = self._observe(new, canaries, second, step, written)
        self._act(report)
        return report

    def confirm(self, canaries: Sequence[CanaryResult]) -> Report:
        """Take in more probes of the last batch's step (`Canaries.confirm`).

        Raises:
            MonitorStop: As `observe`.
        """
        with self._lock:
            self._watch.add(0, 0, canaries, same_step=True)
            raised, cleared = self._switch(self._canary_values(), self._last.step)
            last = self._last
            report = replace(last, raised=raised, cleared=cleared, active=self._switches.active)
            self._last = replace(report, raised=(*last.raised, *raised), cleared=(*last.cleared, *cleared))
        self._act(report)
        return report

    def _observe(
        self,
        new: list[ResponseFeatures],
        canaries: Sequence[CanaryResult],
        second: Sequence[RepeatedRewards],
        step: int | None,
        written: Mapping[str, tuple[int, int]],
    ) -> Report:
        step = self._calls if step is None else step
        self._calls += 1
        self._responses += len(new)
        valid = [row.value for row in new if row.value is not None]
        self._absent += len(new) - len(valid)
        self._watch.add(sum(v >= self.settings.pass_threshold for v in valid), len(valid), canaries, written=written)
        for first, other in second:
            if first.raw_reward is not None and other.raw_reward is not None:
                self._gap.add(first.raw_reward - other.raw_reward)
                self._gap_start.add(first.raw_reward - other.raw_reward)
        self._rows += new
        values: dict[AlarmCode, tuple[float | None, float | None]] = self._canary_values() | self._second_values()
        batch: dict[str, float | None] = {}
        complete = len(self._rows) >= self.settings.least_responses
        if complete:
            batch = figures(self._rows, self.settings.pass_threshold)
            values |= self._batch_values(batch)
            self._rows = []
        raised, cleared = self._switch(values, step)
        self._last = Report(step, complete, batch or self._last.batch, self._smoothed(), raised, cleared, self._switches.active)
        return self._last

    def _canary_values(self) -> dict[AlarmCode, tuple[float | None, float | None]]:
        return {
            AlarmCode.CONSTANT_STRING_WINS: (self._watch.worst_share, None),
            AlarmCode.CANARY_PASSED: (self._watch.pooled_share, None),
        }

    def _second_values(self) -> dict[AlarmCode, tuple[float | None, float | None]]:
        gap = self.second_judge_rise
        return {AlarmCode.SECOND_JUDGE_DIVERGENCE: (gap, None)}

    @property
    def second_judge_rise(self) -> float | None:
        """How far (this judge - second judge) is above its start, in rewards; None until the start is known."""
        start, now = self._gap_start.mean, self._gap.mean
        return None if start is None or now is None else now - start

    def _batch_values(self, batch: StepStatistics) -> dict[AlarmCode, tuple[float | None, float | None]]:
        """Value and limit of the alarms that look at whole batches; limit None: the one in the settings."""
        self._batches += 1
        jump = self._jump(batch)
        reasons, flags = shares(self._rows)
        named = {f"reason:{k}": v for k, v in reasons.items()} | {f"flag:{k}": v for k, v in flags.items()}
        for name in [*batch, *named]:
            if name in self._smooth or len(self._smooth) < len(batch) + _MAX_NAMES:
                self._smooth.setdefault(name, Smooth(self.settings.smoothing))
        for name, smooth in self._smooth.items():
            smooth.add(named.get(name, 0.0) if ":" in name else batch[name])
        for name, start in self._starts.items():
            start.add(batch[name])
        length = self._smooth["reward_length_correlation"].mean
        formats = [self._smooth[f"reward_{name}_correlation"].mean for name in FORMAT_FEATURES]
        values: dict[AlarmCode, tuple[float | None, float | None]] = {
            AlarmCode.REWARD_LENGTH_CORRELATION: (None if length is None else abs(length), None),
            AlarmCode.REWARD_FORMAT_CORRELATION: (max((f for f in formats if f is not None), default=None), None),
            AlarmCode.REWARD_JUMP: (jump, None),
        }
        for code, name in _SMOOTHED.items():
            limit = self._moved_limit(code)
            values[code] = (None if limit is None else self._smooth[name].mean, limit)
        return values

    def _moved_limit(self, code: AlarmCode) -> float | None:
        """The limit in force: higher where the run started high; None where nothing can be said (yet)."""
        limit: float = getattr(self.settings.alarms, code).limit
        if code not in _MOVING:
            return limit
        start = self._starts[_MOVING[code]].mean
        if start is None:
            return None
        if start >= _ALL:  # every response opening alike from the first step is a forced prefix; being alike is a collapse
            return None if code is AlarmCode.OPENING_COLLAPSE else limit
        return max(limit, min(2 * start, (1 + start) / 2))

    def _jump(self, batch: StepStatistics) -> float | None:
        past, mean = self._smooth.get("reward_mean"), batch["reward_mean"]
        if past is None or past.count < _JUMP_BATCHES or mean is None or past.mean is None:
            return None
        expected = (batch["reward_std"] or 0.0) / (batch["responses"] or 1.0) ** 0.5
        distance = abs(mean - past.mean)
        return distance if distance >= _JUMP_DEVIATIONS * max(past.deviation or 0.0, expected, 1e-9) else 0.0

    def _switch(
        self, values: dict[AlarmCode, tuple[float | None, float | None]], step: int
    ) -> tuple[tuple[Alarm, ...], tuple[AlarmCode, ...]]:
        raised, cleared = [], []
        for code, (value, moved) in values.items():
            settings = getattr(self.settings.alarms, code)
            if settings.action == "off":
                continue
            limit = settings.limit if moved is None else moved
            change = self._switches.all[code].update(value, settings, limit)
            if change == "raised" and value is not None:
                severity = "critical" if settings.action == "stop" else "warning"
                raised.append(Alarm(code, severity, value, limit, step, message(code, value, limit, self._watch)))  # type: ignore[arg-type]  # a literal
            elif change == "cleared":
                cleared.append(code)
        return tuple(raised), tuple(cleared)

    def _smoothed(self) -> dict[str, float | None]:
        return {name: smooth.mean for name, smooth in self._smooth.items()}

    def _act(self, report: Report) -> None:
        stops = []
        for alarm in report.raised:
            action = getattr(self.settings.alarms, alarm.code).action
            if action != "callback":
                _LOG.warning("step %d: %s", alarm.step, alarm.message)
            if self._on_alarm is not None:
                self._on_alarm(alarm)
            if action == "stop":
                stops.append(alarm)
        if stops:
            message = "\n".join(f"step {a.step}: {a.message}" for a in stops)
            raise MonitorStop(message, tuple(str(a.code) for a in stops))

    @property
    def last(self) -> Report:
        """The latest report, also after `MonitorStop`."""
        return self._last

    def focus(self) -> tuple[str, ...]:
        """Probe strings under suspicion, for the next `Canaries.mix`."""
        with self._lock:
            return self._watch.focus()

    def canaries(self) -> tuple[Estimate, ...]:
        """How often each probe string is paid."""
        with self._lock:
            return self._watch.estimates()

    def as_dict(self) -> dict[str, Any]:
        """The state as plain values, for logs. Nothing is invented: unknown values are None."""
        with self._lock:
            report = self._last
            return {
                "step": report.step,
                "calls": self._calls,
                "batches": self._batches,
                "responses": self._responses,
                "no_verdict": self._absent,
                "honest_pass_rate": self._watch.honest_rate,
                "harmless_canary_rate": self._watch.harmless,
                "second_judge_rise": self.second_judge_rise,
                "batch": dict(report.batch),
                "smoothed": self._smoothed(),
                "canaries": [
                    {"kind": e.kind, "string": e.string, "filtered": e.filtered, "rate": e.rate, "interval": e.interval,
                     "asked": e.asked,
                     "above_honest": e.above_honest, "evidence": e.evidence}
                    for e in self._watch.estimates()
                ],
                "alarms": {str(c): {"active": s.on, "raised": s.raised} for c, s in self._switches.all.items()},
            }  # fmt: skip

    def scalars(self) -> dict[str, float]:
        """Known figures by one flat name, as trainers log them: smoothed values, and 1 or 0 for each alarm."""
        return flat(self.as_dict())

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            return {k: v for k, v in self.__dict__.items() if k != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()
