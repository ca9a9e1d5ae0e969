"""Plain transformers: model name -> a model in memory, and sampling settings -> what its `generate` is told."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from typing import Any, Literal

from judge.engine.chat_template import first_line
from judge.engine.lora import LoraAdapter
from judge.engine.models import LOADING
from judge.errors import EngineError
from judge.shipped import install_command
from judge.types import Sampling

_HEADS = ("ForSequenceClassification", "ForRewardModel", "RewardModel")  # ends of the architecture's name


def load_model(
    path: str,
    name: str,
    *,
    revision: str | None,
    dtype: str,
    device: str,
    trust_remote_code: bool,
    adapter: LoraAdapter | None = None,
) -> tuple[Any, Literal["text", "rate"]]:
    """Load a model, and say which kind its config says it is.

    Args:
        path: Folder or hub name.
        name: What errors call it.
        dtype: `auto`, or a type of torch.
        device: `auto`, or a device of torch.

    Raises:
        EngineError: It cannot be loaded, or its head gives more than one number.
    """
    import torch  # noqa: PLC0415  # seconds to import
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification  # noqa: PLC0415
    from transformers.utils import logging  # noqa: PLC0415

    logging.disable_progress_bar()
    place = device if device != "auto" else ("cuda" if torch.cuda.is_available() else "cpu")
    wanted = dtype if dtype == "auto" else getattr(torch, dtype, None)
    if wanted != "auto" and not isinstance(wanted, torch.dtype):
        raise EngineError(f"engine.dtype: torch has no type `{dtype}`; for example auto, bfloat16, float32")
    try:
        config = AutoConfig.from_pretrained(path, revision=revision, trust_remote_code=trust_remote_code)
        rates = any(str(a).endswith(_HEADS) for a in getattr(config, "architectures", None) or ())
        if rates and config.num_labels != 1:
            raise EngineError(f"{name}: its head gives {config.num_labels} numbers, and a reward model's gives one")
        kind = AutoModelForSequenceClassification if rates else AutoModelForCausalLM
        with LOADING:
            lm = kind.from_pretrained(path, dtype=wanted, revision=revision, trust_remote_code=trust_remote_code)
            if adapter is not None:
                lm = _adapted(lm, adapter)
            lm = lm.to(place).eval()
    except (OSError, ValueError, RuntimeError, AttributeError, ImportError, AssertionError, KeyError, TypeError) as why:
        raise EngineError(f"transformers cannot load {name}: {first_line(why)}") from why
    return lm, "rate" if rates else "text"


def _adapted(lm: Any, adapter: LoraAdapter) -> Any:
    """The model with the adapter beside its weights: added to weights in bfloat16, a small change would be rounded away."""
    if importlib.util.find_spec("peft") is None:
        raise EngineError(f"engine.adapter: the transformers engine needs peft for it: {install_command('trl')}")
    from peft import PeftModel  # noqa: PLC0415

    return PeftModel.from_pretrained(lm, adapter.path).base_model.model


def unseeded(sampling: Sampling | None) -> Sampling | None:
    """What two requests of one batch have in common."""
    return None if sampling is None else replace(sampling, seed=0)


def alone(sampling: Sampling) -> bool:
    """Whether a request may share no batch: what it draws, or which padding is penalised, would depend on its neighbours."""
    return sampling.temperature > 0 or sampling.repetition_penalty != 1.0


def presence(penalty: float, width: int) -> list[Any]:
    """What takes the presence penalty from tokens behind the prompt, which is `width` tokens long."""
    if not penalty:
        return []

    def processor(ids: Any, scores: Any) -> Any:
        said = ids[:, width:]
        return scores.scatter(1, said, scores.gather(1, said) - penalty)  # a token said twice is written twice, with one value

    return [processor]


def drawing(sampling: Sampling) -> dict[str, Any]:
    """Arguments of `generate` that choose the next token; everything the model folder suggests is overridden."""
    penalty = {"repetition_penalty": sampling.repetition_penalty}
    if sampling.temperature == 0:
        return {"do_sample": False, "temperature": None, "top_p": None, "top_k": None, "min_p": None, **penalty}
    return {
        **penalty,
        "min_p": sampling.min_p or None,
        "do_sample": True,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,  # 0: no limit, in transformers too
    }
