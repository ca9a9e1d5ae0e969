"""The same engine over the official `openai` package: for hosted APIs, proxies and certificates of the environment.

- It costs about ten times the CPU of `HttpEngine` a request, so it is the second choice for a server of one's own.
- The package's retries are off and ours are on: its time-outs add up per attempt, and we promise one total deadline.
- Bodies and replies pass as bytes, past the package's models, so both transports read every odd reply alike.
- Azure: `base_url: https://NAME.openai.azure.com/openai/v1`, with the deployment as the model and `check_model: false`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

import httpx2  # what the openai package stands on since its version 3
import openai

from judge.engine.openai_chat import CONNECT_S, ChatEngine
from judge.engine.sender import Reply, Transport, TransportError

OPENAI_URL = "https://api.openai.com/v1"
_NO_REDIRECTS: Any = {"follow_redirects": False}  # a redirect would carry the key along


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
        return await _reply(self._client.post(url, cast_to=httpx2.Response, content=body, options=_NO_REDIRECTS))

    async def get(self, url: str) -> Reply:
        return await _reply(self._client.get(url, cast_to=httpx2.Response, options=_NO_REDIRECTS))

    async def close(self) -> None:
        await self._client.close()


async def _reply(call: Awaitable[httpx2.Response]) -> Reply:
    try:
        response = await call
    except openai.APIStatusError as problem:
        response = problem.response
    except openai.APIConnectionError as problem:
        cause = problem.__cause__ or problem
        refused = isinstance(cause, (httpx2.ConnectError, httpx2.ConnectTimeout))
        raise TransportError(f"{type(cause).__name__}: {cause}", refused=refused) from problem
    return Reply(response.status_code, response.content, response.headers.get("retry-after"))
