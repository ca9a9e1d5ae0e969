"""One GRPO group judged by criterion: what comes from the prefix cache, and how long it takes against a plain loop.

    python benchmarks/shared_prefix.py [--responses 8] [--criteria 6] [--repeats 3] [--forced] [--dtype float32] [--json FILE]

Repeatable tokens are those that an earlier request of the group has in front of the same place: all prompt tokens less the
nodes of the tree that the prompts make. The plain loop sends the same requests one after the other to the same engine, prefix
cache on and emptied before. Temperature 0; the texts of both are compared. With `--forced` a reply that states no verdict is
asked for one under a constraint, on both sides: the loop then judges one criterion after the other, each to its end, and the
verdicts are compared. In float32 a text hardly depends on the size of its batch.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from argparse import Namespace
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from judge import Sample
from judge.engine.vllm import VllmEngine
from judge.pipeline.build import Plan, build_pipeline, plan
from judge.pipeline.evaluate import evaluate_all
from judge.pipeline.preview import preview
from judge.settings import load_settings
from judge.types import Call, Request, Verdict

PROMPT = "Explain to a child why the sky is blue, and why it turns red in the evening. " * 4
ANSWER = "Light from the sun holds all colours. The air scatters the short waves most, so blue comes from everywhere. "
ASPECTS = (
    "is true",
    "is short",
    "fits a child",
    "explains the evening",
    "has an example",
    "asks nothing back",
    "is polite",
    "rhymes",
)


def make_plan(criteria: Iterable[int], arguments: Namespace) -> Plan:
    """One call a criterion; none asked again unless verdicts are forced."""
    rubric = {"name": "sky", "criteria": [{"id": f"c{i}", "text": f"The response {ASPECTS[i]}."} for i in criteria]}
    settings, _ = load_settings({
        "recipe": "checklist", "rubric": rubric, "filters": "off", "sampling": {"max_tokens": arguments.max_tokens},
    })  # fmt: skip
    whole = plan(settings)
    if arguments.forced:
        return whole
    spec = whole.recipe.spec.model_copy(update={"force": (), "ask_again": ()})  # the loop would not send these
    return replace(whole, recipe=replace(whole.recipe, spec=spec))


def group(count: int) -> list[Sample]:
    """Different answers to one prompt."""
    return [Sample.of(PROMPT, f"{i}. {ANSWER * 3}That is answer number {i}.", id=str(i)) for i in range(count)]


def repeatable(prompts: list[list[int]]) -> int:
    """Tokens of the prompts that an earlier one has in front of the same place."""
    seen: set[tuple[int, ...]] = set()
    for ids in prompts:
        seen |= {tuple(ids[:end]) for end in range(1, len(ids) + 1)}
    return sum(map(len, prompts)) - len(seen)


async def toolkit(engine: VllmEngine, run: Plan, samples: list[Sample]) -> tuple[float, list[list[Call]]]:
    """Seconds of the toolkit's own way through the group, and the calls of each sample."""
    pipeline = build_pipeline(run, engine)
    began = time.perf_counter()
    rewards = await evaluate_all(pipeline, samples, in_flight=512)
    return time.perf_counter() - began, [[call for reward in each for call in reward.calls] for each in rewards]


async def loop(engine: VllmEngine, requests: list[Request]) -> tuple[float, list[str]]:
    """Seconds and texts of one request after the other."""
    began = time.perf_counter()
    texts = [(await engine.complete(request)).text for request in requests]
    return time.perf_counter() - began, texts


async def one_by_one(engine: VllmEngine, runs: list[Plan], samples: list[Sample]) -> tuple[float, list[list[Call]]]:
    """Seconds of one criterion after the other, each judged to its end, and the calls of each sample."""
    pipelines = [build_pipeline(run, engine) for run in runs]
    began, calls = time.perf_counter(), [list[Call]() for _ in samples]
    for sample, mine in zip(samples, calls, strict=True):
        for pipeline in pipelines:
            [rewards] = await evaluate_all(pipeline, [sample], in_flight=1)
            mine += [call for reward in rewards for call in reward.calls]
    return time.perf_counter() - began, calls


def verdicts(calls: list[list[Call]]) -> dict[tuple[int, tuple[str, ...]], Any]:
    """Sample and criterion -> the verdict that its calls came to."""
    return {
        (place, call.criteria): call.outcome.value
        for place, each in enumerate(calls)
        for call in each
        if isinstance(call.outcome, Verdict)
    }


async def compared(
    engine: VllmEngine, requests: list[Request], samples: list[Sample], asked: argparse.Namespace
) -> dict[str, Any]:
    """One round: the toolkit, and then the plain loop."""
    chat, llm = await engine._ready()
    prompts = [list(chat.prompt_ids(r.messages)) for r in requests]
    again, sent = repeatable(prompts), {r.messages for r in requests}
    await llm.reset_prefix_cache()
    took, calls = await toolkit(engine, make_plan(range(asked.criteria), asked), samples)
    every = [call for each in calls for call in each]
    first = [c for c in every if c.request is not None and c.request.messages in sent]
    await llm.reset_prefix_cache()
    stated = verdicts(calls)
    if asked.forced:
        slow, plain = await one_by_one(engine, [make_plan([i], asked) for i in range(asked.criteria)], samples)
        told = verdicts(plain)
        said = {c.request.messages: c.completion.text for each in plain for c in each if c.request is not None}
    else:
        slow, texts = await loop(engine, requests)
        told, said = {}, {r.messages: text for r, text in zip(requests, texts, strict=True)}
    same = [c.completion.text == said[c.request.messages] for c in first if c.request is not None]
    cached = sum(c.completion.cached_tokens for c in first)
    return {
        "requests": len(first), "asked_again": len(every) - len(first), "prompt_tokens": sum(map(len, prompts)),
        "repeatable": again, "cached": cached, "share": round(cached / again, 4),
        "seconds": round(took, 2), "loop_seconds": round(slow, 2), "ratio": round(took / slow, 3),
        "same_text": round(statistics.fmean(same), 3), "verdicts": len(stated),
        "same_verdict": sum(told.get(place) == value for place, value in stated.items()),
    }  # fmt: skip


async def main(arguments: Namespace) -> None:
    """Measure both in turn on one engine."""
    engine = VllmEngine(arguments.model, max_model_len=4096, dtype=arguments.dtype, progress=print)
    await engine.start()
    run, samples, rows = make_plan(range(arguments.criteria), arguments), group(arguments.responses), []
    requests = [Request(call.messages, call.sampling) for s in samples for call in preview(run, s, engine)]
    for _ in range(arguments.repeats):
        rows.append(await compared(engine, requests, samples, arguments))
        print(json.dumps(rows[-1]), flush=True)
    await engine.close()
    found: dict[str, Any] = {name: statistics.median(row[name] for row in rows) for name in ("share", "ratio")}
    print(f"median: {found['share']:.1%} of the repeatable tokens from the cache, {found['ratio']:.2f} of the loop's time")
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as out:  # noqa: ASYNC230  # nothing else runs
            json.dump(rows, out, indent=2)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--responses", type=int, default=8)
    parser.add_argument("--criteria", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--max-tokens", type=int, default=48)
    parser.add_argument("--forced", action="store_true", help="Ask for a verdict under a constraint where a reply states none.")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--json")
    asyncio.run(main(parser.parse_args()))
