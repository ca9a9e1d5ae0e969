"""Two judges, of which the second is asked where it is needed: a second opinion, or the full form behind a cheap one.

- `SecondOpinion`: rewards that look too good, or suspicious, are heard by another judge as well.
- `Cascade`: a cheap judge decides what it is sure of, and the run's own judge everything else. A drawn share of what was
  decided is asked in full too, so that every run says how often the two agree.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from statistics import fmean
from typing import Any

import numpy as np

from judge.pipeline.panel import Judging, each_flag_once
from judge.reward.fold import PASS
from judge.settings import SecondOpinionSettings
from judge.settings.cascade import CascadeSettings
from judge.shape.calibrated import CalibrateStep, SureStep, calibrated
from judge.types import Flag, NoVerdict, Reason, Reward, Sample

DECIDED, UNSURE, AUDITED = "cascade_decided", "cascade_unsure", "cascade_audit"  # flags: who decided, and what else was asked
FULL = "full"  # component of a cascade's rewards: what the run's own judge says


def drawn(name: str, key: bytes, share: float) -> bool:
    """Whether something is among a drawn share: always the same for one name and key."""
    if not share:
        return False
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8, key=key).digest()
    return int.from_bytes(digest, "big") / 2**64 < share


def under(name: str, reward: Reward) -> Reward:
    """A reward whose calls say which judge made them."""
    return replace(reward, calls=tuple(replace(call, turn=f"{name}:{call.turn}") for call in reward.calls))


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
        if drawn(f"{sample.id}\x1f{reward.response_index}", b"second-%d" % self._seed, self._settings.share):
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
        flags = (*each_flag_once((first, second)), flag)
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


class Cascade:
    """A cheap judge for all, the full one where the cheap one is unsure or has no verdict.

    Where one response of a sample is unsure, the whole sample is asked in full and all its rewards are the full judge's: two
    sides of one comparison never come from two judges.

    Args:
        calibration: Reward -> chance of being right, and between which chances it is too unsure (`judge calibrate`).
    """

    def __init__(
        self,
        cheap: Judging,
        full: Judging,
        settings: CascadeSettings,
        seed: int = 0,
        calibration: tuple[CalibrateStep, SureStep] | None = None,
    ) -> None:
        self._cheap = cheap
        self._full = full
        self._settings = settings
        self._seed = seed
        self._calibration = calibration

    async def judge(self, sample: Sample, *, filters: bool = True) -> tuple[Reward, ...]:
        """Judge one sample."""
        name = self._settings.first.name
        cheap = tuple(under(name, r) for r in await self._cheap.judge(sample, filters=filters))
        if not any(r.calls for r in cheap):  # decided by a filter, a rule or a program, or a row that is none
            return cheap
        why = next((why for r in cheap if (why := self.unsure(r))), "")
        shown = repr((sample.prompt, sample.responses))
        audited = not why and drawn(shown, b"cascade-%d" % self._seed, self._settings.audit_share)
        if not why and not audited:
            return tuple(_noted(r, DECIDED, f"decided by {name}") for r in cheap)
        full = {r.response_index: r for r in await self._full.judge(sample, filters=filters)}
        if audited:
            return tuple(self._audited(r, full[r.response_index]) for r in cheap)
        return tuple(self._in_full(r, full[r.response_index], why) for r in cheap)

    def unsure(self, reward: Reward) -> str:
        """Why the full judge is asked; empty when the cheap one is sure."""
        s, value = self._settings, reward.raw_reward
        if value is None:
            return f"{s.first.name} has no verdict" + (f" ({reward.failure.reason})" if reward.failure else "")
        for name, limit in (("entropy", s.entropy), ("variance", s.variance)):
            found: float | None = getattr(reward.uncertainty, name)
            if limit is not None and (found is None or found >= limit):
                return f"its {name} is not known" if found is None else f"{name} {found:.3g} is at least {limit:g}"
        if s.margin is not None and abs(value - PASS) < s.margin:
            return f"{value:.3g} is nearer to {PASS:g} than {s.margin:g}"
        return self._uncalibrated(value)

    def _uncalibrated(self, value: float) -> str:
        """Why the calibration finds a reward too unsure; empty where it does not."""
        if self._calibration is None:
            return ""
        step, sure = self._calibration
        chance = float(calibrated(np.array([value]), step)[0])
        return f"a chance of {chance:.3g} is between {sure.low:g} and {sure.high:g}" if sure.low < chance < sure.high else ""

    def _in_full(self, cheap: Reward, full: Reward, why: str) -> Reward:
        name = self._settings.first.name
        shown = "no verdict" if cheap.raw_reward is None else f"{cheap.raw_reward:.3g}"
        return replace(
            full,
            components={**full.components, name: cheap.raw_reward},
            not_criteria=(*full.not_criteria, name),
            calls=(*cheap.calls, *full.calls),
            flags=(*full.flags, Flag(UNSURE, f"asked in full because {why}; {name} says {shown}")),
        )

    def _audited(self, cheap: Reward, full: Reward) -> Reward:
        """The reward of the cheap judge, as if nobody had looked: what is measured must not change what is measured."""
        shown = "no verdict" if full.raw_reward is None else f"{full.raw_reward:.3g}"
        noted = _noted(cheap, AUDITED, f"decided by {self._settings.first.name}, and asked in full to compare: {shown}")
        return replace(
            noted,
            components={**cheap.components, FULL: full.raw_reward},
            not_criteria=(*cheap.not_criteria, FULL),
            calls=(*cheap.calls, *full.calls),
        )


def _noted(reward: Reward, name: str, detail: str) -> Reward:
    return replace(reward, flags=(*reward.flags, Flag(name, detail)))


def cascade_flag(names: Iterable[str]) -> str:
    """The flag of a cascade among those of a reward; empty where there is none."""
    return next((name for name in names if name in (DECIDED, UNSURE, AUDITED)), "")


def cascade_metrics(
    rewards: Iterable[tuple[str, float | None, Mapping[str, float | None]]], full_calls: int, first_calls: int
) -> dict[str, Any]:
    """What a cascade decided by itself, how many calls that saved, and how often the full judge would have said the same.

    Args:
        rewards: Of each response: its flag (`cascade_decided`, `cascade_unsure`, `cascade_audit`), its reward, its components.
        full_calls, first_calls: Calls that the full judge made, and the cheap one.

    Returns:
        `decided`, `unsure`, `audited` responses (audited ones are decided, too); `full_calls`, `first_calls`, `saved_calls` (what
        the decided ones would have taken in full, at the mean of those that were; the cheap judge's are not taken off);
        `agree`: share of the audited on the same side of 0.5; `mean_difference`: of the audited, |reward - full reward|, in
        [0, 1]. None where nothing was audited.

    Example:
        >>> seen = [("cascade_decided", 0.9, {}), ("cascade_unsure", 1.0, {}), ("cascade_audit", 0.8, {"full": 1.0})]
        >>> found = cascade_metrics(seen, full_calls=12, first_calls=3)
        >>> found["decided"], found["saved_calls"], found["agree"], round(found["mean_difference"], 3)
        (2, 6, 1.0, 0.2)
    """
    counts = dict.fromkeys((DECIDED, UNSURE, AUDITED), 0)
    pairs = []
    for flag, value, components in rewards:
        counts[flag] += 1
        full = components.get(FULL)
        if flag == AUDITED and value is not None and full is not None:
            pairs.append((value, full))
    asked = counts[UNSURE] + counts[AUDITED]
    return {
        "decided": counts[DECIDED] + counts[AUDITED],
        "unsure": counts[UNSURE],
        "audited": counts[AUDITED],
        "full_calls": full_calls,
        "first_calls": first_calls,
        "saved_calls": round(counts[DECIDED] * full_calls / asked) if asked else None,
        "agree": fmean((a >= PASS) == (b >= PASS) for a, b in pairs) if pairs else None,
        "mean_difference": fmean(abs(a - b) for a, b in pairs) if pairs else None,
    }
