"""The run folder over its life: whose results it holds, and in which state.

- `run.json` says `running` from the first call until the tables are replaced, so that a run that is killed never leaves
  `finished` beside the rows of another one. Readers see by the lock that it is not on its way (`judge.tables.run_state`).
- Results of another configuration, or of other data, are not replaced unless the user says so; the message names what differs.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from judge.batch.describe import DataSource, method, source_record
from judge.batch.shards import Shard, shard_of
from judge.batch.write import clear_parts, write_json
from judge.errors import InputError, OutputError, Problem
from judge.pipeline.build import Plan
from judge.settings import settings_dict
from judge.tables import LOCK

TABLE = "rewards.parquet"
MOST_DIFFERENCES = 6  # named in the message
_TRIES, _READER_S = 6, 0.05
_NO_MATTER = frozenset(  # settings that decide how fast and how stubbornly is asked, and not what comes of it
    {"max_in_flight", "server", "engine_down", "rubric", "recipe", "track", "budget", "prices"}
    | {f"track.{name}" for name in ("to", "project", "name")}
    | {f"engine.{name}" for name in ("base_url", "transport", "api_key_env", "concurrency", "deadline_s", "patience_s")}
    | {f"engine.{name}" for name in ("max_retries", "headers", "check_model", "max_num_seqs", "gpu_memory_utilization", "price")}
    | {f"engine.{name}" for name in ("cpu_kv_cache_gib", "max_batch_size", "requests_per_minute", "tokens_per_minute")}
)


def identity(plan: Plan, data: str | DataSource, shard: Shard | None = None) -> dict[str, Any]:
    """What makes a run this run, known before an engine is."""
    own = {"data": source_record(data), **method(plan), "settings": settings_dict(plan.settings)}
    return own if shard is None else own | {"shard": shard.plain()}


def check_folder(folder: Path, own: Mapping[str, Any]) -> None:
    """Refuse a folder that holds the results of another run.

    Raises:
        InputError: It does; the message names what differs.
    """
    path = folder / "run.json"
    if not (folder / TABLE).exists() or not path.exists():
        return
    try:
        old = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as why:
        raise InputError(Problem(str(path), f"cannot be read ({why}); --overwrite replaces the results in this folder")) from None
    found = list(differences(old, own))
    if found:
        more = [f"and {len(found) - MOST_DIFFERENCES} more"] if len(found) > MOST_DIFFERENCES else []
        raise InputError(
            Problem(
                str(folder),
                "holds the results of another run. What differs:\n"
                + "\n".join(f"  {line}" for line in [*found[:MOST_DIFFERENCES], *more])
                + "\nChoose another --output, or replace these results with --overwrite (equal judge calls are reused)",
            )
        )


def begin(folder: Path, own: Mapping[str, Any], notice: Callable[[str], None] = lambda _: None) -> None:
    """Say that a run is on its way: whatever tables are there are not its results, and parts of tables are taken away."""
    left = "what is in this folder is as it was: make room and run the same command again"
    write_json(folder / "run.json", {"state": "running", **own}, left)
    if count := clear_parts(folder):
        notice(
            f"{count:,} part{'s' if count > 1 else ''} of the tables of a start that did not end: written anew from the journal"
        )


def fail(folder: Path, own: Mapping[str, Any], why: BaseException) -> None:
    """Say that a run ended in an error and wrote no tables."""
    write_json(folder / "run.json", {"state": "failed", "error": str(why), **own})


@contextlib.contextmanager
def locked(folder: Path, note: str = "nothing was judged") -> Iterator[None]:
    """The run folder, made and held by this process alone.

    The folder itself is locked, so nobody gets in by deleting a lock file; and a file in it, where only files can be locked.

    Args:
        note: What an error says of the work that did not begin.

    Raises:
        OutputError: The folder cannot be written to, or another process writes there.
    """
    handles: list[int] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handles.append(os.open(folder, os.O_RDONLY | os.O_DIRECTORY))
        handles.append(os.open(folder / LOCK, os.O_CREAT | os.O_RDWR, 0o644))
    except FileExistsError:
        raise OutputError(f"{folder}: is a file; --output names a folder\n{note}") from None
    except OSError as why:
        for handle in handles:
            os.close(handle)
        raise OutputError(f"{folder}: cannot be written to: {why.strerror}\n{note}") from None
    try:
        for handle in handles:
            _lock(handle, folder, note)
        yield
    finally:
        for handle in handles:
            os.close(handle)


def _lock(handle: int, folder: Path, note: str) -> None:
    for left in reversed(range(_TRIES)):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if left:  # a reader that looks whether a run goes on (`run_state`) has it for microseconds
                time.sleep(_READER_S)
                continue
            busy = "another run is writing here; choose another --output or wait for it"
            raise OutputError(f"{folder}: {busy}\n{note}") from None
        except OSError:  # a network file system that locks no folders, or nothing at all
            return
        return


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """What sets two runs apart, a line each; settings that only decide how fast is asked do not count."""
    before, now = old.get("data") or {}, new["data"]
    for name in ("source", "split", "map"):
        if name in before and before[name] != now[name]:
            yield f"data, {name}: {_short(before[name])} there, {_short(now[name])} now"
    if before.get("source") == now["source"] and before.get("sha256") not in (None, now["sha256"]):
        yield f"data: the content of {now['source']} has changed since"
    was, is_ = shard_of(old), shard_of(new)
    if was != is_:
        yield f"shard: {was or 'the whole data set'} there, {is_ or 'the whole data set'} now"
    yield from method_differences(old, new)


def method_differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """What sets the judges of two runs apart: recipe, rubric and settings."""
    for name in ("recipe", "rubric"):
        was, is_ = old.get(name) or {}, new[name] or {}
        if name in old and was != is_:
            names = was.get("name"), is_.get("name")
            yield f"{name}: " + (f"{names[0]} there, {names[1]} now" if names[0] != names[1] else f"{names[0]} has changed since")
    yield from _settings(old.get("settings") or {}, new["settings"])


def _settings(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name in old.keys() & new.keys():
        path = f"{prefix}{name}"
        if path in _NO_MATTER or old[name] == new[name]:
            continue
        if isinstance(old[name], dict) and isinstance(new[name], dict):
            yield from _settings(old[name], new[name], f"{path}.")
        else:
            yield f"settings, {path}: {_short(old[name])} there, {_short(new[name])} now"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "..."
