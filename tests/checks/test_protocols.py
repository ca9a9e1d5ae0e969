"""Protocols compared step by step: what a rule sees, and what it does not pay for."""

from __future__ import annotations

import pytest

from judge.checks.protocols import protocol_score, steps_of, written_steps
from judge.types import NoVerdict, Sample

RIGHT = '[{"action": "mix", "objects": ["A", "B"]}, {"action": "heat", "parameters": {"to": "60 C"}}, {"action": "cool"}]'


def scored(response: str, reference: str = RIGHT) -> dict:
    return protocol_score(Sample.of("q", response, reference=reference), 0, {})


@pytest.mark.parametrize(
    ("response", "granularity", "order", "fidelity"),
    [
        pytest.param(RIGHT, 1, 1, 1, id="the-same"),
        pytest.param(f"I think so: <key>{RIGHT}</key> Mix A and B.", 1, 1, 1, id="in-tags"),
        pytest.param(f"<key>[]</key> or <key>{RIGHT}</key>", 1, 1, 1, id="the-last-list-counts"),
        # 1 - 1/3; two of three actions; details 1 and 1 of three
        pytest.param(
            '[{"action": "heat", "parameters": "to 60 C"}, {"action": "cool"}]', 2 / 3, 2 / 3, 2 / 3, id="a-step-missing"
        ),
        # six steps for three: 1 - 3/3
        pytest.param(RIGHT[:-1] + ", " + RIGHT[1:], 0, 0.5, 0.5, id="everything-twice"),
        pytest.param('[{"action": "cool"}, {"action": "heat"}, {"action": "mix"}]', 1, 1 / 3, 1 / 3, id="backwards"),
        pytest.param("Mix, heat, cool.", 0, 0, 0, id="prose"),
        pytest.param('[{"step": "mix"}]', 0, 0, 0, id="no-actions"),
        pytest.param("[" * 100_000, 0, 0, 0, id="a-bomb"),
    ],
)
def test_components(response, granularity, order, fidelity):
    """Each component by hand; repeating the right steps is paid less, not more."""
    found = scored(response)
    assert [found[name] for name in ("granularity", "order", "fidelity")] == pytest.approx([granularity, order, fidelity])
    assert found["overall"] == pytest.approx((granularity + order + fidelity) / 3)


def test_a_reference_that_is_no_protocol_is_a_failure_and_no_grade():
    """The policy is not punished for the data."""
    assert isinstance(scored(RIGHT, "soon"), NoVerdict)
    assert protocol_score(Sample.of("q", RIGHT), 0, {}) is None


def test_lines_of_objects_are_a_list():
    """A policy may write one step a line."""
    assert [s.action for s in written_steps('{"action": "Mix  well"},\n{"action": "heat"}')] == ["mix well", "heat"]
    assert steps_of("7") == ()
