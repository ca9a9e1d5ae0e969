"""The one loop over samples: what it holds, how it fails, and what it costs."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing

import pytest

from judge.engine.scripted import ScriptedEngine
from judge.errors import DataError
from judge.pipeline.evaluate import Item, evaluate, run_each
from judge.pipeline.judge import Judge
from judge.types import Reason, Reward, Sample

VERIFIER = {"recipe": "verifier"}


class Slow:
    """Judges nothing, counts what is in progress."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds, self.live, self.peak, self.ended = seconds, 0, 0, 0

    async def judge(self, sample: Sample, *, filters: bool = True) -> tuple[Reward, ...]:
        self.live += 1
        self.peak = max(self.peak, self.live)
        try:
            await asyncio.sleep(self.seconds)
            if sample.id == "bad":
                raise DataError("it has no reference")
            return (Reward(sample.id, 0, 1.0),)
        finally:
            self.live -= 1
            self.ended += 1


def samples(count: int) -> list[Sample]:
    return [Sample.of(f"q{i}", "a", id=str(i)) for i in range(count)]


def test_a_sample_that_cannot_be_judged_costs_the_others_nothing():
    """One row of a training step came without its reference: the step goes on, and that row says why it has no reward."""
    engine = ScriptedEngine(["RESPONSE SAYS: It is 4\nVERDICT: CORRECT"])
    with Judge.from_config(VERIFIER, engine=engine) as judge:
        bad, good = judge.score([Sample.of("2+2?", "It is 4."), Sample.of("2+2?", "It is 4.", reference="4")])
    assert bad.reward is None
    assert bad.failure is not None
    assert bad.failure.reason is Reason.INVALID
    assert "reference" in bad.failure.detail
    assert good.reward == 1.0


def test_a_constant_does_not_stand_in_for_a_row_that_is_no_sample():
    """`on_no_verdict: constant` is for judges that fail; a fault of the data is shown as one."""
    config = VERIFIER | {"on_no_verdict": "constant", "no_verdict_constant": 0.5}
    with Judge.from_config(config, engine=ScriptedEngine(["RESPONSE SAYS: It is 4\nVERDICT: CORRECT"])) as judge:
        bad, good = judge.score([Sample.of("2+2?", "It is 4."), Sample.of("2+2?", "It is 4.", reference="4")])
    assert (bad.reward, good.reward) == (None, 1.0)


async def test_no_more_are_held_than_the_limit():
    """A data set of millions must fit: samples are read when there is room for them, and not before."""
    judging, read = Slow(0.001), 0

    def rows():
        nonlocal read
        for sample in samples(200):
            read += 1
            yield sample

    done = 0
    async for _ in evaluate(judging, rows(), in_flight=8):
        done += 1
        assert read - done <= 8
    assert (done, judging.peak) == (200, 8)


async def test_one_slow_sample_holds_up_nobody():
    """There is no barrier: a judge that thinks for a minute must not idle the other 511 places."""
    order = []

    async def work(seconds: float) -> None:
        await asyncio.sleep(seconds)

    async for seconds, _ in run_each(work, [0.3, *([0.001] * 50)], in_flight=4):
        order.append(seconds)
    assert order[-1] == 0.3


@pytest.mark.parametrize("on_error", ["invalid", "raise"])
async def test_errors_by_policy(on_error):
    """`judge run --strict` stops at the first bad row; nothing in flight is left behind."""
    judging, rows = Slow(0.01), [*samples(3), Sample.of("q", "a", id="bad"), *samples(3)]
    if on_error == "raise":
        with pytest.raises(DataError, match="it has no reference"):
            [each async for each in evaluate(judging, rows, in_flight=7, on_error="raise")]
    else:
        found = {each.place: each.rewards[0].failure async for each in evaluate(judging, rows, in_flight=7)}
        assert {place for place, failure in found.items() if failure} == {3}
    assert judging.live == 0


async def test_stopping_cancels_what_is_in_flight():
    """The first Ctrl-C ends a run within moments, however slow the engine is."""
    judging, stop = Slow(30.0), asyncio.Event()
    asyncio.get_running_loop().call_later(0.05, stop.set)
    assert [each async for each in evaluate(judging, samples(10), in_flight=4, stop=stop)] == []
    assert (judging.live, judging.ended) == (0, 4)


async def test_leaving_early_cancels_what_is_in_flight():
    """A client that hangs up costs no further judge calls."""
    judging = Slow(0.01)
    async with aclosing(evaluate(judging, samples(100), in_flight=10)) as judged:
        async for _ in judged:
            break
    assert judging.live == 0


async def test_rows_that_are_no_samples_keep_their_place():
    """The table has a line for every row of the data, with the reader's own words."""
    items = [Item(samples(1)[0]), Item(Sample("", (), id="7"), problem="row 7: no column `prompt`")]
    found = {each.place: each.rewards async for each in evaluate(Slow(), items, in_flight=2)}
    assert found[0][0].reward == 1.0
    assert found[1][0].failure is not None
    assert found[1][0].failure.detail == "row 7: no column `prompt`"


async def test_its_own_cost_is_linear():
    """Twenty thousand samples that need no call: the loop itself takes microseconds for each, and no more for more."""
    judging = Slow()
    started = time.process_time()
    assert sum([1 async for _ in evaluate(judging, samples(20_000), in_flight=512)]) == 20_000
    assert time.process_time() - started < 6.0
