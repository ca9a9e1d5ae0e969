"""The same model in process and behind vLLM's OpenAI server says the same, and says it again.

In float32: in bfloat16 a word of the judge's reasoning can depend on the batch and on which prefix was cached.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from judge.engine.http import HttpEngine
from judge.engine.models import resolve_model
from judge.engine.protocol import Engine
from judge.engine.vllm import VllmEngine
from judge.pipeline.build import build_pipeline, plan
from judge.settings import load_settings
from judge.types import Completion, Request, Sample
from tests.real_engine.judging import CONTEXT, MODEL, RUBRIC, choice_after_prefill, judge_one

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # torch and vLLM warn about themselves
    pytest.mark.filterwarnings("error:::judge"),
    pytest.mark.vllm,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(600),
]

DTYPE = "float32"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def exact() -> AsyncIterator[VllmEngine]:
    """vLLM in this process."""
    engine = VllmEngine(MODEL, max_model_len=CONTEXT, dtype=DTYPE)
    await engine.start()
    yield engine
    await engine.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def remote(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[HttpEngine]:
    """The same model behind vLLM's own OpenAI server."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log.txt"
    command = [
        sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", resolve_model(MODEL), "--served-model-name", MODEL,
        "--host", "127.0.0.1", "--port", str(port), "--max-model-len", str(CONTEXT), "--dtype", DTYPE,
        "--enforce-eager", "--block-size", "32",
    ]  # fmt: skip
    few_cores = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_ENABLE_V1_MULTIPROCESSING": "0"}  # as VllmEngine: no third process
    with log.open("w") as out:
        server = subprocess.Popen(command, stdout=out, stderr=out, env=os.environ | few_cores)
    url = f"http://127.0.0.1:{port}"
    try:
        await _ready(url, server, log)
        engine = HttpEngine(model=MODEL, base_url=url + "/v1", deadline_s=300)
        await engine.start()
        yield engine
        await engine.close()
    finally:
        server.terminate()
        server.wait(timeout=30)


async def _ready(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(240):
        if server.poll() is not None:
            raise RuntimeError(f"the server stopped: {log.read_text()[-2000:]}")
        try:
            await asyncio.to_thread(lambda: urllib.request.urlopen(url + "/health", timeout=2).close())
            return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            await asyncio.sleep(1)
    raise RuntimeError(f"the server did not come up: {log.read_text()[-2000:]}")


class OneAtATime:
    """An engine that is asked one request at a time: the batch that a request shares changes the last bits of bf16 sums."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._turn = asyncio.Lock()

    def __getattr__(self, name: str) -> object:
        return getattr(self._engine, name)

    async def complete(self, request: Request) -> Completion:
        async with self._turn:
            return await self._engine.complete(request)


async def test_votes_share_a_prefill_and_differ(exact: Engine):
    """Five votes come from five seeds; the prompt is prefilled once."""
    sample = Sample.of("Name a colour.", "Blue, like the sky.", id="s")
    run, _ = load_settings(
        {"recipe": "pointwise", "rubric": RUBRIC, "votes": {"n": 5}, "sampling": {"max_tokens": 32, "temperature": 1.0}}
    )
    [reward] = await build_pipeline(plan(run), exact).judge(sample)
    first = {call.seed: call for call in reversed(reward.calls)}  # of each vote the first call, before a forced one
    assert sorted(first) == [0, 1, 2, 3, 4]
    assert len({call.completion.text for call in first.values()}) > 1
    again = (await build_pipeline(plan(run), exact).judge(sample))[0]
    assert [c.completion.text for c in again.calls] == [c.completion.text for c in reward.calls]


async def test_local_and_served_verdicts_agree_at_temperature_0(exact: Engine, remote: Engine):
    """The same configuration gives the same rewards in process and over HTTP."""
    sums = [(2, 0), (9, 1)]
    samples = [Sample.of(f"What is {a} + 3?", f"It is {a + 3 + off}.", reference=str(a + 3), id=f"{a}{off}") for a, off in sums]
    short = {"max_tokens": 16, "temperature": 0.0}  # then a verdict is forced: what is written and what is forced must agree
    differ = []
    for recipe in ("checklist", "verifier", "pointwise"):
        for sample in samples:
            here, there = [await judge_one(OneAtATime(engine), recipe, sample, sampling=short) for engine in (exact, remote)]
            here, there = here[0].components, there[0].components
            assert here
            differ += [(recipe, sample.id, name) for name in here if here[name] != there[name]]
    assert not differ


async def test_a_served_judge_is_kept_to_a_choice(remote: Engine):
    """A given text is continued over HTTP too."""
    assert await choice_after_prefill(remote) in ("CORRECT", "INCORRECT")
