"""What a person sees while attacks run: a live bar on a terminal, one plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections import Counter
from types import TracebackType
from typing import Any, Self

from judge.attack.play import Scores

LINE_EVERY_S = 10.0


class Ticker:
    """Counts finished texts on standard error."""

    def __init__(self, title: str, total: int, *, quiet: bool = False) -> None:
        self._title, self._total, self._quiet = title, total, quiet
        self._done = 0
        self._reasons: Counter[str] = Counter()
        self._started = self._shown = time.monotonic()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        self._started = self._shown = time.monotonic()
        if not self._quiet and sys.stderr.isatty():
            from rich.console import Console  # noqa: PLC0415  # only on a terminal
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

            text = TextColumn("{task.description}")
            self._bar = Progress(text, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=Console(stderr=True))
            self._task = self._bar.add_task(self._title, total=self._total)
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()
        elif not self._quiet:
            self._line()

    def tick(self, scores: Scores) -> None:
        """Count one text."""
        self._done += 1
        self._reasons.update(s.reason for s in list(scores.values())[:1] if s.value is None)
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done, description=self._title + self._failures())
        elif not self._quiet and time.monotonic() - self._shown > LINE_EVERY_S:
            self._line()

    def _failures(self) -> str:
        return " · no verdict: " + ", ".join(f"{n} {r}" for r, n in self._reasons.most_common()) if self._reasons else ""

    def _line(self) -> None:
        self._shown = time.monotonic()
        left = (self._total - self._done) * (self._shown - self._started) / max(1, self._done)
        ends = f" · {left:.0f} s left" if 0 < self._done < self._total else ""
        print(f"{self._title} {self._done} of {self._total}{self._failures()}{ends}", file=sys.stderr, flush=True)
