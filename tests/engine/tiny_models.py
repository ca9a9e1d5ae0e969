"""Small models with random weights, made on the spot: a reward model and a LoRA adapter."""

from __future__ import annotations

from pathlib import Path

from judge.engine.models import resolve_model

EMBEDDED = "smollm2-135m"


def reward_model(folder: Path, *, heads: int = 1) -> str:
    """A Llama of two layers with a head of `heads` numbers in place of the words, and SmolLM2's tokenizer and chat template."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForSequenceClassification

    tokenizer = AutoTokenizer.from_pretrained(resolve_model(EMBEDDED))
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=512, num_labels=heads, pad_token_id=0, initializer_range=0.3,
    )  # fmt: skip
    torch.manual_seed(7)
    LlamaForSequenceClassification(config).to(torch.float32).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def adapter(folder: Path, *, scale: float = 0.2) -> str:
    """A LoRA adapter of rank 4 for the embedded model, with random weights large enough to change what it says."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(resolve_model(EMBEDDED), dtype=torch.float32)
    config = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    tuned = get_peft_model(base, config)
    torch.manual_seed(7)
    for name, weight in tuned.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(weight, std=scale)
    tuned.save_pretrained(folder)
    return str(folder)
