"""The toolkit against raw vLLM on the same work, as a ratio: 1.00 means that judging costs nothing but the engine.

    python benchmarks/vs_vllm.py [--samples 24] [--repeats 3] [--model smollm2-135m] [--json FILE]

Raw: every prompt already rendered and tokenised, handed to `AsyncLLM.generate` all at once. Toolkit: `judge run`'s own path
from samples to rewards, with rendering, quoting, tokenising, journal, parsing and folding. Both use one engine in one process,
the same token prompts and the same sampling (checked), in turn A B A B, with the prefix cache emptied before each. Forced
continuations are switched off, because raw vLLM would not send them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from judge import Sample, load_recipe
from judge.batch.run import run_batch
from judge.engine.vllm import VllmEngine
from judge.engine.vllm_convert import sampling_params
from judge.pipeline.build import Plan, plan
from judge.pipeline.preview import preview
from judge.rubric.load import load_rubric
from judge.settings import load_settings
from judge.types import Request

ANSWER = "Rayleigh scattering sends short wavelengths in all directions, so the sky looks blue away from the sun. "


def make_plan(max_tokens: int) -> Plan:
    """The checklist recipe without forced continuations."""
    settings, _ = load_settings({"recipe": "checklist", "rubric": "helpfulness", "sampling": {"max_tokens": max_tokens}})
    whole = plan(settings)
    recipe = load_recipe("checklist")
    return replace(
        whole, recipe=replace(recipe, spec=recipe.spec.model_copy(update={"force": ()})), rubric=load_rubric("helpfulness")
    )


def samples(count: int) -> list[Sample]:
    """Answers of some 100 tokens that all differ."""
    return [Sample.of(f"Question {i}: why is the sky blue?", f"{ANSWER * 4}({i})", id=str(i)) for i in range(count)]


async def raw(engine: VllmEngine, work: list[tuple[list[int], Any]]) -> tuple[float, int]:
    """Seconds and generated tokens of raw vLLM."""
    llm = engine._llm

    async def one(index: int, ids: list[int], params: Any) -> int:
        async for output in llm.generate({"prompt_token_ids": ids}, params, f"raw-{index}-{time.monotonic_ns()}"):
            last = output
        return len(last.outputs[0].token_ids)

    began = time.perf_counter()
    tokens = await asyncio.gather(*(one(i, ids, params) for i, (ids, params) in enumerate(work)))
    return time.perf_counter() - began, sum(tokens)


async def toolkit(engine: VllmEngine, run: Plan, items: list[Sample]) -> tuple[float, int]:
    """Seconds and generated tokens of the toolkit."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        result = await run_batch(run, items, Path(folder), engine=engine, quiet=True)
        return time.perf_counter() - began, result.run["tokens"]["completion"]


async def compare(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run both in turn and print each pair."""
    engine = VllmEngine(arguments.model, max_model_len=2048, progress=print)
    await engine.start()
    run, items = make_plan(arguments.max_tokens), samples(arguments.samples)
    chat, llm = await engine._ready()
    calls = [call for item in items for call in preview(run, item, engine)]
    work = [
        (chat.prompt_ids(c.messages), sampling_params(Request(c.messages, c.sampling).sampling, None, c.sampling.seed))
        for c in calls
    ]
    print(
        f"{len(work)} prompts, {sum(len(ids) for ids, _ in work):,} prompt tokens, at most {arguments.max_tokens} new tokens each"
    )
    await raw(engine, work[:16])
    ratios, seconds = [], []
    for turn in range(arguments.repeats):
        await llm.reset_prefix_cache()
        raw_s, raw_tokens = await raw(engine, work)
        await llm.reset_prefix_cache()
        our_s, our_tokens = await toolkit(engine, run, items)
        ratios.append(raw_s / our_s)
        seconds.append((raw_s, our_s))
        pair = f"raw {raw_s:.2f} s ({raw_tokens:,} tokens), toolkit {our_s:.2f} s ({our_tokens:,})"
        print(f"  {turn + 1}: {pair}, ratio {ratios[-1]:.3f}", flush=True)
    await engine.close()
    ratio = statistics.median(ratios)
    print(f"toolkit reaches {ratio:.3f} of raw vLLM (median of {arguments.repeats}, {min(ratios):.3f} to {max(ratios):.3f})")
    return {"ratio": ratio, "ratios": ratios, "seconds": seconds, "prompts": len(work)}


def main() -> None:
    """Read the arguments and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=24, help="eight calls each [default: 24]")
    parser.add_argument("--max-tokens", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    figures = asyncio.run(compare(arguments))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
