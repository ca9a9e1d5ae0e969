"""Shots -> trials: everything in flight at once, no attack waiting for another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from judge.attack.arena import Arena, Gate, Score
from judge.attack.shots import Shot

Scores = dict[Gate, Score]
Tick = Callable[[Scores], None]


@dataclass(frozen=True, slots=True)
class Trial:
    """One shot, judged, with what it is compared with."""

    shot: Shot
    attack: Scores
    base: Scores | None = None
    control: Scores | None = None


async def play(arena: Arena, shots: Sequence[Shot], limit: int, tick: Tick = lambda _: None) -> list[Trial]:
    """Judge all shots; trials in the order of the shots.

    Args:
        limit: Shots worked on at once; the engine batches their requests.
        tick: Called after each with its scores.

    Raises:
        EngineError: The engine cannot work at all.
        DataError: A question lacks something that the recipe needs.
    """
    done: list[Trial | None] = [None] * len(shots)
    waiting = iter(enumerate(shots))

    async def worker() -> None:
        for index, shot in waiting:  # shared: each takes the next that nobody has
            done[index] = trial = await _trial(arena, shot)
            tick(trial.attack)

    workers = [asyncio.ensure_future(worker()) for _ in range(min(limit, len(shots)))]
    try:
        await asyncio.gather(*workers)
    finally:
        left = [task for task in (*workers, *arena.running()) if not task.done()]
        for task in left:
            task.cancel()
        await asyncio.gather(*workers, *left, return_exceptions=True)  # so that none is complained about later
    return [trial for trial in done if trial is not None]


async def _trial(arena: Arena, shot: Shot) -> Trial:
    if shot.base is None and shot.control is None:
        return Trial(shot, await arena.score(shot.question, shot.text, shot.opponent))
    texts = [shot.text, *(t for t in (shot.base, shot.control) if t is not None)]
    scores = await asyncio.gather(*(arena.score(shot.question, text, shot.opponent) for text in texts))
    rest = list(scores[1:])
    base = rest.pop(0) if shot.base is not None else None
    control = rest.pop(0) if shot.control is not None else None
    return Trial(shot, scores[0], base, control)
