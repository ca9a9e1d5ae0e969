"""A rubric for each prompt, out of a folder that `judge rubric generate` wrote: the one reader of `rubrics.jsonl`.

- A prompt is known by its text (of a chat, by roles and contents), so any data set and any trainer that sends it finds its own.
- What is held is where each rubric stands in the file, and the last ones used: 50,000 rubrics take a few megabytes.
- Of several rows with the same prompt the last kept one counts. A prompt without one has the run's rubric, if there is one.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from judge.errors import Problem, RubricError
from judge.rubric.load import rubric_from
from judge.rubric.model import Rubric, content_hash
from judge.types import Conversation, Sample

LINES = "rubrics.jsonl"
RECENT = 1024  # rubrics held ready


def prompt_key(prompt: str | Conversation) -> str:
    """The name of a prompt: a hash of its text, or of roles and contents.

    Example:
        >>> prompt_key("2+2?") == prompt_key("2+2?") != prompt_key("2+3?")
        True
    """
    return content_hash(prompt if isinstance(prompt, str) else [[m.role, m.exact] for m in prompt])


@dataclass
class PromptRubrics:
    """Rubrics by prompt. Pickles; reads the file again where it is unpickled."""

    path: Path
    _places: dict[str, tuple[int, str]] = field(default_factory=dict, repr=False)  # key -> offset of its line, and where that is
    _recent: OrderedDict[str, Rubric] = field(default_factory=OrderedDict, repr=False)

    def __len__(self) -> int:
        return len(self._places)

    def find(self, prompt: str | Conversation) -> Rubric | None:
        """The rubric written for this prompt. Raises RubricError where its line holds none."""
        key = prompt_key(prompt)
        if key not in self._places:
            return None
        known = self._recent.pop(key, None)
        rubric = known or self._read(*self._places[key])
        self._recent[key] = rubric
        if len(self._recent) > RECENT:
            self._recent.popitem(last=False)
        return rubric

    def file(self, key: str) -> Path | None:
        """The file (`kept/*.yaml`) of the rubric of a prompt, by the prompt's name; None where its line names none."""
        named = self._line(self._places[key][0]).get("file") if key in self._places else None
        return self.path.parent / str(named) if named else None

    def given(self, sample: Sample) -> Sample:
        """The sample with the rubric of its prompt, unless it brings one."""
        if sample.rubric is not None:
            return sample
        found = self.find(sample.prompt)
        return sample if found is None else replace(sample, rubric=found)

    def _read(self, offset: int, where: str) -> Rubric:
        return rubric_from(self._line(offset)["rubric"], where)

    def _line(self, offset: int) -> dict[str, Any]:
        with self.path.open("rb") as lines:
            lines.seek(offset)
            found: dict[str, Any] = json.loads(lines.readline())
            return found


def load_prompt_rubrics(name: str | Path, *, base: Path | None = None) -> PromptRubrics:
    """Look through a folder of generated rubrics, or its `rubrics.jsonl`.

    Args:
        base: Folder that a relative path is tried in before the current one.

    Raises:
        RubricError: There is no such file, a line is none of `judge rubric generate`, or no rubric was kept.
    """
    path = _found(Path(name), base)
    out = PromptRubrics(path)
    offset = 0
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                here = f"{path}:{number}"
                row = _row(line, here)
                if row["kept"] and row["rubric"] is not None:
                    out._places[row["prompt_key"]] = (offset, here)
                offset += len(line)
    except OSError as why:
        raise RubricError(Problem(str(path), f"cannot be read: {why.strerror}")) from None
    if not out._places:
        raise RubricError(Problem(str(path), "no rubric was kept; the reasons are in generate.json beside it"))
    return out


def _found(path: Path, base: Path | None) -> Path:
    for place in (base / path if base is not None else path, path):
        if place.is_file():
            return place
        if (place / LINES).is_file():
            return place / LINES
    what = f"no such file, nor a folder with {LINES}: `rubrics` names the output of `judge rubric generate`"
    raise RubricError(Problem(str(path), what))


def _row(line: bytes, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError:
        row = None
    if not isinstance(row, dict) or not {"kept", "rubric", "prompt_key"} <= row.keys():
        raise RubricError(Problem(where, "not a line of `judge rubric generate`: it needs kept, rubric and prompt_key"))
    return row
