"""How long a run still takes: told within a factor of two, for an engine of known delay, and for a run that goes on."""

from __future__ import annotations

import asyncio
import io

import pytest

from judge.batch.progress import MARKS, ProgressLine
from judge.engine.scripted import ScriptedEngine
from judge.pipeline.build import build_pipeline, plan
from judge.pipeline.evaluate import evaluate
from judge.settings import load_settings
from judge.types import Completion, Sample


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def told(seconds_each, known=0):
    """(seconds told, seconds it took) after each item, with the time that each item takes; the first ones are known already."""
    clock, said = Clock(), []
    progress = ProgressLine(len(seconds_each), io.StringIO(), quiet=True, clock=clock)
    with progress:
        for number, seconds in enumerate(seconds_each, 1):
            clock.now += seconds
            progress.count(fresh=number > known)
            said.append((progress.seconds_left, sum(seconds_each[number:])))
    return said


@pytest.mark.parametrize(
    ("each", "known", "after"),
    [
        pytest.param([1.0] * 1000, 0, range(1, 960), id="steady"),
        pytest.param([0.001] * 500 + [1.0] * 500, 500, range(502, 960), id="goes-on-from-its-journal"),
        pytest.param([3.0] * 50 + [1.0] * 950, 0, range(100, 960), id="warms-up"),
        pytest.param(([10.0] + [0.0] * 49) * 20, 0, range(100, 950, 50), id="fifty-at-once"),
        pytest.param(([10.0] + [0.0] * 49) * 20, 0, range(151, 850, 50), id="first-of-fifty"),  # when a line is due
    ],
)
def test_time_left_is_right_within_a_factor_of_two(each, known, after):
    """Told after so many items, of which the first ones were known."""
    said = told(each, known)
    for number, (left, took) in enumerate(said, 1):
        if number in after:
            assert left is not None
            assert took / 2 <= left <= took * 2, (number, left, took)


def test_nothing_is_told_that_is_not_known():
    """No total, nothing done, or all done."""
    assert ProgressLine(None, quiet=True).seconds_left is None
    assert ProgressLine(5, quiet=True).seconds_left is None
    assert told([1.0, 1.0])[-1][0] is None


def test_memory_is_bounded():
    clock = Clock()
    progress = ProgressLine(100_000, quiet=True, clock=clock)
    for _ in range(20_000):
        clock.now += 0.01
        progress.count()
    assert len(progress._marks) <= MARKS


def test_with_an_engine_of_known_delay():
    """Forty samples, four at once, 50 ms a call: half a second, told in time."""
    clock = Clock()

    async def slow(request):
        await asyncio.sleep(0)
        clock.now += 0.05 / 4  # four are asked at once
        return Completion("Yes.\nVERDICT: MET", "stop", 1, 1)

    settings, base = load_settings({"recipe": "checklist", "rubric": ["It is right."], "engine": {"kind": "scripted"}})
    samples = [Sample.of(f"question {i}", "an answer", id=str(i)) for i in range(40)]
    said = []

    async def run():
        pipeline = build_pipeline(plan(settings, base), ScriptedEngine(slow))
        with ProgressLine(len(samples), quiet=True, clock=clock) as progress:
            async for each in evaluate(pipeline, samples, in_flight=4):
                progress.add(each.rewards)
                said.append((progress.seconds, progress.seconds_left))
        return progress.seconds

    whole = asyncio.run(run())
    assert whole > 0.4
    middle = [(left, whole - seconds) for seconds, left in said[8:30] if left is not None]
    assert all(took / 2 <= left <= took * 2 for left, took in middle), middle
