"""What a person sees while a run goes on: a live display on a terminal, one plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Self, TextIO

from judge.engine.protocol import outage_of
from judge.types import Reward, distinct_calls

LINE_EVERY_S = 10.0
MARKS = 256  # points in time of which the rate is taken
LEAST_TO_TELL = 10  # items below which a span of time tells no rate


class ProgressLine:
    """Counts what comes in and shows it on standard error.

    `total` is the number of samples, or None when it is not known beforehand; `title` stands before each line.

    The time left is told from what was asked anew (a run that goes on begins with what its journal knows, in no time), and from
    the last two thirds of the time (an engine that warms up is slow at first).
    """

    def __init__(
        self,
        total: int | None,
        stream: TextIO | None = None,
        *,
        quiet: bool = False,
        title: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total = total
        self._clock = clock
        self._marks: list[tuple[float, int]] = []  # (seconds, samples asked anew), the oldest first
        self._fresh = 0
        self._title = title
        self.samples = 0
        self.responses = 0
        self.judged = 0
        self.calls = 0
        self.cached_calls = 0
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.failures: Counter[str] = Counter()
        self.started = clock()
        self._stream = stream or sys.stderr
        self._quiet = quiet
        self._shown = self.started
        self._bar: _Bar | None = None
        self._down = ""
        self.engines: Sequence[object] = ()

    def __enter__(self) -> Self:
        self.started = self._shown = self._clock()  # loading a model is no judging
        if not self._quiet and self._stream.isatty():
            self._bar = _Bar(self.total)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()
        elif not self._quiet and self.samples:
            self._line()

    def add(self, rewards: tuple[Reward, ...]) -> None:
        """Count one finished sample."""
        failures = [str(reward.failure.reason) for reward in rewards if reward.failure is not None]
        self.responses += len(rewards)
        self.judged += len(rewards) - len(failures)
        for call in distinct_calls(rewards):
            if call.cached:
                self.cached_calls += 1
                continue
            self.calls += 1
            self.prompt_tokens += call.completion.prompt_tokens
            self.completion_tokens += call.completion.completion_tokens
        calls = [call for reward in rewards for call in reward.calls]
        self.count(failures, fresh=not calls or not all(call.cached for call in calls))

    def count(self, failures: Iterable[str] = (), *, fresh: bool = True) -> None:
        """Count one finished item, and the reasons of what has no verdict in it; show it when it is time.

        Args:
            fresh: Something was asked for it: it tells how long the others take.
        """
        self.samples += 1
        self._fresh += fresh
        self._mark()
        if failures:  # of most items there are none, and `update` takes its time
            self.failures.update(failures)
        if self._quiet:
            return
        if self._bar is not None:
            self._bar.update(self.samples, self._title + self.text())
        elif self._clock() - self._shown > LINE_EVERY_S:
            self._line()

    def tick(self) -> None:
        """Show that an engine is down, and that it works again: at once, and then now and again."""
        outage = next(filter(None, map(outage_of, self.engines)), None)
        down = outage.address if outage is not None else ""
        news = down != self._down
        self._down = down
        if self._quiet or not (news or down):
            return
        if self._bar is not None:
            self._bar.update(self.samples, self.text())
        elif news or self._clock() - self._shown > LINE_EVERY_S:
            self._line()

    @property
    def seconds(self) -> float:
        """Seconds since the run began to judge."""
        return self._clock() - self.started

    @property
    def seconds_left(self) -> float | None:
        """How long the rest will take; None where the total is not known, or nothing is done yet."""
        if not self.total or not self.samples or self.samples >= self.total:
            return None
        now, done = self.seconds, self._fresh or self.samples
        begin, before = next(((t, n) for t, n in reversed(self._marks) if t <= now / 3 and done - n >= LEAST_TO_TELL), (0.0, 0))
        return (self.total - self.samples) * (now - begin) / (done - before)

    def _mark(self) -> None:
        if len(self._marks) >= MARKS:
            self._marks = self._marks[::2]
        now = self.seconds
        if not self._marks or now - self._marks[-1][0] >= now / MARKS:
            self._marks.append((now, self._fresh))
        else:
            self._marks[-1] = (self._marks[-1][0], self._fresh)

    def text(self) -> str:
        """Rate, tokens and failures, in a few words."""
        seconds = max(self.seconds, 1e-6)
        parts = [f"{self.samples / seconds:.1f} items/s"]
        if self.responses:
            parts.append(f"{(self.prompt_tokens + self.completion_tokens) / seconds:,.0f} tokens/s")
        if self.failures:
            parts.append("no verdict: " + ", ".join(f"{n} {reason}" for reason, n in self.failures.most_common()))
        for outage in filter(None, map(outage_of, self.engines)):
            parts.append(f"ENGINE DOWN: {outage.address} {outage.what}, waiting ({outage.left()})")
        return " · ".join(parts)

    def _line(self) -> None:
        self._shown = self._clock()
        of = f" of {self.total}" if self.total is not None else ""
        left = "" if self.seconds_left is None else f" · {self.seconds_left:.0f} s left"
        print(f"{self._title}judged {self.samples}{of} · {self.text()}{left}", file=self._stream, flush=True)


class _Bar:
    """The live display."""

    def __init__(self, total: int | None) -> None:
        from rich.console import Console  # noqa: PLC0415  # only on a terminal
        from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415
        from rich.progress import Progress as Rich  # noqa: PLC0415

        columns = (SpinnerColumn(), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
        self._progress = Rich(*columns, console=Console(stderr=True), refresh_per_second=4)
        self._task = self._progress.add_task("starting", total=total)
        self._progress.start()

    def update(self, done: int, text: str) -> None:
        """Show the new state."""
        self._progress.update(self._task, completed=done, description=text)

    def stop(self) -> None:
        """Leave the last state on the screen."""
        self._progress.stop()
