"""The OpenAI chat API behind the engine protocol; what carries the bytes is a transport (`http.py`, `openai_sdk.py`).

- Trainers call from a new event loop each step, and connections cached over two loops fail with "Event loop is closed".
  So there is one transport per running loop, held by an asynchronous generator: `asyncio.run` closes such generators
  itself before it closes the loop, and connections never outlive the loop they belong to.
- A key must not reach a log or a record. Servers echo keys in their errors, so every text from a server is searched.
- A gateway may answer 403 to one hostile text. So 403 stops the run only while nothing has ever been answered.
- An endpoint that never worked ends the command at once: the address or the key is wrong. One that did work is waited for.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from judge.conversation import to_messages
from judge.engine.address import checked_urls, find_key
from judge.engine.faults import (
    error_message,
    has_no_system_role,
    is_filtered,
    is_out_of_credit,
    is_over_length,
    refused_field,
    wants_max_completion_tokens,
)
from judge.engine.protocol import Outage
from judge.engine.sender import CHAT, PATIENCE_S, Endpoint, Fault, GaveUp, Post, Reply, Sender, TransportError
from judge.engine.wire import OWN_FIELDS, CannotSay, Dialect, Wire
from judge.errors import CapabilityError, EngineError, Problem, SettingsError, did_you_mean
from judge.retry import RetryPolicy
from judge.types import Capability, Completion, Message, Request

_log = logging.getLogger(__name__)

_OPTIONAL = OWN_FIELDS - {"model", "messages", "n", "stream", "echo"}
START_S = 10.0  # between two looks at an engine that is waited for without limit and has not been there yet
CONNECT_S = 10.0  # longest wait for a connection: a silent host must not eat the whole deadline
_COMMON = frozenset({Capability.TOP_LOGPROBS, Capability.STRUCTURED, Capability.SEED})
_VLLM = _COMMON | {Capability.PREFILL, Capability.SCORE_CONTINUATION}
_FIELD_OF = {
    "seed": Capability.SEED,
    "logprobs": Capability.TOP_LOGPROBS,
    "top_logprobs": Capability.TOP_LOGPROBS,
    "structured_outputs": Capability.STRUCTURED,
    "response_format": Capability.STRUCTURED,
}


class Transport(ABC):
    """Carries bytes to a URL and back. Raises `TransportError` when no whole reply came."""

    @abstractmethod
    async def post(self, url: str, body: bytes) -> Reply:
        """Send a JSON body."""

    @abstractmethod
    async def get(self, url: str) -> Reply:
        """Fetch."""

    @abstractmethod
    async def close(self) -> None:
        """Close all connections."""


@dataclass(slots=True)
class _Client:
    """What belongs to one event loop."""

    transport: Transport
    slots: asyncio.Semaphore
    holder: AsyncGenerator[Transport, None]


class ChatEngine(ABC):
    """The OpenAI chat API behind the engine protocol; a subclass brings the transport.

    Args:
        model: Name the server knows the model by.
        base_url: Of one server, or of several that serve the same model (the least busy gets the request). Ends in
            `/v1` as a rule.
        api_key: Sent as a bearer token. Better left in the environment.
        api_key_env: Variable that holds the key. Any but the default, `OPENAI_API_KEY`, must be set.
        concurrency: Requests in flight, and connections, at most. Further ones wait, outside their deadline.
        deadline_s: Total seconds one request may take, retries included.
        patience_s: Seconds that an endpoint which has stopped working is waited for (at most 10 where it refuses the key);
            then every request ends in `EngineDown`. Infinite: for ever.
        max_retries: Attempts after the first (see `judge.retry`).
        dialect: `auto` asks the server at `start()`.
        extra_body: Further fields of every request body.
        omit: Body fields never sent, for models that refuse them (such as `temperature`).
        headers: Further headers of every request.
        vision: The model can be shown images, as `image_url` parts.
        system_role: Where the recipe's system text goes: a message of its own (`system`), or in front of the first user message
            (`user`). `auto`: its own, until the server says that the model has no such role.
        check_model: Refuse a model the server does not list. Turn off for servers that take unlisted names.
        policy: Pauses between attempts; overrides `max_retries`.

    Raises:
        SettingsError: A URL or field is unusable, or the named variable is not set.
    """

    def __init__(
        self,
        *,
        model: str,
        base_url: str | Sequence[str],
        api_key: str | None = None,
        api_key_env: str | None = None,
        concurrency: int = 256,
        deadline_s: float = 120.0,
        patience_s: float = PATIENCE_S,
        max_retries: int = 4,
        dialect: Literal["auto", "vllm", "openai"] = "auto",
        extra_body: Mapping[str, Any] | None = None,
        omit: Collection[str] = (),
        headers: Mapping[str, str] | None = None,
        check_model: bool = True,
        vision: bool = False,
        system_role: Literal["auto", "system", "user"] = "auto",
        policy: RetryPolicy | None = None,
    ) -> None:
        self.model = model
        self.context_length: int | None = None
        self.control_tokens: frozenset[str] = frozenset()
        self._key, self._key_source = find_key(api_key, api_key_env)
        self._headers = dict(headers or {})
        self._secrets = [text.encode() for text in (self._key, *self._headers.values()) if len(text) >= 8]
        self._concurrency = concurrency
        self._auto = dialect == "auto"
        self._check_model = check_model
        self._vision = vision
        self._may_fold = system_role == "auto"
        for name in omit:
            if name not in _OPTIONAL:
                raise SettingsError(Problem("omit", f"no optional field `{name}` is ever sent{did_you_mean(name, _OPTIONAL)}"))
        self._wire = Wire(model, extra_body=dict(extra_body or {}), omit=tuple(omit), system_role=system_role != "user")
        self._set_dialect(Dialect.OPENAI if self._auto else Dialect(dialect))  # `auto` is found out by start()
        self._sender = Sender(
            checked_urls(base_url),
            policy or RetryPolicy(max_retries),
            deadline_s,
            self._describe,
            classify=self._classify,
            patience_s=patience_s,
        )
        self._clients: dict[asyncio.AbstractEventLoop, _Client] = {}
        self._started = False
        self._answered = False

    def _set_dialect(self, dialect: Dialect) -> None:
        """Say what the dialect can do, and what decides the output: the address and the transport do not."""
        self._wire.dialect = dialect
        omitted = {c for field, c in _FIELD_OF.items() if field in self._wire.omit}
        self.capabilities = (_VLLM if dialect is Dialect.VLLM else _COMMON) - omitted
        if self._vision:
            self.capabilities |= {Capability.VISION}
        identity = {"engine": "openai", "dialect": dialect.value}
        if self._wire.extra_body:
            identity["extra_body"] = json.dumps(self._wire.extra_body, sort_keys=True)
        if self._wire.omit:
            identity["omit"] = ",".join(sorted(self._wire.omit))
        if not self._wire.system_role and not self._may_fold:
            identity["system_role"] = "user"
        self.identity: Mapping[str, str] = identity

    @property
    def outage(self) -> Outage | None:
        """Why the engine cannot work now; None while any of its endpoints does."""
        return self._sender.outage

    @abstractmethod
    def _open(self) -> Transport:
        """Make a transport for the running event loop."""

    async def start(self) -> None:
        """Ask every endpoint for its models, once.

        Raises:
            EngineError: No endpoint can be reached, the key is refused, or the model is not served.
        """
        if self._started:
            return
        client = await self._client()
        while True:
            listed = await asyncio.gather(*(self._models(client, endpoint) for endpoint in self._sender.endpoints))
            lost = [problem for problem in listed if isinstance(problem, TransportError)]
            if len(lost) < len(listed):
                break
            if not math.isinf(self._sender.patience_s):  # it never worked: likelier a wrong address than a server to wait for
                raise EngineError("\n".join(map(str, lost)))
            _log.error("%s; waiting for it", "\n".join(map(str, lost)))
            await asyncio.sleep(START_S)
        for problem in lost:
            _log.warning("%s; going on with the other endpoints", problem)
        self._adopt([card for card in listed if isinstance(card, dict)])
        self._started = True

    def _adopt(self, cards: Sequence[Mapping[str, Any]]) -> None:
        """Take dialect and context length from the model's cards, one from each endpoint that lists models."""
        if self._auto and cards and all(card.get("owned_by") == "vllm" for card in cards):
            self._set_dialect(Dialect.VLLM)
        lengths = [card["max_model_len"] for card in cards if isinstance(card.get("max_model_len"), int)]
        self.context_length = min(lengths, default=None)

    async def _models(self, client: _Client, endpoint: Endpoint) -> dict[str, Any] | TransportError | None:
        """Find our model's card at one endpoint: None when it lists no models, the error when it cannot be reached."""
        url = endpoint.url("models")
        try:
            async with asyncio.timeout(CONNECT_S):
                reply = await client.transport.get(url)
        except (TransportError, TimeoutError) as problem:
            why = str(problem) or f"no reply within {CONNECT_S:g} s"
            endpoint.last_failure = why
            endpoint.failed(time.monotonic(), RetryPolicy(), "unreachable")
            return TransportError(f"cannot reach {endpoint.base_url} ({why}); is the server running?", refused=True)
        if reply.status in (401, 403):
            raise self._refused(url, reply)
        if reply.status in (404, 405):
            return None
        if reply.status != 200:
            if math.isinf(self._sender.patience_s):
                return TransportError(f"{url} answered {self._describe(reply)}", refused=True)
            raise EngineError(f"{url} answered {self._describe(reply)}; is the server still loading its model?")
        return self._own_card(endpoint, reply.body)

    def _own_card(self, endpoint: Endpoint, body: bytes) -> dict[str, Any] | None:
        try:
            data = json.loads(body)["data"]
            cards = {card["id"]: card for card in data}
        except (ValueError, TypeError, KeyError, RecursionError):
            return None  # no listing that could be read: as if there were none
        if self.model in cards:
            card = cards[self.model]
            parent = cards.get(card.get("parent"))  # an adapter's card leaves the context to its base model's
            return {**card, "max_model_len": card.get("max_model_len") or (parent or {}).get("max_model_len")}
        if cards and self._check_model:
            known = ", ".join(sorted(cards)[:10]) + (", ..." if len(cards) > 10 else "")
            raise EngineError(
                f"{endpoint.base_url} has no model `{self.model}`{did_you_mean(self.model, cards)}; it lists {known}. "
                "Set `check_model: false` for a server that takes names it does not list"
            )
        return None

    async def complete(self, request: Request) -> Completion:
        """Continue one conversation. Raises only `EngineError`: key refused, no such model or address."""
        return (await self._draw(request, 1))[0]

    async def sample(self, request: Request, n: int) -> list[Completion]:
        """Draw n completions; sample k uses `seed + k`, on a vLLM server by its own rule for `n`.

        One request each elsewhere, and at temperature 0, where vLLM refuses more than one.
        """
        sampling = request.sampling
        if n > 1 and self._wire.dialect is Dialect.VLLM and sampling.temperature > 0:
            return await self._draw(request, n)
        seeded = [replace(request, sampling=replace(sampling, seed=sampling.seed + k)) for k in range(n)]
        return list(await asyncio.gather(*map(self.complete, seeded)))

    async def _draw(self, request: Request, n: int) -> list[Completion]:
        client = self._clients.get(asyncio.get_running_loop()) or await self._client()
        if not self._started:
            raise EngineError("the engine is not started: await start() first")
        async with client.slots:
            started = time.monotonic()
            try:
                sent = await self._send_chat(client.transport.post, request, n, started)
            except CannotSay as why:
                return [Completion("", "error", error=str(why))] * n
        latency_s = time.monotonic() - started
        if isinstance(sent, GaveUp):
            return [Completion("", sent.finish_reason, error=sent.why, latency_s=latency_s)] * n
        reply, endpoint = sent
        if reply.status != 200:
            return [self._failure(reply, endpoint, latency_s)] * n
        self._answered = True
        completions = self._wire.read(reply.body, request, n, latency_s)
        if any(completion.error for completion in completions):  # an error quotes the reply
            return self._wire.read(self._redact(reply.body), request, n, latency_s)
        return completions

    async def _send_chat(self, post: Post, request: Request, n: int, started: float) -> tuple[Reply, Endpoint] | GaveUp:
        """Send a request, once more in other words where the server says that it wants those."""
        wire, field, system = self._wire, self._wire.max_tokens_field, self._wire.system_role
        sent = await self._sender.send(post, CHAT, wire.encode(request, n))
        has_one = self._may_fold and system and any(m.role == "system" for m in request.messages)
        if has_one and not isinstance(sent, GaveUp) and sent[0].status >= 400 and has_no_system_role(sent[0].body):
            wire.system_role = False
            sent = await self._sender.send(post, CHAT, wire.encode(request, n), spent_s=time.monotonic() - started)
        if isinstance(sent, GaveUp) or sent[0].status != 400 or field != "max_tokens":
            return sent
        if not wants_max_completion_tokens(sent[0].body):
            return sent
        wire.max_tokens_field = "max_completion_tokens"
        return await self._sender.send(post, CHAT, wire.encode(request, n), spent_s=time.monotonic() - started)

    def _classify(self, reply: Reply) -> Fault | Literal["request"] | None:
        """What a reply other than 200 is about: this request, the endpoint, or (None) neither for certain."""
        status = reply.status
        if is_over_length(reply.body, status) or (status in (400, 403) and is_filtered(reply.body)):
            return "request"
        if is_out_of_credit(reply.body, status):
            return "no_credit" if self._answered else "request"
        if status == 401:
            return "refused" if self._answered else "request"
        return None

    def _failure(self, reply: Reply, endpoint: Endpoint, latency_s: float) -> Completion:
        """Turn a status that no retry mends into a completion, or into the error that ends the run."""
        url = endpoint.url(CHAT)
        said = self._describe(reply)
        if reply.status in (400, 403) and is_filtered(reply.body):
            return Completion("", "content_filter", refusal=said, latency_s=latency_s)
        if is_over_length(reply.body, reply.status):
            return Completion("", "over_length", error=said, latency_s=latency_s)
        if is_out_of_credit(reply.body, reply.status):
            raise EngineError(f"{url} answered {said}; top up the account or raise its quota")
        if reply.status == 401 or (reply.status == 403 and not self._answered):
            raise self._refused(url, reply)
        if reply.status == 404:
            raise EngineError(f"{url} answered {said}; is `{self.model}` served there, and does the base URL end in /v1?")
        return Completion("", "error", error=said + self._way_out(reply), latency_s=latency_s)

    def _way_out(self, reply: Reply) -> str:
        """The setting that leaves out a parameter the model does not take; empty where the reply is about something else."""
        if reply.status not in (400, 422):
            return ""
        if field := refused_field(reply.body, sorted(_OPTIONAL - set(self._wire.omit))):
            return f"; if this model does not take `{field}`, leave it out: `engine.omit: [{field}]`"
        if field := refused_field(reply.body, sorted(self._wire.extra_body)):
            return f"; if this model does not take `{field}`, take it out of `engine.extra_body`"
        return ""

    async def score_continuation(self, messages: Sequence[Message], text: str) -> tuple[float, ...]:
        """Natural-log probability of each token of `text` as the assistant's next words (vLLM servers).

        The text is tokenised on its own and put after the prompt's tokens, so what is scored is exactly this text.

        Raises:
            CapabilityError: The server is not a vLLM server.
            ValueError: The server refuses the conversation, or it does not fit.
            EngineError: The server cannot be reached, or has no such address.
        """
        if self._wire.dialect is not Dialect.VLLM:
            raise CapabilityError("only vLLM servers give the log-probability of a continuation")
        prefill = messages[-1].role == "assistant"
        chat = {
            "messages": to_messages(messages),
            "add_generation_prompt": not prefill,
            "continue_final_message": prefill,
        }
        prompt, continuation = await asyncio.gather(
            self._ask("/tokenize", chat), self._ask("/tokenize", {"prompt": text, "add_special_tokens": False})
        )
        tokens = continuation["tokens"]
        body = {"prompt": prompt["tokens"] + tokens, "max_tokens": 1, "temperature": 0.0, "prompt_logprobs": 0}
        scored = (await self._ask("completions", body))["choices"][0]["prompt_logprobs"]
        start = len(prompt["tokens"])
        return tuple(float(scored[start + i][str(token)]["logprob"]) for i, token in enumerate(tokens))

    async def _ask(self, path: str, body: Mapping[str, Any]) -> Any:
        """Post to another path of the server, within one deadline, and read JSON. Raises `EngineError`, `ValueError`."""
        client = await self._client()
        raw = json.dumps({"model": self.model, **body}).encode()
        async with client.slots:
            sent = await self._sender.send(client.transport.post, path, raw)
        if isinstance(sent, GaveUp):
            raise EngineError(f"{path}: {sent.why}")
        reply, endpoint = sent
        if reply.status != 200:
            refused = ValueError if reply.status in (400, 413, 422) else EngineError
            raise refused(f"{endpoint.url(path)} answered {self._describe(reply)}")
        return json.loads(reply.body)

    async def rate(self, messages: Sequence[Message]) -> float:
        """Raise `CapabilityError`: this engine has a model that writes text."""
        raise CapabilityError(f"{self.model} writes text and has no scalar head")

    def count_tokens(self, messages: Sequence[Message]) -> int | None:
        """Give None: only the server can tell."""
        return None

    async def close(self) -> None:
        """Close the connections of this event loop; those of other loops close with their loops. Idempotent."""
        self._started = False
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.holder.aclose()

    async def _client(self) -> _Client:
        """Give the running loop's client. Nothing here waits, so two tasks cannot both make one."""
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            for closed in [known for known in list(self._clients) if known.is_closed()]:
                self._clients.pop(closed, None)
            holder = self._hold()
            transport = await anext(holder)
            client = self._clients[loop] = _Client(transport, asyncio.Semaphore(self._concurrency), holder)
        return client

    async def _hold(self) -> AsyncGenerator[Transport, None]:
        transport = self._open()
        try:
            yield transport
        finally:
            await transport.close()

    def _describe(self, reply: Reply) -> str:
        """Status and the server's own words, without keys."""
        said = error_message(self._redact(reply.body))
        return f"HTTP {reply.status}: {said}" if said else f"HTTP {reply.status}"

    def _redact(self, body: bytes) -> bytes:
        for secret in self._secrets:
            body = body.replace(secret, b"***")
        return body

    def _refused(self, url: str, reply: Reply) -> EngineError:
        key = f"the key from {self._key_source}" if self._key else f"a request without a key ({self._key_source} is not set)"
        return EngineError(f"{url} refused {key}: {self._describe(reply)}")
