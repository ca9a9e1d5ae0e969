"""Request -> Completion, from a script: a stand-in for a model in tests, and for trying settings from the command line.

- A test that runs out of replies has a wrong idea of what was asked, so running out is an error that says
  how many requests came; the last reply repeats only on demand.
- Replies may be keyed by a phrase of the question, because requests in flight together arrive in any order.
- Every request is kept, with the seed of its own sample, so that a test can look at what was really sent.
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import itertools
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from judge.errors import CapabilityError, EngineError, Problem, SettingsError
from judge.settings import EngineSettings, ScriptedSettings
from judge.types import Capability, Completion, Message, Request
from judge.yamlfile import read_yaml

ScriptedReply = str | Completion
ReplyFunction = Callable[[Request], ScriptedReply | Awaitable[ScriptedReply]]
Replies = Sequence[ScriptedReply] | Mapping[str, ScriptedReply] | ReplyFunction
ReplyList = list[str]
ReplyMap = dict[str, str]
ScoreFunction = Callable[[Sequence[Message], str], Sequence[float]]
RateFunction = Callable[[Sequence[Message]], float]
ScriptedRates = Sequence[float] | Mapping[str, float] | RateFunction

DEFAULT_CAPABILITIES = frozenset({Capability.TOP_LOGPROBS, Capability.STRUCTURED, Capability.PREFILL, Capability.SEED})


class ScriptedEngine:
    """An engine that says what it is told to.

    Args:
        replies: A list, used in the order the requests arrive; or a mapping from a phrase of the last user message
            to the reply (the first phrase that occurs wins); or a function of the request, plain or asynchronous.
            A string stands for a completion that stopped of itself.
        model: Name in the records.
        capabilities: What the engine claims. `score_continuation` is added when `scores` is given, `rate` when `rates` is.
        context_length: Longest prompt in whitespace words; a longer one comes back as `over_length`. None: no limit.
        delay_s: Seconds each reply takes.
        repeat_last: Keep giving the last reply of a list instead of failing when it runs out.
        identity: What else decides the replies, for the request keys.
        scores: Natural-log probabilities of a continuation, for `score_continuation`; a function may raise what an engine does.
        rates: Raw values of a scalar head, for `rate`: in order of arrival, by a phrase of the conversation, or a function of it.

    Attributes:
        requests: Every request so far, in order of arrival.
        scored: Conversation and text of every call of `score_continuation` so far.
        rated: Conversation of every call of `rate` so far.

    Example:
        >>> from judge.types import Sampling
        >>> engine = ScriptedEngine({"capital of France": "VERDICT: 5", "2+2": "VERDICT: 1"})
        >>> request = Request((Message("user", "Paris is the capital of France."),), Sampling())
        >>> asyncio.run(engine.complete(request)).text
        'VERDICT: 5'
    """

    def __init__(
        self,
        replies: Replies = (),
        *,
        model: str = "scripted",
        capabilities: frozenset[Capability] = DEFAULT_CAPABILITIES,
        context_length: int | None = None,
        delay_s: float = 0.0,
        repeat_last: bool = False,
        scores: ScoreFunction | None = None,
        rates: ScriptedRates | None = None,
        identity: Mapping[str, str] | None = None,
    ) -> None:
        self.model = model
        self.identity: Mapping[str, str] = {"engine": "scripted", **(identity or {})}
        self.capabilities = (
            capabilities
            | ({Capability.SCORE_CONTINUATION} if scores else set())
            | ({Capability.RATE} if rates is not None else set())
        )
        self.context_length = context_length
        self.control_tokens: frozenset[str] = frozenset()
        self.requests: list[Request] = []
        self.scored: list[tuple[tuple[Message, ...], str]] = []
        self.rated: list[tuple[Message, ...]] = []
        if not replies and (scores is not None or rates is not None):
            replies = _no_replies  # asked for numbers only
        self._reply = _reply_function(replies, repeat_last, self.requests)
        self._delay_s = delay_s
        self._scores = scores
        self._rates = None if rates is None else _rate_function(rates)

    async def start(self) -> None:
        """Do nothing: a script is always ready."""

    async def complete(self, request: Request) -> Completion:
        """Give the next reply. Raises `EngineError` when the script holds none for this request."""
        self.requests.append(request)
        await asyncio.sleep(self._delay_s)
        prompt_tokens = self.count_tokens(request.messages)
        if self.context_length is not None and prompt_tokens > self.context_length:
            error = f"the prompt has {prompt_tokens} tokens and the model takes {self.context_length}"
            return Completion("", "over_length", prompt_tokens=prompt_tokens, error=error)
        reply = self._reply(request)
        if inspect.isawaitable(reply):
            reply = await reply
        if isinstance(reply, Completion):
            return reply
        return Completion(reply, prompt_tokens=prompt_tokens, completion_tokens=len(reply.split()), latency_s=self._delay_s)

    async def sample(self, request: Request, n: int) -> list[Completion]:
        """Draw n replies; sample k is asked for with `seed + k`."""
        sampling = request.sampling
        draws = [replace(request, sampling=replace(sampling, seed=sampling.seed + k)) for k in range(n)]
        return list(await asyncio.gather(*map(self.complete, draws)))

    async def score_continuation(self, messages: Sequence[Message], text: str) -> tuple[float, ...]:
        """Give what `scores` says. Raises `CapabilityError` when none was passed."""
        if self._scores is None:
            raise CapabilityError("this ScriptedEngine has no score_continuation; pass `scores=`")
        self.scored.append((tuple(messages), text))
        await asyncio.sleep(self._delay_s)
        return tuple(self._scores(messages, text))

    async def rate(self, messages: Sequence[Message]) -> float:
        """Give what `rates` says. Raises `CapabilityError` when none was passed, `EngineError` when it says nothing of this."""
        if self._rates is None:
            raise CapabilityError("this ScriptedEngine has no scalar head; pass `rates=`")
        self.rated.append(tuple(messages))
        await asyncio.sleep(self._delay_s)
        return float(self._rates(messages))

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Count whitespace words of all messages."""
        return sum([_word_count(message.text) for message in messages])

    async def close(self) -> None:
        """Do nothing: a script holds nothing."""


