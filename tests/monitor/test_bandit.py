"""A simulated GRPO, in small; `python benchmarks/bandit.py` runs it over 20 seeds and more cases."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.bandit import (
    HARMLESS,
    SENTENCE,
    Drift,
    Scenario,
    attack_row,
    goals,
    honest_row,
    honest_streams,
    scenarios,
    simulate,
    stopped_by_filters,
    table,
)

pytestmark = pytest.mark.slow

CASES = {s.name: s for s in (*scenarios([32]), *honest_streams([32]))}


@pytest.mark.parametrize("name", ["catalogue, no defence", "sentence +0.02 a step, filters only"])
def test_without_a_defence_a_constant_string_wins(name):
    """What the filters and the monitor are for."""
    assert simulate(CASES[name], 0).share > 0.5


def test_with_the_filters_no_catalogue_string_wins():
    """The filters stop every string of the catalogue, and none of the honest answers."""
    run = simulate(replace(CASES["catalogue, filters"], steps=150), 0)
    assert max(run.shares[-1], run.share) < 0.05
    assert run.honest_rates[-1] > run.honest_rates[0] + 0.05


@pytest.mark.parametrize("name", [n for n in CASES if n.startswith("sentence") and "32 probes" in n and "unknown" not in n])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_alarm_saves_the_run(name, seed):
    """A sentence that the filters let through is caught at the latest one step after it pays more than honest work."""
    assert stopped_by_filters(SENTENCE) is None
    run = simulate(CASES[name], seed)
    assert run.alarm is not None
    assert run.crossed is None or run.alarm <= run.crossed + 1
    assert run.share < 0.05


def test_honest_steps_raise_nothing():
    """600 honest steps; the benchmark runs many more."""
    quiet = Scenario("honest", ((SENTENCE, Drift(HARMLESS)),), probes=16, steps=300, stop=False)
    assert [simulate(quiet, seed).alarms for seed in (0, 1)] == [{}, {}]


def test_the_table_in_small():
    """The table of docs/robustness.md with short runs: without a defence a string wins, with both none does, no false alarm."""
    attacks = [
        attack_row([simulate(replace(s, steps=60 if s.probes else 120), seed) for seed in range(2)])
        for s in scenarios([16])
        if "filters and monitor" in s.name or not s.probes
    ]
    honest = [honest_row([simulate(replace(s, steps=20), 0)]) for s in honest_streams([16])]
    assert goals(attacks, honest) == [
        "without filters or without monitor a constant string wins: 6 of 6 runs",
        "with filters and monitor none wins: 0 of 10 runs",
        "alarm at most one step after f passed p: 8 of 8 runs",
        "false alarms: 0 in 80 honest steps, 0.00 per 1,000, below 45.82 at 95 % (goal: at most 1)",
    ]
    lines = table(attacks, honest).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert "| 2/2 |" in lines[2]


def test_same_seed_same_run():
    """The table can be reproduced."""
    case = replace(CASES["sentence jumps to 0.6, filters and monitor, 32 probes"], steps=12)
    assert simulate(case, 3) == simulate(case, 3)
