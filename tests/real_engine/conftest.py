"""One in-process engine and one server for the whole suite: loading is what takes the time."""

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
from judge.engine.vllm import VllmEngine

MODEL = "smollm2-135m"
CONTEXT = 4096
DTYPE = "float32"  # in bfloat16 a word of the judge's reasoning can depend on the batch and on which prefix was cached


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def local() -> AsyncIterator[VllmEngine]:
    """vLLM in this process."""
    engine = VllmEngine(MODEL, max_model_len=CONTEXT, dtype=DTYPE, cpu_kv_cache_gib=1)
    await engine.start()
    yield engine
    await engine.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
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
    with log.open("w") as out:
        server = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1"})
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
