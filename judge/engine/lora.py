"""A LoRA adapter over a base model: where it is, how large it is, and which one it is.

A policy that judges itself is a base model with another adapter, so an adapter is a setting of its own (`engine.adapter`) and
part of the identity: the same base with another adapter is another judge.
"""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judge.engine.chat_template import first_line
from judge.engine.models import fingerprint
from judge.errors import EngineError

CONFIG = "adapter_config.json"


@dataclass(frozen=True, slots=True)
class LoraAdapter:
    """A LoRA adapter in a local folder.

    Attributes:
        name: As the settings name it.
        rank: The largest rank of its matrices.
        fingerprint: Names its weights (16 hex digits).
    """

    name: str
    path: str
    rank: int
    fingerprint: str


def find_adapter(name: str) -> LoraAdapter:
    """Find an adapter by folder or hub name; one on the hub is fetched.

    Raises:
        EngineError: There is none, or it is no LoRA adapter.
    """
    folder = Path(name).expanduser()
    if not folder.is_dir():
        folder = _fetched(name)
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except OSError:
        raise EngineError(f"adapter {name}: {folder} holds no {CONFIG}, so it is not an adapter as peft saves it") from None
    except ValueError as why:
        raise EngineError(f"adapter {name}: {folder / CONFIG} cannot be read: {first_line(why)}") from None
    kind = str(config.get("peft_type", ""))
    if kind != "LORA":
        raise EngineError(f"adapter {name}: only LoRA adapters can be used, and this one is {kind or 'of no stated kind'}")
    ranks = [config.get("r"), *(config.get("rank_pattern") or {}).values()]
    rank = max((r for r in ranks if isinstance(r, int)), default=0)
    if rank < 1:
        raise EngineError(f"adapter {name}: {folder / CONFIG} states no rank `r`")
    return LoraAdapter(name, str(folder), rank, fingerprint(str(folder), config=CONFIG))


def _fetched(name: str) -> Path:
    """The folder of an adapter on the hub."""
    if name.startswith(("/", ".", "~")) or name.count("/") != 1 or importlib.util.find_spec("huggingface_hub") is None:
        raise EngineError(f"adapter {name}: no such folder")
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - heavy, on first use only

    try:
        return Path(snapshot_download(name, allow_patterns=["*.json", "*.safetensors", "*.bin"], etag_timeout=10))
    except (OSError, ValueError) as why:  # what the hub's client raises: no network, no such repository, no such name
        said = first_line(why, 160)
        raise EngineError(f"adapter {name}: no such folder, and it could not be fetched from the hub: {said}") from None


def lora_request(adapter: LoraAdapter) -> Any:
    """What vLLM is told of an adapter with every request."""
    from vllm.lora.request import LoRARequest  # noqa: PLC0415  # imports torch

    return LoRARequest(adapter.name, 1, adapter.path)
