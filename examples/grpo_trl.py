"""GRPO with a rubric as its reward: TRL trains SmolLM2-135M (LoRA), a judge on vLLM grades.

    python examples/grpo_trl.py                                    # 3 steps, a few minutes on two CPU cores
    python examples/grpo_trl.py --steps 200 --policy Qwen/Qwen3-0.6B --judge Qwen/Qwen3-8B --generations 8

It shows the wiring, not learning: three steps with a judge this small teach nothing (docs/grpo.md has curves that do).
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

HERE = Path(__file__).parent
NAMES = ("Amy", "Ben", "Chen", "Dora", "Emil")
THINGS = ("apples", "coins", "books", "stamps")


def problems(count: int, seed: int) -> list[dict[str, object]]:
    """Word problems with their answers, as TRL wants them: `prompt` in chat form, `reference` for the reward."""
    draw = random.Random(seed)
    rows: list[dict[str, object]] = []
    for _ in range(count):
        a, b, who, what = draw.randint(2, 20), draw.randint(2, 20), draw.choice(NAMES), draw.choice(THINGS)
        question = f"{who} has {a} {what} and gets {b} more. How many {what} does {who} have now? Answer in one short sentence."
        rows.append({"prompt": [{"role": "user", "content": question}], "reference": str(a + b)})
    return rows


def main() -> None:
    """Train, and print what the reward function logged."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default=str(HERE / "grpo_trl.yaml"), help="run settings of the reward")
    parser.add_argument("--policy", default="smollm2-135m", help="model to train: embedded name, hub name or folder")
    parser.add_argument("--judge", default=None, help="model that grades; default: the one in the config")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--generations", type=int, default=4, help="completions a prompt: the group")
    parser.add_argument("--prompts", type=int, default=2, help="prompts a step")
    parser.add_argument("--max-tokens", type=int, default=48, help="of a completion")
    parser.add_argument("--output", default="runs/grpo")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    import torch  # noqa: PLC0415  # seconds to load, and --help needs none of it
    from datasets import Dataset  # noqa: PLC0415
    from peft import LoraConfig  # noqa: PLC0415
    from trl import GRPOConfig, GRPOTrainer  # noqa: PLC0415

    from judge.adapters.trl import JudgeReward  # noqa: PLC0415
    from judge.engine.models import resolve_model  # noqa: PLC0415

    overrides = [f"engine.model={args.judge}"] if args.judge else []
    reward = JudgeReward(args.config, overrides=overrides, num_generations=args.generations, name="rubric")
    trainer = GRPOTrainer(
        model=resolve_model(args.policy),
        reward_funcs=reward,
        train_dataset=Dataset.from_list(problems(args.steps * args.prompts, args.seed)),
        args=GRPOConfig(
            output_dir=args.output,
            max_steps=args.steps,
            num_generations=args.generations,
            per_device_train_batch_size=args.prompts * args.generations,
            max_completion_length=args.max_tokens,
            learning_rate=1e-4,
            temperature=1.0,
            logging_steps=1,
            report_to="none",
            save_strategy="no",
            use_cpu=not torch.cuda.is_available(),
            bf16=torch.cuda.is_available(),
            seed=args.seed,
        ),
        peft_config=LoraConfig(r=8, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"),
    )
    try:
        trainer.train()
    finally:
        reward.close()
    for entry in trainer.state.log_history:
        if "rewards/rubric/mean" in entry:
            shown = {
                k: round(v, 4) for k, v in entry.items() if k.startswith(("rewards/", "rubric/", "grad_norm")) and v is not None
            }
            print(f"step {entry['step']}: {shown}")


if __name__ == "__main__":
    main()
