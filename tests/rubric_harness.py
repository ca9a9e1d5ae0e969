"""What tests of rubric generators share: a run with a scripted model, and its lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from judge.cli.generate import run_generator
from judge.engine.scripted import ScriptedEngine
from judge.generators.model import load_generator
from judge.generators.run import rows_from
from judge.settings import RunSettings
from judge.types import Request, Sample

GOOD, BAD = "Water, since it has no sugar.", "There are many drinks. I like most. Who knows."


def asked(request: Request) -> str:
    return request.messages[-1].content


async def generate(method: str, output: Path, replies: Any, *samples: Sample, **options: object) -> list[dict[str, Any]]:
    engine = replies if isinstance(replies, ScriptedEngine) else ScriptedEngine(replies, repeat_last=not callable(replies))
    await run_generator(load_generator(method, options), RunSettings(), rows_from(samples), output, engine)
    return [json.loads(line) for line in (output / "rubrics.jsonl").read_text().splitlines()]


def criteria(line: dict[str, Any], *fields: str) -> list[tuple[Any, ...]]:
    return [tuple(c.get(f) for f in fields) for c in line["rubric"]["criteria"]]
