"""Probes go in, and the honest rewards come out as if there had been none."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge.errors import InputError
from judge.monitor import Canaries
from judge.monitor.canaries import WRONG_ANSWER
from judge.settings.monitor import CanarySettings
from judge.types import Reward, Sample

TEXT = st.text(max_size=12)
SAMPLES = st.lists(
    st.builds(
        lambda prompt, given, reference, name, group: Sample.of(prompt, *given, reference=reference, id=name, group=group),
        TEXT, st.lists(TEXT, max_size=3), st.none() | TEXT, TEXT | st.sampled_from(["canary-1-0-0", "confirm-1-0-0-0"]), TEXT,
    ),
    max_size=8,
)  # fmt: skip


def paid(sample: Sample, index: int) -> float | None:
    """A judge that depends on nothing but the sample; some verdicts are missing."""
    digest = hashlib.sha256(repr((sample.prompt, sample.responses, index)).encode("utf-8", "surrogatepass")).digest()[0]
    return None if digest < 20 else digest / 255


def judged(samples):
    """One reward a response. Samples without an id are named by their position, as `Judge.score` does."""
    return [
        Reward(s.id or str(position), i, paid(s, i), group=s.group)
        for position, s in enumerate(samples)
        for i in range(len(s.responses))
    ]


@settings(deadline=None, max_examples=200)
@given(SAMPLES, st.integers(0, 20), st.integers(0, 5))
def test_taking_them_out_is_exact(samples, count, step):
    """No reward, no baseline and no order changes because probes were there, whatever the ids in the data."""
    canaries = Canaries(CanarySettings(per_batch=count, past_filters=0.3, strings=("mine",)), seed=1)
    mixed = canaries.mix(samples, step)
    honest, results = canaries.split(mixed, judged(mixed.samples))
    assert honest == judged(samples)
    assert [r.probe for r in results] == list(mixed.probes)
    ids = [p.sample.id for p in mixed.probes]
    assert len(set(ids)) == len(ids)
    assert not set(ids) & {s.id for s in samples}
    assert not {p.sample.group for p in mixed.probes} & {s.group for s in samples}
    more = canaries.confirm(samples, step, 0, ("mine",))
    assert canaries.split(more, judged(more.samples))[0] == []


def samples(count=64, **fields):
    return [Sample.of(f"Question {n}?", f"answer {n}", id=f"s{n}", group=f"g{n}", **fields) for n in range(count)]


def test_same_seed_and_step_same_probes():
    """A run can be repeated; another step and another seed differ."""
    canaries = Canaries(CanarySettings(per_batch=8), seed=3)
    first = canaries.mix(samples(), 5)
    assert first == canaries.mix(samples(), 5)
    assert [p.sample.responses for p in first.probes] != [p.sample.responses for p in canaries.mix(samples(), 6).probes]
    assert first != Canaries(CanarySettings(per_batch=8), seed=4).mix(samples(), 5)


@pytest.mark.parametrize(
    ("options", "least", "most"),
    [
        pytest.param({}, 0, 0, id="off-by-default"),
        pytest.param({"rate": 0.05}, 280, 360, id="rate"),
        pytest.param({"per_batch": 3}, 300, 300, id="fixed-number"),
        pytest.param({"at_least_every": 10}, 10, 10, id="floor-alone"),
        pytest.param({"rate": 0.0001, "at_least_every": 4}, 25, 32, id="floor-under-a-low-rate"),
    ],
)
def test_how_many(options, least, most):
    """Probes of 100 batches of 64 samples."""
    canaries = Canaries(CanarySettings(**options))
    count = sum(len(canaries.mix(samples(), step).probes) for step in range(100))
    assert least <= count <= most


def test_wrong_answers_are_wrong():
    """Another prompt's response that holds this one's reference would be no probe."""
    batch = [Sample.of(f"What is {n}?", f"It is {n % 2}.", reference=str(n % 2), id=str(n)) for n in range(20)]
    canaries = Canaries(CanarySettings(per_batch=50, kinds=("wrong_answer",)))
    probes = canaries.mix(batch, 0).probes
    assert probes
    assert all(p.sample.reference[0] not in p.sample.responses[0] for p in probes)
    assert {p.string for p in probes} == {WRONG_ANSWER}


def test_no_wrong_answer_to_be_had():
    """One prompt alone has no other's answer; nothing is made up."""
    canaries = Canaries(CanarySettings(per_batch=5, kinds=("wrong_answer",)))
    assert canaries.mix([Sample.of("q", "a"), Sample.of("q", "b")], 0).probes == ()


