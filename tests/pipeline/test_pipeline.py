"""One sample through the pipeline: which sign a fault has, whoever finds it."""

from __future__ import annotations

from math import log

import pytest

from judge import Judge, Sample, ScriptedEngine
from judge.types import Completion, TokenLogprobs

RUBRIC = {
    "criteria": [
        {"id": "good", "text": "It answers the question.", "weight": 3},
        {"id": "fault", "text": "It repeats the question.", "kind": "pitfall", "weight": 1},
    ]
}


def present(sample: Sample, index: int, args: object) -> float:
    """A user's program that measures how much of a fault is there."""
    return {"a": 1.0, "b": 0.25}.get(sample.responses[index], 0.0)


@pytest.mark.parametrize(
    ("response", "component", "reward"),
    [
        pytest.param("a", 0.0, 3 / 4, id="there"),
        pytest.param("b", 0.75, 3.75 / 4, id="a-quarter-of-it"),
        pytest.param("c", 1.0, 1.0, id="not-there"),
    ],
)
def test_a_fault_that_a_program_finds_costs_points(response, component, reward):
    """A pitfall whose check says "present" must not pay for the fault."""
    fault = {**RUBRIC["criteria"][1], "check": f"{__name__}:present"}
    config = {"recipe": "checklist", "rubric": {"criteria": [RUBRIC["criteria"][0], fault]}, "filters": "off"}
    with Judge.from_config(config, engine=ScriptedEngine(["VERDICT: MET"], repeat_last=True)) as judge:
        [found] = judge.score([Sample.of("Which city?", response)])
    assert found.components["fault"] == component
    assert found.reward == pytest.approx(reward)


def test_the_expected_score_of_a_fault_has_the_sign_of_its_score():
    """A judge that is 75 % sure of a fault expects 0.25 of the points; the other sign would reward doubt about clean answers."""

    def reply(request: object) -> Completion:
        sure = {" MET": log(0.75), " UNMET": log(0.25)}
        return Completion("VERDICT: MET", "stop", logprobs=(TokenLogprobs("VERDICT:", {}), TokenLogprobs(" MET", sure)))

    config = {"recipe": "checklist", "rubric": RUBRIC, "filters": "off", "top_logprobs": 5}
    with Judge.from_config(config, engine=ScriptedEngine(reply)) as judge:
        [found] = judge.score([Sample.of("Which city?", "Paris.")])
    assert found.components == {"good": 1.0, "fault": 0.0}
    assert found.uncertainty.expected == pytest.approx((3 * 0.75 + 1 * 0.25) / 4)
