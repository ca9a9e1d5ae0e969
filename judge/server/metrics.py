"""What the server counts, in Prometheus's terms; the monitor's own figures stand beside them."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from judge.monitor.metrics import MonitorCollector
from judge.server.results import failure_of
from judge.types import Reward

if TYPE_CHECKING:
    from judge.server.state import State

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
_REWARDS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


class Meters:
    """Counters and histograms of one server, in a registry of their own.

    Attributes:
        refused: Refusals by code, for whoever shows the state of the server.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        self._requests = Counter("judge_http_requests", "Requests answered.", ["route", "status"], registry=r)
        self._seconds = Histogram(
            "judge_http_request_seconds", "Seconds from the head of a request to the end of its answer.", ["route"],
            buckets=_SECONDS, registry=r,
        )  # fmt: skip
        self._refused = Counter("judge_http_refused", "Requests refused, by the code of the error.", ["code"], registry=r)
        self._responses = Counter("judge_responses", "Responses judged.", registry=r)
        self._absent = Counter("judge_responses_without_reward", "Responses without a reward.", ["reason"], registry=r)
        self._rewards = Histogram("judge_reward", "Rewards before shaping, in [0, 1].", buckets=_REWARDS, registry=r)
        self._calls = Counter("judge_calls", "Requests to the engine.", registry=r)
        self._tokens = Counter("judge_tokens", "Prompt and completion tokens of the engine.", registry=r)
        self.refused: Tally[str] = Tally()

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count one request."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def refusal(self, code: str) -> None:
        """Count one refusal."""
        self._refused.labels(code).inc()
        self.refused[code] += 1

    def judged(self, rewards: Sequence[Reward]) -> None:
        """Count what the judge gave."""
        self._responses.inc(len(rewards))
        calls = {call.key: call for reward in rewards for call in reward.calls if not call.cached}
        self._calls.inc(len(calls))
        self._tokens.inc(sum(c.completion.prompt_tokens + c.completion.completion_tokens for c in calls.values()))
        for reward in rewards:
            if reward.value is not None:
                self._rewards.observe(reward.value)
            failure = failure_of(reward)
            if failure is not None:
                self._absent.labels(str(failure.reason)).inc()

    def text(self) -> bytes:
        """Everything, in Prometheus's text format."""
        return generate_latest(self.registry)


class StateCollector:
    """Gauges that are read at every scrape."""

    def __init__(self, state: State) -> None:
        self._state = state

    def collect(self) -> Iterable[Metric]:
        """How full the server is, and whether it is ready."""
        s = self._state
        yield GaugeMetricFamily("judge_samples_running", "Samples being judged.", value=s.admission.running)
        waiting = s.admission.held - s.admission.running
        yield GaugeMetricFamily("judge_samples_waiting", "Samples that wait for their turn.", value=max(0, waiting))
        yield GaugeMetricFamily("judge_samples_capacity", "Most samples held at once.", value=s.admission.capacity)
        yield GaugeMetricFamily("judge_samples_per_second", "Samples finished in a second of work.", value=s.admission.rate)
        yield GaugeMetricFamily("judge_requests_active", "Requests in progress.", value=s.drain.active)
        yield GaugeMetricFamily("judge_groups_open", "Groups whose members are awaited or judged.", value=s.broker.open)
        yield GaugeMetricFamily("judge_silent_seconds", "Seconds since the judge's last reply, while there is work.",
                                value=s.health.silent_s if s.admission.running else 0.0)  # fmt: skip
        ready = GaugeMetricFamily("judge_status", "1 for what the server is now.", labels=["status"])
        ready.add_metric([s.health.status], 1.0)
        yield ready
        if s.feed is not None:
            yield CounterMetricFamily("judge_monitor_unseen", "Responses that the monitor was too busy for.", value=s.feed.unseen)
            yield from MonitorCollector(s.feed.watch.monitor).collect()
