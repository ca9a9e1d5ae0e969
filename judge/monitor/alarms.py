"""Values against limits: an alarm is raised once, and may be raised again only after it has cleared."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from judge.settings.monitor import AlarmSettings

Severity = Literal["warning", "critical"]


class AlarmCode(StrEnum):
    """Why there is an alarm; each is a field of `judge.settings.monitor.AlarmTable`, where its default is explained."""

    CONSTANT_STRING_WINS = "constant_string_wins"
    CANARY_PASSED = "canary_passed"
    OPENING_COLLAPSE = "opening_collapse"
    IDENTICAL_RESPONSES = "identical_responses"
    DUPLICATES_IN_GROUP = "duplicates_in_group"
    REWARD_LENGTH_CORRELATION = "reward_length_correlation"
    REWARD_FORMAT_CORRELATION = "reward_format_correlation"
    NO_VERDICT_SHARE = "no_verdict_share"
    GROUP_SPREAD_COLLAPSE = "group_spread_collapse"
    SECOND_JUDGE_DIVERGENCE = "second_judge_divergence"
    REWARD_JUMP = "reward_jump"


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm as it was raised.

    Attributes:
        severity: `critical` when its action is `stop`.
        value: What was measured, in the unit of its limit.
        limit: The limit in force, in shares or correlations as `AlarmTable` says.
        step: The caller's step, else the number of the batch from 0.
        message: One line for a person: what is seen, and against what.
    """

    code: AlarmCode
    severity: Severity
    value: float
    limit: float
    step: int
    message: str


@dataclass(slots=True)
class Switch:
    """One alarm's memory: whether it is on, and for how many batches in a row its value has been at the limit."""

    on: bool = False
    over: int = 0
    raised: int = 0

    def update(self, value: float | None, settings: AlarmSettings, limit: float) -> Literal["raised", "cleared", ""]:
        """Take in one batch's value. Without a value nothing changes: what is not known neither raises nor clears.

        Args:
            limit: The limit in force, which may be higher than `settings.limit`; `clear` is moved up with it.
        """
        if value is None:
            return ""
        self.over = self.over + 1 if value >= limit else 0
        if not self.on and self.over >= settings.patience:
            self.on = True
            self.raised += 1
            return "raised"
        if self.on and value <= settings.clear + (limit - settings.limit):
            self.on = False
            return "cleared"
        return ""


@dataclass(slots=True)
class Switches:
    """All alarms' memory."""

    all: dict[AlarmCode, Switch] = field(default_factory=lambda: {code: Switch() for code in AlarmCode})

    @property
    def active(self) -> tuple[AlarmCode, ...]:
        """The alarms that are on."""
        return tuple(code for code, switch in self.all.items() if switch.on)
