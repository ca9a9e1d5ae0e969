"""Two turns a sample: the toolkit against a hand-written overlapping loop, and against a barrier between the turns.

    python benchmarks/two_turns.py [--samples 24] [--repeats 3] [--notes 160] [--grade 24] [--dtype float32] [--json FILE]

All three send the same two requests for each sample (their token counts are compared): notes first, then a grade in the same
conversation. The hand-written loop runs both turns of a sample in one task, all tasks at once; with a barrier every first turn
is done before any second. Notes end at the first blank line, so they differ in length, as judges' notes do; notes that are cut
off are not graded by any of the three. `--grade` above 24 asks for a paragraph before the grade, which ends at a blank line too.
One engine, the prefix cache emptied before each, in turn.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from dataclasses import dataclass
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
  - {name: grade, user: grade.j2, conversation: continue, sampling: {max_tokens: GRADING, stop: ["\\n\\n"]}}
verdict: {kind: score, form: line, marker: VERDICT, range: {min: 1, max: 5}}
sampling: {temperature: 0}
force: []
ask_again: []
"""
NOTES = "Question: {prompt}\nAnswer: {response}\nWrite what you notice about the answer."
GRADE = "Grade the answer from 1 to 5. Write one line of the form VERDICT: 5"
REASONED = "Say in a paragraph how well the answer does, in the light of your notes, and end it with a grade: VERDICT: 5"
TOPICS = ("the moon", "bread", "a bicycle", "rain", "a clock", "honey", "the tide", "a volcano")


@dataclass(frozen=True)
class Turns:
    """Most tokens of each turn."""

    notes: int
    grade: int

    @property
    def asks(self) -> str:
        """What the second turn asks for."""
        return GRADE if self.grade <= 24 else REASONED


def make_plan(folder: Path, turns: Turns) -> Plan:
    """The recipe, as a user would write it."""
    text = RECIPE.replace("NOTES", str(turns.notes)).replace("GRADING", str(turns.grade))
    (folder / "recipe.yaml").write_text(text, encoding="utf-8")
    written = NOTES.replace("{", "{{ ").replace("}", " }}")
    (folder / "notes.j2").write_text(written, encoding="utf-8")
    (folder / "grade.j2").write_text(turns.asks, encoding="utf-8")
    return plan(load_settings({"recipe": str(folder), "filters": "off"})[0])


def samples(count: int) -> list[Sample]:
    """Short answers on different things."""
    return [
        Sample.of(
            f"How does {TOPICS[i % 8]} work ({i})?", f"It works in {i + 2} steps, and {TOPICS[(i + 3) % 8]} helps.", id=str(i)
        )
        for i in range(count)
    ]


def first(sample: Sample, turns: Turns) -> Request:
    """The first turn, written by hand."""
    text = NOTES.format(prompt=sample.prompt, response=sample.responses[0])
    return Request((Message("user", text),), Sampling(max_tokens=turns.notes, stop=("\n\n",)))


def second(asked: Request, reply: Completion, turns: Turns) -> Request:
    """The second turn, written by hand."""
    messages = (*asked.messages, Message("assistant", reply.text), Message("user", turns.asks))
    return Request(messages, Sampling(max_tokens=turns.grade, stop=("\n\n",)))


def count(reply: Completion) -> int:
    """Tokens of one request."""
    return reply.prompt_tokens + reply.completion_tokens


async def overlapping(engine: VllmEngine, items: list[Sample], turns: Turns) -> tuple[float, int]:
    """Seconds and tokens of both turns of a sample in one task."""

    async def one(sample: Sample) -> int:
        asked = first(sample, turns)
        reply = await engine.complete(asked)
        if reply.finish_reason != "stop":
            return count(reply)
        return count(reply) + count(await engine.complete(second(asked, reply, turns)))

    began = time.perf_counter()
    tokens = await asyncio.gather(*map(one, items))
    return time.perf_counter() - began, sum(tokens)


async def barrier(engine: VllmEngine, items: list[Sample], turns: Turns) -> tuple[float, int]:
    """Seconds and tokens of all first turns, and then all second ones."""
    began = time.perf_counter()
    asked = [first(sample, turns) for sample in items]
    replies = await asyncio.gather(*map(engine.complete, asked))
    whole = [(a, r) for a, r in zip(asked, replies, strict=True) if r.finish_reason == "stop"]
    grades = await asyncio.gather(*(engine.complete(second(a, r, turns)) for a, r in whole))
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
    engine = VllmEngine(arguments.model, max_model_len=2048, dtype=arguments.dtype, progress=print)
    await engine.start()
    items, turns, rows = samples(arguments.samples), Turns(arguments.notes, arguments.grade), []
    with tempfile.TemporaryDirectory() as folder:
        run = make_plan(Path(folder), turns)
        for _ in range(arguments.repeats):
            row = {}
            for name in ("toolkit", "overlapping", "barrier"):
                await (await engine._ready())[1].reset_prefix_cache()
                work = toolkit(engine, run, items) if name == "toolkit" else globals()[name](engine, items, turns)
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
    parser.add_argument("--grade", type=int, default=24, help="Most tokens of the grade.")
    parser.add_argument("--dtype", default="auto", help="float32: texts hardly depend on the size of a batch.")
    parser.add_argument("--json")
    asyncio.run(main(parser.parse_args()))
