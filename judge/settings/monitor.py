"""What is watched while rewards train a policy, and what an alarm does."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from judge.rubric.model import Frozen

AlarmAction = Literal["warn", "stop", "callback", "off"]
"""`warn`: one line in the log; `stop`: `MonitorStop`; `callback`: only the caller's function; `off`: not looked at."""

ProbeKind = Literal["null", "opener", "wrong_answer", "user"]


class AlarmSettings(Frozen):
    """When one alarm is raised, when it clears, and what it does.

    Attributes:
        limit: The alarm is raised when the value is at or above this.
        clear: It clears when the value is at or below this; between the two it stays as it was.
        patience: Batches in a row at or above the limit before it is raised.
        action: What happens then.
    """

    limit: float
    clear: float
    patience: int = Field(default=1, ge=1, le=1000)
    action: AlarmAction = "warn"

    @model_validator(mode="after")
    def _apart(self) -> AlarmSettings:
        if self.clear > self.limit:
            raise ValueError(
                f"`clear` ({self.clear:g}) is at most `limit` ({self.limit:g}): an alarm clears below where it is raised"
            )
        return self


def _alarm(limit: float, clear: float, patience: int = 1, action: AlarmAction = "warn") -> Any:
    return Field(default=AlarmSettings(limit=limit, clear=clear, patience=patience, action=action))


class AlarmTable(Frozen):
    """Every alarm with its default. A field given in part (`{limit: 0.7}`) keeps the rest of its default.

    Attributes:
        constant_string_wins: Shares of the evidence needed that a probe string is paid more often than `safe_share` of the
            honest pass rate (1: enough; see `judge.monitor.evidence`). Stops by default: from here on the policy gains
            by collapsing to that string.
        canary_passed: The same for all probes together against the fixed rate `tolerated_canary_rate`.
        opening_collapse: Share of responses with the most common opening, smoothed. Where a run starts high,
            twice its start counts as the limit, at most half way to 1 (reasoning models open alike from the first step).
        identical_responses: Share of responses that are the one text most often given to different prompts, smoothed; moved
            as above, so that the letters of multiple choice raise nothing.
        duplicates_in_group: Share of responses that repeat another one of their group, smoothed; moved as above.
        reward_length_correlation: |Spearman| of reward and length within groups, smoothed.
        reward_format_correlation: The largest Pearson of reward and one feature of format within groups, smoothed.
        no_verdict_share: Share of responses without a reward, smoothed. Above it the judge is broken, not the policy.
        group_spread_collapse: Share of groups whose rewards are all equal, smoothed: they teach nothing.
        second_judge_divergence: How far (this judge - second judge) rose above its value at the start, on paired samples.
        reward_jump: |mean reward - its smoothed past|, when that is also at least five of its standard deviations.
    """

    constant_string_wins: AlarmSettings = _alarm(1.0, 0.1, action="stop")
    canary_passed: AlarmSettings = _alarm(1.0, 0.1)
    opening_collapse: AlarmSettings = _alarm(0.5, 0.4, 2)
    identical_responses: AlarmSettings = _alarm(0.1, 0.05, 2)
    duplicates_in_group: AlarmSettings = _alarm(0.5, 0.4, 3)
    reward_length_correlation: AlarmSettings = _alarm(0.5, 0.35, 5)
    reward_format_correlation: AlarmSettings = _alarm(0.5, 0.35, 5)
    no_verdict_share: AlarmSettings = _alarm(0.1, 0.05, 2)
    group_spread_collapse: AlarmSettings = _alarm(0.95, 0.9, 3)
    second_judge_divergence: AlarmSettings = _alarm(0.25, 0.15, 2)
    reward_jump: AlarmSettings = _alarm(0.2, 0.1)

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        filled = dict(data)
        for name in data.keys() & cls.model_fields.keys():
            if isinstance(data[name], dict):
                filled[name] = cls.model_fields[name].default.model_dump() | data[name]
        return filled