@lru_cache(maxsize=32)  # a recipe's own words come with every request
def _word_count(text: str) -> int:
    return len(text.split())


def _reply_function(replies: Replies, repeat_last: bool, requests: Sequence[Request]) -> ReplyFunction:
    """Turn any form of script into a function of the request. `requests` is only read, for the error message."""
    if callable(replies):
        return replies
    if isinstance(replies, Mapping):
        return lambda request: _by_phrase(replies, request)
    if isinstance(replies, str) or not replies:
        raise EngineError("ScriptedEngine takes a list of replies (at least one), a mapping or a function")
    script = list(replies)
    position = iter(range(len(script)))

    def next_reply(request: Request) -> ScriptedReply:
        index = next(position, None)
        if index is not None:
            return script[index]
        if repeat_last:
            return script[-1]
        raise EngineError(
            f"ScriptedEngine ran out of replies: it has {len(script)} and {len(requests)} were asked for; "
            f"the request with no reply ends in {_last_user_message(request)[-120:]!r}"
        )

    return next_reply


def _no_replies(request: Request) -> ScriptedReply:
    raise EngineError(
        f"this ScriptedEngine has no replies, and was asked for one; the request ends in {_last_user_message(request)[-120:]!r}"
    )


def _rate_function(rates: ScriptedRates) -> RateFunction:
    """Turn any form of rates into a function of the conversation."""
    if callable(rates):
        return rates
    if isinstance(rates, Mapping):
        return lambda messages: _by_phrase_of(rates, "\n".join(message.text for message in messages))
    values = iter(rates)

    def following(messages: Sequence[Message]) -> float:
        value = next(values, None)
        if value is None:
            raise EngineError(f"ScriptedEngine ran out of rates: it has {len(rates)}")
        return value

    return following


def _by_phrase_of(rates: Mapping[str, float], text: str) -> float:
    for phrase, value in rates.items():
        if phrase in text:
            return value
    known = ", ".join(map(repr, rates))
    raise EngineError(f"ScriptedEngine has no rate for a conversation that ends in {text[-120:]!r}; it knows {known}")


def _by_phrase(replies: Mapping[str, ScriptedReply], request: Request) -> ScriptedReply:
    """Find the first phrase that occurs in the last user message."""
    text = _last_user_message(request)
    for phrase, reply in replies.items():
        if phrase in text:
            return reply
    known = ", ".join(map(repr, replies))
    raise EngineError(f"ScriptedEngine has no reply for a message that ends in {text[-120:]!r}; it knows {known}")


