"""When each alarm is raised, and when it is not."""

from __future__ import annotations

import pytest

from judge.errors import InputError, MonitorStop, SettingsError
from judge.monitor import Alarm, AlarmCode, Monitor
from judge.monitor.alarms import Switch
from judge.settings.monitor import AlarmSettings, AlarmTable, MonitorSettings
from judge.types import Reward
from judge.yamlfile import parse_yaml, validate
from tests.monitor.streams import batch, coin, probes, prose

SPREAD = coin(0.4)


def opened(share):
    return lambda prompt, place, chance: (
        ("Let's solve this problem step by step. " if chance.random() < share else "") + prose(prompt, place, chance)
    )


def same(share):
    return lambda prompt, place, chance: "Thought process:" if chance.random() < share else prose(prompt, place, chance)


def repeating(prompt, place, chance):
    return f"answer to {prompt} {chance.random()}" if place == 0 else f"the same for {prompt}"


def letters(_prompt, _place, chance):
    return chance.choice("ABCD")


def with_headings(prompt, place, chance):
    return ("# Heading\n" if place % 2 else "") + prose(prompt, place, chance)


def by_length(text, _place, chance):
    return min(1.0, len(text) / 250 + 0.05 * chance.random())


def by_heading(text, _place, chance):
    return float(chance.random() < (0.9 if "#" in text else 0.1))


def absent(share):
    return lambda text, place, chance: None if chance.random() < share else SPREAD(text, place, chance)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param((prose, SPREAD), (prose, SPREAD), set(), id="honest"),
        pytest.param((prose, coin(0.02)), (prose, coin(0.02)), set(), id="hard-prompts-early-in-training"),
        pytest.param((prose, SPREAD), (opened(0.9), SPREAD), {"opening_collapse"}, id="openings-become-one"),
        pytest.param((prose, SPREAD), (opened(0.3), SPREAD), set(), id="a-third-open-alike"),
        pytest.param((opened(0.9), SPREAD), (opened(0.9), SPREAD), set(), id="opens-alike-from-the-first-step"),
        pytest.param((opened(1.0), SPREAD), (opened(1.0), SPREAD), set(), id="a-forced-prefix-is-no-collapse"),
        pytest.param(
            (prose, SPREAD),
            (same(0.95), SPREAD),
            {"opening_collapse", "identical_responses", "duplicates_in_group"},
            id="the-collapsed-run-of-one-token-to-fool",
        ),
        pytest.param((prose, SPREAD), (same(0.2), SPREAD), {"identical_responses"}, id="one-response-in-five"),
        pytest.param((prose, SPREAD), (same(0.03), SPREAD), set(), id="a-rare-repeat"),
        pytest.param((letters, SPREAD), (letters, SPREAD), set(), id="letters-of-multiple-choice"),
        pytest.param((prose, SPREAD), (repeating, SPREAD), {"duplicates_in_group"}, id="no-exploration-left"),
        pytest.param((prose, by_length), (prose, by_length), {"reward_length_correlation"}, id="longer-pays"),
        pytest.param((with_headings, by_heading), (with_headings, by_heading), {"reward_format_correlation"}, id="headings-pay"),
        pytest.param((with_headings, SPREAD), (with_headings, SPREAD), set(), id="headings-do-not-pay"),
        pytest.param((prose, SPREAD), (prose, absent(0.3)), {"no_verdict_share"}, id="the-judge-breaks"),
        pytest.param((prose, absent(0.03)), (prose, absent(0.03)), set(), id="a-few-unread-verdicts"),
        pytest.param((prose, SPREAD), (prose, coin(1.0)), {"group_spread_collapse", "reward_jump"}, id="everything-passes"),
        pytest.param((prose, SPREAD), (prose, coin(0.9)), {"reward_jump"}, id="the-judge-was-swapped"),
        pytest.param((prose, SPREAD), (prose, coin(0.5)), set(), id="honest-progress"),
    ],
)  # fmt: skip
def test_alarms_of_a_stream(before, after, expected):
    """A person who is woken at night finds the cause in the code, and is not woken by a healthy run."""
    monitor, raised = Monitor(), set()
    for step in range(50):
        text, paid = before if step < 15 else after
        raised |= {str(a.code) for a in monitor.observe(*batch(step, text, paid), step=step).raised}
    assert raised == expected


@pytest.mark.parametrize(
    ("passed", "steps", "expected"),
    [
        pytest.param(0, 200, set(), id="never-paid"),
        pytest.param(1, 200, set(), id="paid-far-below-the-honest-rate"),
        pytest.param(12, 3, {"constant_string_wins", "canary_passed"}, id="paid-above-the-honest-rate"),
    ],
)
def test_a_constant_string_wins(passed, steps, expected):
    """16 probes a step against an honest pass rate of 0.4."""
    monitor, raised = warning_monitor(), set()
    for step in range(steps):
        report = monitor.observe(*batch(step), canaries=probes(16, passed))
        raised |= {str(a.code) for a in report.raised}
    assert raised == expected


def test_a_probe_past_the_filters_is_not_what_training_sees():
    """A judge that falls for a string behind a filter that stops it is reported, and stops nothing."""
    monitor = Monitor()
    for step in range(20):
        assert not monitor.observe(*batch(step), canaries=probes(16, 16, filtered=False)).raised
    (estimate,) = monitor.canaries()
    assert estimate.rate == 1.0
    assert estimate.evidence is None


