"""The monitor in Prometheus's terms. Values that are not known are left out: a gap in a graph, never a 0."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from judge.errors import InputError
from judge.monitor.monitor import Monitor
from judge.shipped import install_command

if TYPE_CHECKING:
    from prometheus_client.core import Metric

_GAUGES = {  # figure -> (name, help); units by Prometheus's naming rules
    "reward_mean": ("judge_reward_mean_ratio", "Mean reward in [0, 1], smoothed."),
    "pass_rate": ("judge_pass_ratio", "Share of rewards at or above the threshold, smoothed."),
    "no_verdict_share": ("judge_no_verdict_ratio", "Share of responses without a reward, smoothed."),
    "opening_share": ("judge_top_opening_ratio", "Share of responses with the most common opening, smoothed."),
    "identical_share": ("judge_identical_response_ratio", "Share of the text most often given to different prompts, smoothed."),
    "duplicate_share": ("judge_duplicate_in_group_ratio", "Share of responses that repeat one of their group, smoothed."),
    "group_std": ("judge_group_reward_deviation_ratio", "Mean standard deviation of rewards within groups, smoothed."),
    "zero_spread_share": ("judge_zero_spread_group_ratio", "Share of groups with equal rewards, smoothed."),
    "length_mean": ("judge_response_length_characters", "Mean response length, smoothed."),
    "reward_length_correlation": ("judge_reward_length_correlation", "Rank correlation of reward and length within groups."),
}


class MonitorCollector:
    """A collector to register with a `prometheus_client` registry; reads the monitor at every scrape.

    Raises:
        InputError: `prometheus_client` is not installed.
    """

    def __init__(self, monitor: Monitor) -> None:
        self._core = _prometheus()
        self._monitor = monitor

    def collect(self) -> Iterable[Metric]:
        """All metrics as they are now."""
        state = self._monitor.as_dict()
        yield self._core.CounterMetricFamily("judge_monitor_responses", "Responses observed.", value=state["responses"])
        yield self._core.CounterMetricFamily(
            "judge_monitor_no_verdict_responses", "Responses observed that have no reward.", value=state["no_verdict"]
        )
        yield self._core.CounterMetricFamily("judge_monitor_batches", "Batches evaluated.", value=state["batches"])
        for figure, (name, text) in _GAUGES.items():
            if state["smoothed"].get(figure) is not None:
                yield self._core.GaugeMetricFamily(name, text, value=state["smoothed"][figure])
        yield from self._labelled(state)
        yield from self._canaries(state)

    def _labelled(self, state: dict[str, Any]) -> Iterable[Metric]:
        smoothed = state["smoothed"]
        formats = self._core.GaugeMetricFamily(
            "judge_reward_format_correlation", "Correlation of reward and a feature of format within groups.", labels=["feature"]
        )
        reasons = self._core.GaugeMetricFamily(
            "judge_no_verdict_reason_ratio", "Share of responses without a reward for a reason, smoothed.", labels=["reason"]
        )
        flags = self._core.GaugeMetricFamily("judge_flag_ratio", "Share of responses with a flag, smoothed.", labels=["flag"])
        for name, value in smoothed.items():
            kind, _, rest = name.partition(":")
            if value is None:
                continue
            if rest:
                (reasons if kind == "reason" else flags).add_metric([rest], value)
            elif name.startswith("reward_") and name.endswith("_correlation") and name != "reward_length_correlation":
                formats.add_metric([name.removeprefix("reward_").removesuffix("_correlation")], value)
        active = self._core.GaugeMetricFamily("judge_alarm_active", "1 while an alarm is on.", labels=["code"])
        raised = self._core.CounterMetricFamily("judge_alarms", "Times an alarm was raised.", labels=["code"])
        for code, alarm in state["alarms"].items():
            active.add_metric([code], float(alarm["active"]))
            raised.add_metric([code], alarm["raised"])
        yield from (formats, reasons, flags, active, raised)

    def _canaries(self, state: dict[str, Any]) -> Iterable[Metric]:
        for key, name, text in (
            ("honest_pass_rate", "judge_honest_pass_ratio", "Recent pass rate of honest responses."),
            ("harmless_canary_rate", "judge_harmless_canary_ratio", "Pass rate up to which a probe string is harmless."),
            ("second_judge_rise", "judge_second_judge_rise_ratio", "Rise of this judge over a second one since the start."),
        ):
            if state[key] is not None:
                yield self._core.GaugeMetricFamily(name, text, value=state[key])
        worst = self._core.GaugeMetricFamily(
            "judge_canary_false_positive_ratio", "Pass rate of the worst probe string of a kind.", labels=["kind", "filters"]
        )
        rates: dict[tuple[str, str], float] = {}
        for probe in state["canaries"]:
            if probe["rate"] is not None:
                labels = (probe["kind"], "on" if probe["filtered"] else "off")
                rates[labels] = max(rates.get(labels, 0.0), probe["rate"])
        for labels, rate in rates.items():
            worst.add_metric(list(labels), rate)
        yield worst


def metrics_text(monitor: Monitor) -> str:
    """The monitor's state in Prometheus's text format.

    Raises:
        InputError: `prometheus_client` is not installed.
    """
    core = _prometheus()
    registry = core.CollectorRegistry()
    registry.register(MonitorCollector(monitor))
    text: str = core.generate_latest(registry).decode()
    return text


class _Core:
    """The names used here out of `prometheus_client`."""

    def __init__(self) -> None:
        import prometheus_client  # noqa: PLC0415  # an optional extra
        from prometheus_client import core  # noqa: PLC0415

        self.CollectorRegistry = prometheus_client.CollectorRegistry
        self.generate_latest = prometheus_client.generate_latest
        self.GaugeMetricFamily = core.GaugeMetricFamily
        self.CounterMetricFamily = core.CounterMetricFamily


def _prometheus() -> _Core:
    try:
        return _Core()
    except ImportError:
        raise InputError(f"metrics need the package `prometheus_client`: {install_command('serve')}") from None
