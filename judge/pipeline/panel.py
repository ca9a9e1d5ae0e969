"""Several judges as one: a panel on every sample, and a second opinion on rewards that look too good.

Both look like a pipeline from outside, so a panel's member may be any of them, and callers do not know the difference.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean, pstdev
from typing import Protocol

from judge.reward.ensemble import fold_panel
from judge.settings import PanelSettings, SecondOpinionSettings
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
            flags=_flags(rewards),
            calls=tuple(
                replace(call, turn=f"{name}:{call.turn}")
                for name, reward in zip(values, rewards, strict=True)
                for call in reward.calls
            ),
            explanation=how if value is not None else "",
        )


class SecondOpinion:
    """Asks another judge about rewards that are high or suspicious, and about a drawn share of the rest."""

    def __init__(self, first: Judging, second: Judging, settings: SecondOpinionSettings, seed: int = 0) -> None:
        self._first = first
        self._second = second
        self._settings = settings
        self._seed = seed

    async def judge(self, sample: Sample, *, filters: bool = True) -> tuple[Reward, ...]:
        """Judge one sample; the second judge sees it whole when any of its responses asks for it."""
        rewards = await self._first.judge(sample, filters=filters)
        due = {r.response_index: why for r in rewards if (why := self._why(r, sample))}
        if not due:
            return rewards
        again = {r.response_index: r for r in await self._second.judge(sample, filters=filters)}
        return tuple(
            self._join(r, again[r.response_index], due[r.response_index]) if r.response_index in due else r for r in rewards
        )

    def _why(self, reward: Reward, sample: Sample) -> str:
        """Why a second judge is asked about this reward; empty when it is not."""
        if reward.raw_reward is None or not (reward.calls or reward.components):
            return ""
        if reward.raw_reward >= self._settings.above:
            return f"{reward.raw_reward:.3g} is at least {self._settings.above:g}"
        found = next((f.name for f in reward.flags if f.name in self._settings.flags), None)
        if found is not None and reward.raw_reward > 0:
            return f"flag {found}"
        if self._settings.share:
            name = f"{sample.id}\x1f{reward.response_index}".encode("utf-8", "surrogatepass")
            drawn = hashlib.blake2b(name, digest_size=8, key=b"second-%d" % self._seed).digest()
            if int.from_bytes(drawn, "big") / 2**64 < self._settings.share:
                return "drawn"
        return ""

    def _join(self, first: Reward, second: Reward, why: str) -> Reward:
        s = self._settings
        name = s.judge.name
        calls = (*first.calls, *(replace(call, turn=f"{name}:{call.turn}") for call in second.calls))
        components = {**first.components, name: second.raw_reward}
        others = (*first.not_criteria, name)
        shown = "no verdict" if second.raw_reward is None else f"{second.raw_reward:.3g}"
        flag = Flag("second_opinion", f"asked because {why}; {name} says {shown}")
        flags = (*_flags((first, second)), flag)
        if first.raw_reward is None or second.raw_reward is None:  # the other judge failed: the first verdict stands, visibly
            return replace(first, components=components, not_criteria=others, calls=calls, flags=flags)
        value: float | None = (
            fmean([first.raw_reward, second.raw_reward]) if s.fold == "mean" else min(first.raw_reward, second.raw_reward)
        )
        failure = None
        if s.fold == "agree":
            differ = abs(first.raw_reward - second.raw_reward) > s.tolerance
            value = None if differ else first.raw_reward
            failure = NoVerdict(Reason.AMBIGUOUS, f"two judges disagree: {first.raw_reward:.3g} and {shown}") if differ else None
        how = f"{s.fold} of {first.raw_reward:.3g} and {name} {shown}; first: {first.explanation}"
        return replace(
            first,
            raw_reward=value,
            failure=failure,
            components=components,
            not_criteria=others,
            calls=calls,
            flags=flags,
            explanation=how if value is not None else "",
        )


def _flags(rewards: Sequence[Reward]) -> tuple[Flag, ...]:
    """Each kind of flag once, in the order found."""
    seen: dict[tuple[str, str], Flag] = {}
    for reward in rewards:
        for flag in reward.flags:
            seen.setdefault((flag.name, flag.where), flag)
    return tuple(seen.values())
