"""One GRPO group judged by criterion: what comes from the prefix cache, and how long it takes against a plain loop.

    python benchmarks/shared_prefix.py [--responses 8] [--criteria 6] [--repeats 3] [--model smollm2-135m] [--json FILE]

Repeatable tokens are those that an earlier request of the group has in front of the same place: all prompt tokens less the
nodes of the tree that the prompts make. The plain loop sends the same requests one after the other to the same engine, prefix
cache on and emptied before. Temperature 0; the verdicts of both are compared.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
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


def make_plan(criteria: int, max_tokens: int) -> Plan:
    """One call a criterion, and none asked again."""
    rubric = {"name": "sky", "criteria": [{"id": f"c{i}", "text": f"The response {ASPECTS[i]}."} for i in range(criteria)]}
    settings, _ = load_settings({
        "recipe": "checklist", "rubric": rubric, "filters": "off", "sampling": {"max_tokens": max_tokens},
    })  # fmt: skip
    whole = plan(settings)
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


async def toolkit(engine: VllmEngine, run: Plan, samples: list[Sample]) -> tuple[float, list[Call]]:
    """Seconds and calls of the toolkit's own way through the group."""
    pipeline = build_pipeline(run, engine)
    began = time.perf_counter()
    rewards = [r for each in await evaluate_all(pipeline, samples, in_flight=512) for r in each]
    return time.perf_counter() - began, [call for reward in rewards for call in reward.calls]


async def loop(engine: VllmEngine, requests: list[Request]) -> tuple[float, list[str]]:
    """Seconds and texts of one request after the other."""
    began = time.perf_counter()
    texts = [(await engine.complete(request)).text for request in requests]
    return time.perf_counter() - began, texts


async def main(arguments: argparse.Namespace) -> None:
    """Measure both in turn on one engine."""
    engine = VllmEngine(arguments.model, max_model_len=4096, progress=print)
    await engine.start()
    run, samples = make_plan(arguments.criteria, arguments.max_tokens), group(arguments.responses)
    chat, llm = await engine._ready()
    requests = [Request(call.messages, call.sampling) for s in samples for call in preview(run, s, engine)]
    prompts = [list(chat.prompt_ids(r.messages)) for r in requests]
    again = repeatable(prompts)
    rows = []
    for _ in range(arguments.repeats):
        await llm.reset_prefix_cache()
        took, calls = await toolkit(engine, run, samples)
        first = [c for c in calls if c.request is not None and c.request.messages in {r.messages for r in requests}]
        await llm.reset_prefix_cache()
        slow, texts = await loop(engine, requests)
        said = {r.messages: text for r, text in zip(requests, texts, strict=True)}
        same = [c.completion.text == said[c.request.messages] for c in first if c.request is not None]
        rows.append({
            "requests": len(first), "asked_again": len(calls) - len(first), "prompt_tokens": sum(map(len, prompts)),
            "repeatable": again, "cached": sum(c.completion.cached_tokens for c in first),
            "share": round(sum(c.completion.cached_tokens for c in first) / again, 4),
            "seconds": round(took, 2), "loop_seconds": round(slow, 2), "ratio": round(took / slow, 3),
            "same_text": round(statistics.fmean(same), 3),
            "verdicts": sum(isinstance(c.outcome, Verdict) for c in calls),
        })  # fmt: skip
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
    parser.add_argument("--json")
    asyncio.run(main(parser.parse_args()))
