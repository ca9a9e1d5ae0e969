"""What the live page is fed: counts of the right time, bounded memory, and no delay for a reward."""

from __future__ import annotations

import threading
import tracemalloc

import pytest

from judge.monitor.alarms import Alarm, AlarmCode
from judge.monitor.monitor import Report
from judge.server.dashboard import FLAGS, KEPT, SLOT_S, SLOTS, TEXT, DashboardStats
from judge.types import Call, Completion, Flag, NoVerdict, Reason, Reward, Sample
from tests.clock import least_cpu


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def stats_of(**fields) -> tuple[DashboardStats, Clock]:
    clock = Clock()
    return DashboardStats(clock=clock, wall=clock, **fields), clock


def call(key: str = "k", *, cached: bool = False) -> Call:
    return Call(key, "main", (0,), (), 0, 0, Completion("VERDICT: 5", prompt_tokens=90, completion_tokens=10), None, cached)


def feed(stats: DashboardStats, *values: float | None, **fields) -> None:
    samples = [Sample.of("q", f"answer {i}", id=str(i)) for i in range(len(values))]
    none = NoVerdict(Reason.MISSING, "no verdict stated")
    stats.judged(samples, [Reward(str(i), 0, v, None if v is not None else none, **fields) for i, v in enumerate(values)])


def test_rates_are_of_the_last_minute():
    """An operator sees what the server does now, not its average since Monday."""
    stats, clock = stats_of()
    for _ in range(120):
        clock.now += 1.0
        feed(stats, 1.0, 0.5, calls=(call(),))
        stats.request(200, 0.1)
    view = stats.view()
    assert (view.minute.requests, view.minute.judged) == (pytest.approx(1.0, rel=0.05), pytest.approx(2.0, rel=0.05))
    assert view.minute.tokens == pytest.approx(100.0, rel=0.05)  # one call that both rewards share
    assert len(view.series) == 120 / SLOT_S
    clock.now += 61.0
    assert stats.view().minute.judged == 0.0
    assert stats.view().judged == 240


@pytest.mark.parametrize(
    ("quiet_s", "shown"),
    [
        pytest.param(0.0, 3, id="now"),
        pytest.param(590.0, 3, id="nearly-ten-minutes"),
        pytest.param(601.0, 0, id="past"),
        pytest.param(SLOTS * SLOT_S * 3 + 1, 0, id="same-place-of-the-ring-rounds-later"),
    ],
)
def test_rewards_and_failures_leave_after_ten_minutes(quiet_s, shown):
    """Yesterday's failures do not hide that the judge works now."""
    stats, clock = stats_of()
    feed(stats, 0.0, 1.0, 0.55, None)
    clock.now += quiet_s
    view = stats.view()
    assert sum(view.bins) == shown
    assert view.reasons == ((("missing", 1),) if shown else ())
    assert (view.judged, view.absent) == (4, 1)
    if shown:
        assert [i for i, n in enumerate(view.bins) if n] == [0, 5, 9]


def test_tokens_of_the_journal_are_not_counted():
    """A resumed run is not shown as a busy engine."""
    stats, _ = stats_of()
    feed(stats, 1.0, calls=(call(cached=True),))
    assert stats.view().minute.tokens == 0.0


def test_a_reward_that_shaping_took_away_is_a_failure():
    """What the trainer got is what is shown."""
    stats, _ = stats_of()
    feed(stats, 0.75, stages=(("length", None),))
    [shown] = stats.view().latest
    assert (shown.reward, shown.raw_reward, shown.reason) == (None, 0.75, "dropped")


def test_latency_is_of_answers_only():
    """A thousand quick refusals do not make a slow judge look fast."""
    stats, clock = stats_of()
    for i in range(100):
        stats.request(200, (i + 1) / 100)
    for _ in range(1000):
        stats.request(429, 0.001)
    view = stats.view()
    assert (view.p50_s, view.p95_s, view.timed) == (0.5, 0.95, 100)
    clock.now += 601
    assert stats.view().p50_s is None


