"""What the engines of a run have been paid, and the end of the work when the budget is spent.

- Counted where calls leave for an engine, so that every entry, panel and tournament is in it, and nothing that came from the
  journal or a cache is.
- Near the sum, new calls wait for those in flight, whose cost is taken to be the mean so far. When the sum is reached, calls in
  flight finish and are kept, and every waiting one ends in `BudgetSpent`: the overshoot is at most what was in flight.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, cast

from judge.engine.protocol import Engine
from judge.errors import BudgetSpent
from judge.settings.cost import BudgetSettings, Price
from judge.types import Completion, Message, Request

T = TypeVar("T")
_LOOK_S = 1.0  # a call that waits for those in flight looks again after this, whoever forgot to tell it


@dataclass(slots=True)
class Spent:
    """What was paid.

    Attributes:
        usd: US dollars; 0 where nobody knows a price.
        cached_tokens: Those of the prompt tokens that came from the server's prefix cache.
    """

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    usd: float = 0.0

    @property
    def tokens(self) -> int:
        """Prompt and completion tokens."""
        return self.prompt_tokens + self.completion_tokens

    def plain(self) -> dict[str, Any]:
        """As `run.json` has it."""
        tokens = {"prompt": self.prompt_tokens, "completion": self.completion_tokens, "cached": self.cached_tokens}
        return {"calls": self.calls, "tokens": tokens, "usd": round(self.usd, 6)}


class Meter:
    """Counts the calls of all engines of one run, and stops them at the budget.

    Args:
        budget: None: they are only counted.
        before: What earlier starts of the same run have paid.
    """

    def __init__(self, budget: BudgetSettings | None = None, before: Spent | None = None) -> None:
        self.budget = budget
        self.spent = before or Spent()
        self.prices: list[Price] = []
        self.priced = True  # until an engine without a price comes
        self._first = Spent(**{name: getattr(self.spent, name) for name in Spent.__slots__})
        self._in_flight = 0
        self._waiting: deque[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = deque()
        self._hours: dict[int, tuple[Price, float]] = {}  # rented engines: price, and until when it is counted

    @property
    def before(self) -> Spent:
        """What earlier starts had paid."""
        return self._first

    def metered(self, engine: Engine, price: Price | None) -> Engine:
        """The engine with its calls counted."""
        self.priced = self.priced and price is not None
        self.prices += [price] if price is not None else []
        return cast("Engine", _Metered(engine, self, price or Price()))

    async def admit(self, price: Price, prompt: float, most: int) -> None:
        """Let one call begin. Raises `BudgetSpent` when the sum is reached, once no call is in flight.

        Args:
            prompt, most: Tokens of the prompt, guessed, and of the reply at most: what it costs as long as no call has ended.
        """
        guess = Spent(0, int(prompt), most, 0, price.of_tokens(prompt, most))
        while self.budget is not None:
            self.rent(price)
            if self._share(self.spent) >= 1:
                while self._in_flight:
                    await self._change()
                raise BudgetSpent(self._said())
            made = self.spent.calls - self._first.calls
            each = (self._share(self.spent) - self._share(self._first)) / made if made else self._share(guess)
            if not self._in_flight or self._share(self.spent) + self._in_flight * each < 1:
                break
            await self._change()
        self._in_flight += 1

    async def _change(self) -> None:
        """Wait until a call in flight has ended (one of several waiting calls is told, and all of them when it was the last)."""
        loop = asyncio.get_running_loop()
        told = loop.create_future()
        self._waiting.append((loop, told))
        await asyncio.wait([told], timeout=_LOOK_S)

    def _tell(self) -> None:
        for _ in range(1 if self._in_flight else len(self._waiting)):
            if self._waiting:
                loop, told = self._waiting.popleft()
                with contextlib.suppress(RuntimeError):  # that loop has ended
                    loop.call_soon_threadsafe(_done, told)

    def ended(self, price: Price, completions: Sequence[Completion]) -> None:
        """Count one call that has its answer (none: it failed, and costs nothing)."""
        self._in_flight -= 1
        for k, each in enumerate(completions):
            prompt, cached = each.prompt_tokens, each.cached_tokens
            self.spent.prompt_tokens += prompt
            self.spent.completion_tokens += each.completion_tokens
            self.spent.cached_tokens += cached
            shared = k > 0 and cached == prompt  # samples of one request share its prompt, which is billed once
            self.spent.usd += price.of_tokens(0 if shared else prompt, each.completion_tokens, cached)
        self.spent.calls += bool(completions)
        self.rent(price)
        self._tell()

    def rent(self, price: Price) -> None:
        """Count the time of a rented engine up to now, from its first call on."""
        if price.per_hour:
            now = time.monotonic()
            _, until = self._hours.get(id(price), (price, now))
            self.spent.usd += (now - until) / 3600 * price.per_hour
            self._hours[id(price)] = (price, now)

    def told(self) -> dict[str, Any]:
        """What the run has cost in all its starts, for `run.json`."""
        paid: dict[str, Any] = self.spent.plain() | ({"before": self.before.plain()} if self.before.calls else {})
        if not self.priced:
            paid |= {"usd": None}
        as_of = sorted({price.as_of for price in self.prices if price.as_of})
        return paid | ({"prices_as_of": as_of[0]} if as_of else {})

    @property
    def over(self) -> bool:
        """Whether the budget is spent: no further call is let begin."""
        return self.budget is not None and self._share(self.spent) >= 1

    def larger(self) -> str:
        """A setting with which the work could go on: twice the sum that is spent."""
        assert self.budget is not None  # noqa: S101  # see _share
        which = self._which()
        limit = max(getattr(self.budget, which), getattr(self.spent, which))
        return f"budget.{which}={2 * limit:.3g}" if which == "usd" else f"budget.{which}={2 * limit}"

    def _which(self) -> Literal["usd", "tokens"]:
        """The sum that is spent."""
        assert self.budget is not None  # noqa: S101  # see _share
        return "usd" if self.budget.usd is not None and self.spent.usd >= self.budget.usd else "tokens"

    def _share(self, spent: Spent) -> float:
        """How much of the budget a sum is; 1 and more: all of it."""
        assert self.budget is not None  # noqa: S101  # the callers looked
        usd = spent.usd / self.budget.usd if self.budget.usd else 0.0
        return max(usd, spent.tokens / self.budget.tokens if self.budget.tokens else 0.0)

    def _said(self) -> str:
        assert self.budget is not None  # noqa: S101  # see _share
        spent, budget = self.spent, self.budget
        which = self._which()
        limit = f"{_sum(budget.usd or 0.0)} USD" if which == "usd" else f"{budget.tokens:,} tokens"
        paid = f"{spent.tokens:,} tokens in {spent.calls:,} calls" + (f", {spent.usd:,.4f} USD" if self.priced else "")
        return f"the budget of {limit} is spent ({paid}); raise `budget.{which}` to go on"


class _Metered:
    """An engine whose calls are counted. All else of it is passed through."""

    def __init__(self, engine: Engine, meter: Meter, price: Price) -> None:
        self._engine = engine
        self._meter = meter
        self._price = price

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    async def complete(self, request: Request) -> Completion:
        sized = _prompt(request.messages), request.sampling.max_tokens
        return (await self._counted(lambda: _one(self._engine.complete(request)), list, *sized))[0]

    async def sample(self, request: Request, n: int) -> list[Completion]:
        sized = _prompt(request.messages), n * request.sampling.max_tokens
        return await self._counted(lambda: self._engine.sample(request, n), list, *sized)

    async def score_continuation(self, messages: Sequence[Message], text: str) -> tuple[float, ...]:
        def paid(logs: tuple[float, ...]) -> list[Completion]:
            return [Completion("", prompt_tokens=(self._engine.count_tokens(messages) or 0) + len(logs))]

        return await self._counted(lambda: self._engine.score_continuation(messages, text), paid, _prompt(messages))

    async def rate(self, messages: Sequence[Message]) -> float:
        def paid(_: float) -> list[Completion]:
            return [Completion("", prompt_tokens=self._engine.count_tokens(messages) or 0)]

        return await self._counted(lambda: self._engine.rate(messages), paid, _prompt(messages))

    async def _counted(
        self, ask: Callable[[], Awaitable[T]], paid: Callable[[T], list[Completion]], prompt: float, most: int = 0
    ) -> T:
        await self._meter.admit(self._price, prompt, most)
        counted: list[Completion] = []
        try:
            answer = await ask()
            counted = paid(answer)
        finally:
            self._meter.ended(self._price, counted)
        return answer


def _prompt(messages: Sequence[Message]) -> float:
    """Tokens of a prompt before anybody has counted them: a token is some four characters."""
    return sum(len(message.exact) for message in messages) / 4


def _sum(usd: float) -> str:
    """A sum of money as it was given: with cents, and with more digits where it has them."""
    whole, _, digits = f"{usd:,.12f}".partition(".")
    return f"{whole}.{digits.rstrip('0'):0<2}"


def _done(told: asyncio.Future[None]) -> None:
    if not told.done():
        told.set_result(None)


async def _one(answer: Awaitable[Completion]) -> list[Completion]:
    return [await answer]
