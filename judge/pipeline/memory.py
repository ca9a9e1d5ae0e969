"""The memory of a shaping chain in a file (`reward.state`), so that a run that is stopped goes on as if it had not been.

- Written after every batch, in one move: a process that dies leaves the state before or after a batch, never half of one.
- The last batch is remembered by its content with the state before it. The same batch coming again (a run folder finished anew,
  a training step repeated after a crash) is shaped as it was, and moves nothing twice.
- Processes that finish the same batches write the same bytes, so it does not matter which of them is last.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from judge.errors import OutputError, Problem, SettingsError
from judge.jsonfile import parse_json
from judge.shape import ChainState
from judge.types import Reward, Sample

_FIELDS = ("batches", "last", "before", "after")


@dataclass
class Memory:
    """What the steps of a chain want to see at the next batch. Pickles.

    Attributes:
        path: Of the file; None: kept as long as the process lives.
        state: Step -> its memory, after the last batch.
        before: The same before it.
        last: By what the last batch is known again.
        batches: How many have been taken in.
    """

    path: Path | None = None
    state: ChainState = field(default_factory=dict)
    before: ChainState = field(default_factory=dict)
    last: str = ""
    batches: int = 0

    @classmethod
    def of(cls, path: str | None, steps: Collection[str]) -> Memory:
        """Read the file, where there is one.

        Args:
            steps: Names of the chain's steps, as `judge.shape.step_names` gives them.

        Raises:
            SettingsError: It cannot be read, is no such file, or is that of another chain.
        """
        if path is None:
            return cls()
        place = Path(path)
        try:
            raw = place.read_bytes()
        except FileNotFoundError:
            return cls(place)
        except OSError as why:
            raise SettingsError(Problem(path, f"`reward.state` cannot be read: {why.strerror or why}")) from None
        found = parse_json(raw, path, SettingsError)
        if not isinstance(found, dict) or any(name not in found for name in _FIELDS):
            raise SettingsError(Problem(path, "is not the memory of a shaping chain (`reward.state`); give another path"))
        foreign = next((name for name in found["after"] if name not in steps), None)
        if foreign is not None:
            known = ", ".join(f"`{name}`" for name in steps)
            raise SettingsError(
                Problem(path, f"holds the memory of `{foreign}`, and the steps of `reward.shape` are {known}; give another path")
            )
        return cls(place, found["after"], found["before"], str(found["last"]), int(found["batches"]))

    def seen(self, digest: str) -> ChainState:
        """The state that a batch is to be shaped with."""
        return self.before if self.path is not None and digest == self.last else self.state

    def keep(self, digest: str, state: ChainState) -> None:
        """Take in the state after a batch.

        Raises:
            OutputError: The file cannot be written.
        """
        again = self.path is not None and digest == self.last
        before = self.before if again else self.state
        self.state, self.before, self.last, self.batches = state, before, digest, self.batches + (not again)
        if self.path is not None and not again:
            self._write(self.path)

    def _write(self, path: Path) -> None:
        text = json.dumps(
            {"batches": self.batches, "last": self.last, "before": self.before, "after": self.state},
            allow_nan=False,
            sort_keys=True,
        )
        beside = path.with_name(f"{path.name}.{os.getpid()}.partial")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            beside.write_text(text + "\n", encoding="utf-8")
            os.replace(beside, path)
        except OSError as why:
            raise OutputError(f"{path}: `reward.state` cannot be written: {why.strerror or why}") from None


def digest_of(samples: Sequence[Sample], rewards: Sequence[Reward], step: int) -> str:
    """By what a batch is known again: its prompts, responses, raw rewards and training step, in any order."""
    rows = ((sample, index) for sample in samples for index in range(len(sample.responses)))
    parts = sorted(
        f"{sample.prompt_text}\0{sample.texts[index]}\0{reward.raw_reward!r}"
        for (sample, index), reward in zip(rows, rewards, strict=True)
    )
    whole: Any = hashlib.blake2b(str(step).encode(), digest_size=16)
    for part in parts:
        whole.update(part.encode("utf-8", "surrogatepass") + b"\1")
    return str(whole.hexdigest())
