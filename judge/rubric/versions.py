"""The versions of one rubric in a folder: `v0001.yaml`, `v0002.yaml`, and `versions.jsonl`, which says why each was made.

A version is never changed once it is there, so its path is the frozen rubric for an evaluation. The newest one is looked for anew
whenever it is asked for, so that a folder can be followed while somebody else writes into it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from judge.errors import OutputError, Problem, RubricError, did_you_mean
from judge.rubric.load import load_rubric
from judge.rubric.model import Rubric
from judge.rubric.show import rubric_yaml

FILE = "versions.jsonl"
_NAME = re.compile(r"v(\d{4,9})\.yaml")


class VersionFolder:
    """One folder of versions. Pickles.

    Args:
        path: Need not be there yet.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._read: tuple[str, Rubric] | None = None

    def names(self) -> list[str]:
        """Names of all versions, oldest first: `v0001`, `v0002`..."""
        try:
            found = [entry.name for entry in os.scandir(self.path) if _NAME.fullmatch(entry.name)]
        except OSError:
            return []
        return [name.removesuffix(".yaml") for name in sorted(found, key=lambda name: int(name[1:-5]))]

    def newest(self, names: Sequence[str] | None = None) -> tuple[str, Rubric]:
        """Name and rubric of the newest version; read once.

        Args:
            names: As `names`, where they have just been looked for.

        Raises:
            RubricError: There is none, or it is wrong.
        """
        names = self.names() if names is None else names
        if not names:
            raise RubricError(Problem(str(self.path), "the folder holds no version (v0001.yaml) of a rubric"))
        if self._read is None or self._read[0] != names[-1]:
            self._read = (names[-1], self.load(names[-1]))
        return self._read

    def load(self, name: str) -> Rubric:
        """One version by name. Raises RubricError."""
        known = self.names()
        if name not in known:
            near = did_you_mean(name, known) or f"; versions: {', '.join(known[-10:]) or 'none'}"
            raise RubricError(f"no version `{name}` in {self.path}{near}")
        return load_rubric(self.path / f"{name}.yaml")

    def added(self) -> list[str]:
        """Texts of all criteria that versions added, as `versions.jsonl` holds them; what cannot be read is passed over."""
        out: list[str] = []
        with suppress(OSError):
            for line in (self.path / FILE).read_text(encoding="utf-8", errors="replace").splitlines():
                with suppress(ValueError, KeyError, TypeError):
                    out += [str(each["text"]) for each in json.loads(line)["added"]]
        return list(dict.fromkeys(out))

    def add(self, rubric: Rubric, why: Mapping[str, Any]) -> str:
        """Write the next version, whole or not at all, with a line on why; gives its name. Raises OutputError."""
        names = self.names()
        name = f"v{int(names[-1][1:]) + 1 if names else 1:04d}"
        made = rubric.changed(version=name)
        line = {"version": name, "hash": made.hash, "criteria": [c.id for c in rubric.criteria], **why}
        target, draft = self.path / f"{name}.yaml", self.path / f".{name}.{os.getpid()}"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            draft.write_text(rubric_yaml(made), encoding="utf-8")
            draft.replace(target)
            with (self.path / FILE).open("a", encoding="utf-8") as out:
                out.write(json.dumps(line, ensure_ascii=False) + "\n")
        except OSError as why_not:
            raise OutputError(f"{target}: cannot be written: {why_not.strerror}") from None
        self._read = (name, made)
        return name
