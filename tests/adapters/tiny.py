"""A policy of a few thousand random weights, its tokenizer, and TRL's trainer: real steps in seconds, no downloads."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any
from zlib import crc32

import torch
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, PrinterCallback, set_seed

from judge.types import Request
from tests.stub_judges import responses_in

sys.modules.setdefault("vllm", None)  # TRL imports it where it can: seconds, for nothing here
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from trl import GRPOConfig, GRPOTrainer
if sys.modules["vllm"] is None:
    del sys.modules["vllm"]

WORDS = tuple(
    f"{a}{b}" for a in ("ba", "co", "di", "fu", "ge", "ho", "ki", "la") for b in ("mar", "nel", "pos", "rit", "sun", "tov")
)
SPECIAL = ("<pad>", "<eos>", "<unk>")


def tokenizer() -> PreTrainedTokenizerFast:
    """A word is a token."""
    made = Tokenizer(models.WordLevel({w: i for i, w in enumerate((*SPECIAL, *WORDS))}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>", padding_side="left"
    )


def policy(words: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Two layers, 32 wide."""
    set_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(words),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            max_position_embeddings=64,
            pad_token_id=0,
            eos_token_id=1,
            bos_token_id=None,
        )
    )


class Watched(GRPOTrainer):
    """The trainer, with what it made of the rewards kept: tensors of all processes, and the local advantages."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.rewards: list[torch.Tensor] = []
        self.advantages: list[torch.Tensor] = []
        super().__init__(*arguments, **options)

    def _calculate_rewards(self, *arguments: Any) -> torch.Tensor:
        self.rewards.append(super()._calculate_rewards(*arguments).clone())
        return self.rewards[-1].clone()

    def _generate_and_score_completions(self, *arguments: Any) -> dict[str, Any]:
        made = super()._generate_and_score_completions(*arguments)
        self.advantages.append(made["advantages"].clone())
        return made


def trainer(folder: str, reward: Any, *, steps: int = 3, batch: int = 8, size: int = 4, **options: Any) -> Watched:
    """A trainer that is ready to run.

    Args:
        batch: Completions a process and step.
        size: Completions a prompt.
    """
    words = tokenizer()
    rows = [{"prompt": f"{a} {b}", "answer": b} for a, b in pairwise(WORDS)]
    settings = {
        "output_dir": folder, "seed": 3, "max_steps": steps, "per_device_train_batch_size": batch, "num_generations": size,
        "max_completion_length": 6, "beta": 0.0, "use_cpu": True, "bf16": False, "gradient_checkpointing": False,
        "logging_steps": 1, "save_strategy": "no", "report_to": "none", "disable_tqdm": True, "dataloader_pin_memory": False,
        "learning_rate": 1e-3,
    }  # fmt: skip
    made = Watched(
        model=policy(words), reward_funcs=reward, args=GRPOConfig(**{**settings, **options}), processing_class=words,
        train_dataset=Dataset.from_list(rows),
    )  # fmt: skip
    made.remove_callback(PrinterCallback)
    logging.getLogger("trl").setLevel(logging.ERROR)
    return made


def texts(request: Request) -> list[str]:
    """The responses that a request shows."""
    return responses_in({"messages": [{"role": m.role, "content": m.content} for m in request.messages]})


def by_hash(silent: int = 0) -> Callable[[Request], str]:
    """A judge that says correct or not by a hash of the response, and nothing about one text in `silent` (0: never)."""

    def reply(request: Request) -> str:
        value = crc32(texts(request)[0].encode())
        if silent and value % silent == 0:
            return "hm"
        yes, no = ("MET", "UNMET") if "UNMET" in str(request.messages) else ("CORRECT", "INCORRECT")
        return f"VERDICT: {yes if value // 7 % 2 else no}"

    return reply


def prefer(request: Request) -> str:
    """A judge of pairs: the text that is greater in the alphabet wins, and equals tie."""
    first, second = texts(request)
    return "[[C]]" if first == second else "[[A]]" if first > second else "[[B]]"
