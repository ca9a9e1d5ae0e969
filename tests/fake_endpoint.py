"""A small OpenAI-compatible server that misbehaves on demand, for tests.

`async with FakeEndpoint({"model": [reply, ...]}) as server:` serves on a free loopback port; successive requests for a
model walk its list of replies and stay on the last.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass(frozen=True)
class Canned:
    """One reply.

    Attributes:
        content: Text of the message; None is sent as null.
        status: Of HTTP; anything but 200 sends `error` as the error's message.
        delay_s: Seconds before the reply.
        body: These very bytes instead of a reply made from the fields.
        message: Further fields of the message (`refusal`, `reasoning_content`).
        choice: Further fields of each choice (`logprobs`).
        error: What the server says with a status other than 200.
        cut: Close the connection instead of answering.
    """

    content: Any = "VERDICT: 4"
    finish_reason: str | None = "stop"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    body: bytes | None = None
    message: Mapping[str, Any] = field(default_factory=dict)
    choice: Mapping[str, Any] = field(default_factory=dict)
    error: Any = "fake error"
    cut: bool = False


Script = Sequence[Canned] | Callable[[dict[str, Any]], Canned]


class FakeEndpoint:
    """The server.

    Args:
        models: Replies per model name, or a function of the request body.
        key: When set, any other bearer token is refused with 401 (and, as careless servers do, quoted).
        owned_by: `vllm` makes it look like a vLLM server.
        max_model_len: Reported by a vLLM server.
        models_status: Of GET /v1/models.
        head: Values of a scalar head for each conversation: there is no chat route then, but `/classify`.
        by_token: `/pooling` in place of it.
        sleeps: It has the routes of vLLM's sleep mode.
        port: 0 takes a free one.

    Attributes:
        bodies: Every chat request, parsed.
        others: Every request to another route, parsed.
        headers: Of the last chat request.
        requests, connections, in_flight, peak_in_flight: Counts of chat requests.
        abandoned: Requests whose client went away before the reply.
        turns: `sleep` and `wake_up` as they came; a chat request in between is `chat`, one while it sleeps is refused with 503.
    """

    def __init__(
        self,
        models: Mapping[str, Script] | None = None,
        *,
        key: str = "",
        owned_by: str = "someone",
        max_model_len: int | None = None,
        models_status: int = 200,
        head: Callable[[dict[str, Any]], Any] | None = None,
        by_token: bool = False,
        sleeps: bool = False,
        port: int = 0,
    ) -> None:
        self._models = dict(models or {"fake": [Canned()]})
        self._positions: dict[str, int] = {}
        self._key, self._owned_by, self._max_model_len, self._models_status = key, owned_by, max_model_len, models_status
        self._head, self._by_token = head, by_token
        self._sleeps, self.asleep = sleeps, False
        self.turns: list[str] = []
        self._port = port
        self._peers: set[object] = set()
        self._runner: web.AppRunner | None = None
        self.bodies: list[dict[str, Any]] = []
        self.others: list[dict[str, Any]] = []
        self.headers: Mapping[str, str] = {}
        self.in_flight = self.peak_in_flight = self.abandoned = 0
        self.url = ""

    @property
    def requests(self) -> int:
        """Chat requests so far."""
        return len(self.bodies)

    @property
    def connections(self) -> int:
        """Connections that chat requests came over."""
        return len(self._peers)

    async def __aenter__(self) -> FakeEndpoint:
        app = web.Application(client_max_size=1 << 28)
        app.router.add_get("/v1/models", self._list)
        if self._head is None:
            app.router.add_post("/v1/chat/completions", self._chat)
            app.router.add_post("/v1/completions", self._score)
        else:
            app.router.add_post("/pooling" if self._by_token else "/classify", self._rate)
        app.router.add_post("/tokenize", self._tokenize)
        if self._sleeps:
            app.router.add_get("/is_sleeping", self._is_sleeping)
            app.router.add_post("/sleep", self._turn)
            app.router.add_post("/wake_up", self._turn)
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, backlog=1024)
        await site.start()
        self._port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self._port}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def _refusal(self, request: web.Request) -> web.Response | None:
        sent = request.headers.get("Authorization", "")
        if not self._key or sent == f"Bearer {self._key}":
            return None
        return web.json_response({"error": {"message": f"Incorrect API key provided: {sent}"}}, status=401)

    async def _list(self, request: web.Request) -> web.Response:
        card = {"object": "model", "owned_by": self._owned_by, "max_model_len": self._max_model_len}
        listing = {"object": "list", "data": [{"id": name, **card} for name in self._models]}
        return self._refusal(request) or web.json_response(listing, status=self._models_status)

    async def _is_sleeping(self, _: web.Request) -> web.Response:
        return web.json_response({"is_sleeping": self.asleep})

    async def _turn(self, request: web.Request) -> web.Response:
        self.asleep = request.path == "/sleep"
        self.turns.append(request.path[1:])
        return web.Response()

    async def _chat(self, request: web.Request) -> web.Response:
        if self.asleep:
            return web.json_response({"error": {"message": "asleep"}}, status=503)
        if self._sleeps and self.turns[-1:] != ["chat"]:
            self.turns.append("chat")
        self._peers.add(request.transport)
        self.headers = request.headers
        body = json.loads(await request.read())
        self.bodies.append(body)
        if refused := self._refusal(request):
            return refused
        if body["model"] not in self._models:
            said = f"The model `{body['model']}` does not exist."
            return web.json_response({"error": {"message": said}}, status=404)
        canned = self._next(body)
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
        try:
            await asyncio.sleep(canned.delay_s)
        except asyncio.CancelledError:
            self.abandoned += 1
            raise
        finally:
            self.in_flight -= 1
        if canned.cut and request.transport is not None:
            request.transport.abort()
        return _respond(canned, body)

    def _next(self, body: dict[str, Any]) -> Canned:
        script = self._models[body["model"]]
        if callable(script):
            return script(body)
        position = self._positions.get(body["model"], 0)
        self._positions[body["model"]] = position + 1
        return script[min(position, len(script) - 1)]

    async def _tokenize(self, request: web.Request) -> web.Response:
        """One token per character, its code point; a conversation is its messages joined by line ends."""
        body = await request.json()
        self.others.append(body)
        text = body["prompt"] if "prompt" in body else "\n".join(message["content"] for message in body["messages"])
        return web.json_response({"tokens": [ord(character) for character in text], "count": len(text)})

    async def _score(self, request: web.Request) -> web.Response:
        """Give the token with code point c the log-probability -c/100. At most 4,096 tokens."""
        body = await request.json()
        self.others.append(body)
        tokens = body["prompt"]
        if len(tokens) > 4096:
            return web.json_response({"error": {"message": "the prompt is too long"}}, status=400)
        if body.get("echo"):
            given = [None] + [-token / 100 for token in tokens[1:]] + [-9.0] * body["max_tokens"]
            return web.json_response({"choices": [{"text": "", "logprobs": {"token_logprobs": given}}]})
        scored = [None] + [{str(token): {"logprob": -token / 100}} for token in tokens[1:]]
        return web.json_response({"choices": [{"text": "", "prompt_logprobs": scored}]})

    async def _rate(self, request: web.Request) -> web.Response:
        """What the head says, in the form of vLLM's routes."""
        body = await request.json()
        self.others.append(body)
        values = self._head(body) if self._head is not None else []
        if isinstance(values, web.Response):
            return values
        return web.json_response({"data": [{"index": 0, "data" if self._by_token else "probs": values}]})


