"""The monitor as an object: exact about failures, small for ever, shared between threads, kept in checkpoints."""

from __future__ import annotations

import pickle
import random
import threading
from dataclasses import replace

import pytest

from judge.errors import InputError, MonitorStop
from judge.monitor import AlarmCode, Monitor
from judge.monitor.features import opening
from judge.monitor.statistics import figures, rows
from judge.settings.monitor import AlarmTable, MonitorSettings
from judge.types import Flag, Reward, Sample
from tests.monitor.streams import batch, coin, probes, prose


def test_no_verdict_is_no_zero():
    """Figures with missing rewards are those of the rest alone, but for how many are missing."""
    samples, rewards = batch(0, paid=coin(0.5))
    kept = [n for n in range(64) if n % 5]
    holes = [r if n % 5 else Reward(r.sample_id, 0, None, group=r.group) for n, r in enumerate(rewards)]
    with_holes = figures(list(rows(samples, holes)), 0.5)
    without = figures(list(rows([samples[n] for n in kept], [rewards[n] for n in kept])), 0.5)
    differ = {"responses", "length_mean", "no_verdict_share", "opening_share", "identical_share", "duplicate_share"}
    assert {k: v for k, v in with_holes.items() if k not in differ} == {k: v for k, v in without.items() if k not in differ}
    assert with_holes["no_verdict_share"] == pytest.approx(13 / 64)


def test_nothing_but_failures():
    """A dead judge has no mean reward, no pass rate and no correlation, and is reported as what it is."""
    monitor = Monitor()
    raised = []
    for step in range(4):
        report = monitor.observe(*batch(step, paid=lambda *_: None), canaries=probes(4, 0), second=[(Reward("a", 0, None),) * 2])
        raised += [str(a.code) for a in report.raised]
    known = {k for k, v in report.smoothed.items() if v is not None}
    assert known == {
        "responses", "length_mean", "no_verdict_share", "opening_share", "identical_share", "duplicate_share", "reason:timeout"
    }  # fmt: skip
    assert raised == ["no_verdict_share"]
    assert monitor.as_dict()["honest_pass_rate"] is None


def test_unread_probes_are_not_refused_ones():
    """A canary without a verdict says nothing on how often its string is paid."""
    monitor = Monitor()
    unread = [type(c)(c.probe, Reward(c.probe.sample.id, 0, None)) for c in probes(8, 0)]
    monitor.observe(*batch(0), canaries=[*unread, *probes(2, 1)])
    (estimate,) = monitor.canaries()
    assert (estimate.rate, estimate.asked) == (0.5, 2)


def test_small_batches_are_collected():
    """A server that judges one response a request gets the same figures as a trainer with whole batches."""
    samples, rewards = batch(0)
    whole, bits = Monitor(MonitorSettings(least_responses=64)), Monitor(MonitorSettings(least_responses=64))
    expected = whole.observe(samples, rewards)
    reports = [bits.observe([s], [r]) for s, r in zip(samples, rewards, strict=True)]
    assert [r.complete for r in reports] == [False] * 63 + [True]
    assert reports[-1].batch == expected.batch


def test_known_figures():
    """Two groups, worked by hand."""
    texts = ["same words", "same words", "other", "- point"], ["same  WORDS", "x", "y", "z"]
    values = [1.0, 0.0, None, 0.0], [1.0, 1.0, 1.0, 1.0]
    samples = [Sample.of(f"q{g}", t, id=f"{g}{n}", group=str(g)) for g in range(2) for n, t in enumerate(texts[g])]
    rewards = [Reward(f"{g}{n}", 0, v, flags=(Flag("odd"),) if n == 0 else ()) for g in range(2) for n, v in enumerate(values[g])]
    report = Monitor(MonitorSettings(least_responses=2)).observe(samples, rewards)
    assert report.batch["reward_mean"] == pytest.approx(5 / 7)
    assert report.batch["pass_rate"] == pytest.approx(5 / 7)
    assert report.batch["zero_spread_share"] == 0.5
    assert report.batch["group_std"] == pytest.approx((2 / 9) ** 0.5 / 2)
    assert report.batch["duplicate_share"] == pytest.approx(1 / 8)
    assert report.batch["identical_share"] is None  # two prompts are too few to compare
    assert report.smoothed["flag:odd"] == pytest.approx(2 / 8)
    assert report.smoothed["reason:unknown"] == pytest.approx(1 / 8)


@pytest.mark.parametrize(
    ("rewards", "message"),
    [
        pytest.param([Reward("a", 0, 1.0)], "1 rewards for 2", id="too-few"),
        pytest.param([Reward("b", 0, 1.0), Reward("a", 0, 1.0)], "in the order", id="swapped"),
    ],
)
def test_rewards_of_other_samples(rewards, message):
    """Shifted rewards are an error before they move a single figure."""
    monitor = Monitor()
    with pytest.raises(InputError, match=message):
        monitor.observe([Sample.of("q", "x", id="a"), Sample.of("q", "y", id="b")], rewards)
    assert monitor.as_dict()["responses"] == 0