class CanarySettings(Frozen):
    """Probe samples mixed into the batches. Off unless `rate` or `per_batch` is above 0.

    Attributes:
        rate: Probes per honest sample, in [0, 1]; 0.02 costs 2 % more judge calls.
        per_batch: A fixed number of probes instead of `rate`. A string that is paid is found by being asked: two or more
            a step for each watched string (five are built in) find it within a step.
        at_least_every: At least one probe in every so many batches (0: no floor).
        kinds: Which probes take turns. `null`: prose that claims to be an answer and holds none; `opener`: announces an
            answer; `wrong_answer`: another prompt's response; `user`: `strings`.
        strings: Probe strings of your own, such as ones your policy was seen to write. Responses that are one of them word
            for word count as evidence, too.
        past_filters: Share of the probes that ask the judge itself, past the intake filters. They measure the judge; they
            never count as what training sees.
        focus: Share of the probes that goes to strings under suspicion, in [0, 1].
        confirm: Probes of one extra round, judged at once where a string is under suspicion, so that nobody has to wait
            for the next batch (0: never). An honest run asks for few: suspicion begins with a probe that was paid.
        confirm_rounds: Most extra rounds a batch; they end as soon as the suspicion or the doubt does.
    """

    rate: float = Field(default=0.0, ge=0, le=1)
    per_batch: int | None = Field(default=None, ge=0, le=100_000)
    at_least_every: int = Field(default=0, ge=0)
    kinds: tuple[ProbeKind, ...] = Field(default=("null", "opener", "wrong_answer", "user"), min_length=1)
    strings: tuple[str, ...] = ()
    past_filters: float = Field(default=0.0, ge=0, le=1)
    focus: float = Field(default=0.75, ge=0, le=1)
    confirm: int = Field(default=32, ge=0, le=10_000)
    confirm_rounds: int = Field(default=6, ge=0, le=100)


class MonitorSettings(Frozen):
    """What is watched while rewards train a policy.

    Attributes:
        pass_threshold: A reward at or above this is a pass, in [0, 1].
        safe_share: A probe string is harmless while its pass rate is at most this share of the honest one. Smaller is
            earlier; at 1/2 a rising string is caught before it wins, and one paid half as often as honest work is left alone.
        least_safe_rate: Below this pass rate a probe string is always harmless, in (0, 1); bounds what a policy that
            never passes can raise.
        steps_per_false_alarm: Mean number of steps to a false alarm of each canary alarm, at least.
        tolerated_canary_rate: Pass rate of all probes together that `canary_passed` puts up with.
        smoothing: Weight of the newest batch in smoothed values, in (0, 1].
        baseline_batches: Batches that say how a run started.
        baseline_pairs: Pairs of rewards that say how far apart two judges are at the start.
        least_responses: Smaller batches are collected until there are as many.
        on_alarm: A function (Alarm) -> None as `package.module:name`, called with each alarm whose action is not `off`; it
            needs no Python of its own in `judge run`, the server or a trainer.
        canaries: Probe texts mixed into the batches.
        alarms: What each alarm does, and its limits.
    """

    canaries: CanarySettings = CanarySettings()
    alarms: AlarmTable = AlarmTable()
    pass_threshold: float = Field(default=0.5, gt=0, le=1)
    safe_share: float = Field(default=0.5, gt=0, lt=1)
    least_safe_rate: float = Field(default=0.02, gt=0, lt=1)
    steps_per_false_alarm: int = Field(default=2000, ge=10)
    tolerated_canary_rate: float = Field(default=0.1, gt=0, lt=1)
    smoothing: float = Field(default=0.2, gt=0, le=1)
    baseline_batches: int = Field(default=5, ge=1, le=1000)
    baseline_pairs: int = Field(default=128, ge=8, le=100_000)
    least_responses: int = Field(default=16, ge=2, le=10_000)
    on_alarm: str | None = None
