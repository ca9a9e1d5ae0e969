"""vLLM's own OpenAI server in a process of its own."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path


@asynccontextmanager
async def served(model: str, log: Path, *arguments: str) -> AsyncIterator[str]:
    """Its base URL, while it runs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", model, "--host", "127.0.0.1", "--port", str(port),
        "--enforce-eager", "--block-size", "32", *arguments,
    ]  # fmt: skip
    few_cores = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_ENABLE_V1_MULTIPROCESSING": "0"}  # as VllmEngine: no third process
    with log.open("w") as out:
        server = subprocess.Popen(command, stdout=out, stderr=out, env=os.environ | few_cores)
    url = f"http://127.0.0.1:{port}"
    try:
        await _ready(url, server, log)
        yield url + "/v1"
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
