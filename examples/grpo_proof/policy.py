"""A language model small enough to train in a minute on one core, and its tokenizer; both made here, nothing is downloaded.

A token is a word with the space before it, a digit, a sign between spaces, or one other character: so numbers of any size are
spelled in digits, and decoding is plain concatenation.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import islice

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, set_seed

from examples.grpo_proof.problems import KEYS, NAMES, THINGS, WORDINGS, taught

MAX_NEW_TOKENS = 22
_PAD, _END, _UNKNOWN = "<pad>", "<eos>", "<unk>"
_PIECE = r" [+=-] | ?[^\W\d]+|\d|[^\w]"


def make_tokenizer(keys: Sequence[str] = KEYS) -> PreTrainedTokenizerFast:
    """Every word that a prompt or a response can hold is one token."""
    inside = [f" {word}" for word in (*NAMES, *THINGS)]
    texts = [*keys, *NAMES, *inside, "0123456789, so.\n", " + ", " - ", " = ", *sum(WORDINGS.values(), ())]
    split = pre_tokenizers.Split(Regex(_PIECE), "isolated")
    pieces = dict.fromkeys(piece for text in texts for piece, _ in split.pre_tokenize_str(text))
    vocabulary = {piece: at for at, piece in enumerate([_PAD, _END, _UNKNOWN, *pieces])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=_UNKNOWN))
    tokenizer.pre_tokenizer = split
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=_PAD, eos_token=_END, unk_token=_UNKNOWN, padding_side="left",
        clean_up_tokenization_spaces=False,
    )  # fmt: skip


def make_policy(tokenizer: PreTrainedTokenizerFast, seed: int, *, width: int = 96, layers: int = 2) -> LlamaForCausalLM:
    """A Llama with random weights (0.25 million parameters by default)."""
    set_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=width, intermediate_size=3 * width, num_hidden_layers=layers,
        num_attention_heads=4, num_key_value_heads=4, max_position_embeddings=128, tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id, bos_token_id=None,
    )  # fmt: skip
    return LlamaForCausalLM(config)


def pretrain(
    policy: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    *,
    steps: int,
    seed: int,
    batch: int = 64,
    keys: Sequence[str] = KEYS,
) -> float:
    """Teach the policy the texts of `taught`. Returns the loss of the last step, in nats a token."""
    chance = random.Random(f"taught {seed}")
    optimizer = torch.optim.AdamW(policy.parameters(), lr=3e-3, weight_decay=0.01, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=steps, pct_start=0.1)
    loss = torch.zeros(())
    for _ in range(steps):
        inputs, labels = _batch(tokenizer, [taught(chance, keys) for _ in range(batch)])
        loss = policy(**inputs, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    return float(loss.item())


def _batch(tokenizer: PreTrainedTokenizerFast, texts: Sequence[tuple[str, str]]) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Token ids and labels, shape (texts, tokens); only the response has labels."""
    replies = [tokenizer(reply + tokenizer.eos_token)["input_ids"] for _, reply in texts]
    inputs = tokenizer([prompt + reply + tokenizer.eos_token for prompt, reply in texts], return_tensors="pt", padding=True)
    inputs.pop("token_type_ids", None)
    labels = torch.full_like(inputs["input_ids"], -100)
    for row, reply in enumerate(replies):  # padding is on the left
        labels[row, -len(reply) :] = torch.tensor(reply)
    return dict(inputs), labels


@torch.no_grad()  # type: ignore[untyped-decorator]  # torch is not read by mypy
def respond(
    policy: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Sequence[str],
    *,
    greedy: bool = False,
    batch: int = 256,
) -> list[str]:
    """One response a prompt, sampled at temperature 1 or the most likely one."""
    out: list[str] = []
    rest = iter(prompts)
    while part := list(islice(rest, batch)):
        inputs = tokenizer(part, return_tensors="pt", padding=True, return_token_type_ids=False)
        made = policy.generate(**inputs, do_sample=not greedy, max_new_tokens=MAX_NEW_TOKENS)
        out += tokenizer.batch_decode(made[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    return out
