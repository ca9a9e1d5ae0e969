"""What every engine offers: one asynchronous method, a name, and an honest list of what it can do.

- A request that fails comes back as a `Completion` whose `finish_reason` says so: one bad row never
  stops a run. An engine that cannot work at all (wrong key, no such model) raises `EngineError`; one that has stopped
  working (its process died, its endpoint is gone) raises `EngineDown`, and is never a failed judgement.
- Nothing here batches or waits: all requests are in flight together and the engine does the batching.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from judge.types import Capability, Completion, Message, Request


@dataclass(frozen=True, slots=True)
class Outage:
    """Why an engine cannot work now.

    Attributes:
        address: Of the endpoint or endpoints.
        fault: `unreachable`, `refused` (the key), `no_credit`, `failing` (nothing but errors).
        cause: What the network or the server said.
        since: `time.monotonic` of its beginning, seconds.
        patience_s: How long it is waited for, seconds.
    """

    address: str
    fault: str
    cause: str
    since: float
    patience_s: float

    def __str__(self) -> str:
        waited = f" for {self.patience_s:g} s" if self.patience_s else ""
        return f"the judge's engine at {self.address} {_FAULTS[self.fault]}{waited}: {self.cause}; {_REMEDY[self.fault]}"

    @property
    def what(self) -> str:
        """What is the matter, in three words."""
        return _FAULTS[self.fault]

    def waiting(self, now: float) -> str:
        """The same, while it is being waited for."""
        if not self.patience_s:
            return str(self)
        said = f"the judge's engine at {self.address} {_FAULTS[self.fault]}: {self.cause}"
        return f"{said}; waiting for it ({self.left(now)})"

    def left(self, now: float | None = None) -> str:
        """How long it has been waited for, in words."""
        waited = (time.monotonic() if now is None else now) - self.since
        return f"{waited:.0f} s" if math.isinf(self.patience_s) else f"{waited:.0f} of {self.patience_s:g} s"


_FAULTS = {
    "unreachable": "cannot be reached",
    "silent": "takes requests and answers none",
    "refused": "refuses the key",
    "no_credit": "has no credit left",
    "failing": "answers nothing but errors",
}
_REMEDY = {
    "unreachable": "start the server again, or correct `engine.base_url`",
    "silent": "restart the server; if it is only slow, raise `engine.deadline_s` or lower `engine.concurrency`",
    "refused": "correct the key (`engine.api_key_env` names its variable)",
    "no_credit": "top up the account or raise its quota",
    "failing": "look at the server's log",
}


@dataclass(slots=True)
class Way:
    """How far a call has come, for who cancels it and must know whether it is paid.

    Attributes:
        waiting: For its turn on this side: no server has it. An engine that does not tell takes a call at once.
    """

    waiting: bool = False


WAY: ContextVar[Way | None] = ContextVar("judge_way", default=None)
"""Of the call that is being made, where somebody wants to know."""


def waits(*, waiting: bool) -> None:
    """Say of the call that is being made whether it waits for its turn, or a server has it."""
    if (way := WAY.get()) is not None:
        way.waiting = waiting


class Held:
    """How long the calls of a sample, or one call of several, have waited for the limits of an account: no fault of the sample.

    Example:
        >>> held = Held()
        >>> held.seconds, held.now
        (0.0, False)
    """

    def __init__(self) -> None:
        self._calls = 0
        self._since = self._before = 0.0
        self._beside: list[Held] = []  # that are held when this is

    @property
    def now(self) -> bool:
        """Whether one of them waits."""
        return self._calls > 0

    @property
    def seconds(self) -> float:
        """Seconds in which one of them or several waited."""
        return self._before + (time.monotonic() - self._since if self._calls else 0.0)

    @contextlib.contextmanager
    def shared(self, other: Held | None) -> Iterator[None]:
        """Meanwhile another sample is held whenever this call is, since it waits for its reply; None: it has no deadline."""
        if other is None:
            yield
            return
        self._beside.append(other)
        if self.now:
            other.__enter__()
        try:
            yield
        finally:
            self._beside.remove(other)
            if self.now:
                other.__exit__()

    def __enter__(self) -> None:
        if not self._calls:
            self._since = time.monotonic()
            for other in self._beside:
                other.__enter__()
        self._calls += 1

    def __exit__(self, *_: object) -> None:
        self._calls -= 1
        if not self._calls:
            self._before += time.monotonic() - self._since
            for other in self._beside:
                other.__exit__()


HELD: ContextVar[Held | None] = ContextVar("judge_held", default=None)
"""Of the sample that is being judged, where it has a deadline."""


class Sleeper(Protocol):
    """An engine that can give its memory back for a while: one that shares a GPU with a policy that trains."""

    async def sleep(self) -> None:
        """Give the memory back until `wake`; nothing may be in flight. Raises `EngineError`."""
        ...

    async def wake(self) -> None:
        """Take the memory again; idempotent. Raises `EngineError`."""
        ...


def only_rates(engine: Engine) -> bool:
    """Whether the model has a scalar head and writes no text."""
    return engine.capabilities == {Capability.RATE}


def outage_of(engine: object) -> Outage | None:
    """Why this engine cannot work now, where it says so (attribute `outage`); None when it works or does not tell."""
    outage = getattr(engine, "outage", None)
    return outage if isinstance(outage, Outage) else None


NO_HEAD = "{} writes text and has no scalar head"  # what a `CapabilityError` says
NO_WORDS = "{} is a reward model: it has a scalar head and writes no text"


@runtime_checkable
class Engine(Protocol):
    """Request -> Completion."""

    @property
    def model(self) -> str:
        """Name of the model, as it stands in every record."""
        ...

    @property
    def identity(self) -> Mapping[str, str]:
        """What else decides the output (revision, dtype, endpoint dialect...); part of every request key."""
        ...

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What this engine can do."""
        ...

    @property
    def context_length(self) -> int | None:
        """Longest prompt plus completion in tokens, or None when unknown."""
        ...

    @property
    def control_tokens(self) -> frozenset[str]:
        """Chat-template control tokens of the judge's tokenizer, to be neutralised in untrusted text."""
        ...

    async def start(self) -> None:
        """Load or reach the model; idempotent. Raises `EngineError` when it cannot work at all."""
        ...

    async def complete(self, request: Request) -> Completion:
        """Continue one conversation. Raises only `EngineError` (fatal for the whole run), such as `EngineDown`."""
        ...

    async def sample(self, request: Request, n: int) -> list[Completion]:
        """Draw n completions of one request, sharing its prefill; sample k uses `seed + k`."""
        ...

    async def score_continuation(self, messages: Sequence[Message], text: str) -> tuple[float, ...]:
        """Natural-log probability of each token of `text` as the assistant's next words (capability `score_continuation`).

        When the last message is the assistant's, `text` goes on in that very message.

        Raises:
            CapabilityError: This engine cannot.
            RequestFailed: This request failed; the engine works on.
            EngineError: As in `complete`.
        """
        ...

    async def rate(self, messages: Sequence[Message]) -> float:
        """What the model's scalar head says of a finished conversation: a raw value, larger is better (capability `rate`).

        Raises:
            CapabilityError: This model writes text and has no scalar head.
            RequestFailed: This request failed; the engine works on.
            EngineError: As in `complete`.
        """
        ...

    def count_tokens(self, messages: Sequence[Message]) -> int | None:
        """Prompt tokens of a conversation, or None when only the server can tell."""
        ...

    async def close(self) -> None:
        """Free the model or the connections; idempotent."""
        ...
