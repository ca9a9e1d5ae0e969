"""`transcripts.yaml`: recorded replies of a judge, each with the call that it answers.

- A reply is found by what is asked (turn, order, criterion, vote, words of the request), never by who asks first: calls are in
  flight together, and a recipe that asks one thing more would shift all replies behind it.
- What follows a reply without a verdict (the verdict alone, the verdict once more, the proof) has entries of its own, or gets the
  same reply again. It never takes the reply that was meant for another call.
- An entry that answers nothing is a mistake of whoever wrote it, and so is a call that no entry answers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from judge.engine.scripted import DEFAULT_CAPABILITIES, ScriptedEngine
from judge.pipeline.asking import Asking, asking
from judge.rubric.model import Frozen
from judge.types import Capability, Completion, FinishReason, Message, Request, TokenLogprobs

MOST = 1.0 + 1e-6  # sum of the probabilities of one token


class RequestCheck(Frozen):
    """What must stand in a request, and what must not, word for word (all its messages, one after the other)."""

    contains: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


class _Matched(Frozen):
    """Which calls an entry is about; what is left out may be anything."""

    turn: str | None = None
    order: tuple[int, ...] | None = None
    criterion: str | None = None
    contains: str | None = None

    def fits(self, now: Asking | None, text: str) -> bool:
        """Whether a call with this request text is one of them."""
        return (
            (self.turn is None or (now is not None and now.turn == self.turn))
            and (self.order is None or (now is not None and now.order == self.order))
            and (self.criterion is None or (now is not None and self.criterion in now.criteria))
            and (self.contains is None or self.contains in text)
        )

    def named(self) -> str:
        """The conditions, for messages."""
        given = self.model_dump(include={"turn", "vote", "order", "criterion", "follow", "contains", "text"}, exclude_none=True)
        return ", ".join(f"{name} {list(v) if isinstance(v, tuple) else v!r}" for name, v in given.items()) or "no conditions"


class CallReply(_Matched):
    """The reply to one call, or to all that fit.

    Attributes:
        vote: From 0.
        follow: The entry answers what follows a reply: `force` (the verdict alone), `ask_again` (the verdict once more),
            `proof` (the words that prove it). None: the turn's own request.
        logprobs: For each token where the judge wavered, in the order of the reply: token -> probability in (0, 1].
        reasoning: Thinking that the server split off.
        request: Checked in each request that the entry answers.
    """

    vote: int | None = Field(default=None, ge=0)
    follow: Literal["force", "ask_again", "proof"] | None = None
    reply: str
    finish: FinishReason = "stop"
    reasoning: str = ""
    logprobs: tuple[dict[str, float], ...] = ()
    request: RequestCheck = RequestCheck()

    @field_validator("logprobs", mode="before")
    @classmethod
    def _tokens(cls, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            return value
        return tuple({str(k): v for k, v in t.items()} if isinstance(t, dict) else t for t in value)

    @model_validator(mode="after")
    def _sound(self) -> Self:
        for top in self.logprobs:
            if any(not 0 < p <= 1 for p in top.values()) or sum(top.values()) > MOST:
                raise ValueError(f"`logprobs` holds probabilities above 0 that sum to at most 1, for each token; got {top}")
        return self


class ScoreReply(_Matched):
    """Natural-log probabilities of the tokens of a scored text. `text`: words of the scored text itself."""

    text: str | None = None
    logprobs: tuple[float, ...] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _short(cls, data: Any) -> Any:
        return {"logprobs": data} if isinstance(data, list | tuple) else data

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if any(not value <= 0 for value in self.logprobs):
            raise ValueError(f"log-probabilities are at most 0; got {list(self.logprobs)}")
        return self


class RateReply(_Matched):
    """The number that a reward-model head gives."""

    rate: float = Field(allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _short(cls, data: Any) -> Any:
        return {"rate": data} if isinstance(data, int | float) and not isinstance(data, bool) else data


class Transcript(Frozen):
    """One test: a sample, what the judge replies, and what must come of it.

    Attributes:
        replies: For a recipe of one call: the replies in the order asked; the last repeats.
        calls: The replies, each with the call that it answers; the first entry that fits wins.
        scores, rates: What the engine gives for scored texts, and for a reward-model head.
        finish: How all of `replies` ended.
        request: Checked in every request of a turn.
        rewards: One value a response, null where there must be none. `reason` is the failure's reason.
        components: Criterion (or step) -> one value a response, for those to be checked.
        settings: Run settings, such as `votes`; `options` are the recipe's.
    """

    name: str
    prompt: Any = None
    responses: tuple[Any, ...] = ()
    reference: Any = None
    context: Any = None
    principle: str | None = None
    steps: Any = None
    exemplar: str | None = None
    fields: dict[str, Any] = Field(default_factory=dict)
    rubric: Any = None
    options: dict[str, bool | int | float | str] = Field(default_factory=dict)
    settings: dict[str, Any] = Field(default_factory=dict)
    replies: tuple[str, ...] = ()
    calls: tuple[CallReply, ...] = ()
    scores: tuple[ScoreReply, ...] = ()
    rates: tuple[RateReply, ...] = ()
    finish: FinishReason = "stop"
    request: RequestCheck = RequestCheck()
    rewards: tuple[float | None, ...] = Field(min_length=1)
    components: dict[str, tuple[float | None, ...]] = Field(default_factory=dict)
    reason: str | None = None

    @field_validator("components", mode="before")
    @classmethod
    def _per_response(cls, value: Any) -> Any:
        return {k: tuple(v) if isinstance(v, list) else v for k, v in value.items()} if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.replies and self.calls:
            raise ValueError("`replies` go by arrival and `calls` by what is asked: give one of the two")
        if self.finish != "stop" and not self.replies:
            raise ValueError("`finish` goes with `replies`; an entry of `calls` has a `finish` of its own")
        if "engine" in self.settings or "recipe" in self.settings:
            raise ValueError("`settings` cannot set `engine` (the replies are the engine) or `recipe` (see `options`)")
        return self


class Transcripts(Frozen):
    """The contents of `transcripts.yaml`."""

    transcripts: tuple[Transcript, ...] = Field(min_length=1)


@dataclass
class Script:
    """One transcript as an engine's replies, and what is wrong with them.

    Attributes:
        seed: The run's; the seed of a request tells its vote.
        forward: Probabilities are looked up from the reply's beginning (`readout: {at: first}`), not from its end.
        asked: Every request so far, with the call it was made for.
        problems: Calls without a reply, and requests that are not as they must be.
    """

    transcript: Transcript
    seed: int = 0
    forward: bool = False
    asked: list[tuple[Asking | None, Request]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    _used: set[str] = field(default_factory=set)
    _given: dict[tuple[Asking | None, int], Completion] = field(default_factory=dict)
    _next: int = 0
    _eaten: str = ""

    def engine(self) -> ScriptedEngine:
        """The engine that replies as the transcript says."""
        able = DEFAULT_CAPABILITIES if self.transcript.replies or self.transcript.calls else frozenset[Capability]()
        scores = self._score if self.transcript.scores else None
        rates = self._rate if self.transcript.rates else None
        return ScriptedEngine(self._reply, capabilities=able, scores=scores, rates=rates)

    def left_over(self) -> list[str]:
        """What is wrong once everything has been asked: entries that answered nothing."""
        named = [
            f"{kind}[{i}] ({entry.named()}) answered no call"
            for kind in ("calls", "scores", "rates")
            for i, entry in enumerate(getattr(self.transcript, kind))
            if f"{kind}{i}" not in self._used
        ]
        left = len(self.transcript.replies) - self._next
        if left > 0:
            named.append(f"{left} of {len(self.transcript.replies)} replies were never asked for")
        return named

    def _reply(self, request: Request) -> Completion:
        now, text = asking(), _text(request.messages)
        self.asked.append((now, request))
        own = now is None or now.purpose == "turn"
        if own:
            self._check(self.transcript.request, now, text)
        whose = (Asking(now.turn, now.order, now.criteria) if now else None, request.sampling.seed)
        completion = self._by_arrival(own) if self.transcript.replies else self._by_content(request, now, text, whose)
        self._given[whose] = completion
        return completion

    def _by_arrival(self, own: bool) -> Completion:
        replies, index = self.transcript.replies, self._next
        if own and self._eaten:
            self.problems.append(self._eaten)
            self._eaten = ""
        if index < len(replies):
            self._next += 1
            if not own:
                self._eaten = (
                    f"reply {index + 1} answered what follows a reply without a verdict, and a turn was asked after it: "
                    "use `calls`, which say what each reply answers"
                )
        return Completion(replies[min(index, len(replies) - 1)], self.transcript.finish)

    def _by_content(self, request: Request, now: Asking | None, text: str, whose: tuple[Asking | None, int]) -> Completion:
        purpose, vote = (now.purpose if now else "turn"), request.sampling.seed - self.seed
        for index, entry in enumerate(self.transcript.calls):
            same = (entry.follow or "turn") == purpose and entry.vote in (None, vote)
            if same and entry.fits(now, text):
                self._used.add(f"calls{index}")
                self._check(entry.request, now, text)
                return self._completion(entry)
        if purpose != "turn" and whose in self._given:
            return self._given[whose]
        self.problems.append(f"no entry of `calls` answers {_called(now, vote)}, whose request ends in {text[-80:]!r}")
        return Completion("", "error", error="no reply in the transcript")

    def _completion(self, entry: CallReply) -> Completion:
        tokens = _tokens(entry.reply, entry.logprobs, forward=self.forward)
        if isinstance(tokens, str):
            self.problems.append(tokens)
            tokens = ()
        return Completion(entry.reply, entry.finish, reasoning=entry.reasoning, logprobs=tokens)

    def _score(self, messages: Sequence[Message], text: str) -> Sequence[float]:
        now, asked = asking(), _text(messages)
        for index, entry in enumerate(self.transcript.scores):
            if entry.fits(now, asked) and (entry.text is None or entry.text in text):
                self._used.add(f"scores{index}")
                return entry.logprobs
        self.problems.append(f"no entry of `scores` answers {_called(now)}, which scores {text[-80:]!r} after {asked[-80:]!r}")
        return (0.0,)

    def _rate(self, messages: Sequence[Message]) -> float:
        now, asked = asking(), _text(messages)
        for index, entry in enumerate(self.transcript.rates):
            if entry.fits(now, asked):
                self._used.add(f"rates{index}")
                return entry.rate
        self.problems.append(f"no entry of `rates` answers {_called(now)}, which rates {asked[-80:]!r}")
        return 0.0

    def _check(self, wanted: RequestCheck, now: Asking | None, text: str) -> None:
        self.problems += [
            f"the request of {_called(now)} does not hold {words!r}" for words in wanted.contains if words not in text
        ]
        self.problems += [f"the request of {_called(now)} holds {words!r}" for words in wanted.absent if words in text]


def _text(messages: Sequence[Message]) -> str:
    return "\n".join(message.text for message in messages)


def _called(now: Asking | None, vote: int = 0) -> str:
    if now is None:
        return "a call"
    parts = [f"turn `{now.turn}`", f"order {list(now.order)}"]
    parts += [f"criteria {', '.join(now.criteria)}"] if now.criteria else []
    parts += [f"vote {vote}"] if vote else []
    parts += [f"follow `{now.purpose}`"] if now.purpose != "turn" else []
    return ", ".join(parts)


def _tokens(reply: str, tops: Sequence[Mapping[str, float]], *, forward: bool) -> tuple[TokenLogprobs, ...] | str:
    """The reply cut into tokens, those with probabilities at the places where one of their words stands; or what is wrong."""
    if not tops:
        return ()
    places: list[tuple[int, str, Mapping[str, float]]] = []
    low, high = 0, len(reply)
    for top in tops if forward else reversed(tops):
        found = [(reply.find(w, low) if forward else reply.rfind(w, 0, high), w) for w in top if w]
        found = [(at, word) for at, word in found if at >= 0]
        if not found:
            where = "behind" if forward else "before"
            return f"`logprobs`: none of {', '.join(map(repr, top))} stands {where} the others in the reply"
        at, word = min(found, key=lambda f: (f[0], -len(f[1]))) if forward else max(found, key=lambda f: (f[0], len(f[1])))
        low, high = at + len(word), at
        places.append((at, word, top))
    tokens: list[TokenLogprobs] = []
    at = 0
    for start, word, top in sorted(places, key=lambda p: p[0]):
        if start > at:
            tokens.append(TokenLogprobs(reply[at:start], {reply[at:start]: 0.0}))
        tokens.append(TokenLogprobs(word, {w: math.log(p) for w, p in top.items()}))
        at = start + len(word)
    if at < len(reply):
        tokens.append(TokenLogprobs(reply[at:], {reply[at:]: 0.0}))
    return tuple(tokens)
