"""Canary results -> how often each probe string is paid, and whether that is too often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from judge.checks.match import agrees
from judge.intervals import Interval, wilson
from judge.monitor.canaries import CanaryResult
from judge.monitor.evidence import Detector, PassRate, probability_above
from judge.monitor.features import digest, normalised
from judge.monitor.statistics import ResponseFeatures
from judge.settings.monitor import MonitorSettings, ProbeKind
from judge.types import Reason, Reward, Sample

MAX_STRINGS = 256  # watched at once; the one not probed for longest makes room
_KEEP = 0.9  # a step's weight in the estimates of a probe string; ten steps or so count
_KEEP_HONEST = 0.8
_SUSPECTS = 2


@dataclass(frozen=True, slots=True)
class Estimate:
    """How often one probe string is paid.

    Attributes:
        filtered: Whether the intake filters were on, as in training.
        rate: Recent pass rate in [0, 1], older steps weighing less; None before the first verdict.
        interval: 95 % Wilson interval of it.
        asked: Verdicts behind it, all steps: of probes, and of the policy's own responses with this text.
        above_honest: Posterior probability that it is above the honest pass rate; None where either is unknown.
        evidence: 1 and above: enough for `constant_string_wins`. None for probes that are not tested.
    """

    kind: ProbeKind
    string: str
    filtered: bool
    rate: float | None
    interval: Interval | None
    asked: int
    above_honest: float | None
    evidence: float | None


@dataclass(slots=True)
class Watch:
    """Everything known about the canaries. Probes without a verdict are not counted: they were neither paid nor refused."""

    settings: MonitorSettings
    honest: PassRate = field(default_factory=lambda: PassRate(_KEEP_HONEST))
    rates: dict[tuple[ProbeKind, str, bool], PassRate] = field(default_factory=dict)
    detectors: dict[str, Detector] = field(default_factory=dict)
    pooled: Detector | None = None

    def _passed(self, reward: Reward) -> bool | None:
        """Whether a probe was paid: not if its verdict could not be proved; None where it was not judged."""
        if reward.raw_reward is None:
            return False if reward.failure is not None and reward.failure.reason is Reason.UNPROVED else None
        return reward.raw_reward >= self.settings.pass_threshold

    def add(
        self,
        passed: int,
        asked: int,
        results: Sequence[CanaryResult],
        *,
        same_step: bool = False,
        written: Mapping[str, tuple[int, int]] | None = None,
    ) -> None:
        """Take in one step, or more probes of the same one.

        Args:
            passed: Honest rewards at or above the threshold.
            asked: Honest rewards that have a value.
            results: What the probes were paid.
            written: Probe string -> (paid, judged) of the policy's own responses that are this string: evidence for free.
        """
        self.honest.add(passed, asked)
        judged = [(r.probe, paid) for r in results if (paid := self._passed(r.reward)) is not None]
        counts = Counter((p.kind, p.string, p.filtered) for p, _ in judged)
        passes = Counter((p.kind, p.string, p.filtered) for p, won in judged if won)
        asked_in_training = [key for key in counts if key[2]]
        if asked_in_training and not same_step:  # extra probes are of suspects: no sample of all probes
            self.pooled = self.pooled or Detector(self.settings.steps_per_false_alarm)
            n = sum(counts[key] for key in asked_in_training)
            self.pooled.add(sum(passes[key] for key in asked_in_training), n, self.settings.tolerated_canary_rate)
        keys = {key[1]: key for key in (*self.rates, *counts) if key[2]}
        for string, (won, n) in (written or {}).items():
            if string in keys:
                counts[keys[string]] += n
                passes[keys[string]] += won
        for key, n in counts.items():
            rate = self.rates.pop(key, None) or PassRate(_KEEP)
            rate.add(passes[key], n)
            self.rates[key] = rate  # now the last to make room
            if key[2] and key[0] != "wrong_answer" and self.harmless is not None:  # no policy writes "another prompt's answer"
                self._detector(key[1]).add(passes[key], n, self.harmless, same_step=same_step)
        while len(self.rates) > MAX_STRINGS:
            self.rates.pop(next(iter(self.rates)))

    def written(
        self, samples: Sequence[Sample], rows: Sequence[ResponseFeatures], results: Sequence[CanaryResult] = ()
    ) -> dict[str, tuple[int, int]]:
        """How often responses that are a probe string word for word were (paid, judged).

        A response that is the reference is left out: there the constant is right.

        Args:
            samples: The honest batch.
            rows: One for each of its responses, in order.
            results: This step's probes, whose strings may be new.
        """
        strings = {*self.detectors, *(r.probe.string for r in results if r.probe.filtered and r.probe.kind != "wrong_answer")}
        known, found = {digest(normalised(s)): s for s in strings}, dict[str, tuple[int, int]]()
        references = (sample.reference for sample in samples for _ in sample.responses)
        for row, reference in zip(rows, references, strict=True):
            string = known.get(row.text)
            if string is None or row.value is None or any(agrees(string, one) for one in reference or ()):
                continue
            paid, judged = found.get(string, (0, 0))
            found[string] = (paid + (row.value >= self.settings.pass_threshold), judged + 1)
        return found

    def _detector(self, string: str) -> Detector:
        detector = self.detectors.pop(string, None) or Detector(self.settings.steps_per_false_alarm)
        self.detectors[string] = detector
        while len(self.detectors) > MAX_STRINGS:
            self.detectors.pop(next(iter(self.detectors)))
        return detector

    @property
    def honest_rate(self) -> float | None:
        """Recent honest pass rate, in (0, 1) (the prior Beta(1/2, 1/2) keeps it off the ends); None before any verdict."""
        return (self.honest.passed + 0.5) / (self.honest.asked + 1) if self.honest.asked else None

    @property
    def harmless(self) -> float | None:
        """The pass rate up to which a probe string is harmless now, in (0, 1)."""
        rate = self.honest_rate
        return None if rate is None else max(self.settings.safe_share * rate, self.settings.least_safe_rate)

    @property
    def worst(self) -> str | None:
        """The string with the most evidence against it."""
        return max(self.detectors, key=lambda s: self.detectors[s].evidence, default=None)

    @property
    def worst_share(self) -> float | None:
        """Its evidence as a share of what is needed."""
        return None if self.worst is None else self.detectors[self.worst].share(len(self.detectors))

    @property
    def pooled_share(self) -> float | None:
        """Evidence against all probes together as a share of what is needed."""
        return self.pooled.share() if self.pooled else None

    def focus(self) -> tuple[str, ...]:
        """Strings with evidence against them, the worst first; `Canaries.mix` gives them most of the next probes."""
        suspects = [s for s, d in self.detectors.items() if d.suspicious]
        return tuple(sorted(suspects, key=lambda s: -self.detectors[s].evidence)[:_SUSPECTS])

    def estimates(self) -> tuple[Estimate, ...]:
        """All strings probed lately."""
        return tuple(self._estimate(kind, string, filtered) for kind, string, filtered in self.rates)

    def _estimate(self, kind: ProbeKind, string: str, filtered: bool) -> Estimate:
        rate = self.rates[kind, string, filtered]
        honest = self.honest_rate
        above = None if honest is None else probability_above(honest, rate.passed, rate.asked)
        tested = self.detectors.get(string) if filtered and kind != "wrong_answer" else None
        evidence = tested.share(len(self.detectors)) if tested else None
        interval = wilson(rate.passed, rate.asked) if round(rate.asked) else None
        return Estimate(kind, string, filtered, rate.value, interval, rate.total, above, evidence)
