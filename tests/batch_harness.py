"""What the batch tests share: a rubric, settings, and one run into a folder with a scripted engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from judge.batch.run import RunResult, run_batch
from judge.batch.shards import Shard
from judge.engine.scripted import ScriptedEngine
from judge.pipeline.build import plan
from judge.settings import load_settings
from judge.types import Completion, Request, Sample

RUBRIC: dict[str, Any] = {
    "name": "test",
    "criteria": [
        {"id": "right", "text": "The answer is right.", "weight": 3},
        {"id": "short", "text": "The answer is short.", "weight": 1},
    ],
}
SETTINGS: dict[str, Any] = {"rubric": RUBRIC, "recipe": "checklist", "engine": {"kind": "scripted"}}


def met(request: Request) -> str:
    """A judge that is content with everything."""
    return "Fine.\nVERDICT: MET"


def question(request: Request) -> str:
    """The whole user message of a request."""
    return next(m.content for m in request.messages if m.role == "user")


def samples(count: int, **fields: Any) -> list[Sample]:
    """Samples that differ in prompt and answer."""
    return [Sample.of(f"What is {i} + {i}?", f"It is {2 * i}.", id=f"s{i}", **fields) for i in range(count)]


def run(
    folder: Path,
    data: Iterable[Any],
    reply: Callable[[Request], str | Completion] | ScriptedEngine = met,
    *,
    model: str = "judge-model",
    base: Path | None = None,
    jsonl: bool = False,
    strict: bool = False,
    keep: Sequence[str] = ("all",),
    requests: bool = True,
    shard: Shard | None = None,
    **settings: Any,
) -> tuple[RunResult, ScriptedEngine]:
    """Run a batch; gives how it ended, and the engine with the requests it got."""
    engine = reply if isinstance(reply, ScriptedEngine) else ScriptedEngine(reply, model=model)
    loaded, _ = load_settings(SETTINGS | settings)
    result = asyncio.run(
        run_batch(
            plan(loaded, base),
            list(data),
            folder,
            engine=engine,
            quiet=True,
            jsonl=jsonl,
            strict=strict,
            keep=keep,
            requests=requests,
            shard=shard,
        )
    )
    return result, engine


def rewards(folder: Path) -> list[dict[str, Any]]:
    """Rows of rewards.parquet."""
    rows = pq.read_table(folder / "rewards.parquet").to_pylist()
    return [row | {"components": dict(row["components"])} for row in rows]


def verdicts(folder: Path) -> list[dict[str, Any]]:
    """Rows of verdicts.parquet."""
    return pq.read_table(folder / "verdicts.parquet").to_pylist()
