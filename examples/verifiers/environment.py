"""A verifiers 0.3 environment whose reward is judge.yaml; one for 0.4 needs no Python (see launch.sh)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import verifiers as vf
from datasets import load_dataset

from judge.adapters.verifiers import judge_rubric


def load_environment(data: str = "openai/gsm8k", **options: Any) -> Any:
    """A single-turn environment over a data set with the columns `question` and `answer`."""
    rows = load_dataset(data, "main", split="train")
    rubric = judge_rubric(str(Path(__file__).with_name("judge.yaml")))
    return vf.SingleTurnEnv(dataset=rows, rubric=rubric, **options)
