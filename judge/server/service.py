"""Samples -> rewards under the server's limits: a place, a deadline, and one failure that stays one failure.

- Samples of one request are judged each by itself, so that a slow or bad one costs the others nothing; those that compete, or
  that a shaping step looks at together, are judged together.
- The deadline counts from the arrival of the request: waiting and retries included. What is late is cancelled, down to the
  engine.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass

from judge.errors import BudgetSpent, DataError, EngineDown, EngineError, NoVerdictError
from judge.pipeline.evaluate import run_each
from judge.pipeline.group import competing
from judge.pipeline.judge import Judge
from judge.server.admission import Admission
from judge.server.dashboard import DashboardStats
from judge.server.errors import APIError
from judge.server.health import Drain, Health
from judge.server.metrics import ServerMetrics
from judge.server.monitor_buffer import MonitorBuffer
from judge.settings.server import ServerSettings
from judge.shape import across_groups
from judge.types import NoVerdict, Reason, Reward, Sample

Done = tuple[list[int], list[list[Reward]]]
"""Places of samples in their request, and the rewards of each."""

_NUMBERS = itertools.count()  # of requests


@dataclass(frozen=True)
class JudgingService:
    """The judge behind the server's limits."""

    judge: Judge
    settings: ServerSettings
    admission: Admission
    health: Health
    drain: Drain
    metrics: ServerMetrics
    dashboard: DashboardStats
    buffer: MonitorBuffer | None

    @contextmanager
    def enter(self, samples: int, *, patient: bool = False) -> Iterator[None]:
        """Let a request in.

        Raises:
            APIError: 413 too many samples, 429 no room, 503 draining or stopped.
        """
        if not patient:
            self.check_open()
            if samples > self.settings.max_samples:
                message = f"{samples:,} samples in one request; at most {self.settings.max_samples:,}"
                raise APIError(413, "too_many_samples", message, where="samples", hint="send them in several requests")
        with self.admission.enter(samples, patient=patient):
            yield

    def check_open(self) -> None:
        """Refuse new work when the server is about to stop, or the monitor has ended the run."""
        if self.health.draining:
            raise self.drain.error
        if self.health.stopped:
            raise APIError(
                503, "monitor_stop", self.health.stopped, hint="the monitor ended this run; look at /metrics, then restart"
            )
        if self.health.down:
            raise _engine_down()

    async def score(self, samples: Sequence[Sample]) -> list[list[Reward]]:
        """The rewards of each sample, in order."""
        out: list[list[Reward]] = [[] for _ in samples]
        with self.enter(len(samples)):
            async for places, rewards in self.each(samples):
                for place, own in zip(places, rewards, strict=True):
                    out[place] = own
        return out

    async def each(self, samples: Sequence[Sample], *, limit_s: float | None = None) -> AsyncIterator[Done]:
        """The rewards of each sample as it is done; the caller has entered.

        Args:
            limit_s: Instead of `item_timeout_s`.

        Raises:
            APIError: 503: the engine cannot work, or is not ready in time.
        """
        until = asyncio.get_running_loop().time() + (self.settings.item_timeout_s if limit_s is None else limit_s)
        number = next(_NUMBERS)
        units = self.units(samples)

        async def one(unit: list[int]) -> Done:
            return await self._unit(number, samples, unit, until)

        async with aclosing(run_each(one, units, in_flight=len(units) or 1)) as finished:  # `admission` holds the limit
            async for _, done in finished:
                yield done

    def units(self, samples: Sequence[Sample]) -> list[list[int]]:
        """Which samples are judged together."""
        settings = self.judge.plan.settings
        if not self.judge.finish.shaping.alone or settings.on_no_verdict == "group_mean":
            return [list(range(len(samples)))]
        return competing(samples) if settings.group is not None else [[i] for i in range(len(samples))]

    def check_one_group(self) -> None:
        """Refuse to judge one group alone where steps compare the groups of a batch. Raises APIError: 422."""
        steps = across_groups(self.judge.plan.settings.reward.shape)
        if steps:
            message = f"`{steps[0]}` of `reward.shape` compares the groups of a batch, and this route sees one group"
            raise APIError(422, "needs_batch", message, hint="POST /v1/score with all groups of the training step")

    async def _unit(self, request: int, samples: Sequence[Sample], unit: list[int], until: float) -> Done:
        own = [samples[i] for i in unit]
        rewards = await self._judged(own, until)
        self.metrics.judged(rewards)
        self.dashboard.judged(own, rewards)
        if self.buffer is not None:
            self.buffer.add(request, own, rewards)
        left = iter(rewards)
        return unit, [[next(left) for _ in sample.responses] for sample in own]

    async def _judged(self, samples: Sequence[Sample], until: float) -> list[Reward]:
        asked = False
        try:
            async with asyncio.timeout_at(until) as limit:
                await self.health.started.wait()
                async with self.admission.slot(len(samples)):
                    asked = True
                    rewards = await self.judge.session.score(samples, watched=False, raise_down=True)
        except TimeoutError:
            if not limit.expired():
                raise
            if not self.health.started.is_set():
                raise APIError(503, "starting", "the judge's engine is still loading", retry_s=10) from None
            if asked:  # a sample that only waited says nothing about the judge
                self.health.saw_failure()
            return _without(samples, NoVerdict(Reason.TIMEOUT, "no result within the server's time limit"))
        except DataError as why:  # the chain lacks something
            return _without(samples, NoVerdict(Reason.INVALID, str(why)))
        except EngineDown as why:
            self.health.saw_down(why)
            raise _engine_down() from None
        except BudgetSpent as why:
            raise APIError(503, "budget_spent", str(why), where="budget") from None
        except EngineError:
            self.health.saw_failure()
            raise APIError(503, "engine_failed", "the judge's engine is not available", retry_s=5) from None
        except NoVerdictError as why:
            raise APIError(503, "no_reward", str(why), hint="the settings say `on_no_verdict: raise`", retry_s=1) from None
        self.health.saw(rewards)
        return rewards


def _engine_down() -> APIError:
    """The answer at once, and where a load balancer asks, /readyz says the same: another server may take the request."""
    return APIError(
        503, "engine_down", "the judge's engine has stopped working", hint="it is tried again all the time", retry_s=2
    )


def _without(samples: Sequence[Sample], failure: NoVerdict) -> list[Reward]:
    """One reward that is none for each response."""
    return [
        Reward(sample.id, index, None, failure, group=sample.group_key)
        for sample in samples
        for index in range(len(sample.responses))
    ]
