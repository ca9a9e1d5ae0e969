"""ART with judge.yaml in the place of RULER: `python examples/art/train.py` (needs a GPU, openpipe-art, and the judge served)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import art
from art.local import LocalBackend

from judge.adapters.art import judge_group

QUESTIONS = {"What is the capital of France?": "Paris", "What is the capital of Italy?": "Rome"}
GENERATIONS, STEPS = 8, 10


async def rollout(model: art.Model, question: str, answer: str) -> art.Trajectory:
    """One answer of the policy. The reference travels in the metadata, where the judge finds it."""
    messages: art.Messages = [{"role": "user", "content": question}]
    reply = await model.openai_client().chat.completions.create(model=model.get_inference_name(), messages=messages)
    return art.Trajectory(messages_and_choices=[*messages, reply.choices[0]], reward=0.0, metadata={"answer": answer})


async def main() -> None:
    """Train."""
    model = art.TrainableModel(name="judged", project="judge", base_model="Qwen/Qwen2.5-0.5B-Instruct")
    backend = LocalBackend()
    await model.register(backend)
    judged = judge_group(str(Path(__file__).with_name("judge.yaml")))
    for _ in range(await model.get_step(), STEPS):
        groups = await art.gather_trajectory_groups(
            (art.TrajectoryGroup(rollout(model, q, a) for _ in range(GENERATIONS)) for q, a in QUESTIONS.items()),
            after_each=judged,
        )
        await model.log(groups, split="train")
        result = await backend.train(model, groups)
        await model.log(metrics=result.metrics, step=result.step)


if __name__ == "__main__":
    asyncio.run(main())
