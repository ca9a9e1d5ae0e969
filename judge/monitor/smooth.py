"""What the monitor remembers of a stream: a few numbers a statistic, however long the run."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(slots=True)
class Smooth:
    """Exponentially weighted mean and variance, without a bias towards 0 at the start. None changes nothing.

    Example:
        >>> mean = Smooth(0.5)
        >>> for value in (1.0, None, 0.0):
        ...     mean.add(value)
        >>> round(mean.mean, 3)  # weights 1/3 and 2/3
        0.333
    """

    weight: float
    total: float = 0.0
    squares: float = 0.0
    mass: float = 0.0
    count: int = 0

    def add(self, value: float | None) -> None:
        """Take in one batch's value."""
        if value is None:
            return
        keep = 1 - self.weight
        self.total = self.total * keep + value * self.weight
        self.squares = self.squares * keep + value * value * self.weight
        self.mass = self.mass * keep + self.weight
        self.count += 1

    @property
    def mean(self) -> float | None:
        """None before the first value."""
        return self.total / self.mass if self.count else None

    @property
    def deviation(self) -> float | None:
        """Standard deviation of the values; None before the second."""
        if self.count < 2:
            return None
        return math.sqrt(max(0.0, self.squares / self.mass - (self.total / self.mass) ** 2))


@dataclass(slots=True)
class Baseline:
    """Mean of the first `size` values: how the run started."""

    size: int
    total: float = 0.0
    count: int = 0

    def add(self, value: float | None) -> None:
        """Take in a value while there is room."""
        if value is not None and self.count < self.size:
            self.total += value
            self.count += 1

    @property
    def mean(self) -> float | None:
        """None until all the first values have come."""
        return self.total / self.count if self.count >= self.size else None
