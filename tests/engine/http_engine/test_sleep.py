"""A judge on the training GPUs has its memory only while a trainer's call judges."""

import asyncio

import pytest

from judge import Judge, Sample
from judge.batch.describe import training_only
from judge.engine.vllm_start import engine_arguments
from judge.errors import EngineDown, EngineError
from judge.settings import load_settings
from tests.engine.http_engine.asking import engine_for
from tests.fake_endpoint import Canned, FakeEndpoint


def judge_of(*servers, **more):
    """A judge of these servers that share their memory with a policy."""
    engine = {"kind": "openai", "model": "fake", "base_url": [s.url for s in servers], "colocate": True, "patience_s": 0}
    return Judge(recipe="pointwise", rubric="helpfulness", engine=engine | more)


def samples(count):
    return [Sample.of("2+2?", f"It is {n}, since two and two are {n}.", id=str(n)) for n in range(count)]


async def test_asleep_between_the_calls_of_a_trainer():
    """The weights are there when the first request comes, and gone when the rewards are handed over."""
    async with FakeEndpoint(sleeps=True) as one, FakeEndpoint(sleeps=True) as other:
        judge = judge_of(one, other)
        for number in range(3):
            rewards = await judge.ascore(samples(4 + number))
            assert (len(rewards), one.asleep, other.asleep) == (4 + number, True, True)
        await asyncio.to_thread(judge.close)
    assert all(reward.reward is not None for reward in rewards)
    turns = [turn for server in (one, other) for turn in server.turns if turn != "chat"]
    assert (
        turns == ["sleep", "wake_up", "sleep", "wake_up", "sleep"] * 2
    )  # it is awake from its start to the end of the first call


async def test_calls_that_overlap_share_it():
    """Workers of one trainer may ask at once: the first wakes it, the last lets it sleep, and no request meets a sleeper."""
    async with FakeEndpoint({"fake": lambda _: Canned(delay_s=0.02)}, sleeps=True) as server:
        judge = judge_of(server)
        for start in (0, 40):
            found = await asyncio.gather(*(judge.ascore(samples(start + n + 1)[start:]) for n in range(5)))
            assert all(r.reward is not None for rewards in found for r in rewards)
        await asyncio.to_thread(judge.close)
    assert server.turns == ["chat", "sleep", "wake_up", "chat", "sleep"]


async def test_a_stream_keeps_it_awake():
    async with FakeEndpoint({"fake": lambda _: Canned(delay_s=0.01)}, sleeps=True) as server:
        judge = judge_of(server)
        async for rewards in judge.stream(samples(3)):
            assert rewards[0].reward is not None
        assert server.turns == ["chat", "sleep"]
        await asyncio.to_thread(judge.close)


async def test_a_call_that_fails_lets_it_sleep():
    """What went wrong is raised as it is, and the policy gets the memory all the same."""
    async with FakeEndpoint({"fake": lambda _: Canned(status=401, error="no key")}, sleeps=True) as server:
        judge = judge_of(server)
        with pytest.raises(EngineError, match="no key"):
            await judge.ascore(samples(2))
        assert server.asleep
        await asyncio.to_thread(judge.close)


async def test_a_server_without_the_routes_is_told_at_the_start():
    async with FakeEndpoint() as server:
        with pytest.raises(EngineError, match="cannot sleep; start it with VLLM_SERVER_DEV_MODE=1 and `--enable-sleep-mode`"):
            await engine_for(server, colocate=True).start()


async def test_a_server_that_is_gone_is_an_engine_that_is_down():
    async with FakeEndpoint(sleeps=True) as server:
        engine = engine_for(server, colocate=True)
        await engine.start()
    with pytest.raises(EngineDown, match="wake_up"):
        await engine.wake()
    await engine.close()


def test_not_on_a_cpu():
    """There is no GPU memory to give back."""
    from vllm.engine.arg_utils import AsyncEngineArgs  # slow

    with pytest.raises(EngineError, match=r"engine\.colocate: .* needs a GPU"):
        engine_arguments("x", AsyncEngineArgs, {"enable_sleep_mode": True}, extra={}, cpu_kv_cache_gib=None, on_cpu=True)
    on_gpu = engine_arguments("x", AsyncEngineArgs, {"enable_sleep_mode": True}, extra={}, cpu_kv_cache_gib=None, on_cpu=False)
    assert on_gpu["enable_sleep_mode"] is True


def test_a_batch_run_says_that_it_does_nothing_there():
    settings, _ = load_settings({"engine": {"kind": "vllm", "colocate": True}})
    assert training_only(settings) == ["`engine.colocate`: without effect here; for trainers, `Judge.score` and the server"]
