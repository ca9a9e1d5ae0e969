"""Put the question where verl's reward can see it: `python add_question.py train.parquet train_with_question.parquet`.

verl passes a reward function the response, the ground truth and `extra_info`, and never the prompt.
"""

from __future__ import annotations

import sys

from datasets import load_dataset


def with_question(row: dict) -> dict:
    """The row with its last user message as `extra_info.question`."""
    asked = [message["content"] for message in row["prompt"] if message["role"] == "user"]
    return {"extra_info": {**(row.get("extra_info") or {}), "question": asked[-1]}}


if __name__ == "__main__":
    source, target = sys.argv[1:]
    load_dataset("parquet", data_files=source, split="train").map(with_question).to_parquet(target)