@pytest.mark.parametrize("texts", [True, False])
def test_texts_can_be_left_out(texts):
    """Where responses are confidential, a page shows figures only; nothing that could quote them is even kept."""
    stats, _ = stats_of(texts=texts)
    reward = Reward("a", 0, None, NoVerdict(Reason.MISSING, "SECRET"), explanation="SECRET", components={"overall": None})
    stats.judged([Sample.of("SECRET", "SECRET", id="a")], [reward])
    assert ("SECRET" in repr(stats.view())) is texts
    assert stats.view().latest[0].length == 6


def test_memory_is_bounded():
    """A week of megabyte responses with odd names costs what a minute does."""
    stats, clock = stats_of()
    huge = "x" * 1_000_000
    flags = tuple(Flag(f"flag{i}" * 100) for i in range(1000))
    components = {f"{i}" * 1000: 0.5 for i in range(1000)}
    tracemalloc.start()
    for i in range(300):
        clock.now += 60.0
        sample = Sample.of("q", huge, id=huge)
        stats.judged([sample], [Reward("a", 0, 0.5, explanation=huge, flags=flags, components=components)])
        stats.request(200, 0.1)
        if i == 50:
            before = tracemalloc.get_traced_memory()[0]
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 200_000
    view = stats.view()
    assert (len(view.latest), len(view.latest[0].text or ""), len(view.latest[0].flags)) == (KEPT, TEXT + 1, FLAGS)
    assert [j.number for j in view.latest] == list(range(300, 280, -1))


def test_alarms_open_first():
    """What needs a person now stands above what is over."""
    stats, clock = stats_of()

    def alarm(code: AlarmCode, step: int) -> Alarm:
        return Alarm(code, "warning", 0.5, 0.1, step, f"{code}: seen")

    jump, opening = AlarmCode.REWARD_JUMP, AlarmCode.OPENING_COLLAPSE
    stats.report(Report(-1, complete=False))
    assert stats.view().step is None
    first = Report(1, raised=(alarm(opening, 1),), active=(opening,))
    for report in (first, first, Report(2, raised=(alarm(jump, 2),), active=(opening, jump)), Report(3, active=(opening,))):
        clock.now += 1
        stats.report(report)
    assert [(s.alarm.code, s.open, s.times) for s in stats.view().alarms] == [(opening, True, 1), (jump, False, 1)]
    stats.report(Report(4, raised=(alarm(jump, 4),), active=(opening, jump)))
    assert [(s.alarm.code, s.alarm.step, s.open, s.times) for s in stats.view().alarms] == [
        (jump, 4, True, 2),
        (opening, 1, True, 1),
    ]


def test_threads_share_a_board():
    """The page reads while rewards pass; nothing is lost and nothing breaks."""
    stats = DashboardStats()
    workers = [threading.Thread(target=lambda: [feed(stats, 1.0, None) for _ in range(200)]) for _ in range(8)]
    for worker in workers:
        worker.start()
    while any(worker.is_alive() for worker in workers):
        stats.view()
    for worker in workers:
        worker.join()
    view = stats.view()
    assert (view.judged, view.absent, sum(view.bins), view.reasons) == (3200, 1600, 1600, (("missing", 1600),))


@pytest.mark.parametrize("at_once", [1, 256])
def test_feeding_costs_a_reward_next_to_nothing(at_once):
    """Under 20 microseconds a reward (measured: about 5 alone, 1 of many)."""
    stats = DashboardStats()
    flags = (Flag("hidden_unicode", "…", "0"),)
    samples = [Sample.of("q", "answer " * 300, id=str(i)) for i in range(at_once)]
    parts = {"correct": 0.5, "clear": 1.0, "short": 0.0}
    rewards = [Reward(str(i), 0, 0.5, flags=flags, components=parts, explanation="mean " * 20, calls=(call(str(i)),))
               for i in range(at_once)]  # fmt: skip

    def thousands() -> None:
        for _ in range(2048 // at_once):
            stats.judged(samples, rewards)

    assert least_cpu(thousands, 2048 * 20e-6) < 2048 * 20e-6
