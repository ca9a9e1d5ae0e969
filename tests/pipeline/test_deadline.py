"""One sample that never ends holds up nobody: it is cut, with its own reason, in every entry."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path

import pytest

from judge import Judge, Sample, ScriptedEngine
from judge.adapters.trl import JudgeReward
from judge.attack.evaluator import build_evaluator
from judge.attack.seeds import SeedQuestion
from judge.audit.cases import Probe, ProbeCase, ProbeComparison
from judge.audit.run import judge_trials
from judge.batch.sides import judge_both
from judge.bench.items import BenchItem
from judge.engine.protocol import HELD, Engine, Outage
from judge.improve.tried import try_items
from judge.pipeline.build import Plan, plan
from judge.pipeline.deadline import Late, in_time
from judge.pipeline.opened import open_judges
from judge.settings import RunSettings
from judge.types import Completion, Reason, Request
from tests import batch_harness
from tests.server.harness import client_of

CONFIG = {"recipe": "pointwise", "rubric": "helpfulness", "engine": {"kind": "scripted"}}


class Hanging(ScriptedEngine):
    """Never answers a request that holds the word "endless"; notes that it was cancelled."""

    def __init__(self, reply: str = "Seen.\nVERDICT: 5") -> None:
        super().__init__([reply], repeat_last=True)
        self.cancelled = 0
        self.outage: Outage | None = None

    async def complete(self, request: Request) -> Completion:
        if "endless" in request.messages[-1].text:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        return await super().complete(request)


SAMPLES = [Sample.of("2+2?", text) for text in ("It is 4.", "It is an endless four.", "It is 5.")]


@pytest.mark.parametrize("setting", ["item_deadline_s", "step_deadline_s"])
def test_an_endless_sample_costs_only_itself(setting):
    """A training step goes on after the deadline, with the two rewards that there are."""
    engine = Hanging()
    with Judge.from_config({**CONFIG, setting: 2}, engine=engine) as judge:
        began = time.monotonic()
        rewards = judge.score(SAMPLES)
        assert time.monotonic() - began < 10
        assert [r.reward for r in rewards] == [1.0, None, 1.0]
        failure = rewards[1].failure
        assert failure is not None
        assert (failure.reason, failure.detail) == (Reason.DEADLINE, f"not done within 2 s (`{setting}`)")
        assert engine.cancelled == 1
        assert judge.score(SAMPLES[:1])[0].reward == 1.0  # the next step is none the worse


def test_a_batch_run_ends(tmp_path: Path):
    """`judge run` writes its tables, the late row with its reason."""
    result, _ = batch_harness.run(tmp_path, SAMPLES, Hanging(), **{**CONFIG, "item_deadline_s": 2})
    assert result.run["no_verdict_reasons"] == {"deadline": 1}
    assert result.run["state"] == "finished"


async def _compared(planned: Plan, engine: Engine) -> list[str]:
    found = await judge_both((planned, planned), ("a", "b"), lambda: iter(SAMPLES), engine=engine, quiet=True)
    return [found.sides[0].opinions[row, 0].reason for row in range(3)]


async def _audited(planned: Plan, engine: Engine) -> list[str]:
    same = Probe("same", "wording", "invariant", lambda case, chance: case)
    cases = [ProbeCase(sample) for sample in SAMPLES]
    found = await judge_trials(planned, [ProbeComparison(same, c, c, c) for c in cases], engine=engine, quiet=True)
    return [str(trial.changed[0].failure and trial.changed[0].failure.reason) for trial in found.results]


async def _tried(planned: Plan, engine: Engine) -> list[str]:
    items = [BenchItem(sample, "", (1.0,), "", str(i)) for i, sample in enumerate(SAMPLES)]
    return [next(iter(one.judged.reasons), "") for one in await try_items(planned, items, engine)]


async def _attacked(planned: Plan, engine: Engine) -> list[str]:
    evaluator = build_evaluator(planned, await open_judges(planned, engine), ("off",))
    asked = [SeedQuestion(str(i), "2+2?", None, text, None) for i, text in enumerate(s.texts[0] for s in SAMPLES)]
    return [(await evaluator.score(each, each.right or ""))["off"].reason for each in asked]


@pytest.mark.parametrize("loop", [_compared, _audited, _tried, _attacked])
async def test_every_loop_has_the_deadline(loop):
    """`judge compare`, `audit`, `rubric validate` and `attack` end as a run does; a training step's limit is none of theirs."""
    planned = plan(RunSettings.model_validate({**CONFIG, "item_deadline_s": 2, "step_deadline_s": 0.01}))
    found = await asyncio.wait_for(loop(planned, Hanging()), 20)
    assert [reason if reason == "deadline" else "" for reason in found] == ["", "deadline", ""]


def test_baselines_have_the_deadline(tmp_path: Path):
    """A reference that never ends is a sample like any other: the run ends, and only what it is the measure of has no reward."""
    data = [Sample.of(f"{len(t)} - 3?", "It is 4.", id=t, metadata={"sft": [f"An {t} four."]}) for t in ("endless", "odd")]
    shape = {"reward": {"shape": [{"kind": "contrastive"}], "baselines": "sft"}, "on_no_verdict": "drop"}
    batch_harness.run(tmp_path, data, Hanging(), **{**CONFIG, **shape, "item_deadline_s": 2})
    assert {row["id"]: row["reward"] for row in batch_harness.rewards(tmp_path)} == {"endless": None, "odd": 0.0}


