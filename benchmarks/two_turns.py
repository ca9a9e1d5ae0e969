"""Two turns a sample: the toolkit against a hand-written overlapping loop, and against a barrier between the turns.

    python benchmarks/two_turns.py [--samples 24] [--repeats 3] [--model smollm2-135m] [--json FILE]

All three send the same two requests for each sample (their token counts are compared): notes first, then a grade in the same
conversation. The hand-written loop runs both turns of a sample in one task, all tasks at once; with a barrier every first turn
is done before any second. Notes end at the first blank line, so they differ in length, as judges' notes do; notes that are cut
off are not graded by any of the three. One engine, the prefix cache emptied before each, in turn.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path

from judge import Sample
from judge.engine.vllm import VllmEngine
from judge.pipeline.build import Plan, build_pipeline, plan
from judge.pipeline.evaluate import evaluate_all
from judge.settings import load_settings
from judge.types import Completion, Message, Request, Sampling

RECIPE = """\
name: notes
summary: Notes, then a grade.
mode: pointwise
exact: true
source: {title: benchmark}
turns:
  - {name: notes, user: notes.j2, sampling: {max_tokens: NOTES, stop: ["\\n\\n"]}}
  - {name: grade, user: grade.j2, conversation: continue, sampling: {max_tokens: 24}}
verdict: {kind: score, form: line, marker: VERDICT, range: {min: 1, max: 5}}
sampling: {temperature: 0}
force: []
ask_again: []
"""
NOTES = "Question: {prompt}\nAnswer: {response}\nWrite what you notice about the answer."
GRADE = "Grade the answer from 1 to 5. Write one line of the form VERDICT: 5"
TOPICS = ("the moon", "bread", "a bicycle", "rain", "a clock", "honey", "the tide", "a volcano")


def make_plan(folder: Path, notes: int) -> Plan:
    """The recipe, as a user would write it."""
    (folder / "recipe.yaml").write_text(RECIPE.replace("NOTES", str(notes)), encoding="utf-8")
    written = NOTES.replace("{", "{{ ").replace("}", " }}")
    (folder / "notes.j2").write_text(written, encoding="utf-8")
    (folder / "grade.j2").write_text(GRADE, encoding="utf-8")
    return plan(load_settings({"recipe": str(folder), "filters": "off"})[0])


def samples(count: int) -> list[Sample]:
    """Short answers on different things."""
    return [
        Sample.of(
            f"How does {TOPICS[i % 8]} work ({i})?", f"It works in {i + 2} steps, and {TOPICS[(i + 3) % 8]} helps.", id=str(i)
        )
        for i in range(count)
    ]


def first(sample: Sample, notes: int) -> Request:
    """The first turn, written by hand."""
    text = NOTES.format(prompt=sample.prompt, response=sample.responses[0])
    return Request((Message("user", text),), Sampling(max_tokens=notes, stop=("\n\n",)))


def second(asked: Request, reply: Completion) -> Request:
    """The second turn, written by hand."""
    return Request((*asked.messages, Message("assistant", reply.text), Message("user", GRADE)), Sampling(max_tokens=24))


def count(reply: Completion) -> int:
    """Tokens of one request."""
    return reply.prompt_tokens + reply.completion_tokens


async def overlapping(engine: VllmEngine, items: list[Sample], notes: int) -> tuple[float, int]:
    """Seconds and tokens of both turns of a sample in one task."""

    async def one(sample: Sample) -> int:
        asked = first(sample, notes)
        reply = await engine.complete(asked)
        if reply.finish_reason != "stop":
            return count(reply)
        return count(reply) + count(await engine.complete(second(asked, reply)))

    began = time.perf_counter()
    tokens = await asyncio.gather(*map(one, items))
    return time.perf_counter() - began, sum(tokens)


async def barrier(engine: VllmEngine, items: list[Sample], notes: int) -> tuple[float, int]:
    """Seconds and tokens of all first turns, and then all second ones."""
    began = time.perf_counter()
    asked = [first(sample, notes) for sample in items]
    replies = await asyncio.gather(*map(engine.complete, asked))
    whole = [(a, r) for a, r in zip(asked, replies, strict=True) if r.finish_reason == "stop"]
    grades = await asyncio.gather(*(engine.complete(second(a, r)) for a, r in whole))
    return time.perf_counter() - began, sum(map(count, (*replies, *grades)))


async def toolkit(engine: VllmEngine, run: Plan, items: list[Sample]) -> tuple[float, int]:
    """Seconds and tokens of the toolkit."""
    pipeline = build_pipeline(run, engine)
    began = time.perf_counter()
    rewards = [r for each in await evaluate_all(pipeline, items, in_flight=512) for r in each]
    took = time.perf_counter() - began
    return took, sum(c.completion.prompt_tokens + c.completion.completion_tokens for r in rewards for c in r.calls)


async def main(arguments: argparse.Namespace) -> None:
    """Run the three in turn and print each round."""
    engine = VllmEngine(arguments.model, max_model_len=2048, progress=print)
    await engine.start()
    items, notes, rows = samples(arguments.samples), arguments.notes, []
    with tempfile.TemporaryDirectory() as folder:
        run = make_plan(Path(folder), notes)
        for _ in range(arguments.repeats):
            row = {}
            for name in ("toolkit", "overlapping", "barrier"):
                await (await engine._ready())[1].reset_prefix_cache()
                work = toolkit(engine, run, items) if name == "toolkit" else globals()[name](engine, items, notes)
                seconds, tokens = await work
                row |= {f"{name}_s": round(seconds, 2), f"{name}_tokens": tokens}
            row |= {
                "over_hand_written": round(row["toolkit_s"] / row["overlapping_s"], 3),
                "faster_than_barrier": round(row["barrier_s"] / row["toolkit_s"], 3),
            }
            rows.append(row)
            print(json.dumps(row), flush=True)
    await engine.close()
    for name in ("over_hand_written", "faster_than_barrier"):
        print(f"median {name}: {statistics.median(row[name] for row in rows):.3f}")
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as out:  # noqa: ASYNC230  # nothing else runs
            json.dump(rows, out, indent=2)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--samples", type=int, default=24)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--notes", type=int, default=160, help="Most tokens of the notes.")
    parser.add_argument("--json")
    asyncio.run(main(parser.parse_args()))
