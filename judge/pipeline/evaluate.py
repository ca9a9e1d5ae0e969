"""Samples -> rewards, many at once: the one loop, for every entry.

At most so many samples are held at a time, and each is given back as soon as it is judged: there is no barrier, and memory
does not grow with the data. A sample that cannot be judged as it is costs nobody else anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Literal, TypeVar

from judge.errors import BudgetSpent, DataError
from judge.pipeline.deadline import NONE, Deadlines, Late, in_time
from judge.pipeline.group import GroupJudging, competing
from judge.pipeline.panel import Judging
from judge.records import quick
from judge.types import NoVerdict, Reason, Reward, Sample

U = TypeVar("U")
R = TypeVar("R")
BREATH = 64  # units taken in before others may run
UNREADABLE = "judge.unreadable"  # key of `Sample.metadata`: why the row this sample stands for is none, and gets no reward
_END = object()
OnError = Literal["invalid", "raise"]


@quick
@dataclass(frozen=True, slots=True)
class Item:
    """One thing to judge.

    Attributes:
        filters: False: the filters only flag.
        problem: Why this row is no sample: it gets no reward, with the reason `invalid`.
        tag: Whatever the caller needs to know it again.
    """

    sample: Sample
    filters: bool = True
    problem: str = ""
    tag: Any = None

    @property
    def refused(self) -> str:
        """Why it is not judged, whoever found out; empty when it is."""
        return self.problem or str(self.sample.metadata.get(UNREADABLE, ""))


@quick
@dataclass(frozen=True, slots=True)
class Judged:
    """One item with a reward for each of its responses. `place` is its position in the input."""

    place: int
    item: Item
    rewards: tuple[Reward, ...]


@dataclass(slots=True)
class Unpaid:
    """What becomes of the rest once the budget is spent: what needs a call is left out, what needs none is judged.

    Attributes:
        go_on: Take what has not begun as well, since kept replies may answer it; False: only finish what has begun.
        why: The error of the first that could not be paid; None as long as there is money.
    """

    go_on: bool = True
    why: BudgetSpent | None = None

    @property
    def takes(self) -> bool:
        """Whether more is taken up."""
        return self.go_on or self.why is None


async def run_each(
    work: Callable[[U], Awaitable[R]], units: Iterable[U], *, in_flight: int, stop: asyncio.Event | None = None
) -> AsyncGenerator[tuple[U, R]]:
    """Do the work of every unit, at most `in_flight` at once; gives each with its result, in the order in which they end.

    Units are taken from the iterable only when there is room. The first error of the work ends it all and is raised; what is
    still in progress then, or when the caller leaves, is cancelled and waited for. An error of the iterable is raised once
    what was taken before it is done.

    Args:
        stop: Set by somebody: nothing more is taken, what is in progress is cancelled, and the iteration ends.
    """
    done: asyncio.Queue[asyncio.Task[tuple[U, R]] | None] = asyncio.Queue()
    running: set[asyncio.Task[tuple[U, R]]] = set()
    waiting = iter(units)
    watcher = None if stop is None else asyncio.create_task(_tell(stop, done))

    async def one(unit: U) -> tuple[U, R]:
        return unit, await work(unit)

    def ended(task: asyncio.Task[tuple[U, R]]) -> None:
        running.discard(task)
        done.put_nowait(task)

    unread, more = 0, True
    broken: Exception | None = None
    try:
        while True:
            taken = 0
            while more and unread < in_flight and taken < BREATH and not (stop is not None and stop.is_set()):
                try:
                    unit = next(waiting, _END)
                except Exception as why:  # noqa: BLE001  # raised below, once what was taken before it is done
                    unit, broken = _END, why
                if unit is _END:
                    more = False
                    break
                task = asyncio.create_task(one(unit))  # type: ignore[arg-type]  # the end was left out
                running.add(task)
                task.add_done_callback(ended)
                unread, taken = unread + 1, taken + 1
            if taken == BREATH and done.empty():
                await asyncio.sleep(0)
            elif not unread:
                if broken is not None:
                    raise broken
                return
            else:
                task_done = await done.get()
                if task_done is None:
                    return
                unread -= 1
                yield task_done.result()
    finally:
        if watcher is not None:
            watcher.cancel()
        left = list(running)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        _see_errors(done)


def _see_errors(done: asyncio.Queue[Any]) -> None:
    """Look at errors beside the one that is raised, so that asyncio does not print each of them at the end."""
    while not done.empty():
        task = done.get_nowait()
        if task is not None and not task.cancelled():
            task.exception()


async def _tell(stop: asyncio.Event, done: asyncio.Queue[Any]) -> None:
    await stop.wait()
    done.put_nowait(None)


async def evaluate(
    judging: Judging,
    items: Iterable[Item | Sample],
    *,
    in_flight: int,
    on_error: OnError = "invalid",
    stop: asyncio.Event | None = None,
    deadlines: Deadlines = NONE,
    unpaid: Unpaid | None = None,
) -> AsyncGenerator[Judged]:
    """Judge samples; each comes back as soon as it is done.

    Samples that compete (`judging` compares groups) are judged together. They are read to the end first, since the last of them
    may belong to the first group; one sample that holds its whole group is judged at once.

    Args:
        in_flight: Samples worked on at once.
        on_error: A sample that lacks something the recipe needs (`DataError`): `invalid`, it gets no reward with that reason;
            `raise`, it ends everything.
        stop: As in `run_each`.
        deadlines: What takes longer has no reward (`deadline`).
        unpaid: Samples that the budget does not reach are left out, and the error is put there. None: it is raised.

    Raises:
        EngineError: The engine cannot work at all.
        DataError: Under `on_error: raise`.
    """

    step_at = None if deadlines.step_s is None else asyncio.get_running_loop().time() + deadlines.step_s

    async def one(unit: list[tuple[int, Item]], *, again: bool = True) -> list[tuple[Reward, ...]]:
        try:
            return await in_time(_judge(judging, [item for _, item in unit]), deadlines.item_s, step_at, deadlines.down)
        except Late as late:
            return [_late(item.sample, str(late), deadlines) for _, item in unit]
        except BudgetSpent as why:
            if unpaid is None:
                raise
            unpaid.why = unpaid.why or why
            # it may have missed a reply without a verdict, which is good enough only now that it cannot be asked anew
            return await one(unit, again=False) if again and unpaid.go_on else []
        except DataError as why:
            if on_error == "raise":
                raise
            return [invalid(item.sample, str(why)) for _, item in unit]

    units: Iterator[list[tuple[int, Item]]] = _units(items, groups=isinstance(judging, GroupJudging))
    if unpaid is not None:
        units = takewhile(lambda _: unpaid.takes, units)
    async with aclosing(run_each(one, units, in_flight=in_flight, stop=stop)) as finished:
        async for unit, found in finished:
            for (place, item), rewards in zip(unit, found, strict=bool(found)):  # nothing: it could not be paid
                yield Judged(place, item, rewards)


async def evaluate_all(
    judging: Judging,
    items: Sequence[Item | Sample],
    *,
    in_flight: int,
    on_error: OnError = "invalid",
    deadlines: Deadlines = NONE,
) -> list[tuple[Reward, ...]]:
    """The same, in the order of the input."""
    out: list[tuple[Reward, ...]] = [()] * len(items)
    async with aclosing(evaluate(judging, items, in_flight=in_flight, on_error=on_error, deadlines=deadlines)) as judged:
        async for each in judged:
            out[each.place] = each.rewards
    return out


def _late(sample: Sample, setting: str, deadlines: Deadlines) -> tuple[Reward, ...]:
    """The rewards of a sample whose time is up: none."""
    seconds = deadlines.item_s if setting == "item_deadline_s" else deadlines.step_s
    failure = NoVerdict(Reason.DEADLINE, f"not done within {seconds:g} s (`{setting}`)")
    return tuple(Reward(sample.id, index, None, failure, group=sample.group_key) for index in range(len(sample.responses)))


def invalid(sample: Sample, problem: str) -> tuple[Reward, ...]:
    """The rewards of a sample that cannot be judged: none, with the reason."""
    failure = NoVerdict(Reason.INVALID, problem)
    count = len(sample.responses) or 1
    return tuple(Reward(sample.id, index, None, failure, group=sample.group_key) for index in range(count))


async def _judge(judging: Judging, unit: Sequence[Item]) -> list[tuple[Reward, ...]]:
    first = unit[0]
    if first.refused:
        return [invalid(first.sample, first.refused)]
    if isinstance(judging, GroupJudging) and len(unit) > 1:
        rewards = await judging.judge_group([item.sample for item in unit], filters=all(item.filters for item in unit))
        return [(reward,) for reward in rewards]
    return [await judging.judge(first.sample, filters=first.filters)]


def _units(items: Iterable[Item | Sample], *, groups: bool) -> Iterator[list[tuple[int, Item]]]:
    """What is judged together, with positions."""
    rest: list[tuple[int, Item]] = []
    for place, each in enumerate(items):
        item = Item(each) if isinstance(each, Sample) else each
        if groups and not item.refused and len(item.sample.responses) == 1:
            rest.append((place, item))
        else:
            yield [(place, item)]
    for unit in competing([item.sample for _, item in rest]):
        yield [rest[i] for i in unit]
