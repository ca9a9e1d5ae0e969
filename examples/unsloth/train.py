"""GRPO in Unsloth with judge.yaml as the reward: `python examples/unsloth/train.py` (a GPU, unsloth, and the judge served)."""

from __future__ import annotations

from pathlib import Path

from unsloth import FastLanguageModel  # before TRL, which it patches  # isort: skip
from datasets import load_dataset
from trl import GRPOConfig, GRPOTrainer

from judge.adapters.trl import JudgeReward

GENERATIONS = 8


def main() -> None:
    """Train."""
    model, tokenizer = FastLanguageModel.from_pretrained("unsloth/Qwen2.5-0.5B-Instruct", max_seq_length=2048)
    model = FastLanguageModel.get_peft_model(model, r=16, lora_alpha=16)
    rows = load_dataset("openai/gsm8k", "main", split="train")
    rows = rows.map(lambda row: {"prompt": [{"role": "user", "content": row["question"]}]})
    reward = JudgeReward(str(Path(__file__).with_name("judge.yaml")), num_generations=GENERATIONS, framework="unsloth")
    arguments = GRPOConfig(output_dir="out", num_generations=GENERATIONS, per_device_train_batch_size=GENERATIONS, max_steps=100)
    GRPOTrainer(model=model, processing_class=tokenizer, reward_funcs=reward, args=arguments, train_dataset=rows).train()


if __name__ == "__main__":
    main()
