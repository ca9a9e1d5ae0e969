"""How these tests ask the engine."""

from __future__ import annotations

from judge.engine.protocol import Engine
from judge.pipeline.build import build_pipeline, plan
from judge.recipe.load import load_recipe
from judge.settings import load_settings
from judge.types import Message, Request, Reward, Sample, Sampling, Structured

MODEL = "smollm2-135m"
CONTEXT = 4096
RUBRIC = {
    "name": "short",
    "criteria": [
        {"id": "answers", "text": "The response answers the question.", "kind": "hard_rule", "weight": 3},
        {"id": "clear", "text": "The response is clear.", "scale": {"min": 1, "max": 3}},
        {"id": "padding", "text": "The response has sentences that could be cut.", "kind": "pitfall"},
    ],
}


async def judge_one(engine: Engine, recipe: str, sample: Sample, **settings: object) -> tuple[Reward, ...]:
    known = load_recipe(recipe)
    cold = {"temperature": 0.0} if known.spec.votes.n == 1 else {}  # several votes at 0 would be copies
    rubric = RUBRIC if known.rubric is None else None
    run, _ = load_settings({"recipe": recipe, "rubric": rubric, "sampling": {"max_tokens": 48, **cold}, **settings})
    return await build_pipeline(plan(run), engine).judge(sample)


async def choice_after_prefill(engine: Engine) -> str:
    """A verdict forced after given words of the judge."""
    messages = (Message("user", "Is 2+2 equal to 4?"), Message("assistant", "I have checked.\nVERDICT: "))
    reply = await engine.complete(Request(messages, Sampling(max_tokens=8), Structured(choice=("CORRECT", "INCORRECT"))))
    return reply.text.strip()
