"""The tables of a run folder as files: one file once the run has ended, finished parts in a folder of its name while it goes;
and whether it goes."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_TRIES = 5
LOCK = ".lock"


def table_files(folder: Path, name: str) -> list[Path]:
    """The files that hold a table, in the order of the data; none where there is no such table yet.

    Parts are taken away when a run ends, so where there are some, they are what is judged so far, and a whole file beside them
    is of an earlier run.

    Args:
        name: `rewards` or `verdicts`.
    """
    whole = folder / f"{name}.parquet"
    return sorted((folder / name).glob("part-*.parquet")) or ([whole] if whole.is_file() else [])


def run_state(folder: Path, run: Mapping[str, Any]) -> str:
    """The state of a run: `interrupted` where its `run.json` says `running` and no process holds the folder any more.

    A run that is killed, or stopped by a second Ctrl-C, writes no state. Where files cannot be locked, `run.json` is believed.

    Args:
        run: Contents of its `run.json`.
    """
    if run.get("state") != "running" or _is_held(folder):
        return str(run.get("state", ""))
    with contextlib.suppress(OSError, ValueError):  # it may have ended since: the last word is written under the lock
        run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    return "interrupted" if run.get("state") == "running" else str(run.get("state", ""))


def _is_held(folder: Path) -> bool:
    """Whether a process works in the folder, as `judge.batch.folder.locked` says it."""
    for path in (folder, folder / LOCK):
        try:
            handle = os.open(path, os.O_RDONLY)
        except OSError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:  # held, or a file system that does not tell
            return True
        finally:
            os.close(handle)
    return False


def open_tables(folder: Path) -> dict[str, list[Any]]:
    """Both tables of a run as open files, as far as both go: what is written or taken away while they are read changes nothing.

    Returns:
        `rewards` and `verdicts` -> files, each to be read as often as wanted.

    Raises:
        OSError: There is none.
    """
    import pyarrow as pa  # noqa: PLC0415  # 100 ms

    for tries in range(_TRIES):
        listed = {name: {path.name: path for path in table_files(folder, name)} for name in ("rewards", "verdicts")}
        both = listed["rewards"].keys() & listed["verdicts"].keys()  # of a whole run none: each file has the name of its table
        parts = any(name.startswith("part-") for name in listed["rewards"])
        if parts and (listed["verdicts"] or tries < _TRIES - 1):
            listed = {table: {name: path for name, path in files.items() if name in both} for table, files in listed.items()}
        try:
            if not listed["rewards"]:
                raise FileNotFoundError("no rewards.parquet")
            return {table: [pa.OSFile(str(path)) for path in files.values()] for table, files in listed.items()}
        except FileNotFoundError:  # the first part is about to be there, or the run has just ended and its parts are one file
            if tries == _TRIES - 1:
                raise
            time.sleep(0.05)
    return {}