def test_memory_stays_the_same():
    """A million steps cost what a hundred do: the pickled monitor does not grow, with ever new texts, strings and flags."""
    monitor = Monitor()

    def feed(start, stop):
        for step in range(start, stop):
            samples, rewards = batch(step, prompts=4, group=4)
            rewards[0] = Reward(rewards[0].sample_id, 0, 0.4, flags=(Flag(f"flag {step}"),))
            monitor.observe(samples, rewards, canaries=probes(2, 0, f"string {step:06d}", "user"))
        return len(pickle.dumps(monitor))

    assert feed(400, 800) <= feed(800, 1200) * 1.01
    assert feed(1200, 1300) <= feed(1300, 1301) * 1.02


def test_goes_on_after_pickling():
    """A monitor restored from a checkpoint raises the alarm that the original would have."""
    first = Monitor()
    for step in range(10):
        first.observe(*batch(step), canaries=probes(8, 1))
    second = pickle.loads(pickle.dumps(first))
    for monitor in (first, second):
        with pytest.raises(MonitorStop):
            monitor.observe(*batch(10), canaries=probes(40, 36))
    assert first.as_dict() == second.as_dict()


def test_a_stop_can_be_pickled():
    """Trainers pass errors between processes."""
    why = pickle.loads(pickle.dumps(MonitorStop("step 3: reward_jump", ("reward_jump",))))
    assert (str(why), why.codes) == ("step 3: reward_jump", ("reward_jump",))


def test_same_stream_same_reports():
    """Two monitors that see the same say the same."""
    one, other = Monitor(), Monitor()
    for step in range(20):
        assert one.observe(*batch(step), canaries=probes(4, step % 2)) == other.observe(
            *batch(step), canaries=probes(4, step % 2)
        )
    assert one.focus() == other.focus()


def test_threads():
    """Adapters call from worker threads; no batch is lost."""
    monitor = Monitor()
    threads = [threading.Thread(target=lambda n=n: [monitor.observe(*batch(n * 10 + i)) for i in range(10)]) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert monitor.as_dict()["responses"] == 4 * 10 * 64


def test_confirmation_raises_within_the_step():
    """One paid probe makes a suspect; the extra round decides before the policy is updated."""
    monitor = Monitor()
    monitor.observe(*batch(0), step=3, canaries=probes(2, 2))
    assert monitor.focus() == ("All of it has been checked.",)
    with pytest.raises(MonitorStop, match="step 3"):
        monitor.confirm(probes(32, 28))
    assert [str(a.code) for a in monitor.last.raised] == ["constant_string_wins"]


STRING = "All of it has been checked."


@pytest.mark.parametrize(
    ("text", "reference", "raised"),
    [
        pytest.param(STRING, None, True, id="word-for-word"),
        pytest.param(STRING.upper() + "\n", None, True, id="case-and-white-space"),
        pytest.param(STRING, STRING, False, id="where-it-is-the-answer"),
        pytest.param("All of it has been weighed.", None, False, id="another-text"),
    ],
)
def test_what_the_policy_writes_is_evidence(text, reference, raised):
    """A policy that writes a probe string shows by itself what the string is paid, at no judge call."""
    settings = MonitorSettings(
        alarms=AlarmTable.model_validate({code: {"action": "off"} for code in AlarmCode if code != "constant_string_wins"})
    )
    monitor = Monitor(settings)
    monitor.observe(*batch(0), canaries=probes(1, 0, STRING, "user"))
    samples, rewards = batch(1)
    for n in range(0, 64, 4):
        samples[n] = replace(samples[n], responses=(text,), reference=reference)
        rewards[n] = replace(rewards[n], raw_reward=1.0)
    if raised:
        with pytest.raises(MonitorStop, match="constant_string_wins"):
            monitor.observe(samples, rewards)
    else:
        assert not monitor.observe(samples, rewards).raised


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", "", id="blank"),
        pytest.param("Let's  SOLVE this\nproblem step by step, now", "let's solve this problem", id="white-space-and-case"),
        pytest.param("<think>\nOkay, so", "okay, so", id="thinking-tag"),
        pytest.param("解：" * 100, "解：" * 12, id="no-spaces"),
        pytest.param("\ud800 broken", "\ud800 broken", id="lone-surrogate"),
    ],
)
def test_openings(text, expected):
    """What counts as the same opening."""
    assert opening(text).strip() == expected


def test_hostile_text_costs_linear_time():
    """A response of a megabyte of any one piece does not stall training."""
    for piece in ("\n", " ", "#", "- ", "*", "`", "<think>", "1.", "\ud800"):
        text = piece * (1_000_000 // len(piece))
        Monitor(MonitorSettings(least_responses=2)).observe([Sample.of("q", text, prose(0, 0, random.Random(0)), id="a")],
                                                            [Reward("a", 0, 1.0), Reward("a", 1, 0.0)])  # fmt: skip
