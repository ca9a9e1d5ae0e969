"""What a scrape and a trainer's log get."""

from __future__ import annotations

import json
import math

import pytest

from judge.monitor import Monitor, metrics_text
from tests.monitor.streams import batch, probes


def test_text_format():
    """Names follow Prometheus's rules, every sample parses, and nothing unknown is written as 0."""
    pytest.importorskip("prometheus_client", reason="the extra `serve` is not installed")
    from prometheus_client.parser import text_string_to_metric_families

    monitor = Monitor()
    empty = metrics_text(monitor)
    assert "judge_reward_mean_ratio" not in empty
    monitor.observe(*batch(0), canaries=probes(8, 1))
    found = {
        (s.name, tuple(sorted(s.labels.values()))): s.value
        for f in text_string_to_metric_families(metrics_text(monitor))
        for s in f.samples
    }
    assert found["judge_monitor_responses_total", ()] == 64
    assert found["judge_canary_false_positive_ratio", ("null", "on")] == 0.125
    assert found["judge_alarm_active", ("constant_string_wins",)] == 0
    assert 0 < found["judge_reward_mean_ratio", ()] < 1
    assert ("judge_second_judge_rise_ratio", ()) not in found
    assert not any(math.isnan(v) for v in found.values())


def test_plain_values():
    """The state goes into JSON and into a trainer's metrics as it is."""
    monitor = Monitor()
    monitor.observe(*batch(0), canaries=probes(8, 1))
    state = json.loads(json.dumps(monitor.as_dict()))
    assert state["canaries"][0]["rate"] == 0.125
    scalars = monitor.scalars()
    assert scalars["judge/worst_canary_rate"] == 0.125
    assert scalars["judge/alarm/reward_jump"] == 0.0
    assert all(isinstance(v, float) for v in scalars.values())
