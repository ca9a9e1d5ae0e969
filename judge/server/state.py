"""Everything one running server holds, in one place: handlers find it at `request.app.state.judge`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from judge.errors import JudgeError
from judge.pipeline.judge import Judge
from judge.server.admission import Admission
from judge.server.board import Board
from judge.server.broker import Broker
from judge.server.drain import Drain
from judge.server.feed import Feed
from judge.server.health import Health
from judge.server.idempotency import Replays
from judge.server.metrics import Meters, StateCollector
from judge.server.work import Work
from judge.settings.server import ServerSettings


@dataclass(frozen=True)
class State:
    """The parts of a server.

    Attributes:
        judge: The one judge; its monitor, if it has one, is fed by `feed`.
        work: What routes call.
    """

    judge: Judge
    settings: ServerSettings
    admission: Admission
    health: Health
    drain: Drain
    meters: Meters
    board: Board
    feed: Feed | None
    work: Work
    broker: Broker
    replays: Replays

    @classmethod
    def of(cls, judge: Judge, settings: ServerSettings, on_failure: Callable[[JudgeError], None] | None = None) -> State:
        """Put the parts together."""
        admission = Admission(settings.max_concurrency, settings.queue_size)
        health = Health(judge, settings, admission, on_failure=on_failure)
        drain, meters, board = Drain(health, settings.drain_s), Meters(), Board(texts=settings.page_texts)

        def stop(message: str) -> None:
            health.stopped = message

        feed = None if judge.watch is None else Feed(judge, judge.watch, stop, board.report, settings.item_timeout_s)
        work = Work(judge, settings, admission, health, drain, meters, board, feed)
        replays, broker = Replays(settings.idempotency_s, settings.idempotency_entries), Broker(work, settings.group)
        drain.on_cutoff.append(broker.close)
        state = cls(judge, settings, admission, health, drain, meters, board, feed, work, broker, replays)
        meters.registry.register(StateCollector(state))
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
