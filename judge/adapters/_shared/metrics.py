"""Rewards -> what a trainer logs, under the same names in every framework: `judge/reward`, `judge/missing`, `judge/calls`...

- verl and OpenRLHF take the names from the first sample of a batch and look them up in all others: one sample with other names
  is a KeyError, or a column lost without a word. So the metrics of one sample always have the same names and finite values.
- TRL averages each name over the processes that logged it and over the steps between two log lines. So a name that depends on
  what happened (a reason, a flag, an alarm) appears when it first happens and stays from then on, as 0 where it does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, pstdev

from judge.pipeline.build import Plan
from judge.types import Reward, distinct_calls

# Of each sample; the mean of a batch is over the responses that have a value.
PARTS = {
    "reward": "what is trained on",
    "raw_reward": "what the judge's verdicts came to, in [0, 1], before shaping",
    "missing": "1 without a reward, else 0: the share of responses without one",
    "filtered": "1 when a filter decided without the judge",
    "flagged": "1 when a filter or the parser noticed something",
    "calls": "requests to the judge",
    "cached": "calls answered from the cache",
    "tokens": "prompt and completion tokens of the requests to the judge",
    "latency_s": "seconds of the slowest request of a response",
}
SERVED_PARTS = ("reward", "raw_reward", "missing", "flagged", "calls", "tokens")  # what every server tells


def components_of(plan: Plan) -> tuple[str, ...]:
    """Names of the components that every reward of this plan has: the criteria of the run's rubric, asked one by one.

    None with a panel: there the components are its judges.
    """
    asked = plan.recipe.spec.mode == "checklist" and plan.settings.panel is None
    return tuple(c.id for c in plan.rubric.criteria) if plan.rubric and asked else ()


def metric_names(components: Sequence[str], name: str) -> tuple[str, ...]:
    """The keys of `sample_metrics`, in order.

    Example:
        >>> metric_names(["right"], "judge")[6:]
        ('judge/cached', 'judge/tokens', 'judge/latency_s', 'judge/missing_criteria', 'judge/criterion/right')
    """
    criteria = ("missing_criteria", *(f"criterion/{c}" for c in components)) if components else ()
    return tuple(f"{name}/{part}" for part in (*PARTS, *criteria))


def sample_metrics(reward: Reward, score: float, components: Sequence[str], name: str) -> dict[str, float]:
    """One sample's metrics, for frameworks that take them sample by sample.

    Args:
        score: What the trainer gets. It stands in for a reward or a criterion without a verdict, which `missing` and
            `missing_criteria` count: so it moves no mean away from the rewards trained on.

    Returns:
        `PARTS`, and where there are components `missing_criteria` (how many have no verdict) and each `criterion/ID`, in [0, 1].

    Example:
        >>> from judge.types import NoVerdict, Reason
        >>> failed = Reward("a", 0, None, NoVerdict(Reason.TIMEOUT), components={"right": None})
        >>> found = sample_metrics(failed, 0.5, ["right"], "j")
        >>> found["j/reward"], found["j/raw_reward"], found["j/missing"], found["j/criterion/right"]
        (0.5, 0.5, 1.0, 0.5)
    """
    stands_in = {"reward": score, "raw_reward": score, **{f"criterion/{c}": score for c in components}}
    values = {**_values(reward, components), "reward": score}
    return {f"{name}/{part}": stands_in.get(part, 0.0) if value is None else value for part, value in values.items()}


def served_metrics(reward: Reward, score: float, name: str) -> dict[str, float]:
    """The same for a reward from a server: `SERVED_PARTS`.

    Criteria are not among them: only the server knows which there are, and some frameworks want the same names for all samples.
    """
    found = sample_metrics(reward, score, (), name)
    return {f"{name}/{part}": found[f"{name}/{part}"] for part in SERVED_PARTS}


@dataclass
class BatchMetrics:
    """The metrics of batches, for trainers that take one number a step.

    Attributes:
        seen: Reasons, flags and alarms that have occurred in this process.
    """

    name: str
    components: Sequence[str] = ()
    seen: set[str] = field(default_factory=set)

    def of(self, rewards: Sequence[Reward], scores: Sequence[float | None], seconds: float) -> dict[str, float]:
        """Means over a batch, each over the responses that have a value; what no response has is left out.

        Args:
            scores: What the trainer gets; None: nothing.
            seconds: The whole call took.

        Returns:
            `PARTS`, criteria as in `sample_metrics`, `seconds`, `group_std` (standard deviation of the rewards within a group,
            averaged over the groups); and from the first time they occur `reason/REASON` and `flag/NAME`, shares of responses.

        Example:
            >>> from judge.types import NoVerdict, Reason
            >>> found = [Reward("a", 0, 1.0), Reward("b", 0, 0.0), Reward("c", 0, None, NoVerdict(Reason.TIMEOUT))]
            >>> made = BatchMetrics("j").of(found, [1.0, 0.0, None], 0.5)
            >>> made["j/reward"], made["j/group_std"], round(made["j/reason/timeout"], 2)
            (0.5, 0.5, 0.33)
        """
        if not rewards:
            return {}
        rows = [{**_values(r, self.components), "reward": score} for r, score in zip(rewards, scores, strict=True)]
        found = {part: fmean(known) for part in rows[0] if (known := [v for row in rows if (v := row[part]) is not None])}
        if (spread := _group_std(rewards, scores)) is not None:
            found["group_std"] = spread
        return {f"{self.name}/{part}": value for part, value in {**found, "seconds": seconds, **self._shares(rewards)}.items()}

    def watched(self, scalars: Mapping[str, float]) -> dict[str, float]:
        """What the monitor adds: its own observations (smoothed), and each alarm from the first time it is on, as 1 or 0.

        Args:
            scalars: As `Monitor.scalars`.
        """
        alarms = {part: value for key, value in scalars.items() if (part := key.removeprefix("judge/")).startswith("alarm/")}
        own = {f"monitor/{part}": scalars[f"judge/{part}"] for part in _WATCHED if f"judge/{part}" in scalars}
        return {f"{self.name}/{part}": value for part, value in {**own, **self._occurred(alarms)}.items()}

    def changing(self, scalars: Mapping[str, float]) -> dict[str, float]:
        """What the rubric in force adds: its version, its criteria, and the rubric held out.

        Args:
            scalars: As `LiveRubrics.scalars`.
        """
        return {f"{self.name}/{part}": value for part, value in scalars.items()}

    def _shares(self, rewards: Sequence[Reward]) -> dict[str, float]:
        counts: dict[str, int] = {}
        for reward in rewards:
            happened = {f"flag/{flag.name}" for flag in reward.flags}
            if reward.failure is not None:
                happened.add(f"reason/{reward.failure.reason}")
            for each in happened:
                counts[each] = counts.get(each, 0) + 1
        return self._occurred({part: count / len(rewards) for part, count in counts.items()}, 0.0, ("flag/", "reason/"))

    def _occurred(
        self, values: Mapping[str, float], otherwise: float = 0.0, families: tuple[str, ...] = ("alarm/",)
    ) -> dict[str, float]:
        self.seen |= {part for part, value in values.items() if value}
        return {part: values.get(part, otherwise) for part in sorted(self.seen) if part.startswith(families)}


# Observations of the monitor that trainers do not log themselves, nor these metrics.
_WATCHED = (
    "opening_share", "identical_share", "duplicate_share", "reward_length_correlation", "worst_canary_rate", "second_judge_rise",
)  # fmt: skip


def _values(reward: Reward, components: Sequence[str]) -> dict[str, float | None]:
    calls = distinct_calls([reward])
    asked = [call.completion.latency_s for call in calls if not call.cached]
    values: dict[str, float | None] = {
        "reward": None,
        "raw_reward": reward.raw_reward,
        "missing": float(reward.failure is not None or reward.reward is None or any(f.name == "imputed" for f in reward.flags)),
        "filtered": float(is_filtered(reward)),
        "flagged": float(bool(reward.flags)),
        "calls": float(reward.judge_calls),
        "cached": float(len(calls) - len(asked)),
        "tokens": float(_tokens(reward)),
        "latency_s": max(asked, default=None),
    }
    if components:
        values["missing_criteria"] = float(sum(reward.components.get(c) is None for c in components))
        values |= {f"criterion/{c}": reward.components.get(c) for c in components}
    return values


def _tokens(reward: Reward) -> int:
    """Of the requests that reached the engine; a server counts them itself."""
    if not reward.calls:
        return reward.tokens
    sent = [call.completion for call in distinct_calls([reward]) if not call.cached]
    return sum(each.prompt_tokens + each.completion_tokens for each in sent)


def _group_std(rewards: Sequence[Reward], scores: Sequence[float | None]) -> float | None:
    """None: no group has two rewards here."""
    groups: dict[str, list[float]] = {}
    for reward, score in zip(rewards, scores, strict=True):
        if score is not None:
            groups.setdefault(reward.group, []).append(score)
    spreads = [pstdev(group) for group in groups.values() if len(group) > 1]
    return fmean(spreads) if spreads else None


def is_filtered(reward: Reward) -> bool:
    """Whether a filter decided the reward, and neither the judge nor a program nor a rule."""
    decided = not reward.components or any(flag.name == "win_by_default" for flag in reward.flags)
    return reward.raw_reward is not None and not reward.calls and bool(reward.flags) and decided


def why(reward: Reward) -> str:
    """One line on where a reward came from, or why there is none.

    Example:
        >>> from judge.types import NoVerdict, Reason
        >>> why(Reward("a", 0, None, NoVerdict(Reason.TIMEOUT, "after 120 s")))
        'no reward: timeout: after 120 s'
    """
    if reward.raw_reward is None and reward.failure is not None:
        return f"no reward: {reward.failure.reason}: {reward.failure.detail}"
    if reward.stages:
        lead = "no reward: " if reward.reward is None else ""
        chain = " -> ".join(f"{name} {'missing' if value is None else format(value, '.4g')}" for name, value in reward.stages)
        return f"{lead}{reward.explanation}; {chain}"
    return reward.explanation
