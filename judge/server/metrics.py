"""What the server counts, in Prometheus's terms; the monitor's own figures stand beside them."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from judge.server.wire import failure_of
from judge.types import Reward

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
_REWARDS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


class ServerMetrics:
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
            if reward.raw_reward is not None:
                self._rewards.observe(reward.raw_reward)
            failure = failure_of(reward)
            if failure is not None:
                self._absent.labels(str(failure.reason)).inc()

    def text(self) -> bytes:
        """Everything, in Prometheus's text format."""
        return generate_latest(self.registry)
