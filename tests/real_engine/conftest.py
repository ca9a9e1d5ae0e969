"""One in-process engine for the whole suite: loading is what takes the time."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from judge.engine.vllm import VllmEngine
from tests.real_engine.judging import CONTEXT, MODEL

os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")  # GiB; means nothing on a GPU, where `cpu_kv_cache_gib` is refused


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def local() -> AsyncIterator[VllmEngine]:
    """vLLM in this process."""
    pytest.importorskip("vllm", reason="needs the extra `cpu` or `vllm`")
    engine = VllmEngine(MODEL, max_model_len=CONTEXT)
    await engine.start()
    yield engine
    await engine.close()