def test_wrong_answers_are_no_constant_string():
    """A judge that pays half of the wrong answers is bad, and no single string wins by it."""
    monitor, raised = Monitor(), set()
    for step in range(20):
        report = monitor.observe(*batch(step), canaries=probes(16, 8, "other", "wrong_answer"))
        raised |= {str(a.code) for a in report.raised}
    assert raised == {"canary_passed"}


def warning_monitor():
    return Monitor(MonitorSettings(alarms=AlarmTable.model_validate({"constant_string_wins": {"action": "warn"}})))


@pytest.mark.parametrize(
    ("rise", "expected"), [pytest.param(0.0, False, id="steady-offset"), pytest.param(0.5, True, id="proxy-rises")]
)
def test_the_second_judge_diverges(rise, expected):
    """The onset of hacking: this judge's rewards rise while another one's do not. A constant offset is no alarm."""
    monitor, seen = Monitor(), False
    for step in range(60):
        gap = 0.2 + (rise if step >= 20 else 0)
        pairs = [(Reward("a", 0, 0.2 + gap), Reward("a", 0, 0.2)), (Reward("b", 0, None), Reward("b", 0, 1.0))] * 16
        seen |= AlarmCode.SECOND_JUDGE_DIVERGENCE in [a.code for a in monitor.observe(*batch(step), second=pairs).raised]
    assert seen is expected


def test_raised_once_until_it_clears():
    """An alarm that is on says nothing more; it may come again after it has cleared; unknown values change nothing."""
    switch, settings = Switch(), AlarmSettings(limit=0.5, clear=0.3, patience=2)
    values = [0.6, 0.4, 0.6, 0.6, 0.7, None, 0.4, 0.6, 0.3, 0.6, 0.6]
    changes = [switch.update(v, settings, 0.5) for v in values]
    assert changes == ["", "", "", "raised", "", "", "", "", "cleared", "", "raised"]


@pytest.mark.parametrize("action", ["warn", "callback", "stop", "off"])
def test_actions(action, caplog):
    """Each action does what it says; a stop names its codes and comes after the callback."""
    table = AlarmTable.model_validate({"canary_passed": {"action": action}, "constant_string_wins": {"action": "off"}})
    seen = []
    monitor = Monitor(MonitorSettings(alarms=table), on_alarm=lambda alarm: seen.append(alarm.code))
    stopped = None
    try:
        monitor.observe(*batch(0), step=7, canaries=probes(32, 32))
    except MonitorStop as why:
        stopped = why
    assert (stopped is not None) is (action == "stop")
    assert seen == ([] if action == "off" else [AlarmCode.CANARY_PASSED])
    assert ("step 7: canary_passed" in caplog.text) is (action in ("warn", "stop"))
    if stopped is not None:
        assert stopped.codes == ("canary_passed",)
        assert stopped.exit_code == 6
        assert monitor.last.step == 7


def test_a_callback_action_needs_a_function():
    """A run that believes it is watched, and is not, is worse than none."""
    table = AlarmTable.model_validate({"reward_jump": {"action": "callback"}})
    with pytest.raises(InputError, match="on_alarm"):
        Monitor(MonitorSettings(alarms=table))


HEARD: list[Alarm] = []


def hear(alarm):
    HEARD.append(alarm)


NOT_CALLABLE = 3


def test_a_function_named_in_the_settings_hears_the_alarm():
    """The server and `judge run` are configured by YAML alone."""
    HEARD.clear()
    settings = MonitorSettings.model_validate(
        {
            "on_alarm": f"{__name__}:hear",
            "alarms": {"canary_passed": {"action": "callback"}, "constant_string_wins": {"action": "off"}},
        }
    )
    Monitor(settings).observe(*batch(0), step=7, canaries=probes(32, 32))
    assert [(a.code, a.step) for a in HEARD] == [(AlarmCode.CANARY_PASSED, 7)]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        pytest.param("no_such_module:f", "cannot be imported", id="no-module"),
        pytest.param(f"{__name__}:nothing", "cannot be imported", id="no-function"),
        pytest.param("hear", "not of the form", id="no-module-named"),
        pytest.param(f"{__name__}:NOT_CALLABLE", "is a int, not a function", id="no-callable"),
    ],
)
def test_a_function_that_is_not_there(path, words):
    """Found when the run is set up, and not when the alarm goes off."""
    with pytest.raises(InputError, match=words):
        Monitor(MonitorSettings(on_alarm=path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("alarms: {opening_colapse: {limit: 0.5}}", "opening_collapse", id="unknown-alarm"),
        pytest.param("alarms: {reward_jump: {clear: 0.9}}", "`clear`", id="clears-above-its-limit"),
        pytest.param("canaries: {rate: 2}", "rate", id="rate-above-one"),
        pytest.param("canaries: {kinds: [blank]}", "kinds", id="unknown-kind"),
    ],
)
def test_wrong_settings(text, message):
    """A mistyped limit is an error before the run, with its line."""
    with pytest.raises(SettingsError, match=message):
        validate(MonitorSettings, parse_yaml(text, "monitor.yaml", SettingsError), error=SettingsError)


def test_a_part_of_an_alarm_keeps_the_rest():
    """`{limit: 0.7}` changes the limit and nothing else."""
    table = AlarmTable.model_validate({"opening_collapse": {"limit": 0.7}})
    assert table.opening_collapse == AlarmSettings(limit=0.7, clear=0.4, patience=2)
    assert table.constant_string_wins.action == "stop"
