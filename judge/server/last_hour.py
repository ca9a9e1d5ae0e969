"""What a server judged in the last hour, for the page at `/report`: the report of `judge report`, made from memory on demand.

Bounded whatever comes: so many samples and so many characters are kept, the oldest go first, and what is older than an hour goes
when something new comes. One report is made at a time, on a thread, and is handed out again for a few seconds.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import judge as package
from judge.batch.store import Store
from judge.batch.summary import counts, reasons
from judge.batch.write import write_json, write_tables
from judge.report.run_page import run_page
from judge.report.run_tables import load_tables
from judge.types import Call, Reward, Sample, distinct_calls

KEPT_S = 3600.0
MOST_SAMPLES = 2000
MOST_CHARS = 16_000_000  # of prompts, responses and replies together: a few tens of MB with what is beside them
MOST_OF_ONE = 200_000  # characters of one sample, above which it is not kept
AGAIN_S = 5.0  # a report is handed out again for so long


@dataclass(frozen=True, slots=True)
class _Kept:
    at: float
    sample: Sample
    rewards: tuple[Reward, ...]
    chars: int


class LastHour:
    """Samples and rewards of the last hour. Safe to share between threads.

    Args:
        wanted: False: nothing is kept, because texts are switched off.
        clock: Seconds, monotonic.

    Example:
        >>> hour = LastHour()
        >>> hour.judged([Sample.of("2 + 2?", "4", id="a")], [Reward("a", 0, 1.0)])
        >>> "<title>The last hour</title>" in hour.report({"model": "m", "recipe": "pointwise"})
        True
    """

    def __init__(self, *, wanted: bool = True, clock: Callable[[], float] = time.monotonic) -> None:
        self.wanted = wanted
        self._clock = clock
        self._lock, self._making = threading.Lock(), threading.Lock()
        self._kept: deque[_Kept] = deque()
        self._chars = 0
        self._left_out = 0
        self._made: tuple[float, str] | None = None

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def chars(self) -> int:
        """Characters that are kept."""
        return self._chars

    def judged(self, samples: Sequence[Sample], rewards: Sequence[Reward]) -> None:
        """Keep judged samples, with one reward a response, in order."""
        if not self.wanted:
            return
        given = iter(rewards)
        each = [(sample, tuple(next(given) for _ in sample.responses)) for sample in samples]
        now = self._clock()
        with self._lock:
            for sample, own in each:
                chars = _chars(sample, own)
                if chars > MOST_OF_ONE:
                    self._left_out += 1
                    continue
                self._kept.append(_Kept(now, sample, _light(own), chars))
                self._chars += chars
            while self._kept and (len(self._kept) > MOST_SAMPLES or self._chars > MOST_CHARS or self._kept[0].at < now - KEPT_S):
                self._chars -= self._kept.popleft().chars

    def report(self, described: dict[str, Any]) -> str:
        """The page, made of what is kept now, or a few seconds ago.

        Args:
            described: Model, recipe and rubric, as the server's answers have them.
        """
        with self._making:
            if self._made is None or self._clock() - self._made[0] > AGAIN_S:
                page = self._page(described)
                self._made = (self._clock(), page)
            return self._made[1]

    def _page(self, described: dict[str, Any]) -> str:
        with self._lock:
            kept = [each for each in self._kept if each.at >= self._clock() - KEPT_S]
            left_out = self._left_out
        with tempfile.TemporaryDirectory() as room:
            folder = Path(room) / "last-hour"
            folder.mkdir()
            store = Store(folder / "journal.sqlite", keep=("none",))
            try:
                for row, each in enumerate(kept):
                    store.add(row, each.rewards, each.sample)
                    for call in _calls(each.rewards):
                        store.keep(call)
                store.commit()
                write_tables(store, folder)
                write_json(folder / "run.json", _record(described, kept, store, left_out))
            finally:
                store.close()
            return run_page([load_tables(folder)], title="The last hour")


def _record(described: dict[str, Any], kept: Sequence[_Kept], store: Store, left_out: int) -> dict[str, Any]:
    calls = [call for each in kept for call in distinct_calls(each.rewards) if not call.cached]
    tokens = {
        "prompt": sum(call.completion.prompt_tokens for call in calls),
        "completion": sum(call.completion.completion_tokens for call in calls),
    }
    seconds = kept[-1].at - kept[0].at if kept else 0.0
    notes = [f"{left_out:,} samples since the start were too long to be kept"] if left_out else []
    return {
        "judge": package.__version__,
        "state": "finished",
        "data": {"source": "requests of the last hour"},
        "model": described.get("model"),
        "recipe": {"name": described.get("recipe")},
        "rubric": {"name": described["rubric"]} if described.get("rubric") else None,
        "settings": {},
        "notes": notes,
        "counts": counts(store),
        "no_verdict_reasons": reasons(store),
        "seconds": {"loading": 0.0, "judging": round(seconds, 3)},
        "tokens": tokens,
        "tokens_per_s": round(sum(tokens.values()) / seconds, 1) if seconds else 0.0,
    }


def _calls(rewards: Sequence[Reward]) -> list[Call]:
    """The calls behind the rewards of one sample, each once; also those that are counted with another sample."""
    return list({id(call): call for reward in rewards for call in reward.calls}.values())


def _chars(sample: Sample, rewards: Sequence[Reward]) -> int:
    said = sum(len(c.completion.text) + len(c.completion.reasoning) + len(c.completion.error) for c in _calls(rewards))
    return len(sample.prompt_text) + sum(map(len, sample.texts)) + said


def _light(rewards: Sequence[Reward]) -> tuple[Reward, ...]:
    """Without what no report shows: requests and log-probabilities. A call that several rewards share stays one."""
    calls = {id(call): _without(call) for call in _calls(rewards)}
    return tuple(replace(reward, calls=tuple(calls[id(call)] for call in reward.calls)) for reward in rewards)


def _without(call: Call) -> Call:
    completion = replace(call.completion, logprobs=()) if call.completion.logprobs else call.completion
    return replace(call, completion=completion, request=None)
