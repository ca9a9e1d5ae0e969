"""Everything one running server holds, in one place: handlers find it at `request.app.state.judge`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from judge.errors import JudgeError
from judge.monitor.metrics import MonitorCollector
from judge.pipeline.judge import Judge
from judge.server.admission import Admission
from judge.server.dashboard import DashboardStats
from judge.server.groups import GroupRendezvous
from judge.server.health import Drain, Health
from judge.server.idempotency import IdempotencyCache
from judge.server.metrics import ServerMetrics
from judge.server.monitor_buffer import MonitorBuffer
from judge.server.service import JudgingService
from judge.settings.server import ServerSettings


@dataclass(frozen=True)
class State:
    """The parts of a server.

    Attributes:
        judge: The one judge; its monitor, if it has one, is fed by `buffer`.
        service: What routes call.
    """

    judge: Judge
    settings: ServerSettings
    admission: Admission
    health: Health
    drain: Drain
    metrics: ServerMetrics
    dashboard: DashboardStats
    buffer: MonitorBuffer | None
    service: JudgingService
    groups: GroupRendezvous
    idempotency: IdempotencyCache

    @classmethod
    def of(
        cls, judge: Judge, settings: ServerSettings, on_failure: Callable[[JudgeError], None] | None = None, *, keys: int = 1
    ) -> State:
        """Put the parts together."""
        admission = Admission(settings.max_concurrency, settings.queue_size)
        health = Health(judge, settings, admission, on_failure=on_failure)
        drain, metrics = Drain(health, settings.drain_s), ServerMetrics()
        dashboard = DashboardStats(texts=settings.page_texts)

        def stop(message: str) -> None:
            health.stopped = message

        limit_s = settings.item_timeout_s
        buffer = None if judge.watch is None else MonitorBuffer(judge, judge.watch, stop, dashboard.report, limit_s)
        service = JudgingService(judge, settings, admission, health, drain, metrics, dashboard, buffer)
        groups = GroupRendezvous(service, settings.group, keys=keys, connections=settings.max_connections)
        idempotency = IdempotencyCache(settings.idempotency_s, settings.idempotency_entries)
        drain.on_cutoff.append(groups.close)
        state = cls(judge, settings, admission, health, drain, metrics, dashboard, buffer, service, groups, idempotency)
        metrics.registry.register(StateCollector(state))
        return state

    @property
    def described(self) -> dict[str, str | None]:
        """Which judge answers: part of every answer."""
        plan = self.judge.plan
        return {
            "model": plan.settings.engine.model,
            "recipe": plan.recipe.spec.name,
            "rubric": plan.rubric.name if plan.rubric else None,
        }


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
        yield GaugeMetricFamily("judge_groups_open", "Groups whose members are awaited or judged.", value=s.groups.open)
        yield GaugeMetricFamily("judge_silent_seconds", "Seconds since the judge's last reply, while there is work.",
                                value=s.health.silent_s if s.admission.running else 0.0)  # fmt: skip
        ready = GaugeMetricFamily("judge_status", "1 for what the server is now.", labels=["status"])
        ready.add_metric([s.health.status], 1.0)
        yield ready
        if s.buffer is not None:
            yield CounterMetricFamily(
                "judge_monitor_unseen", "Responses that the monitor was too busy for.", value=s.buffer.unseen
            )
            yield from MonitorCollector(s.buffer.watch.monitor).collect()