def _last_user_message(request: Request) -> str:
    return next((m.text for m in reversed(request.messages) if m.role == "user"), "")


# ---- scripts in files ----------------------------------------------------------------------------------------------


def engine_of(settings: ScriptedSettings) -> ScriptedEngine:
    """The engine that `engine: {kind: scripted}` asks for.

    Raises:
        SettingsError: There is neither `reply`, `replies` nor `rate`, or the file holds no replies.
    """
    if settings.rate is not None:
        value = settings.rate
        identity = {"rate": repr(value)}
        return ScriptedEngine(model=settings.model, capabilities=frozenset(), rates=lambda _: value, identity=identity)
    if settings.verdicts is not None:
        raise SettingsError(
            Problem(
                "engine",
                "`verdicts: drawn` replies in the form of one recipe, and here other texts are asked for; use `reply: TEXT`",
            )
        )
    if settings.reply is None and settings.replies is None:
        raise SettingsError(
            Problem(
                "engine",
                "kind `scripted` needs `reply: TEXT`, `replies: FILE`, `rate: NUMBER` or `verdicts: drawn` "
                "(from Python, pass `engine=ScriptedEngine([...])`)",
            )
        )
    script = [settings.reply or ""] if settings.replies is None else read_replies(Path(settings.replies))
    digest = hashlib.blake2b(json.dumps(script).encode(), digest_size=8).hexdigest()
    replies = _in_turn(script) if isinstance(script, list) else _by_pattern(script, settings.replies or "")
    return ScriptedEngine(
        replies, model=settings.model, scores=lambda _, text: [-1.0] * len(text.split()), identity={"replies": digest}
    )


def located(settings: EngineSettings, base: Path | None) -> EngineSettings:
    """The settings with the script's path found beside the settings file. Raises `SettingsError` when it is not there."""
    if not isinstance(settings, ScriptedSettings) or settings.replies is None:
        return settings
    given = Path(settings.replies).expanduser()
    beside = given if base is None else base / given
    path = next((p for p in (beside, given) if p.is_file()), None)
    if path is None:
        raise SettingsError(Problem("engine.replies", f"{beside} does not exist; the path is relative to the settings file"))
    return settings.model_copy(update={"replies": str(path)})


def read_replies(path: Path) -> ReplyList | ReplyMap:
    """Read a script: a list of replies, or a mapping from a regular expression to the reply.

    In JSON Lines a line is a reply (a JSON string), or `{"match": REGEX, "reply": TEXT}`.
    """
    try:
        if path.suffix == ".jsonl":
            rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
            keyed = rows and all(isinstance(row, dict) and row.keys() == {"match", "reply"} for row in rows)
            data = {row["match"]: row["reply"] for row in rows} if keyed else rows
        else:
            data = read_yaml(path, SettingsError).data  # JSON is YAML
    except (OSError, ValueError, RecursionError) as why:
        raise SettingsError(Problem(str(path), f"cannot be read: {why}")) from None
    texts = list(data.values()) if isinstance(data, dict) else data if isinstance(data, list) else []
    if not texts or not all(isinstance(text, str) for text in texts):
        raise SettingsError(Problem(str(path), "must hold a list of replies, or a mapping from a regular expression to a reply"))
    for pattern in data if isinstance(data, dict) else ():
        try:
            re.compile(str(pattern))
        except re.error as why:
            raise SettingsError(Problem(str(path), f"{pattern!r} is not a regular expression: {why}")) from None
    return {str(k): v for k, v in data.items()} if isinstance(data, dict) else list(data)


def _in_turn(replies: ReplyList) -> ReplyFunction:
    turns = itertools.cycle(replies)
    return lambda _: next(turns)


def _by_pattern(replies: ReplyMap, name: str) -> ReplyFunction:
    patterns = [(re.compile(pattern), reply) for pattern, reply in replies.items()]

    def reply(request: Request) -> ScriptedReply:
        text = "\n".join(message.text for message in request.messages)
        for pattern, said in patterns:
            if pattern.search(text):
                return said
        error = f"{name}: no pattern is found in a request that ends in {text[-80:]!r}; add a last one, `.`, for the rest"
        return Completion("", "error", error=error)

    return reply
