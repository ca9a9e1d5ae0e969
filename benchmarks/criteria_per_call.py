"""k criteria a call against one: tokens, seconds, failures, and how often the verdicts are the same.

    python benchmarks/criteria_per_call.py --model PATH_OR_NAME [--items 10] [--sizes 1,5,20] [--json FILE]

Twenty criteria that a program can check too, over short answers; one recipe (`checklist-all`) in every size, so that only
the number of criteria in a call differs. "Right" is the share of verdicts that agree with the program, "same" with those of
the first size. The prefix cache is emptied before each size.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import time
from collections.abc import Callable
from typing import Any

from judge import Sample
from judge.engine.protocol import Engine
from judge.engine.vllm import VllmEngine
from judge.pipeline.build import build_pipeline, plan
from judge.pipeline.evaluate import evaluate_all
from judge.settings import load_settings

PROMPT = "Describe a place that you would visit on a free day."
ANSWERS = (
    "I would go to Lisbon. The trams climb steep hills, the fish is fresh, and the light on the river is golden. Have you been?",
    "A quiet forest near my home. I walk for 3 hours, listen to the birds and come back rested.",
    "Tokyo! It is busy, bright and full of food. First I eat ramen, then I visit a shrine, and finally I ride a train at night.",
    "My garden. It costs nothing, and I know every tree in it. In spring the cherry blooms white.",
    "The museum of science in London has 7 floors of old engines. I like the steam engine best, because it still runs.",
    "The beach: sand, waves, wind. I take a book, and I never read it. At noon I swim.",
    "I do not travel. On a free day I stay in bed, drink coffee and call my mother.",
    "Rome, because of its fountains. I sit by the water and count coins: 10, 20, 30. Then I throw in one of mine.",
    "A lake in the mountains. The water is cold and clear, and you can see trout 5 metres down. Bring a warm coat!",
    "Paris is a good choice. You can climb the tower, see paintings, and eat bread with butter. What more do you want?",
)


def has(*words: str) -> Callable[[str], bool]:
    """Whether one of the words stands in a text."""
    return lambda text: any(re.search(rf"\b{word}", text, re.IGNORECASE) for word in words)


CRITERIA: tuple[tuple[str, Callable[[str], bool]], ...] = (
    ("The response names a city.", has("Lisbon", "Tokyo", "London", "Rome", "Paris")),
    ("The response contains a number written in digits.", lambda t: bool(re.search(r"\d", t))),
    ("The response asks the reader a question.", lambda t: "?" in t),
    ("The response contains an exclamation mark.", lambda t: "!" in t),
    ("The response mentions food or drink.", has("fish", "food", "ramen", "coffee", "bread", "butter", "cherry", "trout")),
    (
        "The response mentions water, a river, a lake or the sea.",
        has("river", "beach", "waves", "water", "lake"),
    ),
    ("The response mentions an animal.", has("bird", "fish", "trout")),
    ("The response mentions a tree or a forest.", has("tree", "forest", "cherry")),
    ("The response mentions a train or a tram.", has("train", "tram")),
    ("The response mentions a book or reading.", has("book", "read")),
    ("The response mentions a family member.", has("mother")),
    ("The response names a colour.", has("golden", "white")),
    ("The response mentions a season of the year.", has("spring")),
    ("The response mentions walking.", has("walk")),
    ("The response mentions a museum.", has("museum")),
    ("The response mentions something cold or warm.", has("cold", "warm")),
    ("The response mentions money or coins.", has("coin", "cost")),
    ("The response contains the word 'because'.", has("because")),
    ("The response mentions the night.", has("night")),
    ("The response says that the writer does not travel.", has("do not travel")),
)


def settings_of(size: int, max_tokens: int) -> Any:
    """One recipe, so many criteria a call; room for a sentence and a line on each."""
    criteria = [{"id": f"c{i}", "text": text} for i, (text, _) in enumerate(CRITERIA, 1)]
    return load_settings({
        "recipe": "checklist-all",
        "rubric": {"name": "places", "criteria": criteria, "partial": {"min_coverage": 0.01}},
        "unit": {"criteria": size},
        "filters": "off",
        "sampling": {"max_tokens": max_tokens * size + 40},
    })[0]  # fmt: skip


async def judged(engine: Engine, size: int, items: list[Sample], max_tokens: int) -> dict[str, Any]:
    """One size over all items."""
    pipeline = build_pipeline(plan(settings_of(size, max_tokens)), engine)
    began = time.perf_counter()
    rewards = [r for each in await evaluate_all(pipeline, items, in_flight=64) for r in each]
    took = time.perf_counter() - began
    calls = [call for reward in rewards for call in reward.calls]
    scores = {(r.sample_id, name): score for r in rewards for name, score in r.components.items()}
    return {
        "criteria": size,
        "calls": len(calls),
        "asked_again": sum(len(c.criteria) < size for c in calls) if len(CRITERIA) % size == 0 else None,
        "prompt_tokens": sum(c.completion.prompt_tokens for c in calls),
        "cached_tokens": sum(c.completion.cached_tokens for c in calls),
        "completion_tokens": sum(c.completion.completion_tokens for c in calls),
        "seconds": round(took, 1),
        "missing": sum(score is None for score in scores.values()),
        "scores": scores,
    }


async def main(arguments: argparse.Namespace) -> None:
    """Measure every size on one engine and print a table."""
    engine = VllmEngine(arguments.model, max_model_len=4096, progress=print)
    await engine.start()
    items = [Sample.of(PROMPT, text, id=str(i)) for i, text in enumerate(ANSWERS[: arguments.items])]
    truth = {(s.id, f"c{i}"): float(check(s.texts[0])) for s in items for i, (_, check) in enumerate(CRITERIA, 1)}
    found: list[dict[str, Any]] = []
    base: dict[tuple[str, str], float | None] = {}
    for size in map(int, arguments.sizes.split(",")):
        await (await engine._ready())[1].reset_prefix_cache()
        row = await judged(engine, size, items, arguments.max_tokens)
        scores = row.pop("scores")
        base = base or scores
        found.append(row)
        known = [key for key in truth if scores.get(key) is not None]
        both = [key for key in known if base.get(key) is not None]
        row["right"] = round(sum(scores[k] == truth[k] for k in known) / len(known), 3) if known else None
        row["same"] = round(sum(scores[k] == base[k] for k in both) / len(both), 3) if both else None
        print(json.dumps(row), flush=True)
    await engine.close()
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as out:  # noqa: ASYNC230  # nothing else runs
            json.dump(found, out, indent=2)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("--model", required=True)
    parser.add_argument("--items", type=int, default=10)
    parser.add_argument("--sizes", default="1,5,20")
    parser.add_argument("--max-tokens", type=int, default=60, help="Tokens for each criterion of a call.")
    parser.add_argument("--json")
    asyncio.run(main(parser.parse_args()))