def _respond(canned: Canned, body: Mapping[str, Any]) -> web.Response:
    if canned.body is not None:
        return web.Response(body=canned.body, status=canned.status, headers=canned.headers, content_type="application/json")
    if canned.status != 200:
        error = {"error": {"message": canned.error, "code": canned.status}} if isinstance(canned.error, str) else canned.error
        return web.json_response(error, status=canned.status, headers=canned.headers)
    n = body.get("n", 1)
    message = {"role": "assistant", "content": canned.content, **canned.message}
    choices = [{"index": k, "message": message, "finish_reason": canned.finish_reason, **canned.choice} for k in range(n)]
    usage = {"prompt_tokens": 30, "completion_tokens": 5 * n, "total_tokens": 30 + 5 * n}
    return web.json_response({"object": "chat.completion", "choices": choices, "usage": usage}, headers=canned.headers)


LOGPROBS = {
    "content": [
        {
            "token": "4",
            "logprob": -0.1,
            "top_logprobs": [
                {"token": "4", "logprob": -0.1},
                {"token": "?", "logprob": -3.0},
                {"token": "?", "logprob": -3.0},
            ],
        }
    ]
}

# What servers send and what it must become: (name, reply, finish reason, text, words of the error or refusal).
ODD_REPLIES = [
    ("plain", Canned("VERDICT: 4"), "stop", "VERDICT: 4", ""),
    ("cut-off", Canned("VERDICT: 1", finish_reason="length"), "length", "VERDICT: 1", ""),
    ("filtered", Canned("I", finish_reason="content_filter"), "content_filter", "I", ""),
    ("tool-call", Canned(None, finish_reason="tool_calls"), "error", "", "'tool_calls'"),
    ("aborted", Canned("VERD", finish_reason="abort"), "error", "VERD", "'abort'"),
    ("no-finish-reason", Canned("VERDICT: 4", finish_reason=None), "error", "VERDICT: 4", "finish_reason None"),
    ("null-content", Canned(None), "stop", "", ""),
    ("refusal", Canned(None, message={"refusal": "I cannot judge this."}), "stop", "", "I cannot judge this."),
    ("text-parts", Canned([{"type": "text", "text": "VERDICT"}, {"type": "text", "text": ": 4"}]), "stop", "VERDICT: 4", ""),
    ("content-is-a-number", Canned(4), "error", "", "holds no text"),
    ("not-json", Canned(body=b"<html>Bad gateway</html>"), "error", "", "is not JSON: '<html>Bad gateway"),
    ("half-json", Canned(body=b'{"choices": [{"message": {"content": "VERDICT: 4'), "error", "", "is not JSON"),
    ("empty-body", Canned(body=b""), "error", "", "is not JSON"),
    ("not-utf8", Canned(body=b'{"choices": "\xff"}'), "error", "", "is not JSON"),
    ("deep-json", Canned(body=b"[" * 100_000), "error", "", "is not JSON"),
    ("no-choices", Canned(body=b'{"id": "x"}'), "error", "", "holds no choices"),
    ("empty-choices", Canned(body=b'{"choices": []}'), "error", "", "holds no choices"),
    ("null-choice", Canned(body=b'{"choices": [null]}'), "error", "", "holds no message"),
    ("error-with-200", Canned(body=b'{"error": {"message": "upstream died"}}'), "error", "", "upstream died"),
    (
        "null-usage",
        Canned(body=b'{"choices":[{"message":{"content":"A"},"finish_reason":"stop"}],"usage":null}'),
        "stop",
        "A",
        "",
    ),
    (
        "over-length",
        Canned(status=400, error="This model's maximum context length is 4096 tokens. Your prompt contains 5000 input tokens."),
        "over_length",
        "",
        "4096 tokens. Your prompt contains 5000",
    ),
    (
        "bad-request",
        Canned(status=400, error="temperature must be\n at least 0"),
        "error",
        "",
        "HTTP 400: temperature must be at least 0",
    ),
    ("filtered-request", Canned(status=400, error="blocked by our content management policy"), "content_filter", "", "policy"),
    ("long-complaint", Canned(status=422, error="x" * 5000), "error", "", "HTTP 422: xxx"),
    ("plain-text-error", Canned(status=418, body=b"teapot"), "error", "", "HTTP 418: teapot"),
    ("error-is-a-list", Canned(status=400, body=b"[1, 2]"), "error", "", "[1, 2]"),
    ("redirect", Canned(status=307, headers={"Location": "http://127.0.0.1:9/"}), "error", "", "HTTP 307"),
    ("always-500", Canned(status=500, error="boom"), "error", "", "gave up after 3 attempts; last: .*HTTP 500: boom"),
    ("always-reset", Canned(cut=True), "error", "", "gave up after 3 attempts"),
]
