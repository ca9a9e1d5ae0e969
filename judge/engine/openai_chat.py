"""The OpenAI chat API behind the engine protocol; what carries the bytes is a transport (`http.py`, `openai_sdk.py`).

- Trainers call from a new event loop each step, and connections cached over two loops fail with "Event loop is closed".
  So there is one transport per running loop, held by an asynchronous generator: `asyncio.run` closes such generators
  itself before it closes the loop, and connections never outlive the loop they belong to.
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

from judge.engine.address import checked_urls, find_key
from judge.engine.chat_template import ChatTokenizer
from judge.engine.faults import (
    has_no_system_role,
    shorten,
    wants_max_completion_tokens,
)
from judge.engine.models import resolve_model
from judge.engine.openai_numbers import RATING, Numbers
from judge.engine.openai_replies import ReplyReader
from judge.engine.openai_sleep import SLEEP, WAKE, check_sleep, turn
from judge.engine.pace import Pace, guessed_tokens
from judge.engine.protocol import NO_HEAD, NO_WORDS, Outage, waits
from judge.engine.sender import CHAT, PATIENCE_S, Endpoint, GaveUp, Post, Reply, Sender, Transport, TransportError
from judge.engine.wire import OPTIONAL, CannotSay, Dialect, Wire
from judge.errors import CapabilityError, EngineError, Problem, RequestFailed, SettingsError, did_you_mean
from judge.retry import RetryPolicy
from judge.types import Capability, Completion, Message, Request

_log = logging.getLogger(__name__)

START_S = 10.0  # between two looks at an engine that is waited for without limit and has not been there yet
CONNECT_S = 10.0  # longest wait for a connection: a silent host must not eat the whole deadline
_COMMON = frozenset({Capability.TOP_LOGPROBS, Capability.STRUCTURED, Capability.SEED})
_VLLM = _COMMON | {Capability.PREFILL}
_FIELD_OF = {
    "seed": Capability.SEED,
    "logprobs": Capability.TOP_LOGPROBS,
    "top_logprobs": Capability.TOP_LOGPROBS,
    "structured_outputs": Capability.STRUCTURED,
    "response_format": Capability.STRUCTURED,
}


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
        adapter: Name under which the server knows a LoRA adapter of the model; it answers in place of the bare model.
        scoring: How the server gives log-probabilities of a given text: `prompt_logprobs` (vLLM), `echo` (with `logprobs` of
            /completions), or not at all (`off`). `auto`: as vLLM servers do, and not at all elsewhere.
        tokenizer: Folder or Hugging Face name of the model's tokenizer, to count and to score with. None asks the server.
        chat_template_kwargs: Arguments of the chat template, for example `{"enable_thinking": False}`; sent with every request.
        extra_body: Further fields of every request body.
        omit: Body fields never sent, for models that refuse them (such as `temperature`).
        headers: Further headers of every request.
        vision: The model can be shown images, as `image_url` parts.
        system_role: Where the recipe's system text goes: a message of its own (`system`), or in front of the first user message
            (`user`). `auto`: its own, until the server says that the model has no such role.
        check_model: Refuse a model the server does not list. Turn off for servers that take unlisted names.
        requests_per_minute: Requests sent at most, retries included. None: no limit of ours.
        tokens_per_minute: Prompt and completion tokens at most; the prompt is guessed by its size until the reply tells.
        colocate: Servers that sleep between the calls of a trainer; `start` looks whether they can.
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
        adapter: str | None = None,
        scoring: Literal["auto", "prompt_logprobs", "echo", "off"] = "auto",
        tokenizer: str | None = None,
        chat_template_kwargs: Mapping[str, Any] | None = None,
        extra_body: Mapping[str, Any] | None = None,
        omit: Collection[str] = (),
        headers: Mapping[str, str] | None = None,
        check_model: bool = True,
        vision: bool = False,
        system_role: Literal["auto", "system", "user"] = "auto",
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        colocate: bool = False,
        policy: RetryPolicy | None = None,
    ) -> None:
        self.model = model = adapter or model
        self.context_length: int | None = None
        self.control_tokens: frozenset[str] = frozenset()
        self._key, key_source = find_key(api_key, api_key_env)
        self._headers = dict(headers or {})
        self._concurrency = concurrency
        self._auto = dialect == "auto"
        self._check_model = check_model
        self._vision = vision
        self._may_fold = system_role == "auto"
        for name in omit:
            if name not in OPTIONAL:
                raise SettingsError(Problem("omit", f"no optional field `{name}` is ever sent{did_you_mean(name, OPTIONAL)}"))
        self._wire = Wire(
            model,
            extra_body=dict(extra_body or {}),
            template_kwargs=dict(chat_template_kwargs or {}),
            omit=tuple(omit),
            system_role=system_role != "user",
        )
        secrets = [text.encode() for text in (self._key, *self._headers.values()) if len(text) >= 8]
        self._replies = ReplyReader(self._wire, secrets, key_source, keyless=not self._key)
        self._scoring, self._tokenizer = scoring, tokenizer
        self._numbers = Numbers(self._wire, self._ask, None, may_fold=self._may_fold)
        self._set_dialect(Dialect.OPENAI if self._auto else Dialect(dialect))  # `auto` is found out by start()
        self._sender = Sender(
            checked_urls(base_url),
            policy or RetryPolicy(max_retries),
            deadline_s,
            self._replies.describe,
            classify=self._replies.classify,
            patience_s=patience_s,
            pace=Pace(requests_per_minute, tokens_per_minute) if requests_per_minute or tokens_per_minute else None,
        )
        self._clients: dict[asyncio.AbstractEventLoop, _Client] = {}
        self._started = False
        self._told_stop = False
        self._colocate = colocate

    def _set_dialect(self, dialect: Dialect) -> None:
        """Say what the dialect can do, and what decides the output: the address and the transport do not."""
        self._wire.dialect = dialect
        omitted = {c for field, c in _FIELD_OF.items() if field in self._wire.omit}
        self.capabilities = (_VLLM if dialect is Dialect.VLLM else _COMMON) - omitted
        scoring = self._scoring if self._scoring != "auto" else "prompt_logprobs" if dialect is Dialect.VLLM else "off"
        self._numbers.scoring = None if scoring == "off" else scoring
        if self._numbers.scoring:
            self.capabilities |= {Capability.SCORE_CONTINUATION}
        if self._vision:
            self.capabilities |= {Capability.VISION}
        identity = {"engine": "openai", "dialect": dialect.value}
        if self._wire.extra_body:
            identity["extra_body"] = json.dumps(self._wire.extra_body, sort_keys=True)
        if self._wire.template_kwargs:
            identity["chat_template_kwargs"] = json.dumps(self._wire.template_kwargs, sort_keys=True)
        if scoring not in ("off", "prompt_logprobs"):
            identity["scoring"] = scoring
        if self._wire.omit:
            identity["omit"] = ",".join(sorted(self._wire.omit))
        if not self._wire.system_role and not self._may_fold:
            identity["system_role"] = "user"
        if self._numbers.chat is not None:
            identity["tokenizer"] = self._numbers.chat.template_hash
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
        if self._wire.dialect is Dialect.VLLM:
            await self._find_head(client)
        if self._tokenizer is not None and self._numbers.chat is None:
            await asyncio.to_thread(self._load_tokenizer, self._tokenizer)
        if self._colocate:
            await check_sleep(client.transport, self._sender.endpoints)
        self._started = True

    async def sleep(self) -> None:
        """Have every server give its memory back until `wake`. Raises `EngineError` where one does not."""
        await turn((await self._client()).transport, self._sender.endpoints, SLEEP, self._sender.deadline_s)

    async def wake(self) -> None:
        """Have every server take its memory again. Raises `EngineError` where one does not."""
        await turn((await self._client()).transport, self._sender.endpoints, WAKE, self._sender.deadline_s)

    async def _find_head(self, client: _Client) -> None:
        """Tell a server with a reward model from one that writes text: no chat route, and one of those that give numbers."""
        endpoint = next(e for e in self._sender.endpoints if e.down_since is None)
        try:
            async with asyncio.timeout(CONNECT_S):
                if (await client.transport.get(endpoint.url(CHAT))).status != 404:
                    return
                for path in RATING:
                    if (await client.transport.get(endpoint.url(path))).status == 405:  # there, and not to be fetched
                        self._numbers.rating = path
                        self.capabilities = frozenset({Capability.RATE})
                        return
        except (TransportError, TimeoutError) as problem:
            _log.warning("%s: what kind of model it has could not be found out: %s", endpoint.base_url, problem)

    def _load_tokenizer(self, name: str) -> None:
        path = resolve_model(name)
        chat = ChatTokenizer.load(path, model=name, template_kwargs=self._wire.template_kwargs)
        self.control_tokens = chat.control_tokens
        self.identity = {**self.identity, "tokenizer": chat.template_hash}
        self._numbers.chat = chat

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
            raise self._replies.refused(url, reply)
        if reply.status in (404, 405):
            return None
        if reply.status != 200:
            if math.isinf(self._sender.patience_s):
                return TransportError(f"{url} answered {self._replies.describe(reply)}", refused=True)
            raise EngineError(f"{url} answered {self._replies.describe(reply)}; is the server still loading its model?")
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
        if self._numbers.rating:
            raise CapabilityError(NO_WORDS.format(self.model))
        waits(waiting=True)
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
            return [self._replies.failure(reply, endpoint, latency_s)] * n
        self._replies.answered = True
        completions = self._wire.read(reply.body, request, n, latency_s)
        if any(completion.error for completion in completions):  # an error quotes the reply
            return self._wire.read(self._replies.redact(reply.body), request, n, latency_s)
        if self._sender.pace is not None:
            used = completions[0].prompt_tokens + sum(completion.completion_tokens for completion in completions)
            self._sender.pace.settle(guessed_tokens(self._wire.encode(request, n)), used)
        if request.sampling.stop and not self._told_stop and self._wire.dialect is Dialect.OPENAI:
            self._tell_stop(request.sampling.stop, completions)
        return completions

    def _tell_stop(self, stops: tuple[str, ...], completions: Sequence[Completion]) -> None:
        """Say once that texts end before a stop string: elsewhere it is kept, and a recipe may read it."""
        ended = [c.text for c in completions if c.finish_reason == "stop"]
        if ended and not any(text.endswith(stops) for text in ended):
            self._told_stop = True
            address = self._sender.endpoints[0].base_url
            _log.warning("%s: a reply ended and holds none of %s; this server may cut them off", address, list(stops))

    async def _send_chat(self, post: Post, request: Request, n: int, started: float) -> tuple[Reply, Endpoint] | GaveUp:
        """Send a request, once more in other words where the server says that it wants those."""
        wire, field, system = self._wire, self._wire.max_tokens_field, self._wire.system_role
        sent = await self._sender.send(post, CHAT, wire.encode(request, n))
        failed = not isinstance(sent, GaveUp) and sent[0].status >= 400
        has_one = failed and self._may_fold and system and any(m.role == "system" for m in request.messages)
        if has_one and not isinstance(sent, GaveUp) and has_no_system_role(sent[0].body):
            wire.system_role = False
            sent = await self._sender.send(post, CHAT, wire.encode(request, n), spent_s=time.monotonic() - started)
        if isinstance(sent, GaveUp) or sent[0].status != 400 or field != "max_tokens":
            return sent
        if not wants_max_completion_tokens(sent[0].body):
            return sent
        wire.max_tokens_field = "max_completion_tokens"
        return await self._sender.send(post, CHAT, wire.encode(request, n), spent_s=time.monotonic() - started)

    async def score_continuation(self, messages: Sequence[Message], text: str) -> tuple[float, ...]:
        """Natural-log probability of each token of `text` as the assistant's next words.

        Raises:
            CapabilityError: The server is not known to give the log-probabilities of a prompt.
            RequestFailed: The server refuses the conversation, or it does not fit, or no answer came.
            EngineError: The server cannot be reached, or has no such address.
        """
        if self._numbers.rating:
            raise CapabilityError(NO_WORDS.format(self.model))
        if self._numbers.scoring is None:
            raise CapabilityError(
                "vLLM servers give the log-probability of a given text; for another server that does, set `engine.scoring: echo`"
            )
        return await self._numbers.score(messages, text)

    async def rate(self, messages: Sequence[Message]) -> float:
        """What the scalar head says of a finished conversation (vLLM servers of a reward model).

        Raises:
            CapabilityError: The server's model writes text, or the server is of another kind.
            RequestFailed, EngineError: As in `score_continuation`.
        """
        if not self._numbers.rating:
            raise CapabilityError(NO_HEAD.format(self.model))
        return await self._numbers.rate(messages)

    async def _ask(self, path: str, body: Mapping[str, Any]) -> Any:
        """Post to another path of the server, within one deadline, and read JSON. Raises `EngineError`, `RequestFailed`."""
        client = await self._client()
        raw = json.dumps({"model": self.model, **body}).encode()
        waits(waiting=True)
        async with client.slots:
            sent = await self._sender.send(client.transport.post, path, raw)
        if isinstance(sent, GaveUp):
            raise RequestFailed(f"{path}: {sent.why}", sent.finish_reason)
        reply, endpoint = sent
        if reply.status != 200:
            failed = self._replies.failure(reply, endpoint, 0.0, path)
            reason = failed.finish_reason
            raise RequestFailed(
                f"{endpoint.url(path)} answered {failed.error or failed.refusal}",
                reason if reason in ("over_length", "content_filter") else "error",
            )
        self._replies.answered = True
        try:
            return json.loads(reply.body)
        except (ValueError, RecursionError):
            said = shorten(self._replies.redact(reply.body))
            raise RequestFailed(f"{endpoint.url(path)}: the reply is not JSON: {said!r}") from None

    def count_tokens(self, messages: Sequence[Message]) -> int | None:
        """Prompt tokens, where the settings name a tokenizer; else None: only the server can tell."""
        return None if self._numbers.chat is None else self._numbers.chat.count(messages)

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
