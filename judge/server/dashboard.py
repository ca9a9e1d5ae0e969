"""What a running server has done lately, for its live page: counts of the last ten minutes, the latest judgements, alarms.

- Fed on the way of every reward, so it is O(1) there, and its memory is bounded whatever comes: texts are cut before they are
  kept, counts live in a ring of time slots, names in a table of fixed size.
- Read by a page while it is fed: one lock around both. Nothing that is read can change afterwards.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from judge.monitor.alarms import Alarm
from judge.monitor.monitor import Report
from judge.server.last_hour import LastHour
from judge.server.wire import failure_of
from judge.types import Reason, Reward, Sample

SLOT_S = 5.0
SLOTS = 120  # ten minutes
MINUTE = 12  # slots
BINS = 10  # of rewards, over [0, 1]
KEPT = 20  # judgements
TIMES = 1024  # latencies
TEXT, EXPLANATION, NAME = 160, 500, 60  # characters kept of each
CRITERIA, FLAGS = 24, 12  # kept of a judgement
REPLIES, REPLY = 6, 1500  # kept of a judgement, and characters of each


@dataclass(slots=True)
class _Slot:
    """Five seconds of counts."""

    number: int = -1
    requests: int = 0
    judged: int = 0
    tokens: int = 0
    bins: list[int] = field(default_factory=lambda: [0] * BINS)
    reasons: Counter[Reason] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Judgement:
    """One reward as it was given; every text is cut.

    Attributes:
        number: Counts rewards from 1.
        at: Seconds since 1970.
        reward: What the client got; None when there is none, and then `reason` says why.
        raw_reward: What the verdicts came to, before shaping.
        text: Beginning of the response; None where texts are not kept. So with `detail` and `explanation`.
        length: Characters of the whole response.
        criteria: How many there are; `components` holds the first of them.
        replies: What the judge said in the first calls: (what was asked, the reply or the error). Empty where texts are not kept.
    """

    number: int
    at: float
    sample: str
    index: int
    reward: float | None
    raw_reward: float | None
    reason: str
    detail: str | None
    flags: tuple[str, ...]
    text: str | None
    length: int
    components: tuple[tuple[str, float | None], ...]
    criteria: int
    explanation: str | None
    calls: int
    replies: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class AlarmSeen:
    """One alarm of the monitor: as it was raised last, when (seconds since 1970), how often, and whether it is still on."""

    alarm: Alarm
    at: float
    times: int
    open: bool


@dataclass(frozen=True, slots=True)
class Rates:
    """Counts a second."""

    requests: float
    judged: float
    tokens: float


@dataclass(frozen=True, slots=True)
class View:
    """The counts at one moment.

    Attributes:
        now: Seconds since 1970.
        minute: Rates of the last minute.
        series: Rates of each finished slot of the last ten minutes, oldest first; shorter after the start.
        bins: Rewards before shaping of the last ten minutes, in tenths of [0, 1]; 1 belongs to the last.
        reasons: Why responses had no reward in the last ten minutes, most common first.
        judged, absent: Responses since the start, and those without a reward.
        p50_s, p95_s: Seconds a request took, over the last `timed` ones of ten minutes that were answered; None without any.
        alarms: Open ones first, then the latest.
        step: The monitor's last step; None before its first batch.
    """

    now: float
    uptime_s: float
    minute: Rates
    series: tuple[Rates, ...]
    bins: tuple[int, ...]
    reasons: tuple[tuple[str, int], ...]
    judged: int
    absent: int
    p50_s: float | None
    p95_s: float | None
    timed: int
    latest: tuple[Judgement, ...]
    alarms: tuple[AlarmSeen, ...]
    step: int | None


class DashboardStats:
    """Counts, latest judgements and alarms of one server. Safe to share between threads.

    Attributes:
        hour: What was judged in the last hour, for the report.

    Args:
        texts: Keep responses, replies, explanations and details of failures, for whoever has a key to read.
        clock: Seconds, monotonic.
        wall: Seconds since 1970.

    Example:
        >>> stats = DashboardStats()
        >>> stats.judged([Sample.of("2 + 2?", "4")], [Reward("a", 0, 1.0)])
        >>> view = stats.view()
        >>> view.judged, view.bins[-1], view.latest[0].text
        (1, 1, '4')
    """

    def __init__(
        self, *, texts: bool = True, clock: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
    ) -> None:
        self.texts = texts
        self._clock, self._wall = clock, wall
        self._lock = threading.Lock()
        self._began = clock()
        self._slots = [_Slot() for _ in range(SLOTS)]
        self._latest: deque[Judgement] = deque(maxlen=KEPT)
        self._times: deque[tuple[float, float]] = deque(maxlen=TIMES)
        self._alarms: dict[str, AlarmSeen] = {}
        self._report: Report | None = None
        self._judged = self._absent = 0
        self.hour = LastHour(wanted=texts, clock=clock)

    def request(self, status: int, seconds: float) -> None:
        """Count one request that brought work; only answers with a result count for the latency."""
        with self._lock:
            self._slot().requests += 1
            if status == 200:
                self._times.append((self._clock(), seconds))

    def judged(self, samples: Sequence[Sample], rewards: Sequence[Reward]) -> None:
        """Count judged samples, with one reward a response, in order."""
        calls = {call.key: call.completion for reward in rewards for call in reward.calls if not call.cached}
        tokens = sum(c.prompt_tokens + c.completion_tokens for c in calls.values())
        texts = [(sample, text) for sample in samples for text in sample.texts]
        skipped = max(0, len(rewards) - KEPT)  # nobody would see them
        self.hour.judged(samples, rewards)
        with self._lock:
            slot, at = self._slot(), self._wall()
            slot.judged += len(rewards)
            slot.tokens += tokens
            for place, (reward, (sample, text)) in enumerate(zip(rewards, texts, strict=True), 1):
                self._judged += 1
                if reward.raw_reward is not None:
                    slot.bins[max(0, min(int(reward.raw_reward * BINS), BINS - 1))] += 1
                failure = failure_of(reward)
                if failure is not None:
                    slot.reasons[failure.reason] += 1
                    self._absent += 1
                if place > skipped:
                    self._latest.appendleft(self._judgement(reward, sample, text, at))

    def _judgement(self, reward: Reward, sample: Sample, text: str, at: float) -> Judgement:
        failure = failure_of(reward)
        components = tuple((_cut(name, NAME), value) for name, value in list(reward.components.items())[:CRITERIA])
        return Judgement(
            number=self._judged,
            at=at,
            sample=_cut(sample.id, NAME),
            index=reward.response_index,
            reward=reward.reward,
            raw_reward=reward.raw_reward,
            reason="" if failure is None else str(failure.reason),
            detail=_cut(failure.detail, EXPLANATION) if failure is not None and self.texts else None,
            flags=tuple(_cut(flag.name, NAME) for flag in reward.flags[:FLAGS]),
            text=_cut(text, TEXT) if self.texts else None,
            length=len(text),
            components=components,
            criteria=len(reward.components),
            explanation=_cut(reward.explanation, EXPLANATION) if self.texts else None,
            calls=reward.judge_calls,
            replies=_replies(reward) if self.texts else (),
        )

    def report(self, report: Report) -> None:
        """Take in what the monitor found; the same report again, or the one before its first batch, changes nothing."""
        with self._lock:
            if report is self._report or report.step < 0:
                return
            self._report = report
            for alarm in report.raised:
                before = self._alarms.get(alarm.code)
                times = 1 + (before.times if before else 0)
                self._alarms[alarm.code] = AlarmSeen(alarm, self._wall(), times, True)
            for code, seen in self._alarms.items():
                self._alarms[code] = AlarmSeen(seen.alarm, seen.at, seen.times, code in report.active)

    def _slot(self) -> _Slot:
        """The slot of now; one that a round of the ring ago was filled begins anew."""
        number = int((self._clock() - self._began) / SLOT_S)
        slot = self._slots[number % SLOTS]
        if slot.number != number:
            slot = self._slots[number % SLOTS] = _Slot(number)
        return slot

    def view(self) -> View:
        """Everything, as it is now."""
        with self._lock:
            up, current = self._clock() - self._began, self._slot().number
            first = max(0, current - SLOTS + 1)
            slots = [s if s.number == n else _Slot(n) for n in range(first, current + 1) for s in (self._slots[n % SLOTS],)]
            times = sorted(seconds for at, seconds in self._times if self._clock() - at <= SLOTS * SLOT_S)
            reasons = sum((slot.reasons for slot in slots), Counter[Reason]())
            return View(
                now=self._wall(),
                uptime_s=up,
                minute=_rates(slots[-MINUTE:], max(1.0, up - slots[-MINUTE:][0].number * SLOT_S)),
                series=tuple(_rates([slot], SLOT_S) for slot in slots[:-1]),
                bins=tuple(sum(slot.bins[i] for slot in slots) for i in range(BINS)),
                reasons=tuple((str(reason), count) for reason, count in reasons.most_common()),
                judged=self._judged,
                absent=self._absent,
                p50_s=_percentile(times, 0.5),
                p95_s=_percentile(times, 0.95),
                timed=len(times),
                latest=tuple(self._latest),
                alarms=tuple(sorted(self._alarms.values(), key=lambda seen: (not seen.open, -seen.at))),
                step=self._report.step if self._report is not None else None,
            )


def _replies(reward: Reward) -> tuple[tuple[str, str], ...]:
    """What the judge said: its reasoning and its words, or why there are none."""
    out = []
    for call in reward.calls[:REPLIES]:
        turn = [] if call.turn == "judge" else [call.turn]
        asked = ", ".join(["judge", *turn, *call.criteria[:2], f"vote {call.vote}"])
        if len(call.order) > 1:
            asked += f", order {', '.join(map(str, call.order[:4]))}"
        said = call.completion
        parts = [said.reasoning, said.text, f"error: {said.error}" if said.error else "", said.refusal]
        out.append((_cut(asked, NAME), _cut("\n".join(p for p in parts if p) or "(nothing)", REPLY)))
    return tuple(out)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[:limit] + "…"


def _rates(slots: Sequence[_Slot], seconds: float) -> Rates:
    return Rates(
        sum(s.requests for s in slots) / seconds, sum(s.judged for s in slots) / seconds, sum(s.tokens for s in slots) / seconds
    )


def _percentile(ordered: Sequence[float], share: float) -> float | None:
    """The value that this share of the others does not exceed (nearest rank)."""
    return ordered[math.ceil(share * len(ordered)) - 1] if ordered else None
