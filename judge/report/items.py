"""The responses of one or several runs -> what the browser of a report holds: a light index, and packed details.

A page with 5,000 responses and their judges' replies is some 30 MB of text. Only the index is read when the page opens; the
details stand in gzipped chunks that the browser unpacks when an item is opened, or all of them when every text is searched.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from judge.report.places import CallPlaces, Unit
from judge.report.run_tables import RunTables

CHUNK = 40  # items whose details are packed together
HEAD = 140  # characters of prompt and response in the index
MOST_TEXT = 20_000  # characters of one text that a page holds; the rest stays in the tables
_FIXED = frozenset(
    "row id group response_index reward raw_reward status reason detail flags components spread missing_votes expected entropy"
    " order_gap variance explanation judge_calls prompt_tokens completion_tokens stages prompt response".split()
)
_CALL = ("row", "turn", "order", "criteria", "vote", "seed", "raw_text", "value", "reason", "detail", "forced", "finish_reason")


@dataclass(frozen=True, slots=True)
class Pack:
    """What goes into a page.

    Attributes:
        index: One short list an item: see `FIELDS`.
        chunks: Base64 of gzipped JSON: the details of `CHUNK` items each, in the order of the index.
        left_out: Items that the page does not hold, because a page holds so many at most.
    """

    index: list[list[Any]]
    chunks: list[str]
    left_out: int


FIELDS = ("id", "response", "reward", "status", "reason", "flags", "group", "length", "prompt", "text", "other", "gap")
"""What stands in one entry of the index, in order. `other` and `gap`: the second run's reward, and how far the two are apart."""


def pack(runs: Sequence[RunTables], most: int = 5_000) -> Pack:
    """Pack the items of one run, or of several side by side: disagreements first.

    Args:
        most: Items that the page holds.
    """
    wanted = _wanted(runs, most)
    held = [_details(run, wanted) for run in runs]
    index, details = [], []
    for key in wanted:
        found = [each.get(key) for each in held]
        first = next(f for f in found if f is not None)
        index.append(_entry(first, found))
        details.append({"runs": found})
    chunks = [_packed(details[i : i + CHUNK]) for i in range(0, len(details), CHUNK)]
    return Pack(index, chunks, _count(runs) - len(index))


def item(tables: RunTables, name: str) -> list[dict[str, Any]]:
    """Everything about the responses of one sample, by its id or its position from 0; empty when there is none."""
    ids = tables.columns(["id", "row", "response_index"]).to_pylist()
    keys = [(r["id"], r["response_index"]) for r in ids if r["id"] == name]
    if not keys:
        keys = [(r["id"], r["response_index"]) for r in ids if str(r["row"]) == name]
    return list(_details(tables, dict.fromkeys(keys)).values()) if keys else []


Key = tuple[str, int]


def _count(runs: Sequence[RunTables]) -> int:
    return len(_rewards(runs[0])) if len(runs) == 1 else len({k for run in runs for k in _rewards(run)})


def _rewards(run: RunTables) -> dict[Key, float | None]:
    found = run.columns(["id", "response_index", "reward"])
    columns = (found[n].to_pylist() for n in ("id", "response_index", "reward"))
    return {(i, r): reward for i, r, reward in zip(*columns, strict=True)}


def _wanted(runs: Sequence[RunTables], most: int) -> dict[Key, None]:
    """Which items a page holds, in which order: of one run its first ones; of several those that differ most."""
    if len(runs) == 1:
        return dict.fromkeys(list(_rewards(runs[0]))[:most])
    held = [_rewards(run) for run in runs]
    keys = list(dict.fromkeys(k for each in held for k in each))
    return dict.fromkeys(sorted(keys, key=lambda k: -_gap([each.get(k) for each in held]))[:most])


def _gap(rewards: Sequence[float | None]) -> float:
    """How far apart the rewards are, in [0, 1]; a reward beside none counts as 1.5, so that it comes first."""
    there = [r for r in rewards if r is not None]
    if not there:
        return -1.0
    return 1.5 if len(there) < len(rewards) else max(there) - min(there)


def _details(run: RunTables, wanted: Mapping[Key, None]) -> dict[Key, dict[str, Any]]:
    """Everything about the wanted items of one run."""
    places = _places(run)
    units: dict[Unit, list[tuple[int, dict[str, Any]]]] = defaultdict(list)
    out: dict[Key, dict[str, Any]] = {}
    for record in _records(run):
        key = (record["id"], record["response_index"])
        if key in wanted:
            out[key] = _detail(record)
            unit, place = places.of(record["row"], record["response_index"])
            units[unit].append((place, out[key]))
    for call in run.verdicts(_CALL):
        for place, each in units.get(places.unit(call["row"]), ()):
            if place in (call["order"] or ()):
                each["calls"].append(_call(call))
    return out


def _places(run: RunTables) -> CallPlaces:
    responses = run.columns(["row", "response_index", "group", "reason"]).to_pylist()
    return CallPlaces(responses, grouped=bool((run.run.get("settings") or {}).get("group")))


def _records(run: RunTables) -> Iterator[dict[str, Any]]:
    table = run.columns([n for n in run.names if not n.startswith("criterion.")])
    for batch in table.to_batches(max_chunksize=2048):
        yield from batch.to_pylist()


def _detail(record: Mapping[str, Any]) -> dict[str, Any]:
    data = {n: _cut(v) for n, v in record.items() if n not in _FIXED and v is not None}
    return {
        **{
            n: record.get(n)
            for n in ("id", "row", "group", "response_index", "reward", "raw_reward", "status", "reason", "detail")
        },
        **{n: record.get(n) for n in ("spread", "expected", "entropy", "order_gap", "explanation", "judge_calls")},
        "tokens": (record.get("prompt_tokens") or 0) + (record.get("completion_tokens") or 0),
        "flags": [[f["name"], f["detail"]] for f in record.get("flags") or ()],
        "components": [[n, v] for n, v in record.get("components") or ()],
        "stages": [[s["step"], s["reward"]] for s in record.get("stages") or ()],
        "prompt": _cut(record.get("prompt")),
        "response": _cut(record.get("response")),
        "length": len(record.get("response") or ""),
        "data": data,
        "calls": [],
    }


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "turn": call["turn"],
        "order": call["order"],
        "criteria": call["criteria"],
        "vote": call["vote"],
        "text": _cut(call["raw_text"]),
        "value": call["value"],
        "reason": call["reason"],
        "detail": call["detail"],
        "forced": call["forced"],
        "finish": call["finish_reason"],
    }


def _cut(value: Any) -> Any:
    if not isinstance(value, str) or len(value) <= MOST_TEXT:
        return value
    return f"{value[:MOST_TEXT]}… ({len(value):,} characters; the whole text is in rewards.parquet)"


def _entry(first: Mapping[str, Any], found: Sequence[Mapping[str, Any] | None]) -> list[Any]:
    rewards = [None if f is None else f["reward"] for f in found]
    other, gap = (rewards[1], round(_gap(rewards), 6)) if len(found) > 1 else (None, None)
    return [
        first["id"], first["response_index"], rewards[0], first["status"], first["reason"], [n for n, _ in first["flags"]],
        first["group"], first["length"], _head(first["prompt"]), _head(first["response"]), other, gap,
    ]  # fmt: skip


def _head(text: str | None) -> str:
    return " ".join((text or "")[: 2 * HEAD].split())[:HEAD]


def _packed(details: Sequence[Any]) -> str:
    raw = json.dumps(details, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return base64.b64encode(gzip.compress(raw, 6, mtime=0)).decode()
