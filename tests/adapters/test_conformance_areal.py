"""`judge.adapters.areal` under a stand-in of `AsyncRewardWrapper` (AReaL 1.0.4): a process pool, a limit, and 0 after it."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import pickle
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib import import_module
from importlib.util import find_spec

import pytest

from judge.adapters import areal
from judge.adapters.areal_workflow import JudgeWorkflow
from judge.errors import NoVerdictError, SettingsError
from tests.client.harness import KEY, real
from tests.fake_endpoint import Canned

PROMPT = "<|im_start|>user\nCapital of France?<|im_end|>\n<|im_start|>assistant\n"
RUBRIC = "recipe: checklist\nrubric: {name: c, criteria: [{id: right, text: It is right.}]}\n"


def found(path):
    """`import_from_string`."""
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


async def wrapped(pool, completion, row, timeout_s=15.0, retries=3):
    """`AsyncRewardWrapper.__call__`: a timeout is tried again and then 0; an exception is tried again and then raised."""
    call = partial(found("judge.adapters.areal.reward_fn"), PROMPT, completion, [1, 2], [3, 4], **row)
    for last in (i == retries for i in range(retries + 1)):
        try:
            return await asyncio.wait_for(asyncio.get_running_loop().run_in_executor(pool, call), timeout_s)
        except TimeoutError:
            if last:
                return 0
        except Exception:
            if last:
                raise
    return None


def scored(text, pool=None, **row):
    return asyncio.run(wrapped(pool, text, {"answer": "Paris", **row}))


def test_it_can_be_sent_to_a_process():
    """Closures and coroutines cannot."""
    assert pickle.loads(pickle.dumps(areal.reward_fn)) is areal.reward_fn
    assert not asyncio.iscoroutinefunction(areal.reward_fn)


def test_a_reward(env):
    """Special tokens are in the strings."""
    env()
    assert scored("It is Paris.<|im_end|><|endoftext|>") == 1.0
    assert scored("It is Rome.") == 0.0


def test_where_the_question_comes_from(env, endpoint):
    """The prompt's text, or a column of a known name."""
    env(RUBRIC)
    scored("It is Paris.", completion="a column of any name", query_id="7")
    assert "Capital of France?" in endpoint.asked[-1]
    assert "im_start" not in endpoint.asked[-1]
    scored("It is Paris.", messages=[{"role": "user", "content": "As a message?"}])
    assert "As a message?" in endpoint.asked[-1]


def test_no_verdict(env):
    """Raised; None would pass through and fail later. A declared constant is a number."""
    env()
    with pytest.raises(NoVerdictError):
        scored("It is Oslo.")
    env("recipe: verifier\non_no_verdict: constant\nno_verdict_constant: 0.25\n")
    assert scored("It is Oslo.") == 0.25


def test_a_slow_judge_is_not_a_zero(env, endpoint):
    """AReaL makes a call without an end a reward of 0; giving up in time makes it an error."""
    env()
    endpoint.reply = lambda body: Canned("VERDICT: CORRECT", delay_s=5.0)
    with pytest.raises(NoVerdictError, match=r"no reward within 0\.2 s"):
        asyncio.run(areal.score(PROMPT, "It is Paris.", {"answer": "Paris"}, limit_s=0.2))
    assert areal.LIMIT_S < 15.0


@pytest.mark.skipif(find_spec("areal") is not None, reason="AReaL is here")
def test_the_workflow_without_areal():
    """Its module can be read, for help and documentation; what it does is seen in tests/frameworks."""
    with pytest.raises(SettingsError, match="AReaL is not installed here"):
        JudgeWorkflow(None, None)


def test_worker_processes_at_a_server(monkeypatch):
    """Each worker has its own connections; forked ones do not touch their parent's."""
    monkeypatch.delenv("JUDGE_CONFIG", raising=False)
    with real() as (url, _):
        monkeypatch.setenv("JUDGE_SERVER", url)
        monkeypatch.setenv("JUDGE_API_KEY", KEY)
        assert scored("It is Paris.") == 1.0  # the parent's connection is there when the workers are forked
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
            assert [scored(text, pool) for text in ("It is Paris.", "It is Rome.", "It is Paris, yes.")] == [1.0, 0.0, 1.0]
            assert pool.submit(os.getpid).result() != os.getpid()
        assert scored("It is Lyon, or Rome.") == 0.0
