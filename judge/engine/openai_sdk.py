"""The same engine over the official `openai` package: for hosted APIs, proxies and certificates of the environment.

- It costs about ten times the CPU of `HttpEngine` a request, so it is the second choice for a server of one's own.
- The package's retries are off and ours are on: its time-outs add up per attempt, and we promise one total deadline.
- Bodies and replies pass as text, past the package's models, so both transports read every odd reply alike.
- Azure: `base_url: https://NAME.openai.azure.com/openai/v1`, with the deployment as the model and `check_model: false`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import httpx2  # what the openai package stands on since its version 3
import openai

from judge.engine.openai_chat import CONNECT_S, ChatEngine, Transport
from judge.engine.retry import Reply, TransportError

OPENAI_URL = "https://api.openai.com/v1"


class OpenAiSdkEngine(ChatEngine):
    """An OpenAI-compatible endpoint over `openai.AsyncOpenAI`. Keywords as in `ChatEngine`.

    Args:
        base_url: As in `ChatEngine`; the API of OpenAI when left out.
    """

    def __init__(self, *, model: str, base_url: str | Sequence[str] = OPENAI_URL, **settings: Any) -> None:
        super().__init__(model=model, base_url=base_url, **settings)

    def _open(self) -> Transport:
        return _SdkTransport(self._key, self._headers, self._concurrency)


class _SdkTransport(Transport):
    def __init__(self, key: str, headers: Mapping[str, str], connections: int) -> None:
        limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=connections)
        timeout = httpx2.Timeout(None, connect=CONNECT_S)  # the deadline is the sender's
        self._client = openai.AsyncOpenAI(
            api_key=key or "none",  # the package wants one; servers without keys ignore it
            base_url=OPENAI_URL,  # every call names its whole address
            default_headers=headers,
            max_retries=0,
            timeout=timeout,
            http_client=openai.DefaultAsyncHttpxClient(limits=limits, timeout=timeout),
        )

    async def post(self, url: str, body: bytes) -> Reply:
        return await self._send("post", url, {"content": body})

    async def get(self, url: str) -> Reply:
        return await self._send("get", url, {})

    async def _send(self, method: str, url: str, content: Mapping[str, Any]) -> Reply:
        try:
            options = {"follow_redirects": False}
            text = await getattr(self._client, method)(url, cast_to=str, options=options, **content)
        except openai.APIStatusError as problem:
            response = problem.response
            return Reply(problem.status_code, response.content, response.headers.get("retry-after"))
        except openai.APIConnectionError as problem:
            cause = problem.__cause__ or problem
            refused = type(cause).__name__ in ("ConnectError", "ConnectTimeout")
            raise TransportError(f"{type(cause).__name__}: {cause}", refused=refused) from problem
        return Reply(200, text.encode())

    async def close(self) -> None:
        await self._client.close()
