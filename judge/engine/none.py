"""The engine of a recipe that is a program: nothing is loaded, and whoever asks it all the same has made a mistake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from judge.errors import EngineError
from judge.types import Capability, Completion, Message, Request


class NoEngine:
    """An engine that cannot do anything.

    Example:
        >>> NoEngine().capabilities
        frozenset()
    """

    model = "none"
    identity: Mapping[str, str] = {"engine": "none"}
    capabilities: frozenset[Capability] = frozenset()
    context_length: int | None = None
    control_tokens: frozenset[str] = frozenset()

    async def start(self) -> None:
        """Do nothing."""

    async def complete(self, request: Request) -> Completion:
        """Raise `EngineError`."""
        raise EngineError("this run has no model (`engine: {kind: none}`), and something asked it")

    async def sample(self, request: Request, n: int) -> list[Completion]:
        """Raise `EngineError`."""
        return [await self.complete(request) for _ in range(n)]

    async def score_continuation(self, messages: Sequence[Message], text: str) -> tuple[float, ...]:
        """Raise `EngineError`."""
        raise EngineError("this run has no model (`engine: {kind: none}`), and something asked it to score a text")

    async def rate(self, messages: Sequence[Message]) -> float:
        """Raise `EngineError`."""
        raise EngineError("this run has no model (`engine: {kind: none}`), and something asked it to rate a conversation")

    def count_tokens(self, messages: Sequence[Message]) -> int | None:
        """None: there is no tokenizer."""
        return None

    async def close(self) -> None:
        """Do nothing."""
