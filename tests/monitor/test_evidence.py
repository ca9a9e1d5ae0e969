"""The test behind `constant_string_wins` keeps its promise on false alarms, and is fast where it matters."""

from __future__ import annotations

import numpy as np
import pytest

from judge.intervals import wilson
from judge.monitor.evidence import Detector, PassRate


@pytest.mark.parametrize("probes", [1, 4, 16, 64])
@pytest.mark.parametrize("harmless", [0.02, 0.1, 0.25])
def test_time_to_a_false_alarm(harmless, probes):
    """At the very edge of harmless, 40 runs of 500 steps: at a mean of at least 100 steps there are at most 200 alarms."""
    chance, alarms = np.random.default_rng(1), 0
    for _ in range(40):
        detector = Detector(needed=100)
        for passed in chance.binomial(probes, harmless, size=500):
            detector.add(int(passed), probes, harmless)
            if detector.share() >= 1:
                alarms += 1
                detector = Detector(needed=100)
    assert alarms <= 200


@pytest.mark.parametrize(
    ("rate", "steps"), [pytest.param(0.9, 1, id="sudden"), pytest.param(0.6, 2, id="high"), pytest.param(0.4, 6, id="just-above")]
)
def test_steps_to_a_true_alarm(rate, steps):
    """32 probes a step against a harmless rate of 0.15; the slowest of 50 runs."""
    chance = np.random.default_rng(2)
    for _ in range(50):
        detector = Detector(needed=2000)
        for passed in chance.binomial(32, rate, size=steps):
            detector.add(int(passed), 32, 0.15)
        assert detector.share() >= 1


def test_looking_twice_within_a_step_is_no_second_step():
    """Extra rounds multiply on; only a new step may forget a bad start."""
    twice, once = Detector(100), Detector(100)
    twice.add(0, 8, 0.1)
    twice.add(3, 8, 0.1, same_step=True)
    once.add(3, 16, 0.1)
    assert twice.logs == pytest.approx(once.logs)


def test_evidence_fades():
    """When the string is no longer paid the alarm can clear, however strong the evidence was."""
    detector = Detector(2000)
    for _ in range(1000):
        detector.add(16, 16, 0.1)
    for _ in range(20):
        detector.add(0, 16, 0.1)
    assert detector.share() == 0
    assert not detector.suspicious


def test_more_strings_need_more_evidence():
    """Watching a hundred strings does not cry wolf a hundred times as often."""
    detector = Detector(2000)
    detector.add(9, 16, 0.1)
    assert detector.share(100) < detector.share(1)


def test_nothing_asked_is_no_rate():
    """No probes, no number."""
    rate = PassRate(0.9)
    rate.add(0, 0)
    assert rate.value is None
    assert wilson(0, 3000)[1] == pytest.approx(0.0013, abs=5e-5)
