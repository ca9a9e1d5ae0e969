"""TRL's AsyncGRPO with judge.yaml as the reward: `python examples/trl_async/train.py` (needs a GPU, and two servers).

The policy: `vllm serve MODEL --port 8000` as TRL's documentation of AsyncGRPO says; the judge: port 8001, as judge.yaml says.
"""

from __future__ import annotations

from pathlib import Path

from datasets import load_dataset
from trl.experimental.async_grpo import AsyncGRPOConfig, AsyncGRPOTrainer

from judge.adapters.trl import JudgeReward

GENERATIONS = 8


def main() -> None:
    """Train. The rollout worker is a spawned process: it gets the reward by pickling, and starts its judge there."""
    rows = load_dataset("openai/gsm8k", "main", split="train")
    rows = rows.map(lambda row: {"prompt": [{"role": "user", "content": row["question"]}]})
    reward = JudgeReward(str(Path(__file__).with_name("judge.yaml")), num_generations=GENERATIONS, framework="trl-async")
    arguments = AsyncGRPOConfig(output_dir="out", num_generations=GENERATIONS, max_steps=100)
    AsyncGRPOTrainer(model="Qwen/Qwen2.5-0.5B-Instruct", reward_funcs=reward, args=arguments, train_dataset=rows).train()


if __name__ == "__main__":
    main()
