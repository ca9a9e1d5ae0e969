"""Shards of a run -> one run folder, as if one machine had judged all rows.

- The journals are put together, and the tables written from them as at the end of any run: there is one way to write tables.
- Nothing is merged that would leave a gap: other settings, other data, a shard that is missing or not finished, a row that is
  twice there or not at all are errors that name the folder.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judge.batch.folder import differences, fail, locked
from judge.batch.metrics import table_metrics
from judge.batch.requests import FILE as REQUESTS
from judge.batch.run import RunResult, closing_text
from judge.batch.shards import Shard, shard_of
from judge.batch.store import Store
from judge.batch.write import JOURNAL, write_json, write_tables
from judge.errors import DataError, InputError, JudgeError, OutputError, Problem
from judge.jsonfile import parse_json
from judge.tables import run_state

NOTHING = "nothing was merged"
_NEEDED = {
    "shard": ("index", "count", "by", "rows"),
    "tokens": ("prompt", "completion"),
    "seconds": ("loading", "judging"),
    "data": ("map",),
}


@dataclass(frozen=True)
class RunPart:
    """A run folder that holds a shard, and its `run.json`."""

    folder: Path
    run: dict[str, Any]
    shard: Shard

    @property
    def rows(self) -> int:
        """Rows of the whole data set, as this shard has read it."""
        rows: int = self.run["shard"]["rows"]
        return rows

    @property
    def keep(self) -> str | None:
        """Its `--keep`, as it is written; None where its version did not write that down."""
        kept: list[str] | None = self.run["shard"].get("keep")
        return None if kept is None else ",".join(kept) or "the label"

    def plain(self) -> dict[str, Any]:
        """As the `run.json` of the merged folder has it."""
        kept = ("judge", "python", "packages", "engine", "seconds", "tokens", "cost", "counts", "monitor")
        return {"folder": str(self.folder), "shard": self.shard.plain(), **{k: self.run[k] for k in kept if k in self.run}}


def merge_runs(
    runs: Iterable[Path],
    output: Path,
    *,
    jsonl: bool = False,
    overwrite: bool = False,
    notice: Callable[[str], None] = lambda _: None,
) -> RunResult:
    """Put the shards of a run together.

    Args:
        runs: Folders of `judge run --shard`, all N of them, in any order.
        output: The run folder to write; made when it is not there.
        jsonl: Write rewards.jsonl as well.
        overwrite: Replace the results of another run in `output`.

    Raises:
        DataError: A folder is no finished shard, or the shards are not those of one run.
        InputError: `output` is one of the shards, or holds the results of another run.
        OutputError: Results cannot be written.
    """
    parts = sorted((read_part(folder) for folder in runs), key=lambda part: part.shard.index)
    _check_set(parts)
    if any(part.folder.resolve() == output.resolve() for part in parts):
        raise _wrong(output, "is one of the shards; name another folder for the merged run")
    own = {name: value for name, value in parts[0].run.items() if name not in ("shard", "monitor", "cost")}
    with locked(output, NOTHING):
        _check_output(output, own, overwrite=overwrite)
        requests = all((part.folder / REQUESTS).is_file() for part in parts)
        store = Store(output / JOURNAL, keep=("none",), requests=requests)
        try:
            write_json(output / "run.json", own | {"state": "running"}, "what is in this folder is as it was")
            lacking = [str(part.folder) for part in parts if not (part.folder / REQUESTS).is_file()]
            if 0 < len(lacking) < len(parts):
                notice(f"{', '.join(lacking)}: no {REQUESTS} there, so the merged run has none (`judge call` needs it)")
            for part in parts:
                notice(f"merging {part.folder}: {part.shard}")
                store.absorb(part.folder / JOURNAL)
                if requests:
                    store.requests.absorb(part.folder)
            _check_rows(store, parts)
            run = _merged(own, parts) | table_metrics(store, parts[0].run["shard"])
            write_tables(store, output, jsonl=jsonl)
            write_json(output / "run.json", run)
            return RunResult(output, run, closing_text(store, run, output), interrupted=False)
        except JudgeError as why:
            if NOTHING not in getattr(why, "__notes__", ()):
                why.add_note(NOTHING)
            with contextlib.suppress(OutputError):  # the error on its way says more
                fail(output, {name: value for name, value in own.items() if name != "state"}, why)
            raise
        finally:
            store.close()


def read_part(folder: Path) -> RunPart:
    """A folder of `judge run --shard` that came to its end.

    Raises:
        DataError: It is none.
    """
    path = folder / "run.json"
    if not path.is_file():
        raise _bad(folder, "no run.json here: not a folder of `judge run`, or its run has not begun")
    run = parse_json(path.read_bytes(), str(path), DataError, halves=True)
    if not isinstance(run, dict) or not isinstance(run.get("shard"), dict):
        raise _bad(folder, "holds a run over a whole data set, and no shard of one; write shards with `judge run --shard I/N`")
    if run.get("state") != "finished":
        raise _bad(folder, f"is in the state `{run_state(folder, run)}`; run its command again until it is finished")
    if missing := list(_missing(run)):
        what = f"its run.json lacks {', '.join(missing)}; run its command again, which asks for nothing twice, and writes them"
        raise _bad(folder, what)
    shard = shard_of(run)
    assert shard is not None  # noqa: S101  # it is a mapping
    if not (folder / JOURNAL).is_file():
        raise _bad(folder, f"no {JOURNAL} here; copy the whole run folder, it is what is merged")
    return RunPart(folder, run, shard)


def _missing(run: Mapping[str, Any]) -> Iterator[str]:
    """The figures of a finished shard that its `run.json` does not have."""
    for name, needed in _NEEDED.items():
        told = run.get(name)
        yield from (f"`{name}.{key}`" for key in needed if not isinstance(told, dict) or told.get(key) is None)


def _check_set(parts: Sequence[RunPart]) -> None:
    """Refuse shards that are not the whole of one run."""
    if not parts:
        raise _wrong("", "no shard is named")
    first, seen = parts[0], dict[int, Path]()
    for part in parts:
        if (part.shard.count, part.shard.by) != (first.shard.count, first.shard.by):
            raise _bad(part.folder, f"holds {part.shard}, and {first.folder} holds {first.shard}: not of one run")
        if part.shard.index in seen:
            raise _bad(part.folder, f"holds {part.shard}, and so does {seen[part.shard.index]}")
        seen[part.shard.index] = part.folder
        if found := list(_unlike(first.run, part.run)):
            lines = "\n".join(f"  {line}" for line in found[:6])
            raise _bad(part.folder, f"is of another run than {first.folder}. What differs:\n{lines}")
        told = next((each for each in parts if each.keep is not None), part)
        if part.keep is not None and part.keep != told.keep:
            kept = f"keeps other columns of the data ({part.keep}) than {told.folder} ({told.keep})"
            raise _bad(part.folder, f"{kept}; run its command again with the same --keep: it asks for nothing twice")
        if part.rows != first.rows:
            raise _bad(part.folder, f"has read {part.rows:,} rows of the data, and {first.folder} {first.rows:,}")
    if missing := sorted(set(range(first.shard.count)) - seen.keys()):
        named = ", ".join(map(str, missing[:12])) + (" ..." if len(missing) > 12 else "")
        raise _wrong("", f"{len(missing)} of the {first.shard.count} shards are missing: {named}")


def _unlike(one: dict[str, Any], other: dict[str, Any]) -> Iterator[str]:
    """What sets two shards apart."""
    if one.get("model") != other.get("model"):
        yield f"model: {one.get('model')} there, {other.get('model')} now"
    yield from _apart(one, other)


def _apart(one: dict[str, Any], other: dict[str, Any]) -> Iterator[str]:
    """What sets two runs apart; where their data have the same content it does not matter where they lie."""
    data = one.get("data") or {}
    moved = data.get("sha256") is not None and data["sha256"] == other["data"].get("sha256")
    alike = {"shard": one.get("shard"), **({"data": data | {"map": other["data"]["map"]}} if moved else {})}
    yield from differences(one, other | alike)


def _check_output(output: Path, own: dict[str, Any], *, overwrite: bool) -> None:
    path = output / "run.json"
    if overwrite or not path.is_file():
        return
    old = parse_json(path.read_bytes(), str(path), DataError, halves=True)
    if not isinstance(old, dict) or old.get("shard") or any(_apart(old, own)):
        raise _wrong(output, "holds the results of another run; name another folder, or replace them with --overwrite")


def _check_rows(store: Store, parts: Sequence[RunPart]) -> None:
    """Each row once: none twice, none missing."""
    twice = store.query("SELECT row, response_index FROM rewards GROUP BY 1, 2 HAVING COUNT(*) > 1 ORDER BY 1 LIMIT 1")
    if twice:
        raise _wrong("", f"row {twice[0][0]} of the data (counted from 0) is in two shards")
    rows, last = store.query("SELECT COUNT(DISTINCT row), MAX(row) FROM rewards")[0]
    total = parts[0].rows
    if (rows, last) != (total, total - 1 if total else None):
        raise _wrong("", f"the shards hold {rows:,} of the {total:,} rows of the data")


def _merged(own: dict[str, Any], parts: Sequence[RunPart]) -> dict[str, Any]:
    """`run.json` of the whole: machines worked beside each other, so the longest shard is the time it took."""
    tokens = {kind: sum(part.run["tokens"][kind] for part in parts) for kind in ("prompt", "completion")}
    seconds = {what: max(part.run["seconds"][what] for part in parts) for what in ("loading", "judging")}
    rate = sum(tokens.values()) / seconds["judging"] if seconds["judging"] else 0.0
    notes = dict.fromkeys(note for part in parts for note in part.run.get("notes", ()))
    shaping = dict.fromkeys(note for part in parts for note in part.run.get("shaping", ()))
    return own | {
        "state": "finished",
        "tokens": tokens,
        "seconds": seconds,
        "tokens_per_s": round(rate, 1),
        **_cost([part.run.get("cost") for part in parts]),
        "notes": list(notes),
        "shaping": list(shaping),
        "parents": [part.plain() for part in parts],
    }


def _cost(costs: Sequence[Mapping[str, Any] | None]) -> dict[str, Any]:
    """What all shards cost together; no dollars where one has no price, and nothing where one was run without a meter.

    Example:
        >>> tokens = {"prompt": 5, "completion": 1, "cached": 0}
        >>> _cost([{"calls": 2, "tokens": tokens, "usd": 0.5}, {"calls": 1, "tokens": tokens, "usd": None}])
        {'cost': {'calls': 3, 'tokens': {'prompt': 10, 'completion': 2, 'cached': 0}, 'usd': None}}
        >>> _cost([{"calls": 2, "tokens": tokens, "usd": 0.5, "estimated_calls": 2}] * 2)["cost"]["estimated_calls"]
        4
    """
    known = [cost for cost in costs if cost is not None]
    if not known or len(known) < len(costs):
        return {}
    before = [cost["before"] for cost in known if "before" in cost]
    as_of = sorted(cost["prices_as_of"] for cost in known if "prices_as_of" in cost)
    total = _added(known) | ({"before": _added(before)} if before else {})
    return {"cost": total | ({"prices_as_of": as_of[0]} if as_of else {})}


def _added(costs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    dollars = [cost["usd"] for cost in costs if cost["usd"] is not None]
    return {
        "calls": sum(cost["calls"] for cost in costs),
        "tokens": {kind: sum(cost["tokens"][kind] for cost in costs) for kind in ("prompt", "completion", "cached")},
        "usd": round(math.fsum(dollars), 6) if len(dollars) == len(costs) else None,
        **{name: n for name in ("estimated_calls", "cancelled_calls") if (n := sum(cost.get(name, 0) for cost in costs))},
    }


def _bad(folder: Path, what: str) -> DataError:
    why = DataError(Problem(str(folder), what))
    why.add_note(NOTHING)
    return why


def _wrong(where: Path | str, what: str) -> InputError:
    why = InputError(Problem(str(where), what))
    why.add_note(NOTHING)
    return why
