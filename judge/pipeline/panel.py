"""Several judges as one: a panel on every sample. From outside it is a pipeline, so callers do not know the difference."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean, pstdev
from typing import Protocol

from judge.reward.ensemble import fold_panel
from judge.settings import PanelSettings
from judge.types import Flag, NoVerdict, Reason, Reward, Sample

FIRST = "first"  # the run's own judge, among several


class Judging(Protocol):
    """Sample -> rewards: one pipeline, or several of them."""

    async def judge(self, sample: Sample, *, filters: bool = True) -> tuple[Reward, ...]:
        """One reward for each response, in their order. With `filters=False` intake filters only flag."""
        ...


class Panel:
    """Asks all members about every sample, at once.

    Args:
        members: Name -> judge, in the order of the settings; the run's own comes first.
    """

    def __init__(self, members: Mapping[str, Judging], settings: PanelSettings) -> None:
        self._members = dict(members)
        self._settings = settings

    async def judge(self, sample: Sample, *, filters: bool = True) -> tuple[Reward, ...]:
        """Judge one sample. A response that a filter stopped is stopped for all members."""
        answers = await asyncio.gather(*(member.judge(sample, filters=filters) for member in self._members.values()))
        return tuple(self._fold(rewards) for rewards in zip(*answers, strict=True))

    def _fold(self, rewards: Sequence[Reward]) -> Reward:
        first = rewards[0]
        if not any(r.calls or r.components for r in rewards):  # no member asked anything: a filter decided
            return first
        s = self._settings
        values = {name: r.raw_reward for name, r in zip(self._members, rewards, strict=True)}
        valid = [v for v in values.values() if v is not None]
        weights = [s.weights[name] for name in values] if s.weights else None
        value = fold_panel(list(values.values()), s.fold, k=s.k, quorum=s.quorum, weights=weights)
        shown = ", ".join(f"{n} {'no verdict' if v is None else format(v, '.3g')}" for n, v in values.items())
        how = f"{'weighted ' if weights else ''}{s.fold} of {shown}"
        if s.fold == "lower_bound" and valid:
            how = f"{fmean(valid):.3g} - {s.k:g} x {pstdev(valid):.3g} ({shown})"
        failure = None
        if value is None:
            reasons = ", ".join(f"{n}: {r.failure.reason}" for n, r in zip(values, rewards, strict=True) if r.failure)
            failure = NoVerdict(Reason.LOW_QUORUM, f"{len(valid)} of {len(values)} judges have a verdict ({reasons})")
        return replace(
            first,
            raw_reward=value,
            failure=failure,
            components=values,
            not_criteria=tuple(values),
            uncertainty=replace(first.uncertainty, spread=pstdev(valid) if len(valid) > 1 else None),
            flags=each_flag_once(rewards),
            calls=tuple(
                replace(call, turn=f"{name}:{call.turn}")
                for name, reward in zip(values, rewards, strict=True)
                for call in reward.calls
            ),
            explanation=how if value is not None else "",
        )


def each_flag_once(rewards: Sequence[Reward]) -> tuple[Flag, ...]:
    """Each kind of flag once, in the order found."""
    seen: dict[tuple[str, str], Flag] = {}
    for reward in rewards:
        for flag in reward.flags:
            seen.setdefault((flag.name, flag.where), flag)
    return tuple(seen.values())