def test_a_group_that_competes_is_one_item():
    """All its pairs share one deadline; the group has no rewards, and the next group its own."""
    config = {"recipe": "pairwise", "rubric": "helpfulness", "engine": {"kind": "scripted"}, "group": {}, "item_deadline_s": 2}
    engine = Hanging("Seen.\n[[A]]")
    groups = [Sample.of("q", "endless one", "two", "three", id="a"), Sample.of("p", "one", "two", id="b")]
    with Judge.from_config(config, engine=engine) as judge:
        rewards = judge.score(groups)
    assert [r.failure and str(r.failure.reason) for r in rewards[:3]] == ["deadline"] * 3
    assert [r.reward for r in rewards[3:]] == [0.5, 0.5]  # the first place wins in both orders


def test_samples_that_wait_behind_a_step_are_cut_with_it():
    """With one sample in flight, those behind the endless one are late as well, and none is graded."""
    with Judge.from_config({**CONFIG, "step_deadline_s": 2, "max_in_flight": 1}, engine=Hanging()) as judge:
        rewards = judge.score(SAMPLES)
    assert rewards[0].reward == 1.0
    assert [str(r.failure.reason) for r in rewards[1:] if r.failure is not None] == ["deadline", "deadline"]


async def test_an_outage_stops_the_clock():
    """What waits for an engine that is down is not late: an outage must not become failed samples."""
    down = [True]
    asyncio.get_running_loop().call_later(0.3, down.clear)
    assert await in_time(asyncio.sleep(0.25, "done"), 0.1, None, lambda: bool(down)) == "done"
    down.append(True)
    asyncio.get_running_loop().call_later(0.1, down.clear)
    with pytest.raises(Late, match="item_deadline_s"):  # and once it is over, the clock runs again
        await in_time(asyncio.sleep(20), 0.1, None, lambda: bool(down))


@pytest.mark.parametrize("value", [0, -1, "soon"])
def test_a_deadline_is_a_time(value):
    """A deadline of nothing would fail every sample."""
    with pytest.raises(Exception, match="item_deadline_s"):
        Judge.from_config({**CONFIG, "item_deadline_s": value}, engine=ScriptedEngine([""]))


def test_a_trainers_step_is_cut():
    """TRL's reward function gives None for the late completion, in time, and rewards for the others."""
    reward = JudgeReward({**CONFIG, "step_deadline_s": 0.5}, engine=Hanging())
    began = time.monotonic()
    texts = [sample.texts[0] for sample in SAMPLES]
    try:
        assert reward(prompts=["2+2?"] * 3, completions=texts) == [1.0, None, 1.0]
        assert time.monotonic() - began < 5
    finally:
        reward.close()


async def test_a_server_says_why():
    """The reward of the late sample carries the reason of the run's own deadline, not the server's."""
    async with client_of(Hanging(), config={"item_deadline_s": 0.5}) as client:
        samples = [{"prompt": "2+2?", "responses": list(sample.texts)} for sample in SAMPLES]
        answer = (await client.post("/v1/score", json={"samples": samples})).json()
    rewards = [each["rewards"][0] for each in answer["results"]]
    assert [r["reward"] for r in rewards] == [1.0, None, 1.0]
    assert rewards[1]["failure"]["reason"] == "deadline"


class Paced(ScriptedEngine):
    """An account that lets one request go every 0.3 s; a request about "slow" then takes a second."""

    def __init__(self) -> None:
        super().__init__(["Seen.\nVERDICT: 5"], repeat_last=True)
        self._places = 0

    async def complete(self, request: Request) -> Completion:
        self._places += 1
        with HELD.get() or contextlib.nullcontext():
            await asyncio.sleep(0.3 * self._places)
        await asyncio.sleep(1.0 if "slow" in request.messages[-1].text else 0.0)
        return await super().complete(request)


def test_waiting_for_the_limits_of_an_account_makes_no_sample_late():
    """The fifth waits for 1.5 s before it is asked at all, and has its half second then; the slow one is cut as ever."""
    texts = ["It is 4.", "It is a slow four.", "It is 5.", "It is 6.", "It is 7."]
    with Judge.from_config({**CONFIG, "item_deadline_s": 0.5}, engine=Paced()) as judge:
        rewards = judge.score([Sample.of("2+2?", text) for text in texts])
    assert [reward.failure is None for reward in rewards] == [True, False, True, True, True]
    assert rewards[1].failure is not None
    assert rewards[1].failure.reason == Reason.DEADLINE


def test_samples_that_share_a_held_request_wait_with_it():
    """Two responses of a group are the same: the second sends nothing, and is not late because the request of both was held."""
    texts = ["It is 4.", "It is 5.", "It is 6.", "It is 7.", "It is 7.", "It is a slow 8.", "It is a slow 8."]
    with Judge.from_config({**CONFIG, "item_deadline_s": 0.5}, engine=Paced()) as judge:
        rewards = judge.score([Sample.of("2+2?", text) for text in texts])
    assert [reward.failure is None for reward in rewards] == [True, True, True, True, True, False, False]


async def test_a_step_ends_in_time_whatever_it_waits_for():
    """A trainer was promised the end of the step, and not the end of the waiting."""

    async def held() -> None:
        with HELD.get() or contextlib.nullcontext():
            await asyncio.sleep(30)

    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(Late, match="step_deadline_s"):
        await in_time(held(), 0.1, began + 0.6, lambda: False)
    assert loop.time() - began < 5