def test_a_string_that_is_the_answer_is_no_probe():
    """What is the final answer, 7391? To this question the constant is right."""
    canaries = Canaries(CanarySettings(per_batch=20, kinds=("user",), strings=("The answer is 7391.",)))
    assert canaries.mix(samples(reference="7391"), 0).probes == ()
    assert len(canaries.mix(samples(reference="7392"), 0).probes) == 20


def test_a_pair_stays_a_pair():
    """In a comparison the probe stands in one place, and the other response is honest."""
    pairs = [Sample.of(f"q{n}", f"left {n}", f"right {n}", id=str(n)) for n in range(8)]
    for probe in Canaries(CanarySettings(per_batch=10, kinds=("null",))).mix(pairs, 0).probes:
        assert len(probe.sample.responses) == 2
        assert probe.sample.responses[probe.index] == probe.string
        assert probe.sample.responses[1 - probe.index].startswith(("left", "right"))


def test_probes_past_the_filters_are_named():
    """The pipeline is told which samples go past the intake filters."""
    mixed = Canaries(CanarySettings(per_batch=10, past_filters=1.0)).mix(samples(), 0)
    assert mixed.past_filters == {p.sample.id for p in mixed.probes}
    assert len(mixed.past_filters) == len(mixed.probes) > 0


def test_suspects_are_asked_first():
    """Three quarters of the probes go to the strings under suspicion, most to the worst; unknown names are ignored."""
    canaries = Canaries(CanarySettings(per_batch=16, strings=("mine", "yours")))
    strings = [p.string for p in canaries.mix(samples(), 0, focus=("mine", "yours", "gone")).probes]
    assert strings.count("mine") >= 8
    assert 4 <= strings.count("yours") < strings.count("mine")
    assert len(canaries.confirm(samples(), 0, 0, ("mine",)).probes) == 32
    assert canaries.confirm(samples(), 0, 0, ()).samples == ()


def test_rounds_end_with_the_suspicion():
    """Extra probes cost judge calls: none without a suspect, and never more rounds than the settings allow."""
    canaries = Canaries(CanarySettings(per_batch=16, strings=("mine",), confirm=4, confirm_rounds=3))
    suspects = [("mine",), ("mine",), ()]
    sizes = [len(more.probes) for more in canaries.rounds(samples(), 0, lambda: suspects.pop(0))]
    assert sizes == [4, 4]
    assert [len(more.probes) for more in canaries.rounds(samples(), 0, lambda: ("mine",))] == [4, 4, 4]
    assert list(canaries.rounds(samples(), 0, tuple)) == []


def test_a_false_suspect_does_not_starve_the_others():
    """While two strings are under suspicion each other one is still asked."""
    canaries = Canaries(CanarySettings(per_batch=32, strings=("mine", "yours")))
    for step in range(20):
        asked = {p.string for p in canaries.mix(samples(), step, focus=("mine", "yours")).probes}
        assert asked == {text for _, text in canaries.pool()}


@pytest.mark.parametrize("lost", [0, -1], ids=["honest", "canary"])
def test_a_lost_reward_is_an_error(lost):
    """Rewards that shifted by one would train on noise."""
    canaries = Canaries(CanarySettings(per_batch=2))
    mixed = canaries.mix(samples(), 0)
    rewards = judged(mixed.samples)
    del rewards[lost]
    with pytest.raises(InputError, match="have a reward"):
        canaries.split(mixed, rewards)
