"""Whole groups out of split ones: every rank judges some groups, and gets back the rewards of its own rows.

A trainer's rank may hold half a group, or the end of one and the start of the next (TRL, 4 processes x 2 rows with groups
of 4: no rank sees a whole one, and nothing warns). A judge that compares group members must see them all, once.

Collectives run on the caller's thread, in the order every rank calls them. So this works from a synchronous reward
function, never from an asynchronous one, whose order differs between ranks.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

from judge.errors import DataError, JudgeError
from judge.types import Sample

R = TypeVar("R")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class GatheredRow:
    """One completion of this process, ready to be judged. `key` names its group by content."""

    key: str
    sample: Sample


def form_groups(keys: Sequence[str], size: int | None) -> list[list[int]]:
    """Positions of each group, in order of first appearance.

    Args:
        size: Completions a prompt (`num_generations`). The same prompt drawn twice makes two groups. None: all rows of a key.

    Raises:
        DataError: A group is incomplete: judging a part of it would be a silent error in every advantage.

    Example:
        >>> form_groups(["a", "b", "a", "b"], 2)
        [[0, 2], [1, 3]]
    """
    by_key: dict[str, list[int]] = {}
    for position, key in enumerate(keys):
        by_key.setdefault(key, []).append(position)
    if size is None:
        return list(by_key.values())
    broken = [len(positions) for positions in by_key.values() if len(positions) % size]
    if broken:
        raise DataError(
            f"expected {size} completions of each prompt, got {broken[0]} of the first of {len(broken)} prompts (of"
            f" {len(by_key)}): set `num_generations` to the trainer's number"
        )
    groups = [positions[i : i + size] for positions in by_key.values() for i in range(0, len(positions), size)]
    return sorted(groups)


def judge_groups(
    rows: Sequence[GatheredRow],
    judge: Callable[[list[list[Sample]]], list[list[R]]],
    size: int | None,
    finish: Callable[[list[list[Sample]], list[list[R]]], list[list[T]]],
) -> list[T]:
    """Judge whole groups and return one result a row of this process, in its order.

    With several processes, groups are formed over all of them and group g is judged by rank g mod world, once.

    Args:
        judge: Groups of samples -> results in the same shape.
        finish: All groups of the step with their results -> what is returned. Called on every rank with the same arguments, so
            that what compares groups, or remembers them, comes to the same on each.

    Raises:
        JudgeError: Whatever `judge` raises on any rank is raised on all of them, so that none waits for another.
    """
    world, rank = _world()
    if world == 1:
        groups = form_groups([row.key for row in rows], size)
        samples = [[rows[i].sample for i in group] for group in groups]
        return _scatter(len(rows), groups, finish(samples, judge(samples)))
    everyone: list[list[GatheredRow]] = _all_gather(list(rows), world)
    flat = [row for part in everyone for row in part]
    groups = form_groups([row.key for row in flat], size)
    mine = list(range(rank, len(groups), world))
    failed: JudgeError | None = None
    done: list[list[R]] = []
    try:
        done = judge([[flat[i].sample for i in groups[g]] for g in mine]) if mine else []
    except JudgeError as why:
        failed = why
    answers: list[tuple[dict[int, list[R]], JudgeError | None]] = _all_gather(
        (dict(zip(mine, done, strict=False)), failed), world
    )
    for _, error in answers:
        if error is not None:
            raise error
    by_group = {g: results for part, _ in answers for g, results in part.items()}
    samples = [[flat[i].sample for i in group] for group in groups]
    results = _scatter(len(flat), groups, finish(samples, [by_group[g] for g in range(len(groups))]))
    start = sum(len(part) for part in everyone[:rank])
    return results[start : start + len(rows)]


def several() -> bool:
    """Whether groups are formed over more than one process here."""
    return _world()[0] > 1


def _scatter(count: int, groups: Sequence[Sequence[int]], results: Sequence[Sequence[R]]) -> list[R]:
    out: dict[int, R] = {}
    for positions, values in zip(groups, results, strict=True):
        out.update(zip(positions, values, strict=True))
    return [out[i] for i in range(count)]


def _world() -> tuple[int, int]:
    """Processes and this one's rank; (1, 0) where nothing is distributed or torch is not there.

    A forked child (Axolotl's reward workers) inherits its parent's process group as an object that reaches nobody: there, too.
    """
    group = _process_group()
    if _alone.get() or group is None or group is _inherited:
        return 1, 0
    from torch import distributed  # noqa: PLC0415  # only where several processes run

    return distributed.get_world_size(), distributed.get_rank()


@contextmanager
def alone() -> Iterator[None]:
    """Judge the groups of this process without the other ranks: for a call that they do not make, and so would never answer."""
    token = _alone.set(True)
    try:
        yield
    finally:
        _alone.reset(token)


_alone: ContextVar[bool] = ContextVar("alone", default=False)
_inherited: Any = None


def _process_group() -> Any:
    torch = sys.modules.get("torch")  # a trainer has imported it; this module never does
    if torch is None or not torch.distributed.is_available() or not torch.distributed.is_initialized():
        return None
    return torch.distributed.group.WORLD


def _remember_inherited() -> None:
    global _inherited  # noqa: PLW0603  # one a process, as the process group is
    _inherited = _process_group()


os.register_at_fork(after_in_child=_remember_inherited)


def _all_gather(value: Any, world: int) -> list[Any]:
    from torch import distributed  # noqa: PLC0415  # only where several processes run

    parts: list[Any] = [None] * world
    distributed.all_gather_object(parts, value)
    return parts
