"""Is a string paid more often than it should be? Evidence that may be looked at after every step.

- A policy that can write one constant string is paid that string's pass rate f on the training prompts. It wins as soon as
  f exceeds the honest pass rate p ("One Token to Fool LLM-as-a-Judge", arXiv:2507.08794, lost a run this way).
- f is measured with few probes a step, and looked at after every step, so an interval of fixed level would cry wolf
  sooner or later. An e-detector (Shin, Ramdas, Rinaldo, "E-detectors", arXiv:2203.03532) may be looked at for ever: with
  threshold c the mean time to a false alarm is at least c steps, whatever the number of probes a step.
- p moves, so each step is tested against the p of that step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import scipy

_ODDS = np.array([2.0, 5.0, 15.0])  # alternatives, as multiples of the harmless odds: the first for slow, the last for sudden
_ROOM = 1000.0  # evidence is capped at this times what one string needs: room for that many strings, and an alarm can clear


def probability_above(rate: float, passed: float, asked: float) -> float:
    """Posterior probability that the pass rate is above `rate`, under the prior Beta(1/2, 1/2).

    Example:
        >>> round(probability_above(0.2, 4, 16), 2)
        0.71
    """
    return float(1 - scipy.special.betainc(passed + 0.5, asked - passed + 0.5, rate))


@dataclass(slots=True)
class PassRate:
    """A pass rate that forgets: counts shrink by `keep` at every step. `total` never shrinks."""

    keep: float
    passed: float = 0.0
    asked: float = 0.0
    total: int = 0

    def add(self, passed: float, asked: int) -> None:
        """One step's counts; a step without any changes nothing."""
        if asked:
            self.passed = self.passed * self.keep + passed
            self.asked = self.asked * self.keep + asked
            self.total += asked

    @property
    def value(self) -> float | None:
        """In [0, 1]; None before the first count."""
        return self.passed / self.asked if self.asked else None


@dataclass(slots=True)
class Detector:
    """Evidence that a pass rate is above a harmless one.

    Each alternative rate keeps a product of likelihood ratios that never starts a step below 1 (a CUSUM); the mean of
    the three is the evidence, and `needed` is the threshold for one string.
    """

    needed: float
    logs: list[float] = field(default_factory=lambda: [0.0] * len(_ODDS))

    def add(self, passed: int, asked: int, harmless: float, *, same_step: bool = False) -> None:
        """Take in probes: `passed` of `asked`, tested against the pass rate `harmless` in (0, 1).

        Args:
            same_step: They belong to the step of the last call. A product may go on within a step for as long as one
                likes; only a new step may start again from 1, or looking twice would count as two steps.
        """
        if not asked:
            return
        odds = harmless / (1 - harmless) * _ODDS
        rates = odds / (1 + odds)
        gains = passed * np.log(rates / harmless) + (asked - passed) * np.log((1 - rates) / (1 - harmless))
        most = math.log(self.needed * _ROOM)
        least = -math.inf if same_step else 0.0
        self.logs = [min(most, max(least, log) + float(gain)) for log, gain in zip(self.logs, gains, strict=True)]

    @property
    def evidence(self) -> float:
        """Mean of the three e-values; 1 at the start."""
        return float(np.exp(self.logs).mean())

    @property
    def suspicious(self) -> bool:
        """Whether any alternative rate explains this step and those before better than the harmless one."""
        return max(self.logs) > 0

    def share(self, tests: int = 1) -> float:
        """Log-evidence as a share of what is needed when `tests` strings are watched: 1 and above raises the alarm.

        `tests` multiplies the threshold (a union bound), so that watching more strings does not cry wolf more often.
        """
        return max(0.0, math.log(self.evidence) / math.log(self.needed * tests))
