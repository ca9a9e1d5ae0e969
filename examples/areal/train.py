"""AReaL with judge.yaml as the reward, whole groups at once: `python examples/areal/train.py --config run.yaml` (needs a GPU).

run.yaml is a GRPO configuration of AReaL's, in which `gconfig.n_samples` is 1: the workflow rolls out the group itself.
"""

from __future__ import annotations

import sys
from pathlib import Path

from areal import PPOTrainer
from areal.api.cli_args import GRPOConfig, load_expr_config
from datasets import load_dataset

GENERATIONS = 8


def main() -> None:
    """Train."""
    config, _ = load_expr_config(sys.argv[1:], GRPOConfig)
    rows = load_dataset("openai/gsm8k", "main", split="train")
    rows = rows.map(lambda row: {"messages": [{"role": "user", "content": row["question"]}]}, remove_columns=["question"])
    with PPOTrainer(config, train_dataset=rows) as trainer:
        trainer.train(
            workflow="judge.adapters.areal_workflow.JudgeWorkflow",
            workflow_kwargs={
                "gconfig": config.gconfig,
                "tokenizer": config.tokenizer_path,
                "group_size": GENERATIONS,
                "config": str(Path(__file__).with_name("judge.yaml")),
            },
        )


if __name__ == "__main__":
    main()
