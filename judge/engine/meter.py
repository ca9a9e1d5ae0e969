"""What the engines of a run have been paid, and the end of the work when the budget is spent.

- Counted where calls leave for an engine, so that every entry, panel and tournament is in it, and nothing that came from the
  journal or a cache is.
- Near the sum, new calls wait for those in flight, whose cost is taken to be the mean so far. When the sum is reached, calls in
  flight finish and are kept, and every waiting one ends in `BudgetSpent`: the overshoot is at most what was in flight.
- An engine that reports no tokens is not one that costs nothing: they are guessed by the size of the texts, and so are those
  of a call that was cancelled after the server got it. Both are told apart from what was counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar, cast

from judge.engine.protocol import WAY, Engine, Way
from judge.errors import BudgetSpent
from judge.settings.cost import BudgetSettings, Price, cost_text
from judge.types import Completion, Message, Request

T = TypeVar("T")
_FAILED = ("error", "timeout", "over_length")  # of such a call no tokens are as good as none
_LOOK_S = 1.0  # a call that waits for those in flight looks again after this, whoever forgot to tell it


@dataclass(slots=True)
class Spent:
    """What was paid.

    Attributes:
        usd: US dollars; 0 where nobody knows a price.
        cached_tokens: Those of the prompt tokens that came from the server's prefix cache.
        estimated: Calls of which the engine reported no tokens: theirs are guessed.
        cancelled: Calls that were given up on their way (`item_deadline_s`, `engine.deadline_s`, Ctrl-C): the server got them,
            and they are guessed.
    """

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    usd: float = 0.0
    estimated: int = 0
    cancelled: int = 0

    @property
    def tokens(self) -> int:
        """Prompt and completion tokens."""
        return self.prompt_tokens + self.completion_tokens

    def plain(self) -> dict[str, Any]:
        """As `run.json` has it."""
        tokens = {"prompt": self.prompt_tokens, "completion": self.completion_tokens, "cached": self.cached_tokens}
        guessed = {"estimated_calls": self.estimated, "cancelled_calls": self.cancelled}
        return {"calls": self.calls, "tokens": tokens, "usd": round(self.usd, 6)} | {k: n for k, n in guessed.items() if n}


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

    def ended(self, price: Price, completions: Sequence[Completion], *, guessed: bool = False, cancelled: bool = False) -> None:
        """Count one call that has its answer (none: it failed, and costs nothing).

        Args:
            guessed: The engine reported no tokens, and those of the completions are estimates.
            cancelled: It was cancelled on its way, and its completions are an estimate.
        """
        self._in_flight -= 1
        for k, each in enumerate(completions):
            prompt, cached = each.prompt_tokens, each.cached_tokens
            self.spent.prompt_tokens += prompt
            self.spent.completion_tokens += each.completion_tokens
            self.spent.cached_tokens += cached
            shared = k > 0 and cached == prompt  # samples of one request share its prompt, which is billed once
            self.spent.usd += price.of_tokens(0 if shared else prompt, each.completion_tokens, cached)
        self.spent.calls += bool(completions)
        by_tokens = bool(price.input or price.output or (self.budget is not None and self.budget.tokens))
        self.spent.estimated += guessed and by_tokens
        self.spent.cancelled += cancelled
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
        as_before = self.before.usd > 0 and not self.prices and self.spent.calls == self.before.calls
        if not (self.priced or as_before):
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
        paid = f"{spent.tokens:,} tokens in {spent.calls:,} calls"
        cost = cost_text(spent.plain() | ({} if self.priced else {"usd": None}))
        paid += f", {cost}" if cost else ""
        return f"the budget of {limit} is spent ({paid}); raise `budget.{which}` to go on"


class _Metered:
    """An engine whose calls are counted. All else of it is passed through."""

    def __init__(self, engine: Engine, meter: Meter, price: Price) -> None:
        self._engine = engine
        self._meter = meter
        self._price = price
        self._replies = self._written = 0  # replies so far, and their tokens

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    async def complete(self, request: Request) -> Completion:
        asked = request.messages, request.sampling.max_tokens
        return (await self._counted(lambda: _one(self._engine.complete(request)), list, *asked))[0]

    async def sample(self, request: Request, n: int) -> list[Completion]:
        asked = request.messages, request.sampling.max_tokens, n
        return await self._counted(lambda: self._engine.sample(request, n), list, *asked)

    async def score_continuation(self, messages: Sequence[Message], text: str) -> tuple[float, ...]:
        def paid(logs: tuple[float, ...]) -> list[Completion]:
            known = self._engine.count_tokens(messages)
            return [Completion("", prompt_tokens=0 if known is None else known + len(logs))]

        whole = [*messages, Message("assistant", text)]
        return await self._counted(lambda: self._engine.score_continuation(messages, text), paid, whole)

    async def rate(self, messages: Sequence[Message]) -> float:
        def paid(_: float) -> list[Completion]:
            return [Completion("", prompt_tokens=self._engine.count_tokens(messages) or 0)]

        return await self._counted(lambda: self._engine.rate(messages), paid, messages)

    async def _counted(
        self,
        ask: Callable[[], Awaitable[T]],
        paid: Callable[[T], list[Completion]],
        messages: Sequence[Message],
        most: int = 0,
        n: int = 1,
    ) -> T:
        await self._meter.admit(self._price, _prompt(messages), n * most)
        counted: list[Completion] = []
        guessed = cancelled = False
        way = Way()
        token = WAY.set(way)
        try:
            answer = await ask()
            told = paid(answer)
            late = told and all(c.finish_reason == "timeout" and not c.prompt_tokens for c in told)
            if cancelled := bool(late) and not way.waiting:  # given up on this side: the server goes on, and bills it
                counted = [self._unanswered(messages, most, n)]
            else:
                counted = self._guessed(told, messages)
                guessed = counted != told
        except asyncio.CancelledError:
            cancelled = not way.waiting
            counted = [self._unanswered(messages, most, n)] if cancelled else []
            raise
        finally:
            WAY.reset(token)
            self._meter.ended(self._price, counted, guessed=guessed, cancelled=cancelled)
        self._replies += 0 if cancelled else len(counted)
        self._written += 0 if cancelled else sum(each.completion_tokens for each in counted)
        return answer

    def _guessed(self, completions: list[Completion], messages: Sequence[Message]) -> list[Completion]:
        """The completions, with guessed tokens where the engine reports none of a call that it answered."""
        if any(c.prompt_tokens or c.completion_tokens for c in completions):
            return completions
        prompt = self._tokens(messages)
        return [
            c
            if c.finish_reason in _FAILED
            else replace(
                c,
                prompt_tokens=prompt,
                completion_tokens=_guess(c.text, c.reasoning, c.refusal),
                cached_tokens=prompt if k else 0,  # samples of one request share its prompt
            )
            for k, c in enumerate(completions)
        ]

    def _unanswered(self, messages: Sequence[Message], most: int, n: int) -> Completion:
        """What a call is taken to have cost that nobody waited for: its reply as long as the mean so far, or as it may be."""
        each = min(most, self._written / self._replies) if self._replies else most
        return Completion("", prompt_tokens=self._tokens(messages), completion_tokens=math.ceil(n * each))

    def _tokens(self, messages: Sequence[Message]) -> int:
        return self._engine.count_tokens(messages) or _guess(*(message.exact for message in messages))


def _prompt(messages: Sequence[Message]) -> float:
    """Tokens of a prompt before anybody has counted them: a token is some four characters."""
    return sum(len(message.exact) for message in messages) / 4


def _guess(*texts: str) -> int:
    """Tokens of texts that nobody counts: a token is some four bytes."""
    return math.ceil(sum(len(text.encode("utf-8", "surrogatepass")) for text in texts) / 4)


def _sum(usd: float) -> str:
    """A sum of money as it was given: with cents, and with more digits where it has them."""
    whole, _, digits = f"{usd:,.12f}".partition(".")
    return f"{whole}.{digits.rstrip('0'):0<2}"


def _done(told: asyncio.Future[None]) -> None:
    if not told.done():
        told.set_result(None)


async def _one(answer: Awaitable[Completion]) -> list[Completion]:
    return [await answer]
