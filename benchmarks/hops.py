"""How many functions and files of the toolkit one sample passes through, from each entry. Run: python benchmarks/hops.py"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import httpx

from judge.adapters.trl import JudgeReward
from judge.batch.run import run_batch
from judge.engine.scripted import ScriptedEngine
from judge.pipeline.build import build_pipeline, plan
from judge.pipeline.judge import Judge
from judge.server.app import make_app
from judge.server.auth import Keys
from judge.settings import load_settings
from judge.settings.server import ServerSettings
from judge.types import Sample

CONFIG: dict[str, Any] = {"recipe": "pointwise", "rubric": "helpfulness", "engine": {"kind": "scripted"}}
HOME = str(Path(__file__).parent.parent / "judge")
Seen = set[tuple[str, str, int]]


@contextmanager
def traced() -> Iterator[Seen]:
    """Functions of the toolkit that are entered, in any thread; generator expressions are left out."""
    seen: Seen = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(HOME) and not code.co_name.startswith("<"):
            seen.add((code.co_filename, code.co_qualname, code.co_firstlineno))

    threading.setprofile_all_threads(note) if sys.version_info >= (3, 12) else threading.setprofile(note)
    sys.setprofile(note)
    try:
        yield seen
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def engine() -> ScriptedEngine:
    """A judge that is content."""
    return ScriptedEngine(lambda _: "It names the city.\nVERDICT: 5")


def sample(text: str) -> Sample:
    """One answer."""
    return Sample.of("What is the capital of France?", text, id="0")


def pipeline() -> Seen:
    """`Pipeline.judge` alone."""

    async def run() -> Seen:
        scripted = engine()
        await scripted.start()
        judging = build_pipeline(plan(load_settings(CONFIG)[0]), scripted)
        await judging.judge(sample("It is Paris."))
        with traced() as seen:
            await judging.judge(sample("It is Paris, of course."))
        return seen

    return asyncio.run(run())


def trainer() -> Seen:
    """`JudgeReward.__call__`, the second call."""
    with traced() as seen:  # from the start, since the judge's loop runs on a thread of its own
        reward = JudgeReward(CONFIG, engine=engine())
        reward(["What is the capital of France?"], ["It is Paris."])
        seen.clear()
        reward(["What is the capital of France?"], ["It is Paris, of course."])
        found = set(seen)
    reward.close()
    return found


def server() -> Seen:
    """`POST /v1/score` in process."""

    async def run() -> Seen:
        with traced() as seen, Judge.from_config(CONFIG, engine=engine()) as judge:
            app = make_app(judge, ServerSettings(), keys=Keys(()))
            async with app.router.lifespan_context(app):
                await app.state.judge.health.started.wait()
                async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
                    body = {"samples": [{"prompt": "What is the capital of France?", "response": "It is Paris."}]}
                    await client.post("/v1/score", json=body)
                    seen.clear()
                    body["samples"][0]["response"] = "It is Paris, of course."
                    await client.post("/v1/score", json=body)
                    return set(seen)

    return asyncio.run(run())


def batch() -> Seen:
    """`judge run` after `plan`: one row, tables written."""
    planned = plan(load_settings(CONFIG)[0])
    with tempfile.TemporaryDirectory() as folder, traced() as seen:
        asyncio.run(run_batch(planned, [sample("It is Paris.")], Path(folder) / "out", engine=engine(), quiet=True))
    return seen


def main() -> None:
    """Print a table."""
    entries: list[Callable[[], Seen]] = [pipeline, trainer, server, batch]
    for entry in entries:
        seen = entry()
        files = {file for file, _, _ in seen}
        print(f"{(entry.__doc__ or '').rstrip('.'):60} {len(seen):4} functions {len(files):3} files")


if __name__ == "__main__":
    main()
