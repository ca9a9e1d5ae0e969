"""What every engine offers: one asynchronous method, a name, and an honest list of what it can do.

- A request that fails comes back as a `Completion` whose `finish_reason` says so: one bad row never
  stops a run. An engine that cannot work at all (wrong key, no such model) raises `EngineError`.
- Nothing here batches or waits: all requests are in flight together and the engine does the batching.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from judge.types import Capability, Completion, Message, Request


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
        """Continue one conversation. Raises only `EngineError` (fatal for the whole run)."""
        ...

    async def sample(self, request: Request, n: int) -> list[Completion]:
        """Draw n completions of one request, sharing its prefill; sample k uses `seed + k`."""
        ...

    async def score_continuation(self, messages: Sequence[Message], text: str) -> tuple[float, ...]:
        """Natural-log probability of each token of `text` as the assistant's next words."""
        ...

    def count_tokens(self, messages: Sequence[Message]) -> int | None:
        """Prompt tokens of a conversation, or None when only the server can tell."""
        ...

    async def close(self) -> None:
        """Free the model or the connections; idempotent."""
        ...
